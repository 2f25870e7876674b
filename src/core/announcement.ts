import { type Caps, describeCaps, type Spent } from './budget.ts'
import type { Limit } from './limit.ts'
import { describeClock, nameLimit } from './limit-words.ts'
import type { Notification } from './notification.ts'
import type { Action, Billing } from './policy.ts'
import { renderUsd } from './spend.ts'

type Announced = Extract<Action, { type: 'announce' }>

/** The words of a notification, for a user who looks elsewhere. */
export function describeAnnouncement(
  announced: Announced,
  context: {
    now: number
    timeZone: string
    spent: Spent
    caps: Caps
    next: Billing | undefined
    switchKey: string
  },
): Notification {
  const { spent, caps } = context
  switch (announced.about) {
    case 'limit': {
      const { limit, obstacle } = announced
      const reset = limit.resetsAt === undefined ? '' : `, resets ${describeClock(limit.resetsAt, context)}`
      const title = `${describeMet(limit)}${reset}`
      if (obstacle !== undefined) return { title, text: `${obstacle.reason}: ${obstacle.repair}.` }
      if (context.next === 'api') return { title, text: 'claudef goes on with API billing.' }
      const way = `${context.switchKey} in its terminal goes on with API billing.`
      if (limit.scope.type !== 'model') return { title, text: way }
      return { title, text: `/model to another model stays on your plan. ${way}` }
    }
    case 'near cap':
      return {
        title: 'API billing nears a cap',
        text: `${describeSpent(spent)}; ${describeCaps(caps)} at most.`,
      }
    case 'cap':
      return {
        title: 'API billing has ended at a cap',
        text: `${describeSpent(spent)}; ${describeCaps(caps)} at most. The conversation waits on your subscription.`,
        urgency: 'critical',
      }
    case 'back':
      return {
        title: 'Your subscription is back',
        text: `${context.switchKey} in its terminal takes the conversation back to it.`,
      }
  }
}

/** `5-hour limit reached`, `Out of usage credits` */
function describeMet(limit: Limit): string {
  const name = nameLimit(limit)
  return limit.window === 'credits' && limit.scope.type !== 'model' ? name : `${name} reached`
}

function describeSpent({ session, day, isLowerBound }: Spent): string {
  const amount = (usd: number) => renderUsd({ usd, isLowerBound })
  return `${amount(session)} in this session, ${amount(day)} today`
}
