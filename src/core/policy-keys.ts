import { findObstacle } from './policy-limit.ts'
import { type Notice, type Rules, type State, type Step, stay } from './policy-state.ts'
import { switchTo } from './policy-switch.ts'

/** The key that switches, or the answer to the question in the row. */
export function pressKey(state: State, key: 'switch' | 'enter' | 'escape' | 'other', rules: Rules): Step {
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
export function dismiss(state: State): Step {
  const { notice } = state
  if (notice.type === 'question') return dismiss({ ...state, notice: notice.before })
  const stays = notice.type === 'api' || notice.type === 'switching'
  return stay(stays ? state : { ...state, notice: { type: 'none' } })
}
