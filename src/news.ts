import { describeAnnouncement } from './core/announcement.ts'
import type { Limit } from './core/limit.ts'
import { type Action, limitOf } from './core/policy.ts'
import { announcementKey, type KnownLimit } from './core/shared-state.ts'
import type { Watch } from './fallback.ts'
import { requireKey } from './limit-rows.ts'
import { localZone } from './reserved-row.ts'

/** Tells the user, wherever they look, unless another session has done so. */
export function announce(watch: Watch, action: Extract<Action, { type: 'announce' }>): void {
  const { session, account, sharing, state, rules, notifier } = watch
  const now = session.world.now()
  const context = {
    ...{ now, timeZone: localZone(), spent: state.spent, caps: rules.caps, next: state.next?.billing },
    switchKey: session.config.switchKey.name,
  }
  const isLimit = action.about === 'limit'
  if (isLimit) sharing.addLimit(action.limit)
  const limit = isLimit ? action.limit : action.about === 'back' ? limitOf(state.notice) : undefined
  // Of an account's limit and its end all sessions know, of a cap and its spend this one.
  const whose = limit === undefined ? `${process.pid} · ${state.startedAt}` : announcementKey(account, limit)
  const key = isLimit ? whose : `${action.about} · ${whose}`
  sharing.once(key, () => notifier.notify(describeAnnouncement(action, context)))
}

/** What another session of the account has met is told once; what is over is taken back. */
export function believe(watch: Watch, limits: readonly KnownLimit[]): void {
  const keys = limits.map(({ key }) => key)
  const isCleared = limits.length === 0 && watch.believed.size > 0
  for (const known of limits) {
    if (watch.believed.has(known.key)) continue
    watch.believed.add(known.key)
    const verdict = known.scope.type === 'organization' ? 'tell' : 'offer'
    const limit: Limit = { ...known, verdict, source: 'structured', rowId: undefined, at: undefined }
    if (watch.state.billing === 'subscription') {
      // What has been taken back meanwhile is no news.
      void requireKey(watch).then(() => {
        if (watch.believed.has(known.key)) watch.dispatch({ type: 'believed', limit })
      })
    } else watch.dispatch({ type: 'believed', limit })
  }
  for (const key of watch.believed) if (!keys.includes(key)) watch.believed.delete(key)
  if (isCleared) watch.dispatch({ type: 'cleared', now: watch.session.world.now() })
}

export function share({ sharing, conversation, state }: Watch): void {
  const limit = limitOf(state.notice)
  sharing.tell({ billing: state.billing, sessionId: conversation.sessionId(), limit })
}
