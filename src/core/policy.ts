import { describeReached, judgeSpent, type Spent, wouldReach } from './budget.ts'
import type { ApiFailure, Limit } from './limit.ts'
import { limitKey } from './limit.ts'
import {
  type Action,
  type ApiNotice,
  apiNotice,
  besideOf,
  besideQuestion,
  type Input,
  initialState,
  type Lasting,
  limitOf,
  type Next,
  type Notice,
  type Obstacle,
  type Rules,
  type State,
  type Step,
  setReset,
} from './policy-state.ts'

export type { Action, ApiNotice, Billing, Input, Notice, Rules, State, Step } from './policy-state.ts'
export { initialState, limitOf } from './policy-state.ts'

/** How long after a reset one goes back, in ms: the server's clock need not be ours. */
const AFTER_RESET_MS = 60_000

/** Between two returns by itself lie this many ms at least, so that a limit that does not end costs no endless turns. */
const BETWEEN_RETURNS_MS = 15 * 60_000

/** How long the row tells of the return, in ms. */
const RETURNED_MS = 10_000

/** Every decision about limits and money. Pure: the same state and input give the same step. */
export function transition(state: State, input: Input, rules: Rules): Step {
  // It is over: nothing may follow but the end.
  if (state.quitting && input.type !== 'ended') return stay(state)
  switch (input.type) {
    case 'limit':
      return meetLimit(state, input, rules)
    case 'believed':
      return believeLimit(state, input.limit, rules)
    case 'cleared':
      return clearLimits(state, input.now)
    case 'reminded':
      return offerWaiting(state, rules)
    case 'failure':
      return meetFailure(state, input.failure, input.at)
    case 'key':
      return pressKey(state, input.key, rules)
    case 'dismiss':
      return dismiss(state)
    case 'spent':
      return countSpent(state, input.spent, rules)
    case 'time':
      return lookAtClock(state, input, rules)
    case 'clock':
      return stay(mendClock(state, input.now))
    case 'held': {
      const { notice } = state
      if (notice.type !== 'switching') return stay(state)
      return stay({ ...state, notice: { ...notice, waitsFor: input.waitsFor } })
    }
    case 'stuck':
      return giveUpSwitch(state, input.reason)
    case 'quit':
      return stay({ ...state, quitting: true })
    case 'ended':
      return followChild(state, input, rules)
  }
}

/** Epoch ms at which `time` may change something by itself; `undefined`: never. */
export function nextLook(state: State): number | undefined {
  const { notice, returnedAt } = state
  if (notice.type === 'returned') return notice.until
  const limit = limitOf(notice)
  if (limit?.resetsAt === undefined || state.next !== undefined) return undefined
  const due = limit.resetsAt + AFTER_RESET_MS
  if (state.billing === 'subscription') return due
  const told = besideOf(notice)
  const back = told.type === 'api' ? told.back : undefined
  // The user's turn; and while a question stands in the row, nothing goes by itself.
  if (back === 'offered' || (back === 'waiting' && notice.type === 'question')) return undefined
  // A key that was refused is left for good: there is no loop that could cost turns.
  if (returnedAt === undefined || state.keyRefused) return due
  return Math.max(due, returnedAt + BETWEEN_RETURNS_MS)
}

