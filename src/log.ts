import fs from 'node:fs'
import path from 'node:path'
import { runAlone } from './lock.ts'

/** Writes one line to claudef's log file. Never throws, and never prints: the screen belongs to Claude Code. */
export type Log = (message: string) => void

/** A log file of this size, in bytes, makes way for a new one. */
const CAP_BYTES = 1 << 20
/** How much a process writes, in bytes, between two looks at the size. */
const LOOK_BYTES = 1 << 14
const LONGEST_MESSAGE = 4000

/**
 * The log file: `.claude_fallback_error.log` in `home`, mode 600, one line with an ISO time stamp per message. At 1 MiB
 * it becomes `.claude_fallback_error.log.1`, in the place of an older one. Where that fails, nothing is written beyond
 * 2 MiB.
 */
export function openLog(home: string, now: () => Date): Log {
  const file = path.join(home, '.claude_fallback_error.log')
  let unseen = LOOK_BYTES
  return (message) => {
    // Texts come from transcripts and from errors: nothing in them may act on the terminal that shows the log.
    const text = message.slice(0, LONGEST_MESSAGE).replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    const line = `${now().toISOString()} [${process.pid}] ${text}\n`
    try {
      if (unseen >= LOOK_BYTES) {
        rotate(file)
        if (readSize(file) > 2 * CAP_BYTES) return
        unseen = 0
      }
      fs.appendFileSync(file, line, { mode: 0o600 })
      unseen += line.length
    } catch {
      // A full disk or a read-only home is no reason to disturb a session.
    }
  }
}

/** Others write to it as well, and one of them may just have moved it: only a second look, alone, counts. */
function rotate(file: string): void {
  if (readSize(file) < CAP_BYTES) return
  try {
    runAlone(`${file}.lock`, () => {
      if (readSize(file) >= CAP_BYTES) fs.renameSync(file, `${file}.1`)
    })
  } catch {
    // A folder that nobody may write to: the old file goes on for a while.
  }
}

/** In bytes; 0 for what is no file of its own, such as a link to `/dev/null`. */
function readSize(file: string): number {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false })
  return stat?.isFile() ? stat.size : 0
}
