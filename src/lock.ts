import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Held until released. */
export type Lock = {
  /** False where another process took the lock over: this one was stopped, or slow, for too long. */
  isHeld: () => boolean
  /** Never throws. */
  release: () => Promise<void>
}

/** Whoever holds a lock for longer, in ms, is taken for dead. An update takes some ms. */
export const STALE_MS = 2000

/** Others held the lock until the deadline. */
export class BusyError extends Error {}

/**
 * Takes a lock, a folder that exists while it is held, and waits for it until `deadline` (of `performance.now()`).
 * Throws where the folder cannot be made, and a `BusyError` at the deadline.
 *
 * proper-lockfile leaves the lock away when its process exits, but its way of taking over the lock of a killed one is
 * turned off: of 50 processes that find one, several take it over at once (measured: 6 to 9 of 50 changes lost).
 */
export async function acquireLock(folder: string, deadline: number): Promise<Lock> {
  const { lock } = await import('proper-lockfile')
  const never = { stale: Number.POSITIVE_INFINITY, update: 2 ** 31 - 1, onCompromised: () => {} }
  const options = { lockfilePath: folder, realpath: false, ...never }
  let seen: { identity: string | undefined; since: number } | undefined
  // Many who wait would leave the one at work no processor, did they ask all the time.
  for (let pause = 5; ; pause = Math.min(pause * 1.5, 150)) {
    const release = await lock(folder, options).catch((error) => {
      if (error.code !== 'ELOCKED') throw error
    })
    if (release) return makeLock(folder, release)
    const now = performance.now()
    const identity = identify(folder)
    if (seen === undefined || identity !== seen.identity) seen = { identity, since: now }
    if (identity !== undefined && now - seen.since > STALE_MS) removeDead(folder, identity)
    if (now > deadline) throw new BusyError(`${folder} is held by another process`)
    await sleep(pause * (0.5 + Math.random()))
  }
}

function makeLock(folder: string, release: () => Promise<void>): Lock {
  const identity = identify(folder)
  const isHeld = () => identity !== undefined && identify(folder) === identity
  return {
    isHeld,
    release: async () => {
      if (isHeld()) await release().catch(() => {})
    },
  }
}

/** Clocks that jump or differ do not matter: a dead lock is one that stays the same for as long as somebody looks. */
function removeDead(folder: string, identity: string): void {
  runAlone(`${folder}.takeover`, () => {
    if (identify(folder) === identity) fs.rmdirSync(folder)
  })
}

/** Inodes are used again at once; together with the time it is one lock's own. */
function identify(folder: string): string | undefined {
  const stat = fs.statSync(folder, { bigint: true, throwIfNoEntry: false })
  return stat && `${stat.dev} ${stat.ino} ${stat.mtimeNs}`
}

/**
 * Runs a few system calls that no two processes may make at once; not at all while another one is at it.
 * Throws what the action throws, and where `folder`, which exists meanwhile, cannot be made.
 */
export function runAlone(folder: string, action: () => void): void {
  try {
    fs.mkdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const { mtimeMs = Date.now() } = fs.statSync(folder, { throwIfNoEntry: false }) ?? {}
    // Some µs are long enough: its process was killed just then.
    if (Math.abs(Date.now() - mtimeMs) > 10_000) removeFolder(folder)
    return
  }
  try {
    action()
  } finally {
    removeFolder(folder)
  }
}

/** Removes an empty folder, unless somebody else just has. */
function removeFolder(folder: string): void {
  try {
    fs.rmdirSync(folder)
  } catch {
    // What stays is taken over later.
  }
}
