import type { LimitWindow } from './limit.ts'
import { instantAt, instantsAt, isZone, wallAt } from './zone.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A session window is 5 h long, so a clock further away than that, and just past, has been. */
const SESSION = 5 * HOUR
/** How far the machine's clock may run ahead of the server's. */
const SKEW = 10 * MINUTE

type ResetContext = {
  /** Epoch ms. */
  now: number
  /** The IANA zone of clocks without one of their own. An unknown one counts as UTC. */
  timeZone: string
  window?: LimitWindow
}

type Clock = { hour: number; minute: number }
type Day =
  | { type: 'date'; month: number; day: number; year: number | undefined }
  | { type: 'weekday'; weekday: number }
  | { type: 'ahead'; days: number }

/**
 * When a limit ends, as its text says it: `resets 4pm (UTC)`, `resets Oct 9, 5pm`, `resets in 2h 30m`,
 * `…|1750770000`, or the bare time alone. Returns epoch ms, to the minute where the text has a clock, and
 * `undefined` where it names no time.
 *
 * Clocks have no seconds, so "past" counts in whole minutes. A bare clock is the next such moment, a date the
 * nearest one that is not over by more than 8 days (the longest window is 7 days; older dates are next year's).
 * One hour that a zone repeats means its first pass that is still ahead; a dated hour that it skips, the hour after.
 */
export function parseReset(text: string, context: ResetContext): number | undefined {
  const line = text.slice(0, 2000).normalize('NFKC').replace(/\s+/g, ' ').trim()
  const epoch = /\|\s*([12]\d{9}(?:\d{3})?)(?!\d)/.exec(line)?.[1]
  if (epoch !== undefined) return Number(epoch.padEnd(13, '0'))
  for (const phrase of resetPhrases(line)) {
    const instant = parsePhrase(phrase, context)
    if (instant !== undefined) return instant
  }
  return undefined
}

/** The words that follow "resets", one candidate for each time the text says so; else the text itself. */
function resetPhrases(line: string): string[] {
  const phrases: string[] = []
  for (const match of line.matchAll(/\b(?:resets?|resetting|until|try again|regain access|renews?)\b:?/gi)) {
    const rest = line.slice(match.index + match[0].length, match.index + match[0].length + 100)
    phrases.push((/^.*?(?=\s[·∙•⋅|–—-]\s|$)/.exec(rest)?.[0] ?? rest).trim())
  }
  return phrases.length > 0 ? phrases : line.length <= 60 ? [line] : []
}

function parsePhrase(phrase: string, context: ResetContext): number | undefined {
  const ahead = parseDuration(phrase)
  if (ahead !== undefined) return context.now + ahead
  const { rest, timeZone } = takeZone(phrase, context.timeZone)
  const day = parseDay(rest)
  const clock = parseClock(rest)
  if (day === undefined) return clock && nextClock(clock, { ...context, timeZone })
  const time = clock ?? { hour: 0, minute: 0 }
  switch (day.type) {
    case 'date':
      return nearestDate(day, time, { now: context.now, timeZone })
    case 'weekday':
      return nextWeekday(day.weekday, time, { now: context.now, timeZone })
    case 'ahead':
      return instantAt(
        startOfDay(wallAt(context.now, timeZone)) + day.days * DAY + msOf(time),
        context.now,
        timeZone,
      )
  }
}

const UNITS: Record<string, number> = { w: 7 * DAY, d: DAY, h: HOUR, m: MINUTE, s: 1000 }

const SPAN =
  '\\d{1,5}(?:\\.\\d{1,2})? ?(?:w(?:eeks?)?|d(?:ays?)?|h(?:(?:ou)?rs?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)'
const DURATION = new RegExp(
  `^(?:in|after) (?:about )?(${SPAN}(?:(?:, and|,| and)? ?${SPAN}){0,4})(?![a-z])`,
  'i',
)

/** `in 2h 30m`, `in 6d`, `in 1 hour and 5 minutes`, in ms. */
function parseDuration(phrase: string): number | undefined {
  const spans = DURATION.exec(phrase)?.[1]
  if (spans === undefined) return undefined
  let total = 0
  for (const [, count, letter] of spans.matchAll(/(\d+(?:\.\d+)?) ?([wdhms])[a-z]*/gi)) {
    total += Number(count) * (UNITS[letter?.toLowerCase() ?? ''] ?? 0)
  }
  return total
}

/** Takes the zone out of the words, so that its digits are no clock: `(Area/City)`, `(UTC)`, `UTC+2`. */
function takeZone(phrase: string, fallback: string): { rest: string; timeZone: string } {
  const zone =
    /\(([^()]{1,64})\)/.exec(phrase) ??
    /(?:\b(?:UTC|GMT)(?:[+-]\d{1,2}(?::?\d{2})?)?|(?<=\d)Z)(?![\w/])/i.exec(phrase)
  const area = zone ?? /\b[A-Z][A-Za-z_]+(?:\/[A-Za-z0-9_+-]+){1,2}/.exec(phrase)
  if (area === null) return { rest: phrase, timeZone: fallback }
  const rest = phrase.replace(area[0], ' ')
  return { rest, timeZone: knownZone(area[1] ?? area[0]) ?? fallback }
}

