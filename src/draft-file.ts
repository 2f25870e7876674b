import fs from 'node:fs'
import path from 'node:path'
import type { Log } from './log.ts'

/** The file of the last draft that could not be put back into the input box. */
export function draftFile(home: string): string {
  return path.join(home, '.claude_fallback_draft')
}

/**
 * Keeps a draft within reach of `claude-fallback draft`, mode 600. Never throws.
 * @returns what takes it away again, unless somebody has written another since
 */
export function saveDraft(home: string, text: string, log: Log): () => void {
  const file = draftFile(home)
  try {
    fs.writeFileSync(file, text, { mode: 0o600 })
    fs.chmodSync(file, 0o600)
  } catch (error) {
    log(`a draft could not be kept: ${(error as NodeJS.ErrnoException).code}`)
  }
  return () => {
    try {
      if (fs.readFileSync(file, 'utf8') === text) fs.rmSync(file)
    } catch {
      // It is not there any more.
    }
  }
}
