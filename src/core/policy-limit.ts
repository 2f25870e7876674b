import { describeReached, judgeSpent, wouldReach } from './budget.ts'
import { type Limit, limitKey } from './limit.ts'
import {
  type Action,
  type ApiNotice,
  besideOf,
  besideQuestion,
  type Input,
  limitOf,
  log,
  type Obstacle,
  type Rules,
  type State,
  type Step,
  setReset,
  stay,
} from './policy-state.ts'
import { switchTo } from './policy-switch.ts'

/** A limit that a Claude Code of this session has met. */
export function meetLimit(state: State, input: Extract<Input, { type: 'limit' }>, rules: Rules): Step {
  const { limit, version } = input
  const key = limitKey(limit)
  const past = limit.at !== undefined && limit.at < state.startedAt
  // On the API a plan's limit is nobody's business, and the rows of a child that is ending are old news.
  if (past || state.billing === 'api' || state.next !== undefined || state.met.includes(key))
    return stay(state)
  if (limit.verdict === 'subagent') {
    return {
      state: { ...state, waiting: [...state.waiting, input] },
      actions: [{ type: 'remind', afterMs: SUBAGENT_MS }],
    }
  }
  const met = { ...state, met: [...state.met, key] }
  const seen = log(`limit met: ${limit.window}, ${limit.verdict} (${limit.source}): ${limit.text}`)
  if (limit.verdict === 'tell') {
    return {
      state: { ...met, notice: besideQuestion(state, { type: 'told', text: limit.text }) },
      actions: [seen],
    }
  }
  const announce: Action = { type: 'announce', about: 'limit', limit }
  const obstacle = findObstacle(state, rules, version)
  if (obstacle !== undefined) {
    const notice = besideQuestion(state, { type: 'unable', limit, ...obstacle })
    return { state: { ...met, notice }, actions: [seen, { ...announce, obstacle }] }
  }
  const question = isAutomatic(state, limit, rules) ? findRisk(state, input, rules) : {}
  if (question === undefined) {
    const step = switchTo(met, { billing: 'api', prompt: true, limit })
    return { ...step, actions: [seen, announce, ...step.actions] }
  }
  const notice = besideQuestion(state, { type: 'offer', limit, ...question })
  return { state: { ...met, notice }, actions: [seen, announce] }
}

/** Whether the user wants no question. */
function isAutomatic({ clearedAt }: State, limit: Limit, { autoRestart }: Rules): boolean {
  // The end of a transcript is read again when the conversation comes back to it.
  const isOver = clearedAt !== undefined && limit.at !== undefined && limit.at < clearedAt
  return autoRestart && limit.verdict === 'switch' && !isOver
}

/** Why money is not spent without a question all the same. */
function findRisk(
  { spent, endedAtCap }: State,
  { usd }: Extract<Input, { type: 'limit' }>,
  { caps }: Rules,
): { why: string } | undefined {
  if (endedAtCap) return { why: 'a cap ended API billing before' }
  // A cap that nobody can check has been consented to by nobody.
  if (spent.isDayPartial && caps.day !== Infinity) return { why: 'what today has cost cannot be read' }
  return wouldReach(spent, caps, usd) ? { why: 'the first request may reach a cap' } : undefined
}

/** The row of the main conversation follows within a second when its turn fails, and then decides. */
const SUBAGENT_MS = 10_000

/** A limit that only a subagent met, and the main conversation did not run into: worth an offer. */
export function offerWaiting(state: State, rules: Rules): Step {
  const [first, ...waiting] = state.waiting
  if (first === undefined) return stay(state)
  return meetLimit({ ...state, waiting }, { ...first, limit: { ...first.limit, verdict: 'offer' } }, rules)
}

/** The refused request of a wrong belief costs nothing, a switch on it would: it is only said. */
export function believeLimit(state: State, limit: Limit, rules: Rules): Step {
  const { notice } = state
  const known = limitOf(notice)
  if (known !== undefined && isSameWindow(known, limit)) {
    // It has slid later, or is known only now.
    const isNews = limit.resetsAt !== undefined && limit.resetsAt > (known.resetsAt ?? 0)
    return isNews ? stay({ ...state, notice: setReset(notice, limit.resetsAt) }) : stay(state)
  }
  if (state.billing === 'api' || state.next !== undefined || notice.type !== 'none') return stay(state)
  if (limit.verdict === 'tell' || state.met.includes(limitKey(limit))) return stay(state)
  const obstacle = findObstacle(state, rules, undefined)
  if (obstacle !== undefined) return stay({ ...state, notice: { type: 'unable', limit, ...obstacle } })
  return stay({ ...state, notice: { type: 'offer', limit, isBelieved: true } })
}

/** True for two sightings of one window, whatever they say of its reset. */
function isSameWindow(one: Limit, other: Limit): boolean {
  if (one.window === 'unknown') return limitKey(one) === limitKey(other)
  const nameOf = (limit: Limit) => limitKey({ ...limit, resetsAt: undefined })
  return nameOf(one) === nameOf(other)
}

/** What was said of a limit that is over is taken back; a session on the key may go back. */
export function clearLimits(state: State, now: number): Step {
  const { notice } = state
  const told = besideOf(notice)
  if (told.type === 'api') {
    if (told.limit === undefined || told.back !== undefined) return stay(state)
    // Nobody knows when it really ends: one may try, but not by itself.
    if (told.limit.resetsAt === undefined) return offerBack(state, told)
    return stay({ ...state, notice: setReset(notice, Math.min(told.limit.resetsAt, now)) })
  }
  const isOver = told.type === 'offer' || told.type === 'unable'
  const rest = isOver ? besideQuestion(state, { type: 'none' }) : notice
  return stay({ ...state, met: [], waiting: [], clearedAt: now, notice: rest })
}

/** The way back waits for the user. */
export function offerBack(state: State, told: ApiNotice): Step {
  const notice = besideQuestion(state, { ...told, back: 'offered' })
  return { state: { ...state, notice }, actions: [{ type: 'announce', about: 'back' }] }
}

/** Why there can be no switch, and what to do about it. */
export function findObstacle(state: State, rules: Rules, version: string | undefined): Obstacle | undefined {
  if (isTooOld(version)) {
    const reason = `Claude Code ${version} cannot take a conversation to the key`
    return { reason, repair: 'update it with `claude update`' }
  }
  if (state.keyRefused)
    return { reason: 'the API refused the key', repair: 'set another and restart claudef' }
  if (rules.noKey !== undefined) {
    return { reason: rules.noKey, repair: 'give one with `claude-fallback key set`' }
  }
  if (judgeSpent(state.spent, rules.caps) !== 'reached') return undefined
  return { ...describeReached(state.spent, rules.caps), isCap: true }
}

/** Before 2.0.76 a resumed conversation moves to another file, or the settings' key is ignored (measured on 1.0.90). */
function isTooOld(version: string | undefined): boolean {
  const [, major = 2, minor = 1, patch = 0] = /^(\d+)\.(\d+)\.(\d+)/.exec(version ?? '')?.map(Number) ?? []
  return (major - 2 || minor || patch - 76) < 0
}
