import type { Config } from './config.ts'
import { describeReached, judgeSpent } from './core/budget.ts'
import { describeClock } from './core/limit-words.ts'
import { startBilling } from './core/mode.ts'
import type { Billing } from './core/policy.ts'
import { explainMissingKey, type FoundKey } from './key.ts'
import { openLedger } from './ledger.ts'
import type { Log } from './log.ts'
import { openSharedState } from './state.ts'

/**
 * Who pays for a session that begins: what the settings say, else the mode that the user has set for a while. The
 * subscription where there is no key to pay with, or a cap is reached; `note` then says why.
 */
export async function chooseFirstBilling(world: {
  config: Config
  lookUpKey: () => Promise<FoundKey>
  log: Log
  now: () => number
}): Promise<{ billing: Billing; note: string | undefined }> {
  const { config, now } = world
  const { home, maxUsd, maxUsdPerDay } = config
  const state = await openSharedState({ ...world, home }).read()
  const start = startBilling(state, { now: now(), chosen: config.billing, source: config.sources.billing })
  const isMode = start.source === 'mode'
  if (start.billing === 'subscription') {
    return { billing: 'subscription', note: undefined }
  }
  const who = isMode ? 'The mode is api' : 'The billing is set to api'
  const refuse = (reason: string) => ({
    billing: 'subscription' as const,
    note: `${who}, but ${reason}: on the subscription`,
  })
  const missing = explainMissingKey(await world.lookUpKey())
  if (missing !== undefined) return refuse(`there is no key to pay with (${missing})`)
  const caps = { session: maxUsd, day: maxUsdPerDay }
  const ledger = openLedger({ ...world, home })
  const spent = { session: 0, day: await ledger.today(now()), isLowerBound: false }
  if (!ledger.isReadable() && caps.day !== Infinity)
    return refuse(
      'what was spent today cannot be read (see `claude-fallback spend`), and there is a daily cap',
    )
  if (judgeSpent(spent, caps) === 'reached') return refuse(describeReached(spent, caps).reason)
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
  const until = describeClock(start.until ?? 0, { now: now(), timeZone })
  return { billing: 'api', note: isMode ? `mode api until ${until.replace(/^at /, '')}` : 'by choice' }
}
