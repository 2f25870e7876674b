import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type tty from 'node:tty'
import { type Companion, USAGE_ERROR } from './companion.ts'
import { DEMO_NAMES, DEMOS, type Demo } from './demo-scenes.ts'
import { type Command, frame, openScreen } from './demo-screen.ts'
import { runInherited } from './inherit.ts'

const HELP = `Usage: claude-fallback demo [${DEMO_NAMES.join('|')}]

Shows claudef at work on a stand-in for Claude Code: no account, no key, no network. Live in a terminal, else printed
screen by screen.

  switch   a session meets its usage limit and goes on with the key (default)
  banner   the same where one is asked first
  return   back to the subscription when the limit has reset
  draft    what was being typed stands there again after the switch
  budget   a cap ends API billing
  monitor  a session without claudef, and what the monitor says of it
`

const ENDING: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** How long the monitor may take to say something, in ms. */
const MONITOR_MS = 10_000

type World = Pick<Companion, 'args' | 'env' | 'stdin' | 'stdout'>

/**
 * Runs one of the demos, with a made-up login and a made-up key. Live where both ends are a terminal; else on a terminal
 * of its own, whose screens are printed.
 * @returns the exit code: 1 where a scene did not come
 */
export async function runDemo(world: World): Promise<number> {
  const [word = 'switch', ...more] = world.args
  if (word === '--help' || word === '-h') {
    world.stdout.write(HELP)
    return 0
  }
  const name = DEMO_NAMES.find((known) => known === word)
  if (name === undefined || more.length > 0) {
    const wrong = name === undefined ? word : more.join(' ')
    process.stderr.write(
      `claude-fallback demo: Invalid demo '${wrong}': use one of ${DEMO_NAMES.join(', ')}.\n`,
    )
    return USAGE_ERROR
  }
  const home = makeHome(DEMOS[name])
  try {
    return await playDemo(world, DEMOS[name], home)
  } finally {
    fs.rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function playDemo({ env, stdin, stdout }: World, demo: Demo, home: string): Promise<number> {
  const command = commandOf(demo, demoEnvironment(env, home, demo))
  const monitor = demo.program === 'claude' ? await startMonitor(command.env) : undefined
  const timer = setTimeout(() => fs.rmSync(limitFile(home), { force: true }), (demo.backInS ?? 3600) * 1000)
  try {
    if (!stdin.isTTY || !stdout.isTTY) return await printScenes(command, demo, { stdout, monitor })
    stdout.write(`${INTRODUCTION}${demo.introduction}\nType what you like afterwards, /exit ends it.\n`)
    await runInherited(command)
    if (monitor !== undefined) stdout.write(`\nThe monitor said:\n${await monitor.news()}\n`)
    stdout.write(EPILOGUE)
    return 0
  } finally {
    clearTimeout(timer)
    await monitor?.stop()
  }
}

const INTRODUCTION = 'A stand-in for Claude Code starts, with a made-up login and a made-up key. '

const EPILOGUE = '\nThat was a stand-in. With your own: claudef instead of claude. See the README.\n'

function makeHome({ backInS }: Demo): string {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'claudef-demo-'))
  fs.mkdirSync(path.join(home, 'project'))
  fs.mkdirSync(path.join(home, '.claude', 'projects'), { recursive: true })
  fs.writeFileSync(limitFile(home), '')
  // The stand-in goes on at the very reset, a minute before claudef does.
  const settings = { autoContinueAtUsageLimit: backInS === undefined }
  fs.writeFileSync(path.join(home, '.claude', 'settings.json'), JSON.stringify(settings))
  const account = { accountUuid: '00000000-0000-4000-8000-000000000000', emailAddress: 'you@example.com' }
  const state = { hasCompletedOnboarding: true, oauthAccount: account }
  fs.writeFileSync(path.join(home, '.claude.json'), JSON.stringify(state), { mode: 0o600 })
  return home
}

/** While it is there, the subscription is limited. */
function limitFile(home: string): string {
  return path.join(home, 'limited')
}

/** Nothing of the user's own Claude Code, their keys least of all, reaches the demo, and nothing of it their desktop. */
function demoEnvironment(env: NodeJS.ProcessEnv, home: string, demo: Demo): NodeJS.ProcessEnv {
  const own = Object.entries(env).filter(([name]) => !/^(CLAUDE|ANTHROPIC|FAKE_CLAUDE|XDG_)/.test(name))
  // One goes back a minute after the reset.
  const resetsAt = Math.floor(Date.now() / 1000) - 60 + (demo.backInS ?? 0)
  return {
    ...Object.fromEntries(own),
    HOME: home,
    CLAUDE_FALLBACK_CLAUDE: fakeClaude,
    CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-the-demo',
    CLAUDE_FALLBACK_NOTIFY: 'off',
    FAKE_CLAUDE_LIMIT: 'five_hour',
    FAKE_CLAUDE_LIMIT_FILE: limitFile(home),
    FAKE_CLAUDE_REPLY_MS: '800',
    ...(demo.backInS !== undefined && { FAKE_CLAUDE_RESETS_AT: String(resetsAt) }),
    ...demo.env,
  }
}

const fakeClaude = path.join(import.meta.dirname, '../fixtures/bin/claude')

function commandOf({ program, prompt }: Demo, env: NodeJS.ProcessEnv): Command {
  const file = program === 'claude' ? fakeClaude : path.join(import.meta.dirname, '../bin/claudef.js')
  return { file: process.execPath, args: [file, prompt], env }
}

async function printScenes(
  command: Command,
  demo: Demo,
  { stdout, monitor }: { stdout: tty.WriteStream; monitor: Monitor | undefined },
): Promise<number> {
  const screen = await openScreen(command)
  // Nothing of the demo stays behind: its session is ended first.
  const interrupted = new Promise<never>((_, reject) => {
    const onSignal = (signal: NodeJS.Signals) =>
      reject(new Error(`The demo was ended by ${signal}. Its screen:`))
    for (const signal of ENDING) process.once(signal, onSignal)
  })
  try {
    for (const scene of demo.scenes) {
      const text = await Promise.race([screen.waitFor(scene.isThere), interrupted])
      stdout.write(`\n${scene.caption}\n${frame(text)}\n`)
      for (const key of scene.keys ?? '') screen.type(key)
    }
    if (monitor !== undefined) stdout.write(`\n2. What the monitor says of it:\n${await monitor.news()}\n`)
    return 0
  } catch (error) {
    stdout.write(`\n${error instanceof Error ? error.message : error}\n${frame(screen.text())}\n`)
    return 1
  } finally {
    await screen.close()
  }
}

type Monitor = { news: () => Promise<string>; stop: () => Promise<void> }

/** Resolves once it watches. @throws where it does not start */
async function startMonitor(env: NodeJS.ProcessEnv): Promise<Monitor> {
  const program = path.join(import.meta.dirname, '../bin/claude-fallback.js')
  const child = spawn(process.execPath, [program, 'start'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  const listeners = new Set<() => void>()
  child.stdout.on('data', (data) => {
    said += data
    for (const listener of listeners) listener()
  })
  const waitFor = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('The monitor says nothing. The screen:')), MONITOR_MS)
      const check = () => {
        if (!pattern.test(said)) return
        clearTimeout(timer)
        listeners.delete(check)
        resolve()
      }
      listeners.add(check)
      check()
    })
  await waitFor(/is running .*\n/)
  const started = said.length
  return {
    news: async () => {
      await waitFor(/limit reached.*\n/)
      return said.slice(started).trim()
    },
    stop: () => endChild(child),
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await new Promise((resolve) => child.once('exit', resolve))
}
