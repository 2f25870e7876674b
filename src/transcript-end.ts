import { parseJson } from './core/json.ts'
import { SPEND_MARKERS } from './core/message-usage.ts'
import { readLinesBackwards } from './lines.ts'

/** So many rows at most: what a child wrote as it ended, and nobody has read yet. */
const MOST_ROWS = 100

/** The last rows of a transcript that tell what was spent, the oldest first; none where it cannot be read. */
export async function readEnd(transcript: string | undefined): Promise<unknown[]> {
  const rows: unknown[] = []
  if (transcript === undefined) return rows
  try {
    for await (const line of readLinesBackwards(transcript, { contains: SPEND_MARKERS })) {
      rows.push(parseJson(line))
      if (rows.length === MOST_ROWS) break
    }
  } catch {
    // What has been read counts.
  }
  return rows.reverse()
}
