import fs from 'node:fs'
import { toolEnvironment } from './tool.ts'

/** What job control wants to know of a process. */
export type ProcessState = {
  /** Stopped by a signal, and not yet continued. */
  isStopped: boolean
  /**
   * Its process group is the one that its terminal belongs to: it may read, and gets Ctrl+C and Ctrl+Z.
   * `undefined` where it has no terminal.
   */
  isForeground: boolean | undefined
}

/** `undefined` for a process that is no more. */
export function readProcessState(pid: number): ProcessState | undefined {
  const fields = process.platform === 'linux' ? readStat(pid) : runPs(pid)
  if (fields === undefined) return undefined
  const [state = '', group, foreground] = fields
  return {
    isStopped: /^T/.test(state),
    // Linux says -1 for no terminal, macOS 0.
    isForeground: Number(foreground) > 0 ? group === foreground : undefined,
  }
}

/** True while a process group has a member that runs. Zombies stay until somebody reaps them, which may take long. */
export function isGroupAlive(group: number): boolean {
  try {
    process.kill(-group, 0)
  } catch {
    return false
  }
  if (process.platform !== 'linux') return true
  const processes = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return processes.some((pid) => {
    const [state = '', itsGroup] = readStat(Number(pid)) ?? []
    return itsGroup === String(group) && !/^[ZX]/.test(state)
  })
}

/** State, process group, and the terminal's foreground group. The name before them may hold any character. */
function readStat(pid: number): (string | undefined)[] | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, _parent, group, _session, _terminal, foreground] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
    return [state, group, foreground]
  } catch {
    return undefined
  }
}

function runPs(pid: number): string[] | undefined {
  const { spawnSync } = process.getBuiltinModule('node:child_process')
  const columns = ['-o', 'stat=,pgid=,tpgid=', '-p', String(pid)]
  const { status, stdout } = spawnSync('ps', columns, { encoding: 'utf8', env: toolEnvironment() })
  return status === 0 ? stdout.trim().split(/\s+/) : undefined
}
