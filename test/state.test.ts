import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { addLimit, emptyState, enterSession, type KnownLimit } from '../src/core/shared-state.ts'
import { isSameProcess, openSharedState, readProcessStart } from '../src/state.ts'
import { exists, readState, waitUntil } from './support/processes.ts'

const NOW = Date.UTC(2026, 10, 22, 14)
const HOUR = 3600 * 1000

let home: string
let file: string
let logged: string[]
let now: number
beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'claudef-'))
  file = path.join(home, '.claude_fallback_state.json')
  logged = []
  now = NOW
})
afterEach(() => fs.rmSync(home, { recursive: true, force: true }))

const open = (folder = home) =>
  openSharedState({ home: folder, now: () => now, log: (message) => logged.push(message) })

const limit: KnownLimit = {
  configDir: '/home/me/.claude',
  account: 'account-1',
  key: 'session account 1',
  window: 'session',
  scope: { type: 'account' },
  text: 'limit',
  resetsAt: NOW + HOUR,
  seenAt: NOW,
  cwd: undefined,
  sessionId: undefined,
}
const withLimit = (state = emptyState()) => addLimit(state, limit)

const makeSession = (pid: number, processStart: string) => ({
  ...{
    configDir: '',
    account: '',
    pid,
    processStart,
    cwd: home,
    sessionId: undefined,
    transcript: undefined,
  },
  ...{ billing: 'subscription' as const, limit: undefined, resetsAt: undefined, startedAt: NOW },
  by: 'claudef' as const,
})

const names = () => fs.readdirSync(home).sort()
const modeOf = (name: string) => fs.statSync(path.join(home, name)).mode & 0o777
const readFlag = () => fs.readFileSync(path.join(home, '.claude_fallback_active'), 'utf8')

describe('the state', () => {
  test('is empty at first, and opening and reading it leave no trace', async () => {
    expect(await open().read()).toEqual(emptyState())
    expect(names()).toEqual([])
    expect(logged).toEqual([])
  })

  test('is written for nobody else to read, with the flag while a limit is in force', async () => {
    const { update, read } = open()
    expect(await update(withLimit)).toEqual(withLimit())
    expect(await read()).toEqual(withLimit())
    expect(names()).toEqual(['.claude_fallback_active', '.claude_fallback_state.json'])
    expect([modeOf('.claude_fallback_active'), modeOf('.claude_fallback_state.json')]).toEqual([0o600, 0o600])
    expect(JSON.parse(readFlag())).toEqual({
      limits: [{ window: 'session', until: '2026-11-22T15:00:00.000Z', isResetKnown: true }],
    })
    // The reset is news for the flag alone.
    now = NOW + HOUR
    const before = fs.statSync(file).ino
    await update((state) => state)
    expect(names()).toEqual(['.claude_fallback_state.json'])
    expect(fs.statSync(file).ino).toBe(before)
    expect(logged).toEqual([])
  })

  test('narrows what others could read, and is written through a link', async () => {
    const target = path.join(home, 'dotfiles')
    fs.mkdirSync(target)
    fs.writeFileSync(path.join(target, 'state'), '', { mode: 0o644 })
    fs.symlinkSync(path.join(target, 'state'), file)
    await open().update(withLimit)
    expect(fs.lstatSync(file).isSymbolicLink()).toBe(true)
    expect(JSON.parse(fs.readFileSync(path.join(target, 'state'), 'utf8')).limits).toHaveLength(1)
    expect(modeOf('dotfiles/state')).toBe(0o600)
  })

  test('takes changes of one process in their order', async () => {
    const { update, read } = open()
    const keys = ['one', 'two', 'three']
    const results = keys.map((key) =>
      update((state) => addLimit(state, { ...limit, window: 'unknown', key })),
    )
    expect((await Promise.all(results)).map((state) => state?.limits.length)).toEqual([1, 2, 3])
    expect((await read()).limits.map(({ key }) => key)).toEqual(keys)
  })

  test('survives a change that throws', async () => {
    const { update } = open()
    const failing = () => {
      throw new Error('a mistake of ours')
    }
    expect(await update(failing)).toBeUndefined()
    expect(await update(withLimit)).toEqual(withLimit())
    expect(logged).toEqual([`Cannot update ${file}: a mistake of ours.`])
    expect(names()).not.toContain('.claude_fallback_state.json.lock')
  })

  test('loses the sessions whose process is gone', async () => {
    const child = spawn('sleep', ['60'])
    const pid = child.pid ?? 0
    const start = readProcessStart(pid) ?? ''
    const [boot] = start.split(' ')
    const entries = [
      makeSession(process.pid, readProcessStart(process.pid) ?? ''),
      makeSession(process.pid, `${start}0`),
      makeSession(pid, start),
      makeSession(pid, ''),
      makeSession(2 ** 22 + 1, ''),
      ...(process.platform === 'linux' ? [makeSession(2 ** 22 + 1, `${boot} pid:[1] 1`)] : []),
    ]
    const { update } = open()
    const indexes = (state = emptyState()) =>
      state.sessions
        .map((session) => JSON.stringify(session))
        .map((one) => entries.findIndex((entry) => JSON.stringify(entry) === one))
    const elsewhere = process.platform === 'linux' ? [5] : []
    expect(indexes(await update((state) => entries.reduce(enterSession, state)))).toEqual([
      0,
      2,
      3,
      ...elsewhere,
    ])
    child.kill('SIGKILL')
    await waitUntil(() => !exists(pid))
    now = NOW + 24 * HOUR
    expect(indexes(await update((state) => state))).toEqual([0])
  })
})

