import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { emptyState, type KnownLimit } from '../src/core/shared-state.ts'
import { makeCompanionHome, secretKey } from './support/companion.ts'

const HOUR = 3600 * 1000
const STATE = '.claude_fallback_state.json'
const FLAG = '.claude_fallback_active'
const withKey = { CLAUDE_FALLBACK_API_KEY: secretKey }

const makeLimit = (resetsAt: number | undefined): KnownLimit => ({
  ...{ configDir: '/c', account: '', key: `k${resetsAt}`, window: 'unknown', scope: { type: 'account' } },
  ...{ text: '', resetsAt, seenAt: Date.now(), cwd: undefined, sessionId: undefined },
})

test('prints one word, and ends with the last limit in force', () => {
  const { read, run, write } = makeCompanionHome()
  const resets = [2 * HOUR, 5 * HOUR, -HOUR].map((after) => Date.now() + after)
  write(STATE, { ...emptyState(), limits: [...resets, undefined].map(makeLimit) })
  expect(run(['mode'])).toEqual({ status: 0, stdout: 'subscription\n', stderr: '' })
  expect(run(['mode', 'api'], withKey)).toEqual({ status: 0, stdout: 'api\n', stderr: '' })
  expect(JSON.parse(read(STATE)).mode).toEqual({ billing: 'api', until: resets[1] })
  expect(run(['mode']).stdout).toBe('api\n')
  expect(JSON.parse(run(['mode', '--json']).stdout)).toEqual({
    ...{ version: 1, billing: 'api', source: 'mode' },
    until: new Date(resets[1] ?? 0).toISOString(),
  })
  expect(run(['mode', 'subscription'])).toEqual({ status: 0, stdout: 'subscription\n', stderr: '' })
  expect(JSON.parse(read(STATE)).mode).toBeUndefined()
})

test('lasts 24 hours where no reset is known', () => {
  const { read, run } = makeCompanionHome()
  const before = Date.now()
  run(['mode', 'api'], withKey)
  const { until } = JSON.parse(read(STATE)).mode
  expect(until).toBeGreaterThanOrEqual(before + 24 * HOUR)
  expect(until).toBeLessThanOrEqual(Date.now() + 24 * HOUR)
})

test.each([
  ['without a key', {}, '`claude-fallback key set`'],
  ['with a login token for a key', { CLAUDE_FALLBACK_API_KEY: 'sk-ant-oat01-made-up' }, 'login token'],
  ['with a daily cap of 0', { ...withKey, CLAUDE_FALLBACK_MAX_USD_PER_DAY: '0' }, 'MAX_USD_PER_DAY'],
  ['with a cap that cannot be read', { ...withKey, CLAUDE_FALLBACK_MAX_USD_PER_DAY: 'ten' }, "'ten'"],
  ['with a session cap of 0', { ...withKey, CLAUDE_FALLBACK_MAX_USD: '0' }, 'max_usd is 0'],
])('refuses api %s', (_, env, told) => {
  const { at, run } = makeCompanionHome()
  const { status, stdout, stderr } = run(['mode', 'api'], env)
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toContain(told)
  expect(existsSync(at(STATE))).toBe(false)
})

test('says where a variable goes before the mode', () => {
  const { run } = makeCompanionHome()
  const { status, stdout, stderr } = run(['mode', 'subscription'], { CLAUDE_FALLBACK_BILLING: 'api' })
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'api\n' })
  expect(stderr).toContain('CLAUDE_FALLBACK_BILLING says so')
})

test('refuses another word', () => {
  const { run } = makeCompanionHome()
  const { status, stderr } = run(['mode', 'API\u001b[2J'])
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: "claude-fallback mode: Invalid mode 'API [2J': use 'api' or 'subscription'.\n",
  })
})

/** Root may write anywhere. */
const nobody = process.getuid?.() === 0 ? { uid: 65534 } : {}

test.each([['mode', 'api'], ['mode', 'subscription'], ['clear']])(
  'says that a home cannot be written to: %s %s',
  (...args) => {
    const { home, run } = makeCompanionHome()
    chmodSync(home, 0o555)
    const { status, stdout, stderr } = run(args, withKey, nobody)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain('cannot be written')
  },
)

test('says that the state is a folder', () => {
  const { at, run } = makeCompanionHome()
  mkdirSync(at(STATE))
  expect(run(['mode', 'api'], withKey).status).toBe(1)
  expect(run(['clear']).status).toBe(1)
})

test('keeps a damaged state aside', () => {
  const { read, run, write } = makeCompanionHome()
  write(STATE, 'nonsense')
  expect(run(['mode', 'api'], withKey)).toMatchObject({ status: 0, stdout: 'api\n' })
  expect(read(`${STATE}.damaged-1`)).toBe('nonsense')
})

test('clear forgets the limits and the flag, and not the mode', () => {
  const { at, read, run, write } = makeCompanionHome()
  const limits = [HOUR, 2 * HOUR].map((after) => makeLimit(Date.now() + after))
  write(STATE, { ...emptyState(), limits })
  run(['mode', 'api'], withKey)
  expect(existsSync(at(FLAG))).toBe(true)
  const { status, stdout } = run(['clear'])
  expect(status).toBe(0)
  expect(stdout).toMatch(
    /^Forgot 2 limits\.\nNew sessions still start on API billing until .*mode subscription/,
  )
  expect(existsSync(at(FLAG))).toBe(false)
  expect(JSON.parse(read(STATE))).toMatchObject({ limits: [], mode: { billing: 'api' } })
  run(['mode', 'subscription'])
  expect(run(['clear'])).toEqual({
    status: 0,
    stdout: 'No limit was known: nothing to forget.\n',
    stderr: '',
  })
})
