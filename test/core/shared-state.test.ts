import { describe, expect, test } from 'vitest'
import { parsePythonState } from '../../src/core/python-state.ts'
import {
  addLimit,
  announceOnce,
  clearLimits,
  emptyState,
  endOf,
  enterSession,
  expireLimits,
  type KnownLimit,
  leaveSession,
  limitsInForce,
  modeInForce,
  parseSharedState,
  renderFlag,
  renderSharedState,
  type SessionEntry,
  type SharedState,
} from '../../src/core/shared-state.ts'

const NOW = Date.UTC(2026, 10, 22, 14)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const limit: KnownLimit = {
  configDir: '/home/me/.claude',
  account: 'account-1',
  key: 'session account 1',
  window: 'session',
  scope: { type: 'account' },
  text: "You've hit your session limit",
  resetsAt: NOW + 2 * HOUR,
  seenAt: NOW,
  cwd: '/project',
  sessionId: 'session-1',
}

const session: SessionEntry = {
  configDir: '/home/me/.claude',
  account: 'account-1',
  pid: 4711,
  processStart: 'boot namespace 100',
  cwd: '/project',
  sessionId: 'session-1',
  transcript: undefined,
  billing: 'subscription',
  limit: undefined,
  resetsAt: undefined,
  startedAt: NOW,
  by: 'claudef',
}

const full: SharedState = {
  version: 1,
  mode: { billing: 'api', until: NOW + HOUR },
  limits: [
    limit,
    { ...limit, key: 'weekly model:opus 7', window: 'weekly', scope: { type: 'model', name: 'Opus' } },
  ],
  sessions: [session],
  announced: [{ key: 'session account 1', at: NOW }],
  lastSwitchTold: true,
}

const withLimits = (...limits: KnownLimit[]) => limits.reduce(addLimit, emptyState())

describe('the file', () => {
  test('says what the state was', () => {
    expect(parseSharedState(renderSharedState(full))).toEqual({ state: full, dropped: 0 })
    expect(parseSharedState(renderSharedState(emptyState()))).toEqual({ state: emptyState(), dropped: 0 })
    expect(parseSharedState(' \n')).toEqual({ state: emptyState(), dropped: 0 })
  })

  test('truncated at any byte is a problem, and nothing is made up', () => {
    const text = renderSharedState(full).trimEnd()
    for (let length = 1; length < text.length; length++) {
      expect(parseSharedState(text.slice(0, length))).toEqual({ problem: expect.any(String) })
    }
  })

  test.each([
    'null',
    '[]',
    '7',
    '"x"',
    '{}',
    '{"version":0}',
    '{"version":"1"}',
    '{"version":1.5}',
    '\0\0\0',
  ])('that holds %j is a problem', (text) =>
    expect(parseSharedState(text)).toEqual({ problem: expect.any(String) }),
  )

  test('of a newer version keeps what only that knows', () => {
    const newer = { ...full, version: 9, hue: 1, sessions: [{ ...session, mood: 'good' }] }
    const parsed = parseSharedState(JSON.stringify(newer))
    if (!('state' in parsed)) throw new Error(parsed.problem)
    const { state } = leaveSessionOf(enterSession(parsed.state, { ...session, pid: 1 }))
    expect(JSON.parse(renderSharedState(state))).toEqual(JSON.parse(JSON.stringify(newer)))
    expect(parsed.dropped).toBe(0)
  })

  const leaveSessionOf = (state: SharedState) => ({ state: leaveSession(state, 1, session.processStart) })

  test.each<[string, object, Partial<SharedState>]>([
    ['a limit without a key', { limits: [{ ...limit, key: undefined }, limit] }, { limits: [limit] }],
    ['a limit of an unknown window', { limits: [{ ...limit, window: 'x' }, limit] }, { limits: [limit] }],
    ['a limit of no scope', { limits: [limit, { ...limit, scope: {} }] }, { limits: [limit] }],
    [
      'a model without a name',
      { limits: [limit, { ...limit, scope: { type: 'model' } }] },
      { limits: [limit] },
    ],
    ['a reset in words', { limits: [limit, { ...limit, resetsAt: '4pm' }] }, { limits: [limit] }],
    ['a reset that no date holds', { limits: [limit, { ...limit, resetsAt: 1e17 }] }, { limits: [limit] }],
    ['null for a limit', { limits: [limit, null] }, { limits: [limit] }],
    ['an object for the limits', { limits: {} }, { limits: [] }],
    [
      'a pid that would mean a group',
      { sessions: [{ ...session, pid: -1 }, session] },
      { sessions: [session] },
    ],
    ['a billing that is none', { sessions: [{ ...session, billing: 'gift' }] }, { sessions: [] }],
    ['an announcement without a time', { announced: [{ key: 'x' }] }, { announced: [] }],
    ['a mode without an end', { mode: { billing: 'api' } }, { mode: undefined }],
    ['a mode that is none', { mode: 'api' }, { mode: undefined }],
    ['a flag that is none', { lastSwitchTold: 'yes' }, { lastSwitchTold: false }],
  ])('loses %s, and that alone', (_, damage, expected) => {
    const parsed = parseSharedState(JSON.stringify({ ...full, ...damage }))
    expect(parsed).toEqual({ state: { ...full, ...expected }, dropped: 1 })
  })
})

