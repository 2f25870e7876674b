import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

let root: string
let children: ChildProcess[] = []
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'claudef-'))
})
afterEach(() => {
  for (const child of children) killGroup(child)
  children = []
  fs.rmSync(root, { recursive: true, force: true })
})

/** The program that it started has the same group. */
function killGroup({ pid = 0 }: ChildProcess): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

/** A process that hands itself on to a program, and then says on descriptor 3 how that went. */
const WRAPPER = `
  const [module, file, ...args] = process.argv.slice(1)
  const { runInherited } = await import(module)
  const ending = await runInherited({ file, args, env: { GIVEN: 'yes', PATH: process.env.PATH } })
  const listeners = process.eventNames().filter((name) => /^SIG/.test(String(name)))
  ;(await import('node:fs')).writeSync(3, JSON.stringify({ ending, listeners }))`

/** Starts it in a session of its own, without a terminal; `more` become descriptors 4 and up. */
function start(file: string, args: string[] = [], more: ('ignore' | number)[] = []) {
  const module = new URL('../dist/inherit.js', import.meta.url).href
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRAPPER, '--', module, file, ...args], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', ...more],
    detached: true,
  })
  children.push(child)
  const result = text(child.stdio[3] as Readable)
  const { stdin, stdout, stderr } = child as ChildProcess & { stdin: NodeJS.WritableStream }
  return { pid: child.pid ?? 0, stdin, stdout: stdout as Readable, stderr: stderr as Readable, result }
}

async function run(file: string, args: string[] = [], input = '', more: ('ignore' | number)[] = []) {
  const { stdin, stdout, stderr, result } = start(file, args, more)
  stdin.end(input)
  const [out, error, json] = await Promise.all([text(stdout), text(stderr), result])
  return { stdout: out, stderr: error, ...JSON.parse(json) }
}

describe('runInherited', () => {
  test.each([0, 255])('passes on the exit code %i', async (code) => {
    expect(await run('sh', ['-c', `exit ${code}`])).toEqual({
      stdout: '',
      stderr: '',
      ending: { type: 'exit', code },
      listeners: [],
    })
  })

  test.each(['SIGTERM', 'SIGSEGV'])('tells of a death by %s', async (signal) => {
    const { ending } = await run('sh', ['-c', `ulimit -c 0; kill -${signal.slice(3)} $$`])
    expect(ending).toEqual({ type: 'signal', signal })
  })

  test('adds nothing to what goes in and out', async () => {
    const { stdout, stderr, ending } = await run(
      'sh',
      ['-c', 'cat; echo "$GIVEN $HOME" >&2; exit 3'],
      'a\r\n\u2733',
    )
    expect({ stdout, stderr, ending }).toEqual({
      stdout: 'a\r\n\u2733',
      stderr: 'yes \n',
      ending: { type: 'exit', code: 3 },
    })
  })

  test('passes arguments as they are', async () => {
    const args = ['a b', '', "it's", '$HOME', '--', '-p', '*']
    const { stdout } = await run('sh', ['-c', `printf '<%s>' "$@"`, 'sh', ...args])
    expect(stdout).toBe(args.map((arg) => `<${arg}>`).join(''))
  })

  test.each([
    ['is not there', 'missing', 127, 'ENOENT'],
    ['cannot be run', 'file', 126, 'EACCES'],
  ])('says so where the program %s', async (_, name, code, reason) => {
    fs.writeFileSync(path.join(root, 'file'), '#!/bin/sh\n', { mode: 0o600 })
    const file = path.join(root, name)
    const { stdout, stderr, ending, listeners } = await run(file)
    expect(stderr).toBe(`claudef: ${file} could not be started: spawn ${file} ${reason}\n`)
    expect({ stdout, ending, listeners }).toEqual({
      stdout: '',
      ending: { type: 'exit', code },
      listeners: [],
    })
  })

  test('passes on every signal that is meant for the program, and lives on until that has ended', async () => {
    const signals = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const
    const program = `
      for (const signal of ${JSON.stringify(signals)}) process.on(signal, () => console.log(signal))
      process.stdin.on('end', () => process.exit(7)).resume()
      console.log('ready')`
    const { pid, stdin, stdout, result } = start(process.execPath, ['-e', program])
    const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('ready')
    for (const signal of signals) {
      process.kill(pid, signal)
      expect((await lines.next()).value).toBe(signal)
    }
    stdin.end()
    expect(JSON.parse(await result)).toEqual({ ending: { type: 'exit', code: 7 }, listeners: [] })
  })

  test('lends the descriptors that arguments name', async () => {
    fs.writeFileSync(path.join(root, 'settings.json'), '{"model":"opus"}')
    const descriptor = fs.openSync(path.join(root, 'settings.json'), 'r')
    try {
      const { stdout } = await run('cat', ['/dev/fd/6'], '', ['ignore', 'ignore', descriptor])
      expect(stdout).toBe('{"model":"opus"}')
    } finally {
      fs.closeSync(descriptor)
    }
  })
})
