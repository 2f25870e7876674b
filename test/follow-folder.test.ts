import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { followFolder } from '../src/follow-folder.ts'
import type { Follower } from '../src/transcript.ts'

let root: string
let folder: string
let lines: string[]
let errors: Error[]
let follower: Follower | undefined

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'claudef-folder-'))
  folder = join(root, 'session', 'subagents')
  lines = []
  errors = []
})
afterEach(async () => {
  await follower?.stop()
  rmSync(root, { recursive: true })
  expect(errors).toEqual([])
})

function follow() {
  follower = followFolder({
    folder,
    contains: ['mark'],
    onLine: (line, file) => lines.push(`${file.slice(folder.length + 1)} ${line}`),
    onError: (error) => errors.push(error),
    overlapBytes: 1000,
  })
}

test('follows every transcript of a folder that comes later, rows torn and characters split', async () => {
  follow()
  mkdirSync(folder, { recursive: true })
  const bytes = Buffer.from('mark é\nno\nmark 2\n')
  appendFileSync(join(folder, 'agent-a.jsonl'), bytes.subarray(0, 6))
  appendFileSync(join(folder, 'agent-b.jsonl'), 'mark b\n')
  await expect.poll(() => lines).toEqual(['agent-b.jsonl mark b'])
  appendFileSync(join(folder, 'agent-a.jsonl'), bytes.subarray(6))
  await expect
    .poll(() => lines)
    .toEqual(['agent-b.jsonl mark b', 'agent-a.jsonl mark é', 'agent-a.jsonl mark 2'])
})

test('reads the end alone of files that were there before, and shrunk ones anew', async () => {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'agent-a.jsonl')
  writeFileSync(file, `mark old\n${'x'.repeat(2000)}\nmark end\n`)
  writeFileSync(join(folder, 'notes.txt'), 'mark\n')
  follow()
  await expect.poll(() => lines).toEqual(['agent-a.jsonl mark end'])
  writeFileSync(file, 'mark new\n')
  await expect.poll(() => lines).toEqual(['agent-a.jsonl mark end', 'agent-a.jsonl mark new'])
})

test('delivers nothing after it was stopped', async () => {
  mkdirSync(folder, { recursive: true })
  follow()
  appendFileSync(join(folder, 'agent-a.jsonl'), 'mark 1\n')
  await expect.poll(() => lines).toHaveLength(1)
  await follower?.stop()
  appendFileSync(join(folder, 'agent-a.jsonl'), 'mark 2\n')
  follow()
  await expect.poll(() => lines.length).toBe(3)
  expect(lines.slice(1)).toEqual(['agent-a.jsonl mark 1', 'agent-a.jsonl mark 2'])
})
