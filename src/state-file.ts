import fs from 'node:fs'
import path from 'node:path'

/** The file of what all sessions know together. Looked for before Claude Code starts, so apart from what reads it. */
export function stateFile(home: string): string {
  return path.join(home, '.claude_fallback_state.json')
}

/** False where nobody has chosen a mode for new sessions: nearly always, and found out at little cost. */
export function mayHaveMode(home: string): boolean {
  try {
    return fs.readFileSync(stateFile(home)).includes('"mode"')
  } catch {
    return false
  }
}
