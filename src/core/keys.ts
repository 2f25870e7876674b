import { DEFAULT_SWITCH_KEY, type SwitchKey } from './switch-key.ts'

/** What one piece of the user's input means while claudef's row asks for something. */
type Key = 'switch' | 'enter' | 'escape' | 'other' | 'report'

export type KeyPress = { key: Key; bytes: Uint8Array }

/** The input so far that is no whole key yet, and whether it stands inside a bracketed paste. */
export type KeyReader = {
  rest: Uint8Array
  pasting: boolean
  switchKey?: Pick<SwitchKey, 'character' | 'byte'>
}

const ESC = 0x1b
const BEL = 0x07
const ENTER = 0x0d
const PASTE_START = '\x1b[200~'
const PASTE_END = '\x1b[201~'

/**
 * Cuts input into key presses. Keys are known as plain bytes, in the kitty protocol (`CSI 93;5u`) and in
 * modifyOtherKeys (`CSI 27;5;93~`); nothing inside a paste is a key. Mouse, focus and the terminal's answers are
 * reports. Plain text comes as one press. `reader` keeps what a read has cut off; `flush` gives that up for whole (a
 * lone Esc), but not a paste's end, which is sure to come.
 */
export function readKeys(reader: KeyReader, input: Uint8Array, options: { flush: boolean }): KeyPress[] {
  const bytes = concat(reader.rest, input)
  const { switchKey = DEFAULT_SWITCH_KEY } = reader
  const presses: KeyPress[] = []
  let at = 0
  while (at < bytes.length) {
    const length = reader.pasting ? pasteLength(bytes, at) : keyLength(bytes, at, switchKey.byte)
    if (length === 0 && (reader.pasting || !options.flush)) break
    const piece = bytes.subarray(at, length === 0 ? bytes.length : at + length)
    presses.push({ key: reader.pasting ? 'other' : nameKey(piece, switchKey), bytes: piece })
    const text = ascii(piece)
    if (text === PASTE_START) reader.pasting = true
    else if (text.endsWith(PASTE_END)) reader.pasting = false
    at += piece.length
  }
  reader.rest = bytes.slice(at)
  return presses
}

/** Bytes up to and with the end of the paste; all that is there while the end is not; 0 while it may be cut. */
function pasteLength(bytes: Uint8Array, at: number): number {
  const text = ascii(bytes.subarray(at))
  const end = text.indexOf(PASTE_END)
  if (end >= 0) return end + PASTE_END.length
  for (let size = Math.min(PASTE_END.length - 1, text.length); size > 0; size--) {
    if (PASTE_END.startsWith(text.slice(-size))) return text.length - size
  }
  return text.length
}

/** Length of the key press at `at`; 0 where its end has not come yet. */
function keyLength(bytes: Uint8Array, at: number, switchByte: number): number {
  if (bytes[at] !== ESC) return textLength(bytes, at, switchByte)
  const next = bytes[at + 1]
  if (next === undefined) return 0
  if (next === 0x5b) return csiLength(bytes, at)
  // OSC, DCS, APC: the terminal's answers. SS3: a function key.
  if (next === 0x5d || next === 0x50 || next === 0x5f) return stringLength(bytes, at)
  if (next === 0x4f) return bytes[at + 2] === undefined ? 0 : bytes[at + 2] === ESC ? 2 : 3
  // Alt and a key, or Esc twice.
  return next === ESC ? 1 : 2
}

/** Enter or the switch key alone, or all up to the next of them or the next sequence. */
function textLength(bytes: Uint8Array, at: number, switchByte: number): number {
  if (bytes[at] === ENTER || bytes[at] === switchByte) return 1
  let end = at + 1
  while (end < bytes.length && ![ESC, ENTER, switchByte].includes(bytes[end] ?? 0)) end++
  return end - at
}

function csiLength(bytes: Uint8Array, at: number): number {
  for (let end = at + 2; end < bytes.length; end++) {
    const byte = bytes[end] ?? 0
    // `CSI M` and three bytes: a mouse report of the oldest kind.
    if (end === at + 2 && byte === 0x4d) return bytes.length >= at + 6 ? 6 : 0
    if (byte >= 0x40 && byte <= 0x7e) return end - at + 1
    // No byte of a sequence: it was Alt+[ and another key.
    if (byte < 0x20 || byte > 0x7e) return end - at
  }
  return 0
}

