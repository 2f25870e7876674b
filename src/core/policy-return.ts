/** How long after a reset one goes back, in ms: the server's clock need not be ours. */
const AFTER_RESET_MS = 60_000

/** Between two returns by itself lie this many ms at least, so that a limit that does not end costs no endless turns. */
const BETWEEN_RETURNS_MS = 15 * 60_000

/** How long the row tells of the return, in ms. */
const RETURNED_MS = 10_000

/** Epoch ms at which a limit is taken for over. */
export function overAt(resetsAt: number): number {
  return resetsAt + AFTER_RESET_MS
}

/** Epoch ms of the next return by itself; `returnedAt`: of the last one. */
export function nextReturn(resetsAt: number, returnedAt: number | undefined): number {
  return Math.max(overAt(resetsAt), (returnedAt ?? -Infinity) + BETWEEN_RETURNS_MS)
}

/** Epoch ms until which the row tells of a return. */
export function toldUntil(now: number): number {
  return now + RETURNED_MS
}
