import { createHash } from 'node:crypto'
import { readSync, writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { type IPty, spawn } from 'node-pty'

export type OuterOptions = {
  file: string
  args?: string[]
  cwd: string
  /** The program's whole environment. */
  env: Record<string, string>
  /** Columns, 80 by default. */
  cols?: number
  /** Rows, 24 by default. */
  rows?: number
  /** Keep the output, for `text` and `waitFor`; true by default. Without it only its hash and length are known. */
  keep?: boolean
}

/** `signal` is the number of the signal that ended the program, 0 if it left by itself. */
export type OuterExit = { code: number; signal: number }

// Left out of node-pty's typings.
type PtyInternals = { fd: number; _socket: Socket; on(event: 'end', listener: () => void): void }

/**
 * Runs a program on a terminal that the test owns and that draws nothing: for bytes by the million. It can stand
 * still, and hang up.
 */
export const openOuter = (options: OuterOptions) => {
  const { file, args = [], cwd, env, cols = 80, rows = 24, keep = true } = options
  const pty = spawn(file, args, { cwd, env, cols, rows, encoding: null })
  const internals = pty as unknown as PtyInternals
  const hash = createHash('sha256')
  const chunks: Buffer[] = []
  const checks = new Set<() => void>()
  let length = 0
  let ended: OuterExit | undefined
  const receive = (chunk: Buffer) => {
    hash.update(chunk)
    length += chunk.length
    if (keep) chunks.push(chunk)
    for (const check of [...checks]) check()
  }
  pty.onData((chunk) => receive(chunk as unknown as Buffer))
  internals.on('end', () => readRest(internals.fd, receive))
  const exit = new Promise<OuterExit>((resolve) => {
    pty.onExit(({ exitCode, signal = 0 }) => {
      ended = { code: exitCode, signal }
      // What it wrote last is read by then: the socket ends before.
      const finish = () => {
        for (const check of [...checks]) check()
        resolve({ code: exitCode, signal })
      }
      if (internals._socket.destroyed || internals._socket.readableEnded) finish()
      else internals._socket.once('close', finish)
    })
  })
  const bytes = () => Buffer.concat(chunks)
  return {
    pid: pty.pid,
    fd: internals.fd,
    exit,
    bytes,
    text: () => bytes().toString(),
    length: () => length,
    /** SHA-256 of all output, in hex; once. */
    digest: () => hash.digest('hex'),
    /** Waits until the output so far passes; fails once the program has ended without. */
    waitFor: (pattern: string | RegExp | ((text: string) => boolean), timeoutMs = 40_000) =>
      waitForOutput({ pattern, timeoutMs, checks, text: () => bytes().toString(), ended: () => ended }),
    /** Writes all of it, in order, as fast as the program takes it. */
    type: (input: string | Buffer) => writeAll(internals.fd, Buffer.from(input), () => ended !== undefined),
    /** Stops reading: the terminal takes no more output. */
    stall: () => pty.pause(),
    resume: () => pty.resume(),
    resize: (columns: number, height: number) => pty.resize(columns, height),
    /** Closes the terminal, as a window that is closed does. */
    hangUp: () => internals._socket.destroy(),
    signal: (name: NodeJS.Signals) => process.kill(pty.pid, name),
    close: () => closeOuter(pty, exit, () => ended !== undefined),
  }
}

/** libuv before 1.52 reports the end while the kernel still holds bytes: https://github.com/libuv/libuv/issues/4992 */
const readRest = (fd: number, receive: (chunk: Buffer) => void) => {
  try {
    for (;;) {
      const buffer = Buffer.alloc(65_536)
      const length = readSync(fd, buffer)
      if (length === 0) return
      receive(buffer.subarray(0, length))
    }
  } catch {
    // EIO: nothing is left
  }
}

const writeAll = async (fd: number, input: Buffer, hasEnded: () => boolean) => {
  for (let rest = input; rest.length > 0 && !hasEnded(); ) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
}

const waitForOutput = (options: {
  pattern: string | RegExp | ((text: string) => boolean)
  timeoutMs: number
  checks: Set<() => void>
  text: () => string
  ended: () => OuterExit | undefined
}) =>
  new Promise<string>((resolve, reject) => {
    const { pattern, timeoutMs, checks, text, ended } = options
    const finish = () => {
      clearTimeout(timer)
      checks.delete(check)
    }
    const fail = (why: string) => {
      finish()
      reject(
        new Error(`${why} while waiting for ${pattern}. The output:\n${JSON.stringify(text().slice(-2000))}`),
      )
    }
    const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs)
    const check = () => {
      const now = text()
      const isThere =
        typeof pattern === 'string'
          ? now.includes(pattern)
          : typeof pattern === 'function'
            ? pattern(now)
            : pattern.test(now)
      if (isThere) {
        finish()
        resolve(now)
      } else if (ended() !== undefined) fail(`The program ended ${JSON.stringify(ended())}`)
    }
    checks.add(check)
    check()
  })

const closeOuter = async (pty: IPty, exit: Promise<OuterExit>, hasEnded: () => boolean) => {
  if (hasEnded()) return
  pty.resume()
  try {
    process.kill(-pty.pid, 'SIGKILL')
  } catch {
    // gone already
  }
  await exit
}
