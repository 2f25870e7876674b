import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pty from 'node-pty'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readMonitor } from '../src/daemon.ts'
import { readProcessStart } from '../src/process-start.ts'
import { append, limitRow } from './support/limit-rows.ts'
import { commandOf, exists, waitUntil } from './support/processes.ts'

const program = fileURLToPath(new URL('../bin/claude-fallback.js', import.meta.url))
const KEY = 'sk-ant-api03-made-up-for-tests'

let home: string
let started: number[]
let children: ChildProcess[]
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'claudef-daemon-'))
  started = []
  children = []
  mkdirSync(join(home, 'bin'))
  const script = `#!/bin/sh\nprintf '%s|' "$@" >>'${sentFile()}'\necho >>'${sentFile()}'\n`
  writeFileSync(join(home, 'bin/notify-send'), script, { mode: 0o755 })
})
afterEach(async () => {
  // A number may be another process's by now.
  const daemons = started.filter((pid) => commandOf(pid).includes('claude-fallback.js'))
  const running = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
  const left = [...daemons, ...running.flatMap(({ pid }) => pid ?? [])].filter(exists)
  for (const pid of left) process.kill(pid, 'SIGKILL')
  await waitUntil(() => !left.some(exists))
  rmSync(home, { recursive: true, maxRetries: 5 })
})

const pidFile = () => join(home, '.claude_fallback.pid')
const sentFile = () => join(home, 'sent')
const read = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : '')
const readPid = (): number => JSON.parse(read(pidFile())).pid
const readLog = () => read(join(home, '.claude_fallback_error.log'))

function launch(args: string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: home,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      HOME: home,
      PATH: `${join(home, 'bin')}:${dirname(process.execPath)}:/usr/bin:/bin`,
      DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere',
      CLAUDE_FALLBACK_API_KEY: KEY,
      ANTHROPIC_API_KEY: KEY,
      ANTHROPIC_AUTH_TOKEN: KEY,
      ...env,
    },
  })
  children.push(child)
  const printed = { stdout: '', stderr: '' }
  child.stdout.on('data', (data) => {
    printed.stdout += data
  })
  child.stderr.on('data', (data) => {
    printed.stderr += data
  })
  const ended = new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) => {
    child.on('close', (status) => resolve({ status, ...printed }))
  })
  return { child, printed, ended }
}

const run = (...args: string[]) => launch(args).ended

/** Starts the daemon; returns its pid. */
async function startDaemon(env: NodeJS.ProcessEnv = {}): Promise<number> {
  const result = await launch(['start', '--daemon'], env).ended
  const pid = readPid()
  started.push(pid)
  expect(result).toMatchObject({ status: 0, stderr: '' })
  expect(result.stdout).toContain(`The monitor is running (pid ${pid})`)
  return pid
}

function meetLimit(resetsInSeconds = 3600) {
  const at = Math.floor(Date.now() / 1000) * 1000
  const row = limitRow({ at: at + 999, resetsAt: at + resetsInSeconds * 1000, cwd: join(home, 'proj') })
  append(join(home, '.claude/projects/-proj/s1.jsonl'), row)
}

