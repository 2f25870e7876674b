import type tty from 'node:tty'
import { openOutput } from './output.ts'
import type { Size } from './pty.ts'
import { openScreen } from './screen.ts'
import { toolEnvironment } from './tool.ts'

export type TerminalOptions = {
  stdin: tty.ReadStream
  stdout: tty.WriteStream & { fd: number }
  /** What the user types, and what the terminal answers. */
  onInput: (input: Buffer) => void
  /** The room for the child has changed: the window's size, or the reserved row. */
  onResize: (childSize: Size) => void
  /** The terminal takes output again after `show` returned `false`. */
  onDrain: () => void
  /** There is no terminal any more. */
  onHangup: () => void
}

/** The user's own terminal: nobody else knows its attributes, its modes, its size and its bottom row. */
export type Terminal = {
  /** Raw from here on: no byte is converted in either direction, and input is handed on. */
  takeOver: () => void
  /** The terminal as it was found, for a shell to use until `takeOver` is called again. */
  lend: () => void
  /** Leaves input where it is, for as long as there is a reason to. */
  holdInput: (reason: Reason, hold: boolean) => void
  size: () => Size
  /** The room for a child: the whole window less the reserved row. */
  childSize: () => Size
  /** Passes a child's output on, unchanged. `false`: the terminal is slow, stop until `onDrain`. */
  show: (output: Uint8Array) => boolean
  /**
   * Passes on the last output of a child that another follows: nothing on the alternate screen, where the picture
   * stays until the next one is drawn; on the main screen what clears up, without the hint how to resume.
   */
  showFarewell: (output: Uint8Array) => void
  /** Waits until all has been shown; only a short time from when `inHaste` says so. */
  flush: (inHaste: () => boolean) => Promise<void>
  /** The child has turned bracketed paste on: it reads its input. */
  takesPaste: () => boolean
  /**
   * Reserves the bottom row for this text (escape sequences for colour allowed, at most `columns - 1` wide), or
   * gives it back. A window under 8 rows or 40 columns has no such row: the text becomes its title, with a bell.
   */
  reserveRow: (text: string | undefined) => void
  /** How wide the reserved row's text may be: as the window, or as a title where there is no room for a row. */
  rowColumns: () => number
  /** The number of the reserved row, counted from 1, where there is one that can be clicked. */
  reservedRow: () => number | undefined
  /** Writes a sequence that draws nothing (a notification, a bell) as soon as the child's output allows. */
  writeAside: (sequence: string) => void
  /** Undoes what a child has left set; `keepScreen` where another child follows at once. */
  undo: (options: { keepScreen: boolean }) => void
  /** Gives the terminal back for good, as it was found. */
  restore: () => void
}

/** The child has not taken what it has got, or may be about to hand the terminal to the shell, with what is typed. */
type Reason = 'full' | 'suspend'

/** Opens the terminal; it stays as it is until `takeOver`. */
export function openTerminal(options: TerminalOptions): Terminal {
  const { stdin, stdout, onInput, onHangup } = options
  const size = () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 })
  const output = openOutput(stdout.fd, options.onDrain)
  const screen = openScreen({ output, size, onResize: options.onResize })
  const reasons = new Set<Reason>()
  let restoreAttributes: (() => void) | undefined
  // Node reads the size of a terminal that is gone, and fails.
  stdout.on('error', onHangup)
  stdin.on('error', onHangup)
  stdin.on('end', onHangup)
  const lend = () => {
    if (restoreAttributes === undefined) return
    stdin.off('data', onInput)
    stdin.pause()
    stdout.off('resize', screen.resized)
    screen.lend()
    restoreAttributes()
    restoreAttributes = undefined
  }
  return {
    takeOver: () => {
      lend()
      restoreAttributes = makeRaw(stdin)
      stdin.on('data', onInput)
      if (reasons.size === 0) stdin.resume()
      stdout.on('resize', screen.resized)
      screen.takeBack()
      // Node asks for the window's size on this signal alone, and it is sent to who is in the foreground.
      process.kill(process.pid, 'SIGWINCH')
    },
    lend,
    holdInput: (reason, hold) => {
      if (hold) reasons.add(reason)
      else reasons.delete(reason)
      if (restoreAttributes !== undefined) void (reasons.size > 0 ? stdin.pause() : stdin.resume())
    },
    size,
    childSize: screen.childSize,
    show: screen.show,
    showFarewell: screen.showFarewell,
    flush: output.flush,
    takesPaste: screen.takesPaste,
    reserveRow: screen.reserveRow,
    rowColumns: screen.rowColumns,
    reservedRow: screen.reservedRow,
    writeAside: screen.writeAside,
    undo: screen.undo,
    restore: () => {
      lend()
      output.close()
      stdin.off('end', onHangup)
      // Else Node would set its attributes once more as it ends, which stops a program in the background.
      stdin.destroy()
    },
  }
}

/**
 * Node's raw mode leaves output post-processing on: each bare LF would get a CR (nodejs/node#63059). `stty raw`
 * turns it off. Node has saved the attributes before, and puts exactly those back.
 */
function makeRaw(stdin: tty.ReadStream): () => void {
  setRawMode(stdin, true)
  const { spawnSync } = process.getBuiltinModule('node:child_process')
  spawnSync('stty', ['raw', '-echo'], { stdio: ['inherit', 'ignore', 'ignore'], env: toolEnvironment() })
  return () => setRawMode(stdin, false)
}

/** A terminal that has hung up is no error here: SIGHUP ends the session. */
function setRawMode(stdin: tty.ReadStream, isRaw: boolean): void {
  try {
    stdin.setRawMode(isRaw)
  } catch {}
}
