import { retypePaste } from './core/draft.ts'
import { nameKeyPress } from './core/key-names.ts'
import { type KeyPress, type KeyReader, readKeys, readMouse } from './core/keys.ts'
import type { SwitchKey } from './core/switch-key.ts'

/** What claudef's row listens for: nothing, the switch key, or the answer to a question. */
export type Listening = 'nothing' | 'switch' | 'answer'

/** The way of the user's input to the child. */
export type Typing = {
  take: (input: Uint8Array) => void
  /** The child is ending: what is typed from here on is for the next one. */
  hold: () => void
  /** The next child has been started: it gets the terminal's answers, and once it reads `first`, then the rest. */
  answer: (first?: readonly Uint8Array[]) => void
  /** The child reads its input: it gets what is kept for it, in order. */
  release: () => void
  /** The child has shown something: it has had time to read. */
  heard: () => void
  isHeld: () => boolean
  stop: () => void
}

/** How long an Esc is held to see whether a longer key follows, in ms. */
const ESCAPE_MS = 25

/**
 * A child that has not turned bracketed paste on by then gets its input all the same, in ms. Before that the kernel
 * would echo and edit it by line.
 */
const READY_MS = 15_000

/** Between two keys that were held, in ms: in one read they could be taken for a paste. */
const APART_MS = 15

/**
 * After a paste that the child has taken in, in ms: an Enter that is read with it is put off, and sends what is typed
 * behind it, too (2.1.330).
 */
const PASTE_MS = 300

/** After an Enter that the child has taken in, in ms: of several prompts in one read some can be lost (2.1.330). */
const ENTER_MS = 60

/** A child that shows nothing new by then is not waited for, in ms. */
const ECHO_MS = 2000

