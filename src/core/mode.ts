import type { Billing } from './policy.ts'
import { endOf, limitsInForce, modeInForce, type SharedState } from './shared-state.ts'

/** What new sessions start on, and who says so. */
export type StartBilling = {
  billing: Billing
  source: 'environment' | 'file' | 'mode' | 'default'
  /** Epoch ms; undefined where it has no end of its own. */
  until: number | undefined
}

const HOUR = 3600 * 1000
/** How long `mode api` lasts where no reset is known. */
const DEFAULT_MS = 24 * HOUR
/** No window of a plan is longer: a later reset comes from a clock that was wrong. */
const LONGEST_MS = 31 * 24 * HOUR

/** When `mode api` ends that is set now: with the last limit in force whose reset is known, else after 24 h. Epoch ms. */
export function modeEnd(state: SharedState, now: number): number {
  const resets = limitsInForce(state, now).flatMap((limit) =>
    limit.resetsAt !== undefined && endOf(limit) === limit.resetsAt ? [limit.resetsAt] : [],
  )
  return resets.length === 0 ? now + DEFAULT_MS : Math.min(Math.max(...resets), now + LONGEST_MS)
}

/** What new sessions start on: what the environment or the config file says, else the shared mode. */
export function startBilling(
  state: SharedState,
  {
    now,
    chosen,
    source,
  }: { now: number; chosen: Billing | undefined; source: 'environment' | 'file' | 'default' },
): StartBilling {
  if (source !== 'default') return { billing: chosen ?? 'subscription', source, until: undefined }
  if (modeInForce(state, now) === 'subscription') {
    return { billing: 'subscription', source: 'default', until: undefined }
  }
  return { billing: 'api', source: 'mode', until: state.mode?.until }
}