describe('a process', () => {
  test('is the same while it runs', async () => {
    const start = readProcessStart(process.pid) ?? ''
    expect(start).not.toBe('')
    expect(isSameProcess(process.pid, start)).toBe(true)
    expect(isSameProcess(process.pid, `${start}0`)).toBe(false)
    // It may have been started on another boot.
    expect(isSameProcess(process.pid, `x${start}`)).toBe(false)
    expect(readProcessStart(2 ** 22 + 1)).toBeUndefined()
  })

  test.skipIf(process.platform !== 'linux')('is no more as a zombie', async () => {
    const parent = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 60'])
    const [line] = await createInterface({ input: parent.stdout })
      [Symbol.asyncIterator]()
      .next()
      .then(({ value }) => [value])
    const pid = Number(line)
    await waitUntil(() => readState(pid) === 'Z')
    expect(readProcessStart(pid)).toBeUndefined()
    parent.kill('SIGKILL')
  })
})

describe('a file that is not ours', () => {
  test('is set aside when damaged, the newest three are kept, and work goes on', async () => {
    const { update } = open()
    for (const n of [1, 2, 3, 4]) {
      fs.writeFileSync(file, `{"version":1,"limits":[${n}`)
      expect(await update(withLimit)).toEqual(withLimit())
    }
    expect(names().filter((name) => name.includes('damaged'))).toEqual(
      [2, 3, 4].map((n) => `.claude_fallback_state.json.damaged-${n}`),
    )
    expect(fs.readFileSync(`${file}.damaged-4`, 'utf8')).toBe('{"version":1,"limits":[4')
    expect(modeOf('.claude_fallback_state.json.damaged-4')).toBe(0o600)
    expect(logged[0]).toBe(`Cannot use ${file}: it holds no JSON object. It is kept as ${file}.damaged-1.`)
  })

  test('is read as nothing when damaged, and left where it is', async () => {
    fs.writeFileSync(file, '\0\0\0\0')
    const { read } = open()
    expect(await read()).toEqual(emptyState())
    expect(await read()).toEqual(emptyState())
    expect(names()).toEqual(['.claude_fallback_state.json'])
    expect(logged).toEqual([`Cannot use ${file}: it holds no JSON object.`])
  })

  test('is nothing truncated at any byte, and the next change makes it whole again', async () => {
    await open().update(withLimit)
    const whole = fs.readFileSync(file)
    // Without its last line feed it is whole.
    for (let length = 1; length < whole.length - 1; length++) {
      fs.writeFileSync(file, whole.subarray(0, length))
      const { read, update } = open()
      expect(await read(), `${length} bytes`).toEqual(emptyState())
      expect(await update(withLimit), `${length} bytes`).toEqual(withLimit())
      expect(fs.readFileSync(file)).toEqual(whole)
    }
  })

  test('is no matter when empty', async () => {
    fs.writeFileSync(file, '')
    expect(await open().update(withLimit)).toEqual(withLimit())
    expect(logged).toEqual([])
  })

  test('is kept when the Python tool wrote it, with the limit that it knew', async () => {
    const text = JSON.stringify({ limit_detected: true, reset_time: (NOW + HOUR) / 1000 })
    fs.writeFileSync(file, text)
    const state = await open().update((before) => before)
    expect(state?.limits.map(({ window, resetsAt }) => [window, resetsAt])).toEqual([['unknown', NOW + HOUR]])
    expect(fs.readFileSync(`${file}.python`, 'utf8')).toBe(text)
    expect((await open().read()).limits).toHaveLength(1)
    expect(readFlag()).toContain('unknown')
  })

  test('of a newer version is changed where all of it is known, and left alone where not', async () => {
    fs.writeFileSync(file, JSON.stringify({ version: 2, hue: 1 }))
    await open().update(withLimit)
    expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toMatchObject({
      version: 2,
      hue: 1,
      limits: [{ key: limit.key }],
    })
    const text = JSON.stringify({
      version: 3,
      limits: [{ name: 'new' }],
      mode: { billing: 'api', until: NOW + HOUR },
    })
    fs.writeFileSync(file, text)
    const { update, read } = open()
    expect(await update(withLimit)).toBeUndefined()
    expect(fs.readFileSync(file, 'utf8')).toBe(text)
    expect((await read()).mode).toEqual({ billing: 'api', until: NOW + HOUR })
  })

  test('is no file at all', async () => {
    fs.mkdirSync(file)
    fs.mkdirSync(path.join(home, '.claude_fallback_active'))
    const { update, read } = open()
    expect(await read()).toEqual(emptyState())
    expect(await update(withLimit)).toBeUndefined()
    expect(logged.join()).toMatch(/Cannot update .*EISDIR/)
    fs.rmdirSync(file)
    expect(await update(withLimit)).toEqual(withLimit())
    expect(logged.join()).toMatch(/Cannot update .*active/)
  })
})

