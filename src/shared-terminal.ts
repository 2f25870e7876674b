import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import type tty from 'node:tty'
import { openInherited } from './inherit.ts'
import type { Pty, PtyOptions } from './pty.ts'
import type { Terminal } from './terminal.ts'
import { toolEnvironment } from './tool.ts'

/**
 * What modes a killed child may have left set, undone without knowing which: mouse, focus, paste and theme reports,
 * modifyOtherKeys, kitty's flags, the scroll region, the alternate screen, colours, the cursor. Each is harmless
 * where it was not set; the saved cursor is set first, since leaving the alternate screen restores it.
 */
const UNDO = [
  '\x1b\\\x1b[?2026l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1006l\x1b[?1016l\x1b[?1004l\x1b[?2004l\x1b[?2031l',
  '\x1b[>4m\x1b[=0u\x1b7\x1b[r\x1b8\x1b7\x1b[?1049l\x1b[=0u\x1b[0m\x1b[?7h\x1b[?25h',
].join('')

/**
 * The user's terminal with the child on it directly, for when the child cannot have one of its own: its input and
 * output never pass through claudef, which therefore keeps no row and shows no notice, and only cleans up after a
 * child that was killed.
 */
export function shareTerminal(stdout: tty.WriteStream): {
  terminal: Terminal
  openPty: (options: PtyOptions) => Pty
} {
  const attributes = stty('-g')
  let wasKilled = false
  const cleanUp = () => {
    if (!wasKilled) return
    wasKilled = false
    if (attributes !== '') stty(attributes)
    fs.writeSync(1, UNDO)
  }
  const size = () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 })
  const openPty = (options: PtyOptions) =>
    openInherited({
      ...options,
      onEnd: (ending) => {
        wasKilled = ending.type === 'signal'
        options.onEnd(ending)
      },
    })
  return {
    openPty,
    terminal: {
      takeOver: () => {},
      lend: () => {},
      holdInput: () => {},
      size,
      childSize: size,
      show: () => true,
      showFarewell: () => {},
      flush: async () => {},
      takesPaste: () => true,
      reserveRow: () => {},
      rowColumns: () => size().columns,
      reservedRow: () => undefined,
      writeAside: () => {},
      undo: cleanUp,
      restore: cleanUp,
    },
  }
}

/** Runs `stty` on the terminal that we share. */
function stty(...args: string[]): string {
  return (
    spawnSync('stty', args, {
      stdio: ['inherit', 'pipe', 'ignore'],
      encoding: 'utf8',
      env: toolEnvironment(),
    }).stdout?.trim() ?? ''
  )
}
