import { type Caps, NOTHING_SPENT, type Spent } from './budget.ts'
import type { ApiFailure, Limit } from './limit.ts'

/** Who pays for a child: the login's subscription, or the user's API key. */
export type Billing = 'subscription' | 'api'

/** How the last child ended, as far as it matters here. */
type ChildEnd = { failed: boolean; opened: boolean }

/** What stays as it is from one child to the next. */
export type Lasting = {
  /** The key has been refused for good: it is not offered again. */
  keyRefused: boolean
  spent: Spent
  /** That a cap is near has been said. */
  hasWarned: boolean
  /** A cap has ended API billing: nothing goes there again, on another day neither, before the user says so. */
  endedAtCap: boolean
  /** Epoch ms of the last time that a session went back by itself. */
  returnedAt: number | undefined
}

export type State = Lasting & {
  billing: Billing
  /** Epoch ms. Rows from before it belong to somebody else's past. */
  startedAt: number
  /** Epoch ms at which limits were last known to be over: rows from before tell nothing of now. */
  clearedAt: number | undefined
  /** The limits that this child has met, by `limitKey`. */
  met: string[]
  /** Limits that only a subagent has met so far. */
  waiting: Extract<Input, { type: 'limit' }>[]
  /** What the reserved row says. */
  notice: Notice
  /** The child has been told to end, and this one follows it. */
  next: Next | undefined
  /** The user, or a signal, has ended it all: nothing follows. */
  quitting: boolean
}

export type Next = {
  billing: Billing
  prompt: boolean
  limit: Limit | undefined
  /** What the row says once there is the child; default: who pays. */
  notice?: Notice
  /** What the row said before, for a switch that is given up. */
  before: Notice
}

export type Notice =
  | { type: 'none' }
  /**
   * `isBelieved`: another session met it; this one starts on the subscription all the same. `why`: what keeps a switch
   * from going by itself though it may.
   */
  | { type: 'offer'; limit: Limit; isBelieved?: boolean; why?: string }
  | { type: 'question'; billing: Billing; before: Notice }
  | ({ type: 'unable'; limit: Limit } & Obstacle)
  /** `shorter`: the same for narrow windows, the longest first. */
  | { type: 'told'; text: string; shorter?: string[] }
  /** `waitsFor`: why the child has not been told to end yet. */
  | { type: 'switching'; billing: Billing; waitsFor?: string }
  | ApiNotice
  /** Back on the subscription by itself; `until` is the epoch ms at which the row goes. */
  | { type: 'returned'; until: number }

export type ApiNotice = {
  type: 'api'
  limit: Limit | undefined
  failure: ApiFailure | undefined
  /** The reset has come: the way back is offered, or goes by itself once it may. */
  back?: 'offered' | 'waiting'
  /** Epoch ms of the next return by itself, where the limit still held after the last one. */
  triesAt?: number
}

/** Why there can be no switch (`brief`: for a narrow window), and what to do about it. `isCap`: it may go with the day. */
export type Obstacle = { reason: string; brief?: string; repair: string; isCap?: true }

export type Input =
  /** `version`: of the Claude Code that wrote the row. `usd`: what the first request on the key is likely to cost. */
  | { type: 'limit'; limit: Limit; version: string | undefined; usd?: number | undefined }
  /** Another session of the account has met it, and it is not known to be over. */
  | { type: 'believed'; limit: Limit }
  /** It is known from elsewhere that the limits are over, or the user has said so (`claude-fallback clear`). */
  | { type: 'cleared'; now: number }
  | { type: 'reminded' }
  | { type: 'failure'; failure: ApiFailure; at: number | undefined }
  | { type: 'key'; key: 'switch' | 'enter' | 'escape' | 'other' }
  /** The × of the row has been clicked. */
  | { type: 'dismiss' }
  /** API billing has cost this much by now. */
  | { type: 'spent'; spent: Spent }
  /** `isReady`: the turn has ended, the input box is empty, and nothing of the conversation runs in the background. */
  | { type: 'time'; now: number; isReady: boolean }
  /** The clock was set back to this, as `isClockBehind` tells. */
  | { type: 'clock'; now: number }
  /** The child cannot be told to end yet. */
  | { type: 'held'; waitsFor: string }
  /** The child could not be stopped for a switch: it goes on. */
  | { type: 'stuck'; reason: string }
  | { type: 'quit' }
  | { type: 'ended'; end: ChildEnd; now: number }

export type Action =
  /** End the child, `afterTool` once no tool of it runs; `ended` follows. */
  | { type: 'stop'; afterTool?: boolean }
  /** Start the conversation again. */
  | { type: 'start'; billing: Billing; prompt: boolean }
  /** The child's end is ours. */
  | { type: 'finish' }
  /** Come back with `reminded`. */
  | { type: 'remind'; afterMs: number }
  /** Tell the user where they can see it when they look elsewhere. */
  | { type: 'announce'; about: 'limit'; limit: Limit; obstacle?: Obstacle }
  | { type: 'announce'; about: 'near cap' | 'cap' | 'back' }
  | { type: 'log'; message: string }

export type Rules = {
  /** A limit of the account switches without a question. */
  autoRestart: boolean
  /** With `autoRestart`: after the reset the session goes back to the subscription without a question. */
  autoReturn: boolean
  /** Why there is no key to switch to; `undefined` where there is one. */
  noKey: string | undefined
  caps: Caps
}

export type Step = { state: State; actions: Action[] }

export function initialState(billing: Billing, startedAt: number): State {
  return {
    billing,
    startedAt,
    clearedAt: undefined,
    met: [],
    waiting: [],
    notice: billing === 'api' ? apiNotice(undefined) : { type: 'none' },
    next: undefined,
    quitting: false,
    keyRefused: false,
    spent: NOTHING_SPENT,
    hasWarned: false,
    endedAtCap: false,
    returnedAt: undefined,
  }
}

export function apiNotice(limit: Limit | undefined): ApiNotice {
  return { type: 'api', limit, failure: undefined }
}

/** The limit that a notice is about. */
export function limitOf(notice: Notice): Limit | undefined {
  if (notice.type === 'question') return limitOf(notice.before)
  return notice.type === 'offer' || notice.type === 'unable' || notice.type === 'api'
    ? notice.limit
    : undefined
}

/** What the row says, or will once the question in it is answered. */
export function besideOf(notice: Notice): Notice {
  return notice.type === 'question' ? notice.before : notice
}

/** A question stays until it is answered, or an Enter that was meant for it would go to Claude Code. */
export function besideQuestion({ notice }: State, news: Notice): Notice {
  return notice.type === 'question' ? { ...notice, before: news } : news
}

/** The same with another reset of its limit: whether that is over is seen anew. */
export function setReset(notice: Notice, resetsAt: number | undefined): Notice {
  switch (notice.type) {
    case 'question':
      return { ...notice, before: setReset(notice.before, resetsAt) }
    case 'offer':
    case 'unable':
      return { ...notice, limit: { ...notice.limit, resetsAt } }
    case 'api': {
      const { back: _, limit, ...rest } = notice
      return limit === undefined ? notice : { ...rest, limit: { ...limit, resetsAt } }
    }
    case 'none':
    case 'told':
    case 'switching':
    case 'returned':
      return notice
  }
}

export function log(message: string): Action {
  return { type: 'log', message }
}

export function stay(state: State): Step {
  return { state, actions: [] }
}
