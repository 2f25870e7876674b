import { type KeyPress, type KeyReader, readKeys, readMouse } from './core/keys.ts'
import type { SwitchKey } from './core/switch-key.ts'

/** What claudef's row listens for: nothing, the switch key, or the answer to a question. */
export type Listening = 'nothing' | 'switch' | 'answer'

/** The way of the user's input to the child. */
export type Typing = {
  take: (input: Uint8Array) => void
  /** The child is ending: what is typed from here on is for the next one. */
  hold: () => void
  /** The next child has been started: it gets the terminal's answers, and the rest once it reads. */
  answer: () => void
  /** The child reads its input: it gets this, then what was typed meanwhile, in order. */
  release: (first?: readonly Uint8Array[]) => void
  isHeld: () => boolean
  stop: () => void
}

/** How long an Esc is held to see whether a longer key follows, in ms. */
const ESCAPE_MS = 25

/** A child that has not turned bracketed paste on by then gets its input all the same, in ms. */
const READY_MS = 5000

/** Between two pieces that were held, in ms: Claude Code drops control characters that come with others in one read. */
const APART_MS = 15

/** Hands input on unread, unless the row listens, is there to be clicked, or no child can take it. */
export function openTyping(options: {
  write: (input: Uint8Array) => void
  listening: () => Listening
  onKey: (key: Exclude<KeyPress['key'], 'report'>) => void
  /** The number of claudef's row, counted from 1; `undefined`: there is none. */
  row: () => number | undefined
  /** The row was clicked at this column, counted from 1. */
  onClick: (column: number) => void
  /** Ctrl+C or Ctrl+D while there is no child to take it. */
  onInterrupt: () => void
  switchKey: SwitchKey
}): Typing {
  const { write, listening, onKey } = options
  const reader: KeyReader = { rest: new Uint8Array(), pasting: false, switchKey: options.switchKey }
  let held: Uint8Array[] | undefined
  let child: 'reading' | 'ending' | 'starting' = 'reading'
  let isReleasing = false
  const timers = new Set<NodeJS.Timeout>()
  let escapeTimer: NodeJS.Timeout | undefined
  let ready: NodeJS.Timeout | undefined

  const press = ({ key, bytes }: KeyPress) => {
    if (key === 'report' && isOnRow(bytes)) return
    if (held !== undefined) {
      if (!isReleasing && isInterrupt(bytes) && key !== 'report') return options.onInterrupt()
      if (key !== 'report') held.push(bytes)
      // What the terminal answers to a child that is ending is for nobody; the next one asks for itself.
      else if (child === 'starting') write(bytes)
      return
    }
    const answers = listening() === 'answer'
    const isOurs =
      listening() !== 'nothing' && (key === 'switch' || (answers && (key === 'enter' || key === 'escape')))
    if (!isOurs) write(bytes)
    if (key !== 'report' && (isOurs || answers)) onKey(key)
  }
  /** What happens below the child's last row is not the child's. */
  const isOnRow = (bytes: Uint8Array) => {
    const mouse = readMouse(bytes)
    if (mouse === undefined || mouse.row !== options.row()) return false
    if (mouse.isPress) options.onClick(mouse.column)
    return true
  }
  const later = (act: () => void, ms: number) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      act()
    }, ms)
    timers.add(timer)
  }
  const drain = () => {
    const next = held?.shift()
    if (next !== undefined) write(next)
    if (held !== undefined && held.length > 0) return later(drain, APART_MS)
    held = undefined
    isReleasing = false
  }
  const release = (first: readonly Uint8Array[] = []) => {
    clearTimeout(ready)
    child = 'reading'
    if (held === undefined || isReleasing) return
    isReleasing = true
    held.unshift(...first)
    drain()
  }
  return {
    take: (input) => {
      const isUnread =
        held === undefined &&
        listening() === 'nothing' &&
        options.row() === undefined &&
        reader.rest.length === 0
      if (isUnread && !reader.pasting) return write(input)
      clearTimeout(escapeTimer)
      for (const keyPress of readKeys(reader, input, { flush: false })) press(keyPress)
      if (reader.rest.length === 0) return
      escapeTimer = setTimeout(() => {
        for (const keyPress of readKeys(reader, new Uint8Array(), { flush: true })) press(keyPress)
      }, ESCAPE_MS)
    },
    hold: () => {
      held ??= []
      isReleasing = false
      child = 'ending'
    },
    answer: () => {
      child = 'starting'
      ready = setTimeout(release, READY_MS)
    },
    release,
    isHeld: () => held !== undefined && !isReleasing,
    stop: () => {
      clearTimeout(escapeTimer)
      clearTimeout(ready)
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

/** Ctrl+C or Ctrl+D: as a plain byte, in the kitty protocol or in modifyOtherKeys. */
function isInterrupt(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x1b) return bytes.includes(0x03) || bytes.includes(0x04)
  return /^\x1b\[(?:(?:99|100);5u|27;5;(?:99|100)~)$/.test(Buffer.from(bytes).toString('latin1'))
}
