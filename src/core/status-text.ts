import { describeReset } from './limit-words.ts'
import { type Paint, plainText, renderSpan, shortPath } from './plain-text.ts'
import { renderUsd } from './spend.ts'
import type { StatusReport } from './status.ts'

export type StatusContext = { timeZone: string; home: string | undefined; paint: Paint }

const DAY = 24 * 3600 * 1000

/** `claude-fallback status` for people: a name before each fact. */
export function renderStatus(report: StatusReport, context: StatusContext): string {
  const { paint } = context
  const sections: [string, string[]][] = [
    ['Monitor', [renderMonitor(report)]],
    ['New sessions', renderBilling(report, context)],
    ['Limits', renderLimits(report, context)],
    ['Sessions', renderSessions(report, context)],
    ['Spent today', renderSpend(report, context)],
    ['API key', renderKey(report, context)],
    ['Config', renderConfig(report, context)],
    ['Problems', report.problems.map((problem) => paint.yellow(plainText(problem)))],
  ]
  const width = Math.max(...sections.map(([name]) => name.length))
  return sections
    .flatMap(([name, lines]) =>
      lines.map((line, index) => `${paint.bold((index === 0 ? name : '').padEnd(width))}  ${line}\n`),
    )
    .join('')
}

function renderMonitor({ monitor, now }: StatusReport): string {
  if (monitor.startedAt !== null) {
    const running = renderSpan(Date.parse(now) - Date.parse(monitor.startedAt))
    return `running for ${running}, pid ${monitor.pid}, version ${plainText(monitor.version ?? 'unknown')}`
  }
  if (monitor.state === 'stopped') return 'not running (`claude-fallback start --daemon` starts it)'
  return 'not running; it left its pid file behind, which the next start replaces'
}

const PAYER = { api: 'API billing', subscription: 'subscription' }

function renderBilling({ billing, now }: StatusReport, context: StatusContext): string[] {
  const { newSessions, source, until, mode, modeUntil, obstacle } = billing
  const text = PAYER[newSessions]
  const lines = [
    `${newSessions === 'api' ? context.paint.yellow(text) : text}${renderSource(source)}${until === null ? '' : `, until ${renderTime(until, now, context)}`}`,
  ]
  if (source === 'mode') lines.push('`claude-fallback mode subscription` ends it')
  else if (modeUntil !== null && mode !== newSessions) {
    lines.push(`without that: ${PAYER[mode]}, until ${renderTime(modeUntil, now, context)}`)
  }
  if (newSessions === 'api' && obstacle !== null) {
    lines.push(context.paint.yellow(`but ${obstacle}: they start on the subscription`))
  }
  return lines
}

function renderSource(source: StatusReport['billing']['source']): string {
  switch (source) {
    case 'environment':
      return ', as CLAUDE_FALLBACK_BILLING says'
    case 'file':
      return ', as the config file says'
    case 'mode':
      return ', by `claude-fallback mode api`'
    case 'default':
      return ''
  }
}

function renderTime(at: string, now: string, { timeZone }: StatusContext): string {
  const left = Date.parse(at) - Date.parse(now)
  const text = describeReset(Date.parse(at), { now: Date.parse(now), timeZone })
  return left >= DAY ? `${text}, in ${renderSpan(left)}` : text
}

function renderLimits({ limits, now }: StatusReport, context: StatusContext): string[] {
  if (limits.length === 0) return ['none in force']
  return limits.map(({ shown, resetsAt, endsAt, secondsLeft, cwd }) => {
    const left = secondsLeft * 1000 < DAY ? '' : `, in ${renderSpan(secondsLeft * 1000)}`
    const end = resetsAt === null ? ` · no reset known, kept until ${renderTime(endsAt, now, context)}` : left
    const where = cwd === null ? '' : context.paint.dim(` (met in ${shortPath(cwd, context.home)})`)
    return `${context.paint.yellow(plainText(shown))}${end}${where}`
  })
}

function renderSessions({ sessions, now }: StatusReport, context: StatusContext): string[] {
  if (sessions.length === 0) return ['none known']
  return sessions.map(({ pid, by, cwd, billing, limit, resetsAt }) => {
    const met =
      limit === null
        ? ''
        : ` · ${limit === 'unknown' ? 'usage' : limit} limit${resetsAt === null ? '' : `, resets ${renderTime(resetsAt, now, context)}`}`
    const seen = by === 'monitor' ? context.paint.dim(' (plain claude, seen by the monitor)') : ''
    const payer = billing === 'api' ? context.paint.yellow(PAYER.api) : PAYER.subscription
    return `${String(pid).padStart(7)}  ${payer}  ${shortPath(cwd, context.home)}${met}${seen}`
  })
}

function renderSpend({ spend }: StatusReport, { paint }: StatusContext): string[] {
  const { todayUsd: usd, isLowerBound, maxUsdPerDay, maxUsdPerSession } = spend
  const of = maxUsdPerDay === null ? ', without a daily cap' : ` of ${renderCap(maxUsdPerDay)} a day`
  const session = maxUsdPerSession === null ? '' : `, ${renderCap(maxUsdPerSession)} a session`
  const isReached = maxUsdPerDay !== null && usd >= maxUsdPerDay
  const reached = isReached ? paint.yellow(' · the cap is reached: nothing more is billed today') : ''
  return [`${renderUsd({ usd, isLowerBound })}${of}${session}${reached}`]
}

function renderCap(usd: number): string {
  return renderUsd({ usd, isLowerBound: false })
}

function renderKey({ key }: StatusReport, { paint }: StatusContext): string[] {
  const { source, shown, sources } = key
  const first =
    source === null
      ? paint.yellow('none found (`claude-fallback key set` stores one)')
      : `${shown === null ? '' : `${plainText(shown)} from `}${plainText(source)}`
  // A keyring that cannot be asked is no matter where the key lies elsewhere.
  const troubles = sources.flatMap((place) =>
    place.problem !== null && (place.isSet || source === null)
      ? [paint.yellow(`${place.source}: ${plainText(place.problem)}`)]
      : [],
  )
  return [first, ...troubles]
}

function renderConfig({ config }: StatusReport, { home, paint }: StatusContext): string[] {
  const missing = config.problems.length > 0 ? ' (not used)' : ' (there is none)'
  const first =
    config.file === null
      ? 'no file is read'
      : `${shortPath(config.file, home)}${config.isRead ? '' : missing}`
  return [first, ...config.problems.map((problem) => paint.yellow(plainText(problem)))]
}
