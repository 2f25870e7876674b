import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import type tty from 'node:tty'
import { createModes, isBetweenSequences, onAlternateScreen, trackModes, undoModes } from './core/modes.ts'
import { clearRow, MAKE_ROOM, paintRow } from './core/render.ts'
import type { Size } from './pty.ts'

export type TerminalOptions = {
  stdin: tty.ReadStream
  stdout: tty.WriteStream & { fd: number }
  /** What the user types, and what the terminal answers. */
  onInput: (input: Buffer) => void
  /** The room for the child has changed: the window's size, or the reserved row. */
  onResize: (childSize: Size) => void
  /** The terminal takes output again after `show` returned `false`. */
  onDrain: () => void
}

/** The user's own terminal: nobody else knows its attributes, its modes, its size and its bottom row. */
export type Terminal = {
  /** Raw from here on: no byte is converted in either direction, and input is handed on. */
  takeOver: () => void
  holdInput: (hold: boolean) => void
  size: () => Size
  /** The room for a child: the whole window less the reserved row. */
  childSize: () => Size
  /** The child has turned bracketed paste on: it reads its input now. */
  takesPaste: () => boolean
  /** Passes a child's output on, unchanged. `false`: the terminal is slow, stop until `onDrain`. */
  show: (output: Uint8Array) => boolean
  /**
   * Reserves the bottom row for this text (escape sequences for colour allowed, at most `columns - 1` wide), or
   * gives it back. A window under 8 rows or 40 columns has no such row: the text becomes its title, with a bell.
   */
  reserveRow: (text: string | undefined) => void
  /** Undoes what a child has left set; `keepScreen` where another child follows at once. */
  undo: (options: { keepScreen: boolean }) => void
  /** Gives the terminal back as it was found. May be called twice. */
  restore: () => void
}

/** Under this size a window keeps all of its rows for Claude Code. */
const SMALLEST = { rows: 8, columns: 40 }

/** Waits between two tries to write to a terminal that takes nothing, in ms: doubled up to the second. */
const RETRY_MS = { first: 1, longest: 20 }

/** Opens the terminal; it stays as it is until `takeOver`. */
export function openTerminal(options: TerminalOptions): Terminal {
  const { stdin, stdout } = options
  const size = () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 })
  const output = openOutput(stdout.fd, options.onDrain)
  const screen = openScreen({ output, size, onResize: options.onResize })
  let restoreAttributes = () => {}
  return {
    takeOver: () => {
      restoreAttributes = makeRaw(stdin)
      stdin.on('data', options.onInput)
      stdout.on('resize', screen.resized)
    },
    holdInput: (hold) => void (hold ? stdin.pause() : stdin.resume()),
    size,
    childSize: screen.childSize,
    takesPaste: screen.takesPaste,
    show: screen.show,
    reserveRow: screen.reserveRow,
    undo: screen.undo,
    restore: () => {
      stdin.off('data', options.onInput)
      stdout.off('resize', screen.resized)
      stdin.pause()
      output.close()
      restoreAttributes()
      restoreAttributes = () => {}
    },
  }
}

