import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseReset } from '../../src/core/reset.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const ZONES = Intl.supportedValuesOf('timeZone')

/** The result as ISO, for tables that a human can check. */
function resetOf(text: string, now: string, timeZone = 'UTC'): string | undefined {
  const instant = parseReset(text, { now: Date.parse(now), timeZone })
  return instant === undefined ? undefined : new Date(instant).toISOString()
}

describe('the forms of a reset', () => {
  const sunday = '2026-11-22T14:00:38.521Z'
  const table: [text: string, expected: string | undefined][] = [
    ['Claude AI usage limit reached|1750770000', '2025-06-24T13:00:00.000Z'],
    ['Claude AI usage limit reached|1750770000123', '2025-06-24T13:00:00.123Z'],
    ['Claude AI usage limit reached|0', undefined],
    ['3pm', '2026-11-22T15:00:00.000Z'],
    ['12am', '2026-11-23T00:00:00.000Z'],
    ['12pm', '2026-11-23T12:00:00.000Z'],
    ['12:30am', '2026-11-23T00:30:00.000Z'],
    ['3:45pm', '2026-11-22T15:45:00.000Z'],
    ['19:00', '2026-11-22T19:00:00.000Z'],
    ['resets 7 p.m.', '2026-11-22T19:00:00.000Z'],
    ['resets at 7pm', '2026-11-22T19:00:00.000Z'],
    ['resets 19h30', '2026-11-22T19:30:00.000Z'],
    ['resets at noon', '2026-11-23T12:00:00.000Z'],
    ['resets 2pm', '2026-11-22T14:00:00.000Z'],
    ['resets 1:59pm', '2026-11-23T13:59:00.000Z'],
    ['resets 4pm (UTC)', '2026-11-22T16:00:00.000Z'],
    ['resets 4pm (Etc/GMT+5)', '2026-11-22T21:00:00.000Z'],
    ['resets 5pm (UTC+2)', '2026-11-22T15:00:00.000Z'],
    ['resets 4pm UTC', '2026-11-22T16:00:00.000Z'],
    ['resets 3:30am (Asia/Calcutta)', '2026-11-22T22:00:00.000Z'],
    ['resets 9am (US/Pacific)', '2026-11-22T17:00:00.000Z'],
    ['resets 9am America/New_York', '2026-11-22T14:00:00.000Z'],
    ['resets 7pm (Europe/Barcelona)', '2026-11-22T19:00:00.000Z'],
    ['resets 7pm (your time)', '2026-11-22T19:00:00.000Z'],
    ['resets Mon 12:00am', '2026-11-23T00:00:00.000Z'],
    ['resets Sunday at 1pm', '2026-11-29T13:00:00.000Z'],
    ['resets Tuesday', '2026-11-24T00:00:00.000Z'],
    ['resets next month', undefined],
    ['resets Nov 25, 2:13pm (UTC)', '2026-11-25T14:13:00.000Z'],
    ['resets Jul 23 at 6pm', '2027-07-23T18:00:00.000Z'],
    ['resets on 9 December at 17:00', '2026-12-09T17:00:00.000Z'],
    ['resets Dec 24', '2026-12-24T00:00:00.000Z'],
    ['resets Jan 2, 2028, 7pm (UTC)', '2028-01-02T19:00:00.000Z'],
    ['resets 2026-12-09 00:00 UTC', '2026-12-09T00:00:00.000Z'],
    ['resets 2026-12-09T06:30Z', '2026-12-09T06:30:00.000Z'],
    ['spend limit reached (daily; resets 2026-11-23 00:00 UTC)', '2026-11-23T00:00:00.000Z'],
    ['resets on Dec 1 at 00:00 UTC.', '2026-12-01T00:00:00.000Z'],
    ['resets tomorrow at 3pm', '2026-11-23T15:00:00.000Z'],
    ['resets today at 6pm', '2026-11-22T18:00:00.000Z'],
    ['resets in 2h 30m', '2026-11-22T16:30:38.521Z'],
    ['resets in 6d', '2026-11-28T14:00:38.521Z'],
    ['resets in 45m', '2026-11-22T14:45:38.521Z'],
    ['resets in 1 hour and 5 minutes', '2026-11-22T15:05:38.521Z'],
    ['Your limit will reset at 3pm (America/New_York).', '2026-11-22T20:00:00.000Z'],
    ['your session limit resets 2:40pm (Asia/Jakarta)', '2026-11-23T07:40:00.000Z'],
    ['resets 5pm · your weekly limit resets Nov 25', '2026-11-22T17:00:00.000Z'],
    ['resets 25:00', undefined],
    ['resets 13pm', undefined],
    ['resets 3:75pm', undefined],
    ['resets Feb 30', undefined],
    ['resets 7', undefined],
    ['resets', undefined],
    ['You have hit your weekly limit', undefined],
    ['', undefined],
  ]
  test.each(table)('%s', (text, expected) => {
    expect(resetOf(text, sunday)).toBe(expected)
  })
})