function stringLength(bytes: Uint8Array, at: number): number {
  for (let end = at + 2; end < bytes.length; end++) {
    const byte = bytes[end] ?? 0
    if (byte === BEL) return end - at + 1
    if (byte === ESC && bytes[end + 1] === 0x5c) return end - at + 2
    // No byte of an answer: it was Alt+] and another key.
    if (byte < 0x20 && !(byte === ESC && bytes[end + 1] === undefined)) return 2
  }
  return 0
}

function nameKey(piece: Uint8Array, switchKey: Pick<SwitchKey, 'character' | 'byte'>): Key {
  const text = ascii(piece)
  if ((piece.length === 1 && piece[0] === switchKey.byte) || isSwitch(text, switchKey.character))
    return 'switch'
  // The keypad's Enter has a number of its own in the kitty protocol.
  if (text === '\r' || matchesKey(text, 13, 1) || matchesKey(text, 57414, 1)) return 'enter'
  if (text === '\x1b' || matchesKey(text, 27, 1)) return 'escape'
  const isAnswer =
    /^\x1b([\]P_]|\[[?>]|\[[IO]$|\[<|\[M|\[\d+;\d+;\d+M$|\[\d+;\d+R$|\[[\d;]*(\$y|[nt])$)/.test(text)
  // A key's release (kitty event type 3) is no press.
  return isAnswer || /^\x1b\[[\d:;]*:3[u~A-Z]$/.test(text) ? 'report' : 'other'
}

/** Characters that take Shift, with the key of a US keyboard where they lie: all that kitty tells of them. */
const SHIFTED: Record<string, number> = { '@': 50, '^': 54, _: 45 }

function isSwitch(text: string, character: string): boolean {
  // With Caps Lock on modifyOtherKeys tells the upper case.
  const codes = [character.toLowerCase(), character.toUpperCase()].map((each) => each.charCodeAt(0))
  if (codes.some((code) => matchesKey(text, code, 5))) return true
  const place = SHIFTED[character]
  return place !== undefined && [place, ...codes].some((code) => matchesKey(text, code, 6))
}

/** In cells, counted from 1; `press` and `release` are of a button, all else (moved, dragged, the wheel) is `other`. */
export type Mouse = { column: number; row: number; type: 'press' | 'release' | 'other' }

/** A mouse report (SGR, urxvt's, and the oldest kind). */
export function readMouse(piece: Uint8Array): Mouse | undefined {
  const text = ascii(piece)
  const [, button, column, row, final] = /^\x1b\[<(\d+);(\d+);(\d+)([Mm])$/.exec(text) ?? []
  if (final !== undefined) {
    const type = Number(button) > 2 ? 'other' : final === 'M' ? 'press' : 'release'
    return { column: Number(column), row: Number(row), type }
  }
  const urxvt = /^\x1b\[(\d+);(\d+);(\d+)M$/.exec(text)?.slice(1).map(Number)
  if (urxvt !== undefined) {
    const [code = 0, x = 0, y = 0] = urxvt
    return { column: x, row: y, type: nameButton(code - 32) }
  }
  if (!text.startsWith('\x1b[M') || piece.length !== 6) return undefined
  const [code = 0, x = 0, y = 0] = piece.slice(3)
  return { column: x - 32, row: y - 32, type: nameButton(code - 32) }
}

/** The older kinds do not tell which button was released. */
function nameButton(button: number): Mouse['type'] {
  return button < 3 ? 'press' : button === 3 ? 'release' : 'other'
}

/**
 * `modifiers` as the protocols count them: 1 plus Shift 1, Alt 2, Ctrl 4. Lock keys (64 and 128) do not matter.
 * Kitty tells beside a key's own code the one that its place has on a US keyboard (third, after the shifted one):
 * on a Cyrillic keyboard that is Ctrl+]; on a Latin one the key is what it says.
 */
function matchesKey(text: string, code: number, modifiers: number): boolean {
  const kitty = /^\x1b\[(\d+)(?::\d*)?(?::(\d+))?(?:;(\d*)(?::[12])?(?:;[\d:]*)?)?u$/.exec(text)
  const other = /^\x1b\[27;(\d+);(\d+)~$/.exec(text)
  const own = Number(kitty ? kitty[1] : other?.[2])
  const seenCode = own > 127 && kitty?.[2] !== undefined ? Number(kitty[2]) : own
  const seenModifiers = Number((kitty ? kitty[3] : other?.[1]) || 1)
  return seenCode === code && ((seenModifiers - 1) & 0x3f) + 1 === modifiers
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second
  const whole = new Uint8Array(first.length + second.length)
  whole.set(first)
  whole.set(second, first.length)
  return whole
}

/** One character per byte, so that positions stay byte positions. */
function ascii(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192))
  }
  return text
}
