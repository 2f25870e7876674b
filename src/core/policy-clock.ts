import { clearLimits, offerBack } from './policy-limit.ts'
import { nextReturn, overAt, toldUntil } from './policy-return.ts'
import {
  besideOf,
  besideQuestion,
  type Input,
  limitOf,
  type Notice,
  type Rules,
  type State,
  type Step,
  stay,
} from './policy-state.ts'
import { switchTo } from './policy-switch.ts'

/** Epoch ms at which `time` may change something by itself; `undefined`: never. */
export function nextLook(state: State): number | undefined {
  const { notice, returnedAt } = state
  if (notice.type === 'returned') return notice.until
  const limit = limitOf(notice)
  if (limit?.resetsAt === undefined || state.next !== undefined) return undefined
  if (state.billing === 'subscription') return overAt(limit.resetsAt)
  const told = besideOf(notice)
  const back = told.type === 'api' ? told.back : undefined
  // The user's turn; and while a question stands in the row, nothing goes by itself.
  if (back === 'offered' || (back === 'waiting' && notice.type === 'question')) return undefined
  // A key that was refused is left for good: there is no loop that could cost turns.
  return nextReturn(limit.resetsAt, state.keyRefused ? undefined : returnedAt)
}

/** What comes by itself, once its time has come. */
export function lookAtClock(before: State, input: Extract<Input, { type: 'time' }>, rules: Rules): Step {
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
  const back: Notice = { type: 'returned', until: toldUntil(input.now) }
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
export function mendClock(state: State, now: number): State {
  const { notice, returnedAt, startedAt, clearedAt } = state
  const until = toldUntil(now)
  return {
    ...state,
    notice: notice.type === 'returned' ? { ...notice, until: Math.min(notice.until, until) } : notice,
    returnedAt: returnedAt && Math.min(returnedAt, now),
    startedAt: startedAt > now ? now - LATE_MS : startedAt,
    clearedAt: clearedAt !== undefined && clearedAt > now ? now - LATE_MS : clearedAt,
  }
}