describe('a home', () => {
  test('that is missing, or a file, is not made', async () => {
    fs.writeFileSync(path.join(home, 'file'), '')
    for (const folder of [path.join(home, 'missing'), path.join(home, 'file')]) {
      const { update, read, watch } = open(folder)
      expect(await read()).toEqual(emptyState())
      expect(await update(withLimit)).toBeUndefined()
      watch(() => {}).stop()
    }
    expect(names()).toEqual(['file'])
    expect(logged.join()).toMatch(/ENOENT.*ENOTDIR/s)
  })
})

describe('watching', () => {
  test('tells of each change by another, and of nothing else', async () => {
    const seen: number[] = []
    const { stop } = open().watch((state) => seen.push(state.limits.length))
    const { update } = open()
    fs.writeFileSync(path.join(home, 'other'), '')
    await update(withLimit)
    await waitUntil(() => seen.length === 1)
    await update((state) => ({ ...state, limits: [] }))
    await waitUntil(() => seen.length === 2)
    expect(seen).toEqual([1, 0])
    stop()
    await update(withLimit)
    const other = open().watch(() => seen.push(7))
    await update((state) => ({ ...state, limits: [] }))
    await waitUntil(() => seen.length === 3)
    expect(seen).toEqual([1, 0, 7])
    other.stop()
  })

  test('sees the target of a link', async () => {
    const target = path.join(home, 'dotfiles')
    fs.mkdirSync(target)
    fs.writeFileSync(path.join(target, 'state'), '')
    fs.symlinkSync(path.join(target, 'state'), file)
    const seen: number[] = []
    const { stop } = open().watch((state) => seen.push(state.limits.length))
    const { update } = open()
    // The link is looked up late, so the first change may come too early.
    await waitUntil(async () => {
      await update((state) => (state.limits.length === 0 ? withLimit(state) : { ...state, limits: [] }))
      return seen.length > 0
    })
    stop()
  })
})