/** What the terminal shows: the modes that the child has set, and the row that is not the child's. */
function openScreen(options: { output: Output; size: () => Size; onResize: (childSize: Size) => void }) {
  const { output, size } = options
  let modes = createModes()
  let row: string | undefined
  let painted = true
  let insideCharacter = false
  const fits = () => size().rows >= SMALLEST.rows && size().columns >= SMALLEST.columns
  const reserved = () => row !== undefined && fits()
  const childSize = () => ({ columns: size().columns, rows: size().rows - (reserved() ? 1 : 0) })
  const paint = () => {
    // Never inside a sequence, a character, a frame or a saved cursor of the child's: the next output brings it on.
    const busy = insideCharacter || modes.savedCursor || modes.private.get(2026) === true
    if (painted || row === undefined || busy || !isBetweenSequences(modes)) return
    painted = true
    output.write(paintRow(row, { rows: size().rows, fits: fits(), fence: !modes.scrollRegion }))
  }
  return {
    childSize,
    takesPaste: () => modes.private.get(2004) === true,
    show: (bytes: Uint8Array) => {
      const damage = trackModes(modes, bytes)
      insideCharacter = endsInsideCharacter(bytes)
      if (damage.wiped || damage.region) painted = false
      const taken = output.write(bytes)
      paint()
      return taken
    },
    reserveRow: (text: string | undefined) => {
      if (text === row) return
      const before = reserved()
      if (before && text === undefined) output.write(clearRow(size().rows))
      row = text
      painted = false
      if (reserved() && !before && !onAlternateScreen(modes)) output.write(MAKE_ROOM)
      if (reserved() !== before) options.onResize(childSize())
      paint()
    },
    resized: () => {
      options.onResize(childSize())
      painted = false
      paint()
    },
    undo: (how: { keepScreen: boolean }) => {
      output.write(Buffer.from(undoModes(modes, how)))
      const screenModes = how.keepScreen
        ? [...modes.private].filter(([mode]) => SCREEN_MODES.includes(mode))
        : []
      modes = { ...createModes(), private: new Map(screenModes) }
      painted = false
    },
  }
}

/** The modes that `undo` leaves alone for the child that follows: the alternate screens, the hidden cursor. */
const SCREEN_MODES = [25, 47, 1047, 1049]

type Output = ReturnType<typeof openOutput>

/**
 * Writes to the terminal without ever blocking the event loop: signals and the transcript are attended to while
 * the terminal stands still. What it does not take waits here, at most what one read of the child brought,
 * since the caller then stops reading.
 */
function openOutput(fd: number, onDrain: () => void) {
  const own = openNonBlocking(fd)
  let queue: Uint8Array[] = []
  let timer: NodeJS.Timeout | undefined
  let wait = RETRY_MS.first
  const flush = () => {
    timer = undefined
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      const written = tryToWrite(own, next)
      if (written > 0) wait = RETRY_MS.first
      if (written < next.length) {
        queue[0] = next.subarray(written)
        timer = setTimeout(flush, wait)
        wait = Math.min(wait * 2, RETRY_MS.longest)
        return
      }
      queue.shift()
    }
    onDrain()
  }
  return {
    write: (bytes: Uint8Array): boolean => {
      const written = queue.length === 0 ? tryToWrite(own, bytes) : 0
      if (written === bytes.length) return true
      // A copy: the caller's buffer is used again for the next read.
      queue.push(bytes.slice(written))
      timer ??= setTimeout(flush, wait)
      return false
    },
    close: () => {
      clearTimeout(timer)
      for (const bytes of queue) writeBlocking(fd, bytes)
      queue = []
    },
  }
}

/** A second descriptor of the same terminal, so that the flag is not shared with the shell. */
function openNonBlocking(fd: number): number {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = fs.constants
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY)
  } catch {
    // No /proc (macOS), or no right to open it again (after `su`): blocking writes do the same, less well.
    return fd
  }
}

/** Bytes written; 0 where the terminal takes none now. A terminal that is gone swallows all: SIGHUP follows. */
function tryToWrite(fd: number, bytes: Uint8Array): number {
  try {
    return fs.writeSync(fd, bytes)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 0 : bytes.length
  }
}

function writeBlocking(fd: number, bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0; ) {
    const written = tryToWrite(fd, rest)
    if (written === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS.first)
    rest = rest.subarray(written)
  }
}

/**
 * Node's raw mode leaves output post-processing on: each bare LF would get a CR (nodejs/node#63059). `stty raw`
 * turns it off. Node has saved the attributes before, and puts exactly those back.
 */
function makeRaw(stdin: tty.ReadStream): () => void {
  try {
    stdin.setRawMode(true)
  } catch {
    // The terminal has hung up; SIGHUP ends the session.
  }
  spawnSync('stty', ['raw', '-echo'], { stdio: ['inherit', 'ignore', 'ignore'] })
  return () => {
    try {
      stdin.setRawMode(false)
    } catch {
      // The terminal has hung up.
    }
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