describe('limits', () => {
  test('of one key, account and folder are one', () => {
    const later = { ...limit, resetsAt: NOW + 2 * HOUR + 3 * MINUTE, seenAt: NOW + MINUTE, text: 'again' }
    expect(withLimits(limit, later).limits).toEqual([later])
    // Somebody reads the old row after the new one.
    const merged = withLimits(later, { ...limit, seenAt: NOW + HOUR }).limits
    expect(merged).toEqual([{ ...limit, resetsAt: later.resetsAt, seenAt: NOW + HOUR }])
    expect(withLimits(limit, { ...limit, account: 'account-2' }).limits).toHaveLength(2)
    expect(withLimits(limit, { ...limit, configDir: '/other' }).limits).toHaveLength(2)
  })

  test('of one window that slid are one, under the name of the later', () => {
    const slid = { ...limit, key: 'session account 9', resetsAt: NOW + 4 * HOUR }
    expect(withLimits(limit, slid).limits).toEqual([slid])
    expect(withLimits(slid, limit).limits).toEqual([slid])
    expect(withLimits(limit, { ...slid, scope: { type: 'model', name: 'Opus' } }).limits).toHaveLength(2)
    expect(withLimits(limit, { ...slid, window: 'weekly' }).limits).toHaveLength(2)
    expect(withLimits({ ...limit, window: 'unknown' }, { ...slid, window: 'unknown' }).limits).toHaveLength(2)
  })

  test('seen again without a reset keep the one that lies ahead, not the one behind', () => {
    const unknown = { ...limit, key: 'session account unknown', resetsAt: undefined }
    expect(withLimits(limit, { ...unknown, seenAt: NOW + HOUR }).limits).toEqual([
      { ...limit, seenAt: NOW + HOUR },
    ])
    const after = { ...unknown, seenAt: NOW + 3 * HOUR }
    expect(withLimits(limit, after).limits).toEqual([after])
  })

  test.each<[string, Partial<KnownLimit>, number, boolean]>([
    ['before its reset', {}, NOW + 2 * HOUR - 1, true],
    ['at its reset', {}, NOW + 2 * HOUR, false],
    ['with the clock a week back', {}, NOW - 7 * DAY, true],
    ['without a reset, for a day', { resetsAt: undefined }, NOW + DAY - 1, true],
    ['without a reset, after a day', { resetsAt: undefined }, NOW + DAY, false],
    ['without a reset, with the clock a week back', { resetsAt: undefined }, NOW - 7 * DAY, false],
    ['with a reset that no window has, for a day', { resetsAt: NOW + 90 * DAY }, NOW + DAY - 1, true],
    ['with a reset that no window has, after a day', { resetsAt: NOW + 90 * DAY }, NOW + DAY, false],
  ])('are in force or not: %s', (_, change, now, isInForce) => {
    const state = withLimits({ ...limit, ...change })
    expect(limitsInForce(state, now)).toHaveLength(isInForce ? 1 : 0)
    expect(renderFlag(state, now) !== undefined).toBe(isInForce)
    const { state: left, expired } = expireLimits(state, now)
    expect([left.limits.length, expired.length]).toEqual(isInForce ? [1, 0] : [0, 1])
    if (isInForce) expect(left).toBe(state)
  })

  test('are those of an account in its folder, or of nobody known', () => {
    const { configDir } = limit
    const state = withLimits(limit, { ...limit, account: '', key: 'other' })
    const inForce = (account: string, folder = configDir) =>
      limitsInForce(state, NOW, { configDir: folder, account }).map((one) => one.account)
    expect(inForce('account-1')).toEqual(['account-1', ''])
    expect(inForce('account-2')).toEqual([''])
    expect(inForce('')).toEqual(['account-1', ''])
    expect(inForce('account-1', '/other')).toEqual([])
  })

  test('are forgotten when cleared, and nothing else', () => {
    expect(clearLimits(full)).toEqual({ ...full, limits: [] })
  })

  test('are in the flag file, on one line', () => {
    const weekly: KnownLimit = {
      ...limit,
      key: 'weekly',
      window: 'weekly',
      scope: { type: 'model', name: 'Opus\n' },
    }
    const state = withLimits(limit, { ...weekly, resetsAt: undefined })
    expect(renderFlag(state, NOW)).toBe(
      '{"limits":[{"window":"session","until":"2026-11-22T16:00:00.000Z","isResetKnown":true},' +
        '{"window":"weekly","model":"Opus\\n","until":"2026-11-23T14:00:00.000Z","isResetKnown":false}]}\n',
    )
    expect(endOf(limit)).toBe(limit.resetsAt)
  })
})

