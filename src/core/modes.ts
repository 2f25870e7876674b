/**
 * What a program has set on its terminal, learned from its output, so that a program that was killed can be
 * cleaned up after: undo only what it set. Also tells what wiped or moved the rows that claudef reserves.
 *
 * The one object of `core/` that changes in place: it is fed every byte of the output.
 */
export type Modes = {
  /** DEC private modes that stand other than a terminal starts with. */
  private: Map<number, boolean>
  /** Kitty keyboard: flag sets pushed and not yet popped, on the main and on the alternate screen. */
  kitty: { main: number; alternate: number }
  modifyOtherKeys: boolean
  scrollRegion: boolean
  cursorStyle: boolean
  keypad: boolean
  charset: boolean
  insert: boolean
  /** Text colours or attributes (SGR) are on. */
  style: boolean
  link: boolean
  title: boolean
  titleStack: number
  progress: boolean
  /** OSC numbers (10, 11, 12) of the colours that were changed. */
  colours: Set<number>
  /** A cursor position was saved (DECSC) and not yet restored. */
  savedCursor: boolean
  /** The sequence that the output is in the middle of; empty between sequences. */
  pending: number[]
  parser: 'ground' | 'escape' | 'csi' | 'string' | 'stringEscape' | 'charset'
}

/** What a piece of output did to the rows below the child's screen: nothing, wiped them, or moved their fence. */
export type Damage = { wiped: boolean; region: boolean }

const ESC = 0x1b
const BEL = 0x07

/** Private modes that are on in a terminal nobody has touched. */
const ON_BY_DEFAULT = new Set([7, 25])

/** The private modes that claudef undoes; others (cursor blink, 12, and the like) are the terminal's own. */
const TRACKED = new Set([
  1, 5, 6, 7, 25, 47, 69, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1049, 2004, 2026, 2031, 2048,
  9001,
])

const ALTERNATE_SCREENS = [47, 1047, 1049]

/** The longest sequence that is kept whole; the tail of a longer one (an image, a long title) is not read. */
const MAX_PENDING = 256

export function createModes(): Modes {
  return {
    private: new Map(),
    kitty: { main: 0, alternate: 0 },
    modifyOtherKeys: false,
    scrollRegion: false,
    cursorStyle: false,
    keypad: false,
    charset: false,
    insert: false,
    style: false,
    link: false,
    title: false,
    titleStack: 0,
    progress: false,
    colours: new Set(),
    savedCursor: false,
    pending: [],
    parser: 'ground',
  }
}

/** Reads the next piece of a program's output. Text between sequences costs one native search. */
export function trackModes(modes: Modes, output: Uint8Array): Damage {
  const damage = { wiped: false, region: false }
  let at = 0
  while (at < output.length) {
    if (modes.parser === 'ground') {
      at = output.indexOf(ESC, at)
      if (at === -1) break
      modes.parser = 'escape'
      at += 1
    } else {
      readByte(modes, output[at] ?? 0, damage)
      at += 1
    }
  }
  return damage
}

export function onAlternateScreen(modes: Modes): boolean {
  return ALTERNATE_SCREENS.some((mode) => modes.private.get(mode) === true)
}

/** True between two sequences: the only places where somebody else's bytes may be put in. */
export function isBetweenSequences(modes: Modes): boolean {
  return modes.parser === 'ground'
}

/**
 * The bytes that undo what is still set, in an order in which no step breaks the next (kitty has a stack of
 * keyboard flags on each screen; leaving the alternate screen moves the cursor on the main one).
 * `keepScreen` leaves the alternate screen and the hidden cursor as they are, for another program that follows.
 */
