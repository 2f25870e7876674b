import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const program = fileURLToPath(new URL('../bin/claude-fallback.js', import.meta.url))
const rows = fileURLToPath(new URL('../fixtures/rows/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'claudef-explain-'))
afterAll(() => rmSync(folder, { recursive: true }))

function explain(...args: string[]) {
  return spawnSync(process.execPath, ['--max-old-space-size=200', program, 'explain', ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
}

const limit = JSON.stringify({
  type: 'assistant',
  uuid: 'u',
  timestamp: '2026-11-22T14:00:38.521Z',
  isApiErrorMessage: true,
  error: 'rate_limit',
  message: {
    model: '<synthetic>',
    content: [{ type: 'text', text: "You've hit your session limit · resets 4pm (UTC)\u001b[2J" }],
  },
})

test('judges every labelled row as it is labelled', () => {
  const labels = readLines(join(rows, 'limits.jsonl')).concat(readLines(join(rows, 'look-alikes.jsonl')))
  const { status, stdout } = explain('--json', join(rows, 'all.jsonl'))
  expect(status).toBe(0)
  const verdicts = new Map(parseLines(stdout).map((line) => [line.line, line.verdict]))
  const wrong = labels.filter((label, index) => {
    const verdict = verdicts.get(index + 1) ?? 'none'
    return !(label.verdicts as string[]).includes(String(verdict))
  })
  expect(wrong).toEqual([])
  expect(labels).toHaveLength(1266)
})

test('says what a limit is, where, and why, without what would move a terminal', () => {
  const file = join(folder, 'one.jsonl')
  writeFileSync(file, `{"type":"user"}\n${limit}`)
  expect(explain(file).stdout.replace(file, 'FILE')).toMatchInlineSnapshot(`
    "FILE:2  switch    session, account, resets 2026-11-22T16:00:00.000Z (a limit of the account): You've hit your session limit · resets 4pm (UTC) [2J
    "
  `)
})

test('reads what is no transcript at all', () => {
  const file = join(folder, 'odd.jsonl')
  const deep = `${'{"limit":'.repeat(10_000)}1${'}'.repeat(10_000)}`
  writeFileSync(file, `null\n[]\n"limit"\n${deep}\n{"isApiErrorMessage":true,"message":null}\n`)
  appendFileSync(file, Buffer.from([0xff, 0xfe, ...Buffer.from('limit isApiErrorMessage'), 0x0a, 0xc3, 0x0a]))
  appendFileSync(file, `${limit}\n`)
  const { status, stdout } = explain('--json', file)
  expect(status).toBe(0)
  expect(parseLines(stdout).map(({ line, verdict }) => [line, verdict])).toEqual([[8, 'switch']])
})

test('skips a line of 100 MB in bounded memory, and goes on behind it', () => {
  const file = join(folder, 'long.jsonl')
  const descriptor = openSync(file, 'w')
  const megabyte = Buffer.alloc(1 << 20, 'isApiErrorMessage limit ')
  for (let count = 0; count < 100; count++) writeSync(descriptor, megabyte)
  writeSync(descriptor, `\n${limit}\n`)
  closeSync(descriptor)
  const { status, stdout, stderr } = explain('--json', file)
  expect(status).toBe(0)
  expect(stderr).toContain('long.jsonl:1 is too long')
  expect(parseLines(stdout).map(({ line, verdict }) => [line, verdict])).toEqual([[2, 'switch']])
})

test.each([
  [[], 2, 'Usage: '],
  [['--yaml', 'x'], 2, "no option '--yaml'"],
  [[join(folder, 'none.jsonl')], 1, 'could not be read: ENOENT'],
])('says what is wrong with %j', (args, status, words) => {
  expect(explain(...args)).toMatchObject({ status, stderr: expect.stringContaining(words) })
})

test('is quiet when its reader has seen enough', () => {
  const command = `"$0" "$1" explain "$2" | head -n 1`
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', command, process.execPath, program, join(rows, 'all.jsonl')],
    {
      encoding: 'utf8',
    },
  )
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})

function readLines(file: string) {
  return parseLines(readFileSync(file, 'utf8'))
}

function parseLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
