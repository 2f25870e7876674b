import { createModes, isBetweenSequences, onAlternateScreen, trackModes, undoModes } from './core/modes.ts'
import { clearRow, keepFence, MAKE_ROOM, paintRow, pushAway, WIPE } from './core/render.ts'
import type { Output } from './output.ts'
import type { Size } from './pty.ts'

/** Under this size a window keeps all of its rows for Claude Code. */
const SMALLEST = { rows: 8, columns: 40 }

const LEAVE_ALTERNATE = ['\x1b[?1049l', '\x1b[?1047l', '\x1b[?47l']

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
  let painted = true
  let isLent = false
  /** The bottom row of the main screen has been freed of what stood there. */
  let hasRoom = false
  let insideCharacter = false
  /** The picture is that of a child which has ended; the next one may begin with a dialog that wipes nothing. */
  let isStale = false
  /** The child has drawn on the main screen. */
  let isInline = false
  /** The farewell has come to the words that are not shown. */
  let isSilent = false
  const fits = () => size().rows >= SMALLEST.rows && size().columns >= SMALLEST.columns
  const reserved = () => row !== undefined && fits()
  const childSize = () => ({ columns: size().columns, rows: size().rows - (reserved() ? 1 : 0) })
  /** Inside a sequence, a character, a frame or a saved cursor of the child's nothing may come: its next output does. */
  const isBusy = () =>
    insideCharacter ||
    modes.savedCursor ||
    modes.private.get(2026) === true ||
    !isBetweenSequences(modes) ||
    isLent
  const paint = () => {
    if (isBusy()) return
    for (const sequence of asides.splice(0)) output.write(Buffer.from(sequence))
    if (painted || row === undefined) return
    painted = true
    if (reserved() && !onAlternateScreen(modes) && !hasRoom) {
      hasRoom = true
      output.write(MAKE_ROOM)
    }
    output.write(paintRow(row, { rows: size().rows, fits: fits(), fence: !modes.scrollRegion }))
  }
  const removeRow = () => {
    output.write(clearRow(size().rows))
    hasRoom = false
  }
  /** The row and its fence stay behind on the alternate screen: what was on the main one is not ours to paint on. */
  const leaveAlternate = (bytes: Uint8Array) => {
    const at = Math.max(...LEAVE_ALTERNATE.map((sequence) => Buffer.from(bytes).lastIndexOf(sequence)))
    if (at === -1) return output.write(bytes)
    output.write(bytes.subarray(0, at))
    output.write(clearRow(size().rows))
    hasRoom = false
    return output.write(bytes.subarray(at))
  }
  const show = (bytes: Uint8Array) => {
    if (isStale) {
      isStale = false
      output.write(WIPE)
    }
    const wasAlternate = onAlternateScreen(modes)
    const damage = trackModes(modes, bytes)
    insideCharacter = endsInsideCharacter(bytes)
    if (damage.wiped || damage.region) painted = false
    const leaves = reserved() && wasAlternate && !onAlternateScreen(modes)
    const taken = leaves
      ? leaveAlternate(bytes)
      : output.write(reserved() ? keepFence(bytes, size().rows) : bytes)
    isInline = !onAlternateScreen(modes)
    paint()
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
    reservedRow: () => (reserved() && modes.private.get(1016) !== true ? size().rows : undefined),
    writeAside: (sequence: string) => {
      asides.push(sequence)
      paint()
    },
    reserveRow: (text: string | undefined) => {
      if (text === row) return
      const before = reserved()
      if (before && text === undefined) removeRow()
      row = text
      painted = false
      if (reserved() && !before && isInline) {
        output.write(pushAway(size().rows))
        hasRoom = true
      }
      if (reserved() !== before) options.onResize(childSize())
      paint()
    },
    resized: () => {
      options.onResize(childSize())
      painted = false
      paint()
    },
    /** The terminal is somebody else's for a while: without our row. */
    lend: () => {
      if (reserved()) removeRow()
      isLent = true
    },
    takeBack: () => {
      isLent = false
      painted = false
      paint()
    },
    undo: (how: { keepScreen: boolean }) => {
      isStale = how.keepScreen && onAlternateScreen(modes)
      isSilent = false
      output.write(Buffer.from(undoModes(modes, how)))
      painted = false
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
