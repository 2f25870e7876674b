import fs from 'node:fs'
import { constants } from 'node:os'
import tty from 'node:tty'
import { launch } from './launch.ts'
import { readProcessState } from './process-state.ts'
import type { Ending } from './pty.ts'

/** Signals that write a core file, which would be Node's own: an exit code of 128 + n tells a shell the same. */
const CORE: NodeJS.Signals[] = [
  'SIGQUIT',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGSEGV',
  'SIGSYS',
  'SIGXCPU',
  'SIGXFSZ',
]

const terminals = [0, 1, 2].filter((descriptor) => tty.isatty(descriptor))

const ending = await launch({
  argv: process.argv.slice(2),
  env: process.env,
  own: process.argv[1] ?? '',
  cwd: currentFolder(),
  isTerminal: { stdin: tty.isatty(0), stdout: tty.isatty(1), stderr: tty.isatty(2) },
  // Opened only where claudef needs them: a program that is passed through has them to itself.
  openStdin: () => process.stdin,
  openStdout: () => process.stdout,
  warn,
  now: Date.now,
})
end(ending)

/** Ends as Claude Code did, so that whoever started claudef sees the same. */
function end(ending: Ending): void {
  if (ending.type === 'exit') return exit(ending.code)
  const { signal } = ending
  if (CORE.includes(signal)) return exit(128 + constants.signals[signal])
  if (signal !== 'SIGKILL') {
    // Node ignores SIGPIPE, and starts its inspector on SIGUSR1: with a listener come and gone, they act as usual.
    process.on(signal, () => {})
    process.removeAllListeners(signal)
  }
  process.kill(process.pid, signal)
}

/** At once: no timer or watcher of a session that is over is waited for. */
function exit(code: number): never {
  // In its last step Node sets the attributes of terminals that are open: it aborts on one that has hung up
  // (Node 20, nodejs/node#51519), and takes one that is a shell's by now from it.
  const isBackground = terminals.length > 0 && readProcessState(process.pid)?.isForeground === false
  for (const descriptor of terminals) {
    if (isBackground || !tty.isatty(descriptor)) fs.closeSync(descriptor)
  }
  process.exit(code)
}

/** A reader that has gone away (`claudef 2>&1 | head`) is no reason to fail. */
function warn(sentence: string): void {
  try {
    fs.writeSync(2, `claudef: ${sentence}\n`)
  } catch {}
}

/** A folder that has been removed is no reason not to start. */
function currentFolder(): string {
  try {
    return process.cwd()
  } catch {
    return process.env.PWD ?? '/'
  }
}
