import type fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Status } from './core/input-box.ts'
import { isObject } from './core/settings.ts'
import { watchNearest } from './watch.ts'

/** How long `whileBusy` waits for a request in flight, and how often it looks, in ms. */
const BUSY_MS = { longest: 5000, step: 50 }

/**
 * Claude Code keeps a state of each of its processes in `<config>/sessions/<pid>.json` (2.1.330): the conversation that
 * it is in, also after `/clear` and with hooks turned off, and whether it works. Older versions do not.
 */
export type ProcessState = { sessionId: string | undefined; status: Status }

/** Calls back with what the process says of itself, at each change. */
export function watchProcess(options: {
  config: string
  pid: number
  onState: (state: ProcessState) => void
}): { stop: () => void } {
  const { config, pid, onState } = options
  let watcher: fs.FSWatcher | undefined
  let isStopped = false
  const look = async () => {
    const state = await readProcess(config, pid)
    if (!isStopped) onState(state)
  }
  const watch = () => {
    if (isStopped) return
    watcher?.close()
    // The folder itself may be made by this very process.
    watcher = watchNearest(stateFile(config, pid), watch)
    void look()
  }
  watch()
  return {
    stop: () => {
      isStopped = true
      watcher?.close()
    },
  }
}

/** Resolves once the process is idle, after 5 s at the latest, and at once where its state is not told. */
export async function whileBusy(config: string, pid: number): Promise<void> {
  for (let left = BUSY_MS.longest; left > 0; left -= BUSY_MS.step) {
    if ((await readProcess(config, pid)).status !== 'busy') return
    await sleep(BUSY_MS.step)
  }
}

async function readProcess(config: string, pid: number): Promise<ProcessState> {
  try {
    const state: unknown = JSON.parse(await readFile(stateFile(config, pid), 'utf8'))
    if (!isObject(state)) return { sessionId: undefined, status: undefined }
    const sessionId = typeof state.sessionId === 'string' ? state.sessionId : undefined
    // `shell`: idle itself, with a command in the background.
    const status = state.status === 'shell' ? 'idle' : STATUSES.find((known) => known === state.status)
    return { sessionId, status }
  } catch {
    return { sessionId: undefined, status: undefined }
  }
}

const STATUSES = ['idle', 'busy', 'waiting'] as const

function stateFile(config: string, pid: number): string {
  return path.join(config, 'sessions', `${pid}.json`)
}
