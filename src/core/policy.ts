import type { ApiFailure, Limit } from './limit.ts'
import { limitKey } from './limit.ts'

/** Who pays for a child: the login's subscription, or the user's API key. */
export type Billing = 'subscription' | 'api'

/** How the last child ended, as far as it matters here. */
type ChildEnd = { failed: boolean; opened: boolean }

export type State = {
  billing: Billing
  /** Epoch ms. Rows from before it belong to somebody else's past. */
  startedAt: number
  /** The limits that this child has met, by `limitKey`. */
  met: string[]
  /** Limits that only a subagent has met so far. */
  waiting: Extract<Input, { type: 'limit' }>[]
  /** What the reserved row says. */
  notice: Notice
  /** The child has been told to end, and this one follows it. */
  next: { billing: Billing; prompt: boolean; limit: Limit | undefined } | undefined
  /** The user, or a signal, has ended it all: nothing follows. */
  quitting: boolean
  /** The key has been refused for good: it is not offered again. */
  keyRefused: boolean
}

export type Notice =
  | { type: 'none' }
  | { type: 'offer'; limit: Limit }
  | { type: 'question'; billing: Billing; before: Notice }
  | { type: 'unable'; limit: Limit; reason: string; repair: string }
  | { type: 'told'; text: string }
  | { type: 'switching'; billing: Billing }
  | { type: 'api'; limit: Limit | undefined; failure: ApiFailure | undefined }

export type Input =
  /** `version`: of the Claude Code that wrote the row. */
  | { type: 'limit'; limit: Limit; version: string | undefined }
  | { type: 'reminded' }
  | { type: 'failure'; failure: ApiFailure; at: number | undefined }
  | { type: 'key'; key: 'switch' | 'enter' | 'escape' | 'other' }
  /** The child could not be stopped for a switch: it goes on. */
  | { type: 'stuck'; reason: string }
  | { type: 'quit' }
  | { type: 'ended'; end: ChildEnd; now: number }

export type Action =
  /** End the child; `ended` follows. */
  | { type: 'stop' }
  /** Start the conversation again. */
  | { type: 'start'; billing: Billing; prompt: boolean }
  /** The child's end is ours. */
  | { type: 'finish' }
  /** Come back with `reminded`. */
  | { type: 'remind'; afterMs: number }
  | { type: 'log'; message: string }

export type Rules = {
  /** A limit of the account switches without a question. */
  autoRestart: boolean
  /** Why there is no key to switch to; `undefined` where there is one. */
  noKey: string | undefined
}

export type Step = { state: State; actions: Action[] }

export function initialState(billing: Billing, startedAt: number): State {
  return {
    billing,
    startedAt,
    met: [],
    waiting: [],
    notice: billing === 'api' ? { type: 'api', limit: undefined, failure: undefined } : { type: 'none' },
    next: undefined,
    quitting: false,
    keyRefused: false,
  }
}

/** Every decision about limits and money. Pure: the same state and input give the same step. */
export function transition(state: State, input: Input, rules: Rules): Step {
  // It is over: nothing may follow but the end.
  if (state.quitting && input.type !== 'ended') return stay(state)
  switch (input.type) {
    case 'limit':
      return meetLimit(state, input, rules)
    case 'reminded':
      return offerWaiting(state, rules)
    case 'failure':
      return meetFailure(state, input.failure, input.at)
    case 'key':
      return pressKey(state, input.key, rules)
    case 'stuck':
      return giveUpSwitch(state, input.reason)
    case 'quit':
      return stay({ ...state, quitting: true })
    case 'ended':
      return followChild(state, input.end, input.now)
  }
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
    return { state: { ...met, notice: { type: 'told', text: limit.text } }, actions: [seen] }
  }
  const obstacle = findObstacle(state, rules, version)
  if (obstacle !== undefined) {
    return { state: { ...met, notice: { type: 'unable', limit, ...obstacle } }, actions: [seen] }
  }
  if (limit.verdict === 'switch' && rules.autoRestart) {
    const step = switchTo(met, { billing: 'api', prompt: true, limit })
    return { ...step, actions: [seen, ...step.actions] }
  }
  return { state: { ...met, notice: besideQuestion(state, { type: 'offer', limit }) }, actions: [seen] }
}

