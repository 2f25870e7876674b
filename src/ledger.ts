import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import path from 'node:path'
import type { SpendRecord } from './core/bill.ts'
import { createDayOf, keyOfEntry, type LedgerEntry, sumEntries } from './core/ledger.ts'
import { compactLedger } from './ledger-compaction.ts'
import { createLedgerReader } from './ledger-reader.ts'
import type { Log } from './log.ts'
import { watchNearest } from './watch.ts'

export type Ledger = {
  /** Writes what this run spent in a session on a day, in the place of what it said before. Never throws. */
  record: (record: SpendRecord) => Promise<void>
  /** What all runs said last, this one's own included even where it could not be written. Never throws. */
  read: () => Promise<LedgerEntry[]>
  /** USD of all sessions on the local day of an epoch ms. Never throws. */
  today: (now: number) => Promise<number>
  /** False where it could not be read the last time: all that is known then is this run's own. */
  isReadable: () => boolean
  /** Calls `onChange` when anybody has written. The process is not kept alive. */
  watch: (onChange: () => void) => { stop: () => void }
}

export type LedgerOptions = {
  /** The folder of the ledger. */
  home: string
  /** Told each of its troubles once. */
  log: Log
  /** Epoch ms. */
  now: () => number
  /** IANA zone of the days. Default: the system's. */
  timeZone?: string
  /** From this size in bytes on, rows that no longer count are removed. Default: 256 KiB. */
  compactBytes?: number
}

const VERSION = 1
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT
/** A ledger is replaced once in a few hundred records: more than once in a row is no coincidence. */
const MOST_TRIES = 5

/**
 * The ledger of what was spent on API billing: `.claude_fallback_spend.jsonl` in `home`, mode 600, shared by all
 * sessions of the user without a lock. A row is one append, and begins with a line feed: what a full disk or a crash
 * left of a row before it damages nothing else.
 */
export function openLedger(options: LedgerOptions): Ledger {
  const { home, now, compactBytes = 256 * 1024 } = options
  const { timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone } = options
  const file = path.join(home, '.claude_fallback_spend.jsonl')
  const log = tellOnce(options.log)
  const dayOf = createDayOf(timeZone)
  const own = new Map<string, LedgerEntry>()
  const unwritten = new Set<string>()
  const reader = createLedgerReader(file, log)
  const run = randomUUID()
  let compactAt = compactBytes
  let revision = 0
  let isReadable = true
  let last: Promise<unknown> = Promise.resolve()

  const tellError = (error: unknown) => {
    log(`The ledger ${file} cannot be used: ${error instanceof Error ? error.message : error}`)
    return undefined
  }
  /** One after the other: rows of a run stand in the file as they were made. */
  const next = <T>(work: () => Promise<T>): Promise<T | undefined> => {
    const done = last.then(work).catch(tellError)
    last = done
    return done
  }
  const write = async () => {
    let size = 0
    for (const key of [...unwritten]) {
      size = await append(file, `\n${JSON.stringify(own.get(key))}\n`)
      unwritten.delete(key)
    }
    return size
  }
  /** Beside what is written meanwhile: it may wait for others, and the session may end. */
  const compact = async (size: number) => {
    // Not at each row again, whether it works or not, and however many rows still count.
    compactAt = 2 * size
    compactAt = Math.max(compactBytes, 2 * ((await compactLedger(file)) ?? size))
  }
  const read = async () => {
    const written = await next(reader.read)
    isReadable = written !== undefined
    const entries = new Map(written ?? [])
    for (const [key, entry] of own) entries.set(key, entry)
    return [...entries.values()]
  }
  return {
    record: async (record) => {
      revision += 1
      const entry = { version: VERSION, run, revision, ...record, updatedAt: now() }
      own.set(keyOfEntry(entry), entry)
      unwritten.add(keyOfEntry(entry))
      const size = await next(write)
      if (size !== undefined && size >= compactAt) await compact(size).catch(tellError)
    },
    read,
    today: async (at) => sumEntries((await read()).filter(({ day }) => day === dayOf(at))).usd,
    isReadable: () => isReadable,
    watch: (onChange) => {
      const watcher = watchNearest(file, onChange)
      return { stop: () => watcher?.close() }
    },
  }
}

/**
 * Appends a row with a single write. Where the file was replaced meanwhile the row is appended to the new one too:
 * twice is no harm, its revision is the same.
 * @returns the file's size afterwards, in bytes
 */
async function append(file: string, row: string): Promise<number> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const handle = await open(file, APPEND, 0o600)
    try {
      await writeAtOnce(handle, Buffer.from(row))
      const written = await handle.stat()
      if (written.mode & 0o077) await handle.chmod(0o600)
      const there = await stat(file).catch(() => undefined)
      if (there?.ino === written.ino && there.dev === written.dev) return written.size
    } finally {
      await handle.close()
    }
  }
  throw new Error('it is replaced again and again')
}

async function writeAtOnce(handle: FileHandle, row: Buffer): Promise<void> {
  const { bytesWritten } = await handle.write(row)
  if (bytesWritten < row.length)
    throw new Error(`only ${bytesWritten} of ${row.length} bytes could be written`)
}

function tellOnce(log: Log): Log {
  const told = new Set<string>()
  return (message) => {
    if (told.has(message)) return
    told.add(message)
    log(message)
  }
}