const PASTE_START = '\x1b[200~'
const PASTE_END = '\x1b[201~'
const NOTHING = new Uint8Array()
/** As a sequence, see `cutKeys`. */
export const ENTER: Uint8Array = Buffer.from('\x1b[13u')

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
  let isPasting = false
  /** How long to wait once the child has shown something, in ms; `undefined`: that is not waited for. */
  let unheard: number | undefined
  /** A button went down on the row, and has not come up. */
  let isPressed = false
  let drainTimer: NodeJS.Timeout | undefined
  let escapeTimer: NodeJS.Timeout | undefined
  let escapeTurn: NodeJS.Immediate | undefined
  let ready: NodeJS.Timeout | undefined

  const keep = (pieces: Uint8Array[], { key, bytes }: KeyPress) => {
    // What the terminal answers to a child that is ending is for nobody; the next one asks for itself.
    if (key === 'report') return child === 'ending' ? undefined : write(bytes)
    const text = Buffer.from(bytes).toString('latin1')
    const isRest = isPasting
    const isPaste = isRest || text === PASTE_START
    isPasting = isPaste && !text.endsWith(PASTE_END)
    // In one piece: an answer of the terminal's in the middle of a paste would be taken for a part of it.
    if (isPaste) pieces.push(isRest ? Buffer.concat([pieces.pop() ?? NOTHING, bytes]) : bytes)
    else if (!isReleasing && isInterrupt(text)) options.onInterrupt()
    else pieces.push(...cutKeys(bytes))
  }
  const press = (keyPress: KeyPress) => {
    const { key, bytes } = keyPress
    if (key === 'report' && isOfRow(bytes)) return
    const answers = listening() === 'answer'
    const isOurs =
      listening() !== 'nothing' && (key === 'switch' || (answers && (key === 'enter' || key === 'escape')))
    if (!isOurs && held !== undefined) keep(held, keyPress)
    else if (!isOurs) write(bytes)
    if (key !== 'report' && (isOurs || answers)) onKey(key)
  }
  /** What happens below the child's last row is not the child's, nor is the end of a click that began there. */
  const isOfRow = (bytes: Uint8Array) => {
    const mouse = readMouse(bytes)
    if (mouse === undefined) return false
    const { type, column, row } = mouse
    const isOn = row === options.row()
    const isEnd = isPressed && type === 'release'
    if (type !== 'other') isPressed = type === 'press' && isOn
    if (type === 'press' && isOn) options.onClick(column)
    return isOn || isEnd
  }
  const flush = () => {
    for (const keyPress of readKeys(reader, NOTHING, { flush: true })) press(keyPress)
  }
  const drain = () => {
    const isHalf = isPasting && held?.length === 1
    const piece = isHalf ? undefined : held?.shift()
    const next = piece && (retypePaste(piece) ?? piece)
    if (next !== undefined) write(next)
    if (held !== undefined && held.length > 0) {
      const isPaste = next !== undefined && Buffer.from(next).includes(PASTE_END)
      const isEnter = next !== undefined && Buffer.from(next).equals(ENTER)
      unheard = isPaste ? PASTE_MS : isEnter ? ENTER_MS : undefined
      drainTimer = setTimeout(drain, isPaste || isEnter ? ECHO_MS : APART_MS)
      return
    }
    held = undefined
    isReleasing = false
  }
  const release = () => {
    clearTimeout(ready)
    child = 'reading'
    if (held === undefined || isReleasing) return
    isReleasing = true
    drain()
  }
  return {
    take: (input) => {
      const isUnread =
        held === undefined &&
        listening() === 'nothing' &&
        options.row() === undefined &&
        !isPressed &&
        reader.rest.length === 0
      if (isUnread && !reader.pasting) return write(input)
      clearTimeout(escapeTimer)
      clearImmediate(escapeTurn)
      for (const keyPress of readKeys(reader, input, { flush: false })) press(keyPress)
      if (reader.rest.length === 0) return
      // Where claudef itself was late, the rest may have come, but not been read yet.
      escapeTimer = setTimeout(() => {
        escapeTurn = setImmediate(flush)
      }, ESCAPE_MS)
    },
    hold: () => {
      clearTimeout(drainTimer)
      clearTimeout(ready)
      // Where half a paste has gone to the child that ends, the rest is one for the next.
      if (held === undefined) isPasting = reader.pasting
      held ??= isPasting ? [Buffer.from(PASTE_START)] : []
      isReleasing = false
      child = 'ending'
    },
    answer: (first = []) => {
      child = 'starting'
      held?.unshift(...first)
      clearTimeout(ready)
      ready = setTimeout(release, READY_MS)
    },
    release,
    heard: () => {
      if (unheard === undefined || !isReleasing) return
      clearTimeout(drainTimer)
      drainTimer = setTimeout(drain, unheard)
      unheard = undefined
    },
    isHeld: () => held !== undefined && !isReleasing,
    stop: () => {
      for (const timer of [escapeTimer, ready, drainTimer]) clearTimeout(timer)
      clearImmediate(escapeTurn)
    },
  }
}

/**
 * One key each. Between others in one read Claude Code drops control characters, and a child that starts reads late:
 * as CSI u each stays a key of its own (measured on 2.1.330). Backspaces and line feeds it keeps as they are.
 */
function cutKeys(bytes: Uint8Array): Uint8Array[] {
  const text = Buffer.from(bytes).toString('latin1')
  const isSequence = text.startsWith('\x1b') && text.length > 1
  const keys = isSequence
    ? [text]
    : (text.match(/[\x01-\x07\x09\x0b-\x1b]|[^\x01-\x07\x09\x0b-\x1b]+/g) ?? [])
  return keys.map((key) => Buffer.from(isSequence ? key : encodeKey(key), 'latin1'))
}

function encodeKey(key: string): string {
  const code = key.charCodeAt(0)
  if (!/^[\x01-\x07\x09\x0b-\x1b]$/.test(key)) return key
  return ['\t', '\r', '\x1b'].includes(key) ? `\x1b[${code}u` : `\x1b[${code + 96};5u`
}

/** Ctrl+C or Ctrl+D: as a plain byte, in the kitty protocol or in modifyOtherKeys. */
function isInterrupt(text: string): boolean {
  if (!text.startsWith('\x1b')) return /[\x03\x04]/.test(text)
  return ['ctrl+c', 'ctrl+d'].includes(nameKeyPress(text) ?? '')
}
