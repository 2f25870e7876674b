import type { Limit } from './limit.ts'
import type { Billing, Notice } from './policy.ts'

export type BannerContext = {
  columns: number
  /** Epoch ms. */
  now: number
  /** IANA name of the zone in which clock times are shown. */
  timeZone: string
  /** What may be shown of the key: `…abcd`. */
  key: string
  /** False where the user asked for none (`NO_COLOR`). */
  color: boolean
}

/** The text of the reserved row, one column shorter than the window at most; `undefined`: no row. */
export function renderBanner(notice: Notice, context: BannerContext): string | undefined {
  const line = describeNotice(notice, context)
  if (line === undefined) return undefined
  const text = fitKeys(` ${oneLine(line.text)}`, line.keys ?? [], context.columns - 1)
  return context.color ? `${COLORS[line.tone]}${text}\x1b[0m` : text
}

type Line = {
  text: string
  /** What to press, in full and, for a narrow window, in short. */
  keys?: [string, string]
  tone: 'warning' | 'question' | 'paying' | 'plain'
}

const COLORS: Record<Line['tone'], string> = {
  warning: '\x1b[33m',
  question: '\x1b[1;33m',
  paying: '\x1b[36m',
  plain: '',
}

const PAYER: Record<Billing, string> = { api: 'API billing', subscription: 'your subscription' }

function describeNotice(notice: Notice, context: BannerContext): Line | undefined {
  switch (notice.type) {
    case 'none':
      return undefined
    case 'offer':
      return describeOffer(notice.limit, context)
    case 'question':
      return describeQuestion(notice.billing, context)
    case 'unable': {
      const text = `⚠ ${describeLimit(notice.limit, context)} · ${notice.reason}: ${notice.repair}`
      return { text, tone: 'warning' }
    }
    case 'told':
      return { text: `⚠ ${notice.text}`, tone: 'warning' }
    case 'switching':
      return { text: `Going on with ${PAYER[notice.billing]}…`, tone: 'plain' }
    case 'api':
      return describeApi(notice, context)
  }
}

function describeOffer(limit: Limit, context: BannerContext): Line {
  // One model's limit leaves the others usable, which costs nothing more: that is worth more room than the time.
  const isModel = limit.scope.type === 'model'
  const cheaper = `${nameLimit(limit)} · /model to another model stays on your plan`
  const text = `⚠ ${isModel ? cheaper : describeLimit(limit, context)}`
  return { text, keys: ['Ctrl+] continue on API billing', 'Ctrl+] API billing'], tone: 'warning' }
}

function describeQuestion(billing: Billing, context: BannerContext): Line {
  const text =
    billing === 'api'
      ? `Go on with API billing, paid by the key ${context.key}?`
      : 'Go back to your subscription?'
  return { text, keys: ['Enter yes · Esc no', 'Enter · Esc'], tone: 'question' }
}

function describeApi(notice: Extract<Notice, { type: 'api' }>, context: BannerContext): Line {
  const keys: Line['keys'] = ['Ctrl+] back to the subscription', 'Ctrl+] back']
  if (notice.failure !== undefined) {
    return { text: `⚠ API billing: ${notice.failure.text}`, keys, tone: 'warning' }
  }
  const why = notice.limit === undefined ? '' : ` · ${describeLimit(notice.limit, context)}`
  return { text: `API billing (key ${context.key})${why}`, keys, tone: 'paying' }
}

/** The text with the keys behind it; where the window is narrow the keys stay in sight, and the text is cut. */
function fitKeys(text: string, [keys, short]: [string, string] | [], columns: number): string {
  if (keys === undefined || short === undefined) return truncate(text, columns)
  const whole = `${text} · ${keys}`
  if (truncate(whole, columns) === whole) return whole
  const tail = ` · ${short}`
  return truncate(truncate(text, Math.max(0, columns - tail.length)) + tail, columns)
}

/** `5-hour limit · resets 4:13pm, in 1h 59m` */
function describeLimit(limit: Limit, context: Pick<BannerContext, 'now' | 'timeZone'>): string {
  const name = nameLimit(limit)
  return limit.resetsAt === undefined ? name : `${name} · resets ${describeReset(limit.resetsAt, context)}`
}

function nameLimit(limit: Limit): string {
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

function describeReset(resetsAt: number, context: Pick<BannerContext, 'now' | 'timeZone'>): string {
  const left = resetsAt - context.now
  const date: Intl.DateTimeFormatOptions = left < DAY ? {} : { month: 'short', day: 'numeric' }
  const clock = new Intl.DateTimeFormat('en-US', {
    ...date,
    hour: 'numeric',
    minute: '2-digit',
    timeZone: context.timeZone,
  })
  const at = clock.format(resetsAt).replace(/\s?([AP])M$/, (_, half: string) => `${half.toLowerCase()}m`)
  return left > 0 && left < DAY ? `${at}, in ${describeSpan(left)}` : at
}

function describeSpan(milliseconds: number): string {
  const minutes = Math.ceil(milliseconds / MINUTE)
  const hours = Math.floor(minutes / 60)
  return hours === 0 ? `${minutes}m` : `${hours}h ${minutes % 60}m`
}

/**
 * Text from elsewhere, fit for the one row: control characters could move the cursor or change the colours, marks of
 * direction show it in another order.
 */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\p{Surrogate}\s]+/gu, ' ').trim()
}

/** What terminals show two columns wide (Unicode's East Asian Width, in whole blocks), emoji included. */
const WIDE =
  /[\u1100-\u115f\u2329\u232a\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{1b2ff}\u{1d300}-\u{1d37f}\u{1f000}-\u{3fffd}\p{Emoji_Presentation}]/u

/** Cuts a text that is too long; never wider than `columns`, and now and then narrower (joined emoji). */
function truncate(text: string, columns: number): string {
  let width = 0
  let end = 0
  let at = 0
  for (const character of text) {
    width += WIDE.test(character) ? 2 : 1
    if (width > columns) return columns < 1 ? '' : `${text.slice(0, end)}…`
    at += character.length
    // As much as leaves room for the ellipsis.
    if (width < columns) end = at
  }
  return text
}
