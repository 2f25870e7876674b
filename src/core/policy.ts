import { describeReached, judgeSpent, type Spent } from './budget.ts'
import type { ApiFailure } from './limit.ts'
import { lookAtClock, mendClock } from './policy-clock.ts'
import { dismiss, pressKey } from './policy-keys.ts'
import { believeLimit, clearLimits, findObstacle, meetLimit, offerWaiting } from './policy-limit.ts'
import {
  type Action,
  apiNotice,
  besideOf,
  besideQuestion,
  type Input,
  log,
  type Notice,
  type Rules,
  type State,
  type Step,
  stay,
} from './policy-state.ts'
import { followChild, giveUpSwitch, switchTo } from './policy-switch.ts'

export { isClockBehind, nextLook } from './policy-clock.ts'
export type { Action, ApiNotice, Billing, Input, Notice, Rules, State, Step } from './policy-state.ts'
export { initialState, limitOf } from './policy-state.ts'

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
