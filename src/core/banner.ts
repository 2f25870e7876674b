import type { ApiFailure } from './limit.ts'
import { describeClock, describeLimit, nameLimit } from './limit-words.ts'
import type { ApiNotice, Billing, Notice } from './policy.ts'
import { type Amount, renderUsd } from './spend.ts'
import { truncate, widthOf } from './text-width.ts'

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
  /** The name of the key that answers the row: `Ctrl+]`. */
  switchKey: string
  /** What API billing has cost in this session, and which cap is near. */
  spent: Amount & { nearCap: string | undefined }
  /** What the first request on the key is likely to be. */
  estimate: { tokens: number; usd: number | undefined } | undefined
  /** What else to say beside who pays: until when `claude-fallback mode api` holds, which caps there are. */
  note: string | undefined
  /** Counts up while something is under way. */
  frame: number
}

/** The text of the reserved row, one column shorter than the window at most; `undefined`: no row. */
export function renderBanner(notice: Notice, context: BannerContext): string | undefined {
  const line = describeNotice(notice, context)
  if (line === undefined) return undefined
  const texts = [line.text, ...(line.shorter ?? [])].map((words) => ` ${oneLine(words)}`)
  const text = fitLine(texts, line.keys ?? [], context.columns - 1)
  return context.color ? `${COLORS[line.tone]}${text}\x1b[0m` : text
}

