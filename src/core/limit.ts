import { API_FAILURES } from './api-failures.ts'
import {
  claimed,
  type Fields,
  isErrorRow,
  isRecord,
  type Row,
  readFields,
  stringOf,
  textOf,
} from './limit-fields.ts'
import { type Meaning, normalizeText, readText } from './limit-texts.ts'
import { parseReset } from './reset.ts'

export type LimitWindow = 'session' | 'weekly' | 'monthly' | 'credits' | 'spend' | 'unknown'
export type LimitScope = { type: 'account' } | { type: 'model'; name: string } | { type: 'organization' }

/**
 * What a limit is worth: `switch` to the API, `offer` it, only `tell`, or wait for the row of the main conversation,
 * because a `subagent` met it.
 */
type Verdict = 'switch' | 'offer' | 'tell' | 'subagent'

export type Limit = {
  window: LimitWindow
  scope: LimitScope
  verdict: Verdict
  /** Epoch ms. */
  resetsAt: number | undefined
  /** Whether the window or the reset came from the row's fields or from its words alone. */
  source: 'structured' | 'text'
  /** The row's uuid. */
  rowId: string | undefined
  /** The row's own time, epoch ms. */
  at: number | undefined
  /** The row's words as they stand, up to 1000 characters. */
  text: string
}

export type LimitContext = {
  /** Epoch ms, for clocks of rows without a time of their own. */
  now: number
  /** The IANA zone of clocks without one: that of the process which wrote the row. */
  timeZone: string
}

/** What a row is, with the reason in words, for `claude-fallback explain`. */
export type Judgement = { limit: Limit | undefined; reason: string }

/** What an error row means to a session that runs on an API key. */
export type ApiFailure = {
  type:
    | 'rate_limit'
    | 'credit'
    | 'key'
    | 'spend_cap'
    | 'organization'
    | 'thinking'
    | 'model'
    | 'plan_limit'
    | 'overload'
    | 'other'
  /** The row's words as they stand, up to 1000 characters. */
  text: string
  /** `tell` it, `stop` offering a key that is of no use, or `ignore` what passes or is no matter of the key. */
  effect: 'tell' | 'stop' | 'ignore'
}

/** Bytes that every row of a limit contains: a test worth making before `JSON.parse`. */
export const LIMIT_MARKER = 'isApiErrorMessage'

/**
 * Reads one row of a transcript, parsed from JSON: `undefined` where it is no limit. Never throws.
 *
 * Only a row that Claude Code itself made up to show an API error counts (`isApiErrorMessage` and the model
 * `<synthetic>`): the same words are typed, quoted and grepped all the time.
 */
export function parseLimit(row: unknown, context: LimitContext): Limit | undefined {
  return judgeRow(row, context)?.limit
}

/** The same with the reason, and `undefined` where the row does not even resemble a limit. */
export function judgeRow(row: unknown, context: LimitContext): Judgement | undefined {
  if (!isRecord(row)) return undefined
  if (!isErrorRow(row)) {
    if (!resemblesLimit(textOf(row, true))) return undefined
    const said =
      row.type === 'assistant'
        ? 'the row is no API error of Claude Code'
        : `said in a row of type ${stringOf(row.type) ?? 'unknown'}`
    return { limit: undefined, reason: said }
  }
  const text = textOf(row)
  const fields = readFields(row)
  const finding = decide(readText(text), fields)
  if (finding.verdict === 'none') return { limit: undefined, reason: finding.reason }
  return { limit: limitOf(row, text, finding, fields, context), reason: finding.reason }
}

/**
 * One name for one limit, however many rows tell of it. A reset may slide by some minutes between them: servers round
 * it, texts have no seconds. Resets lie on multiples of five minutes, so the edges of these ten do not cut there.
 */
export function limitKey(limit: Limit): string {
  const minute = limit.resetsAt === undefined ? undefined : Math.floor(limit.resetsAt / 60_000)
  const slot = minute === undefined ? 'unknown' : Math.floor((minute + 2) / 10)
  const { scope } = limit
  const whose = scope.type === 'model' ? `model:${scope.name.split(' ')[0]?.toLowerCase()}` : scope.type
  return `${limit.window} ${whose} ${slot}`
}

function resemblesLimit(text: string): boolean {
  return /\blimit reached\b|\b(?:hit|reached) your .{0,40}\blimit\b|\bout of (?:extra usage|usage credits)\b/i.test(
    text,
  )
}

/**
 * Reads the same rows as a session on an API key means them: `undefined` for a row that is no API error.
 * A plan's limit there says that the key is not in use, so it is told.
 */
export function parseApiFailure(row: unknown): ApiFailure | undefined {
  if (!isRecord(row) || !isErrorRow(row)) return undefined
  const text = textOf(row)
  const meaning = readText(text)
  if (meaning.type === 'limit' && meaning.scope.type !== 'organization' && meaning.evidence !== 'weak') {
    return { type: 'plan_limit', text, effect: 'tell' }
  }
  const line = normalizeText(text).toLowerCase()
  const failure =
    API_FAILURES.find(({ words }) => words.test(line)) ??
    API_FAILURES.find(({ errors }) => errors.includes(row.error) || errors.includes(row.apiErrorStatus))
  return failure
    ? { type: failure.type, text, effect: failure.effect }
    : { type: 'other', text, effect: 'ignore' }
}

