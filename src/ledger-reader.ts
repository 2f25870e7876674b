import { type FileHandle, open } from 'node:fs/promises'
import { keyOfEntry, type LedgerEntry, parseEntry } from './core/ledger.ts'
import type { Log } from './log.ts'
import { isMissing } from './tail.ts'

export type LedgerReader = {
  /** The row of each key that counts. Throws what the file system says; no file is an empty ledger. */
  read: () => Promise<Map<string, LedgerEntry>>
}

/** A row as it stands in the file, so that fields of later versions are kept. */
type Row = { entry: LedgerEntry; line: string }

/** Reads what was appended since the last time; all of it after the file was replaced. */
export function createLedgerReader(file: string, log: Log): LedgerReader {
  let rows = new Map<string, Row>()
  let identity = ''
  let offset = 0
  const reset = (next: string) => {
    if (next === identity) return
    rows = new Map()
    identity = next
    offset = 0
  }
  return {
    read: async () => {
      const handle = await openIfAny(file)
      if (handle === undefined) {
        reset('')
        return new Map()
      }
      try {
        const { dev, ino, size } = await handle.stat()
        if (size < offset) reset('')
        reset(`${dev} ${ino}`)
        const { lines, rest, end } = await readLines(handle, offset)
        for (const line of lines) {
          if (!addRow(rows, line)) log(`Skipped a damaged line of the ledger ${file}`)
        }
        offset = end
        // It may be half of a row that is being written, or the whole of one that lost its line feed.
        const all = new Map(rows)
        addRow(all, rest)
        return new Map([...all].map(([key, { entry }]) => [key, entry]))
      } finally {
        await handle.close()
      }
    },
  }
}

/** Keeps a line if it is a row that counts, i.e. none of its key has a higher revision. False: it is damaged. */
export function addRow(rows: Map<string, Row>, line: string): boolean {
  if (line === '') return true
  const entry = parseEntry(line)
  if (entry === undefined) return false
  const key = keyOfEntry(entry)
  const known = rows.get(key)
  if (known === undefined || known.entry.revision <= entry.revision) rows.set(key, { entry, line })
  return true
}

/** The whole lines from a byte offset on, what stands behind the last line feed, and where that begins. */
export async function readLines(
  handle: FileHandle,
  from: number,
): Promise<{ lines: string[]; rest: string; end: number }> {
  const { size } = await handle.stat()
  const buffer = Buffer.alloc(Math.max(0, size - from))
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, from + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  const whole = buffer.subarray(0, length).lastIndexOf(0x0a) + 1
  const lines = buffer.subarray(0, whole).toString().split('\n')
  return { lines, rest: buffer.subarray(whole, length).toString(), end: from + whole }
}

async function openIfAny(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'r')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
