import type { LedgerEntry } from './ledger.ts'
import type { CostState } from './message-usage.ts'
import { renderUsd, type Spend } from './spend.ts'

/** What a session says of one of its days: the whole of it so far, not what was added. */
export type SpendRecord = Omit<LedgerEntry, 'version' | 'run' | 'revision' | 'updatedAt'>

/** One time of API billing, from a switch to a return. */
export type Stretch = {
  since: number
  until: number
  /** A message that somebody else paid for has come: so do the sums from now on. */
  isOver: boolean
  /** By session id: `/clear` begins another. */
  bills: Map<string, Bill>
  /** By message id: `/branch` copies messages into another conversation, with their ids and times (2.1.330). */
  billed: Map<string, Bill>
}

export type Bill = {
  spend: Spend
  /** Claude Code's own sum at the switch, and at the end. */
  costBefore: CostState | undefined
  costAfter: CostState | undefined
  /** USD of the sum before, where it is certain. */
  begunAt: number | undefined
  /** The same while it runs, in USD: the first of the stretch and the last one. */
  figures: { first: number; last: number } | undefined
  /** The day of Claude Code's last word. */
  toldOn: string
}

/** A stretch costs what its rows say, or what Claude Code itself says where that is more: some requests leave no row. */
export function sumStretches(stretches: readonly Stretch[]): { usd: number; isLowerBound: boolean } {
  const sum = { usd: 0, isLowerBound: false }
  for (const bill of stretches.flatMap(({ bills }) => [...bills.values()])) {
    const { usd, isLowerBound } = bill.spend.total()
    sum.usd += usd + unrecorded(bill)
    sum.isLowerBound ||= isLowerBound
  }
  return sum
}

/** USD that Claude Code counts beyond what the rows tell. */
function unrecorded(bill: Bill): number {
  return Math.max(0, (saidToCost(bill) ?? 0) - bill.spend.total().usd)
}

/** USD by Claude Code's own account: as it runs, and at its end. */
function saidToCost(bill: Bill): number | undefined {
  const { costAfter, figures } = bill
  if (costAfter === undefined && figures === undefined) return undefined
  const after = Math.max(costAfter?.totalUsd ?? 0, figures?.last ?? 0)
  return Math.max(0, after - sumBefore(bill, after))
}

/** What Claude Code's account began at. */
function sumBefore({ spend, costBefore, figures }: Bill, after: number): number {
  const first = figures?.first ?? 0
  // An account that stays below the sum before is of a version that begins at 0.
  if (costBefore !== undefined) return costBefore.totalUsd <= after ? costBefore.totalUsd : first
  // No sum has been read. What the rows do not explain was one; the rest has been paid by the key.
  return first > spend.total().usd + CENT ? first : 0
}

/** What stands in the file before the first message that counts is from before the switch, unless it is more. */
export function isFromBefore({ totalUsd }: CostState, { spend, figures, begunAt }: Bill): boolean {
  return spend.days().length === 0 && totalUsd <= (figures?.first ?? begunAt ?? Infinity)
}

/** More than a cent between what the rows tell and what Claude Code says, in words for the log. */
export function listDifferences(stretches: readonly Stretch[]): string[] {
  return stretches
    .flatMap(({ bills }) => [...bills])
    .flatMap(([sessionId, bill]) => {
      const told = bill.spend.total()
      const said = saidToCost(bill)
      if (said === undefined || (said <= told.usd + CENT && missing(bill) === 0)) return []
      const sums = [{ usd: said, isLowerBound: false }, told].map(renderUsd)
      const words = `${sums[0]} by Claude Code's own account, ${sums[1]} by its transcript`
      return [`API billing in session ${sessionId}: ${words}; the higher one counts`]
    })
}

/** USD that the rows tell beyond what Claude Code counts; 0 where it is no more than a cent. */
function missing(bill: Bill): number {
  // The last figure may be from before the last answer: after /clear another conversation's follows.
  if (bill.costAfter === undefined) return 0
  const less = bill.spend.total().usd - (saidToCost(bill) ?? 0)
  return less > CENT ? less : 0
}

const CENT = 0.01

/** One for each session and day, over all stretches. */
export function listRecords(stretches: readonly Stretch[], cwd: string): SpendRecord[] {
  const records = new Map<string, SpendRecord>()
  for (const [sessionId, bill] of stretches.flatMap(({ bills }) => [...bills])) {
    const days = bill.spend.days()
    // So far there are only requests that leave no row.
    if (days.length === 0 && unrecorded(bill) > 0) days.push(bill.toldOn)
    for (const day of days) {
      const key = `${sessionId} ${day}`
      const record = records.get(key) ?? { day, sessionId, cwd, byModel: {}, usd: 0, isLowerBound: false }
      records.set(key, record)
      const total = bill.spend.total(day)
      record.isLowerBound ||= total.isLowerBound
      for (const [model, { usd }] of Object.entries(total.byModel)) addTo(record, model, usd)
      // On the last of its days: when it was written.
      if (day !== days.at(-1)) continue
      addTo(record, OTHER, unrecorded(bill))
      if (missing(bill) > 0) record.lessUsd = (record.lessUsd ?? 0) + missing(bill)
    }
  }
  return [...records.values()]
}

function addTo(record: SpendRecord, model: string, usd: number): void {
  if (usd === 0) return
  record.byModel[model] = (record.byModel[model] ?? 0) + usd
  record.usd += usd
}

/** What Claude Code asks beside the conversation (titles, summaries). */
const OTHER = 'other requests'
