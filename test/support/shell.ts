import { readFileSync } from 'node:fs'
import { claudef, type Setup } from './claudef.ts'
import { findProcesses, readState, waitUntil } from './processes.ts'

/** An interactive shell without anybody's settings. */
export type Shell = { file: string; args: string[]; env: Record<string, string> }

export const bash: Shell = { file: 'bash', args: ['--norc', '--noprofile', '-i'], env: { PS1: 'prompt> ' } }
export const zsh: Shell = { file: 'zsh', args: ['-f', '-i'], env: { PS1: 'prompt> ' } }
export const fish: Shell = { file: 'fish', args: ['--no-config', '-i'], env: {} }

export type Job = Awaited<ReturnType<typeof openJob>>

/** A shell on a screen, for claudef to be one of its jobs. */
export const openJob = async (setup: Setup, shell: Shell, env: Record<string, string> = {}) => {
  const screen = await setup.draw([], { ...shell, cols: 160, rows: 40, env: { ...shell.env, ...env } })
  await screen.waitFor(/>\s*$/)
  let marks = 0
  const claudefPid = () => {
    const isClaudef = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('bin/claudef.js')
    const [pid] = findProcesses(`HOME=${setup.home.home}`).filter(isClaudef)
    if (pid === undefined) throw new Error('claudef does not run')
    return pid
  }
  /** A value that the shell prints, and no echo of what was typed. */
  const ask = async (command: string) => {
    marks += 1
    const prefix = `answer${marks}`
    await screen.submit(`${command} | sed 's/^/${prefix}:/'`)
    const text = await screen.waitFor(new RegExp(`^${prefix}:.*$`, 'm'))
    return new RegExp(`^${prefix}:(.*)$`, 'm').exec(text)?.[1]
  }
  return {
    screen,
    claudefPid,
    ask,
    /** The command line of claudef. */
    command: `${process.execPath} ${claudef}`,
    /** What programs find the terminal's attributes to be. */
    attributes: () => ask('stty -g | cksum'),
    /** Waits until claudef has stopped and the shell takes commands. */
    waitForStop: async () => {
      const pid = claudefPid()
      await waitUntil(() => readState(pid) === 'T')
      await ask('echo')
    },
  }
}
