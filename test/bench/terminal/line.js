// The outer terminal: a pseudo-terminal with a program on it, read and written without an event loop in between.
import { spawnSync } from 'node:child_process'
import { readSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const require = createRequire(import.meta.url)
const root = path.dirname(require.resolve('node-pty/package.json'))
const addon = [`build/Release`, `prebuilds/${process.platform}-${process.arch}`]
  .map((folder) => {
    try {
      return require(path.join(root, folder, 'pty.node'))
    } catch {
      return undefined
    }
  })
  .find((loaded) => loaded !== undefined)

const buffer = Buffer.alloc(65_536)

/**
 * @typedef {object} Line
 * @property {number} pid
 * @property {() => Buffer | undefined} read waits for output; undefined at the end. Valid until the next read
 * @property {() => Buffer | undefined} poll what is there now
 * @property {(input: string) => void} write
 * @property {(text: string) => void} readUntil
 * @property {Promise<number>} ended the exit code
 */

/**
 * @param {{ file: string, args: string[], env: Record<string, string>, cwd: string }} program
 * @returns {Line}
 */
export function openLine({ file, args, env, cwd }) {
  /** @type {(code: number) => void} */
  let finish = () => {}
  const ended = new Promise((resolve) => {
    finish = resolve
  })
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const { fd, pid } = addon.fork(file, args, pairs, cwd, 80, 24, -1, -1, true, '', (code) => finish(code))
  let isBlocking = false
  const readOnce = () => {
    try {
      const length = readSync(fd, buffer)
      return length === 0 ? undefined : buffer.subarray(0, length)
    } catch (error) {
      if (error.code === 'EAGAIN') return buffer.subarray(0, 0)
      return undefined
    }
  }
  const read = () => {
    // Node starts a child with its standard input in blocking mode, and the mode is that of the terminal, not of
    // the descriptor: from here on reads wait by themselves.
    if (!isBlocking) spawnSync('true', { stdio: [fd, 'ignore', 'ignore'] })
    isBlocking = true
    return readOnce()
  }
  return {
    pid,
    ended,
    read,
    poll: readOnce,
    write: (input) => void writeSync(fd, input),
    readUntil: (text) => {
      for (let seen = ''; !seen.includes(text); ) {
        const output = read()
        if (output === undefined) throw new Error(`${file} ended before it wrote ${text}: ${seen}`)
        seen = seen.slice(-1000) + output.toString('latin1')
      }
    },
  }
}