describe('which day', () => {
  test('a bare clock that is past means tomorrow, in the zone of the text', () => {
    expect(resetOf('resets 9am (Asia/Tokyo)', '2026-11-22T23:59:00Z')).toBe('2026-11-23T00:00:00.000Z')
    expect(resetOf('resets 9am (Asia/Tokyo)', '2026-11-23T00:01:00Z')).toBe('2026-11-24T00:00:00.000Z')
  })

  test('the minute that runs is not past: a text has no seconds', () => {
    expect(resetOf('resets 4:13pm', '2026-11-22T16:13:48Z')).toBe('2026-11-22T16:13:00.000Z')
  })

  test('a session whose clock has just been is over: the server and the machine differ by minutes', () => {
    const now = Date.parse('2026-11-22T16:04:00Z')
    const inZone = { now, timeZone: 'UTC' }
    expect(parseReset('resets 4pm', { ...inZone, window: 'session' })).toBe(Date.parse('2026-11-22T16:00Z'))
    expect(parseReset('resets 4pm', { ...inZone, window: 'weekly' })).toBe(Date.parse('2026-11-23T16:00Z'))
    expect(parseReset('resets 3pm', { ...inZone, window: 'session' })).toBe(Date.parse('2026-11-23T15:00Z'))
  })

  test.each([
    ['Jan 2, 7pm', '2026-12-31T20:00:00Z', '2027-01-02T19:00:00.000Z'],
    ['Dec 31, 7pm', '2027-01-02T20:00:00Z', '2026-12-31T19:00:00.000Z'],
    ['Oct 9, 5pm', '2026-10-17T16:59:00Z', '2026-10-09T17:00:00.000Z'],
    ['Oct 9, 5pm', '2026-10-17T17:01:00Z', '2027-10-09T17:00:00.000Z'],
    ['Feb 29, 1am', '2027-03-20T00:00:00Z', '2028-02-29T01:00:00.000Z'],
    ['Feb 29, 1am', '2028-03-03T00:00:00Z', '2028-02-29T01:00:00.000Z'],
    ['Feb 29, 1am', '2097-01-01T00:00:00Z', '2104-02-29T01:00:00.000Z'],
  ])('%s, said on %s', (text, now, expected) => {
    expect(resetOf(`resets ${text}`, now)).toBe(expected)
  })

  test('an unknown default zone counts as UTC', () => {
    expect(resetOf('resets 3pm', '2026-11-22T14:00:00Z', 'Mars/Base')).toBe('2026-11-22T15:00:00.000Z')
  })
})

describe('daylight saving', () => {
  test.each([
    // New York, 2027-03-14: 2am to 3am do not exist.
    ['resets 4am', '2027-03-14T06:30:00Z', '2027-03-14T08:00:00.000Z'],
    ['resets 2:30am', '2027-03-14T05:00:00Z', '2027-03-15T06:30:00.000Z'],
    ['resets Mar 14, 2:30am', '2027-03-14T05:00:00Z', '2027-03-14T07:30:00.000Z'],
    // New York, 2026-11-01: 1am to 2am come twice.
    ['resets 1:30am', '2026-11-01T04:00:00Z', '2026-11-01T05:30:00.000Z'],
    ['resets 1:30am', '2026-11-01T05:45:00Z', '2026-11-01T06:30:00.000Z'],
    ['resets Nov 1, 1:30am', '2026-10-30T05:45:00Z', '2026-11-01T05:30:00.000Z'],
    ['resets 3am', '2026-11-01T05:45:00Z', '2026-11-01T08:00:00.000Z'],
  ])('%s, said in New York at %s', (text, now, expected) => {
    expect(resetOf(text, now, 'America/New_York')).toBe(expected)
  })
})

/** A second way: looks at the zone's clock every quarter of an hour, which every offset in use is a multiple of. */
function searchClock(now: number, hour: number, minute: number, timeZone: string): number {
  const clock = clockOf(timeZone)
  const wanted = `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`
  const first = now - (now % MINUTE)
  const lag = (((minute - new Date(first).getUTCMinutes()) % 15) + 15) % 15
  for (let instant = first + lag * MINUTE; instant < now + 3 * DAY; instant += 15 * MINUTE) {
    if (clock.format(instant) === wanted) return instant
  }
  throw new Error(`No ${wanted} in ${timeZone} after ${now}`)
}

const clocks = new Map<string, Intl.DateTimeFormat>()

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone)
  if (known) return known
  const options = { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
  const clock = new Intl.DateTimeFormat('en-GB', options)
  clocks.set(timeZone, clock)
  return clock
}

/** What Claude Code prints for a reset: a clock alone within 24 h, a date and a clock from there on. */
function claudeCodeTime(resetsAt: number, isDated: boolean, timeZone: string): string {
  const clock = { hour: 'numeric', minute: '2-digit', hour12: true, timeZone } as const
  const date = isDated ? ({ month: 'short', day: 'numeric' } as const) : {}
  const text = new Date(resetsAt).toLocaleString('en-US', { ...clock, ...date })
  return text.replace(':00', '').replace(/[ \u202f]([AP]M)/, (_, half) => half.toLowerCase())
}

