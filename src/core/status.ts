import { describeLimit } from './limit-words.ts'
import { type StartBilling, startBilling } from './mode.ts'
import type { Billing } from './policy.ts'
import { endOf, type KnownLimit, limitsInForce, modeInForce, type SharedState } from './shared-state.ts'
import type { Amount } from './spend.ts'

export type MonitorState =
  | { type: 'running'; pid: number; startedAt: number; version: string }
  | { type: 'stopped' }
  /** There is a pid file, but its process is gone or another one. */
  | { type: 'stale' }

/** What is known of one place where a key may be. `shown` is `…` and its last four characters at most. */
export type KeyPlace = {
  source: string
  isSet: boolean
  isUsed: boolean
  /** Empty where there is nothing to show. */
  shown: string
  /** Why it is not used. */
  problem?: string
  note?: string
}

/** All that `claude-fallback status` has found out. Instants in epoch ms. */
export type StatusFacts = {
  now: number
  /** With the sessions that are alive alone. */
  state: SharedState
  monitor: MonitorState
  chosen: Billing | undefined
  chosenBy: 'environment' | 'file' | 'default'
  today: Amount
  /** USD; `Infinity` for no cap. */
  caps: { maxUsd: number; maxUsdPerDay: number }
  keys: readonly KeyPlace[]
  config: { path: string | undefined; isRead: boolean; problems: readonly string[] }
  /** What could not be found out, in sentences. */
  problems: readonly string[]
}

type Window = KnownLimit['window']

/** What `claude-fallback status --json` prints. Instants are ISO 8601 in UTC; null: not known, or none. */
export type StatusReport = {
  version: 1
  now: string
  monitor: {
    state: MonitorState['type']
    pid: number | null
    startedAt: string | null
    /** Of claudef, when it was started. */
    version: string | null
  }
  billing: {
    /** What a new session starts on. */
    newSessions: Billing
    /** Who says so: a variable, the config file, `claude-fallback mode`, or nobody. */
    source: StartBilling['source']
    until: string | null
    /** The shared mode, which the environment and the config file go before. */
    mode: Billing
    modeUntil: string | null
    /** Why API billing cannot begin. */
    obstacle: string | null
  }
  limits: {
    window: Window
    /** Of a limit of one model. */
    model: string | null
    scope: KnownLimit['scope']['type']
    resetsAt: string | null
    /** The reset; where it is not known, when the limit is no longer believed in. */
    endsAt: string
    /** Until `endsAt`. */
    secondsLeft: number
    seenAt: string
    /** The folder of the session that met it. */
    cwd: string | null
    sessionId: string | null
    configDir: string
    text: string
    /** For people: `5-hour limit · resets 4:13pm, in 1h 59m`. */
    shown: string
  }[]
  sessions: {
    pid: number
    /** Who runs it or has seen it. */
    by: 'claudef' | 'monitor'
    cwd: string
    billing: Billing
    /** The limit that it has met. */
    limit: Window | null
    resetsAt: string | null
    startedAt: string
    sessionId: string | null
  }[]
  /** USD; a cap of null is none. */
  spend: {
    todayUsd: number
    /** Some of it had no known price. */
    isLowerBound: boolean
    maxUsdPerDay: number | null
    maxUsdPerSession: number | null
  }
  /** `source` is null where no key is found. */
  key: { source: string | null; shown: string | null; sources: Required<Nullable<KeyPlace>>[] }
  config: { file: string | null; isRead: boolean; problems: readonly string[] }
  problems: readonly string[]
}

type Nullable<T> = { [Key in keyof T]: Exclude<T[Key], undefined> | null }

