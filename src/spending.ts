import {
  type Bill,
  isFromBefore,
  listDifferences,
  listRecords,
  type Stretch,
  sumStretches,
} from './core/bill.ts'
import { DEAREST_PRICE, type Spent } from './core/budget.ts'
import { createDayOf } from './core/ledger.ts'
import { type CostState, type MessageUsage, parseCostState, parseUsage } from './core/message-usage.ts'
import { isObject } from './core/settings.ts'
import { createSpend, estimateRequest, type Prices } from './core/spend.ts'
import { openLedger } from './ledger.ts'
import type { Log } from './log.ts'
import { readEnd } from './transcript-end.ts'

/** What this claudef spends on API billing, as it happens, and what all of the user's spend today. */
export type Spending = {
  /** API billing begins: messages from this epoch ms on are paid for by the key. `transcript`: that is gone on with. */
  begin: (at: number, transcript?: string) => Promise<void>
  /** The child that was paid for has ended, at this epoch ms. */
  end: (at: number) => void
  /** Takes each row that has one of `SPEND_MARKERS`, whoever pays. */
  take: (row: unknown) => void
  /**
   * Takes what the child that is paid for says, while it runs, that the conversation has cost so far, in USD: it begins
   * at Claude Code's last sum of it (2.1.330), at 0 for another one after `/clear`, and has all requests in it.
   */
  takeFigure: (sessionId: string | undefined, usd: number) => void
  /** What the next request would be on the key, from the last answer's usage. */
  estimate: (last: MessageUsage | undefined) => Promise<Estimate | undefined>
  /** Sums up anew, and tells; resolves once that has been done. */
  refresh: () => Promise<void>
  /** The last time: with what the child wrote to its transcript as it ended, and nobody is told any more. */
  settle: (transcript: string | undefined) => Promise<void>
  stop: () => void
}

export type Estimate = ReturnType<typeof estimateRequest>

/** Rows of a child that has ended are read this much later at most, in ms. */
const LATE_MS = 10_000