const instants = fc
  .integer({ min: Date.UTC(2020, 0, 1) / MINUTE, max: Date.UTC(2038, 0, 1) / MINUTE })
  .map((minutes) => minutes * MINUTE)

describe('against a second way of computing', () => {
  test('a bare clock is the next moment at which the zone shows it, in all zones', () => {
    for (const timeZone of ZONES) {
      const hours = fc.integer({ min: 0, max: 23 })
      const minutes = fc.integer({ min: 0, max: 59 })
      fc.assert(
        fc.property(instants, hours, minutes, (now, hour, minute) => {
          const text = `resets ${hour}:${String(minute).padStart(2, '0')} (${timeZone})`
          expect(parseReset(text, { now, timeZone: 'UTC' })).toBe(searchClock(now, hour, minute, timeZone))
        }),
        { numRuns: 12 },
      )
    }
  })

  test('around every change of the clocks, where hours are skipped or come twice', () => {
    const zones = [
      'America/New_York',
      'Europe/London',
      'Australia/Lord_Howe',
      'America/Santiago',
      'Africa/Cairo',
    ]
    for (const timeZone of [
      ...zones,
      'America/Havana',
      'Asia/Beirut',
      'Atlantic/Azores',
      'Antarctica/Troll',
    ]) {
      for (const change of changesOf(timeZone)) {
        for (const text of ['12am', '12:30am', '1:15am', '1:45am', '2am', '2:30am', '3am', '11:30pm']) {
          for (const before of [26 * HOUR, 90 * MINUTE, 20 * MINUTE, -20 * MINUTE]) {
            const now = change - before
            const [, hour = '', minute = '0', half] = /(\d+)(?::(\d+))?(am|pm)/.exec(text) ?? []
            const wanted = (Number(hour) % 12) + (half === 'pm' ? 12 : 0)
            const expected = searchClock(now, wanted, Number(minute), timeZone)
            expect({ text, now, timeZone, at: parseReset(text, { now, timeZone }) }).toEqual({
              text,
              now,
              timeZone,
              at: expected,
            })
          }
        }
      }
    }
  })

  test('what Claude Code prints for a reset leads back to it, or to an earlier moment of the same name', () => {
    const minutesAhead = fc.integer({ min: 1, max: 8 * 24 * 60 })
    let exact = 0
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), instants, minutesAhead, (timeZone, now, minutes) => {
        const resetsAt = now + minutes * MINUTE
        const isDated = resetsAt - now > DAY
        const text = `resets ${claudeCodeTime(resetsAt, isDated, timeZone)} (${timeZone})`
        const found = parseReset(text, { now, timeZone: 'UTC' }) ?? 0
        expect([found >= now, found <= resetsAt]).toEqual([true, true])
        expect(claudeCodeTime(found, isDated, timeZone)).toBe(claudeCodeTime(resetsAt, isDated, timeZone))
        if (found === resetsAt) exact++
      }),
      { numRuns: 3000 },
    )
    // The others are in an hour that comes twice, or a whole day away.
    expect(exact).toBeGreaterThan(2940)
  })

  test('a weekday is within eight days and shows that day', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ZONES),
        instants,
        fc.constantFrom('Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'),
        (timeZone, now, weekday) => {
          const at = parseReset(`resets ${weekday} 12:00pm (${timeZone})`, { now, timeZone: 'UTC' }) ?? 0
          const shown = new Intl.DateTimeFormat('en-US', { timeZone, weekday: 'short' }).format(at)
          expect([shown, at >= now && at <= now + 8 * DAY]).toEqual([weekday, true])
        },
      ),
      { numRuns: 500 },
    )
  })
})

test('any text gives a time or nothing, never an exception', () => {
  const words = fc.constantFrom(
    'resets',
    'at',
    'in',
    '3pm',
    '99:99',
    'Feb',
    '31',
    '(',
    'Etc/GMT+99',
    ')',
    '|',
    '0',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words).map((parts) => parts.join(' ')),
      ),
      instants,
      (text, now) => {
        const at = parseReset(text, { now, timeZone: 'Europe/Berlin' })
        expect(at === undefined || Number.isSafeInteger(at)).toBe(true)
      },
    ),
    { numRuns: 3000 },
  )
})

/** The moments of 2026 at which the zone's offset changes, to the quarter of an hour. */
function changesOf(timeZone: string): number[] {
  const changes: number[] = []
  let previous = clockOf(timeZone).format(Date.UTC(2026, 0, 1))
  for (let instant = Date.UTC(2026, 0, 2); instant < Date.UTC(2027, 0, 2); instant += DAY) {
    const shown = clockOf(timeZone).format(instant)
    if (shown !== previous) changes.push(changeBetween(instant - DAY, instant, timeZone))
    previous = shown
  }
  return changes
}

function changeBetween(from: number, to: number, timeZone: string): number {
  const before = offsetHint(from, timeZone)
  for (let instant = from; instant < to; instant += 15 * MINUTE) {
    if (offsetHint(instant, timeZone) !== before) return instant
  }
  return to
}

function offsetHint(instant: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' }).formatToParts(
    instant,
  )
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? ''
}
