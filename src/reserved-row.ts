import { isDismissal, renderBanner } from './core/banner.ts'
import { type Caps, describeNear } from './core/budget.ts'
import type { Notice, State } from './core/policy.ts'
import { maskKey } from './key.ts'
import type { Session } from './relay.ts'
import type { Estimate } from './spending.ts'

/** What the row under Claude Code says, kept true as time goes by. */
export type ReservedRow = {
  show: (state: State) => void
  /** What else to say beside who pays, for so many ms where that is said; replaces what was said before. */
  note: (text: string | undefined, forMs?: number) => void
  estimate: (estimate: Estimate | undefined) => void
  /** True for a click on the row's `×`, at a column counted from 1. */
  isDismissal: (column: number) => boolean
  stop: () => void
}

/** Between two pictures of the spinner, in ms. */
const SPIN_MS = 100
/** Countdowns are in minutes. */
const COUNT_MS = 60_000

export function openReservedRow(session: Session, caps: Caps): ReservedRow {
  const { terminal, world, config } = session
  let state: State | undefined
  let note: string | undefined
  let estimate: Estimate | undefined
  let frame = 0
  let text: string | undefined
  let timer: NodeJS.Timeout | undefined
  let noteTimer: NodeJS.Timeout | undefined

  const paint = () => {
    if (state === undefined) return
    const { notice, spent } = state
    text = renderBanner(notice, {
      columns: terminal.rowColumns(),
      now: world.now(),
      timeZone: localZone(),
      key: session.key.type === 'key' ? maskKey(session.key.key) : '',
      color: !world.env.NO_COLOR,
      switchKey: config.switchKey.name,
      spent: {
        usd: spent.session,
        isLowerBound: spent.isLowerBound,
        nearCap: describeNear(spent, caps),
      },
      estimate,
      note,
      frame,
    })
    terminal.reserveRow(text)
  }
  /** Only while something moves in the row. */
  const turn = () => {
    clearTimeout(timer)
    const wait = state === undefined ? undefined : pace(state.notice)
    if (wait === undefined) return
    timer = setTimeout(() => {
      frame += 1
      paint()
      turn()
    }, wait).unref()
  }
  const setNote = (words: string | undefined, forMs?: number) => {
    clearTimeout(noteTimer)
    note = words
    paint()
    if (forMs !== undefined) noteTimer = setTimeout(() => setNote(undefined), forMs).unref()
  }
  return {
    show: (next) => {
      state = next
      paint()
      turn()
    },
    note: setNote,
    estimate: (next) => {
      estimate = next
      paint()
    },
    isDismissal: (column) => text !== undefined && isDismissal(text, column),
    stop: () => {
      clearTimeout(timer)
      clearTimeout(noteTimer)
    },
  }
}

/** After how many ms the row would say something else; `undefined`: never by itself. */
function pace(notice: Notice): number | undefined {
  if (notice.type === 'switching') return SPIN_MS
  const hasCountdown = notice.type === 'offer' || notice.type === 'unable'
  return hasCountdown && notice.limit.resetsAt !== undefined ? COUNT_MS : undefined
}

export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}
