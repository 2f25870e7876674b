import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
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

function readLog(): string {
  return fs.readFileSync(path.join(home, '.claude_fallback_error.log'), 'utf8')
}
