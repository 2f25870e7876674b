import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadAddon, refuseMusl } from '../src/addon.ts'

const folder = mkdtempSync(join(tmpdir(), 'claudef-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** The start of a program, as a linker writes it: a header, then the path of the dynamic linker. */
const writeProgram = (interpreter: string) => {
  const program = Buffer.alloc(9000)
  program.write('\x7fELF', 0, 'latin1')
  program.write(`${interpreter}\0`, 0x318, 'latin1')
  const file = join(folder, 'program')
  writeFileSync(file, program)
  return file
}

test('loads the addon that node-pty ships for this machine', () => {
  const { addon } = loadAddon()
  expect(Object.keys(addon)).toEqual(expect.arrayContaining(['fork', 'resize']))
})

test('refuses musl with a sentence that helps, before a child could crash Node', () => {
  expect(() => refuseMusl(writeProgram('/lib/ld-musl-x86_64.so.1'))).toThrow(
    'node-pty has no binary for musl (Alpine Linux). Build one with `npm rebuild node-pty --build-from-source`.',
  )
})

test.each(['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1'])('takes glibc: %s', (interpreter) => {
  expect(() => refuseMusl(writeProgram(interpreter))).not.toThrow()
})

test('this Node, and a program with no dynamic linker at all', () => {
  expect(() => refuseMusl(process.execPath)).not.toThrow()
  expect(() => refuseMusl(writeProgram(''))).not.toThrow()
})
