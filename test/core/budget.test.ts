import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Caps,
  describeCaps,
  describeNear,
  describeReached,
  judgeSpent,
  mostUsd,
  type Spent,
  wouldReach,
} from '../../src/core/budget.ts'
import type { MessageUsage } from '../../src/core/message-usage.ts'
import { estimateRequest } from '../../src/core/spend.ts'
import { loadPrices } from '../../src/prices.ts'

const NONE: Caps = { session: Infinity, day: Infinity }
const BOTH: Caps = { session: 2, day: 10 }

function spent(session: number, day: number, isLowerBound = false): Spent {
  return { session, day, isLowerBound }
}

test.each<[Spent, Caps, string | undefined]>([
  [spent(1.5, 7.9), BOTH, undefined],
  [spent(1.6, 1.6), BOTH, 'cap $2.00'],
  [spent(1.6, 8.2), BOTH, 'today $8.20 of $10.00'],
  [spent(1.9, 8.2), BOTH, 'cap $2.00'],
  [spent(0, 8.2, true), BOTH, 'today ≥$8.20 of $10.00'],
  [spent(1.7, 100), { session: 2, day: Infinity }, 'cap $2.00'],
  [spent(100, 9), { session: Infinity, day: 10 }, 'today $9.00 of $10.00'],
  [spent(100, 100), NONE, undefined],
  [spent(0, 0), { session: 0, day: Infinity }, 'cap $0.00'],
  [spent(0, 0), { session: Infinity, day: 0 }, 'today $0.00 of $0.00'],
])('describeNear names the cap of which more is spent: %j of %j', (what, caps, words) => {
  expect(describeNear(what, caps)).toBe(words)
})

describe('judgeSpent', () => {
  test.each<[Spent, Caps, ReturnType<typeof judgeSpent>]>([
    [spent(0, 0), BOTH, 'free'],
    [spent(1.59, 7.99), BOTH, 'free'],
    [spent(1.6, 1.6), BOTH, 'near'],
    [spent(0, 8), BOTH, 'near'],
    [spent(1.99, 9.99), BOTH, 'near'],
    [spent(2, 2), BOTH, 'reached'],
    [spent(0, 10), BOTH, 'reached'],
    [spent(3, 11), BOTH, 'reached'],
    // Without a cap nothing is ever near one.
    [spent(1e9, 1e9), NONE, 'free'],
    [spent(1e9, 0), { session: Infinity, day: 10 }, 'free'],
    // No API billing at all: not even the first cent.
    [spent(0, 0), { session: 0, day: Infinity }, 'reached'],
    [spent(0, 0), { session: Infinity, day: 0 }, 'reached'],
  ])('%o under %o is %s', (what, caps, standing) => {
    expect(judgeSpent(what, caps)).toBe(standing)
  })
})

describe('wouldReach', () => {
  test.each<[number | undefined, boolean]>([
    [0.99, false],
    [1, true],
    [undefined, false],
  ])('%s more', (usd, isReached) => {
    expect(wouldReach(spent(1, 1), BOTH, usd)).toBe(isReached)
    expect(wouldReach(spent(0, 9), BOTH, usd)).toBe(isReached)
    expect(wouldReach(spent(1, 9), NONE, usd)).toBe(false)
  })

  test('is so where a cap is reached already', () => {
    expect(wouldReach(spent(2, 2), BOTH, undefined)).toBe(true)
  })
})

test('mostUsd is not exceeded by any request of any model that has a price', async () => {
  const prices = await loadPrices(new Date('2026-11-22T12:00:00Z'))
  const models = [
    ...['claude-opus-4-6', 'claude-opus-4-7', 'claude-opus-4-8', 'claude-opus-5', 'claude-opus-5-5'],
    ...['claude-opus-4-1', 'claude-opus-4-0', 'claude-3-opus-20240229', 'claude-fable-5-2'],
    ...[
      'claude-sonnet-4-5',
      'claude-sonnet-4-6',
      'claude-sonnet-5-5',
      'claude-haiku-4-5',
      'claude-haiku-5-5',
    ],
  ]
  const priced = [...models.map(prices.of), prices.dearest].filter((price) => price !== undefined)
  expect(priced.length).toBeGreaterThan(10)
  const tokens = fc.oneof(fc.constant(0), fc.nat(1_000_000))
  const counts = fc.record({ input: tokens, output: tokens, cacheRead: tokens, cacheWrite5m: tokens })
  fc.assert(
    fc.property(
      counts,
      fc.constantFrom(...priced),
      fc.boolean(),
      fc.boolean(),
      (used, price, isFast, isUsOnly) => {
        const last: MessageUsage = {
          ...{ messageId: 'msg_1', requestId: undefined, model: 'any', at: 0, isSidechain: false },
          ...{ ...used, cacheWrite1h: 0, webSearches: 0, isFast, isUsOnly },
        }
        const estimate = estimateRequest(last, price)
        expect(mostUsd(estimate.tokens)).toBeGreaterThanOrEqual(estimate.usd ?? 0)
      },
    ),
    { numRuns: 2000 },
  )
})

test.each<[string, Spent, Caps, { reason: string; brief: string; setting: string }]>([
  [
    'of the session',
    spent(2.1, 3),
    BOTH,
    {
      reason: "the session's cap of $2.00 is reached ($2.10 spent)",
      brief: "session's cap of $2.00 reached",
      setting: 'max_usd',
    },
  ],
  [
    'of the day',
    spent(0.1, 10.12),
    BOTH,
    {
      reason: 'the daily cap of $10.00 is reached ($10.12 spent)',
      brief: 'daily cap of $10.00 reached',
      setting: 'max_usd_per_day',
    },
  ],
  // Raising the session's would be of no use.
  [
    'of both',
    spent(3, 11),
    BOTH,
    {
      reason: 'the daily cap of $10.00 is reached ($11.00 spent)',
      brief: 'daily cap of $10.00 reached',
      setting: 'max_usd_per_day',
    },
  ],
  [
    'with a price that is not known',
    spent(2, 2, true),
    BOTH,
    {
      reason: "the session's cap of $2.00 is reached (≥$2.00 spent)",
      brief: "session's cap of $2.00 reached",
      setting: 'max_usd',
    },
  ],
  [
    'of nothing',
    spent(0, 0),
    { session: 0, day: 10 },
    { reason: 'max_usd is 0, so there is no API billing', brief: 'max_usd is 0', setting: 'max_usd' },
  ],
  [
    'of nothing a day',
    spent(0, 0),
    { session: 2, day: 0 },
    {
      reason: 'max_usd_per_day is 0, so there is no API billing',
      brief: 'max_usd_per_day is 0',
      setting: 'max_usd_per_day',
    },
  ],
])('describeReached tells which cap it is, and what raises it: %s', (_, what, caps, { setting, ...said }) => {
  expect(describeReached(what, caps)).toEqual({ ...said, repair: `raise ${setting} and restart claudef` })
})

test.each<[Caps, string]>([
  [NONE, 'no cap'],
  [{ session: 2, day: Infinity }, '$2.00 a session'],
  [{ session: Infinity, day: 10 }, '$10.00 a day'],
  [BOTH, '$2.00 a session and $10.00 a day'],
  [{ session: 0, day: 10 }, '$0.00 a session and $10.00 a day'],
])('describeCaps: %o', (caps, words) => {
  expect(describeCaps(caps)).toBe(words)
})
