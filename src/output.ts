import fs from 'node:fs'
import { openBacklog } from './backlog.ts'

/** How long `flush` waits for a terminal that takes nothing, once it is told not to wait long, in ms. */
const HASTE_MS = 300

/** How often, and after how long each time, a terminal is tried again that took a part of what it was given. */
const PATIENCE = { tries: 20, pauseMs: 0.1 }

export type Output = {
  /** `false`: the terminal is slow, and what it did not take waits here; stop until `onDrain`. */
  write: (bytes: Uint8Array) => boolean
  /** Waits until the terminal has taken all; only a short time from when `inHaste` says so. */
  flush: (inHaste: () => boolean) => Promise<void>
  /** Drops what the terminal has not taken. */
  close: () => void
}

/**
 * Writes to the terminal without ever blocking the event loop: signals and the transcript are attended to while
 * the terminal stands still. What it does not take waits here, at most what one read of the child brought,
 * since the caller then stops reading.
 */
export function openOutput(fd: number, onDrain: () => void): Output {
  const own = openNonBlocking(fd)
  const backlog = openBacklog({ tryToWrite: (bytes) => tryToWrite(own, bytes), onEmpty: onDrain })
  const pause = new Int32Array(new SharedArrayBuffer(4))
  return {
    write: (bytes) => {
      let taken = backlog.size() === 0 ? tryToWrite(own, bytes) : 0
      // A terminal that reads is ready again at once: far cheaper than to come back by the event loop.
      for (let tries = taken === 0 ? 0 : PATIENCE.tries; taken < bytes.length && tries > 0; tries--) {
        Atomics.wait(pause, 0, 0, PATIENCE.pauseMs)
        taken += tryToWrite(own, bytes.subarray(taken))
      }
      return backlog.write(bytes.subarray(taken))
    },
    flush: async (inHaste) => {
      for (let left = HASTE_MS; backlog.size() > 0 && left > 0; ) {
        await new Promise((resolve) => setTimeout(resolve, 1))
        if (inHaste()) left -= 1
      }
    },
    close: backlog.clear,
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