/** The row of the main conversation follows within a second when its turn fails, and then decides. */
const SUBAGENT_MS = 10_000

/** A limit that only a subagent met, and the main conversation did not run into: worth an offer. */
function offerWaiting(state: State, rules: Rules): Step {
  const [first, ...waiting] = state.waiting
  if (first === undefined) return stay(state)
  return meetLimit({ ...state, waiting }, { ...first, limit: { ...first.limit, verdict: 'offer' } }, rules)
}

/** Why there can be no switch, and what to do about it. */
function findObstacle(
  state: State,
  rules: Rules,
  version: string | undefined,
): { reason: string; repair: string } | undefined {
  if (isTooOld(version)) {
    const reason = `Claude Code ${version} cannot take a conversation to the key`
    return { reason, repair: 'update it with `claude update`' }
  }
  if (state.keyRefused)
    return { reason: 'the API refused the key', repair: 'set another and start claudef again' }
  if (rules.noKey === undefined) return undefined
  return { reason: rules.noKey, repair: 'set CLAUDE_FALLBACK_API_KEY and start claudef again' }
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
  const notice: Notice = { type: 'api', limit: limitOf(state.notice), failure }
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
    if (key === 'enter') {
      const limit = limitOf(notice.before)
      return switchTo(state, { billing: notice.billing, prompt: notice.billing === 'api', limit })
    }
    // Anything else than a clear yes is a no.
    return key === 'switch' ? stay(state) : stay({ ...state, notice: notice.before })
  }
  if (key !== 'switch') return stay(state)
  if (notice.type === 'offer' && rules.noKey === undefined) {
    return stay({ ...state, notice: { type: 'question', billing: 'api', before: notice } })
  }
  if (notice.type === 'api') {
    return stay({ ...state, notice: { type: 'question', billing: 'subscription', before: notice } })
  }
  return stay(state)
}

function switchTo(state: State, next: NonNullable<State['next']>): Step {
  const notice: Notice = { type: 'switching', billing: next.billing }
  return {
    state: { ...state, next, notice },
    actions: [{ type: 'stop' }, log(`switching to ${next.billing} billing`)],
  }
}

function giveUpSwitch(state: State, reason: string): Step {
  return {
    state: { ...state, next: undefined, notice: { type: 'told', text: `No switch: ${reason}` } },
    actions: [log(reason)],
  }
}

function followChild(state: State, end: ChildEnd, now: number): Step {
  if (state.quitting) return { state, actions: [{ type: 'finish' }] }
  if (state.next !== undefined) {
    const { billing, prompt, limit } = state.next
    const next = { ...initialState(billing, now), keyRefused: state.keyRefused }
    const notice: Notice = billing === 'api' ? { type: 'api', limit, failure: undefined } : next.notice
    return { state: { ...next, notice }, actions: [{ type: 'start', billing, prompt }] }
  }
  const switched = state.billing === 'api' && limitOf(state.notice) !== undefined
  // The conversation did not open on the API: better on the subscription, waiting, than lost.
  if (switched && end.failed && !end.opened) {
    const text = 'API billing could not start: back on the subscription, whose limit still holds'
    const notice: Notice = { type: 'told', text }
    return {
      state: { ...initialState('subscription', now), notice, keyRefused: true },
      actions: [log(text), { type: 'start', billing: 'subscription', prompt: false }],
    }
  }
  return { state, actions: [{ type: 'finish' }] }
}

/** A question stays until it is answered, or an Enter that was meant for it would go to Claude Code. */
function besideQuestion({ notice }: State, news: Notice): Notice {
  return notice.type === 'question' ? { ...notice, before: news } : news
}

function limitOf(notice: Notice): Limit | undefined {
  if (notice.type === 'question') return limitOf(notice.before)
  return notice.type === 'offer' || notice.type === 'api' ? notice.limit : undefined
}

function log(message: string): Action {
  return { type: 'log', message }
}

function stay(state: State): Step {
  return { state, actions: [] }
}
