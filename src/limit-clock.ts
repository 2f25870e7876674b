import { nextEnd, renderResetNews } from './core/monitor.ts'
import type { Notification } from './core/notification.ts'
import { expireLimits, limitsInForce, type SharedState } from './core/shared-state.ts'
import type { StateStore } from './state.ts'

export type LimitClock = {
  /** What was over at the start has been ended. Never rejects. */
  ready: Promise<unknown>
  /** Looks whether a limit is over: for whoever is awake anyway. */
  look: () => void
  /** Takes the state that was just written, where no event tells of it. */
  take: (state: SharedState) => void
  stop: () => void
}

type Options = {
  store: StateStore
  /** Epoch ms. */
  now: () => number
  /** IANA name of the zone in which clock times are shown. */
  timeZone: () => string
  /** What there is to tell of a reset. */
  onNews: (notification: Notification) => void
}

/**
 * While a limit is in force one looks at the clock at least as often, in ms: it may be set, and timers stand still while
 * a machine sleeps. (No timer of Node's is longer than 24 days, either.)
 */
const LONGEST_WAIT_MS = 10 * 60_000

/**
 * Ends the limits of the shared state at their resets, whoever entered them, so that the flag file goes, and has it
 * told once. Does not keep the process alive, and wakes it only while there is a limit to wait for.
 */
export function watchLimits({ store, now, timeZone, onNews }: Options): LimitClock {
  /** As read or written last; unknown while limits are being ended. */
  let known: SharedState | undefined
  let alarm: NodeJS.Timeout | undefined
  let isStopped = false
  const setAlarm = (act: () => void, afterMs: number) => {
    clearTimeout(alarm)
    if (!isStopped) alarm = setTimeout(act, Math.min(Math.max(afterMs, 1), LONGEST_WAIT_MS)).unref()
  }
  const look = () => {
    if (isStopped || known === undefined) return
    clearTimeout(alarm)
    const isOver = limitsInForce(known, now()).length < known.limits.length
    if (isOver) return void end()
    const next = nextEnd(known)
    if (next !== undefined) setAlarm(look, next - now())
  }
  const end = async () => {
    known = undefined
    let news: Notification | undefined
    const updated = await store.update((before) => {
      const { state, expired } = expireLimits(before, now())
      news = renderResetNews(expired, state, { now: now(), timeZone: timeZone() })
      return state
    })
    if (updated === undefined) return setAlarm(() => void end(), LONGEST_WAIT_MS)
    if (news !== undefined) onNews(news)
    take(updated)
  }
  const take = (state: SharedState) => {
    known = state
    look()
  }
  const states = store.watch(take)
  return {
    ready: end(),
    look,
    take,
    stop: () => {
      isStopped = true
      clearTimeout(alarm)
      states.stop()
    },
  }
}
