import fs from 'node:fs'
import path from 'node:path'

/** Writes one line to claudef's log file. Never throws, and never prints: the screen belongs to Claude Code. */
export type Log = (message: string) => void

/** The log file: `.claude_fallback_error.log` in `home`, mode 600, one line with an ISO time stamp per message. */
export function openLog(home: string, now: () => Date): Log {
  const file = path.join(home, '.claude_fallback_error.log')
  return (message) => {
    // Texts come from transcripts and from errors: nothing in them may act on the terminal that shows the log.
    const text = message.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    const line = `${now().toISOString()} [${process.pid}] ${text}\n`
    try {
      fs.appendFileSync(file, line, { mode: 0o600 })
    } catch {
      // A full disk or a read-only home is no reason to disturb a session.
    }
  }
}
