import type { Limit } from './limit.ts'

/** Epoch ms, and the IANA name of the zone in which clock times are shown. */
type Clock = { now: number; timeZone: string }

/** `5-hour limit · resets 4:13pm, in 1h 59m` */
export function describeLimit(limit: Pick<Limit, 'window' | 'scope' | 'resetsAt'>, context: Clock): string {
  const name = nameLimit(limit)
  return limit.resetsAt === undefined ? name : `${name} · resets ${describeReset(limit.resetsAt, context)}`
}

/** `5-hour limit`, `Opus limit` */
export function nameLimit(limit: Pick<Limit, 'window' | 'scope'>): string {
  if (limit.scope.type === 'model') return `${limit.scope.name} limit`
  switch (limit.window) {
    case 'session':
      return '5-hour limit'
    case 'weekly':
      return 'Weekly limit'
    case 'monthly':
      return 'Monthly limit'
    case 'credits':
      return 'Out of usage credits'
    case 'spend':
      return 'Spend limit'
    case 'unknown':
      return 'Usage limit'
  }
}

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** `4:13pm, in 1h 59m`; with its date where it is not within a day. */
export function describeReset(resetsAt: number, clock: Clock): string {
  const left = resetsAt - clock.now
  const at = formatTime(resetsAt, clock)
  return left > 0 && left < DAY ? `${at}, in ${describeSpan(left)}` : at
}

/** `at 4:13pm`, `Nov 25, 2:13pm` */
export function describeClock(time: number, clock: Clock): string {
  return isNear(time, clock) ? `at ${formatTime(time, clock)}` : formatTime(time, clock)
}

/** Within a day, to either side, a time of day says enough. */
function isNear(time: number, { now }: Clock): boolean {
  return Math.abs(time - now) < DAY
}

function formatTime(time: number, clock: Clock): string {
  const { timeZone } = clock
  const date: Intl.DateTimeFormatOptions = isNear(time, clock) ? {} : { month: 'short', day: 'numeric' }
  const format = new Intl.DateTimeFormat('en-US', { ...date, hour: 'numeric', minute: '2-digit', timeZone })
  return format.format(time).replace(/\s?([AP])M$/, (_, half: string) => `${half.toLowerCase()}m`)
}

function describeSpan(milliseconds: number): string {
  const minutes = Math.ceil(milliseconds / MINUTE)
  const hours = Math.floor(minutes / 60)
  return hours === 0 ? `${minutes}m` : `${hours}h ${minutes % 60}m`
}
