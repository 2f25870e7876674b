import { renameSync } from 'node:fs'
import { appendFile, open, realpath, rm } from 'node:fs/promises'
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
      // A disk can take longer than a lock lasts: then others have replaced the file, and rows stand in theirs.
      if (!(await replaceFile(file, text, await old.stat(), lock.isHeld))) return undefined
      const late = await readLines(old, end)
      const lateText = [...late.lines, late.rest].filter((line) => line !== '').join('\n')
      if (lateText !== '') await appendFile(file, `\n${lateText}\n`)
      return Buffer.byteLength(text)
    } finally {
      await old.close()
    }
  } finally {
    await lock.release()
  }
}

/**
 * Replaces a file by one of the same owner, which under sudo is another than who writes.
 * @returns whether it was: not where `isAllowed` says no once all is on the disk
 */
async function replaceFile(
  file: string,
  text: string,
  { uid, gid }: { uid: number; gid: number },
  isAllowed: () => boolean,
): Promise<boolean> {
  const target = await realpath(file)
  const temporary = `${target}.${process.pid}.tmp`
  try {
    const handle = await open(temporary, 'w', 0o600)
    try {
      await handle.writeFile(text)
      if (uid !== process.getuid?.()) await handle.chown(uid, gid)
      await handle.sync()
    } finally {
      await handle.close()
    }
    // Nothing comes between the two.
    const isReplaced = isAllowed()
    if (isReplaced) renameSync(temporary, target)
    return isReplaced
  } finally {
    await rm(temporary, { force: true })
  }
}
