import fs from 'node:fs'
import type { Socket } from 'node:net'
import path from 'node:path'
import { KEY_VARIABLES } from './key.ts'

/** How long a program may take, ms; then it is killed with all that it started. */
export const TIME_LIMIT = 5000

/** The longest answer that is read, bytes; a program that says more has failed. */
export const LONGEST_ANSWER = 4096

type ToolOptions = {
  /** The variables with keys are left out. */
  env: NodeJS.ProcessEnv
  /** For its stdin. Default: none. */
  input?: string
  /** Whether stdout is wanted; else it goes nowhere, as stderr does. Default: no. */
  answer?: boolean
}

/**
 * Runs a desktop's program without holding this process: away from the terminal and its Ctrl-C, in `/`, so that
 * nothing in the working folder is taken for a part of it. Killed after 5 s, or when this process exits.
 * @returns what it printed, where that was asked for
 * @throws a sentence without the arguments, which may hold what is nobody's business: not found, failed, too slow
 */
export async function runTool(file: string, args: string[], options: ToolOptions): Promise<string> {
  // Loaded late: Claude Code starts first.
  const { execa } = await import('execa')
  const child = execa(file, args, {
    env: withoutKeys(options.env),
    extendEnv: false,
    cwd: '/',
    detached: true,
    ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
    stdout: options.answer ? 'pipe' : 'ignore',
    stderr: 'ignore',
    maxBuffer: LONGEST_ANSWER,
  } as const)
  child.unref()
  for (const pipe of [child.stdin, child.stdout]) (pipe as Socket | null)?.unref()
  const kill = () => killGroup(child.pid)
  process.once('exit', kill)
  let timer: NodeJS.Timeout | undefined
  const tooSlow = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      kill()
      reject(new Error(`no end after ${TIME_LIMIT / 1000} s`))
    }, TIME_LIMIT).unref()
  })
  try {
    // A race, for what has left its group may hold stdout open after the kill.
    const { stdout } = await Promise.race([child, tooSlow])
    return stdout ?? ''
  } catch (error) {
    throw new Error(describeFailure(error as Failure))
  } finally {
    clearTimeout(timer)
    process.off('exit', kill)
  }
}

/** Whether PATH has such a program. */
export function isOnPath(name: string, env: NodeJS.ProcessEnv): boolean {
  return (env.PATH ?? '').split(path.delimiter).some((folder) => {
    try {
      fs.accessSync(path.resolve('/', folder, name), fs.constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** The environment without the keys: they are no program's business but Claude Code's. */
export function withoutKeys(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !KEY_VARIABLES.includes(name)))
}

/** The program is the leader of its own group. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

type Failure = Error & { code?: string; exitCode?: number; signal?: string; isMaxBuffer?: boolean }

function describeFailure({ code, exitCode, signal, isMaxBuffer, message }: Failure): string {
  if (isMaxBuffer) return `it printed over ${LONGEST_ANSWER} bytes`
  if (code === 'ENOENT') return 'it is not on PATH'
  if (code !== undefined) return `it could not be run (${code})`
  if (exitCode !== undefined) return `it ended with exit code ${exitCode}`
  if (signal !== undefined) return `it was ended by ${signal}`
  return message
}
