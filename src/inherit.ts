import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { findDescriptor } from './descriptors.ts'
import { readProcessState } from './process-state.ts'
import type { Ending, Pty, PtyOptions } from './pty.ts'
import { toolEnvironment } from './tool.ts'

/** Signals that somebody may send to claudef and means for Claude Code. */
const FORWARDED: NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGQUIT']

type Program = Pick<PtyOptions, 'file' | 'args' | 'env'>

/**
 * Runs a program on our own standard input, output and error, and adds nothing.
 * @returns how it ended; 126 or 127 where it could not be started, as shells have it
 */
export function runInherited(program: Program): Promise<Ending> {
  return new Promise((resolve) => {
    const forward = (signal: NodeJS.Signals) => {
      if (!isFromTerminal(signal)) child.signal(signal)
    }
    const finish = (ending: Ending) => {
      for (const signal of FORWARDED) process.off(signal, forward)
      resolve(ending)
    }
    // Before there is a child, which may be interrupted in its first moment.
    for (const signal of FORWARDED) process.on(signal, forward)
    const child = openInherited({ ...program, onEnd: finish })
  })
}

/** A child on our own terminal and in our own process group: its input and output do not pass through here. */
export function openInherited(options: Program & Pick<PtyOptions, 'onEnd'>): Pty {
  const { file, args, env, onEnd } = options
  const child = spawn(file, args, { stdio: inheritedDescriptors(args), env })
  child.once('error', (error: NodeJS.ErrnoException) => {
    fs.writeSync(2, `claudef: ${file} could not be started: ${error.message}\n`)
    onEnd({ type: 'exit', code: error.code === 'ENOENT' ? 127 : 126 })
  })
  child.once('exit', (code, signal) => {
    onEnd(signal === null ? { type: 'exit', code: code ?? 0 } : { type: 'signal', signal })
  })
  const send = (signal: NodeJS.Signals) => void child.kill(signal)
  return {
    pid: child.pid ?? 0,
    write: () => true,
    resize: () => {},
    resume: () => {},
    drain: () => {},
    signal: send,
    // The group is our own, and our shell's to signal.
    signalGroup: send,
    isStopped: () => false,
    hasLetGo: async () => false,
  }
}

/**
 * A terminal sends Ctrl+C and Ctrl+\ to every process of its foreground group: the child has got its own. While a
 * program has turned that off (raw mode), or from elsewhere, such a signal was meant for us alone.
 */
export function isFromTerminal(signal: NodeJS.Signals): boolean {
  if (signal !== 'SIGINT' && signal !== 'SIGQUIT') return false
  if (readProcessState(process.pid)?.isForeground !== true) return false
  const stdio: ['ignore' | number, 'pipe', 'ignore'] = [openTerminal(), 'pipe', 'ignore']
  const { status, stdout } = spawnSync('stty', ['-a'], { stdio, encoding: 'utf8', env: toolEnvironment() })
  if (typeof stdio[0] === 'number') fs.closeSync(stdio[0])
  // The next key may have ended `stty`, too.
  return status !== 0 || /(?<!-)\bisig\b/.test(stdout)
}

function openTerminal(): 'ignore' | number {
  try {
    return fs.openSync('/dev/tty', fs.constants.O_RDONLY | fs.constants.O_NOCTTY)
  } catch {
    return 'ignore'
  }
}

/**
 * Standard input, output and error, and whatever else the arguments name as `/dev/fd/N` (a shell's `<(…)`): Node
 * hands on none of the low numbers by itself.
 */
function inheritedDescriptors(args: readonly string[]): ('inherit' | 'ignore')[] {
  const stdio: ('inherit' | 'ignore')[] = ['inherit', 'inherit', 'inherit']
  for (const { descriptor } of args.flatMap(findDescriptor)) {
    while (stdio.length < descriptor) stdio.push('ignore')
    stdio[descriptor] = 'inherit'
  }
  return stdio
}