export function undoModes(modes: Modes, options: { keepScreen: boolean }): string {
  const alternate = onAlternateScreen(modes)
  const leave = alternate && !options.keepScreen
  const isSet = (mode: number) => modes.private.get(mode) === true
  const reset = (...list: number[]) =>
    list
      .filter(isSet)
      .map((mode) => `\x1b[?${mode}l`)
      .join('')
  const pop = (count: number) => (count > 0 ? `\x1b[<${count}u` : '')
  return [
    modes.parser === 'ground' ? '' : '\x1b\\',
    reset(2026),
    reset(1003, 1002, 1000, 1006, 1016, 1015, 1005),
    reset(1004, 2004, 2031, 9001, 2048),
    modes.modifyOtherKeys ? '\x1b[>4m' : '',
    alternate ? pop(modes.kitty.alternate) : '',
    modes.scrollRegion ? '\x1b7\x1b[r\x1b8' : '',
    leave ? reset(...ALTERNATE_SCREENS) : '',
    alternate && !leave ? '' : pop(modes.kitty.main),
    modes.style ? '\x1b[0m' : '',
    modes.link ? '\x1b]8;;\x1b\\' : '',
    modes.private.get(7) === false ? '\x1b[?7h' : '',
    modes.private.get(25) === false && !options.keepScreen ? '\x1b[?25h' : '',
    modes.cursorStyle ? '\x1b[0 q' : '',
    [...modes.colours].map((number) => `\x1b]${number + 100}\x1b\\`).join(''),
    reset(1, 6, 69, 5),
    modes.keypad ? '\x1b>' : '',
    modes.charset ? '\x1b(B\x0f' : '',
    modes.insert ? '\x1b[4l' : '',
    undoTitle(modes, options.keepScreen),
    modes.progress ? '\x1b]9;4;0\x1b\\' : '',
  ].join('')
}

function undoTitle(modes: Modes, keepScreen: boolean): string {
  if (keepScreen) return ''
  return (
    '\x1b[23;0t'.repeat(modes.titleStack) + (modes.title && modes.titleStack === 0 ? '\x1b]0;\x1b\\' : '')
  )
}

function readByte(modes: Modes, byte: number, damage: Damage): void {
  switch (modes.parser) {
    case 'ground':
      return
    case 'escape':
      return readEscape(modes, byte, damage)
    case 'csi':
      return readCsi(modes, byte, damage)
    case 'charset':
      modes.charset = byte !== 0x42
      return toGround(modes)
    case 'string':
      return readString(modes, byte)
    case 'stringEscape':
      // `ESC \` ends the string; any other byte means that the ESC began a new sequence.
      readOsc(modes)
      toGround(modes)
      if (byte !== 0x5c) {
        modes.parser = 'escape'
        readEscape(modes, byte, damage)
      }
  }
}

function toGround(modes: Modes): void {
  modes.parser = 'ground'
  modes.pending = []
}

function readEscape(modes: Modes, byte: number, damage: Damage): void {
  const character = String.fromCharCode(byte)
  if (byte === ESC) return
  if (character === '[') modes.parser = 'csi'
  else if (']PX^_'.includes(character)) {
    modes.parser = 'string'
    modes.pending.push(byte)
  } else if ('()*+'.includes(character)) modes.parser = 'charset'
  // Intermediate bytes (`ESC # 8`, `ESC % G`, `ESC SP F`): the final byte follows.
  else if (byte >= 0x20 && byte <= 0x2f) return
  else {
    applyEscape(modes, character, damage)
    toGround(modes)
  }
}

function applyEscape(modes: Modes, character: string, damage: Damage): void {
  if (character === '7') modes.savedCursor = true
  if (character === '8') modes.savedCursor = false
  if (character === '=') modes.keypad = true
  if (character === '>') modes.keypad = false
  if (character === 'c') {
    Object.assign(modes, createModes())
    damage.wiped = true
    damage.region = true
  }
}