describe('the daemon', () => {
  test('tells of a limit and of its reset by notify-send', async () => {
    await startDaemon()
    meetLimit(2)
    await waitUntil(() => read(sentFile()).includes('subscription is back'))
    const lines = read(sentFile()).trim().split('\n')
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(
      /\|5-hour limit reached, resets \d+:\d\d[ap]m\|Run claude-api in ~\/proj to go on\|$/,
    )
    expect(readLog()).toContain('5-hour limit reached')
    expect(await run('stop')).toMatchObject({ status: 0 })
  })

  test('has a session, no terminal, no folder and no key of the one who started it', async () => {
    const pid = await startDaemon({ CLAUDE_CONFIG_DIR: 'relative' })
    const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? []
    // Process group, session and terminal.
    expect(fields.slice(2, 5)).toEqual([`${pid}`, `${pid}`, '0'])
    const environment = read(`/proc/${pid}/environ`)
    expect(environment).toContain(`CLAUDE_CONFIG_DIR=${join(home, 'relative')}\0`)
    expect(environment).not.toContain(KEY)
    expect(statSync(`/proc/${pid}/cwd/`).ino).toBe(statSync('/').ino)
    expect(commandOf(pid)).toContain('claude-fallback.js')
    expect(statSync(pidFile()).mode & 0o777).toBe(0o600)
    expect(readMonitor(home)).toMatchObject({ type: 'running', pid, version: expect.stringMatching(/^\d/) })
  })

  test('is one, of however many starts', async () => {
    const starts = await Promise.all(Array.from({ length: 5 }, () => run('start', '--daemon')))
    started.push(readPid())
    expect(starts.map(({ status }) => status)).toEqual([0, 0, 0, 0, 0])
    const said = starts.map(({ stdout }) => /is running(?: already)? \(pid \d+\)/.exec(stdout)?.[0]).sort()
    const pid = readPid()
    expect(said).toEqual([`is running (pid ${pid})`, ...Array(4).fill(`is running already (pid ${pid})`)])
    expect(await run('start')).toMatchObject({
      status: 0,
      stdout: `The monitor is running already (pid ${pid}).\n`,
    })
  })

  test('starts again after it was killed, and has not forgotten what it told', async () => {
    const pid = await startDaemon()
    meetLimit()
    await waitUntil(() => read(sentFile()) !== '')
    process.kill(pid, 'SIGKILL')
    await waitUntil(() => !exists(pid))
    expect(readMonitor(home)).toEqual({ type: 'stale' })
    expect(await startDaemon()).not.toBe(pid)
    meetLimit()
    append(
      join(home, '.claude/projects/-proj/s2.jsonl'),
      limitRow({ at: Date.now(), text: "You've hit your org's monthly usage limit" }),
    )
    await waitUntil(() => read(sentFile()).includes('Monthly'))
    expect(read(sentFile()).match(/5-hour/g)).toHaveLength(1)
  })

  test('says why it cannot start', async () => {
    mkdirSync(pidFile())
    const result = await run('start', '--daemon')
    expect(result.status).toBe(1)
    expect(result.stderr).toContain(`cannot write ${pidFile()}`)
  })
})

describe('in the foreground', () => {
  test('it tells here too, reads its config again at SIGHUP, and ends at SIGINT', async () => {
    const config = join(home, 'config.json')
    writeFileSync(config, '{}', { mode: 0o600 })
    const { child, printed, ended } = launch(['start'], { CLAUDE_FALLBACK_CONFIG: config })
    await waitUntil(() => printed.stdout.includes('is running'))
    writeFileSync(config, '{ "auto_restart": true }', { mode: 0o600 })
    child.kill('SIGHUP')
    await waitUntil(() => readLog().includes('read its config again'))
    meetLimit()
    await waitUntil(() => printed.stdout.includes('with claudef it would have gone on by itself'))
    expect(existsSync(pidFile())).toBe(true)
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ status: 0, stderr: '' })
    expect(existsSync(pidFile())).toBe(false)
    // What it had to tell has been told.
    expect(read(sentFile())).toContain('5-hour limit reached')
  })
})

describe('in a terminal', () => {
  const openTerminal = () => {
    const terminal = pty.spawn(process.execPath, [program, 'start'], {
      cwd: home,
      cols: 200,
      env: { HOME: home, PATH: process.env.PATH, CLAUDE_FALLBACK_NOTIFY: 'off' },
    })
    const seen = { text: '' }
    terminal.onData((data) => {
      seen.text += data
    })
    const ended = new Promise<number>((resolve) => {
      terminal.onExit(({ exitCode }) => resolve(exitCode))
    })
    return { terminal, seen, ended }
  }

  test('Ctrl+C ends it', async () => {
    const { terminal, seen, ended } = openTerminal()
    await waitUntil(() => seen.text.includes('Ctrl+C ends it.'))
    terminal.write('\x03')
    expect(await ended).toBe(0)
    expect(readMonitor(home)).toEqual({ type: 'stopped' })
  })

  test('it ends with its terminal', async () => {
    const { terminal, seen } = openTerminal()
    await waitUntil(() => seen.text.includes('Ctrl+C ends it.'))
    terminal.kill('SIGHUP')
    await waitUntil(() => !exists(terminal.pid))
    expect(readMonitor(home)).toEqual({ type: 'stopped' })
    expect(readLog()).toContain('The monitor has ended.')
  })
})