function knownZone(name: string): string | undefined {
  const shift = /^(?:UTC|GMT)([+-])(\d{1,2})(?::?(00))?$/i.exec(name.trim())
  // The Etc zones count westward: Etc/GMT+5 is five hours behind.
  const zone = shift ? `Etc/GMT${shift[1] === '+' ? '-' : '+'}${Number(shift[2])}` : name.trim()
  return zone.toUpperCase() === 'Z' ? 'UTC' : isZone(zone) ? zone : undefined
}

function parseClock(words: string): Clock | undefined {
  const twelve = /(?<![\d:.])(\d{1,2})(?:[:.](\d{2}))?(?::\d{2})? ?([ap])\.? ?m\b/i.exec(words)
  if (twelve) {
    const hour = Number(twelve[1])
    const minute = Number(twelve[2] ?? 0)
    if (hour < 1 || hour > 12 || minute > 59) return undefined
    return { hour: (hour % 12) + (twelve[3]?.toLowerCase() === 'p' ? 12 : 0), minute }
  }
  const day = /(?<![\d:])(\d{1,2})[:h](\d{2})(?::\d{2})?(?![\d:])/.exec(words)
  if (day) {
    const clock = { hour: Number(day[1]), minute: Number(day[2]) }
    return clock.hour < 24 && clock.minute < 60 ? clock : undefined
  }
  if (/\bnoon\b/i.test(words)) return { hour: 12, minute: 0 }
  return /\bmidnight\b/i.test(words) ? { hour: 0, minute: 0 } : undefined
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const MONTH =
  '(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\\.?'
const MONTH_DAY = new RegExp(
  `\\b${MONTH} (\\d{1,2})(?:st|nd|rd|th)?(?![\\d:])(?:,? (\\d{4})(?![\\d:]))?`,
  'i',
)
const DAY_MONTH = new RegExp(`\\b(\\d{1,2})(?:st|nd|rd|th)? ${MONTH}(?![a-z])(?:,? (\\d{4})(?![\\d:]))?`, 'i')
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const WEEKDAY = /\b(mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\b/i

function parseDay(words: string): Day | undefined {
  const iso = /(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)/.exec(words)
  if (iso) return dateOf(Number(iso[2]) - 1, Number(iso[3]), Number(iso[1]))
  const american = MONTH_DAY.exec(words)
  if (american) return dateOf(monthOf(american[1]), Number(american[2]), numberOf(american[3]))
  const european = DAY_MONTH.exec(words)
  if (european) return dateOf(monthOf(european[2]), Number(european[1]), numberOf(european[3]))
  if (/\btomorrow\b/i.test(words)) return { type: 'ahead', days: 1 }
  if (/\b(?:today|tonight)\b/i.test(words)) return { type: 'ahead', days: 0 }
  const weekday = WEEKDAY.exec(words)?.[1]
  if (weekday === undefined) return undefined
  return { type: 'weekday', weekday: WEEKDAYS.indexOf(weekday.slice(0, 3).toLowerCase()) }
}

function dateOf(month: number, day: number, year: number | undefined): Day {
  return { type: 'date', month, day, year }
}

function monthOf(name: string | undefined): number {
  return MONTHS.indexOf(name?.slice(0, 3).toLowerCase() ?? '')
}

function numberOf(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits)
}

type Place = { now: number; timeZone: string }

/** The next moment at which the clocks of the zone show this. Skipped on the day that has no such hour. */
function nextClock(clock: Clock, { now, timeZone, window }: ResetContext): number | undefined {
  const today = startOfDay(wallAt(now, timeZone))
  const minute = now - (now % MINUTE)
  for (let days = 0; days <= 3; days++) {
    const next = instantsAt(today + days * DAY + msOf(clock), timeZone).find((instant) => instant >= minute)
    if (next === undefined) continue
    const before = next - DAY
    // A session cannot be so long, and a machine's clock that runs ahead must not cost a day of API money.
    const over = window === 'session' && next - now > SESSION && now - before <= SKEW
    return over ? before : next
  }
  return undefined
}

function nextWeekday(weekday: number, clock: Clock, { now, timeZone }: Place): number | undefined {
  const today = startOfDay(wallAt(now, timeZone))
  const minute = now - (now % MINUTE)
  for (let days = 0; days <= 8; days++) {
    const wall = today + days * DAY
    if (new Date(wall).getUTCDay() !== weekday) continue
    const instant = instantAt(wall + msOf(clock), now, timeZone)
    if (instant >= minute) return instant
  }
  return undefined
}

function nearestDate(date: Extract<Day, { type: 'date' }>, clock: Clock, place: Place): number | undefined {
  const { now, timeZone } = place
  const thisYear = new Date(wallAt(now, timeZone)).getUTCFullYear()
  // Eight years: the longest that a February 29 is away.
  for (let year = date.year ?? thisYear - 1; year <= (date.year ?? thisYear + 8); year++) {
    const wall = Date.UTC(year, date.month, date.day)
    const exists = new Date(wall).getUTCMonth() === date.month
    if (!exists || date.day < 1) continue
    const instant = instantAt(wall + msOf(clock), now, timeZone)
    if (date.year !== undefined || instant >= now - 8 * DAY) return instant
  }
  return undefined
}

function startOfDay(wall: number): number {
  return wall - (((wall % DAY) + DAY) % DAY)
}

function msOf(clock: Clock): number {
  return clock.hour * HOUR + clock.minute * MINUTE
}
