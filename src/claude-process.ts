import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isObject } from './core/settings.ts'

/** How long `whileBusy` waits for a request in flight, and how often it looks, in ms. */
const BUSY_MS = { longest: 5000, step: 50 }

/**
 * Claude Code keeps a state of each of its processes in `<config>/sessions/<pid>.json` (2.1.330): the conversation that
 * it is in, also after `/clear` and with hooks turned off, and whether it works. Older versions do not.
 */
type ProcessState = { sessionId: string | undefined; isBusy: boolean }

/** Calls back with the id of the conversation whenever the process enters one. */
export function watchConversation(options: {
  config: string
  pid: number
  onSessionId: (sessionId: string) => void
}): { stop: () => void } {
  const { config, pid, onSessionId } = options
  let last: string | undefined
  const look = async () => {
    const { sessionId } = await readState(config, pid)
    if (sessionId === undefined || sessionId === last) return
    last = sessionId
    onSessionId(sessionId)
  }
  try {
    const watcher = fs.watch(path.join(config, 'sessions'), { persistent: false }, (_, name) => {
      if (name === `${pid}.json`) void look()
    })
    watcher.on('error', () => watcher.close())
    void look()
    return { stop: () => watcher.close() }
  } catch {
    // No such folder: an older version, or the very first start. The hook tells.
    return { stop: () => {} }
  }
}

/** Resolves once the process is idle, after 5 s at the latest, and at once where its state is not told. */
export async function whileBusy(config: string, pid: number): Promise<void> {
  for (let left = BUSY_MS.longest; left > 0; left -= BUSY_MS.step) {
    if (!(await readState(config, pid)).isBusy) return
    await sleep(BUSY_MS.step)
  }
}

async function readState(config: string, pid: number): Promise<ProcessState> {
  try {
    const state: unknown = JSON.parse(await readFile(path.join(config, 'sessions', `${pid}.json`), 'utf8'))
    if (!isObject(state)) return { sessionId: undefined, isBusy: false }
    const sessionId = typeof state.sessionId === 'string' ? state.sessionId : undefined
    return { sessionId, isBusy: state.status === 'busy' }
  } catch {
    return { sessionId: undefined, isBusy: false }
  }
}
