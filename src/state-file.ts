import fs from 'node:fs'
import path from 'node:path'

/** The file of what all sessions know together. Looked for before Claude Code starts, so apart from what reads it. */
export function stateFile(home: string): string {
  return path.join(home, '.claude_fallback_state.json')
}

export function hasSharedState(home: string): boolean {
  return fs.existsSync(stateFile(home))
}