export function makeStatusReport(facts: StatusFacts, timeZone: string): StatusReport {
  const { now, state, monitor, config, problems } = facts
  const isRunning = monitor.type === 'running'
  return {
    version: 1,
    now: iso(now),
    monitor: {
      state: monitor.type,
      pid: isRunning ? monitor.pid : null,
      startedAt: isRunning ? iso(monitor.startedAt) : null,
      version: isRunning ? monitor.version : null,
    },
    billing: reportBilling(facts),
    limits: limitsInForce(state, now).map((limit) => reportLimit(limit, { now, timeZone })),
    sessions: state.sessions.map((session) => ({
      pid: session.pid,
      by: session.by,
      cwd: session.cwd,
      billing: session.billing,
      limit:
        state.limits.find(({ key }) => key === session.limit)?.window ??
        (session.limit === undefined ? null : 'unknown'),
      resetsAt: optionalIso(session.resetsAt),
      startedAt: iso(session.startedAt),
      sessionId: session.sessionId ?? null,
    })),
    spend: reportSpend(facts),
    key: reportKey(facts.keys),
    config: { file: config.path ?? null, isRead: config.isRead, problems: config.problems },
    problems,
  }
}

/** Why nothing can be billed to the API, whatever the mode says; undefined: it can. */
export function findObstacle({
  hasKey,
  caps,
}: {
  hasKey: boolean
  caps: StatusFacts['caps']
}): { why: string; repair: string } | undefined {
  if (!hasKey) return { why: 'no API key is found', repair: 'Store one with `claude-fallback key set`.' }
  const repair = (name: string) => `Raise ${name}, or leave it away.`
  if (caps.maxUsdPerDay === 0) {
    return { why: 'max_usd_per_day is 0', repair: repair('CLAUDE_FALLBACK_MAX_USD_PER_DAY') }
  }
  return caps.maxUsd === 0 ? { why: 'max_usd is 0', repair: repair('CLAUDE_FALLBACK_MAX_USD') } : undefined
}

function reportBilling({ state, now, chosen, chosenBy, keys, caps }: StatusFacts): StatusReport['billing'] {
  const start = startBilling(state, { now, chosen, source: chosenBy })
  const mode = modeInForce(state, now)
  return {
    newSessions: start.billing,
    source: start.source,
    until: optionalIso(start.until),
    mode,
    modeUntil: mode === 'api' ? optionalIso(state.mode?.until) : null,
    obstacle: findObstacle({ hasKey: keys.some(({ isUsed }) => isUsed), caps })?.why ?? null,
  }
}

function reportLimit(
  limit: KnownLimit,
  context: { now: number; timeZone: string },
): StatusReport['limits'][number] {
  const endsAt = endOf(limit)
  const isKnown = limit.resetsAt === endsAt
  return {
    window: limit.window,
    model: limit.scope.type === 'model' ? limit.scope.name : null,
    scope: limit.scope.type,
    resetsAt: isKnown ? iso(endsAt) : null,
    endsAt: iso(endsAt),
    secondsLeft: Math.ceil((endsAt - context.now) / 1000),
    seenAt: iso(limit.seenAt),
    cwd: limit.cwd ?? null,
    sessionId: limit.sessionId ?? null,
    configDir: limit.configDir,
    text: limit.text,
    shown: describeLimit({ ...limit, resetsAt: isKnown ? endsAt : undefined }, context),
  }
}

function reportSpend({ today, caps }: StatusFacts): StatusReport['spend'] {
  const cap = (usd: number) => (Number.isFinite(usd) ? usd : null)
  return {
    todayUsd: today.usd,
    isLowerBound: today.isLowerBound,
    maxUsdPerDay: cap(caps.maxUsdPerDay),
    maxUsdPerSession: cap(caps.maxUsd),
  }
}

function reportKey(keys: StatusFacts['keys']): StatusReport['key'] {
  const used = keys.find(({ isUsed }) => isUsed)
  const sources = keys.map(({ source, isSet, isUsed, shown, problem, note }) => ({
    ...{ source, isSet, isUsed },
    shown: shown || null,
    problem: problem ?? null,
    note: note ?? null,
  }))
  return { source: used?.source ?? null, shown: used?.shown || null, sources }
}

function iso(at: number): string {
  return new Date(at).toISOString()
}

function optionalIso(at: number | undefined): string | null {
  return at === undefined ? null : iso(at)
}
