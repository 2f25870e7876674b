import { parseJson } from './json.ts'
import { type Limit, type LimitScope, limitKey } from './limit.ts'
import { isRecord } from './limit-fields.ts'
import type { Billing } from './policy.ts'
import {
  ANNOUNCED_FIELDS,
  LIMIT_FIELDS,
  MODE_FIELDS,
  matches,
  parseItems,
  SESSION_FIELDS,
} from './shared-state-fields.ts'

/** Whose limit or session it is: a plan's limits belong to an account, and a login to a config folder. */
export type Account = {
  configDir: string
  /** `accountUuid` of `oauthAccount` in `.claude.json`; empty where unknown. */
  account: string
}

export type KnownLimit = Account & {
  /** See `limitKey`. */
  key: string
  window: Limit['window']
  scope: Limit['scope']
  text: string
  /** Epoch ms. */
  resetsAt: number | undefined
  /** Epoch ms. */
  seenAt: number
  cwd: string | undefined
  sessionId: string | undefined
}

export type SessionEntry = Account & {
  pid: number
  /** Tells a process from a later one with the same pid; empty where the system does not say. */
  processStart: string
  cwd: string
  sessionId: string | undefined
  transcript: string | undefined
  billing: Billing
  /** The key of the limit that it has met. */
  limit: string | undefined
  /** Epoch ms. */
  resetsAt: number | undefined
  /** Epoch ms. */
  startedAt: number
  by: 'claudef' | 'monitor'
}

/** What all sessions and the monitor of one user know together. */
export type SharedState = {
  /** 1, or the number of the newer version that wrote the file. */
  version: number
  /** Billing that the user chose for new sessions, until an instant in epoch ms. */
  mode: { billing: 'api'; until: number } | undefined
  limits: KnownLimit[]
  sessions: SessionEntry[]
  /** What the desktop has been told. `at` is epoch ms. */
  announced: { key: string; at: number }[]
  lastSwitchTold: boolean
}

const VERSION = 1
const DAY = 24 * 3600 * 1000

/** How long a limit without a known reset is believed in. */
const BELIEF_MS = DAY
/** How long an announcement is remembered: longer than the longest common window, a week. */
const ANNOUNCED_MS = 8 * DAY
/** No window of a plan is longer than a month: a later instant comes from a clock that was wrong. */
const LONGEST_MS = 32 * DAY

export function emptyState(): SharedState {
  return { version: VERSION, mode: undefined, limits: [], sessions: [], announced: [], lastSwitchTold: false }
}

/**
 * Reads the state file. An empty text is an empty state. Damaged parts are left out and counted as `dropped`; fields
 * that only a newer version knows stay where they are, for the next write.
 * @returns a `problem`, in words, where the text is no state file at all
 */
export function parseSharedState(
  text: string,
): { state: SharedState; dropped: number } | { problem: string } {
  if (text.trim() === '') return { state: emptyState(), dropped: 0 }
  const value = parseJson(text)
  if (!isRecord(value)) return { problem: 'it holds no JSON object' }
  const { version } = value
  if (!Number.isInteger(version) || Number(version) < VERSION) return { problem: 'it has no version' }
  const limits = parseItems<KnownLimit>(value.limits, LIMIT_FIELDS)
  const sessions = parseItems<SessionEntry>(value.sessions, SESSION_FIELDS)
  const announced = parseItems<SharedState['announced'][number]>(value.announced, ANNOUNCED_FIELDS)
  const mode = matches(value.mode, MODE_FIELDS) ? (value.mode as SharedState['mode']) : undefined
  const others = [
    value.mode !== undefined && !mode,
    !['boolean', 'undefined'].includes(typeof value.lastSwitchTold),
  ]
  return {
    state: {
      ...value,
      version: Number(version),
      mode,
      limits: limits.items,
      sessions: sessions.items,
      announced: announced.items,
      lastSwitchTold: value.lastSwitchTold === true,
    },
    dropped: limits.dropped + sessions.dropped + announced.dropped + others.filter(Boolean).length,
  }
}

/** The file's text for a state. */
export function renderSharedState(state: SharedState): string {
  return `${JSON.stringify(state, undefined, 2)}\n`
}

/** One line of JSON for `.claude_fallback_active`; `undefined` while no limit is in force. */
export function renderFlag(state: SharedState, now: number): string | undefined {
  const limits = limitsInForce(state, now).map((limit) => ({
    window: limit.window,
    ...(limit.scope.type === 'model' && { model: limit.scope.name }),
    until: new Date(endOf(limit)).toISOString(),
    isResetKnown: hasReset(limit),
  }))
  return limits.length === 0 ? undefined : `${JSON.stringify({ limits })}\n`
}

