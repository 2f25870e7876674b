import fs from 'node:fs'
import tty from 'node:tty'
import { openBacklog } from './backlog.ts'

/** Linux hands out 4 KiB at a time, macOS 1 KiB: one read seldom fills it. */
const READ_BYTES = 65_536

/**
 * After the child's death no more than this is read, in bytes: kernels hold far less, and a process that it left
 * behind may write for ever.
 */
const LAST_BYTES = 1 << 20

/** Input that waits for a slow child beyond which more is held back, in bytes. */
const MAX_QUEUED_BYTES = 1 << 20

export type Master = {
  isOpen: () => boolean
  /** Reads what is there now, without waiting. */
  drain: () => void
  resume: () => void
  /** Reads the last of it and closes. */
  finish: () => void
}

/**
 * Reads the master with one reused buffer. libuv before 1.52 (Node 20, 22) reports the end while the kernel
 * still holds bytes (libuv#4992), so at the end, and again once the child is known to be dead, it is read until
 * there is no more: EIO, EAGAIN (another process keeps the terminal open) or an end of file.
 */
export function readMaster(fd: number, onOutput: (output: Uint8Array) => boolean): Master {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  const onread = { buffer, callback: (bytes: number) => onOutput(buffer.subarray(0, bytes)) }
  // `onread` is an option of net.Socket, which the typings of tty.ReadStream do not show.
  const stream = new tty.ReadStream(fd, { onread } as object)
  // A closed stream has given its descriptor's number back, perhaps to another file.
  const isOpen = () => !stream.destroyed
  const drain = () =>
    tryTo(() => {
      for (let left = LAST_BYTES; left > 0; ) {
        const bytes = isOpen() ? fs.readSync(fd, buffer) : 0
        if (bytes === 0) return
        left -= bytes
        onOutput(buffer.subarray(0, bytes))
      }
    })
  // Before the stream's own listener, which closes the descriptor.
  stream.prependListener('end', drain)
  // EIO is how Linux says that the child has closed its end.
  stream.on('error', () => {})
  stream.resume()
  return {
    isOpen,
    drain,
    resume: () => void stream.resume(),
    finish: () => {
      drain()
      stream.destroy()
    },
  }
}

/** Writes what the child's terminal takes at once, and the rest in order as it takes it. */
export function writeMaster(
  fd: number,
  options: { isOpen: () => boolean; onDrain: () => void },
): (input: Uint8Array) => boolean {
  const backlog = openBacklog({
    // What is written to a child that has closed its terminal goes nowhere.
    tryToWrite: (input) => (options.isOpen() ? tryToWrite(fd, input) : input.length),
    onEmpty: options.onDrain,
  })
  return (input) => backlog.write(input) || backlog.size() < MAX_QUEUED_BYTES
}

/** Bytes written; 0 where the child's input is full or its terminal gone. */
function tryToWrite(fd: number, bytes: Uint8Array): number {
  try {
    return fs.writeSync(fd, bytes)
  } catch {
    return 0
  }
}

/** Runs what may fail because the child has just gone. */
export function tryTo(action: () => void): void {
  try {
    action()
  } catch {}
}
