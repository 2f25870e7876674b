import fs from 'node:fs'
import { toolEnvironment } from './tool.ts'

/**
 * What tells a process from a later one with the same pid: on Linux the boot, the pid namespace and the start in
 * clock ticks (field 22 of `/proc/<pid>/stat`), on macOS the second of the start in UTC.
 * @returns `undefined` for a process that is no more (or a zombie), and where the system does not say
 */
export function readProcessStart(pid: number): string | undefined {
  if (process.platform !== 'linux') return runPs(pid)
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name before the last parenthesis may hold any character.
    const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return /[ZX]/.test(state) ? undefined : `${readSystem()} ${fields[18]}`
  } catch {
    return undefined
  }
}

/** Whether the process that had this start still runs. True for one of another container, which cannot be seen. */
export function isSameProcess(pid: number, processStart: string): boolean {
  if (isElsewhere(processStart)) return true
  if (processStart !== '') return exists(pid) && readProcessStart(pid) === processStart
  return exists(pid)
}

/** Whether it was read on this boot of the machine, but where other processes are seen. */
export function isElsewhere(processStart: string): boolean {
  const [boot, namespace, ticks] = processStart.split(' ')
  if (process.platform !== 'linux' || ticks === undefined) return false
  const [ourBoot, ourNamespace] = readSystem().split(' ')
  return boot === ourBoot && namespace !== ourNamespace
}

/** Spares macOS a `ps` for each of the dead. */
function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

let system: string | undefined

/** The boot and the pid namespace: a container may share the home folder, but not the processes. */
function readSystem(): string {
  if (system !== undefined) return system
  try {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    system = `${boot} ${fs.readlinkSync('/proc/self/ns/pid')}`
  } catch {
    system = '- -'
  }
  return system
}

function runPs(pid: number): string | undefined {
  const { spawnSync } = process.getBuiltinModule('node:child_process')
  // The zone of a traveller changes, the start of a process does not.
  const env = { ...toolEnvironment(), TZ: 'UTC' }
  const { status, stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', env })
  return status === 0 && stdout.trim() !== '' ? stdout.trim().replace(/\s+/g, ' ') : undefined
}