describe('the stop', () => {
  test('ends it and removes its pid file', async () => {
    const pid = await startDaemon()
    expect(await run('stop')).toMatchObject({ status: 0, stdout: `The monitor is stopped (pid ${pid}).\n` })
    expect(exists(pid)).toBe(false)
    expect(existsSync(pidFile())).toBe(false)
    expect(readMonitor(home)).toEqual({ type: 'stopped' })
    expect(await run('stop')).toMatchObject({ status: 0, stdout: 'The monitor is not running.\n' })
  })

  test('kills one that does not end, where it is told to', async () => {
    const pid = await startDaemon()
    process.kill(pid, 'SIGSTOP')
    const result = await run('stop')
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('has not ended within 5 s')
    expect(exists(pid)).toBe(true)
    expect(await run('stop', '--force')).toMatchObject({ status: 0 })
    expect(exists(pid)).toBe(false)
    expect(existsSync(pidFile())).toBe(false)
  })

  test.each<[string, () => string]>([
    [
      'another process with its number',
      () => JSON.stringify({ pid: process.pid, processStart: 'other', version: '0', startedAt: 1 }),
    ],
    ['a number without a start', () => JSON.stringify({ pid: process.pid, processStart: '', startedAt: 1 })],
    ['nonsense', () => '{'],
    ['nothing', () => ''],
  ])('leaves %s alone', async (_, text) => {
    writeFileSync(pidFile(), text())
    expect(readMonitor(home)).toEqual({ type: 'stale' })
    expect((await run('stop')).status).toBe(0)
    expect(existsSync(pidFile())).toBe(false)
  })
})

describe('beside the Python tool', () => {
  /** A process whose command line is like that of the Python tool. */
  const openPythonTool = () => {
    const child = spawn(
      '/bin/sh',
      ['-c', 'sleep 60 & wait', 'python3', '/opt/claude-code-fallback/daemon.py'],
      {
        stdio: 'ignore',
        detached: true,
      },
    )
    children.push(child)
    return child.pid ?? 0
  }

  test('it does not start, says how to stop that one, and does not touch it', async () => {
    const pid = openPythonTool()
    writeFileSync(pidFile(), `${pid}\n`)
    for (const args of [['start'], ['start', '--daemon']]) {
      const result = await run(...args)
      expect(result.status).toBe(1)
      expect(result.stderr).toContain(`Stop it with \`kill ${pid}\``)
    }
    expect(await run('stop', '--force')).toMatchObject({ status: 0 })
    expect(exists(pid)).toBe(true)
    expect(read(pidFile())).toBe(`${pid}\n`)
    process.kill(-pid, 'SIGKILL')
  })

  test.each<[string, () => number]>([
    ['that is no more', () => 2 ** 22 + 1],
    ['whose number another one has', () => process.pid],
  ])('one %s is set aside', async (_, pid) => {
    writeFileSync(pidFile(), `${pid()}`)
    expect((await run('stop')).status).toBe(0)
    await startDaemon()
    expect(read(`${pidFile()}.python`)).toBe(`${pid()}`)
  })
})

describe('a pid file of another container', () => {
  test('is left alone by stop, and given way to by start', async () => {
    const [boot] = readProcessStart(process.pid)?.split(' ') ?? []
    const theirs = { pid: 1, processStart: `${boot} pid:[1] 1`, version: '0', startedAt: 1 }
    writeFileSync(pidFile(), JSON.stringify(theirs))
    expect(await run('stop')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('another container'),
    })
    expect(JSON.parse(read(pidFile()))).toEqual(theirs)
    await startDaemon()
  })
})

test.each([
  [['start', '--daemon', '--service'], 'exclude each other'],
  [['start', '--dry-run'], '--dry-run goes with --service'],
  [['stop', '--dry-run'], '--dry-run goes with --service'],
  [['stop', 'now'], "'now'"],
])('%j cannot be understood', async (args, words) => {
  expect(await run(...args)).toMatchObject({ status: 2, stderr: expect.stringContaining(words) })
})
