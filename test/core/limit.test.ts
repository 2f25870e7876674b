import fs from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  judgeRow,
  LIMIT_MARKER,
  type Limit,
  limitKey,
  parseApiFailure,
  parseLimit,
} from '../../src/core/limit.ts'

type Row = Record<string, unknown>
type Labelled = {
  id: string
  version: string
  expect: 'limit' | 'none'
  verdicts: string[]
  /** Epoch s, as the server sent it. */
  resetsAt?: number
  timeZone?: string
  row: Row
}

function readRows<T>(name: string): T[] {
  const text = fs.readFileSync(new URL(`../../fixtures/rows/${name}`, import.meta.url), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

const limits = readRows<Labelled>('limits.jsonl')
const lookAlikes = readRows<Labelled>('look-alikes.jsonl')
const now = Date.parse('2026-11-22T14:00:00Z')
const inZone = { now, timeZone: 'UTC' }

function verdictOf(row: unknown): string {
  return parseLimit(row, inZone)?.verdict ?? 'none'
}

describe('every labelled row', () => {
  test.each([
    ['limits', limits, 764],
    ['look-alikes', lookAlikes, 502],
  ])('%s', (_, labelled, count) => {
    const misses = labelled
      .map(({ id, verdicts, row }) => ({ id, verdicts, verdict: verdictOf(row) }))
      .filter(({ verdicts, verdict }) => !verdicts.includes(verdict))
    expect(misses).toEqual([])
    expect(labelled).toHaveLength(count)
  })

  test('the reset is the one that the server sent, to the minute', () => {
    const off = limits.flatMap(({ id, resetsAt, timeZone, row }) => {
      const limit = parseLimit(row, { now, timeZone: timeZone ?? 'UTC' })
      if (resetsAt === undefined || limit?.resetsAt === undefined) return []
      return Math.floor(limit.resetsAt / 60_000) === Math.floor(resetsAt / 60) ? [] : [id]
    })
    expect(off).toEqual([
      // The clock was an hour past when the row was written, and a clock has no day.
      '2.1.110 x.five_hour.past-reset',
      // The words give another reset than the claim's: that of the organization's month.
      '2.1.160 overage.ov-rejected.org_level_disabled_until',
    ])
  })

  test('a row that names a reset has one', () => {
    const silent = limits.filter(({ row }) => /resets? [A-Z\d]/.test(textOf(row)))
    expect(silent.filter(({ row }) => parseLimit(row, inZone)?.resetsAt === undefined)).toEqual([])
    expect(silent.length).toBeGreaterThan(600)
  })

  test('every limit passes the test on its bytes', () => {
    expect(limits.filter(({ row }) => !JSON.stringify(row).includes(LIMIT_MARKER))).toEqual([])
  })

  test('all.jsonl is the same rows as a transcript', () => {
    expect(readRows('all.jsonl')).toEqual([...limits, ...lookAlikes].map(({ row }) => row))
  })
})

function textOf(row: Row): string {
  return JSON.stringify((row.message as Row | undefined)?.content ?? '')
}

/** A row as 2.1.110 writes it: words and `error`, no fields of the limit. */
function errorRow(text: string, more: Row = {}): Row {
  return {
    type: 'assistant',
    isSidechain: false,
    uuid: 'b4a5b4a0-0000-4000-8000-000000000001',
    timestamp: '2026-11-22T14:00:38.521Z',
    version: '2.1.110',
    message: { model: '<synthetic>', role: 'assistant', content: [{ type: 'text', text }] },
    isApiErrorMessage: true,
    error: 'rate_limit',
    apiErrorStatus: 429,
    ...more,
  }
}

/** The fields that 2.1.330 adds. */
function limitFields(rateLimitType: string, more: Row = {}): Row {
  const limitInfo = {
    status: 'rejected',
    resetsAt: 1795363238,
    rateLimitType,
    isUsingOverage: false,
    ...more,
  }
  return {
    version: '2.1.330',
    apiError: 'usage_limit_reached',
    apiErrorParams: { rate_limit_info: limitInfo },
    quotaLimits: { ...limitInfo, unifiedRateLimitFallbackAvailable: false },
    apiErrorType: 'rate_limit_error',
  }
}

const SESSION = "You've hit your session limit · resets 4pm (UTC)"

test('what is known of a limit', () => {
  expect(parseLimit(errorRow(SESSION, limitFields('five_hour')), inZone)).toEqual({
    window: 'session',
    scope: { type: 'account' },
    verdict: 'switch',
    resetsAt: 1795363238_000,
    source: 'structured',
    rowId: 'b4a5b4a0-0000-4000-8000-000000000001',
    at: Date.parse('2026-11-22T14:00:38.521Z'),
    text: SESSION,
  })
  const bare = errorRow('Opus weekly limit reached ∙ resets Oct 31, 9am', { uuid: 7, timestamp: 'soon' })
  expect(parseLimit(bare, { now, timeZone: 'Europe/Berlin' })).toEqual({
    window: 'weekly',
    scope: { type: 'model', name: 'Opus' },
    verdict: 'offer',
    resetsAt: Date.parse('2027-10-31T08:00:00Z'),
    source: 'text',
    rowId: undefined,
    at: undefined,
    text: 'Opus weekly limit reached ∙ resets Oct 31, 9am',
  })
})

describe('the same words in another dress', () => {
  test.each([
    'You’ve hit your session limit · resets 4pm (UTC)',
    'You`ve hit your session limit ∙ resets 4pm',
    "You've hit your session limit • resets 4pm",
    "You've hit your session limit - resets 4pm",
    "You've hit your session limit – resets 4pm",
    "You've\u00a0hit\u202fyour session\u2009limit\u00a0·\u00a0resets\u00a04pm",
    "\u200bYou've hit your session\u200d limit\ufeff · resets 4pm",
    "You've hit your session limit·resets 4pm",
    "You've hit your session limit. Resets 4pm.",
    "You've hit your session limit, resets 4pm",
    "You've hit your session limit (resets 4pm)",
    "You've hit your session limit resets 4pm",
    'YOU HAVE HIT YOUR SESSION LIMIT | RESETS 4PM',
    "  \n\n  You've hit your session limit · resets 16:00  \n/upgrade to increase your limit",
    "You've hit your session limit · resets at 4pm",
    "You've hit your session limit.\nIt resets at 4pm.",
    "\u001b[31mYou've hit your session limit\u001b[0m · resets 4pm",
    '5-hour limit reached ∙ resets 4pm\r\n/upgrade to increase your usage limit.',
    '5‑hour limit reached ∙ resets 4pm',
    "You've hit your 5 hour limit · resets 4pm",
  ])('%j', (text) => {
    expect(parseLimit(errorRow(text), inZone)).toMatchObject({
      verdict: 'switch',
      window: 'session',
      resetsAt: Date.parse('2026-11-22T16:00:00Z'),
    })
  })

  test.each<[string, Row]>([
    ['a string status', { apiErrorStatus: '429' }],
    ['content as a string', { message: { model: '<synthetic>', content: SESSION } }],
    [
      'blocks before and after',
      {
        message: {
          model: '<synthetic>',
          content: [
            null,
            { type: 'thinking', thinking: '' },
            { type: 'text', text: SESSION },
            { type: 'image' },
          ],
        },
      },
    ],
    [
      'nulls for fields',
      { error: null, apiError: null, apiErrorParams: null, quotaLimits: null, agentId: null },
    ],
    ['nulls inside', { apiErrorParams: { rate_limit_info: null }, quotaLimits: { rateLimitType: null } }],
    ['lists for objects', { apiErrorParams: [], quotaLimits: [] }],
    [
      'no fields',
      { error: undefined, apiErrorStatus: undefined, isSidechain: undefined, version: undefined },
    ],
    [
      'fields of the future',
      { apiErrorCode: 'x', limit: { kind: 'y' }, madeBy: 'model', requestId: 'req_1' },
    ],
  ])('%s', (_, more) => {
    expect(verdictOf(errorRow(SESSION, more))).toBe('switch')
  })
})

describe('no row at all', () => {
  test.each([undefined, null, 0, '', 'isApiErrorMessage', true, [], [errorRow(SESSION)], {}])('%j', (row) => {
    expect(parseLimit(row, inZone)).toBeUndefined()
    expect(parseApiFailure(row)).toBeUndefined()
  })

  test.each<[string, Row]>([
    ['somebody else said it', { isApiErrorMessage: undefined }],
    ['the flag is a word', { isApiErrorMessage: 'true' }],
    ['a model said it', { message: { model: 'claude-opus-5-5', content: SESSION } }],
    ['the user said it', { type: 'user' }],
    ['a notice', { type: 'system', subtype: 'informational' }],
    ['no message', { message: null }],
    ['a list for a message', { message: [SESSION] }],
  ])('%s', (_, more) => {
    expect(parseLimit(errorRow(SESSION, more), inZone)).toBeUndefined()
  })

  test('values that cannot become text do no harm', () => {
    const hostile = JSON.parse('{"toString":1,"valueOf":1}')
    let deep: unknown = SESSION
    for (let depth = 0; depth < 10_000; depth++) deep = depth % 2 ? [deep] : { a: deep }
    for (const value of [hostile, deep, [], {}, true, 1e308, -1, '\ud800', Number.NaN]) {
      for (const key of [
        'error',
        'apiError',
        'apiErrorStatus',
        'uuid',
        'timestamp',
        'version',
        'isSidechain',
      ]) {
        expect(['switch', 'offer', 'subagent']).toContain(verdictOf(errorRow(SESSION, { [key]: value })))
      }
      for (const key of ['type', 'message', 'isApiErrorMessage']) {
        const isFlag = key === 'isApiErrorMessage' && value === true
        expect(verdictOf(errorRow(SESSION, { [key]: value }))).toBe(isFlag ? 'switch' : 'none')
      }
      for (const key of [
        'status',
        'rateLimitType',
        'resetsAt',
        'overageStatus',
        'overageScope',
        'isUsingOverage',
      ]) {
        const row = errorRow(SESSION, limitFields('five_hour', { [key]: value }))
        expect(['switch', 'offer', 'tell']).toContain(verdictOf(row))
        expect(parseApiFailure(row)).toMatchObject({ type: 'plan_limit' })
      }
    }
  })

  test('100 MB in one row are looked at by their beginning', () => {
    const huge = `${SESSION} ${'x'.repeat(1e8)}`
    const limit = parseLimit(errorRow(huge), inZone)
    expect(limit?.text).toHaveLength(1000)
    const blocks = Array.from({ length: 1e5 }, () => ({ type: 'text', text: ' ' }))
    expect(verdictOf(errorRow('', { message: { model: '<synthetic>', content: blocks } }))).toBe('none')
  })
})

test.each<[string, string, Row]>([
  ['extra usage in use', 'offer', limitFields('five_hour', { isUsingOverage: true })],
  ['extra usage allowed', 'offer', limitFields('five_hour', { overageStatus: 'allowed_warning' })],
  ['extra usage in use, said otherwise', 'offer', limitFields('five_hour', { overageInUse: true })],
  ['a limit that is not rejected', 'offer', limitFields('five_hour', { status: 'allowed' })],
  ['the claim of another window', 'offer', limitFields('seven_day')],
  ['the claim of a model', 'offer', limitFields('seven_day_sonnet')],
  ['an unknown claim', 'offer', limitFields('lunar_month')],
  ['another typed error', 'offer', { apiError: 'model_requires_usage_credits' }],
  ['two claims', 'offer', { ...limitFields('five_hour'), quotaLimits: { rateLimitType: 'seven_day' } }],
  ['a transient error', 'offer', { apiErrorIsTransient: true }],
  ['another error', 'offer', { error: 'server_error' }],
  ['another status', 'offer', { apiErrorStatus: 529 }],
  ['the organization paused', 'tell', limitFields('five_hour', { dailyCapPaused: true })],
  ['a subagent', 'subagent', { isSidechain: true }],
  ['a subagent, said oddly', 'subagent', { isSidechain: 'true' }],
])('a session limit with %s: %s', (_, verdict, more) => {
  expect(verdictOf(errorRow(SESSION, more))).toBe(verdict)
})

describe('words that nobody has shown us', () => {
  type Expected = [text: string, verdict: string, scope?: string]
  const account: Expected[] = [
    ["You've hit your weekly limit · resets Mon 12:00am · progress saved", 'switch'],
    ["You've hit your session limit · resets 7pm · upgrade to Max for more", 'switch'],
    ["You've hit your session limit · run /login to switch accounts · resets 7pm", 'switch'],
    ["You've reached your weekly limit · resets tomorrow at 3pm", 'switch'],
    ['Session limit reached ∙ resets 7pm ∙ contact an admin to increase limits', 'switch'],
    ['Limit reached · resets 7pm (UTC) · contact an admin to increase limits', 'offer'],
    ['Usage limit reached · resets 7pm (UTC) · contact an admin to increase limits', 'offer'],
    ['Claude usage limit reached. Your limit will reset at 3pm (Etc/GMT+5).', 'switch'],
    ["You've hit your daily limit · resets tomorrow at 3pm", 'offer'],
    ["You've hit your hourly limit · resets in 45m", 'offer'],
    ["You've hit your weekly limit for all models · resets Nov 25, 3pm", 'offer'],
    ["You've hit your Pro limit · resets 7pm", 'offer'],
    ["You've hit your Team plan session limit · resets 7pm", 'offer'],
    ["You've exhausted your session limit", 'offer'],
    ["You've hit your limit for Claude messages", 'offer'],
    ["You've hit your monthly usage limit · resets Dec 1", 'offer'],
    ["You've hit your usage credit limit", 'offer'],
    ['Your weekly limit has been reached · resets 7pm', 'offer'],
    ['Daily limit reached · resets 7pm', 'offer'],
    ['Claude AI usage limit reached', 'offer'],
    ["You're out of usage credits. Switch to another model to continue.", 'offer'],
    ["You've hit your weekly limit · /model to switch models", 'offer'],
  ]
  const models: Expected[] = [
    ["You've hit your Opus 4.6 limit · resets 3pm", 'offer', 'Opus 4.6'],
    ["You've hit your Haiku limit · resets 3pm", 'offer', 'Haiku'],
    ["You've reached your Fable 5 limit for this week", 'offer', 'Fable 5'],
    ["You've hit your weekly Opus limit · resets Fri 3pm", 'offer', 'Opus'],
    ["You've hit your session limit for Opus 4.6", 'offer', 'Opus 4.6'],
    ["You've hit your Saga limit · resets Dec 1, 3pm (UTC)", 'offer', 'Saga'],
    ['Claude Opus 5 limit reached · resets 3pm', 'offer', 'Opus 5'],
    ['Mythos requires usage credits. /model to switch models.', 'offer', 'Mythos'],
  ]
  const somebodyElses: Expected[] = [
    ["You've hit your enterprise limit · resets 7pm", 'tell'],
    ["You've hit your seat's weekly limit · resets 7pm", 'tell'],
    ["You've hit your workspace's spend limit", 'tell'],
    ["You've hit your company's monthly budget · ask your admin", 'tell'],
    ["You've hit your channel's monthly usage limit · an org owner or channel manager can raise it", 'tell'],
    [
      "You've hit your team's pooled group budget. It resets Dec 1, 2pm (UTC). /model to switch models.",
      'tell',
    ],
    ["You've hit your usage limit · contact your admin to increase it", 'tell'],
    ["You've hit your monthly spend limit · ask your admin to raise it", 'tell'],
    ['Limit reached – contact an admin to keep working', 'tell'],
    ['Your organization is out of extra usage · contact your admin', 'tell'],
    ["Your seat type doesn't include extra usage", 'tell'],
    ['Usage is paused for your organization. For help, please contact support.', 'tell'],
    ["This request exceeds your group's budget. Ask your organization's admins to raise it.", 'tell'],
    ['spend limit reached · resets Aug 8 · request an increase at https://go.example.com/limits', 'tell'],
    ["Our proxy's monthly budget for your team is used up", 'tell'],
  ]
  const others: Expected[] = [
    ['Claude AI usage limit reached|0', 'none'],
    ['Claude AI usage limit reached|undefined', 'none'],
    ['Context limit reached · /compact or /clear to continue', 'none'],
    ['Rate limit reached', 'none'],
    ["You've hit your rate limit · try again in 30s", 'none'],
    ["You've hit your organization's rate limit", 'none'],
    ["You've hit your fast limit · resets in 5m", 'none'],
    ['Concurrent subagent limit reached. You can run 5 subagents at once.', 'none'],
    ['You have reached your specified API usage limits.', 'none'],
    ['This service is disabled for your org', 'none'],
    ['Opus is experiencing high load, please use /model to switch to Sonnet', 'none'],
    ['Fable limit reached · continuing on Fable 5 uses usage credits', 'none'],
    ['Fable 5 now uses usage credits · Claude stopped here · send a message to be asked again', 'none'],
    ["You've hit your session limit · retrying in 5s", 'none'],
    ["You've hit your limit · 50 requests per minute", 'none'],
    ["You're now using usage credits · Your session limit resets 5pm", 'none'],
    ['Claude Opus 4 limit reached, now using Sonnet 4', 'none'],
    ["You've used 95% of your session limit · resets 7pm", 'none'],
    ["The user said: You've hit your session limit · resets 7pm", 'none'],
    ['"You\'ve hit your session limit · resets 7pm"', 'none'],
    ["> You've hit your session limit", 'none'],
    ["API Error: 429 You've hit your session limit · resets 7pm", 'none'],
    ["Please run /login · API Error: You've hit your session limit", 'none'],
  ]
  test.each([...account, ...models, ...somebodyElses, ...others])('%s: %s', (text, verdict, name) => {
    const limit = parseLimit(errorRow(text), inZone)
    expect(limit?.verdict ?? 'none').toBe(verdict)
    if (name !== undefined) expect(limit?.scope).toEqual({ type: 'model', name })
    if (verdict === 'tell') expect(limit?.scope).toEqual({ type: 'organization' })
  })

  test.each(['Vous avez atteint votre limite', 'Wait until 7pm', ''])('the fields alone: %j', (text) => {
    expect(verdictOf(errorRow(text))).toBe('none')
    expect(verdictOf(errorRow(text, limitFields('five_hour')))).toBe('offer')
    const theirs = limitFields('overage', { overageDisabledReason: 'member_zero_credit_limit' })
    expect(verdictOf(errorRow(text, theirs))).toBe('tell')
  })

  test('a shape of words with nothing else is not enough', () => {
    expect(verdictOf(errorRow('Daily limit reached · resets 7pm', { error: undefined }))).toBe('none')
    const theirs = "Our proxy's monthly budget for your team is used up"
    expect(verdictOf(errorRow(theirs, { apiErrorIsTransient: true }))).toBe('none')
    expect(verdictOf(errorRow(theirs, { error: undefined }))).toBe('none')
  })

  test('a throttle stays one under the fields of a limit', () => {
    const throttle = 'Server is temporarily limiting requests (not your usage limit)'
    expect(verdictOf(errorRow(throttle, limitFields('five_hour')))).toBe('none')
  })

  test('whose limit it is', () => {
    const scopeOf = (text: string, more?: Row) => parseLimit(errorRow(text, more), inZone)?.scope
    expect(scopeOf("You've hit your Pro limit")).toEqual({ type: 'account' })
    expect(scopeOf("You've hit your weekly limit", limitFields('seven_day_sonnet'))).toEqual({
      type: 'model',
      name: 'Sonnet',
    })
    expect(scopeOf('Wait', limitFields('seven_day_overage_included'))).toEqual({
      type: 'model',
      name: 'Fable',
    })
  })

  test.each([0, -1, 1795363238_000, 9e15, '0', null])(
    'a reset that is no time, %j, leaves that of the words',
    (resetsAt) => {
      const limit = parseLimit(errorRow(SESSION, limitFields('five_hour', { resetsAt })), inZone)
      expect(limit?.resetsAt).toBe(Date.parse('2026-11-22T16:00:00Z'))
    },
  )

  test('quotaLimits alone prove nothing where a limit would have its own type', () => {
    const { quotaLimits } = limitFields('five_hour')
    expect(verdictOf(errorRow('Not today', { quotaLimits, version: '2.1.300' }))).toBe('none')
    expect(verdictOf(errorRow('Not today', { quotaLimits, version: '2.1.299' }))).toBe('offer')
    expect(verdictOf(errorRow('Not today', { quotaLimits, error: 'unknown', version: '2.1.299' }))).toBe(
      'none',
    )
  })
})

const STRENGTH = ['none', 'subagent', 'tell', 'offer', 'switch']

describe('rows that are not quite as they were', () => {
  test('a field less never makes a verdict stronger', () => {
    const stronger = limits.flatMap(({ id, row }) =>
      without(row)
        .filter(({ less }) => STRENGTH.indexOf(verdictOf(less)) > STRENGTH.indexOf(verdictOf(row)))
        .map(({ path }) => `${id}: ${path}`),
    )
    // There the one field that speaks against a switch is the one that is gone.
    expect(stronger.filter((path) => !/: isSidechain$|^2\.1\.235 .*: quotaLimits/.test(path))).toEqual([])
  })

  test('fields more never make an alarm', () => {
    const fields = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 })
    fc.assert(
      fc.property(fc.constantFrom(...lookAlikes), fields, ({ row }, more) => {
        expect(verdictOf({ ...more, ...row })).toBe('none')
      }),
      { numRuns: 2000 },
    )
  })

  test('no order and no casing of the words makes a switch of what is none', () => {
    const texts = lookAlikes.map(({ row }) => textOf(row)).filter((text) => text.includes('API Error'))
    for (const text of texts) {
      expect(verdictOf(errorRow(JSON.parse(text)[0].text, limitFields('five_hour')))).toBe('none')
    }
    expect(texts.length).toBeGreaterThan(50)
  })

  test('a switch has all that a limit of the account has, whatever is dropped, mixed or retyped', () => {
    const rows = fc.constantFrom(...limits, ...lookAlikes)
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(true, false, null, 'rejected', 'allowed', 429, '<synthetic>'),
    )
    const change = fc.record({ key: fc.nat(40), value, drop: fc.boolean() })
    fc.assert(
      fc.property(
        rows,
        rows,
        fc.array(change, { maxLength: 4 }),
        fc.boolean(),
        (first, second, changes, swap) => {
          const row = mutate(swap ? withTextOf(first.row, second.row) : first.row, changes)
          if (verdictOf(row) === 'switch') expect(mayNotSwitch(row)).toBeUndefined()
        },
      ),
      { numRuns: Number(process.env.FUZZ_RUNS ?? 20_000) },
    )
  })
})

