import { appendFile, open } from 'node:fs/promises'
import { addRow, readLines } from './ledger-reader.ts'
import { acquireLock, BusyError, STALE_MS } from './lock.ts'

/** How long, in ms, one process waits while another compacts: long enough to find that it was killed. */
const LOCK_WAIT_MS = STALE_MS + 1000

/**
 * Replaces the ledger by one of the rows that count. Nobody who appends waits for it: what was appended to the old
 * file meanwhile is taken over, and who appends to it still sees that it was replaced.
 * @returns the new size, in bytes; `undefined` where others are at it
 */
export async function compactLedger(file: string): Promise<number | undefined> {
  const { default: writeFileAtomic } = await import('write-file-atomic')
  const lock = await acquireLock(`${file}.lock`, performance.now() + LOCK_WAIT_MS).catch((error) => {
    if (!(error instanceof BusyError)) throw error
  })
  if (lock === undefined) return undefined
  try {
    const old = await open(file, 'r')
    try {
      const { lines, end } = await readLines(old, 0)
      const rows = new Map()
      for (const line of lines) addRow(rows, line)
      const text = [...rows.values()].map(({ line }) => `${line}\n`).join('')
      if (lock.isHeld()) {
        await writeFileAtomic(file, text, { mode: 0o600 })
        const late = await readLines(old, end)
        const lateText = [...late.lines, late.rest].filter((line) => line !== '').join('\n')
        if (lateText !== '') await appendFile(file, `\n${lateText}\n`)
      }
      return Buffer.byteLength(text)
    } finally {
      await old.close()
    }
  } finally {
    await lock.release()
  }
}
