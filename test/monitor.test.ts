import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Notification } from '../src/core/notification.ts'
import {
  addLimit,
  enterSession,
  type KnownLimit,
  parseSharedState,
  type SessionEntry,
} from '../src/core/shared-state.ts'
import { type Monitor, openMonitor } from '../src/monitor.ts'
import { openSharedState, readProcessStart } from '../src/state.ts'
import { append, limitRow, type RowOptions } from './support/limit-rows.ts'
import { waitUntil } from './support/processes.ts'

const HOUR = 3_600_000

let home: string
let now: number
let news: Notification[]
let monitors: Monitor[]
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'claudef-monitor-'))
  // Whole seconds, as in the rows.
  now = Math.floor(Date.now() / 1000) * 1000
  news = []
  monitors = []
})
afterEach(async () => {
  for (const monitor of monitors) await monitor.stop()
  rmSync(home, { recursive: true, maxRetries: 5 })
})

async function open(env: NodeJS.ProcessEnv = {}) {
  const monitor = openMonitor({
    env: { HOME: home, CLAUDE_FALLBACK_NOTIFY: 'off', ...env },
    now: () => now,
    onNews: (notification) => news.push(notification),
  })
  monitors.push(monitor)
  await monitor.ready
  return monitor
}

function transcript(project = '-p', session = 's1', configDir = join(home, '.claude')) {
  return join(configDir, 'projects', project, `${session}.jsonl`)
}

/** A limit's row, met just now, of a session in ~/proj; it resets in an hour. */
function row(more: Partial<RowOptions> = {}) {
  return limitRow({ at: now, resetsAt: now + HOUR, cwd: join(home, 'proj'), ...more })
}

const store = () => openSharedState({ home, now: () => now, log: () => {} })

function readState() {
  const parsed = parseSharedState(readFileSync(join(home, '.claude_fallback_state.json'), 'utf8'))
  if ('problem' in parsed) throw new Error(parsed.problem)
  return parsed.state
}

const hasFlag = () => readdirSync(home).includes('.claude_fallback_active')
const titles = () => news.map(({ title }) => title)

describe('a limit', () => {
  test('is told, flagged, recorded and logged', async () => {
    writeFileSync(
      join(home, '.claude.json'),
      JSON.stringify({ oauthAccount: { accountUuid: 'uuid-of-the-account' } }),
    )
    await open()
    append(transcript(), row())
    await waitUntil(() => news.length > 0)
    expect(news[0]?.title).toMatch(/^5-hour limit reached, resets \d+:\d\d[ap]m$/)
    expect(news[0]?.text).toBe('Run claude-api in ~/proj to go on')
    expect(hasFlag()).toBe(true)
    expect(readState().limits).toMatchObject([
      {
        window: 'session',
        account: 'uuid-of-the-account',
        configDir: join(home, '.claude'),
        resetsAt: now + HOUR,
        sessionId: 's1',
        cwd: join(home, 'proj'),
      },
    ])
    const log = readFileSync(join(home, '.claude_fallback_error.log'), 'utf8')
    expect(log.match(/limit reached/g)).toHaveLength(1)
  })

  test('is told once, whoever meets it and however many monitors look on', async () => {
    await open()
    await open()
    for (const session of ['s1', 's2', 's3']) append(transcript('-p', session), row(), row({ at: now + 1 }))
    append(transcript('-other'), row())
    append(transcript(), row({ text: "You've hit your Opus limit · resets 3:45pm" }))
    await waitUntil(() => titles().some((title) => title.startsWith('Opus')))
    for (const monitor of monitors) await monitor.stop()
    expect(titles().map((title) => title.split(',')[0])).toEqual([
      '5-hour limit reached',
      'Opus limit reached',
    ])
    expect(readState().limits).toHaveLength(2)
  })

  test('of a subagent is told with the row of the main conversation', async () => {
    await open()
    append(transcript(), row({ isSidechain: true }))
    append(transcript(), row())
    await waitUntil(() => news.length > 0)
    expect(titles()).toHaveLength(1)
  })

  test.each<[string, () => string]>([
    ['from before the start', () => row({ at: now - HOUR, resetsAt: now + 2 * HOUR })],
    ['that has reset', () => row({ resetsAt: now })],
    ['in the words of Claude', () => row().replace('<synthetic>', 'claude-opus-5-5')],
    ['in half a row', () => row().slice(0, -20)],
  ])('%s is none', async (_, line) => {
    await open()
    append(transcript(), line(), row({ text: "You've hit your Opus limit · resets 3:45pm" }))
    await waitUntil(() => news.length > 0)
    expect(titles()[0]).toContain('Opus')
    expect(readState().limits).toHaveLength(1)
  })

  test('of an organization is told in its own words', async () => {
    await open()
    append(transcript(), row({ text: "You've hit your org's monthly usage limit" }))
    await waitUntil(() => news.length > 0)
    expect(news[0]?.text).toBe("You've hit your org's monthly usage limit")
  })

  test('is told once where no state can be written', async () => {
    mkdirSync(join(home, '.claude_fallback_state.json'))
    await open()
    append(
      transcript(),
      row(),
      row({ at: now + 1 }),
      row({ text: "You've hit your Opus limit · resets 3:45pm" }),
    )
    await waitUntil(() => news.length > 1)
    expect(titles().map((title) => title.split(' ')[0])).toEqual(['5-hour', 'Opus'])
  })
})

