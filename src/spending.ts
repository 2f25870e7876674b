import type { Spent } from './core/budget.ts'
import { createDayOf } from './core/ledger.ts'
import {
  type CostState,
  type MessageUsage,
  parseCostState,
  parseUsage,
  subtractCostState,
} from './core/message-usage.ts'
import { createSpend, estimateRequest, type Prices, type Spend } from './core/spend.ts'
import { type Ledger, openLedger } from './ledger.ts'
import type { Log } from './log.ts'
import { loadPrices } from './prices.ts'

/** What this claudef spends on API billing, as it happens, and what all of the user's spend today. */
export type Spending = {
  /** API billing begins: messages from this epoch ms on are paid for by the key. */
  begin: (at: number) => Promise<void>
  /** The child that was paid for has ended, at this epoch ms. */
  end: (at: number) => void
  /** Takes each row that has one of `SPEND_MARKERS`, whoever pays. */
  take: (row: unknown) => void
  /** What the next request would be on the key, from the last answer's usage. */
  estimate: (last: MessageUsage | undefined) => Promise<Estimate | undefined>
  /** Sums up anew, and tells. */
  refresh: () => Promise<void>
  stop: () => void
}

export type Estimate = ReturnType<typeof estimateRequest>

/** One time of API billing, from a switch to a return. */
type Stretch = {
  spend: Spend
  until: number
  costBefore: CostState | undefined
  costAfter: CostState | undefined
}

/** Rows of a child that has ended come this much later at most, in ms. */
const LATE_MS = 10_000

export function openSpending(options: {
  /** Folder of the ledger. */
  home: string
  cwd: string
  sessionId: () => string | undefined
  onSpent: (spent: Spent) => void
  log: Log
  now: () => number
  timeZone: string
}): Spending {
  const { now, onSpent } = options
  const ledger = openLedger(options)
  const dayOf = createDayOf(options.timeZone)
  const stretches: Stretch[] = []
  let costState: CostState | undefined
  let loading: Promise<Prices> | undefined
  let isSumming = false
  let isStale = false
  let watcher: { stop: () => void } | undefined

  const prices = () => {
    loading ??= loadPrices(new Date(now()))
    return loading
  }
  const sum = async () => {
    isStale = true
    if (isSumming) return
    isSumming = true
    while (isStale) {
      isStale = false
      await record({ ledger, stretches, cwd: options.cwd, sessionId: options.sessionId() ?? '' })
      const total = sumStretches(stretches)
      onSpent({ session: total.usd, day: await ledger.today(now()), isLowerBound: total.isLowerBound })
    }
    isSumming = false
  }
  return {
    begin: async (at) => {
      const spend = createSpend(await prices(), { since: at, dayOf })
      stretches.push({ spend, until: Infinity, costBefore: costState, costAfter: undefined })
      // Others spend of the same day's cap.
      watcher ??= ledger.watch(() => void sum())
      await sum()
    },
    end: (at) => {
      const last = stretches.at(-1)
      if (last !== undefined) last.until = Math.min(last.until, at + LATE_MS)
    },
    take: (row) => {
      const last = stretches.at(-1)
      const written = parseCostState(row)
      if (written !== undefined) {
        costState = written
        if (last !== undefined && now() <= last.until) last.costAfter = written
      }
      const usage = parseUsage(row)
      if (last === undefined || (usage !== undefined && usage.at > last.until)) return
      last.spend.add(usage)
      void sum()
    },
    estimate: async (last) => {
      if (last === undefined) return undefined
      return estimateRequest(last, (await prices()).of(last.model))
    },
    refresh: sum,
    stop: () => watcher?.stop(),
  }
}

/** A stretch costs what its rows say, or what Claude Code itself says where that is more: some requests leave no row. */
function sumStretches(stretches: readonly Stretch[]): { usd: number; isLowerBound: boolean } {
  const sums = stretches.map((stretch) => {
    const { usd, isLowerBound } = stretch.spend.total()
    return { usd: usd + unrecorded(stretch), isLowerBound }
  })
  return {
    usd: sums.reduce((total, { usd }) => total + usd, 0),
    isLowerBound: sums.some(({ isLowerBound }) => isLowerBound),
  }
}

/** USD that Claude Code counts beyond what the rows tell. Without a figure from before there is nothing to compare. */
function unrecorded({ spend, costBefore, costAfter }: Stretch): number {
  if (costAfter === undefined) return 0
  return Math.max(0, subtractCostState(costAfter, costBefore).totalUsd - spend.total().usd)
}

async function record(given: {
  ledger: Ledger
  stretches: readonly Stretch[]
  cwd: string
  sessionId: string
}): Promise<void> {
  const { ledger, stretches, cwd, sessionId } = given
  const days = new Set(stretches.flatMap(({ spend }) => spend.days()))
  for (const day of days) {
    const byModel: Record<string, number> = {}
    let isLowerBound = false
    for (const stretch of stretches) {
      const total = stretch.spend.total(day)
      isLowerBound ||= total.isLowerBound
      for (const [model, { usd }] of Object.entries(total.byModel))
        byModel[model] = (byModel[model] ?? 0) + usd
      // On the last of its days: when it was written.
      if (day === stretch.spend.days().at(-1) && unrecorded(stretch) > 0) {
        byModel[OTHER] = (byModel[OTHER] ?? 0) + unrecorded(stretch)
      }
    }
    const usd = Object.values(byModel).reduce((total, more) => total + more, 0)
    await ledger.record({ day, sessionId, cwd, byModel, usd, isLowerBound })
  }
}

/** What Claude Code asks beside the conversation (titles, summaries). */
const OTHER = 'other requests'
