import { createModes, isBetweenSequences, onAlternateScreen, trackModes } from './core/modes.ts'
import {
  clearRow,
  cutAtFences,
  MAKE_ROOM,
  paintRow,
  pushAway,
  renderFence,
  renderTitle,
  restoreTitle,
  WIPE,
} from './core/render.ts'
import { undoModes } from './core/undo-modes.ts'
import type { Output } from './output.ts'
import type { Size } from './pty.ts'

/** Under this size a window keeps all of its rows for Claude Code. */
const SMALLEST = { rows: 8, columns: 40 }

/** How wide a title may be that stands for the row. */
const TITLE_COLUMNS = 80

/** How much of the output is kept to see what it ends with, in bytes: a sequence that sets two colours, and more. */
const TAIL = 64

/** What joins a character (an accent, a variation selector, the rest of a flag) comes in this time behind it, in ms. */
const JOIN_MS = 20

/** The last words of a Claude Code that was told to end (2.1.330): not for a user who goes on. */
const RESUME_HINT = 'Resume this session with'

/** What the terminal shows: the modes that the child has set, and the row that is not the child's. */
export function openScreen(options: {
  output: Output
  size: () => Size
  onResize: (childSize: Size) => void
}) {
  const { output, size } = options
  const modes = createModes()
  /** Sequences that draw nothing, for the terminal itself. */
  const asides: string[] = []
  let row: string | undefined
  /** What `row` is to be once the child's output allows. */
  let wanted: string | undefined
  let painted = true
  /** The text has come where there was none. */
  let rings = false
  /** The text stands in the window's title. */
  let isTitled = false
  let wasReserved = false
  let isLent = false
  /** The bottom row of the main screen has been freed of what stood there. */
  let hasRoom = false
  /** The last bytes of the output: a character may come in four pieces, a sequence in more. */
  let tail: Uint8Array = new Uint8Array()
  /** Nothing more has come to join the last character. */
  let isQuiet = false
  let quiet: NodeJS.Timeout | undefined
  /** The picture is that of a child which has ended; the next one may begin with a dialog that wipes nothing. */
  let isStale = false
  /** The child has drawn on the main screen. */
  let isInline = false
  /** The farewell has come to the words that are not shown. */
  let isSilent = false
  const fits = () => size().rows >= SMALLEST.rows && size().columns >= SMALLEST.columns
  const reserved = () => row !== undefined && fits()
  const childSize = () => ({ columns: size().columns, rows: size().rows - (reserved() ? 1 : 0) })
  /** Inside a sequence, a character or a frame of the child's nothing may come: its next output does. */
  const isCut = () =>
    endsInsideCharacter(tail) || modes.private.get(2026) === true || !isBetweenSequences(modes) || isLent
  /** What is drawn behind a character keeps the next one from joining it. */
  const mayJoin = () => !isQuiet && endsInText(tail)
  const paint = () => {
    // What we do would be what a cursor saved by the child comes back to.
    if (isCut() || modes.savedCursor) return
    for (const sequence of asides.splice(0)) output.write(Buffer.from(sequence))
    if (row === undefined || reserved()) giveTitleBack()
    if (painted || row === undefined) return
    painted = true
    if (!reserved()) {
      output.write(renderTitle(row, { saves: !isTitled, rings }))
      isTitled = true
      rings = false
      return
    }
    if (!onAlternateScreen(modes) && !hasRoom) {
      hasRoom = true
      output.write(MAKE_ROOM)
    }
    rings = false
    const wraps = modes.private.get(7) !== false
    output.write(paintRow(row, { rows: size().rows, fence: !modes.scrollRegion, wraps }))
  }
  const giveTitleBack = () => {
    if (isTitled) output.write(restoreTitle(modes.title))
    isTitled = false
  }
  const removeRow = () => {
    output.write(clearRow(size().rows))
    // It has taken a region of the child's own away with it.
    modes.scrollRegion = false
    hasRoom = false
  }
  const changeRow = () => {
    if (wanted === row || isCut()) return
    if (wanted === undefined && reserved()) removeRow()
    rings ||= row === undefined
    row = wanted
    painted = false
    if (reserved() === wasReserved) return
    wasReserved = reserved()
    if (wasReserved && isInline) {
      output.write(pushAway(size().rows))
      hasRoom = true
    }
    options.onResize(childSize())
  }
  const isDue = () => wanted !== row || asides.length > 0 || (row === undefined ? isTitled : !painted)
  const update = () => {
    if (!isDue()) return
    if (mayJoin()) {
      quiet ??= setTimeout(() => {
        isQuiet = true
        update()
      }, JOIN_MS).unref()
      return
    }
    changeRow()
    paint()
  }
  /** Takes note of a piece of output that ends with the sequence that takes the fence away, if there is one. */
  const track = (piece: Uint8Array): Uint8Array => {
    const wasAlternate = onAlternateScreen(modes)
    const { state, pending } = modes.sequences
    const before = state === 'csi' ? `[${String.fromCharCode(...pending)}` : ''
    const damage = trackModes(modes, piece)
    if (damage.region || (reserved() ? damage.wiped : damage.title)) painted = false
    if (!damage.region || !reserved() || !isBetweenSequences(modes)) return piece
    const leaves = wasAlternate && !onAlternateScreen(modes)
    if (leaves) hasRoom = true
    const sequence = before + Buffer.from(piece.subarray(-32)).toString('latin1')
    const fence = renderFence(sequence, size().rows)
    if (fence.startsWith('\x1b7') && modes.savedCursor) return piece
    // What was on the main screen is not ours to paint on, and its cursor may stand in our row.
    const room = leaves ? `\x1b7\x1b[r\x1b8${Buffer.from(MAKE_ROOM)}` : ''
    return Buffer.concat([piece, Buffer.from(room + fence)])
  }
  const show = (bytes: Uint8Array) => {
    if (isStale) {
      isStale = false
      output.write(WIPE)
    }
    const pieces = reserved() ? cutAtFences(bytes, !isBetweenSequences(modes)) : [bytes]
    const tracked = pieces.map(track)
    tail = Buffer.concat([tail, bytes.subarray(-TAIL)]).subarray(-TAIL)
    clearTimeout(quiet)
    quiet = undefined
    isQuiet = false
    const taken = output.write(tracked.length === 1 ? (tracked[0] ?? bytes) : Buffer.concat(tracked))
    isInline = !onAlternateScreen(modes)
    update()
    return taken
  }
  return {
    childSize,
    show,
    showFarewell: (bytes: Uint8Array) => {
      if (onAlternateScreen(modes) || isSilent) return
      const at = Buffer.from(bytes).indexOf(RESUME_HINT)
      isSilent = at !== -1
      show(isSilent ? bytes.subarray(0, at) : bytes)
    },
    takesPaste: () => modes.private.get(2004) === true,
    /** Mouse reports in pixels (mode 1016) cannot be told from those of the child's own rows. */
    rowColumns: () => (fits() ? size().columns : TITLE_COLUMNS),
    reservedRow: () => (reserved() && modes.private.get(1016) !== true ? size().rows : undefined),
    writeAside: (sequence: string) => {
      asides.push(sequence)
      update()
    },
    reserveRow: (text: string | undefined) => {
      wanted = text
      update()
    },
    resized: () => {
      // A change of the width alone leaves the fence in some terminals (tmux).
      if (wasReserved && !reserved() && !isCut()) removeRow()
      wasReserved = reserved()
      options.onResize(childSize())
      painted = false
      update()
    },
    /** The terminal is somebody else's for a while: without our row. */
    lend: () => {
      if (reserved()) removeRow()
      giveTitleBack()
      isLent = true
    },
    takeBack: () => {
      isLent = false
      painted = false
      isQuiet = true
      update()
    },
    undo: (how: { keepScreen: boolean }) => {
      isStale = how.keepScreen && onAlternateScreen(modes)
      isSilent = false
      if (!how.keepScreen) giveTitleBack()
      output.write(Buffer.from(undoModes(modes, how)))
      clearTimeout(quiet)
      quiet = undefined
      tail = new Uint8Array()
      painted = false
      changeRow()
    },
  }
}

/** True where the last bytes are the beginning of a UTF-8 character whose rest is still to come. */
function endsInsideCharacter(bytes: Uint8Array): boolean {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return false
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2)
  }
  return false
}

/** True where the last bytes are a character on the screen, and no control character or sequence. */
function endsInText(bytes: Uint8Array): boolean {
  const last = bytes.at(-1) ?? 0
  if (last < 0x20 || last === 0x7f) return false
  const text = Buffer.from(bytes).toString('latin1')
  return !/\x1b(?:\[[0-?]*[ -/]*[@-~]|[ -/]*[0-~])$/.test(text)
}
