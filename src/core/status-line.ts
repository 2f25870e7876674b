import { parseJson } from './json.ts'
import { describeClock } from './limit-words.ts'
import type { Billing } from './policy.ts'
import { isObject } from './settings.ts'
import { type Amount, renderUsd } from './spend.ts'

/** How much of one of the plan's windows is used up. */
type Window = {
  /** 0 to 100, as Claude Code says it; not rounded. */
  usedPercent: number
  /** Epoch ms. */
  resetsAt: number | undefined
}

/** What Claude Code tells its status line. Each field may be missing: in older versions, and before the first answer. */
export type Status = {
  sessionId: string | undefined
  transcript: string | undefined
  /** As in `--model`, with its `[1m]`. */
  model: string | undefined
  /** USD, by Claude Code's own count for this process. */
  costUsd: number | undefined
  /** Subscriptions only, from the first answer on. */
  fiveHour: Window | undefined
  sevenDay: Window | undefined
  /** What the conversation takes up in the model's context: the tokens of the last request and of its answer. */
  contextTokens: number | undefined
}

/** Reads the JSON that Claude Code hands to the status line's command (2.1.330). `undefined`: it is none. */
export function parseStatus(json: string): Status | undefined {
  const status = parseJson(json)
  if (!isObject(status)) return undefined
  const limits = fieldsOf(status.rate_limits)
  return {
    sessionId: readText(status.session_id),
    transcript: readText(status.transcript_path),
    model: readText(fieldsOf(status.model).id),
    costUsd: readAmount(fieldsOf(status.cost).total_cost_usd),
    fiveHour: readWindow(limits.five_hour),
    sevenDay: readWindow(limits.seven_day),
    contextTokens: readTokens(fieldsOf(status.context_window).current_usage),
  }
}

function readWindow(value: unknown): Window | undefined {
  const { used_percentage: used, resets_at: seconds } = fieldsOf(value)
  if (typeof used !== 'number') return undefined
  const resetsAt = readAmount(seconds)
  return {
    usedPercent: Math.min(100, Math.max(0, used)),
    resetsAt: resetsAt === undefined || resetsAt === 0 ? undefined : resetsAt * 1000,
  }
}

/** All kinds of input, and the output, which the next request sends as input. */
function readTokens(usage: unknown): number | undefined {
  if (!isObject(usage)) return undefined
  const kinds = [
    'input_tokens',
    'cache_creation_input_tokens',
    'cache_read_input_tokens',
    'output_tokens',
  ] as const
  return kinds.reduce((sum, kind) => sum + (readAmount(usage[kind]) ?? 0), 0)
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {}
}

function readText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function readAmount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

export type StatusLineContext = {
  billing: Billing
  /** IANA name of the zone in which clock times are shown. */
  timeZone: string
  /** Epoch ms. */
  now: number
  /** What API billing has cost in this session; absent: not said. */
  spent?: Amount
  /** When the subscription is back, epoch ms; absent: not said. */
  backAt?: number
}

/** claudef's own status line, for users who have none; one line without colours. `status` is not known at the start. */
export function renderStatusLine(status: Status | undefined, context: StatusLineContext): string {
  const parts = context.billing === 'api' ? describeApi(context) : describePlan(status, context)
  return parts.join(' · ')
}

function describeApi(context: StatusLineContext): string[] {
  const { spent, backAt } = context
  return [
    'API billing',
    ...(spent === undefined ? [] : [`${renderUsd(spent)} this session`]),
    ...(backAt === undefined ? [] : [`subscription back ${describeClock(backAt, context)}`]),
  ]
}

function describePlan(status: Status | undefined, context: StatusLineContext): string[] {
  const { fiveHour, sevenDay } = status ?? {}
  return [
    ...describeWindow('5h', fiveHour, context, 0),
    // A reset some days ahead is of interest only when it is near the limit.
    ...describeWindow('week', sevenDay, context, THRESHOLDS[0]),
    'subscription',
  ]
}

function describeWindow(name: string, window: Window | undefined, clock: Clock, resetFrom: number): string[] {
  if (window === undefined || hasReset(window, clock.now)) return []
  const percent = wholePercent(window)
  const reset = percent >= resetFrom ? describeReset(window, clock) : []
  return [`${name} ${percent} %`, ...reset]
}

type Clock = Pick<StatusLineContext, 'now' | 'timeZone'>

const THRESHOLDS = [80, 95] as const

const WINDOWS = { fiveHour: '5-hour limit', sevenDay: 'weekly limit' } as const

/** Told once over all terminals: `key` is for `announceOnce`. */
export type Crossing = { key: string; text: string }

/**
 * What to tell before a limit is met: for each window the highest of its thresholds, 80 and 95 %, that it has passed.
 * At 100 % there is nothing left to warn of. Never a reason to switch.
 */
export function crossedThresholds(
  status: Status,
  context: Clock & { /** Uuid of the account. */ account: string | undefined },
): Crossing[] {
  return (['fiveHour', 'sevenDay'] as const).flatMap((name) => {
    const window = status[name]
    if (window === undefined || hasReset(window, context.now)) return []
    const percent = wholePercent(window)
    const threshold = THRESHOLDS.findLast((threshold) => percent >= threshold)
    if (threshold === undefined || percent >= 100) return []
    const key = ['before-limit', context.account ?? '', name, identifyWindow(window, context.now), threshold]
    const text = [`${percent} % of the ${WINDOWS[name]}`, ...describeReset(window, context)].join(', ')
    return [{ key: key.join(':'), text }]
  })
}

const TEN_MINUTES = 10 * 60_000
const DAY = 24 * 60 * 60_000

/** A window goes by its reset, give or take some seconds between two answers; by the day where that is not known. */
function identifyWindow({ resetsAt }: Window, now: number): string {
  return resetsAt === undefined
    ? `day-${Math.floor(now / DAY)}`
    : `${Math.round(resetsAt / TEN_MINUTES) * TEN_MINUTES}`
}

/** The figures of an idle session stand still, though its window is over. */
function hasReset({ resetsAt }: Window, now: number): boolean {
  return resetsAt !== undefined && resetsAt <= now
}

/** Never more than is used: 99.9 % is not yet the limit. */
function wholePercent({ usedPercent }: Window): number {
  // 0.57 times 100 is a little less than 57.
  return Math.floor(usedPercent + 1e-6)
}

function describeReset({ resetsAt }: Window, clock: Clock): string[] {
  return resetsAt === undefined ? [] : [`resets ${describeClock(resetsAt, clock).replace(/^at /, '')}`]
}