/** No function throws or rejects. */
export function openSpending(options: {
  /** Folder of the ledger. */
  home: string
  cwd: string
  sessionId: () => string | undefined
  onSpent: (spent: Spent) => void
  log: Log
  now: () => number
  timeZone: string
  /** Default: the price table that comes with the package. */
  loadPrices?: (now: Date) => Promise<Prices>
}): Spending {
  const { cwd, now, onSpent, log } = options
  const ledger = openLedger(options)
  const dayOf = createDayOf(options.timeZone)
  const stretches: Stretch[] = []
  /** Claude Code's last word on each session. */
  const costs = new Map<string, CostState>()
  /** What came before the prices. */
  const waiting: ((table: Prices) => void)[] = []
  const recorded = new Map<string, string>()
  let prices: Prices | undefined
  let summing: Promise<void> | undefined
  /** A record may wait for others, who compact the ledger; its row is written and read before. */
  let recording: Promise<void> = Promise.resolve()
  let isStale = false
  let isStopped = false
  let watcher: { stop: () => void } | undefined

  const requirePrices = async () => {
    prices ??= await load(options)
    for (const countIt of waiting.splice(0)) countIt(prices)
    return prices
  }
  const sumUp = async () => {
    try {
      while (isStale) {
        isStale = false
        for (const record of listRecords(stretches, cwd)) {
          const key = `${record.sessionId} ${record.day}`
          const text = JSON.stringify(record)
          // Our own row is news to our own watcher too.
          if (recorded.get(key) === text) continue
          recorded.set(key, text)
          const written = ledger.record(record)
          recording = recording.then(() => written)
        }
        const session = sumStretches(stretches)
        const day = await ledger.today(now())
        const partial = ledger.isReadable() ? {} : { isDayPartial: true as const }
        if (!isStopped) onSpent({ session: session.usd, day, isLowerBound: session.isLowerBound, ...partial })
      }
    } catch (error) {
      log(`what API billing costs cannot be summed up: ${error}`)
    } finally {
      summing = undefined
    }
  }
  const refresh = () => {
    isStale = true
    summing ??= sumUp()
    return summing
  }
  const count = (row: unknown, table: Prices) => {
    const sessionId = sessionOf(row) ?? options.sessionId() ?? ''
    const last = stretches.at(-1)
    const written = parseCostState(row)
    if (written !== undefined) {
      const bill = last?.bills.get(sessionId)
      if (bill !== undefined && isFromBefore(written, bill)) bill.costBefore = written
      else if (bill !== undefined && last?.isOver === false && now() <= last.until + LATE_MS)
        Object.assign(bill, { costAfter: written, toldOn: dayOf(now()) })
      costs.set(sessionId, written)
    }
    const usage = parseUsage(row)
    if (last === undefined || usage === undefined) return
    // The clock was set back: what is paid for now is from before the stretch, by its old hands.
    if (last.until === Infinity && now() < last.since) last.since = Math.min(usage.at, now()) - LATE_MS
    if (usage.at < last.since) return
    if (usage.at > last.until) {
      last.isOver = true
      return
    }
    const bill = last.billed.get(usage.messageId) ?? billFor(last, sessionId, table)
    last.billed.set(usage.messageId, bill)
    bill.spend.add(usage)
  }
  const billFor = (stretch: Stretch, sessionId: string, table: Prices) => {
    const spend = createSpend(table, { since: 0, dayOf })
    const none = { costAfter: undefined, figures: undefined, begunAt: undefined, toldOn: '' }
    const bill: Bill = stretch.bills.get(sessionId) ?? { spend, costBefore: costs.get(sessionId), ...none }
    stretch.bills.set(sessionId, bill)
    return bill
  }
  /** Of the conversation that is gone on with the sum is known: all above it counts, though no answer may follow. */
  const beginBill = (stretch: Stretch, rows: unknown[], table: Prices) => {
    const sessionId = options.sessionId() ?? ''
    const before = rows.filter((row) => sessionOf(row) === sessionId).map(parseCostState)
    const costBefore = before.findLast((cost) => cost !== undefined)
    if (costBefore === undefined) return
    const bill = billFor(stretch, sessionId, table)
    Object.assign(bill, { costBefore, begunAt: costBefore.totalUsd })
  }
  const countWithPrices = (countIt: (table: Prices) => void) => {
    if (prices === undefined && stretches.length > 0) return void waiting.push(countIt)
    countIt(prices ?? NO_PRICES)
    if (stretches.length > 0) void refresh()
  }
  const take = (row: unknown) => countWithPrices((table) => count(row, table))
  return {
    begin: async (at, transcript) => {
      const stretch = { since: at, until: Infinity, isOver: false, bills: new Map(), billed: new Map() }
      stretches.push(stretch)
      beginBill(stretch, await readEnd(transcript), await requirePrices())
      // Others spend of the same day's cap.
      watcher ??= ledger.watch(() => void refresh())
      await refresh()
    },
    end: (at) => {
      const last = stretches.at(-1)
      if (last !== undefined) last.until = Math.min(last.until, at)
    },
    take,
    takeFigure: (sessionId = options.sessionId() ?? '', usd) => {
      const last = stretches.at(-1)
      if (last === undefined || last.until !== Infinity) return
      countWithPrices((table) => {
        const bill = billFor(last, sessionId, table)
        const { first = usd, last: highest = usd } = bill.figures ?? {}
        // After /clear the next conversation's may come under the id of the last.
        bill.figures = { first, last: Math.max(highest, usd) }
        bill.toldOn = dayOf(now())
      })
    },
    estimate: async (last) => {
      if (last === undefined) return undefined
      return estimateRequest(last, (await requirePrices()).of(last.model))
    },
    refresh,
    settle: async (transcript) => {
      isStopped = true
      if (stretches.length === 0) return
      await requirePrices()
      for (const row of await readEnd(transcript)) take(row)
      await refresh()
      await recording
      for (const words of listDifferences(stretches)) log(words)
    },
    stop: () => watcher?.stop(),
  }
}

const NO_PRICES: Prices = { of: () => undefined, dearest: DEAREST_PRICE }

/** Without the table every model counts as the dearest: a cap must hold all the same. */
async function load({ loadPrices, now, log }: Parameters<typeof openSpending>[0]): Promise<Prices> {
  try {
    const { loadPrices: loadTable } = loadPrices ? { loadPrices } : await import('./prices.ts')
    return await loadTable(new Date(now()))
  } catch (error) {
    log(`the price table cannot be loaded, so each model counts as the dearest: ${error}`)
    return NO_PRICES
  }
}

function sessionOf(row: unknown): string | undefined {
  return isObject(row) && typeof row.sessionId === 'string' ? row.sessionId : undefined
}
