import type { Limit } from './core/limit.ts'
import { limitKey } from './core/limit.ts'
import { toKnownLimit } from './core/monitor.ts'
import type { Billing } from './core/policy.ts'
import {
  type Account,
  addLimit,
  announceOnce,
  enterSession,
  type KnownLimit,
  leaveSession,
  limitsInForce,
  type SharedState,
} from './core/shared-state.ts'
import type { Log } from './log.ts'
import { openSharedState, readProcessStart } from './state.ts'

/** What this session tells all others of the user, and learns from them. No function throws. */
export type Sharing = {
  /** Who pays here now, and which limit it has met. */
  tell: (what: { billing: Billing; sessionId: string | undefined; limit: Limit | undefined }) => void
  /** A limit of the account was met here. */
  addLimit: (limit: Limit) => void
  /** Calls `announce` where no other session has done so. */
  once: (key: string, announce: () => void) => void
  /** True once in a user's life: at the first switch by itself. */
  isFirstSwitch: () => Promise<boolean>
  stop: () => Promise<void>
}

export function openSharing(options: {
  home: string
  account: Account
  cwd: string
  startedAt: number
  /** The limits of this account that are in force: at the start, and at each change. */
  onLimits: (limits: KnownLimit[]) => void
  log: Log
  now: () => number
}): Sharing {
  const { account, cwd, startedAt, now } = options
  const store = openSharedState(options)
  const processStart = readProcessStart(process.pid) ?? ''
  const onChange = (state: SharedState) => options.onLimits(limitsInForce(state, now(), account))
  let told: string | undefined
  const watcher = store.watch(onChange)
  void store.read().then(onChange)
  return {
    tell: ({ billing, sessionId, limit }) => {
      const entry = {
        ...{ pid: process.pid, processStart, cwd, sessionId, transcript: undefined, billing, startedAt },
        ...{ limit: limit && limitKey(limit), resetsAt: limit?.resetsAt, by: 'claudef' as const },
      }
      // Whoever asks often for the same disturbs nobody.
      const text = JSON.stringify(entry)
      if (text === told) return
      told = text
      void store.update((state) => enterSession(state, { ...account, ...entry }))
    },
    addLimit: (limit) => {
      const known = toKnownLimit(limit, { ...account, cwd, sessionId: undefined, seenAt: now() })
      void store.update((state) => addLimit(state, known))
    },
    once: (key, announce) => {
      let isFirst = true
      const noted = store.update((state) => {
        const step = announceOnce(state, key, now())
        isFirst = step.isFirst
        return step.state
      })
      // Where nothing can be shared, twice is better than never.
      void noted.then(() => {
        if (isFirst) announce()
      })
    },
    isFirstSwitch: async () => {
      // Where nobody can tell, it is said once more.
      let isFirst = true
      await store.update((state) => {
        isFirst = !state.lastSwitchTold
        return { ...state, lastSwitchTold: true }
      })
      return isFirst
    },
    stop: async () => {
      watcher.stop()
      await store.update((state) => leaveSession(state, process.pid, processStart))
    },
  }
}