/** The row without one of its fields, or of its limit's fields; its words are not dropped. */
function without(row: Row): { path: string; less: Row }[] {
  const outer = Object.keys(row).filter((key) => key !== 'message')
  const drops = outer.map((path) => ({ path, less: { ...row, [path]: undefined } }))
  const quota = row.quotaLimits as Row | undefined
  const params = row.apiErrorParams as { rate_limit_info: Row } | undefined
  for (const key of Object.keys(quota ?? {})) {
    drops.push({ path: `quotaLimits.${key}`, less: { ...row, quotaLimits: { ...quota, [key]: undefined } } })
  }
  for (const key of Object.keys(params?.rate_limit_info ?? {})) {
    const limitInfo = { ...params?.rate_limit_info, [key]: undefined }
    drops.push({
      path: `rate_limit_info.${key}`,
      less: { ...row, apiErrorParams: { rate_limit_info: limitInfo } },
    })
  }
  return drops
}

function withTextOf(row: Row, other: Row): Row {
  const message = row.message as Row | undefined
  return {
    ...row,
    message: { ...message, content: (other.message as Row | undefined)?.content ?? other.content },
  }
}

function mutate(row: Row, changes: { key: number; value: unknown; drop: boolean }[]): Row {
  const copy = structuredClone(row)
  for (const { key, value, drop } of changes) {
    const places = placesIn(copy)
    const place = places[key % places.length]
    if (place === undefined) continue
    if (drop) delete place.owner[place.key]
    else place.owner[place.key] = value
  }
  return copy
}

