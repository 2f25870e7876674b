import { spawn } from 'node:child_process'
import type { Ending } from './pty.ts'

/** Signals that somebody may send to claudef and means for Claude Code. */
const FORWARDED: NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGQUIT']

/**
 * Runs a program on our own standard input, output and error, and adds nothing.
 * @returns how it ended; 126 or 127 where it could not be started, as shells have it
 */
export function runInherited(options: {
  file: string
  args: readonly string[]
  env: NodeJS.ProcessEnv
  hasTerminal: boolean
}): Promise<Ending> {
  return new Promise((resolve) => {
    const child = spawn(options.file, options.args, { stdio: 'inherit', env: options.env })
    const forward = (signal: NodeJS.Signals) => {
      // A terminal sends Ctrl+C and Ctrl+\ to the whole foreground group: the child has got its own.
      if (options.hasTerminal && (signal === 'SIGINT' || signal === 'SIGQUIT')) return
      child.kill(signal)
    }
    for (const signal of FORWARDED) process.on(signal, forward)
    const finish = (ending: Ending) => {
      for (const signal of FORWARDED) process.off(signal, forward)
      resolve(ending)
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      process.stderr.write(`claudef: ${options.file} could not be started: ${error.message}\n`)
      finish({ type: 'exit', code: error.code === 'ENOENT' ? 127 : 126 })
    })
    child.once('exit', (code, signal) => {
      finish(signal === null ? { type: 'exit', code: code ?? 0 } : { type: 'signal', signal })
    })
  })
}