/**
 * Adds what was seen of a limit, in place of what was known of it: one entry per account, config folder and key, and
 * one per window that is known by name. The later reset wins: windows slide, and somebody may read an old row.
 */
export function addLimit(state: SharedState, limit: KnownLimit): SharedState {
  const known = state.limits.filter((other) => isSameLimit(other, limit))
  const merged = known.reduce(mergeLimits, limit)
  return { ...state, limits: [...state.limits.filter((other) => !known.includes(other)), merged] }
}

function mergeLimits(seen: KnownLimit, other: KnownLimit): KnownLimit {
  const isOtherLater = hasReset(other) && other.resetsAt > Math.max(seen.seenAt, seen.resetsAt ?? 0)
  const { key, resetsAt } = isOtherLater ? other : seen
  return { ...other, ...seen, key, resetsAt }
}

function isSameLimit(one: KnownLimit, other: KnownLimit): boolean {
  if (one.account !== other.account || one.configDir !== other.configDir) return false
  if (one.key === other.key) return true
  return one.window !== 'unknown' && one.window === other.window && nameOf(one.scope) === nameOf(other.scope)
}

function nameOf(scope: LimitScope): string {
  return scope.type === 'model' ? `model ${scope.name}` : scope.type
}

/**
 * The limits whose reset lies ahead; one without a known reset counts for 24 h from when it was last seen.
 * With an account: its own, and those of its config folder where either account is unknown.
 */
export function limitsInForce(state: SharedState, now: number, account?: Account): KnownLimit[] {
  return state.limits.filter((limit) => isInForce(limit, now) && (!account || belongsTo(limit, account)))
}

function belongsTo(limit: KnownLimit, { configDir, account }: Account): boolean {
  return limit.configDir === configDir && ['', account].includes(account === '' ? '' : limit.account)
}

function isInForce(limit: KnownLimit, now: number): boolean {
  // Where the clock went back, a limit was seen in the future: it is not believed in for longer than otherwise.
  return hasReset(limit) ? endOf(limit) > now : Math.abs(now - limit.seenAt) < BELIEF_MS
}

/** Epoch ms after which a limit is no longer believed in: its reset, or 24 h after it was last seen. */
export function endOf(limit: KnownLimit): number {
  return hasReset(limit) ? limit.resetsAt : limit.seenAt + BELIEF_MS
}

function hasReset(limit: KnownLimit): limit is KnownLimit & { resetsAt: number } {
  return limit.resetsAt !== undefined && limit.resetsAt <= limit.seenAt + LONGEST_MS
}

/** Takes out the limits that are over, for whoever tells of them. */
export function expireLimits(state: SharedState, now: number): { state: SharedState; expired: KnownLimit[] } {
  const limits = limitsInForce(state, now)
  const expired = state.limits.filter((limit) => !limits.includes(limit))
  return { state: expired.length === 0 ? state : { ...state, limits }, expired }
}

export function clearLimits(state: SharedState): SharedState {
  return { ...state, limits: [] }
}

/** Adds a session, or what is new of one that is there: its process makes it the same. */
export function enterSession(state: SharedState, session: SessionEntry): SharedState {
  const others = leaveSession(state, session.pid, session.processStart)
  return { ...others, sessions: [...others.sessions, session] }
}

export function leaveSession(state: SharedState, pid: number, processStart: string): SharedState {
  const isIt = (session: SessionEntry) => session.pid === pid && session.processStart === processStart
  return { ...state, sessions: state.sessions.filter((session) => !isIt(session)) }
}

/**
 * Notes that the desktop is being told of something. `isFirst` for the one caller who is to tell it, among all
 * processes and for 8 days.
 */
export function announceOnce(
  state: SharedState,
  key: string,
  now: number,
): { state: SharedState; isFirst: boolean } {
  const recent = state.announced.filter(({ at }) => Math.abs(now - at) < ANNOUNCED_MS)
  const isFirst = !recent.some((announcement) => announcement.key === key)
  const announced = isFirst ? [...recent, { key, at: now }] : recent
  return { state: { ...state, announced }, isFirst }
}

/** The key for `announceOnce` of a limit that was met: one for claudef's sessions and the monitor. */
export function announcementKey({ account, configDir }: Account, limit: Limit): string {
  return [limitKey(limit), account, configDir].join(' · ')
}

/** What new sessions start on: never `api` for longer than a month, whatever the file or the clock say. */
export function modeInForce(state: SharedState, now: number): Billing {
  const { mode } = state
  return mode !== undefined && now < mode.until && mode.until <= now + LONGEST_MS ? 'api' : 'subscription'
}
