import { parseJson, timeOf } from './core/json.ts'
import { SPEND_MARKERS } from './core/message-usage.ts'
import { PROMPT_MARKERS } from './core/prompts.ts'
import { findUnsent, type Submitted, type Unsent } from './core/unsent.ts'
import { readLinesBackwards } from './lines.ts'

/** So many rows at most: what a child wrote as it ended, and nobody has read yet. */
const MOST_ROWS = 100

/** The last rows of a transcript that tell what was spent, the oldest first; none where it cannot be read. */
export function readEnd(transcript: string | undefined): Promise<unknown[]> {
  return readLastRows(transcript, { contains: SPEND_MARKERS })
}

/**
 * What the child that began at an epoch ms never sent, see `findUnsent`. A transcript that cannot be read tells nothing.
 */
export async function readUnsent(
  transcript: string | undefined,
  { since, submitted }: { since: number; submitted: readonly Submitted[] },
): Promise<Unsent> {
  return findUnsent(await readLastRows(transcript, { contains: PROMPT_MARKERS, since }), submitted)
}

async function readLastRows(
  transcript: string | undefined,
  { contains, since = 0 }: { contains: readonly string[]; since?: number },
): Promise<unknown[]> {
  const rows: unknown[] = []
  if (transcript === undefined) return rows
  try {
    for await (const line of readLinesBackwards(transcript, { contains })) {
      const row = parseJson(line)
      if ((timeOf(row) ?? since) < since) break
      rows.push(row)
      if (rows.length === MOST_ROWS) break
    }
  } catch {
    // What has been read counts.
  }
  return rows.reverse()
}
