import fs from 'node:fs'

/** Waits between two tries to write to a terminal that takes nothing, in ms: doubled up to the second. */
const RETRY_MS = { first: 1, longest: 100 }

/** A terminal that takes output is given more this many times before the next wait. */
const EAGER_TRIES = 32

/** How long `flush` waits for a terminal that takes nothing once there is no reason to, in ms. */
const GIVE_UP_MS = 300

export type Output = {
  /** `false`: the terminal is slow, and what it did not take waits here; stop until `onDrain`. */
  write: (bytes: Uint8Array) => boolean
  /** Waits until the terminal has taken all; a short time only where `isHopeless` says so. */
  flush: (isHopeless: () => boolean) => Promise<void>
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
  let queue: Uint8Array[] = []
  let isWaiting = false
  let eager = EAGER_TRIES
  let wait = RETRY_MS.first
  const tryLater = () => {
    if (isWaiting) return
    isWaiting = true
    if (eager-- > 0) return void setImmediate(flush)
    setTimeout(flush, wait)
    wait = Math.min(wait * 2, RETRY_MS.longest)
  }
  const flush = () => {
    isWaiting = false
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      const written = tryToWrite(own, next)
      if (written > 0) {
        eager = EAGER_TRIES
        wait = RETRY_MS.first
      }
      if (written < next.length) {
        queue[0] = next.subarray(written)
        return tryLater()
      }
      queue.shift()
    }
    onDrain()
  }
  return {
    write: (bytes) => {
      const written = queue.length === 0 ? tryToWrite(own, bytes) : 0
      if (written === bytes.length) return true
      // A copy: the caller's buffer is used again for the next read.
      queue.push(bytes.slice(written))
      tryLater()
      return false
    },
    flush: async (isHopeless) => {
      for (let left = GIVE_UP_MS; queue.length > 0 && left > 0; ) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS.first))
        if (isHopeless()) left -= RETRY_MS.first
      }
    },
    close: () => {
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
