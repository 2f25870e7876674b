import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import xterm, { type Terminal } from '@xterm/headless'
import { type IPty, spawn } from 'node-pty'
import { keyBytes } from './keys.ts'
import { followModes, type ScreenModes } from './modes.ts'

export type ScreenOptions = {
  file: string
  args?: string[]
  cwd: string
  /** The program's whole environment; node-pty adds PWD, and TERM=xterm where none is given. */
  env: Record<string, string>
  /** Columns, 100 by default. */
  cols?: number
  /** Rows, 30 by default. */
  rows?: number
  /**
   * Run the program under a shell that reads the terminal's attributes before and after it (see
   * `attributes`): the kernel resets them when a session's leader ends, so nobody outside can read them.
   * A death by signal then shows as exit code 128 + n.
   */
  compareTermios?: boolean
}

/** `signal` is the number of the signal that ended the program, 0 if it left by itself. */
type ScreenExit = { code: number; signal: number }

/** What to wait for: a part of the screen's text, a pattern, or a test of the text. */
export type ScreenPattern = string | RegExp | ((text: string) => boolean)

export type Screen = Awaited<ReturnType<typeof openScreen>>

type Session = Output & {
  pty: IPty
  terminal: Terminal
  notes: string
  compareTermios: boolean
  modes: () => ScreenModes
  exit: Promise<ScreenExit>
}

type Output = {
  chunks: Buffer[]
  title: string
  ended: ScreenExit | undefined
  /** The program has ended and all that it wrote is drawn. */
  drawn: boolean
  checks: Set<() => void>
}

// Left out of node-pty's typings.
type PtyInternals = { fd: number; ptsName: string; on(event: 'end', listener: () => void): void }

const attributesScript = `
stty -g >"$0/before"
sh -c 'echo $$ >"$0/pid"; exec "$@"' "$0" "$@"
status=$?
stty -g >"$0/after"
exit $status`

/** How long a program may take to leave after SIGTERM, in ms, before `close` kills it. */
const closeGrace = 3000

/**
 * Runs a program on a terminal that the test owns: a PTY drawn by xterm, whose answers to the program's
 * queries go back to it. End it with `close()`.
 */
export const openScreen = async (options: ScreenOptions) => {
  const session = startSession(options)
  const { pty, terminal, exit } = session
  return {
    exit,
    /** The visible rows, trailing blanks trimmed. */
    text: () => visibleText(session),
    /** The rows scrolled away (of the main screen) and the visible ones. */
    history: () => renderRows(session, 0),
    /** All bytes that the program has written so far. */
    raw: () => Buffer.concat(session.chunks),
    modes: session.modes,
    title: () => session.title,
    waitFor: (pattern: ScreenPattern, timeoutMs = 40_000) => waitForText(session, pattern, timeoutMs),
    /** Sends text as it is. In Claude Code text and Enter must not come in one read: see `submit`. */
    type: (text: string | Buffer) => pty.write(text),
    /** Sends a key by name: `Enter`, `Up`, `Ctrl+C`. */
    key: (name: string) => pty.write(keyBytes(name)),
    /** Types one line, waits until it stands on the screen, then sends Enter. */
    submit: (text: string, timeoutMs = 40_000) => submitLine(session, text, timeoutMs),
    resize: (cols: number, rows: number) => {
      terminal.resize(cols, rows)
      pty.resize(cols, rows)
    },
    /** The program's process id, even where a shell runs it. */
    pid: () => programPid(session),
    signal: (name: NodeJS.Signals) => process.kill(programPid(session), name),
    /** Ends the program by a signal (SIGTERM) where it has not ended by itself; resolves with how it ended. */
    end: (name: NodeJS.Signals = 'SIGTERM') => endProgram(session, name),
    /** The terminal's attributes now (`stty -a`); only while the program runs. */
    termios: () => stty((pty as unknown as PtyInternals).ptsName),
    /** `stty -g` before and after the program; only with `compareTermios`, after its exit. */
    attributes: () => ({ before: readNote(session, 'before'), after: readNote(session, 'after') }),
    close: () => closeSession(session),
  }
}

const startSession = (options: ScreenOptions): Session => {
  const { cols = 100, rows = 30, compareTermios = false } = options
  const terminal = new xterm.Terminal({ cols, rows, scrollback: 5000, allowProposedApi: true })
  const notes = mkdtempSync(join(tmpdir(), 'screen-'))
  const output: Output = { chunks: [], title: '', ended: undefined, drawn: false, checks: new Set() }
  const modes = followModes(terminal)
  const pty = spawnOn({ ...options, cols, rows }, notes)
  const exit = relay(pty, terminal, output)
  return Object.assign(output, { pty, terminal, notes, compareTermios, modes, exit })
}

