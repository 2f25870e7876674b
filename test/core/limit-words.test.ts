import { expect, test } from 'vitest'
import { describeClock, describeLimit, describeReset, nameLimit } from '../../src/core/limit-words.ts'

const CLOCK = { now: Date.parse('2026-11-22T14:00:38Z'), timeZone: 'UTC' }

test.each([
  ['2026-11-22T14:01:00Z', 'at 2:01pm', '2:01pm, in 1m'],
  ['2026-11-23T00:00:00Z', 'at 12:00am', '12:00am, in 10h 0m'],
  ['2026-11-23T14:00:37Z', 'at 2:00pm', '2:00pm, in 24h 0m'],
  ['2026-11-23T14:00:38Z', 'Nov 23, 2:00pm', 'Nov 23, 2:00pm'],
  ['2027-01-01T09:05:00Z', 'Jan 1, 9:05am', 'Jan 1, 9:05am'],
  // Over: for how long is nobody's question, on which day is.
  ['2026-11-22T14:00:38Z', 'at 2:00pm', '2:00pm'],
  ['2026-11-22T02:00:00Z', 'at 2:00am', '2:00am'],
  ['2026-11-21T14:00:00Z', 'Nov 21, 2:00pm', 'Nov 21, 2:00pm'],
])('%s is %j, as a reset %j', (time, clock, reset) => {
  expect(describeClock(Date.parse(time), CLOCK)).toBe(clock)
  expect(describeReset(Date.parse(time), CLOCK)).toBe(reset)
})

test('times are those of the zone, on its own day', () => {
  const clock = { ...CLOCK, timeZone: 'Pacific/Auckland' }
  expect(describeClock(Date.parse('2026-11-24T12:30:00Z'), clock)).toBe('Nov 25, 1:30am')
})

test('a limit is named by its model, else by its window', () => {
  expect(nameLimit({ window: 'weekly', scope: { type: 'model', name: 'Opus' } })).toBe('Opus limit')
  expect(nameLimit({ window: 'weekly', scope: { type: 'organization' } })).toBe('Weekly limit')
  expect(nameLimit({ window: 'credits', scope: { type: 'account' } })).toBe('Out of usage credits')
})

test('a limit is told with its reset, where one is known', () => {
  const limit = { window: 'session', scope: { type: 'account' } } as const
  expect(describeLimit({ ...limit, resetsAt: undefined }, CLOCK)).toBe('5-hour limit')
  expect(describeLimit({ ...limit, resetsAt: Date.parse('2026-11-22T16:13:00Z') }, CLOCK)).toBe(
    '5-hour limit · resets 4:13pm, in 2h 13m',
  )
})
