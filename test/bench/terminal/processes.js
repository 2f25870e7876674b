// What processes have used so far, as Linux counts it.
import { readdirSync, readFileSync } from 'node:fs'

/** The programs that run inside the wrappers: not their cost. */
const PROGRAMS = ['program', 'cat', 'sleep', 'stty']

/** The processes of one wrapper: those with this variable in their environment, less the program inside. */
export function wrapperProcesses(/** @type {string} */ variable) {
  return allProcesses(variable).filter((pid) => !PROGRAMS.includes(read(`/proc/${pid}/comm`).trim()))
}

/** Also what a wrapper has put into the background. */
export function killAll(/** @type {string} */ variable) {
  for (const pid of allProcesses(variable)) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {}
  }
}

function allProcesses(/** @type {string} */ variable) {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/environ`).split('\0').includes(variable))
}

/**
 * @returns {{ cpuMs: number, wakeUps: number, residentMb: number }} time on a processor of all their threads, how often
 *   these went to sleep and were woken, and memory
 */
export function usage(/** @type {string[]} */ pids) {
  const total = { cpuMs: 0, wakeUps: 0, residentMb: 0 }
  for (const pid of pids) {
    total.residentMb += Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024
    for (const task of list(`/proc/${pid}/task`)) {
      const folder = `/proc/${pid}/task/${task}`
      total.cpuMs += Number(read(`${folder}/schedstat`).split(' ')[0]) / 1e6
      total.wakeUps += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(read(`${folder}/status`))?.[1] ?? 0)
    }
  }
  return total
}

function list(/** @type {string} */ folder) {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function read(/** @type {string} */ file) {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
