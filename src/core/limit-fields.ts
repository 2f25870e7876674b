import type { LimitScope, LimitWindow } from './limit.ts'
import { modelName } from './limit-texts.ts'

export type Row = Record<string, unknown>

export function isRecord(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Made up by Claude Code itself to show an API error. The same words are typed, quoted and grepped all the time. */
export function isErrorRow(row: Row): boolean {
  const { message } = row
  const isSynthetic = isRecord(message) && message.model === '<synthetic>'
  return row.type === 'assistant' && row.isApiErrorMessage === true && isSynthetic
}

/**
 * The first words of a row: those that it says itself, or, where `quoted`, those of a tool as well. Looks at the first
 * blocks and 1000 characters alone, five of the longest real texts: a row can have 100 MB.
 */
export function textOf(row: Row, quoted = false): string {
  const content = isRecord(row.message) ? row.message.content : row.content
  if (typeof content === 'string') return beginningOf(content)
  if (!Array.isArray(content)) return ''
  for (const block of content.slice(0, 20)) {
    if (!isRecord(block)) continue
    const words = block.type === 'text' ? block.text : quoted ? block.content : undefined
    if (typeof words === 'string' && words.trim() !== '') return beginningOf(words)
  }
  return ''
}

/** V8 keeps the whole string behind a slice of it; joined anew, the rest is free to go. */
function beginningOf(words: string): string {
  return words.length > 1000 ? [...words.slice(0, 1000)].join('') : words
}

export type Fields = {
  /** The server's own answer says that a limit refused the request. */
  proven: boolean
  /** As above, from `quotaLimits` alone. */
  likely: boolean
  isRateLimit: boolean
  isCreditsModel: boolean
  isTransient: boolean
  isOrganizations: boolean
  claim: string | undefined
  resetsAt: number | undefined
  /** What does not go with a limit that stops the work. */
  objections: string[]
}

/**
 * The fields that tell of a limit, newest first: `apiError` with `apiErrorParams.rate_limit_info` (2.1.300),
 * `quotaLimits` (2.1.235), `error` (2.0.50). Anything of an unexpected type is absent, or an objection.
 */
export function readFields(row: Row): Fields {
  const params = isRecord(row.apiErrorParams) ? row.apiErrorParams.rate_limit_info : undefined
  const info = isRecord(params) ? params : {}
  const quota = isRecord(row.quotaLimits) ? row.quotaLimits : {}
  const claim = stringOf(info.rateLimitType) ?? stringOf(quota.rateLimitType)
  const isTyped = row.apiError === 'usage_limit_reached'
  const isRateLimit = row.error === 'rate_limit'
  return {
    proven: isTyped || info.status === 'rejected',
    likely: isRateLimit && is429(row) && isQuotaRefusal(row, quota),
    isRateLimit,
    isCreditsModel: row.apiError === 'model_requires_usage_credits',
    isTransient: row.apiErrorIsTransient === true,
    isOrganizations: isOrganizations(info, claim) || isOrganizations(quota, claim),
    claim,
    resetsAt: epochOf(info.resetsAt) ?? epochOf(quota.resetsAt),
    objections: objectionsTo(row, info, quota),
  }
}

/**
 * `quotaLimits` stands on other refusals too (2.1.330: "This service is disabled for your org"). From 2.1.300 on a limit
 * has an `apiError`, and a row without one is none.
 */
function isQuotaRefusal(row: Row, quota: Row): boolean {
  const isClaimed = quota.status === 'rejected' && stringOf(quota.rateLimitType) !== undefined
  const isPolicy = quota.overageDisabledReason === 'org_service_level_disabled'
  return isClaimed && !isPolicy && row.apiError == null && isBefore(stringOf(row.version), [2, 1, 300])
}

/** A row that names no version may be of any. */
function isBefore(version: string | undefined, bound: [number, number, number]): boolean {
  const parts = /^(\d+)\.(\d+)\.(\d+)/
    .exec(version ?? '')
    ?.slice(1)
    .map(Number)
  if (parts === undefined) return true
  const differs = bound.findIndex((part, index) => part !== parts[index])
  return differs >= 0 && (parts[differs] ?? 0) < (bound[differs] ?? 0)
}

/** Extra usage is somebody else's to give; beside a claim of the plan's own window that is no news. */
function isOrganizations(limits: Row, claim: string | undefined): boolean {
  if (limits.dailyCapPaused === true) return true
  const isScoped = stringOf(limits.overageScope) !== undefined || stringOf(limits.limitScope) !== undefined
  const isDenied = /^(?:group|member|seat)_/.test(stringOf(limits.overageDisabledReason) ?? '')
  return (isScoped || isDenied) && (claim === undefined || claim === 'overage')
}

/** Old rows have no status; some have it as text. */
function is429(row: Row): boolean {
  const status = row.apiErrorStatus
  return status == null || status === 429 || status === '429'
}

function objectionsTo(row: Row, info: Row, quota: Row): string[] {
  const isAllowed = [info, quota].some(
    (limits) =>
      limits.isUsingOverage === true ||
      limits.overageInUse === true ||
      stringOf(limits.overageStatus)?.startsWith('allowed'),
  )
  const claims = [info.rateLimitType, quota.rateLimitType].filter((claim) => claim != null)
  const states = [info.status, quota.status].filter((status) => status != null)
  const objections: [boolean, string][] = [
    [row.error != null && row.error !== 'rate_limit', 'its error is another one'],
    [!is429(row), 'its status is not 429'],
    [row.apiError != null && row.apiError !== 'usage_limit_reached', 'its apiError is another one'],
    [row.apiErrorIsTransient === true, 'it is said to be transient'],
    [isAllowed, 'extra usage is allowed'],
    [new Set(claims).size > 1, 'it names two limits'],
    [states.some((status) => status !== 'rejected'), 'its limit is not rejected'],
  ]
  return objections.filter(([holds]) => holds).map(([, reason]) => reason)
}

/** `five_hour`, `seven_day`, `seven_day_opus`, `overage`: what the server calls the limit that refused. */
export function claimed(claim: string | undefined): { window: LimitWindow; scope: LimitScope } {
  const scope: LimitScope = { type: 'account' }
  if (claim === 'five_hour') return { window: 'session', scope }
  if (claim === 'seven_day') return { window: 'weekly', scope }
  if (claim === 'overage') return { window: 'credits', scope }
  const family = /^seven_day_(opus|sonnet|haiku|fable|mythos|overage_included)$/.exec(claim ?? '')?.[1]
  if (family === undefined) return { window: 'unknown', scope }
  // Extra usage is included for one model only: Fable (2.1.235).
  const name = modelName(family === 'overage_included' ? 'fable' : family, undefined)
  return { window: 'weekly', scope: { type: 'model', name } }
}

export function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, 200) : undefined
}

/** Epoch s as the server sends it, in ms; also from text. Out of 2015–2100 it is no time. */
function epochOf(value: unknown): number | undefined {
  const seconds = typeof value === 'number' ? value : typeof value === 'string' ? Number(value) : Number.NaN
  return seconds > 1_420_000_000 && seconds < 4_102_444_800 ? Math.floor(seconds * 1000) : undefined
}
