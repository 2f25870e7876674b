import { describe, expect, test } from 'vitest'
import type { Limit } from '../../src/core/limit.ts'
import {
  judgeAgain,
  judgeSighting,
  nextEnd,
  renderLimitNews,
  renderResetNews,
  toKnownLimit,
} from '../../src/core/monitor.ts'
import type { Rules } from '../../src/core/policy.ts'
import { addLimit, emptyState, expireLimits, type KnownLimit } from '../../src/core/shared-state.ts'

const NOW = Date.UTC(2026, 10, 22, 14, 13)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const CAPS = { session: Number.POSITIVE_INFINITY, day: Number.POSITIVE_INFINITY }
const RULES: Rules = { autoRestart: false, autoReturn: false, noKey: undefined, caps: CAPS }

function limit(more: Partial<Limit> = {}): Limit {
  return {
    window: 'session',
    scope: { type: 'account' },
    verdict: 'switch',
    resetsAt: NOW + 2 * HOUR,
    source: 'text',
    rowId: undefined,
    at: NOW,
    text: "You've hit your session limit",
    ...more,
  }
}

function judge(
  met: Limit,
  more: { uptimeMs?: number; rules?: Partial<Rules>; version?: string | undefined } = {},
) {
  const { uptimeMs = HOUR, version = '2.1.330', rules } = more
  return judgeSighting({ limit: met, version, now: NOW, uptimeMs, rules: { ...RULES, ...rules } })
}

const telling = { now: NOW, timeZone: 'UTC', cwd: '/home/me/proj', home: '/home/me' }

function news(met: Limit, more: Parameters<typeof judge>[1] & Partial<typeof telling> = {}) {
  const judgement = judge(met, more)
  if (judgement.type !== 'news') throw new Error(`It is ${judgement.type}`)
  return renderLimitNews(met, judgement.notice, { ...telling, ...more })
}

describe('what counts', () => {
  test.each<[string, Partial<Limit>]>([
    ['a limit that was just met', {}],
    ['one without a time of its own', { at: undefined }],
    ['one without a reset', { resetsAt: undefined }],
    ['one that was met since the start, whose row comes late', { at: NOW - 50 * MINUTE }],
    ['one of the organization', { scope: { type: 'organization' }, verdict: 'tell' }],
  ])('%s is news', (_, more) => {
    expect(judge(limit(more)).type).toBe('news')
  })

  test.each<[string, Partial<Limit>]>([
    ['one from before the start', { at: NOW - 61 * MINUTE }],
    ['one that has reset', { at: NOW - 50 * MINUTE, resetsAt: NOW }],
    ['an old one without a reset', { at: NOW - 11 * MINUTE, resetsAt: undefined }],
  ])('%s is none', (_, more) => {
    expect(judge(limit(more)).type).toBe('none')
  })

  test('a clock that was set back makes no old rows of new ones', () => {
    // An hour of uptime is an hour, whatever the clock said at the start.
    expect(judge(limit({ at: NOW - HOUR + 1000 }), { uptimeMs: HOUR }).type).toBe('news')
  })

  test("a subagent's limit waits for the main conversation's row", () => {
    const judgement = judge(limit({ verdict: 'subagent' }))
    if (judgement.type !== 'wait') throw new Error(judgement.type)
    expect(judgement.afterMs).toBe(10_000)
    expect(judgeAgain(judgement.state, RULES)).toMatchObject({ type: 'news', notice: { type: 'offer' } })
  })
})