function readCsi(modes: Modes, byte: number, damage: Damage): void {
  if (byte === ESC) {
    modes.pending = []
    modes.parser = 'escape'
    return
  }
  // Control characters inside a sequence are acted on by the terminal at once and do not end it.
  if (byte < 0x20) return
  if (byte >= 0x40 && byte <= 0x7e) {
    applyCsi(modes, String.fromCharCode(...modes.pending), String.fromCharCode(byte), damage)
    return toGround(modes)
  }
  if (modes.pending.length < MAX_PENDING) modes.pending.push(byte)
}

function applyCsi(modes: Modes, parameters: string, final: string, damage: Damage): void {
  const prefix = /^[?>=<]/.exec(parameters)?.[0] ?? ''
  const numbers = parameters.slice(prefix.length).split(/[;:]/).map(Number)
  const first = numbers[0] ?? 0
  switch (prefix + final) {
    case '?h':
    case '?l':
      for (const mode of numbers) setPrivate(modes, mode, final === 'h', damage)
      return
    case '>u':
      modes.kitty[onAlternateScreen(modes) ? 'alternate' : 'main'] += 1
      return
    case '<u':
      return popKitty(modes, first)
    case '>m':
      if (first === 4) modes.modifyOtherKeys = (numbers[1] ?? 0) > 0
      return
    case 'm':
      modes.style = first !== 0 || numbers.length > 1
      return
    case 'r':
      modes.scrollRegion = parameters !== ''
      damage.region = true
      return
    case 'J':
      damage.wiped ||= first !== 1
      return
    case 'h':
    case 'l':
      if (numbers.includes(4)) modes.insert = final === 'h'
      return
    case 't':
      if (first === 22) modes.titleStack += 1
      if (first === 23) modes.titleStack = Math.max(0, modes.titleStack - 1)
      return
    case 's':
    case 'u':
      modes.savedCursor = final === 's'
      return
    case 'q':
      if (parameters.endsWith(' ')) modes.cursorStyle = parseInt(parameters, 10) > 0
      return
    case 'p':
      if (parameters === '!') softReset(modes, damage)
  }
}

function setPrivate(modes: Modes, mode: number, on: boolean, damage: Damage): void {
  if (!TRACKED.has(mode)) return
  if (ON_BY_DEFAULT.has(mode) === on) modes.private.delete(mode)
  else modes.private.set(mode, on)
  if (ALTERNATE_SCREENS.includes(mode)) {
    damage.wiped = true
    // Some terminals keep a scroll region for each screen.
    damage.region = true
  }
}

function popKitty(modes: Modes, count: number): void {
  const screen = onAlternateScreen(modes) ? 'alternate' : 'main'
  modes.kitty[screen] = Math.max(0, modes.kitty[screen] - Math.max(1, count))
}

/** DECSTR: what xterm documents as reset by it. */
function softReset(modes: Modes, damage: Damage): void {
  for (const mode of [1, 6, 7, 25]) modes.private.delete(mode)
  Object.assign(modes, {
    scrollRegion: false,
    keypad: false,
    charset: false,
    insert: false,
    savedCursor: false,
  })
  damage.region = true
}

function readString(modes: Modes, byte: number): void {
  if (byte === ESC) modes.parser = 'stringEscape'
  else if (byte === BEL) {
    readOsc(modes)
    toGround(modes)
  } else if (modes.pending.length < MAX_PENDING) modes.pending.push(byte)
}

function readOsc(modes: Modes): void {
  const text = String.fromCharCode(...modes.pending)
  if (!text.startsWith(']')) return
  const [number = '', ...rest] = text.slice(1).split(';')
  const value = rest.join(';')
  if (number === '0' || number === '2') modes.title = value !== ''
  if (number === '8') modes.link = (rest[1] ?? '') !== ''
  if (number === '9' && rest[0] === '4') modes.progress = (rest[1] ?? '0') !== '0'
  if (['10', '11', '12'].includes(number) && value !== '?') modes.colours.add(Number(number))
  if (['110', '111', '112'].includes(number)) modes.colours.delete(Number(number) - 100)
}
