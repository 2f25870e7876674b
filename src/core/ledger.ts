import { parseObject } from './json.ts'
import { isObject } from './settings.ts'
import type { Amount } from './spend.ts'

/** What one run of claudef spent in one session on one day. */
export type LedgerEntry = {
  version: number
  /** Local, `2026-11-22`. */
  day: string
  sessionId: string
  /** The run of claudef. */
  run: string
  /** Counts up within a run: of several rows with the same run, session and day, the highest one counts. */
  revision: number
  /** The project's folder. */
  cwd: string
  /** USD. */
  byModel: Record<string, number>
  usd: number
  isLowerBound: boolean
  /** USD by which Claude Code's own account is lower, where that is known and more than a cent. */
  lessUsd?: number
  /** Epoch ms. */
  updatedAt: number
}

const DAY_MS = 86_400_000

/** One line of the ledger; undefined where it is damaged. Rows of later versions count too, for what they share. */
export function parseEntry(line: string): LedgerEntry | undefined {
  const row = parseObject(line)
  if (row === undefined || !isAmount(row.version) || !isAmount(row.revision) || !isAmount(row.usd))
    return undefined
  const { version, day, sessionId, run, revision, cwd, usd } = row
  if (typeof day !== 'string' || !isDay(day)) return undefined
  if (typeof sessionId !== 'string' || typeof run !== 'string') return undefined
  const models = Object.entries(isObject(row.byModel) ? row.byModel : {})
  return {
    version,
    day,
    sessionId,
    run,
    revision,
    cwd: typeof cwd === 'string' ? cwd : '',
    byModel: Object.fromEntries(models.filter((pair): pair is [string, number] => isAmount(pair[1]))),
    usd,
    isLowerBound: row.isLowerBound === true,
    ...(isAmount(row.lessUsd) && { lessUsd: row.lessUsd }),
    updatedAt: isAmount(row.updatedAt) ? row.updatedAt : 0,
  }
}

/** Rows with the same key are one row and its successors. */
export function keyOfEntry({ run, sessionId, day }: Pick<LedgerEntry, 'run' | 'sessionId' | 'day'>): string {
  return JSON.stringify([run, sessionId, day])
}

export function sumEntries(entries: readonly Amount[]): Amount {
  const sum = { usd: 0, isLowerBound: false }
  for (const entry of entries) addTo(sum, entry)
  return sum
}

/** Sums by day (`({ day }) => day`), by project (`({ cwd }) => cwd`) or whatever else, in the order of the amounts. */
export function sumEntriesBy(
  entries: readonly LedgerEntry[],
  by: (entry: LedgerEntry) => string,
): Map<string, Amount> {
  const sums = new Map<string, Amount>()
  for (const entry of entries) addTo(sumFor(sums, by(entry)), entry)
  return sortByAmount(sums)
}

/** A row does not tell which of its models has no known price: each of them may. */
export function sumEntriesByModel(entries: readonly LedgerEntry[]): Map<string, Amount> {
  const sums = new Map<string, Amount>()
  for (const { byModel, isLowerBound } of entries) {
    for (const [model, usd] of Object.entries(byModel)) addTo(sumFor(sums, model), { usd, isLowerBound })
  }
  return sortByAmount(sums)
}

function sumFor(sums: Map<string, Amount>, name: string): Amount {
  const sum = sums.get(name) ?? { usd: 0, isLowerBound: false }
  sums.set(name, sum)
  return sum
}

function addTo(sum: Amount, { usd, isLowerBound }: Amount): void {
  sum.usd += usd
  sum.isLowerBound ||= isLowerBound
}

function sortByAmount(sums: Map<string, Amount>): Map<string, Amount> {
  return new Map([...sums].sort(([, one], [, other]) => other.usd - one.usd))
}

/** Names the local day of an epoch ms in an IANA zone; UTC where the zone is not known. */
export function createDayOf(timeZone: string): (at: number) => string {
  const format = makeFormat(timeZone)
  return (at) => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
    return `${parts.year}-${parts.month}-${parts.day}`
  }
}

function makeFormat(timeZone: string): Intl.DateTimeFormat {
  const fields = { calendar: 'iso8601', year: 'numeric', month: '2-digit', day: '2-digit' } as const
  try {
    return new Intl.DateTimeFormat('en', { ...fields, timeZone })
  } catch {
    return new Intl.DateTimeFormat('en', { ...fields, timeZone: 'UTC' })
  }
}

/** Whether the text is a day of the calendar, `2026-11-22`. */
export function isDay(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && shiftDay(text, 0) === text
}

/** The day so many days later; '' where `day` is none. */
export function shiftDay(day: string, days: number): string {
  const at = Date.parse(`${day}T00:00:00Z`) + days * DAY_MS
  return Number.isNaN(at) ? '' : new Date(at).toISOString().slice(0, 10)
}

/** The Monday of that week. */
export function startOfWeek(day: string): string {
  const sinceMonday = (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7
  return shiftDay(day, -sinceMonday)
}

export function startOfMonth(day: string): string {
  return `${day.slice(0, 8)}01`
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