test('a session is told by its process', () => {
  const moved = { ...session, sessionId: 'session-2', billing: 'api' } as const
  const reused = { ...session, processStart: 'boot namespace 999' }
  const state = [session, reused, moved].reduce(enterSession, emptyState())
  expect(state.sessions).toEqual([reused, moved])
  expect(leaveSession(state, session.pid, session.processStart).sessions).toEqual([reused])
  expect(leaveSession(state, 1, session.processStart)).toEqual(state)
})

test('the desktop is told once in 8 days, by one', () => {
  const first = announceOnce(emptyState(), 'limit', NOW)
  const second = announceOnce(first.state, 'limit', NOW + 8 * DAY - 1)
  const other = announceOnce(second.state, 'other', NOW + DAY)
  const again = announceOnce(other.state, 'limit', NOW + 8 * DAY)
  expect([first, second, other, again].map(({ isFirst }) => isFirst)).toEqual([true, false, true, true])
  expect(again.state.announced.map(({ key }) => key)).toEqual(['other', 'limit'])
  // What the future told is forgotten too.
  expect(announceOnce(again.state, 'limit', NOW - 9 * DAY).isFirst).toBe(true)
})

test.each<[SharedState['mode'], string]>([
  [undefined, 'subscription'],
  [{ billing: 'api', until: NOW + 1 }, 'api'],
  [{ billing: 'api', until: NOW }, 'subscription'],
  [{ billing: 'api', until: NOW + 31 * DAY }, 'api'],
  [{ billing: 'api', until: NOW + 400 * DAY }, 'subscription'],
])('the mode %j means %s', (mode, billing) => {
  expect(modeInForce({ ...emptyState(), mode }, NOW)).toBe(billing)
})

describe('a file of the Python tool', () => {
  const context = { now: NOW, timeZone: 'Europe/Paris', configDir: '/home/me/.claude' }
  const at = Date.UTC(2026, 10, 22, 16, 13)

  test.each<[unknown, number | undefined]>([
    [at / 1000, at],
    [at, at],
    [String(at / 1000), at],
    ['2026-11-22T16:13:00Z', at],
    ['2026-11-22T17:13:00+01:00', at],
    ['2026-11-22T17:13:00.000000', at],
    ['2026-11-22 17:13', at],
    ['2026-11-22T14:13:00', undefined],
    [NOW + 90 * DAY, undefined],
    ['4pm', undefined],
    [null, undefined],
    [true, undefined],
    ['2026-99-99T99:99', undefined],
  ])('with the reset %j', (time, resetsAt) => {
    const limits = parsePythonState(JSON.stringify({ limit_detected: true, reset_time: time }), context)
    expect(limits?.map((one) => one.resetsAt)).toEqual(resetsAt === undefined ? [] : [resetsAt])
  })

  test('that has met no limit', () => {
    expect(parsePythonState(`{"limit_detected":false,"reset_time":${at}}`, context)).toEqual([])
    expect(parsePythonState('{"mode":"api"}', context)).toEqual([])
  })

  test('is one without a version', () => {
    expect(parsePythonState('{"version":1}', context)).toBeUndefined()
    expect(parsePythonState('{"reset_time"', context)).toBeUndefined()
    expect(parsePythonState('[]', context)).toBeUndefined()
  })
})
