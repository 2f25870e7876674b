import { type ModelPrice, renderUsd } from './spend.ts'

/** What API billing has cost so far, in USD. `isLowerBound`: a price in it is not known. */
export type Spent = {
  /** By this claudef, over all its stretches of API billing. */
  session: number
  /** By all claudefs of this user since midnight. */
  day: number
  isLowerBound: boolean
  /** What others spent today cannot be read. */
  isDayPartial?: true
}

/** The most that may be spent, in USD; `Infinity`: no cap, 0: no API billing at all. */
export type Caps = { session: number; day: number }

export const NOTHING_SPENT: Spent = { session: 0, day: 0, isLowerBound: false }

/** From this share of a cap on the user is warned. */
const WARNING_SHARE = 0.8

/** How the spending stands: `reached` a cap, `near` one, or neither. */
export function judgeSpent(spent: Spent, caps: Caps): 'free' | 'near' | 'reached' {
  if (spent.session >= caps.session || spent.day >= caps.day) return 'reached'
  const isNear = spent.session >= caps.session * WARNING_SHARE || spent.day >= caps.day * WARNING_SHARE
  return isNear ? 'near' : 'free'
}

/** True where `usd` more would reach a cap. Where the price is not known it is not. */
export function wouldReach(spent: Spent, caps: Caps, usd: number | undefined): boolean {
  const more = usd ?? 0
  const after = { ...spent, session: spent.session + more, day: spent.day + more }
  return judgeSpent(after, caps) === 'reached'
}

/**
 * The highest price of each kind of token that any model of Anthropic's has or had (2026; without a cache, its input), for where
 * the price table cannot be loaded.
 */
export const DEAREST_PRICE: ModelPrice = {
  input: 15 / 1_000_000,
  output: 75 / 1_000_000,
  cacheRead: 8 / 1_000_000,
  cacheWrite5m: 18.75 / 1_000_000,
  cacheWrite1h: 30 / 1_000_000,
  webSearch: 0.01,
}

/**
 * USD per token that no request exceeds: the dearest price of an answer (75 USD a million, Claude Opus 4.1; 2026) and of
 * writing it to the cache (18.75), both at the highest factors known, 6 for fast mode and 1.1 for US-only inference. The
 * tokens of the last answer count twice: they are sent along, and as many are expected again.
 */
const MOST_USD_PER_TOKEN = 650 / 1_000_000

/** What a first request costs at the very most, for where the price table need not be loaded. */
export function mostUsd(tokens: number): number {
  return tokens * MOST_USD_PER_TOKEN
}

/**
 * `the daily cap of $10.00 is reached ($10.12 spent)`, in brief `daily cap of $10.00 reached`, and the setting that raises
 * it.
 */
export function describeReached(spent: Spent, caps: Caps): { reason: string; brief: string; repair: string } {
  const isDay = spent.day >= caps.day
  const [name, cap, usd, setting] = isDay
    ? ['daily cap', caps.day, spent.day, 'max_usd_per_day']
    : ["session's cap", caps.session, spent.session, 'max_usd']
  const repair = `raise ${setting} and restart claudef`
  if (cap === 0)
    return { reason: `${setting} is 0, so there is no API billing`, brief: `${setting} is 0`, repair }
  const amount = renderUsd({ usd, isLowerBound: spent.isLowerBound })
  const named = `${name} of ${renderUsd({ usd: cap, isLowerBound: false })}`
  return { reason: `the ${named} is reached (${amount} spent)`, brief: `${named} reached`, repair }
}

/** The cap that is near or reached, beside what the session has cost: `cap $2.00`, `today $8.20 of $10.00`. */
export function describeNear(spent: Spent, caps: Caps): string | undefined {
  if (judgeSpent(spent, caps) === 'free') return undefined
  const render = (usd: number, isLowerBound = false) => renderUsd({ usd, isLowerBound })
  const isSession = caps.day === Infinity || spent.session * caps.day > spent.day * caps.session
  if (isSession && caps.session !== Infinity) return `cap ${render(caps.session)}`
  return `today ${render(spent.day, spent.isLowerBound)} of ${render(caps.day)}`
}

/** `$10.00 a day`, `$2.00 a session and $10.00 a day`, `no cap`. */
export function describeCaps({ session, day }: Caps): string {
  const parts = [
    session === Infinity ? '' : `${renderUsd({ usd: session, isLowerBound: false })} a session`,
    day === Infinity ? '' : `${renderUsd({ usd: day, isLowerBound: false })} a day`,
  ].filter((part) => part !== '')
  return parts.length === 0 ? 'no cap' : parts.join(' and ')
}