/** Draws what the program writes, gives it xterm's answers, and resolves once all is drawn after its end. */
const relay = (pty: IPty, terminal: Terminal, output: Output) => {
  const runChecks = () => {
    for (const check of [...output.checks]) check()
  }
  const receive = (chunk: Buffer) => {
    output.chunks.push(chunk)
    terminal.write(chunk, runChecks)
  }
  pty.onData((chunk) => receive(chunk as unknown as Buffer))
  readRestAtEnd(pty, receive)
  terminal.onTitleChange((title) => {
    output.title = title
  })
  terminal.onData((answer) => {
    if (output.ended === undefined) pty.write(answer)
  })
  return new Promise<ScreenExit>((resolve) => {
    pty.onExit(({ exitCode, signal = 0 }) => {
      const ended = { code: exitCode, signal }
      output.ended = ended
      terminal.write('', () => {
        output.drawn = true
        runChecks()
        resolve(ended)
      })
    })
  })
}

const spawnOn = (options: ScreenOptions & { cols: number; rows: number }, notes: string): IPty => {
  const { file, args = [], cwd, env, cols, rows, compareTermios } = options
  const command = compareTermios
    ? { file: '/bin/sh', args: ['-c', attributesScript, notes, file, ...args] }
    : { file, args }
  return spawn(command.file, command.args, { cwd, env, cols, rows, encoding: null })
}

/** libuv before 1.52 reports the end while the kernel still holds bytes: https://github.com/libuv/libuv/issues/4992 */
const readRestAtEnd = (pty: IPty, receive: (chunk: Buffer) => void) => {
  const { fd } = pty as unknown as PtyInternals
  ;(pty as unknown as PtyInternals).on('end', () => {
    try {
      for (;;) {
        const buffer = Buffer.alloc(65_536)
        const length = readSync(fd, buffer)
        if (length === 0) return
        receive(buffer.subarray(0, length))
      }
    } catch {
      // EIO: nothing is left
    }
  })
}

const waitForText = (session: Session, pattern: ScreenPattern, timeoutMs: number) =>
  new Promise<string>((resolve, reject) => {
    const finish = () => {
      clearTimeout(timer)
      session.checks.delete(check)
    }
    const fail = (why: string) => {
      finish()
      reject(new Error(`${why} while waiting for ${pattern}. The screen:\n${framed(session)}`))
    }
    const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs)
    const check = () => {
      const text = visibleText(session)
      if (matches(text, pattern)) {
        finish()
        resolve(text)
      } else if (session.drawn && session.ended) {
        fail(`The program ended (code ${session.ended.code}, signal ${session.ended.signal})`)
      }
    }
    session.checks.add(check)
    check()
  })

const submitLine = async (session: Session, line: string, timeoutMs: number) => {
  const seen = countIn(visibleText(session), line)
  session.pty.write(line)
  await waitForText(session, (now) => countIn(now, line) > seen, timeoutMs)
  session.pty.write(keyBytes('Enter'))
}

const matches = (text: string, pattern: ScreenPattern) => {
  if (typeof pattern === 'string') return text.includes(pattern)
  return typeof pattern === 'function' ? pattern(text) : text.search(pattern) !== -1
}

const countIn = (text: string, part: string) => text.split(part).length - 1

const visibleText = (session: Session) => renderRows(session, session.terminal.buffer.active.baseY)

const renderRows = ({ terminal }: Session, first: number) => {
  const { active } = terminal.buffer
  const rows: string[] = []
  for (let row = first; row < active.baseY + terminal.rows; row += 1) {
    rows.push(active.getLine(row)?.translateToString(true) ?? '')
  }
  return rows.join('\n').trimEnd()
}

const framed = (session: Session) =>
  visibleText(session)
    .split('\n')
    .map((row) => `  | ${row}`)
    .join('\n')

const programPid = (session: Session) =>
  session.compareTermios ? Number(readNote(session, 'pid')) : session.pty.pid

const readNote = (session: Session, name: string) => readFileSync(join(session.notes, name), 'utf8').trim()

const stty = (terminalPath: string) => {
  // GNU and busybox take -F, BSD and macOS -f
  const option = process.platform === 'linux' ? '-F' : '-f'
  return execFileSync('stty', [option, terminalPath, '-a'], { encoding: 'utf8' })
}

const endProgram = (session: Session, name: NodeJS.Signals) => {
  try {
    process.kill(programPid(session), name)
  } catch {
    // It has ended already, though the shell around it may not have.
  }
  return session.exit
}

const closeSession = async (session: Session) => {
  const { pty, exit, terminal, notes } = session
  if (session.ended === undefined) {
    killGroup(pty.pid, 'SIGTERM')
    const timer = setTimeout(() => killGroup(pty.pid, 'SIGKILL'), closeGrace)
    await exit
    clearTimeout(timer)
  }
  terminal.dispose()
  rmSync(notes, { recursive: true, force: true })
}

/** The program leads its own process group: node-pty starts it in a session of its own. */
const killGroup = (pid: number, signal: NodeJS.Signals) => {
  try {
    process.kill(-pid, signal)
  } catch {
    // gone already
  }
}