describe('many processes', () => {
  const program = fileURLToPath(new URL('support/state-writer.js', import.meta.url))
  const started: ChildProcess[] = []
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL')
  })

  const startWriter = (name: string) => {
    const child = spawn(process.execPath, [program, home, name], { stdio: ['pipe', 'pipe', 'inherit'] })
    started.push(child)
    const lines: string[] = []
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
    return { child, lines }
  }

  test.each([false, true])(
    '50 lose nothing (the lock of a killed one there: %s)',
    async (isLocked) => {
      if (isLocked) fs.mkdirSync(`${file}.lock`)
      const writers = Array.from({ length: 50 }, (_, n) => startWriter(`process-${n}`))
      await waitUntil(() => writers.every(({ lines }) => lines.length === 1), 60_000)
      for (const { child } of writers) child.stdin.write('go\n')
      await waitUntil(() => writers.every(({ lines }) => lines.length === 2), 60_000)
      const said = writers.map(({ lines }) => lines[1]?.split(' ')[0])
      expect(said.filter((word) => word === 'first')).toHaveLength(1)
      expect(said.filter((word) => word === 'done')).toHaveLength(49)
      const state = await open().read()
      expect(new Set(state.sessions.map(({ pid }) => pid))).toEqual(
        new Set(writers.map(({ child }) => child.pid)),
      )
      expect(Object.keys(state).filter((name) => name.startsWith('process-'))).toHaveLength(50)
      // Every other one is killed, the rest leave by themselves.
      writers.forEach(({ child }, n) => void (n % 2 ? child.stdin.end() : child.kill('SIGKILL')))
      await waitUntil(
        () => writers.every(({ child }) => child.exitCode !== null || child.signalCode !== null),
        60_000,
      )
      await open().update((before) => before)
      expect((await open().read()).sessions).toEqual([])
      expect(names()).toEqual(['.claude_fallback_state.json'])
    },
    120_000,
  )

  test('one that was stopped under the lock does not write when it goes on', async () => {
    const { update } = open()
    let calls = 0
    const state = await update((before) => {
      calls += 1
      // Somebody took the lock for dead, changed the state, and is at it again.
      if (calls === 1) {
        execFileSync('rm', ['-r', `${file}.lock`])
        fs.writeFileSync(file, JSON.stringify({ version: 1, other: true }))
      }
      return withLimit(before)
    })
    expect(calls).toBe(2)
    expect(state).toMatchObject({ other: true, limits: [{ key: limit.key }] })
  })
})

test('nothing of it is loaded before it is needed', () => {
  const code = `
    const { openSharedState } = await import(process.argv[1])
    const { createRequire } = await import('node:module')
    const { read, update } = openSharedState({ home: process.argv[2], now: Date.now, log: console.log })
    await read()
    const loaded = () => Object.keys(createRequire(process.argv[1]).cache).filter((name) => /write-file-atomic|lockfile/.test(name))
    const before = loaded().length
    await update((state) => state)
    console.log(before, loaded().length > 0)`
  const module = fileURLToPath(new URL('../dist/state.js', import.meta.url))
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', code, module, home], {
    encoding: 'utf8',
  })
  expect(said).toBe('0 true\n')
})
