/** A terminal that takes some of what waits is given more at once this many times, then after a wait. */
const EAGER_TRIES = 32

/** Waits between two tries on a terminal that takes nothing, in ms: doubled up to the second. */
const RETRY_MS = { first: 1, longest: 100 }

/** What a terminal has not taken yet, in order. */
export type Backlog = {
  /** Bytes that wait. */
  size: () => number
  /** Hands bytes on, or keeps a copy of what is not taken. `true`: nothing waits. */
  write: (bytes: Uint8Array) => boolean
  clear: () => void
}

/**
 * Hands bytes on without ever blocking: readiness to be written to is not told of these descriptors, so one tries
 * again, ever more rarely while nothing is taken.
 */
export function openBacklog(options: {
  /** How many bytes were taken: 0 where none can be now. */
  tryToWrite: (bytes: Uint8Array) => number
  /** Nothing waits any more. */
  onEmpty: () => void
}): Backlog {
  let queue: Uint8Array[] = []
  let size = 0
  let isWaiting = false
  let eager = EAGER_TRIES
  let wait = RETRY_MS.first
  const tryLater = () => {
    if (isWaiting) return
    isWaiting = true
    if (eager-- > 0) return void setImmediate(tryAgain)
    setTimeout(tryAgain, wait)
    wait = Math.min(wait * 2, RETRY_MS.longest)
  }
  const tryAgain = () => {
    isWaiting = false
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      const taken = options.tryToWrite(next)
      size -= taken
      if (taken > 0) {
        eager = EAGER_TRIES
        wait = RETRY_MS.first
      }
      if (taken < next.length) {
        queue[0] = next.subarray(taken)
        return tryLater()
      }
      queue.shift()
    }
    options.onEmpty()
  }
  return {
    size: () => size,
    write: (bytes) => {
      const taken = queue.length === 0 && bytes.length > 0 ? options.tryToWrite(bytes) : 0
      if (taken === bytes.length && queue.length === 0) return true
      // A copy (which Buffer's own `slice` is not): the caller's buffer may be used again for the next read.
      queue.push(new Uint8Array(bytes.subarray(taken)))
      size += bytes.length - taken
      tryLater()
      return false
    },
    clear: () => {
      queue = []
      size = 0
    },
  }
}