function placesIn(owner: Row, depth = 0): { owner: Row; key: string }[] {
  return Object.keys(owner).flatMap((key) => {
    const value = owner[key]
    const inner =
      depth < 3 && typeof value === 'object' && value !== null ? placesIn(value as Row, depth + 1) : []
    return [{ owner, key }, ...inner]
  })
}

const ANCHORED =
  /^\s*(?:you.ve (?:hit|reached) your (?:(?:5-hour|session|weekly|monthly) )?limit|you.re out of (?:extra usage|usage credits)|(?:(?:5-hour|session|weekly) )?limit re(?:ached|sets)|claude ai usage limit reached\|\d{10})/i

/** Written without a look at the rule: why this row must not switch. */
function mayNotSwitch(row: Row): string | undefined {
  const message = row.message as Row
  const content = message.content
  const block = Array.isArray(content)
    ? content.find((part) => String(part?.text ?? '').trim() !== '')
    : undefined
  const text = typeof content === 'string' ? content : block?.text
  if (row.isApiErrorMessage !== true) return 'no error'
  if (message.model !== '<synthetic>') return 'a model'
  if (row.isSidechain !== false && row.isSidechain != null) return 'a subagent'
  if (!ANCHORED.test(text)) return `no limit's words: ${text}`
  if (row.error != null && row.error !== 'rate_limit') return 'another error'
  const held = JSON.stringify([row.apiErrorParams, row.quotaLimits])
  if (/"overageStatus":"allowed|"isUsingOverage":true|seven_day_|mystery/.test(held)) return 'contradiction'
  return undefined
}

describe('one limit, one key', () => {
  const limit = parseLimit(errorRow(SESSION), inZone) as Limit
  const key = limitKey(limit)

  test('the same limit in other rows', () => {
    expect(limitKey(parseLimit(errorRow(SESSION, { isSidechain: true }), inZone) as Limit)).toBe(key)
    for (const slide of [-120_000, -60_000, -1000, 1000, 59_000, 120_000, 240_000]) {
      expect(limitKey({ ...limit, resetsAt: (limit.resetsAt ?? 0) + slide, source: 'structured' })).toBe(key)
    }
    const fable = errorRow("You've hit your Fable 5 limit")
    const claimed = errorRow("You've hit your Fable limit", limitFields('seven_day_overage_included'))
    expect(limitKey({ ...(parseLimit(fable, inZone) as Limit), resetsAt: 1795363238_000 })).toBe(
      limitKey(parseLimit(claimed, inZone) as Limit),
    )
  })

  test('other limits', () => {
    const others = [
      { ...limit, resetsAt: (limit.resetsAt ?? 0) + 5 * 3_600_000 },
      { ...limit, resetsAt: undefined },
      { ...limit, window: 'weekly' as const },
      { ...limit, scope: { type: 'organization' as const } },
      { ...limit, scope: { type: 'model' as const, name: 'Opus' } },
      { ...limit, scope: { type: 'model' as const, name: 'Sonnet' } },
    ]
    expect(new Set([limit, ...others].map(limitKey)).size).toBe(7)
  })

  test('the reset in words and in fields, for resets on five minutes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5_000_000, max: 6_000_000 }),
        fc.integer({ min: -60, max: 60 }),
        (fives, s) => {
          const resetsAt = fives * 300_000
          expect(limitKey({ ...limit, resetsAt: resetsAt + s * 1000 })).toBe(limitKey({ ...limit, resetsAt }))
        },
      ),
    )
  })
})

