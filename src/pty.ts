import fs from 'node:fs'
import { constants } from 'node:os'
import { type Addon, loadAddon } from './addon.ts'
import { readMaster, tryTo, writeMaster } from './master.ts'
import { isGroupAlive, readProcessState } from './process-state.ts'
import { toolEnvironment } from './tool.ts'

export type Size = { columns: number; rows: number }

/** How a process ended: with an exit code (0–255), or by a signal such as `SIGTERM`. */
export type Ending = { type: 'exit'; code: number } | { type: 'signal'; signal: NodeJS.Signals }

export type PtyOptions = {
  file: string
  args: readonly string[]
  env: NodeJS.ProcessEnv
  /** Empty: this process's own directory, also where that has been removed. */
  cwd: string
  size: Size
  /** Gets each piece of output; the bytes are only valid during the call. `false` stops the reading. */
  onOutput: (output: Uint8Array) => boolean
  /** All input has been taken, after `write` returned `false`. */
  onDrain: () => void
  /** Called once, after the last byte of output. */
  onEnd: (ending: Ending) => void
}

/** A child process, on a pseudo-terminal of its own, where it leads its own session and process group. */
export type Pty = {
  pid: number
  /** `false`: the child is slow to read and much waits here, hold back until `onDrain`. */
  write: (input: Uint8Array) => boolean
  resize: (size: Size) => void
  resume: () => void
  /** Passes on what the child has written by now. */
  drain: () => void
  /** Signals the child alone. A child that has ended is no error. */
  signal: (signal: NodeJS.Signals) => void
  /** Signals every process of the child's group. */
  signalGroup: (signal: NodeJS.Signals) => void
  isStopped: () => boolean
  /** The child has put its terminal into the state that a shell expects, where Ctrl+Z stops a program. */
  hasLetGo: () => Promise<boolean>
}

/** Signals by which a child is told to end. */
const ENDING: NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT']

/** How long the processes that a child leaves behind in its group have to end, and how often one looks, in ms. */
const GROUP_MS = { longest: 500, step: 20 }

/**
 * Loads what starts children on pseudo-terminals.
 * @throws where node-pty does not exist for this machine or does not load
 */
export function loadPty(): (options: PtyOptions) => Pty {
  const { addon, helper } = loadAddon()
  return (options) => openPty(addon, helper, options)
}

function openPty(addon: Addon, helper: string, options: PtyOptions): Pty {
  const { file, args, env, cwd, size } = options
  const pairs = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  )
  let ended = false
  let told = false
  const onExit = async (code: number, signal: number) => {
    ended = true
    release()
    output.finish()
    if (told) await endGroup(child.pid)
    options.onEnd(describeEnding(code, signal))
  }
  const child = addon.fork(file, [...args], pairs, cwd, size.columns, size.rows, -1, -1, true, helper, onExit)
  const release = holdTerminal(child.pty)
  const output = readMaster(child.fd, options.onOutput)
  const send = (pid: number, signal: NodeJS.Signals) => {
    // Once reaped, the number may belong to somebody else.
    if (ended) return
    tryTo(() => process.kill(pid, signal))
    if (!ENDING.includes(signal)) return
    told = true
    // A stopped process takes no signal before it goes on.
    if (readProcessState(child.pid)?.isStopped) tryTo(() => process.kill(-child.pid, 'SIGCONT'))
  }
  return {
    pid: child.pid,
    write: writeMaster(child.fd, { isOpen: output.isOpen, onDrain: options.onDrain }),
    resume: output.resume,
    drain: output.drain,
    // The size in pixels stays 0: Node cannot read that of the user's terminal. Claude Code asks by a sequence.
    resize: ({ columns, rows }) => {
      if (output.isOpen()) tryTo(() => addon.resize(child.fd, Math.max(1, columns), Math.max(1, rows), 0, 0))
    },
    signal: (signal) => send(child.pid, signal),
    signalGroup: (signal) => send(-child.pid, signal),
    isStopped: () => !ended && readProcessState(child.pid)?.isStopped === true,
    hasLetGo: async () => {
      // Where another group is in the foreground, the child runs a shell of its own, which sees to Ctrl+Z.
      const isAsked = () => !ended && readProcessState(child.pid)?.isForeground === true
      return isAsked() && (await isInLineMode(child.pty)) && isAsked()
    },
  }
}

/**
 * Keeps a child's terminal open: a master whose other end nobody has open reads as ended, and closing it sends a
 * SIGHUP to the child, which may only have closed its standard input and output.
 */
function holdTerminal(terminal: string): () => void {
  try {
    const descriptor = fs.openSync(terminal, fs.constants.O_RDONLY | fs.constants.O_NOCTTY)
    return () => fs.closeSync(descriptor)
  } catch {
    return () => {}
  }
}

/**
 * Waits until a process group is empty, at last by SIGKILL. The kernel gave its other members a SIGHUP when its
 * leader ended, and keeps the number from being used again as long as it has a member.
 */
async function endGroup(group: number): Promise<void> {
  for (let waited = 0; waited < GROUP_MS.longest; waited += GROUP_MS.step) {
    if (!isGroupAlive(group)) return
    await new Promise((resolve) => setTimeout(resolve, GROUP_MS.step))
  }
  if (isGroupAlive(group)) tryTo(() => process.kill(-group, 'SIGKILL'))
}

/** Canonical, with signals from keys on: as a terminal is between two programs. */
async function isInLineMode(terminal: string): Promise<boolean> {
  const { execFile } = process.getBuiltinModule('node:child_process')
  // GNU and busybox take -F, BSD and macOS -f.
  const option = process.platform === 'linux' ? '-F' : '-f'
  const attributes = await new Promise<string>((resolve) => {
    execFile('stty', [option, terminal, '-a'], { env: toolEnvironment() }, (error, stdout) =>
      resolve(error === null ? stdout : ''),
    )
  })
  return /(?<!-)\bicanon\b/.test(attributes) && /(?<!-)\bisig\b/.test(attributes)
}

function describeEnding(code: number, signal: number): Ending {
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0]
  if (name !== undefined) return { type: 'signal', signal: name as NodeJS.Signals }
  // A real-time signal has no name in Node.
  return { type: 'exit', code: signal > 0 ? 128 + signal : code }
}
