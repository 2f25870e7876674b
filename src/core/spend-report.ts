import {
  isDay,
  type LedgerEntry,
  shiftDay,
  startOfMonth,
  startOfWeek,
  sumEntries,
  sumEntriesBy,
  sumEntriesByModel,
} from './ledger.ts'
import type { Amount } from './spend.ts'

export type SpendReport = {
  /** The first day of `days`, `projects` and `models`. */
  since: string
  today: Amount
  /** Since Monday. */
  week: Amount
  /** Since the first. */
  month: Amount
  /** Since `since`. */
  period: Amount
  /** USD by which Claude Code's own account of that is lower: its prices are others, or its messages. */
  lessUsd: number
  /** Every day from the first one with an amount until today, and those ahead with one; none where there is none. */
  days: ({ day: string } & Amount)[]
  /** The dearest first. */
  projects: ({ cwd: string } & Amount)[]
  models: ({ model: string } & Amount)[]
}

/** The first day of `--since`: `2026-11-01`, or `7d` for the last seven days, today included; undefined: neither. */
export function readSince(text: string, today: string): string | undefined {
  if (isDay(text)) return text
  const days = /^([1-9]\d{0,3})d$/.exec(text)?.[1]
  return days === undefined ? undefined : shiftDay(today, 1 - Number(days))
}

/** Sums up a ledger. Days ahead of today, of a clock that was wrong or of a zone further east, count in every sum. */
export function makeSpendReport(
  entries: readonly LedgerEntry[],
  { today, since }: { today: string; since: string },
): SpendReport {
  const from = (day: string) => entries.filter((entry) => entry.day >= day)
  const inPeriod = from(since)
  return {
    since,
    today: sumEntries(from(today)),
    week: sumEntries(from(startOfWeek(today))),
    month: sumEntries(from(startOfMonth(today))),
    period: sumEntries(inPeriod),
    lessUsd: inPeriod.reduce((sum, { lessUsd = 0 }) => sum + lessUsd, 0),
    days: listDays(inPeriod, today),
    projects: [...sumEntriesBy(inPeriod, ({ cwd }) => cwd)].map(([cwd, amount]) => ({ cwd, ...amount })),
    models: [...sumEntriesByModel(inPeriod)].map(([model, amount]) => ({ model, ...amount })),
  }
}

function listDays(entries: readonly LedgerEntry[], today: string): SpendReport['days'] {
  const sums = sumEntriesBy(entries, ({ day }) => day)
  const spent = [...sums.keys()].sort()
  const days: string[] = []
  for (let day = spent[0] ?? ''; day !== '' && day <= today; day = shiftDay(day, 1)) days.push(day)
  // Up to one that a wrong clock has written it may be thousands of years.
  days.push(...spent.filter((day) => day > today))
  return days.map((day) => ({ day, ...(sums.get(day) ?? { usd: 0, isLowerBound: false }) }))
}