describe('what is told of a limit', () => {
  test('when it resets, and how to go on', () => {
    expect(news(limit())).toEqual({
      title: '5-hour limit reached, resets 4:13pm',
      text: 'Run claude-api in ~/proj to go on',
    })
  })

  test('with auto_restart, what claudef would have done', () => {
    expect(news(limit(), { rules: { autoRestart: true } }).text).toBe(
      'Run claude-api in ~/proj to go on; with claudef it would have gone on by itself',
    )
    // Not what it would not have done.
    expect(news(limit({ verdict: 'offer' }), { rules: { autoRestart: true } }).text).not.toContain('itself')
  })

  test('the day of a later reset', () => {
    const weekly = limit({ window: 'weekly', resetsAt: NOW + 72 * HOUR })
    expect(news(weekly).title).toBe('Weekly limit reached, resets Nov 25, 2:13pm')
  })

  test("that of one model's the others still work", () => {
    const opus = limit({ scope: { type: 'model', name: 'Opus' }, verdict: 'offer', window: 'weekly' })
    expect(news(opus)).toEqual({
      title: 'Opus limit reached, resets 4:13pm',
      text: '/model to another model stays on your plan; or run claude-api in ~/proj to go on',
    })
  })

  test("an organization's own words, and no way to pay", () => {
    const words = "You've hit your org's monthly usage limit"
    const theirs = limit({
      window: 'monthly',
      scope: { type: 'organization' },
      verdict: 'tell',
      resetsAt: undefined,
      text: words,
    })
    expect(news(theirs)).toEqual({ title: 'Monthly limit reached', text: words })
  })

  test('credits that are used up', () => {
    expect(news(limit({ window: 'credits', verdict: 'offer', resetsAt: undefined })).title).toBe(
      'Out of usage credits',
    )
  })

  test('why there is no way to go on', () => {
    expect(news(limit(), { version: '2.0.1' }).text).toContain('update it with `claude update`')
    expect(news(limit(), { rules: { caps: { ...CAPS, session: 0 } } }).text).toContain('max_usd is 0')
  })

  test.each([
    ['/home/me', 'claude-api in ~ to'],
    ['/home/mette/x', 'claude-api in /home/mette/x to'],
    [undefined, 'claude-api to'],
  ])('the folder %s', (cwd, words) => {
    const judgement = judge(limit())
    if (judgement.type !== 'news') throw new Error(judgement.type)
    expect(renderLimitNews(limit(), judgement.notice, { ...telling, cwd }).text).toContain(words)
  })
})

function known(more: Partial<Limit> = {}, seen: Partial<KnownLimit> = {}): KnownLimit {
  const where = { account: 'a', configDir: '/c', cwd: '/p', sessionId: 's', seenAt: NOW, ...seen }
  return toKnownLimit(limit(more), where)
}

/** What is told once the clock says `at`. */
function reset(at: number, ...limits: KnownLimit[]) {
  const { state, expired } = expireLimits(limits.reduce(addLimit, emptyState()), at)
  return renderResetNews(expired, state, { now: at, timeZone: 'UTC' })
}

const OPUS: Partial<Limit> = { window: 'weekly', scope: { type: 'model', name: 'Opus' } }

describe('what is told of a reset', () => {
  test('that the subscription is back', () => {
    expect(reset(NOW + 2 * HOUR, known())).toEqual({
      title: 'Your subscription is back',
      text: '5-hour limit reset at 4:13pm',
    })
    expect(reset(NOW + 2 * HOUR - 1, known())).toBeUndefined()
  })

  test('nothing while another limit holds, but a model is not all', () => {
    const weekly = known({ window: 'weekly', resetsAt: NOW + 48 * HOUR })
    expect(reset(NOW + 2 * HOUR, known(), weekly)).toBeUndefined()
    expect(reset(NOW + 49 * HOUR, weekly)?.title).toBe('Your subscription is back')
    const opus = known({ ...OPUS, resetsAt: NOW + 48 * HOUR })
    expect(reset(NOW + 2 * HOUR, known(), opus)?.title).toBe('Your subscription is back')
    const other = known({ window: 'weekly', resetsAt: NOW + 48 * HOUR }, { account: 'b' })
    expect(reset(NOW + 2 * HOUR, known(), other)?.title).toBe('Your subscription is back')
  })

  test('that a model is back', () => {
    expect(reset(NOW + 3 * HOUR, known(OPUS))?.title).toBe('Opus is back on your subscription')
  })

  test('once for several', () => {
    const weekly = known({ window: 'weekly', resetsAt: NOW + 3 * HOUR })
    expect(reset(NOW + 4 * HOUR, known(), weekly)?.text).toBe(
      '5-hour limit reset at 4:13pm · Weekly limit reset at 5:13pm',
    )
  })

  test('nothing of what was only believed in, or is long ago', () => {
    expect(reset(NOW + 25 * HOUR, known({ resetsAt: undefined }))).toBeUndefined()
    expect(reset(NOW + 1000 * HOUR, known({ resetsAt: NOW + 999 * HOUR }))).toBeUndefined()
    expect(reset(NOW + 15 * HOUR, known())).toBeUndefined()
  })
})

test('the next end is that of the limit which ends first', () => {
  expect(nextEnd(emptyState())).toBeUndefined()
  const state = [known(), known(OPUS), known({ window: 'weekly', resetsAt: undefined })]
  expect(nextEnd(state.reduce(addLimit, emptyState()))).toBe(NOW + 2 * HOUR)
})
