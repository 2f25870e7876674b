import fs from 'node:fs'
import { chmod, copyFile, readdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parsePythonState } from './core/python-state.ts'
import {
  addLimit,
  emptyState,
  parseSharedState,
  renderFlag,
  renderSharedState,
  type SharedState,
} from './core/shared-state.ts'
import { acquireLock } from './lock.ts'
import type { Log } from './log.ts'
import { isElsewhere, isSameProcess } from './process-start.ts'
import { stateFile } from './state-file.ts'

export { isSameProcess, readProcessStart } from './process-start.ts'

export type StateOptions = {
  /** Where the files lie: `CLAUDE_FALLBACK_HOME`, else the home folder. */
  home: string
  /** Epoch ms. */
  now: () => number
  log: Log
}

export type StateStore = ReturnType<typeof openSharedState>

/** How long an update may take, in ms: longer than it takes to take over a dead lock. */
const GIVE_UP_MS = 8000
const DAY = 24 * 3600 * 1000

/**
 * What all sessions and the monitor know together, in `.claude_fallback_state.json` under `home`. Opening it touches
 * nothing. No function throws: a session goes on without it, with a line in the log.
 */
export function openSharedState({ home, now, log }: StateOptions) {
  const file = stateFile(home)
  const tell = logOnce(log)
  const read = async () => {
    const { state, problem } = await load(file, now())
    if (problem !== undefined) tell(`Cannot use ${file}: ${problem}.`)
    return state
  }
  let last: Promise<unknown> = Promise.resolve()
  return {
    file,
    read,
    /**
     * Changes the state, one process after the other, sweeps out sessions that are no more, and keeps the flag file in
     * step. `change` is called again where the lock was lost. Within one process changes are made in order.
     * @returns the new state; `undefined` where it could not be written within 8 s
     */
    update: (change: (state: SharedState) => SharedState): Promise<SharedState | undefined> => {
      const deadline = performance.now() + GIVE_UP_MS
      const work = last.then(() => changeFile({ home, file, now, log }, change, deadline))
      const done = work.catch((error: Error) => {
        tell(`Cannot update ${file}: ${error.message}.`)
        return undefined
      })
      last = done
      return Promise.race([done, sleep(GIVE_UP_MS + 1000, undefined, { ref: false })])
    },
    /**
     * Calls back after each change, with the new state, by events of the folder; lets the process end. Read after
     * `watch` to miss none. What the system refuses to watch is logged, and not watched.
     */
    watch: (onChange: (state: SharedState) => void) => watchFile(file, { read, onChange, log }),
  }
}

/** A full disk would fill the log with the same line. */
function logOnce(log: Log): Log {
  let last: string | undefined
  return (message) => {
    if (message !== last) log(message)
    last = message
  }
}

type Loaded = {
  state: SharedState
  /** As it stands in the file; `undefined` where there is none. */
  text: string | undefined
  problem?: string
  /** Under which name the file is kept before another one is written. */
  aside?: 'damaged' | 'python'
  /** It cannot be written without loss. */
  isLocked?: true
}

async function load(file: string, now: number): Promise<Loaded> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return { state: emptyState(), text: undefined }
    return { state: emptyState(), text: undefined, problem: message, isLocked: true }
  }
  const parsed = parseSharedState(text)
  if ('state' in parsed) {
    const { state, dropped } = parsed
    if (dropped === 0) return { state, text }
    if (state.version === 1) return { state, text, problem: `${dropped} damaged entries are left out` }
    const problem = `a newer version (${state.version}) wrote what this one does not know`
    return { state, text, problem, isLocked: true }
  }
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions()
  const configDir = path.join(path.dirname(file), '.claude')
  const limits = parsePythonState(text, { now, timeZone, configDir })
  if (limits === undefined) return { state: emptyState(), text, problem: parsed.problem, aside: 'damaged' }
  const state = limits.reduce(addLimit, emptyState())
  return { state, text, problem: 'it is of the Python tool claude-code-fallback', aside: 'python' }
}

type Place = StateOptions & { file: string }

async function changeFile(
  place: Place,
  change: (state: SharedState) => SharedState,
  deadline: number,
): Promise<SharedState> {
  // Loaded here, that nobody waits for it under the lock.
  await import('write-file-atomic')
  for (;;) {
    const lock = await acquireLock(`${place.file}.lock`, deadline)
    try {
      const loaded = await load(place.file, place.now())
      if (loaded.isLocked) throw new Error(loaded.problem)
      const state = sweep(change(loaded.state), place.now())
      const text = renderSharedState(state)
      if (lock.isHeld()) {
        if (loaded.aside !== undefined) await setAside(place, loaded)
        else if (loaded.problem !== undefined) place.log(`${place.file}: ${loaded.problem}.`)
        if (text !== loaded.text) await writePrivate(place.file, text)
        await updateFlag(place, state)
        return state
      }
    } finally {
      await lock.release()
    }
  }
}