type Finding =
  | { verdict: 'none'; reason: string }
  | { verdict: 'switch' | 'offer' | 'tell'; reason: string; window: LimitWindow; scope: LimitScope }

function decide(meaning: Meaning, fields: Fields): Finding {
  const isTheirs = fields.isOrganizations || (meaning.type === 'unknown' && meaning.organization)
  switch (meaning.type) {
    case 'other':
      if (meaning.firm || !fields.proven) return { verdict: 'none', reason: meaning.reason }
      return unknownLimit(fields, isTheirs)
    case 'unknown':
      if (fields.proven || fields.likely || fields.isCreditsModel) return unknownLimit(fields, isTheirs)
      if (fields.isRateLimit && !fields.isTransient && isTheirs) return unknownLimit(fields, true)
      return { verdict: 'none', reason: 'an API error with nothing of a limit' }
    case 'limit':
      return decideLimit(meaning, fields)
  }
}

/** The fields tell of a limit, the words are new: nothing that may cost money by itself. */
function unknownLimit(fields: Fields, isTheirs: boolean): Finding {
  const { window, scope } = claimed(fields.claim)
  if (isTheirs)
    return { verdict: 'tell', reason: 'a limit of the organization', window, scope: { type: 'organization' } }
  return { verdict: 'offer', reason: 'the fields of a limit with unknown words', window, scope }
}

function decideLimit(meaning: Extract<Meaning, { type: 'limit' }>, fields: Fields): Finding {
  const { window, scope, verdict } = meaning
  if (meaning.evidence === 'weak' && !fields.proven && !fields.isRateLimit) {
    return { verdict: 'none', reason: 'words of a limit with no field that says the same' }
  }
  if (verdict === 'tell') return { verdict, reason: 'a limit of the organization', window, scope }
  const claim = claimed(fields.claim)
  if (fields.isOrganizations) return unknownLimit(fields, true)
  if (scope.type === 'model') return { verdict: 'offer', reason: 'a limit of one model', window, scope }
  if (claim.scope.type === 'model') return { verdict: 'offer', reason: 'a limit of one model', ...claim }
  const both = { window: window === 'unknown' ? claim.window : window, scope }
  if (verdict === 'offer') return { verdict, reason: 'the row cannot tell whose money it is', ...both }
  const objections = isClaimed(window, fields.claim)
    ? fields.objections
    : [...fields.objections, 'its claim is another one']
  if (objections.length > 0)
    return { verdict: 'offer', reason: `a limit, but ${objections.join(', ')}`, ...both }
  return { verdict: 'switch', reason: 'a limit of the account', ...both }
}

/** Whether the server's claim can be meant by these words. */
function isClaimed(window: LimitWindow, claim: string | undefined): boolean {
  if (claim === undefined) return true
  switch (window) {
    case 'session':
      return claim === 'five_hour'
    case 'weekly':
      return claim === 'seven_day'
    case 'monthly':
      return /^(?:monthly|one_month|thirty_day)$/.test(claim)
    case 'unknown':
      return claim === 'five_hour' || claim === 'seven_day'
    case 'credits':
      return claim === 'five_hour' || claim === 'seven_day' || claim === 'overage'
    case 'spend':
      return false
  }
}

function limitOf(
  row: Row,
  text: string,
  finding: Exclude<Finding, { verdict: 'none' }>,
  fields: Fields,
  context: LimitContext,
): Limit {
  const at = timeOf(row.timestamp)
  const { window, scope } = finding
  const clock = { timeZone: context.timeZone, now: at ?? context.now, window }
  const resetsAt = fields.resetsAt ?? parseReset(normalizeText(text), clock) ?? parseReset(text, clock)
  return {
    window: window === 'unknown' && finding.verdict === 'switch' ? likelyWindow(text, resetsAt, at) : window,
    scope,
    verdict: isMain(row) ? finding.verdict : 'subagent',
    resetsAt,
    source: fields.claim !== undefined || fields.resetsAt !== undefined ? 'structured' : 'text',
    rowId: stringOf(row.uuid),
    at,
    text,
  }
}

/** "You've hit your limit": a session's reset is 5 h away at most, and a text has a date from 24 h on. */
function likelyWindow(text: string, resetsAt: number | undefined, at: number | undefined): LimitWindow {
  if (resetsAt === undefined) return 'unknown'
  if (at !== undefined) return resetsAt - at <= 5.2 * 3_600_000 ? 'session' : 'weekly'
  return /\b[A-Z][a-z]{2} \d{1,2}\b/.test(text) ? 'weekly' : 'session'
}

/** Only a plain `false`, or nothing, makes a row the main conversation's: acting on a subagent's costs money. */
function isMain(row: Row): boolean {
  return row.isSidechain == null || row.isSidechain === false
}

function timeOf(timestamp: unknown): number | undefined {
  const time = typeof timestamp === 'string' ? Date.parse(timestamp) : timestamp
  return typeof time === 'number' && time > 1_420_000_000_000 && time < 4_102_444_800_000 ? time : undefined
}