/** True where column `column` of the row, counted from 1, is at the `×` or right of it: a click there dismisses. */
export function isDismissal(row: string, column: number): boolean {
  const text = row.replace(/\x1b\[[\d;]*m/g, '')
  const at = text.search(/×(?: dismiss)?$/)
  return at !== -1 && column > widthOf(text.slice(0, at))
}

type Line = {
  text: string
  /** The same for windows in which it would be cut, the longest first. */
  shorter?: string[]
  /** What to press, in full and, for a narrow window, in short: the longest first. */
  keys?: string[]
  tone: 'warning' | 'question' | 'paying' | 'plain'
}

const DISMISS = ['× dismiss', '×']

const COLORS: Record<Line['tone'], string> = {
  warning: '\x1b[33m',
  question: '\x1b[1;33m',
  paying: '\x1b[36m',
  plain: '',
}

const PAYER: Record<Billing, string> = { api: 'API billing', subscription: 'your subscription' }

const SPINNER = [...'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏']

function describeNotice(notice: Notice, context: BannerContext): Line | undefined {
  switch (notice.type) {
    case 'none':
      return undefined
    case 'offer':
      return describeOffer(notice, context)
    case 'question':
      return describeQuestion(notice.billing, context)
    case 'unable': {
      const { reason, brief = reason, repair } = notice
      const todo = `${reason}: ${repair}`
      const text = `⚠ ${describeLimit(notice.limit, context)} · ${todo}`
      // What to do is worth more room than the time, and than what Claude Code says itself.
      const shorter = [`⚠ ${nameLimit(notice.limit)} · ${todo}`, `⚠ ${todo}`, `⚠ ${brief}: ${repair}`]
      return { text, shorter, keys: DISMISS, tone: 'warning' }
    }
    case 'told':
      return {
        text: `⚠ ${notice.text}`,
        shorter: notice.shorter?.map((words) => `⚠ ${words}`) ?? [],
        keys: DISMISS,
        tone: 'warning',
      }
    case 'switching': {
      const waitsFor = notice.waitsFor === undefined ? '…' : ` · waits for ${notice.waitsFor}`
      const spinner = SPINNER[context.frame % SPINNER.length]
      return { text: `${spinner} Going on with ${PAYER[notice.billing]}${waitsFor}`, tone: 'plain' }
    }
    case 'api':
      return describeApi(notice, context)
    case 'returned': {
      const text = `Back on your subscription · ${renderUsd(context.spent)} spent`
      return { text: `${text}${describeNote(context)}`, shorter: [text], tone: 'plain' }
    }
  }
}

function describeOffer(
  { limit, isBelieved, why }: Extract<Notice, { type: 'offer' }>,
  context: BannerContext,
): Line {
  const { switchKey } = context
  // One model's limit leaves the others usable, which costs nothing more: that is worth more room than the time.
  const isModel = limit.scope.type === 'model'
  const name = `⚠ ${nameLimit(limit)}`
  const cheaper = `${name} · /model to another model stays on your plan`
  const text = isModel ? cheaper : `⚠ ${describeLimit(limit, context)}`
  const shorter = isModel ? [`${name} · try /model`, name] : [name]
  const keys = [
    `${switchKey} continue on API billing · × dismiss`,
    `${switchKey} API billing · ×`,
    `${switchKey} API billing`,
  ]
  if (isBelieved) shorter.unshift(`${text} (elsewhere)`)
  if (why !== undefined) {
    return { text: `${text} · ${why}`, shorter: [`${name} · ${why}`, name], keys, tone: 'warning' }
  }
  return { text: isBelieved ? `${text} (met in another session)` : text, shorter, keys, tone: 'warning' }
}

function describeQuestion(billing: Billing, { key, estimate }: BannerContext): Line {
  const keys = ['Enter yes · Esc no', 'Enter · Esc']
  if (billing === 'subscription') return { text: 'Go back to your subscription?', keys, tone: 'question' }
  const whole = describeEstimate(estimate)
  const text = `Go on with API billing, paid by the key ${key}?${whole}`
  const price = estimate === undefined ? '' : ` ${capitalize(describePrice(estimate.usd))}`
  // The price is the last to go.
  const shorter = [
    `Go on with API billing?${whole}`,
    `Go on with API billing (key ${key})?${price}`,
    `Go on with API billing?${price}`,
    `API billing?${price}`,
    `API?${price}`,
  ]
  return { text, shorter, keys, tone: 'question' }
}

/** ` First request about 48k tokens, about $0.31` */
function describeEstimate(estimate: BannerContext['estimate']): string {
  if (estimate === undefined) return ''
  const { tokens, usd } = estimate
  const count = tokens < 1000 ? `${tokens}` : `${Math.round(tokens / 1000)}k`
  return ` First request about ${count} tokens, ${describePrice(usd)}`
}

function describePrice(usd: number | undefined): string {
  return usd === undefined ? 'price not known' : `about ${renderUsd({ usd, isLowerBound: false })}`
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function describeNote({ note }: BannerContext): string {
  return note === undefined ? '' : ` · ${note}`
}

function describeApi(notice: ApiNotice, context: BannerContext): Line {
  const { switchKey, spent, note, key } = context
  const keys = [`${switchKey} return`]
  const usd = spent.usd > 0 ? ` · ${renderUsd(spent)}` : ''
  const cost = usd === '' ? '' : `${usd} this session`
  const near = spent.nearCap === undefined ? cost : `${cost} · ${spent.nearCap}`
  const back = describeBack(notice, context)
  if (notice.failure !== undefined) {
    const text = `⚠ API billing: ${describeFailure(notice.failure)}`
    const isBack = notice.back !== undefined
    return {
      text: `${text}${cost}${isBack ? back : ''}`,
      shorter: [`${text}${usd}`, text],
      keys,
      tone: 'warning',
    }
  }
  const more = describeNote(context)
  const text = `API billing (key ${key})${near}${back}${more}`
  // That the way back is open, or a cap is near, is worth more room than the note, and this more than when it will be.
  const open = notice.back === undefined ? '' : back
  const brief = spent.nearCap === undefined ? usd : `${usd} · ${spent.nearCap}`
  const noted = [
    `API billing${near}${back}${more}`,
    `API billing${near}${open}${more}`,
    `API billing${brief}${open}${more}`,
  ]
  const shorter = [
    ...(note === undefined ? [] : noted),
    `API billing (key ${key})${near}${back}`,
    `API billing${near}${back}`,
    ...(spent.nearCap === undefined ? [] : [`API billing${near}${open}`, `API billing${brief}${open}`]),
    `API billing (key ${key})${cost}${back}`,
    `API billing${cost}${back}`,
    `API billing${usd}${back}`,
  ]
  // Who pays and how much is the last to go.
  return {
    text,
    shorter: [...shorter, `API billing${usd}`],
    keys,
    tone: spent.nearCap !== undefined ? 'warning' : 'paying',
  }
}

/** What helps comes first: the API's own words may be long. */
function describeFailure({ type, text }: ApiFailure): string {
  if (type !== 'thinking') return text
  return `update Claude Code (2.1.152 or later): ${text}`
}

/** ` · subscription back at 4:13pm` */
function describeBack({ limit, back, triesAt }: ApiNotice, context: BannerContext): string {
  if (back === 'offered') return ' · your subscription is back'
  if (back === 'waiting') return ' · subscription is back, waits until idle'
  if (limit === undefined) return ''
  if (triesAt !== undefined && triesAt > (limit.resetsAt ?? 0)) {
    return ` · limited again, next return ${describeClock(triesAt, context)}`
  }
  if (limit.resetsAt === undefined) return ` · ${nameLimit(limit)}`
  return ` · subscription back ${describeClock(limit.resetsAt, context)}`
}

/** The first text that fits with the keys behind it; else the last, cut so that the keys stay in sight. */
function fitLine(texts: readonly string[], keys: readonly string[], columns: number): string {
  const tails = keys.length === 0 ? [''] : keys.map((words) => ` · ${words}`)
  for (const text of texts) {
    for (const tail of tails) if (widthOf(text + tail) <= columns) return text + tail
  }
  const tail = tails.at(-1) ?? ''
  return truncate(truncate(texts.at(-1) ?? '', Math.max(0, columns - widthOf(tail))) + tail, columns)
}

/**
 * Text from elsewhere, fit for the one row: control characters could move the cursor or change the colours, marks of
 * direction show it in another order.
 */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\p{Surrogate}\s]+/gu, ' ').trim()
}