/** Without the sessions whose process is gone. One of another container cannot be seen, and stays for a day. */
function sweep(state: SharedState, now: number): SharedState {
  const sessions = state.sessions.filter(({ pid, processStart, startedAt }) =>
    isElsewhere(processStart) ? Math.abs(now - startedAt) < DAY : isSameProcess(pid, processStart),
  )
  return sessions.length === state.sessions.length ? state : { ...state, sessions }
}

/** Keeps a file that is not ours to read: the newest three that were damaged, the newest of the Python tool. */
async function setAside({ file, log }: Place, { aside, problem }: Loaded): Promise<void> {
  let kept = `${file}.python`
  if (aside === 'damaged') {
    const prefix = `${path.basename(file)}.damaged-`
    const names = (await readdir(path.dirname(file))).filter((name) => name.startsWith(prefix))
    const numbers = names.map((name) => Number(name.slice(prefix.length))).filter(Number.isInteger)
    const next = Math.max(0, ...numbers) + 1
    kept = `${file}.damaged-${next}`
    for (const old of numbers.filter((number) => number <= next - 3)) {
      await rm(`${file}.damaged-${old}`, { force: true })
    }
  }
  // A copy: the file may be a link, and no reader meets a moment without one.
  await copyFile(file, kept)
  await chmod(kept, 0o600)
  log(`Cannot use ${file}: ${problem}. It is kept as ${kept}.`)
}

/**
 * Readers see the old text or the new one. Not synced to the disk, which may take a busy one seconds, under the lock:
 * what a power cut may lose are sessions that it ended and limits that show again.
 */
async function writePrivate(file: string, text: string): Promise<void> {
  const { default: writeFileAtomic } = await import('write-file-atomic')
  await writeFileAtomic(file, text, { mode: 0o600, fsync: false, chown: await findOwner(path.dirname(file)) })
}

/** Under sudo, files in a user's home are the user's. 65534 is somebody whom a container does not know. */
async function findOwner(folder: string): Promise<{ uid: number; gid: number }> {
  const [uid = -1, gid = -1] = [process.getuid?.(), process.getgid?.()]
  const owner = await stat(folder)
  return uid === 0 && owner.uid !== 65534 ? owner : { uid, gid }
}

/** The file that a shell prompt may test for: there while a limit is in force. */
async function updateFlag({ home, now, log }: Place, state: SharedState): Promise<void> {
  const flag = path.join(home, '.claude_fallback_active')
  const text = renderFlag(state, now())
  try {
    if (text === undefined) await rm(flag, { force: true })
    else if ((await readFile(flag, 'utf8').catch(() => '')) !== text) await writePrivate(flag, text)
  } catch (error) {
    log(`Cannot update ${flag}: ${(error as Error).message}`)
  }
}

type Watching = { read: () => Promise<SharedState>; onChange: (state: SharedState) => void; log: Log }

function watchFile(file: string, { read, onChange, log }: Watching): { stop: () => void } {
  const watchers: fs.FSWatcher[] = []
  let isStopped = false
  let isReading = false
  let isStale = false
  let last: string | undefined
  const look = async () => {
    isStale = true
    if (isReading) return
    isReading = true
    while (isStale && !isStopped) {
      isStale = false
      const state = await read()
      const text = renderSharedState(state)
      if (isStopped || text === last) continue
      last = text
      onChange(state)
    }
    isReading = false
  }
  const watchFolder = (watched: string) => {
    if (isStopped) return
    const names = [path.basename(watched), null]
    const onError = (error: unknown) => log(`Cannot watch ${watched}: ${(error as Error).message}`)
    try {
      const watcher = fs.watch(path.dirname(watched), { persistent: false }, (_, name) => {
        if (names.includes(name)) void look()
      })
      watchers.push(watcher.on('error', onError))
    } catch (error) {
      onError(error)
    }
  }
  watchFolder(file)
  // A link, as into a folder of dotfiles, is written through: what changes is its target.
  realpath(file).then(
    (target) => path.dirname(target) !== path.dirname(file) && watchFolder(target),
    () => {},
  )
  return {
    stop: () => {
      isStopped = true
      for (const watcher of watchers) watcher.close()
    },
  }
}
