import fs from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import tty from 'node:tty'

/**
 * The part of node-pty that is used: its addon. node-pty's own streams are not, since on Node 20 and 22 they
 * lose the end of the output (microsoft/node-pty#72, libuv#4992), burn a core while the child does not read
 * (microsoft/node-pty#956), print their errors on the user's screen, and change the environment.
 * The signature is that of node-pty 1.2.0-beta.15, which package.json pins.
 */
type Addon = {
  fork: (
    file: string,
    args: string[],
    env: string[],
    cwd: string,
    columns: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helper: string,
    onExit: (code: number, signal: number) => void,
  ) => { fd: number; pid: number; pty: string }
  resize: (fd: number, columns: number, rows: number, width: number, height: number) => void
}

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

/** A child process on a pseudo-terminal of its own, leading its own session and process group. */
export type Pty = {
  pid: number
  /** `false`: the child is slow to read and much waits here, hold back until `onDrain`. */
  write: (input: Uint8Array) => boolean
  resize: (size: Size) => void
  resume: () => void
  /** Signals the child alone. A child that has ended is no error. */
  signal: (signal: NodeJS.Signals) => void
  /** Signals every process of the child's group. */
  signalGroup: (signal: NodeJS.Signals) => void
}

/** What Linux and macOS buffer of output at most is far below; one read seldom fills it. */
const READ_BYTES = 65_536

/** Input that waits for a slow child beyond which more is held back. */
const MAX_QUEUED_BYTES = 1 << 20

/** Waits between two tries to write to a child that does not read, in ms: doubled up to the second. */
const RETRY_MS = { first: 1, longest: 100 }

/**
 * Loads node-pty's addon.
 * @throws where the addon does not exist for this machine or does not load; claudef then works without it.
 */
export function loadPty(): (options: PtyOptions) => Pty {
  const require = createRequire(import.meta.url)
  // Not the package's main module: it loads the terminal classes too, which cost start-up time and are not used.
  const { dir, module } = require('node-pty/lib/utils.js').loadNativeModule('pty') as {
    dir: string
    module: Addon
  }
  const helper = require.resolve('node-pty/lib/utils.js').replace(/utils\.js$/, `${dir}/spawn-helper`)
  return (options) => openPty(module, helper, options)
}

function openPty(addon: Addon, helper: string, options: PtyOptions): Pty {
  const { file, args, env, cwd, size } = options
  const pairs = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  )
  let ended = false
  const onExit = (code: number, signal: number) => {
    ended = true
    output.finish()
    options.onEnd(describeEnding(code, signal))
  }
  const child = addon.fork(file, [...args], pairs, cwd, size.columns, size.rows, -1, -1, true, helper, onExit)
  const output = readOutput(child.fd, options.onOutput)
  const input = writeInput(child.fd, { isOpen: output.isOpen, onDrain: options.onDrain })
  const kill = (pid: number, signal: NodeJS.Signals) => {
    // Once reaped, the number may belong to somebody else.
    if (!ended) tryTo(() => process.kill(pid, signal))
  }
  return {
    pid: child.pid,
    write: input.write,
    resume: output.resume,
    resize: ({ columns, rows }) => {
      if (output.isOpen()) tryTo(() => addon.resize(child.fd, Math.max(1, columns), Math.max(1, rows), 0, 0))
    },
    signal: (signal) => kill(child.pid, signal),
    signalGroup: (signal) => kill(-child.pid, signal),
  }
}

/**
 * Reads the master with one reused buffer. libuv before 1.52 (Node 20, 22) reports the end while the kernel
 * still holds bytes (libuv#4992), so at the end, and again once the child is known to be dead, it is read until
 * there is no more: EIO, EAGAIN (a grandchild keeps the terminal open) or an end of file.
 */
function readOutput(fd: number, onOutput: PtyOptions['onOutput']) {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  const onread = { buffer, callback: (bytes: number) => onOutput(buffer.subarray(0, bytes)) }
  // `onread` is an option of net.Socket, which the typings of tty.ReadStream do not show.
  const stream = new tty.ReadStream(fd, { onread } as object)
  const drain = () =>
    tryTo(() => {
      for (let bytes = fs.readSync(fd, buffer); bytes > 0; bytes = fs.readSync(fd, buffer)) {
        onOutput(buffer.subarray(0, bytes))
      }
    })
  // Before the stream's own listener, which closes the descriptor.
  stream.prependListener('end', drain)
  // EIO is how Linux says that the child has closed its end.
  stream.on('error', () => {})
  stream.resume()
  // A closed stream has given its descriptor's number back, perhaps to another file.
  const isOpen = () => !stream.destroyed
  return {
    isOpen,
    resume: () => void stream.resume(),
    finish: () => {
      if (isOpen()) drain()
      stream.destroy()
    },
  }
}

/** Writes at once what the child's terminal takes, keeps the rest in order, and tries again ever more rarely. */
function writeInput(fd: number, options: { isOpen: () => boolean; onDrain: () => void }) {
  let queue: Uint8Array[] = []
  let queued = 0
  let _timer: NodeJS.Timeout | undefined
  let wait = RETRY_MS.first
  const flush = () => {
    _timer = undefined
    if (!options.isOpen()) queue = []
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      const written = tryToWrite(fd, next)
      queued -= written
      if (written > 0) wait = RETRY_MS.first
      if (written < next.length) {
        queue[0] = next.subarray(written)
        _timer = setTimeout(flush, wait)
        wait = Math.min(wait * 2, RETRY_MS.longest)
        return
      }
      queue.shift()
    }
    options.onDrain()
  }
  return {
    write: (input: Uint8Array): boolean => {
      const written = queue.length === 0 && options.isOpen() ? tryToWrite(fd, input) : 0
      if (written === input.length) return true
      queue.push(input.subarray(written))
      queued += input.length - written
      _timer ??= setTimeout(flush, wait)
      return queued < MAX_QUEUED_BYTES
    },
  }
}

/** Bytes written; 0 where the child's input is full or its terminal gone. */
function tryToWrite(fd: number, bytes: Uint8Array): number {
  try {
    return fs.writeSync(fd, bytes)
  } catch {
    return 0
  }
}

function describeEnding(code: number, signal: number): Ending {
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0]
  return name === undefined ? { type: 'exit', code } : { type: 'signal', signal: name as NodeJS.Signals }
}

/** Runs what may fail because the child has just gone. */
function tryTo(action: () => void): void {
  try {
    action()
  } catch {}
}