function meetLimit(state: State, input: Extract<Input, { type: 'limit' }>, rules: Rules): Step {
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
function offerWaiting(state: State, rules: Rules): Step {
  const [first, ...waiting] = state.waiting
  if (first === undefined) return stay(state)
  return meetLimit({ ...state, waiting }, { ...first, limit: { ...first.limit, verdict: 'offer' } }, rules)
}

/** The refused request of a wrong belief costs nothing, a switch on it would: it is only said. */
function believeLimit(state: State, limit: Limit, rules: Rules): Step {
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
function clearLimits(state: State, now: number): Step {
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

/** Why there can be no switch, and what to do about it. */
function findObstacle(state: State, rules: Rules, version: string | undefined): Obstacle | undefined {
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

/** Trouble on the API is said, and never a reason to end a child: a loop would cost money. */
function meetFailure(state: State, failure: ApiFailure, at: number | undefined): Step {
  const past = at !== undefined && at < state.startedAt
  if (past || state.billing !== 'api' || state.next !== undefined || failure.effect === 'ignore')
    return stay(state)
  const told = besideOf(state.notice)
  const notice: Notice = { ...(told.type === 'api' ? told : apiNotice(undefined)), failure }
  return {
    state: {
      ...state,
      keyRefused: state.keyRefused || failure.effect === 'stop',
      notice: besideQuestion(state, notice),
    },
    actions: [log(`on API billing: ${failure.type}: ${failure.text}`)],
  }
}

function pressKey(state: State, key: 'switch' | 'enter' | 'escape' | 'other', rules: Rules): Step {
  const { notice } = state
  if (notice.type === 'question') {
    if (key === 'enter') return answerYes(state, notice, rules)
    // Anything else than a clear yes is a no; the switch key again takes the offer itself away.
    const answered = { ...state, notice: notice.before }
    return key === 'switch' ? dismiss(answered) : stay(answered)
  }
  if (key !== 'switch') return stay(state)
  if (notice.type === 'api') {
    return stay({ ...state, notice: { type: 'question', billing: 'subscription', before: notice } })
  }
  if (notice.type !== 'offer') return stay(state)
  // Since the offer was made, others may have spent what a cap leaves.
  const obstacle = findObstacle(state, rules, undefined)
  if (obstacle !== undefined) {
    return stay({ ...state, notice: { type: 'unable', limit: notice.limit, ...obstacle } })
  }
  return stay({ ...state, notice: { type: 'question', billing: 'api', before: notice } })
}

/** A yes counts for what was asked: not where the offer has been taken back meanwhile. */
function answerYes(
  state: State,
  { billing, before }: Extract<Notice, { type: 'question' }>,
  rules: Rules,
): Step {
  if (billing === 'subscription') return switchTo(state, { billing, prompt: false, limit: undefined })
  if (before.type === 'none') {
    const text = 'No switch: the limit is over, your subscription goes on'
    return stay({ ...state, notice: { type: 'told', text } })
  }
  if (before.type !== 'offer') return stay({ ...state, notice: before })
  const { limit, isBelieved } = before
  const obstacle = findObstacle(state, rules, undefined)
  if (obstacle !== undefined) return stay({ ...state, notice: { type: 'unable', limit, ...obstacle } })
  // What another session met has interrupted nothing here that could go on.
  return switchTo({ ...state, endedAtCap: false }, { billing, prompt: isBelieved !== true, limit })
}

/** What is only said may go. Who pays stays in sight. */
function dismiss(state: State): Step {
  const { notice } = state
  if (notice.type === 'question') return dismiss({ ...state, notice: notice.before })
  const stays = notice.type === 'api' || notice.type === 'switching'
  return stay(stays ? state : { ...state, notice: { type: 'none' } })
}

/** A cap that is reached ends API billing, and nothing starts it again but the user. */
function countSpent(state: State, spent: Spent, rules: Rules): Step {
  const standing = judgeSpent(spent, rules.caps)
  if (state.billing !== 'api') return stay(offerAgain({ ...state, spent }, rules))
  const counted = { ...state, spent, endedAtCap: state.endedAtCap || standing === 'reached' }
  if (state.next !== undefined) return stay(counted)
  if (standing === 'reached') {
    const { reason, brief, repair } = describeReached(spent, rules.caps)
    const [text = '', ...shorter] = [
      `API billing has ended: ${reason} · ${repair}`,
      `API billing has ended: ${brief} · ${repair}`,
      `${brief}: ${repair}`,
    ]
    const notice: Notice = { type: 'told', text, shorter }
    const step = switchTo(counted, { billing: 'subscription', prompt: false, limit: undefined, notice })
    const stop: Action = { type: 'stop', afterTool: true }
    const actions: Action[] = [stop, log(reason), { type: 'announce', about: 'cap' }]
    return { ...step, actions }
  }
  // Another day, another warning.
  if (standing === 'free') return stay({ ...counted, hasWarned: false })
  if (state.hasWarned) return stay(counted)
  return { state: { ...counted, hasWarned: true }, actions: [{ type: 'announce', about: 'near cap' }] }
}

/** A cap that was all that stood in the way has let go: with the day, or since less was spent than it seemed. */
function offerAgain(state: State, rules: Rules): State {
  const told = besideOf(state.notice)
  if (told.type !== 'unable' || !told.isCap || findObstacle(state, rules, undefined) !== undefined)
    return state
  return { ...state, notice: besideQuestion(state, { type: 'offer', limit: told.limit }) }
}

function lookAtClock(before: State, input: Extract<Input, { type: 'time' }>, rules: Rules): Step {
  const state = mendClock(before, input.now)
  const { notice } = state
  const due = nextLook(state)
  if (due === undefined || input.now < due) return stay(state)
  if (notice.type === 'returned') return stay({ ...state, notice: { type: 'none' } })
  const told = besideOf(notice)
  if (told.type !== 'api') return clearLimits(state, input.now)
  if (!rules.autoRestart || !rules.autoReturn) return offerBack(state, told)
  if (!input.isReady || notice.type === 'question') {
    return stay({ ...state, notice: besideQuestion(state, { ...told, back: 'waiting' }) })
  }
  const back: Notice = { type: 'returned', until: input.now + RETURNED_MS }
  const returning = { ...state, returnedAt: input.now }
  return switchTo(returning, { billing: 'subscription', prompt: false, limit: undefined, notice: back })
}

/** True where the clock has been set back since: what happens now would be taken for the past. */
export function isClockBehind({ startedAt, clearedAt = 0 }: State, now: number): boolean {
  return now < startedAt || now < clearedAt
}

/** Rows are read this much later than they were written at most, in ms. */
const LATE_MS = 10_000

/** Where the clock was set back, what lies ahead by its old hands is not waited for, nor does it make now the past. */
function mendClock(state: State, now: number): State {
  const { notice, returnedAt, startedAt, clearedAt } = state
  const until = now + RETURNED_MS
  return {
    ...state,
    notice: notice.type === 'returned' ? { ...notice, until: Math.min(notice.until, until) } : notice,
    returnedAt: returnedAt && Math.min(returnedAt, now),
    startedAt: startedAt > now ? now - LATE_MS : startedAt,
    clearedAt: clearedAt !== undefined && clearedAt > now ? now - LATE_MS : clearedAt,
  }
}

function offerBack(state: State, told: ApiNotice): Step {
  const notice = besideQuestion(state, { ...told, back: 'offered' })
  return { state: { ...state, notice }, actions: [{ type: 'announce', about: 'back' }] }
}

function switchTo(state: State, how: Omit<Next, 'before'>): Step {
  const notice: Notice = { type: 'switching', billing: how.billing }
  return {
    state: { ...state, next: { ...how, before: state.notice }, notice },
    actions: [{ type: 'stop' }, log(`switching to ${how.billing} billing`)],
  }
}

/** Who pays stays in sight, and the way back open. */
function giveUpSwitch(state: State, reason: string): Step {
  const { next, billing } = state
  if (next === undefined) return stay(state)
  const text = `No switch: ${reason}`
  const failure: ApiFailure = { type: 'other', text, effect: 'tell' }
  const notice: Notice =
    billing === 'api' ? { ...apiNotice(limitOf(next.before)), failure } : { type: 'told', text }
  return { state: { ...state, next: undefined, notice }, actions: [log(reason)] }
}

function followChild(state: State, { end, now }: Extract<Input, { type: 'ended' }>, rules: Rules): Step {
  if (state.quitting) return { state, actions: [{ type: 'finish' }] }
  if (state.next !== undefined) return startNext(state, state.next, now, rules)
  const switched = state.billing === 'api' && limitOf(state.notice) !== undefined
  // The conversation did not open on the API: better on the subscription, waiting, than lost.
  if (switched && end.failed && !end.opened) {
    const text = 'API billing could not start: back on the subscription, whose limit still holds'
    const notice: Notice = { type: 'told', text }
    return {
      state: { ...initialState('subscription', now), ...lasting(state), notice, keyRefused: true },
      actions: [log(text), { type: 'start', billing: 'subscription', prompt: false }],
    }
  }
  return { state, actions: [{ type: 'finish' }] }
}

function startNext(state: State, next: Next, now: number, rules: Rules): Step {
  const { billing, limit } = next
  const begun = { ...initialState(billing, now), ...lasting(state) }
  const own = billing === 'api' ? { ...apiNotice(limit), ...retry(state, limit) } : begun.notice
  // While the child was ending others may have reached a cap: the next one is given nothing to do, and ends in turn.
  const prompt = next.prompt && judgeSpent(state.spent, rules.caps) !== 'reached'
  return {
    state: { ...begun, notice: delay(next.notice ?? own, now) },
    actions: [{ type: 'start', billing, prompt }],
  }
}

/** Why a session stays on the key though its reset has come. */
function retry({ returnedAt }: State, limit: Limit | undefined): Pick<ApiNotice, 'triesAt'> {
  if (returnedAt === undefined || limit?.resetsAt === undefined) return {}
  const triesAt = returnedAt + BETWEEN_RETURNS_MS
  return triesAt > limit.resetsAt + AFTER_RESET_MS ? { triesAt } : {}
}

/** The seconds in which the row tells of a return begin when there is a child to return to. */
function delay(notice: Notice, now: number): Notice {
  return notice.type === 'returned' ? { ...notice, until: now + RETURNED_MS } : notice
}

function lasting({ keyRefused, spent, hasWarned, endedAtCap, returnedAt }: State): Lasting {
  return { keyRefused, spent, hasWarned, endedAtCap, returnedAt }
}

function log(message: string): Action {
  return { type: 'log', message }
}

function stay(state: State): Step {
  return { state, actions: [] }
}
