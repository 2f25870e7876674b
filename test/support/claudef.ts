import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type HomeOptions, makeHome } from './home.ts'
import { type OuterOptions, openOuter } from './outer.ts'
import { openScreen, type ScreenOptions } from './screen.ts'

type Terminal = { signal: (name: NodeJS.Signals) => void; close: () => Promise<unknown> }

/** The executable, as npm links it. */
export const claudef = fileURLToPath(new URL('../../bin/claudef.js', import.meta.url))

/** The fake Claude Code. */
export const fakeClaude = fileURLToPath(new URL('../../fixtures/bin/claude', import.meta.url))

export type Setup = ReturnType<typeof setUp>

/**
 * A home with a made-up subscription and a program that claudef takes for Claude Code: the fake one, or a script
 * (its first line names the interpreter) which then has its whole terminal to itself.
 */
export const setUp = (options: Omit<HomeOptions, 'apiUrl'> & { script?: string } = {}) => {
  const home = makeHome({ ...options, apiUrl: 'http://127.0.0.1:9' })
  const program = options.script === undefined ? fakeClaude : join(home.root, 'program')
  if (options.script !== undefined) writeFileSync(program, options.script, { mode: 0o755 })
  const env = { ...home.env, CLAUDE_FALLBACK_CLAUDE: program }
  const open: Terminal[] = []
  const keep = <T extends Terminal>(terminal: T): T => {
    open.push(terminal)
    return terminal
  }
  const command = (args: string[]) => ({ file: process.execPath, args: [claudef, ...args] })
  const read = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : '')
  return {
    home,
    env,
    program,
    /** A file of this test's own. */
    file: (name: string) => join(home.root, name),
    /** Writes a program of this test's own. */
    write: (name: string, script: string) => writeFileSync(join(home.root, name), script, { mode: 0o755 }),
    exists: (name: string) => existsSync(join(home.root, name)),
    read: (name: string) => read(join(home.root, name)),
    /** Runs claudef on a terminal that draws nothing; a program of your own in its place with `file`. */
    run: (args: string[] = [], more: Partial<OuterOptions> = {}) =>
      keep(openOuter({ ...command(args), cwd: home.cwd, ...more, env: { ...env, ...more.env } })),
    /** Runs claudef on a screen. */
    draw: async (args: string[] = [], more: Partial<ScreenOptions> = {}) =>
      keep(await openScreen({ ...command(args), cwd: home.cwd, ...more, env: { ...env, ...more.env } })),
    /** What claudef has written to its log. */
    log: () => read(join(home.home, '.claude_fallback_error.log')),
    /** Everything that a session leaves behind in the folder for temporary files. */
    leftovers: () => readdirSync(join(home.root, 'tmp')).filter((name) => name.startsWith('claudef-')),
    tearDown: async () => {
      for (const terminal of open) endShell(terminal)
      for (const terminal of open) await terminal.close()
      home.cleanup()
    },
  }
}

/** Interactive shells do not end by SIGTERM. */
const endShell = (terminal: Terminal) => {
  try {
    terminal.signal('SIGHUP')
  } catch {
    // It has ended already.
  }
}
