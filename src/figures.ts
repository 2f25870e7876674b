import { type Billing, limitOf, type State } from './core/policy.ts'
import type { Account } from './core/shared-state.ts'
import { crossedThresholds, renderStatusLine, type Status } from './core/status-line.ts'
import type { Session } from './relay.ts'
import { findOwnStatusLine } from './relay.ts'
import { localZone } from './reserved-row.ts'
import { followStatusLine, replaceStatusLine, writeStatusLine } from './status-line.ts'

/** The live figures that Claude Code hands to its status line: they tell of a limit before it is met. */
export type Figures = {
  /** A child is about to be started. */
  renew: () => void
  /** Who pays has changed, or what it costs: claudef's own line says so. */
  show: (state: State) => void
  stop: () => void
}

export function openFigures(
  session: Session,
  options: {
    account: Account
    announce: (key: string, text: string) => void
    /** What the child that is paid for by the key says that its conversation has cost, whoever paid; in USD. */
    onCost: (sessionId: string | undefined, usd: number) => void
  },
): Figures {
  const { folder, log, world } = session
  const onError = (error: Error) => log(`the status line: ${error.message}`)
  const users = JSON.stringify(findOwnStatusLine(session) ?? null)
  let status: Status | undefined
  let state: State | undefined
  let written: string | undefined

  const write = () => {
    if (state === undefined || !session.config.statusLine) return
    const { billing, spent, notice } = state
    const backAt = limitOf(notice)?.resetsAt
    const text = renderStatusLine(status, {
      ...{ billing, timeZone: localZone(), now: world.now() },
      spent: { usd: spent.session, isLowerBound: spent.isLowerBound },
      ...(backAt === undefined ? {} : { backAt }),
    })
    if (text !== written) writeStatusLine(folder.path, text, onError)
    written = text
  }
  const onStatus = (next: Status, payer: Billing) => {
    status = next
    write()
    // The user's line may be another by now, and Claude Code does not read ours again.
    const now = findOwnStatusLine(session)
    if (JSON.stringify(now ?? null) !== users) replaceStatusLine({ folder: folder.path, users: now }, onError)
    if (state?.billing === 'api') {
      // What the subscription's child said last may come only now.
      if (payer === 'api' && next.costUsd !== undefined) options.onCost(next.sessionId, next.costUsd)
      return
    }
    const context = { account: options.account.account, now: world.now(), timeZone: localZone() }
    for (const { key, text } of crossedThresholds(next, context)) options.announce(key, text)
  }
  const follower = followStatusLine(folder.path, onStatus, onError)
  return {
    renew: follower.renew,
    show: (next) => {
      state = next
      write()
    },
    stop: follower.stop,
  }
}
