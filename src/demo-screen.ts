import path from 'node:path'
import { type Ending, loadPty } from './pty.ts'

/** 80 by 24 as terminals start, a little larger so that the whole conversation stays in sight. */
const SIZE = { columns: 120, rows: 26 }

/** How long one scene may take to come, in ms. */
const SCENE_MS = 20_000

/** A frame comes in several pieces, which follow each other within this time, in ms. */
const REST_MS = 60

export type Command = { file: string; args: string[]; env: NodeJS.ProcessEnv }

/** Runs the command on a terminal of its own, drawn in memory. */
export async function openScreen(command: Command) {
  const { default: xterm } = await import('@xterm/headless')
  const terminal = new xterm.Terminal({ cols: SIZE.columns, rows: SIZE.rows, allowProposedApi: true })
  let check = () => {}
  let timer: NodeJS.Timeout | undefined
  let onEnd: (ending: Ending) => void = () => {}
  const ended = new Promise<Ending>((resolve) => {
    onEnd = resolve
  })
  const child = loadPty()({
    ...command,
    env: { ...command.env, TERM: 'xterm-256color' },
    cwd: path.join(command.env.HOME ?? '', 'project'),
    size: SIZE,
    onOutput: (output) => {
      // Drawn later, when the memory is that of the next output.
      terminal.write(Uint8Array.from(output), () => check())
      return true
    },
    onDrain: () => {},
    onEnd,
  })
  terminal.onData((answer) => void child.write(Buffer.from(answer)))
  const text = () => readScreen(terminal.buffer.active)
  return {
    text,
    type: (keys: string) => void child.write(Buffer.from(keys)),
    /** Resolves with a screen that is as it should be, and has come to rest. */
    waitFor: (isThere: (screen: string) => boolean) =>
      new Promise<string>((resolve, reject) => {
        let rest: NodeJS.Timeout | undefined
        timer = setTimeout(() => reject(new Error('The demo came to a halt. Its screen:')), SCENE_MS)
        const finish = () => {
          clearTimeout(timer)
          check = () => {}
          resolve(text())
        }
        check = () => {
          clearTimeout(rest)
          if (isThere(text())) rest = setTimeout(finish, REST_MS)
        }
        check()
      }),
    close: async () => {
      clearTimeout(timer)
      child.signal('SIGTERM')
      await ended
    },
  }
}

type Buffered = {
  viewportY: number
  getLine: (row: number) => { translateToString: (trim: boolean) => string } | undefined
}

function readScreen(buffer: Buffered): string {
  const rows = Array.from({ length: SIZE.rows }, (_, row) => buffer.getLine(buffer.viewportY + row))
  return rows.map((row) => row?.translateToString(true) ?? '').join('\n')
}

/** The screen in a frame of lines. */
export function frame(screen: string): string {
  const rows = screen.split('\n').map((row) => `│${row.padEnd(SIZE.columns)}│`)
  const line = '─'.repeat(SIZE.columns)
  return [`┌${line}┐`, ...rows, `└${line}┘`].join('\n')
}
