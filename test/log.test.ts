import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openLog } from '../src/log.ts'

let home: string
beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'claudef-'))
})
afterEach(() => fs.rmSync(home, { recursive: true, force: true }))

const NOW = new Date('2026-11-22T14:00:38.521Z')
const STAMP = `2026-11-22T14:00:38.521Z [${process.pid}]`

function open(folder: string) {
  return openLog(folder, () => NOW)
}

test('writes a line for each message, for nobody else to read', () => {
  const file = path.join(home, '.claude_fallback_error.log')
  const log = open(home)
  expect(fs.existsSync(file)).toBe(false)
  log('limit met')
  log('switching')
  expect(fs.readFileSync(file, 'utf8')).toBe(`${STAMP} limit met\n${STAMP} switching\n`)
  expect(fs.statSync(file).mode & 0o777).toBe(0o600)
})

test('goes on in a file that is there', () => {
  fs.writeFileSync(path.join(home, '.claude_fallback_error.log'), 'before\n')
  open(home)('after')
  expect(readLog()).toBe(`before\n${STAMP} after\n`)
})

test('makes one line of a message, with nothing in it that a terminal would act on', () => {
  open(home)('Error: one\n    at two\r\n\tthree \x1b[31mred\x07 \u00e9\u2733\x9b')
  expect(readLog()).toBe(`${STAMP} Error: one     at two three  [31mred  \u00e9\u2733 \n`)
})

test('is silent where it cannot write', () => {
  expect(() => open(path.join(home, 'missing'))('lost')).not.toThrow()
  fs.writeFileSync(path.join(home, 'file'), '')
  expect(() => open(path.join(home, 'file'))('lost')).not.toThrow()
  fs.mkdirSync(path.join(home, '.claude_fallback_error.log'))
  expect(() => open(home)('lost')).not.toThrow()
})

const MIB = 1 << 20

test('makes way at 1 MiB for a new file, and keeps one older', () => {
  const log = open(home)
  const sizes: number[] = []
  for (let n = 0; n < 1000; n++) {
    log(`${n} ${'x'.repeat(3000)}`)
    sizes.push(readLog().length)
  }
  expect(fs.readdirSync(home).sort()).toEqual(['.claude_fallback_error.log', '.claude_fallback_error.log.1'])
  expect(fs.statSync(`${home}/.claude_fallback_error.log.1`).mode & 0o777).toBe(0o600)
  expect(Math.max(...sizes)).toBeLessThan(MIB + 40_000)
  const older = fs.readFileSync(path.join(home, '.claude_fallback_error.log.1'), 'utf8')
  expect(older.length).toBeGreaterThanOrEqual(MIB)
  expect(numbersOf(older + readLog())).toEqual(range(numbersOf(older)[0] ?? 0, 1000))
})

test('keeps what several processes write while the file makes way', async () => {
  const writers = 8
  const lines = 300
  const module = fileURLToPath(new URL('../dist/log.js', import.meta.url))
  const code = `
    const { openLog } = await import(process.argv[1])
    const log = openLog(process.argv[2], () => new Date())
    for (let n = 0; n < ${lines}; n++) log(n + ' ' + 'x'.repeat(700))`
  const children = range(0, writers).map(() =>
    spawn(process.execPath, ['--input-type=module', '-e', code, module, home], { stdio: 'inherit' }),
  )
  await Promise.all(children.map((child) => once(child, 'exit')))
  const all = fs.readFileSync(path.join(home, '.claude_fallback_error.log.1'), 'utf8') + readLog()
  for (const { pid } of children) {
    const own = all.split('\n').filter((line) => line.includes(` [${pid}] `))
    expect(numbersOf(own.join('\n'))).toEqual(range(0, lines))
  }
  expect(fs.readdirSync(home)).toHaveLength(2)
})

test('writes no more where the file cannot make way', () => {
  fs.writeFileSync(path.join(home, '.claude_fallback_error.log'), 'x'.repeat(2 * MIB + 1))
  fs.mkdirSync(path.join(home, '.claude_fallback_error.log.1'))
  open(home)('lost')
  expect(readLog()).toHaveLength(2 * MIB + 1)
})

test('leaves alone what is no file of its own', () => {
  fs.symlinkSync('/dev/null', path.join(home, '.claude_fallback_error.log'))
  const log = open(home)
  for (let n = 0; n < 1000; n++) log('x'.repeat(3000))
  expect(fs.readdirSync(home)).toEqual(['.claude_fallback_error.log'])
})

test('cuts a message that would fill the file', () => {
  open(home)('x'.repeat(MIB))
  expect(readLog().length).toBeLessThan(5000)
})

function numbersOf(text: string): number[] {
  return [...text.matchAll(/\] (\d+) x/g)].map(([, number]) => Number(number))
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

function readLog(): string {
  return fs.readFileSync(path.join(home, '.claude_fallback_error.log'), 'utf8')
}
