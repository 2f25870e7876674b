import { createSequenceReader, readSequences, type Sequence, type SequenceReader } from './sequences.ts'

/**
 * What a program has set on its terminal, learned from its output, so that a program that was killed can be
 * cleaned up after: undo only what it set. Also tells what wiped or moved the rows that claudef reserves.
 *
 * The one object of `core/` that changes in place: it is fed every byte of the output.
 */
export type Modes = {
  /** DEC private modes that stand other than a terminal starts with. */
  private: Map<number, boolean>
  /** Kitty keyboard: each screen has a stack of its own. */
  kitty: { main: KittyStack; alternate: KittyStack }
  modifyOtherKeys: boolean
  scrollRegion: boolean
  cursorStyle: boolean
  keypad: boolean
  /** Which of `(`, `)`, `*`, `+` (G0 to G3) hold another character set than ASCII. */
  charsets: Set<string>
  insert: boolean
  /** Text colours or attributes (SGR) are on. */
  style: boolean
  link: boolean
  /** The title that was set last, cut where it is very long; `undefined` where none has been set. */
  title: string | undefined
  /** What `title` was at each title that was saved (`CSI 22 t`) and not yet taken back. */
  titleStack: (string | undefined)[]
  progress: boolean
  /** OSC numbers (10, 11, 12) of the colours that were changed. */
  colours: Set<number>
  /** A cursor position was saved (DECSC) and not yet restored. */
  savedCursor: boolean
  /** What was saved with the cursor; each screen has a place for one. Opening the alternate screen saves, too. */
  savedPen: { main: Pen; alternate: Pen }
  sequences: SequenceReader
}

/** Flag sets pushed and not yet popped, and whether the flags under them were changed in place. */
export type KittyStack = { pushed: number; changed: boolean }

/** What comes back with a saved cursor. */
type Pen = { style: boolean; link: boolean; origin: boolean; charsets: Set<string> }

/** What a piece of output did to what is ours: wiped the rows below the child's screen, moved their fence, set a title. */
type Damage = { wiped: boolean; region: boolean; title: boolean }

/** Private modes that are on in a terminal nobody has touched. */
const ON_BY_DEFAULT = new Set([7, 25])

/** The private modes that claudef undoes; others (cursor blink, 12, and the like) are the terminal's own. */
const TRACKED = new Set([
  1, 5, 6, 7, 25, 47, 69, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1049, 2004, 2026, 2031, 2048,
  9001,
])

/** The last characters of the control sequences that matter to `applyCsi`, but for `m` without a prefix. */
const FINALS = new Set(Array.from('hlurJtsqp', (final) => final.charCodeAt(0)))

export const ALTERNATE_SCREENS = [47, 1047, 1049]

export function createModes(): Modes {
  return {
    private: new Map(),
    kitty: { main: { pushed: 0, changed: false }, alternate: { pushed: 0, changed: false } },
    modifyOtherKeys: false,
    scrollRegion: false,
    cursorStyle: false,
    keypad: false,
    charsets: new Set(),
    insert: false,
    style: false,
    link: false,
    title: undefined,
    titleStack: [],
    progress: false,
    colours: new Set(),
    savedCursor: false,
    savedPen: { main: createPen(), alternate: createPen() },
    sequences: createSequenceReader(),
  }
}

function createPen(): Pen {
  return { style: false, link: false, origin: false, charsets: new Set() }
}

/** Reads the next piece of a program's output. */
export function trackModes(modes: Modes, output: Uint8Array): Damage {
  const damage = { wiped: false, region: false, title: false }
  const onSequence = (sequence: Sequence) => {
    switch (sequence.type) {
      case 'style':
        modes.style = !sequence.isPlain
        return
      case 'escape':
        return applyEscape(modes, sequence.intermediates, sequence.final, damage)
      case 'csi':
        return applyCsi(modes, sequence.parameters, sequence.final, damage)
      case 'osc':
        return applyOsc(modes, sequence.text, damage)
    }
  }
  readSequences(modes.sequences, output, { finals: FINALS, onSequence })
  return damage
}

export function onAlternateScreen(modes: Modes): boolean {
  return ALTERNATE_SCREENS.some((mode) => modes.private.get(mode) === true)
}

/** True between two sequences: the only places where somebody else's bytes may be put in. */
export function isBetweenSequences(modes: Modes): boolean {
  return modes.sequences.state === 'ground'
}

function applyEscape(modes: Modes, intermediates: string, final: string, damage: Damage): void {
  // `ESC ( B` is ASCII; any other letter, or two, a set of its own.
  const slot = intermediates[0] ?? ''
  if (intermediates === slot && '()*+'.includes(slot) && final === 'B') modes.charsets.delete(slot)
  else if (slot !== '' && '()*+'.includes(slot)) modes.charsets.add(slot)
  switch (intermediates + final) {
    case '7':
      return savePen(modes)
    case '8':
      return restorePen(modes)
    case '=':
    case '>':
      modes.keypad = final === '='
      return
    case 'c':
      Object.assign(modes, { ...createModes(), sequences: modes.sequences })
      damage.wiped = damage.region = true
      return
    // Fills the screen with E.
    case '#8':
      damage.wiped = damage.region = true
  }
}

