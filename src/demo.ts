import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type tty from 'node:tty'
import type { Companion } from './companion.ts'
import { runInherited } from './inherit.ts'
import { type Ending, loadPty } from './pty.ts'

/** 80 by 24 as terminals start, a little higher so that the whole conversation stays in sight. */
const SIZE = { columns: 100, rows: 26 }

/** How long one scene may take to come, in ms. */
const SCENE_MS = 20_000

const ENDING: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

type Scene = { caption: string; isThere: (screen: string) => boolean }

const SCENES: Scene[] = [
  {
    caption: '1. A session on the subscription. The prompt has been sent.',
    isThere: (screen) => screen.includes('Claude Max') && screen.includes(PROMPT),
  },
  {
    caption: '2. The same conversation on the API key: the limit was met, nobody pressed a key.',
    isThere: (screen) => screen.includes('API Usage Billing') && screen.includes('(via API)'),
  },
]

const PROMPT = 'Write a haiku about terminals'

/**
 * Shows the main job with the fake Claude Code: a session meets the subscription's limit and goes on with a made-up
 * key. Live where both ends are a terminal; else on a terminal of its own, whose screens are printed.
 * @returns the exit code: 1 where a scene did not come
 */
export async function runDemo(world: Pick<Companion, 'args' | 'env' | 'stdin' | 'stdout'>): Promise<number> {
  if (world.args.length > 0) {
    process.stderr.write(`claude-fallback demo takes no argument, and got '${world.args.join(' ')}'.\n`)
    return 2
  }
  const home = makeHome()
  const claudef = path.join(import.meta.dirname, '../bin/claudef.js')
  const command = {
    file: process.execPath,
    args: [claudef, PROMPT],
    env: demoEnvironment(world.env, home),
  }
  try {
    if (!world.stdin.isTTY || !world.stdout.isTTY) return await printScenes(command, world.stdout)
    world.stdout.write(INTRODUCTION)
    await runInherited({ ...command })
    world.stdout.write(EPILOGUE)
    return 0
  } finally {
    fs.rmSync(home, { recursive: true, force: true })
  }
}

const INTRODUCTION =
  'A stand-in for Claude Code starts in claudef, with a made-up login and a made-up key. Its first prompt meets the\n' +
  'usage limit; watch it go on. Type what you like afterwards, Ctrl+C twice ends it.\n'

const EPILOGUE =
  '\nThat was claudef on a stand-in. With your own: claudef instead of claude. See the README.\n'

function makeHome(): string {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'claudef-demo-'))
  fs.mkdirSync(path.join(home, 'project'))
  const account = { accountUuid: '00000000-0000-4000-8000-000000000000', emailAddress: 'you@example.com' }
  const state = { hasCompletedOnboarding: true, oauthAccount: account }
  fs.writeFileSync(path.join(home, '.claude.json'), JSON.stringify(state), { mode: 0o600 })
  return home
}

/** Nothing of the user's own Claude Code, their keys least of all, reaches the demo. */
function demoEnvironment(env: NodeJS.ProcessEnv, home: string): NodeJS.ProcessEnv {
  const own = Object.entries(env).filter(([name]) => !/^(CLAUDE|ANTHROPIC|FAKE_CLAUDE)/.test(name))
  return {
    ...Object.fromEntries(own),
    HOME: home,
    CLAUDE_FALLBACK_CLAUDE: path.join(import.meta.dirname, '../fixtures/bin/claude'),
    CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-the-demo',
    CLAUDE_FALLBACK_AUTO_RESTART: '1',
    FAKE_CLAUDE_LIMIT: 'five_hour',
    FAKE_CLAUDE_REPLY_MS: '800',
  }
}

async function printScenes(
  command: { file: string; args: string[]; env: NodeJS.ProcessEnv },
  stdout: tty.WriteStream,
): Promise<number> {
  const screen = await openScreen(command)
  // Nothing of the demo stays behind: its session is ended first.
  const interrupted = new Promise<never>((_, reject) => {
    const onSignal = (signal: NodeJS.Signals) =>
      reject(new Error(`The demo was ended by ${signal}. Its screen:`))
    for (const signal of ENDING) process.once(signal, onSignal)
  })
  try {
    for (const scene of SCENES) {
      const text = await Promise.race([screen.waitFor(scene.isThere), interrupted])
      stdout.write(`\n${scene.caption}\n${frame(text)}\n`)
    }
    return 0
  } catch (error) {
    stdout.write(`\n${error instanceof Error ? error.message : error}\n${frame(screen.text())}\n`)
    return 1
  } finally {
    await screen.close()
  }
}

/** Runs the command on a terminal of its own, drawn in memory. */
async function openScreen(command: { file: string; args: string[]; env: NodeJS.ProcessEnv }) {
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
      terminal.write(output.slice(), () => check())
      return true
    },
    onDrain: () => {},
    onEnd,
  })
  terminal.onData((answer) => void child.write(Buffer.from(answer)))
  const text = () => readScreen(terminal.buffer.active)
  return {
    text,
    waitFor: (isThere: (screen: string) => boolean) =>
      new Promise<string>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error('The demo came to a halt. Its screen:')), SCENE_MS)
        check = () => {
          if (!isThere(text())) return
          clearTimeout(timer)
          check = () => {}
          resolve(text())
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

function frame(screen: string): string {
  const rows = screen.split('\n').map((row) => `│${row.padEnd(SIZE.columns)}│`)
  const line = '─'.repeat(SIZE.columns)
  return [`┌${line}┐`, ...rows, `└${line}┘`].join('\n')
}
