import {
  ALTERNATE_SCREENS,
  isBetweenSequences,
  type KittyStack,
  type Modes,
  onAlternateScreen,
  trackModes,
} from './modes.ts'

/**
 * The bytes that undo what is still set, in an order in which no step breaks the next (kitty has a stack of
 * keyboard flags on each screen; leaving the alternate screen moves the cursor on the main one). `modes` counts
 * them as sent: what it holds afterwards is what still stands.
 * `keepScreen` leaves the alternate screen, what is set on the main one below it, the hidden cursor and the title
 * as they are, for another program that follows.
 */
export function undoModes(modes: Modes, options: { keepScreen: boolean }): string {
  // It ends what was cut off, which the terminal then acts on: half a title becomes the title.
  const end = isBetweenSequences(modes) ? '' : '\x1b\\'
  trackModes(modes, encode(end))
  const screen = undoScreen(modes, options)
  trackModes(modes, encode(screen))
  // Only now is it known with which colours the cursor has come back.
  const rest = undoRest(modes, options)
  trackModes(modes, encode(rest))
  modes.savedCursor = false
  return end + screen + rest
}

/** The input modes, the scroll region and the alternate screen. */
function undoScreen(modes: Modes, options: { keepScreen: boolean }): string {
  const alternate = onAlternateScreen(modes)
  const leave = alternate && !options.keepScreen
  return [
    reset(modes, 2026),
    reset(modes, 1003, 1002, 1000, 1006, 1016, 1015, 1005),
    reset(modes, 1004, 2004, 2031, 9001, 2048),
    modes.modifyOtherKeys ? '\x1b[>4m' : '',
    alternate ? undoKitty(modes.kitty.alternate) : '',
    modes.scrollRegion ? '\x1b7\x1b[r\x1b8' : '',
    // Sends the cursor home: on the screen that is left.
    reset(modes, 6),
    leave ? reset(modes, ...ALTERNATE_SCREENS) : '',
    alternate && !leave ? '' : undoKitty(modes.kitty.main),
  ].join('')
}

/** How characters look and where they go. */
function undoRest(modes: Modes, options: { keepScreen: boolean }): string {
  return [
    modes.style ? '\x1b[0m' : '',
    modes.link ? '\x1b]8;;\x1b\\' : '',
    modes.private.get(7) === false ? '\x1b[?7h' : '',
    modes.private.get(25) === false && !options.keepScreen ? '\x1b[?25h' : '',
    modes.cursorStyle ? '\x1b[0 q' : '',
    [...modes.colours].map((number) => `\x1b]${number + 100}\x1b\\`).join(''),
    // Origin again, where it has come back with the cursor.
    reset(modes, 1, 6, 69, 5),
    modes.keypad ? '\x1b>' : '',
    [...modes.charsets].map((slot) => `\x1b${slot}B`).join('') + (modes.charsets.size > 0 ? '\x0f' : ''),
    modes.insert ? '\x1b[4l' : '',
    undoTitle(modes, options.keepScreen),
    modes.progress ? '\x1b]9;4;0\x1b\\' : '',
  ].join('')
}

function reset(modes: Modes, ...list: number[]): string {
  const set = list.filter((mode) => modes.private.get(mode) === true)
  return set.map((mode) => `\x1b[?${mode}l`).join('')
}

function undoKitty({ pushed, changed }: KittyStack): string {
  return (pushed > 0 ? `\x1b[<${pushed}u` : '') + (changed ? '\x1b[=0u' : '')
}

function undoTitle({ title, titleStack }: Modes, keepScreen: boolean): string {
  if (keepScreen) return ''
  const first = titleStack.length > 0 ? titleStack[0] : title
  return '\x1b[23;0t'.repeat(titleStack.length) + (first ? '\x1b]0;\x1b\\' : '')
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