describe('why', () => {
  test.each<[unknown, string | undefined]>([
    [errorRow(SESSION), 'a limit of the account'],
    [errorRow(SESSION, { isUsingOverage: true, error: 'x' }), 'a limit, but its error is another one'],
    [errorRow('Prompt is too long'), 'an API error with nothing of a limit'],
    [{ type: 'user', message: { content: SESSION } }, 'said in a row of type user'],
    [{ type: {}, content: SESSION }, 'said in a row of type unknown'],
    [
      { type: 'user', message: { content: [{ type: 'tool_result', content: SESSION }] } },
      'said in a row of type user',
    ],
    [errorRow(SESSION, { isApiErrorMessage: false }), 'the row is no API error of Claude Code'],
    [{ type: 'user', message: { content: 'hello' } }, undefined],
  ])('%#', (row, reason) => {
    expect(judgeRow(row, inZone)?.reason).toBe(reason)
  })
})

describe('on the API', () => {
  test.each<[text: string, more: Row, type: string, effect: string]>([
    ['API Error: Request rejected (429) · Rate limited. Please try again later.', {}, 'rate_limit', 'tell'],
    [`API Error: Request rejected (429) · ${SESSION}`, {}, 'rate_limit', 'tell'],
    ['API Error: Rate limit reached', {}, 'rate_limit', 'tell'],
    ['Credit balance is too low', { error: 'billing_error', apiErrorStatus: 400 }, 'credit', 'stop'],
    ['Credit balance is too low', { error: undefined, apiErrorStatus: undefined }, 'credit', 'stop'],
    [
      'Invalid API key · Fix external API key',
      { error: undefined, apiErrorStatus: undefined },
      'key',
      'stop',
    ],
    ['Not logged in · Please run /login', { error: 'authentication_failed' }, 'key', 'stop'],
    ['A new sentence about a key', { error: 'authentication_failed', apiErrorStatus: 401 }, 'key', 'stop'],
    [
      'Your organization has disabled API key authentication · Unset the apiKeyHelper setting and run /login',
      { error: 'invalid_request', apiErrorStatus: 403 },
      'organization',
      'stop',
    ],
    [
      'API Error: 400 {"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}',
      { error: 'invalid_request', apiErrorStatus: 400 },
      'spend_cap',
      'stop',
    ],
    [
      'API Error: 400 {"type":"error","error":{"message":"messages.1.content.0: Invalid `signature` in `thinking` block"}}',
      { error: 'invalid_request', apiErrorStatus: 400 },
      'thinking',
      'tell',
    ],
    [
      'API Error: 529 Overloaded. Try again.',
      { error: 'server_error', apiErrorStatus: 529 },
      'overload',
      'ignore',
    ],
    [
      'API Error: 500 {"type":"error","error":{"type":"api_error"}}',
      { error: 'unknown', apiErrorStatus: undefined },
      'overload',
      'ignore',
    ],
    ["There's an issue with the selected model (x).", { error: 'model_not_found' }, 'model', 'tell'],
    [SESSION, {}, 'plan_limit', 'tell'],
    ['spend limit reached (daily; resets 2026-08-09 00:00 UTC)', {}, 'spend_cap', 'stop'],
    ['Prompt is too long', { error: 'invalid_request', apiErrorStatus: 400 }, 'other', 'ignore'],
  ])('%s', (text, more, type, effect) => {
    expect(parseApiFailure(errorRow(text, more))).toEqual({ type, text, effect })
  })

  test('the labelled rows of an API key', () => {
    const types = (name: string) => [
      ...new Set(
        lookAlikes
          .filter(({ id, row }) => id.split(' ')[1] === name && row.isApiErrorMessage === true)
          .map(({ row }) => parseApiFailure(row)?.type),
      ),
    ]
    expect(types('apikey.429')).toEqual(['rate_limit'])
    expect(types('apikey.credit')).toEqual(['credit'])
    expect(types('apikey.badkey')).toEqual(['key'])
    expect(types('forbidden403')).toEqual(['organization'])
    expect(types('overloaded')).toEqual(['overload'])
    expect(types('e500')).toEqual(['overload'])
  })

  test('no other row is a failure', () => {
    const quiet = [...limits, ...lookAlikes].filter(({ row }) => row.isApiErrorMessage !== true)
    expect(quiet.filter(({ row }) => parseApiFailure(row) !== undefined)).toEqual([])
    expect(quiet.length).toBeGreaterThan(200)
  })
})
