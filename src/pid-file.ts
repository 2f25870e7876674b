import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { acquireLock } from './lock.ts'
import { isElsewhere, isSameProcess, readProcessStart } from './process-start.ts'
import { toolEnvironment } from './tool.ts'

/** The monitor's process, as it stands in `.claude_fallback.pid`. */
type MonitorProcess = {
  pid: number
  /** See `readProcessStart`. */
  processStart: string
  version: string
  /** Epoch ms. */
  startedAt: number
}

/** What a pid file means now. `elsewhere`: a container that shares the home folder wrote it. */
export type PidFile =
  | { type: 'none' | 'dead' | 'damaged' }
  | ({ type: 'alive' | 'elsewhere' } & MonitorProcess)
  /** The Python tool claude-code-fallback keeps a bare number in the same file. */
  | { type: 'python'; pid: number; isAlive: boolean }

/** How long one waits for somebody else who is just writing the file, in ms. */
const GIVE_UP_MS = 8000

/** Path of the pid file. `home`: `CLAUDE_FALLBACK_HOME`, else the home folder. */
export function pidFilePath(home: string): string {
  return path.join(home, '.claude_fallback.pid')
}

/**
 * Reads the pid file and looks whether its process is the one that wrote it: a number is soon another program's.
 * @throws where there is a file that cannot be read
 */
export function readPidFile(home: string): PidFile {
  let text: string
  try {
    text = fs.readFileSync(pidFilePath(home), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { type: 'none' }
    throw error
  }
  if (/^\s*\d{1,10}\s*$/.test(text)) {
    const pid = Number(text)
    return { type: 'python', pid, isAlive: isPythonTool(pid) }
  }
  const monitor = parseMonitor(text)
  if (monitor === undefined) return { type: 'damaged' }
  const { pid, processStart } = monitor
  if (isElsewhere(processStart)) return { type: 'elsewhere', ...monitor }
  return isSameProcess(pid, processStart) ? { type: 'alive', ...monitor } : { type: 'dead' }
}

/** Whether the monitor runs, for `status`. Throws as `readPidFile` does. */
export function readMonitor(
  home: string,
): { type: 'running'; pid: number; startedAt: number; version: string } | { type: 'stopped' | 'stale' } {
  const file = readPidFile(home)
  switch (file.type) {
    case 'alive': {
      const { pid, startedAt, version } = file
      return { type: 'running', pid, startedAt, version }
    }
    case 'none':
      return { type: 'stopped' }
    case 'dead':
    case 'damaged':
    case 'elsewhere':
      return { type: 'stale' }
    case 'python':
      return { type: file.isAlive ? 'stopped' : 'stale' }
  }
}

/**
 * Makes this process the monitor of `home`, unless one runs: of several at once, one succeeds.
 * @param setAside told of the path under which another one's file is kept
 * @returns the file of the one that keeps it from that; `undefined` where this process is the monitor now
 * @throws where the file cannot be written
 */
export async function takePidFile(
  home: string,
  { version, startedAt, setAside }: { version: string; startedAt: number; setAside: (kept: string) => void },
): Promise<PidFile | undefined> {
  const file = pidFilePath(home)
  return underLock(file, async () => {
    const found = readPidFile(home)
    if (found.type === 'alive' || (found.type === 'python' && found.isAlive)) return found
    if (found.type === 'python') {
      fs.renameSync(file, `${file}.python`)
      setAside(`${file}.python`)
    }
    const { pid } = process
    const text = JSON.stringify({ pid, processStart: readProcessStart(pid) ?? '', version, startedAt })
    const { default: writeFileAtomic } = await import('write-file-atomic')
    await writeFileAtomic(file, `${text}\n`, { mode: 0o600, fsync: false })
    return undefined
  })
}

/** Removes the pid file where it is this process's, or of one that is no more. Never another one's. */
export async function removePidFile(home: string): Promise<void> {
  const file = pidFilePath(home)
  await underLock(file, async () => {
    const found = readPidFile(home)
    const isOurs = found.type === 'alive' && found.pid === process.pid
    if (isOurs || found.type === 'dead' || found.type === 'damaged') fs.rmSync(file, { force: true })
  })
}

async function underLock<Result>(file: string, act: () => Promise<Result>): Promise<Result> {
  const lock = await acquireLock(`${file}.lock`, performance.now() + GIVE_UP_MS)
  try {
    return await act()
  } finally {
    await lock.release()
  }
}

function parseMonitor(text: string): MonitorProcess | undefined {
  try {
    const value = JSON.parse(text) as Partial<MonitorProcess>
    const { pid, processStart, version, startedAt } = value
    if (!Number.isInteger(pid) || Number(pid) <= 0) return undefined
    // Without a start the number alone would be left, and that is not enough to end a process.
    if (typeof processStart !== 'string' || processStart === '') return undefined
    return {
      pid: Number(pid),
      processStart,
      version: String(version ?? ''),
      startedAt: Number(startedAt) || 0,
    }
  } catch {
    return undefined
  }
}

/** By its command line: `python3 …/claude-code-fallback …`, `python -m claude_fallback`. */
function isPythonTool(pid: number): boolean {
  const command = readCommand(pid)
  return /python/i.test(command) && /claude[\w-]*fallback/i.test(command)
}

/** The command line of a process; empty for one that is no more. */
function readCommand(pid: number): string {
  if (process.platform !== 'linux') {
    const options = { encoding: 'utf8', env: toolEnvironment() } as const
    return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], options).stdout ?? ''
  }
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}
