import { isClockBehind, nextLook } from './core/policy.ts'
import type { Watch } from './fallback.ts'
import { DRAFT_MS } from './switch.ts'

/** A child that has not said by then whether it works, in ms, never does (Claude Code 2.1.330 says so within 500). */
const STATUS_MS = 30_000

/** A clock that is set, or a machine that sleeps, moves no timer: one looks again after this, in ms. */
const LOOK_MS = 60_000

export function scheduleLook(watch: Watch): void {
  clearTimeout(watch.look)
  const setAt = watch.session.world.now()
  if (isClockBehind(watch.state, setAt)) return watch.dispatch({ type: 'clock', now: setAt })
  const at = nextLook(watch.state)
  const { notice } = watch.state
  if (at === undefined) return
  const isWaiting = notice.type === 'api' && notice.back === 'waiting'
  const wait = Math.min(LOOK_MS, Math.max(isWaiting ? 1000 : 0, at - setAt))
  watch.look = setTimeout(() => {
    const { session, state, conversation, spending } = watch
    const now = session.world.now()
    // Where a child never says whether it works, one cannot see when to go back: it is offered.
    const canTell = conversation.status() !== undefined || now - state.startedAt < STATUS_MS
    watch.rules = { ...watch.rules, autoReturn: session.config.autoReturn && canTell }
    // The cap of a day goes with it, and no row tells of midnight.
    if (state.notice.type === 'unable' && state.notice.isCap) void spending.refresh()
    watch.dispatch({ type: 'time', now, isReady: isReady(watch) })
  }, wait)
}

/** Nothing would be lost or broken off if the child ended now. */
function isReady(watch: Watch): boolean {
  const { session, conversation, inputBox, typing, kept, running } = watch
  // Keys that are not followed, as those that fetch an earlier prompt, may have filled the box.
  const isLeft = inputBox.isSure() || Math.abs(session.world.now() - inputBox.lastKeyAt()) >= DRAFT_MS
  const isBlank = inputBox.isEmpty() && isLeft && !typing.isHeld() && kept.length === 0
  const isIdle = conversation.status() === 'idle' && !watch.isPromptDue
  return isIdle && isBlank && running.tasks.size === 0
}
