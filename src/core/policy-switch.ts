import { judgeSpent } from './budget.ts'
import type { ApiFailure, Limit } from './limit.ts'
import { nextReturn, overAt, toldUntil } from './policy-return.ts'
import {
  type ApiNotice,
  apiNotice,
  type Input,
  initialState,
  type Lasting,
  limitOf,
  log,
  type Next,
  type Notice,
  type Rules,
  type State,
  type Step,
  stay,
} from './policy-state.ts'

/** The child ends, and the conversation is gone on with under other billing. */
export function switchTo(state: State, how: Omit<Next, 'before'>): Step {
  const notice: Notice = { type: 'switching', billing: how.billing }
  return {
    state: { ...state, next: { ...how, before: state.notice }, notice },
    actions: [{ type: 'stop' }, log(`switching to ${how.billing} billing`)],
  }
}

/** Who pays stays in sight, and the way back open. */
export function giveUpSwitch(state: State, reason: string): Step {
  const { next, billing } = state
  if (next === undefined) return stay(state)
  const text = `No switch: ${reason}`
  const failure: ApiFailure = { type: 'other', text, effect: 'tell' }
  const notice: Notice =
    billing === 'api' ? { ...apiNotice(limitOf(next.before)), failure } : { type: 'told', text }
  return { state: { ...state, next: undefined, notice }, actions: [log(reason)] }
}

/** What comes after a child, whether its end was wanted or not. */
export function followChild(
  state: State,
  { end, now }: Extract<Input, { type: 'ended' }>,
  rules: Rules,
): Step {
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
  const triesAt = nextReturn(limit.resetsAt, returnedAt)
  return triesAt > overAt(limit.resetsAt) ? { triesAt } : {}
}

/** The seconds in which the row tells of a return begin when there is a child to return to. */
function delay(notice: Notice, now: number): Notice {
  return notice.type === 'returned' ? { ...notice, until: toldUntil(now) } : notice
}

function lasting({ keyRefused, spent, hasWarned, endedAtCap, returnedAt }: State): Lasting {
  return { keyRefused, spent, hasWarned, endedAtCap, returnedAt }
}
