import { type Limit, limitKey } from './limit.ts'
import { describeClock, nameLimit } from './limit-words.ts'
import type { Notification } from './notification.ts'
import { initialState, type Notice, type Rules, type State, type Step, transition } from './policy.ts'
import { endOf, type KnownLimit, limitsInForce, type SharedState } from './shared-state.ts'

/** What is to be done about a limit in somebody's session: tell it, look again after `afterMs`, or nothing. */
export type Judgement =
  | { type: 'news'; notice: News }
  | { type: 'wait'; afterMs: number; state: State }
  | { type: 'none' }

/** What claudef's own row would say. */
type News = Extract<Notice, { type: 'offer' | 'switching' | 'unable' | 'told' }>

type Sighting = {
  limit: Limit
  /** Of the Claude Code that wrote the row. */
  version: string | undefined
  /** Epoch ms. */
  now: number
  /** How long the monitor has been running, in ms, without the jumps of the clock. */
  uptimeMs: number
  rules: Rules
}

/** A row that names no reset and is older than this, in ms, tells nothing of now: copies of old rows are written. */
const FRESH_MS = 10 * 60_000

/** Judges a limit that was just read as claudef would in that session, at its start on the subscription. */
export function judgeSighting({ limit, version, now, uptimeMs, rules }: Sighting): Judgement {
  const age = now - (limit.at ?? now)
  const isOver = limit.resetsAt === undefined ? age > FRESH_MS : limit.resetsAt <= now
  if (isOver) return { type: 'none' }
  const state = initialState('subscription', now - uptimeMs)
  return judgeStep(transition(state, { type: 'limit', limit, version }, rules))
}

/** Judges what had to wait: a subagent's limit that the main conversation may have run into meanwhile. */
export function judgeAgain(state: State, rules: Rules): Judgement {
  return judgeStep(transition(state, { type: 'reminded' }, rules))
}

function judgeStep({ state, actions }: Step): Judgement {
  const { notice } = state
  const remind = actions.find((action) => action.type === 'remind')
  if (remind !== undefined) return { type: 'wait', afterMs: remind.afterMs, state }
  switch (notice.type) {
    case 'offer':
    case 'switching':
    case 'unable':
    case 'told':
      return { type: 'news', notice }
    case 'none':
    case 'question':
    case 'api':
    case 'returned':
      return { type: 'none' }
  }
}

/** What the state file keeps of a limit. */
export function toKnownLimit(
  limit: Limit,
  seen: Pick<KnownLimit, 'account' | 'configDir' | 'cwd' | 'sessionId' | 'seenAt'>,
): KnownLimit {
  const { window, scope, text, resetsAt } = limit
  return { ...seen, key: limitKey(limit), window, scope, text, resetsAt }
}

export type Telling = {
  /** Epoch ms. */
  now: number
  /** IANA name of the zone in which clock times are shown. */
  timeZone: string
  /** The session's working folder, where the row tells it. */
  cwd: string | undefined
  /** The user's home folder, shown as `~`. */
  home: string
}

/** `5-hour limit reached, resets 4:13pm` · `Run claude-api in ~/proj to go on` */
export function renderLimitNews(limit: Limit, notice: News, telling: Telling): Notification {
  const name = nameLimit(limit)
  const met = limit.window === 'credits' && limit.scope.type !== 'model' ? name : `${name} reached`
  const resets = limit.resetsAt === undefined ? '' : `, resets ${describeTime(limit.resetsAt, telling)}`
  return { title: `${met}${resets}`, text: adviseOn(limit, notice, telling) }
}

function adviseOn(limit: Limit, notice: News, { cwd, home }: Telling): string {
  const run = `claude-api${cwd === undefined ? '' : ` in ${shortenHome(cwd, home)}`}`
  switch (notice.type) {
    case 'told':
      return notice.text
    case 'unable':
      return `${notice.reason}: ${notice.repair}`
    case 'switching':
      return `Run ${run} to go on; with claudef it would have gone on by itself`
    case 'offer':
      if (limit.scope.type !== 'model') return `Run ${run} to go on`
      return `/model to another model stays on your plan; or run ${run} to go on`
  }
}

/** A reset that lies further back, in ms, is no news to somebody who has been away. */
const OLD_MS = 12 * 3600 * 1000

/**
 * What to tell of limits that have just been found to be over; `undefined` where nothing is known to be back: another
 * limit still holds, the reset was only a guess, or long ago.
 * @param state without the limits that are over
 */
export function renderResetNews(
  expired: readonly KnownLimit[],
  state: SharedState,
  { now, timeZone }: Pick<Telling, 'now' | 'timeZone'>,
): Notification | undefined {
  const isNews = (limit: KnownLimit) =>
    limit.resetsAt !== undefined && endOf(limit) === limit.resetsAt && now - limit.resetsAt < OLD_MS
  const news = expired.filter((limit) => isNews(limit) && !isHeldBack(limit, state, now))
  if (news.length === 0) return undefined
  const names = news.map(
    (limit) => `${nameLimit(limit)} reset ${describeClock(endOf(limit), { now, timeZone })}`,
  )
  const models = news.map(({ scope }) => (scope.type === 'model' ? scope.name : undefined))
  const isAll = models.includes(undefined)
  return {
    title: isAll ? 'Your subscription is back' : `${models.join(' and ')} is back on your subscription`,
    text: [...new Set(names)].join(' · '),
  }
}

/** A model's own limit does not hold the others back. */
function isHeldBack(limit: KnownLimit, state: SharedState, now: number): boolean {
  return limitsInForce(state, now, limit).some(({ scope }) => scope.type !== 'model')
}

/** Epoch ms of the next end of a limit; `undefined` where none is known. */
export function nextEnd(state: SharedState): number | undefined {
  return state.limits.length === 0 ? undefined : Math.min(...state.limits.map(endOf))
}

/** `4:13pm`, `Nov 25, 2:13pm` */
function describeTime(time: number, clock: Telling): string {
  return describeClock(time, clock).replace(/^at /, '')
}

/** `~/proj` */
function shortenHome(folder: string, home: string): string {
  if (folder === home) return '~'
  return folder.startsWith(`${home}/`) ? `~${folder.slice(home.length)}` : folder
}
