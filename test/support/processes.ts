import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until the condition holds; fails after `timeoutMs`. */
export const waitUntil = async (condition: () => boolean | Promise<boolean>, timeoutMs = 40_000) => {
  for (const end = Date.now() + timeoutMs; !(await condition()); await sleep(10)) {
    if (Date.now() > end) throw new Error(`${timeoutMs} ms passed while waiting for ${condition}`)
  }
}

/** A process that is there, and no zombie. */
export const exists = (pid: number) => {
  const state = readState(pid)
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** `R`, `S`, `T` (stopped), `Z`…; undefined for a process that is no more. */
export const readState = (pid: number): string | undefined => statFields(pid)?.[0]

/** User and system time of a process so far, in ms (Linux counts in steps of 10), read after a wait. */
export const cpuMs = async (pid: number, waitMs = 0) => {
  await sleep(waitMs)
  const fields = statFields(pid) ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Resident memory, in KiB. */
export const residentKb = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

/** The processes, no zombies, that have this variable in their environment. */
export const findProcesses = (variable: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => exists(pid) && readEnvironment(pid).includes(variable))

/** The children of a process. */
export const childrenOf = (pid: number): number[] => {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
  return rows
    .map((row) => row.trim().split(/\s+/).map(Number))
    .flatMap(([child = 0, parent]) => (parent === pid ? [child] : []))
}

/** The command line, its words parted by NUL; empty for a process that is no more. */
export const commandOf = (pid: number) => readProc(pid, 'cmdline')

const readEnvironment = (pid: number) => readProc(pid, 'environ').split('\0')

const readProc = (pid: number, name: string) => {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}

const statFields = (pid: number) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
