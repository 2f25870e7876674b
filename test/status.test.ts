import { mkdirSync, readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { emptyState, enterSession, type KnownLimit } from '../src/core/shared-state.ts'
import { readProcessStart } from '../src/state.ts'
import { makeCompanionHome, secretKey } from './support/companion.ts'

const HOUR = 3600 * 1000
const STATE = '.claude_fallback_state.json'

const makeLimit = (home: string, resetsAt: number | undefined): KnownLimit => ({
  ...{ configDir: `${home}/.claude`, account: '', key: 'k', window: 'session', scope: { type: 'account' } },
  ...{ text: 'limit', resetsAt, seenAt: Date.now(), cwd: `${home}/proj\u001b[2J`, sessionId: undefined },
})

const makeSession = (pid: number, home: string) => ({
  ...{ pid, processStart: readProcessStart(pid) ?? 'gone', configDir: '', account: '', cwd: home },
  ...{ sessionId: 'id', transcript: undefined, billing: 'api' as const, limit: 'k', resetsAt: undefined },
  ...{ startedAt: Date.now(), by: 'claudef' as const },
})

test('tells of a home where nothing is, and leaves nothing there', () => {
  const { home, run } = makeCompanionHome()
  const { status, stdout, stderr } = run(['status'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/^Monitor +not running/)
  expect(stdout).toContain('none in force')
  expect(readdirSync(home)).toEqual([])
})

test('tells of limits, living sessions, the mode and the key', () => {
  const { home, run, write } = makeCompanionHome()
  const limits = [makeLimit(home, Date.now() + 2 * HOUR)]
  const mode = { billing: 'api' as const, until: Date.now() + HOUR }
  let state = { ...emptyState(), limits, mode }
  state = enterSession(state, makeSession(process.pid, home)) as typeof state
  state = enterSession(state, { ...makeSession(process.pid, home), processStart: 'another' }) as typeof state
  write(STATE, state)
  const env = { CLAUDE_FALLBACK_API_KEY: secretKey }
  const report = JSON.parse(run(['status', '--json'], env).stdout)
  expect(report).toMatchObject({
    version: 1,
    monitor: { state: 'stopped', pid: null },
    billing: {
      newSessions: 'api',
      source: 'mode',
      until: new Date(mode.until).toISOString(),
      obstacle: null,
    },
    limits: [{ window: 'session', resetsAt: new Date(limits[0]?.resetsAt ?? 0).toISOString() }],
    sessions: [{ pid: process.pid, by: 'claudef', billing: 'api', limit: 'session' }],
    spend: { todayUsd: 0, maxUsdPerDay: 10, maxUsdPerSession: null },
    key: { source: 'CLAUDE_FALLBACK_API_KEY', shown: '…wxyz' },
    problems: [],
  })
  expect(report.limits[0].secondsLeft).toBeGreaterThan(7000)
  const { stdout } = run(['status'], env)
  expect(stdout).toMatch(/5-hour limit · resets .*, in (2h 0m|1h 5\dm) \(met in ~\/proj \[2J\)/)
  expect(stdout).toMatch(/New sessions +API billing, by `claude-fallback mode api`, until .*, in/)
  expect(stdout).not.toContain('\u001b')
})

test('says that a mode without a key starts nothing on the API', () => {
  const { run } = makeCompanionHome()
  const { stdout } = run(['status'], { CLAUDE_FALLBACK_BILLING: 'api' })
  expect(stdout).toContain('as CLAUDE_FALLBACK_BILLING says')
  expect(stdout).toContain('but no API key is found: they start on the subscription')
})

test.each([
  [
    'a damaged state',
    (home: ReturnType<typeof makeCompanionHome>) => home.write(STATE, '{"version":'),
    /Cannot use/,
  ],
  [
    'a state that is a folder',
    ({ at }: ReturnType<typeof makeCompanionHome>) => mkdirSync(at(STATE)),
    /Cannot use/,
  ],
])('goes on with %s, and changes nothing', (_, damage, told) => {
  const world = makeCompanionHome()
  damage(world)
  const { status, stdout } = world.run(['status', '--json'])
  expect(status).toBe(0)
  expect(JSON.parse(stdout).problems.join()).toMatch(told)
  expect(readdirSync(world.home)).toEqual([STATE])
})

test('tells of a home that is not there', () => {
  const { run } = makeCompanionHome()
  expect(run(['status'], { HOME: '/nowhere' })).toMatchObject({ status: 0, stderr: '' })
})

test('tells of a config file that is refused, and of caps that count as 0 then', () => {
  const { at, run, write } = makeCompanionHome()
  write('config.json', { api_key: secretKey }, 0o666)
  const env = { CLAUDE_FALLBACK_CONFIG: at('config.json') }
  const { config, spend } = JSON.parse(run(['status', '--json'], env).stdout)
  expect(config).toMatchObject({ file: at('config.json'), isRead: false })
  expect(config.problems.join()).toContain('chmod')
  expect(spend.maxUsdPerDay).toBe(0)
})

test('takes no word', () => {
  const { run } = makeCompanionHome()
  expect(run(['status', 'now'])).toMatchObject({ status: 2, stderr: expect.stringContaining("'now'") })
  expect(run(['status', '--help']).stdout).toMatch(/^Usage: claude-fallback status/)
})