describe("a session of claudef's", () => {
  const session = (more: Partial<SessionEntry> = {}): SessionEntry => ({
    configDir: join(home, '.claude'),
    account: '',
    pid: process.pid,
    processStart: readProcessStart(process.pid) ?? '',
    cwd: home,
    sessionId: 's1',
    transcript: undefined,
    billing: 'subscription',
    limit: undefined,
    resetsAt: undefined,
    startedAt: now,
    by: 'claudef',
    ...more,
  })

  test.each<[string, Partial<SessionEntry>]>([
    ['id', {}],
    ['transcript', { sessionId: undefined, transcript: 'its own' }],
  ])('is left to claudef, known by its %s', async (_, more) => {
    const entry = session({ ...more, ...(more.transcript && { transcript: transcript() }) })
    await store().update((state) => enterSession(state, entry))
    await open()
    append(transcript(), row(), row({ text: "You've hit your Opus limit · resets 3:45pm" }))
    await waitUntil(() => readState().limits.length === 2)
    await monitors[0]?.stop()
    expect(news).toEqual([])
    expect(readState().announced).toEqual([])
  })

  test('is no longer when its claudef is gone', async () => {
    await store().update((state) => enterSession(state, session()))
    const file = join(home, '.claude_fallback_state.json')
    await open()
    // Written past the store, which sweeps the dead.
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace(`"pid": ${process.pid}`, `"pid": ${2 ** 22 + 1}`))
    append(transcript(), row())
    await waitUntil(() => news.length > 0)
  })
})

describe('a reset', () => {
  test('is told once, and takes the flag away', async () => {
    await open()
    append(transcript(), row())
    await waitUntil(() => news.length > 0 && hasFlag())
    await open()
    now += HOUR
    // Any change wakes them, as any row of a limit does; else the alarm.
    await store().update((state) => ({ ...state, lastSwitchTold: true }))
    await waitUntil(() => news.length > 1)
    for (const monitor of monitors) await monitor.stop()
    expect(titles().slice(1)).toEqual(['Your subscription is back'])
    expect(readState().limits).toEqual([])
    expect(hasFlag()).toBe(false)
  })

  test('is told of limits that others have met', async () => {
    now = Date.now()
    const monitor = openMonitor({
      env: { HOME: home, CLAUDE_FALLBACK_NOTIFY: 'off' },
      now: Date.now,
      onNews: (notification) => news.push(notification),
    })
    monitors.push(monitor)
    await monitor.ready
    const limit: KnownLimit = {
      configDir: join(home, '.claude'),
      account: '',
      key: 'session account 1',
      window: 'session',
      scope: { type: 'account' },
      text: "You've hit your session limit",
      resetsAt: now + 500,
      seenAt: now,
      cwd: undefined,
      sessionId: undefined,
    }
    await store().update((state) => addLimit(state, limit))
    await waitUntil(() => news.length > 0)
    expect(titles()).toEqual(['Your subscription is back'])
    expect(hasFlag()).toBe(false)
  })

  test('that came while no monitor ran is told at the next start', async () => {
    await open()
    append(transcript(), row())
    await waitUntil(() => news.length > 0)
    await monitors[0]?.stop()
    now += 2 * HOUR
    await open()
    expect(titles()[1]).toBe('Your subscription is back')
    expect(hasFlag()).toBe(false)
  })

  test('is not told where the user has cleared the limit', async () => {
    await open()
    append(transcript(), row())
    await waitUntil(() => news.length > 0)
    await store().update((state) => ({ ...state, limits: [] }))
    now += 2 * HOUR
    await store().update((state) => ({ ...state, lastSwitchTold: true }))
    append(transcript(), row({ text: "You've hit your Opus limit · resets 3:45pm" }))
    await waitUntil(() => news.length > 1)
    expect(titles()[1]).toContain('Opus')
  })
})

describe('the folders', () => {
  test('are CLAUDE_CONFIG_DIR and those of the config, each with its own login', async () => {
    const own = join(home, 'own')
    const work = join(home, 'work')
    for (const folder of [own, work]) {
      mkdirSync(folder)
      const login = { oauthAccount: { accountUuid: `account of ${folder}` } }
      writeFileSync(join(folder, '.claude.json'), JSON.stringify(login))
    }
    await open({ CLAUDE_CONFIG_DIR: own, CLAUDE_FALLBACK_CONFIG_DIRS: work })
    append(transcript('-p', 's1', own), row())
    append(transcript('-p', 's1', work), row())
    append(transcript('-p', 's1', join(home, '.claude')), row())
    await waitUntil(() => news.length > 1)
    await monitors[0]?.stop()
    expect(
      readState()
        .limits.map(({ account }) => account)
        .sort(),
    ).toEqual([own, work].map((folder) => `account of ${folder}`))
  })

  test('and all else of the config may change while it runs', async () => {
    const file = join(home, 'config.json')
    const work = join(home, 'work')
    writeFileSync(file, '{}', { mode: 0o600 })
    const monitor = await open({ CLAUDE_FALLBACK_CONFIG: file })
    writeFileSync(file, JSON.stringify({ config_dirs: [work], auto_restart: true }), { mode: 0o600 })
    await Promise.all([monitor.reload(), monitor.reload()])
    expect(monitor.folders()).toEqual([join(home, '.claude'), work])
    append(transcript('-p', 's1', work), row())
    append(transcript(), row())
    await waitUntil(() => news.length > 1)
    await monitor.stop()
    expect(news).toHaveLength(2)
    expect(news[0]?.text).toContain('with claudef it would have gone on by itself')
  })
})

test('after the stop nothing is told', async () => {
  const monitor = await open()
  await monitor.stop()
  append(transcript(), row())
  await open()
  append(transcript('-p', 's2'), row({ text: "You've hit your Opus limit · resets 3:45pm" }))
  await waitUntil(() => news.length > 0)
  expect(titles()).toHaveLength(1)
})