function applyCsi(modes: Modes, parameters: string, final: string, damage: Damage): void {
  const [, prefix = '', list = '', intermediates = ''] = /^([?>=<]?)([^ -/]*)(.*)$/.exec(parameters) ?? []
  const numbers = list.split(/[;:]/).map(Number)
  const first = numbers[0] ?? 0
  switch (prefix + intermediates + final) {
    case '?h':
    case '?l':
      for (const mode of numbers) setPrivate(modes, mode, final === 'h', damage)
      return
    case '>u':
      kittyStack(modes).pushed += 1
      return
    case '<u':
      return popKitty(kittyStack(modes), Math.max(1, first))
    case '=u':
      return changeKitty(kittyStack(modes), first, numbers[1] ?? 1)
    case '>m':
      if (first === 4 || list === '') modes.modifyOtherKeys = (numbers[1] ?? 0) > 0
      return
    case 'm':
      modes.style = first !== 0 || numbers.length > 1
      return
    case 'r':
      modes.scrollRegion = list !== ''
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
      if (first === 22) modes.titleStack.push(modes.title)
      if (first === 23 && modes.titleStack.length > 0) modes.title = modes.titleStack.pop()
      damage.title ||= first === 23
      return
    case 's':
    case 'u':
      // With parameters `s` sets the left and right margins.
      if (list === '' && final === 's') savePen(modes)
      if (list === '' && final === 'u') restorePen(modes)
      return
    case ' q':
      modes.cursorStyle = first > 0
      return
    case '!p':
      softReset(modes, damage)
  }
}

function setPrivate(modes: Modes, mode: number, on: boolean, damage: Damage): void {
  if (!TRACKED.has(mode)) return
  const { savedCursor } = modes
  if (mode === 1049 && on) savePen(modes)
  if (ALTERNATE_SCREENS.includes(mode)) {
    setAlternateScreen(modes, mode, on)
    if (mode === 1049 && !on) restorePen(modes)
    modes.savedCursor = savedCursor
    damage.wiped = true
    // Some terminals keep a scroll region for each screen.
    damage.region = true
  } else if (ON_BY_DEFAULT.has(mode) === on) modes.private.delete(mode)
  else modes.private.set(mode, on)
}

/** There is one alternate screen: the mode that opened it is to be undone, and any of them closes it. */
function setAlternateScreen(modes: Modes, mode: number, on: boolean): void {
  if (!on) for (const any of ALTERNATE_SCREENS) modes.private.delete(any)
  else if (!onAlternateScreen(modes)) modes.private.set(mode, true)
}

function savePen(modes: Modes): void {
  const { style, link } = modes
  const pen = { style, link, origin: modes.private.has(6), charsets: new Set(modes.charsets) }
  modes.savedPen[onAlternateScreen(modes) ? 'alternate' : 'main'] = pen
  modes.savedCursor = true
}

/** Not every terminal brings all of it back: what was saved counts beside what stands. */
function restorePen(modes: Modes): void {
  const pen = modes.savedPen[onAlternateScreen(modes) ? 'alternate' : 'main']
  modes.style ||= pen.style
  modes.link ||= pen.link
  modes.charsets = new Set([...modes.charsets, ...pen.charsets])
  if (pen.origin) modes.private.set(6, true)
  modes.savedCursor = false
}

function kittyStack(modes: Modes): KittyStack {
  return modes.kitty[onAlternateScreen(modes) ? 'alternate' : 'main']
}

/** A pop that empties the stack resets the flags under it. */
function popKitty(stack: KittyStack, count: number): void {
  if (count > stack.pushed) stack.changed = false
  stack.pushed = Math.max(0, stack.pushed - count)
}

/** How: 1 sets exactly these flags, 2 adds them, 3 takes them away. On a pushed set the pop undoes it. */
function changeKitty(stack: KittyStack, flags: number, how: number): void {
  if (stack.pushed > 0) return
  if (how === 1) stack.changed = flags !== 0
  if (how === 2 && flags !== 0) stack.changed = true
}

/** DECSTR: what xterm documents as reset by it. */
function softReset(modes: Modes, damage: Damage): void {
  for (const mode of [1, 6, 7, 25]) modes.private.delete(mode)
  Object.assign(modes, {
    scrollRegion: false,
    keypad: false,
    charsets: new Set(),
    insert: false,
    savedCursor: false,
    savedPen: { main: createPen(), alternate: createPen() },
  })
  damage.region = true
}

function applyOsc(modes: Modes, text: string, damage: Damage): void {
  const [number = '', ...rest] = text.split(';')
  const value = rest.join(';')
  // Cut short (`OSC 8 ;`), a terminal does not act on it.
  if ((number === '0' || number === '2') && rest.length > 0) {
    modes.title = decode(value)
    damage.title = true
  }
  if (number === '8' && rest.length > 1) modes.link = rest[1] !== ''
  if (number === '9' && rest[0] === '4' && rest.length > 1) modes.progress = rest[1] !== '0'
  if (['10', '11', '12'].includes(number) && value !== '?' && value !== '') modes.colours.add(Number(number))
  if (['110', '111', '112'].includes(number)) modes.colours.delete(Number(number) - 100)
}

/** Text of a sequence, of which a character is one byte. */
function decode(bytes: string): string {
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)))
}
