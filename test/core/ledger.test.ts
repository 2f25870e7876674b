import { describe, expect, test } from 'vitest'
import {
  createDayOf,
  isDay,
  keyOfEntry,
  type LedgerEntry,
  parseEntry,
  shiftDay,
  startOfMonth,
  startOfWeek,
  sumEntries,
  sumEntriesBy,
  sumEntriesByModel,
} from '../../src/core/ledger.ts'
import { makeSpendReport, readSince } from '../../src/core/spend-report.ts'

const entry: LedgerEntry = {
  version: 1,
  day: '2026-11-22',
  sessionId: 's',
  run: 'r',
  revision: 1,
  cwd: '/project',
  byModel: { opus: 1, sonnet: 0.5 },
  usd: 1.5,
  isLowerBound: false,
  updatedAt: 1,
}

describe('a row', () => {
  test('comes back as it was written', () => {
    expect(parseEntry(JSON.stringify(entry))).toEqual(entry)
  })

  test('of a later version counts for what it shares', () => {
    expect(parseEntry(JSON.stringify({ ...entry, version: 2, more: 1 }))).toEqual({ ...entry, version: 2 })
  })

  test.each([
    ['', ''],
    ['half', '{"version":1,"da'],
    ['no object', '[1]'],
    ['no amount', JSON.stringify({ ...entry, usd: '1' })],
    ['a negative amount', JSON.stringify({ ...entry, usd: -1 })],
    ['no day', JSON.stringify({ ...entry, day: '2026-02-30' })],
    ['no revision', JSON.stringify({ ...entry, revision: undefined })],
    ['no session', JSON.stringify({ ...entry, sessionId: 1 })],
  ])('is damaged: %s', (_name, line) => {
    expect(parseEntry(line)).toBeUndefined()
  })

  test('is another one on another day, in another session, of another run', () => {
    const others = [{ day: '2026-11-23' }, { sessionId: 't' }, { run: 's' }].map((more) => ({
      ...entry,
      ...more,
    }))
    expect(new Set([entry, ...others].map(keyOfEntry)).size).toBe(4)
    const successor = { ...entry, usd: 9, revision: 7 }
    expect(keyOfEntry(successor)).toBe(keyOfEntry(entry))
  })
})

test('sums are by whatever is asked, the dearest first, and say which are lower bounds', () => {
  const entries = [
    entry,
    { ...entry, cwd: '/other', usd: 4, byModel: { opus: 0.25, zebra: 3.75 }, isLowerBound: true },
    { ...entry, usd: 1 },
  ]
  expect(sumEntries(entries)).toEqual({ usd: 6.5, isLowerBound: true })
  expect([...sumEntriesBy(entries, ({ cwd }) => cwd)]).toEqual([
    ['/other', { usd: 4, isLowerBound: true }],
    ['/project', { usd: 2.5, isLowerBound: false }],
  ])
  expect([...sumEntriesByModel(entries)]).toEqual([
    ['zebra', { usd: 3.75, isLowerBound: true }],
    ['opus', { usd: 2.25, isLowerBound: true }],
    ['sonnet', { usd: 1, isLowerBound: false }],
  ])
})

test('days are those of the zone, over the change of the clock too', () => {
  const at = Date.parse('2026-11-22T23:30:00Z')
  expect(createDayOf('UTC')(at)).toBe('2026-11-22')
  expect(createDayOf('Asia/Tokyo')(at)).toBe('2026-11-23')
  expect(createDayOf('America/Los_Angeles')(Date.parse('2026-03-08T07:59:59Z'))).toBe('2026-03-07')
  expect(createDayOf('America/Los_Angeles')(Date.parse('2026-03-09T06:59:59Z'))).toBe('2026-03-08')
  expect(createDayOf('No/Where')(at)).toBe('2026-11-22')
})

test('days are counted by the calendar', () => {
  expect(shiftDay('2026-03-01', -1)).toBe('2026-02-28')
  expect(shiftDay('nonsense', 1)).toBe('')
  expect(['2026-11-16', '2026-11-22', '2026-11-23'].map(startOfWeek)).toEqual([
    '2026-11-16',
    '2026-11-16',
    '2026-11-23',
  ])
  expect(startOfMonth('2026-11-22')).toBe('2026-11-01')
  expect(['2026-02-29', '2026-2-3', '2028-02-29', '2026-13-01'].map(isDay)).toEqual([
    false,
    false,
    true,
    false,
  ])
})

test.each([
  ['2026-11-01', '2026-11-01'],
  ['1d', '2026-11-22'],
  ['7d', '2026-11-16'],
  ['0d', undefined],
  ['-7d', undefined],
  ['2026-02-30', undefined],
  ['99999d', undefined],
  ['', undefined],
])('--since %j begins %s', (text, day) => {
  expect(readSince(text, '2026-11-22')).toBe(day)
})

test('a report has the days between, and those ahead', () => {
  const entries = ['2026-10-31', '2026-11-15', '2026-11-20', '2026-11-23'].map((day) => ({ ...entry, day }))
  const report = makeSpendReport(entries, { today: '2026-11-22', since: '2026-11-16' })
  expect(report.days.map(({ day, usd }) => [day, usd])).toEqual([
    ['2026-11-20', 1.5],
    ['2026-11-21', 0],
    ['2026-11-22', 0],
    ['2026-11-23', 1.5],
  ])
  const { today, week, month, period } = report
  expect([today, week, month, period].map(({ usd }) => usd)).toEqual([1.5, 3, 4.5, 3])
})
