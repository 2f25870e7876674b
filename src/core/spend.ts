import type { MessageUsage } from './message-usage.ts'

/** USD per token, but for web searches. */
export type TokenRates = {
  input: number
  output: number
  cacheRead: number
  cacheWrite5m: number
  cacheWrite1h: number
}

export type ModelPrice = TokenRates & {
  /** USD per request. */
  webSearch: number
  /** How many times the price in fast mode (`usage.speed`); absent: not known. */
  fast?: number
  /** What all tokens of a request cost whose prompt (new, read and written to the cache) is longer than this. */
  longPrompt?: TokenRates & { aboveTokens: number }
}

export type Prices = {
  /** The price of a model by any name that Claude Code has for it; undefined: not known. */
  of: (model: string) => ModelPrice | undefined
  /** The highest of all known prices, each kind of token for itself: for models that are not known. */
  dearest: ModelPrice
}

/** An amount of money; `isLowerBound` where something in it had no known price: shown as `≥`. */
export type Amount = { usd: number; isLowerBound: boolean }

type Total = Amount & { byModel: Record<string, Amount> }

export type Spend = {
  /** Takes one message's usage; of several with one message id the last one counts. */
  add: (usage: MessageUsage | undefined) => void
  /** The sum of one day as `dayOf` names it; of all days by default. */
  total: (day?: string) => Total
  /** The days on which something was spent, in the order they came. */
  days: () => string[]
}

export type SpendOptions = {
  /** Epoch ms at which API billing began: messages before it cost nothing. */
  since: number
  /** The name of the day of an epoch ms, `2026-11-22`. Default: one day is all time. */
  dayOf?: (at: number) => string
}

type Counted = { day: string; model: string } & Amount

/** US-only inference; the factor is Claude Code 2.1.330's own (measured), and does not apply to searches. */
const US_INFERENCE_FACTOR = 1.1
/** The highest factor known, Opus 4.6's: for models whose fast mode has no known price. */
const DEAREST_FAST_FACTOR = 6

/**
 * Sums up what messages cost as their rows are appended. Both the main conversation's rows and its subagents' go in.
 * Claude Code also makes requests that leave no row (titles, summaries): what they cost only `parseCostState` tells.
 */
export function createSpend(prices: Prices, { since, dayOf = () => '' }: SpendOptions): Spend {
  const counted = new Map<string, Counted>()
  return {
    add: (usage) => {
      if (usage === undefined || usage.at < since) return
      const amount = priceUsage(usage, prices)
      counted.set(usage.messageId, { day: dayOf(usage.at), model: usage.model, ...amount })
    },
    total: (day) => {
      const ofDay = [...counted.values()].filter((message) => day === undefined || message.day === day)
      return sumUp(ofDay)
    },
    days: () => [...new Set([...counted.values()].map(({ day }) => day))],
  }
}

function sumUp(messages: readonly Counted[]): Total {
  const total: Total = { usd: 0, isLowerBound: false, byModel: {} }
  for (const { model, usd, isLowerBound } of messages) {
    const known = Object.hasOwn(total.byModel, model) ? total.byModel[model] : undefined
    const ofModel = known ?? { usd: 0, isLowerBound: false }
    for (const sum of [total, ofModel]) {
      sum.usd += usd
      sum.isLowerBound ||= isLowerBound
    }
    // Not by assignment: a model may be called `__proto__` by whoever answers for the API.
    Object.defineProperty(total.byModel, model, { value: ofModel, enumerable: true, configurable: true })
  }
  return total
}

/** What one message cost. An unknown model is priced as the dearest known one, and marked. */
export function priceUsage(usage: MessageUsage, prices: Prices): Amount {
  const known = prices.of(usage.model)
  const price = known ?? prices.dearest
  const rates = ratesFor(price, countPrompt(usage))
  const tokens =
    usage.input * rates.input +
    usage.output * rates.output +
    usage.cacheRead * rates.cacheRead +
    usage.cacheWrite5m * rates.cacheWrite5m +
    usage.cacheWrite1h * rates.cacheWrite1h
  const fast = usage.isFast ? (price.fast ?? DEAREST_FAST_FACTOR) : 1
  const place = usage.isUsOnly ? US_INFERENCE_FACTOR : 1
  return {
    usd: tokens * fast * place + usage.webSearches * price.webSearch,
    isLowerBound: known === undefined || (usage.isFast && price.fast === undefined),
  }
}

/** Tokens that were sent: new ones, and those read from and written to the prompt cache. */
function countPrompt({ input, cacheRead, cacheWrite5m, cacheWrite1h }: MessageUsage): number {
  return input + cacheRead + cacheWrite5m + cacheWrite1h
}

function ratesFor(price: ModelPrice, promptTokens: number): TokenRates {
  const { longPrompt } = price
  return longPrompt !== undefined && promptTokens > longPrompt.aboveTokens ? longPrompt : price
}

/**
 * What the first request on another billing costs, from the usage of the conversation's last answer. The prompt cache
 * belongs to whoever paid for it, so the whole context, that answer included, is sent as new and written to the cache
 * once; on a key Claude Code 2.1.330 asks for the cache of 5 minutes (measured). The answer is taken to be as long as
 * the last one. What the user is about to add is not in it.
 * @returns `tokens` of the context; `usd` is undefined where the model has no known price
 */
export function estimateRequest(
  last: MessageUsage,
  price: ModelPrice | undefined,
): { tokens: number; usd: number | undefined } {
  const tokens = countPrompt(last) + last.output
  if (price === undefined) return { tokens, usd: undefined }
  const rates = ratesFor(price, tokens)
  const fast = last.isFast ? (price.fast ?? DEAREST_FAST_FACTOR) : 1
  const place = last.isUsOnly ? US_INFERENCE_FACTOR : 1
  return { tokens, usd: (tokens * rates.cacheWrite5m + last.output * rates.output) * fast * place }
}

/** `$0.42`; `≥$0.42` where some of it had no known price; `<$0.01` for less than a cent. */
export function renderUsd({ usd, isLowerBound }: Amount): string {
  const text = usd > 0 && usd < 0.01 ? '<$0.01' : `$${usd.toFixed(2)}`
  return isLowerBound ? `≥${text.replace('<$0.01', '$0.00')}` : text
}
