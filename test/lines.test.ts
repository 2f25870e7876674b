import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { createLineFilter, createLineSplitter, readLinesBackwards } from '../src/lines.ts'

const folder = mkdtempSync(join(tmpdir(), 'claudef-lines-'))
afterAll(() => rmSync(folder, { recursive: true }))

const splitAll = (chunks: Buffer[], maxLineBytes?: number) => {
  const lines: string[] = []
  const skipped: number[] = []
  const splitter = createLineSplitter({
    onLine: (line) => lines.push(line.toString()),
    onSkip: (at) => skipped.push(at),
    maxLineBytes,
  })
  for (const chunk of chunks) splitter.write(chunk)
  return { lines, skipped, lineStart: splitter.lineStart() }
}

const collect = async (path: string, options?: Parameters<typeof readLinesBackwards>[1]) => {
  const lines: string[] = []
  for await (const line of readLinesBackwards(path, options)) lines.push(line)
  return lines
}

describe('createLineSplitter', () => {
  test('keeps CR, empty lines and the unfinished end', () => {
    expect(splitAll([Buffer.from('a\r\n\nb'), Buffer.from('c\nd')])).toEqual({
      lines: ['a\r', '', 'bc'],
      skipped: [],
      lineStart: 7,
    })
  })

  test('does not need the chunk any more after the call', () => {
    const chunk = Buffer.from('ab')
    const lines: string[] = []
    const splitter = createLineSplitter({ onLine: (line) => lines.push(line.toString()), onSkip: () => {} })
    splitter.write(chunk)
    chunk.fill('x')
    splitter.write(Buffer.from('c\n'))
    expect(lines).toEqual(['abc'])
  })

  test.each([
    ['in one chunk', ['ok\ntoo long\nok\n']],
    ['in pieces', ['ok\nt', 'oo', ' l', 'ong', '\nok', '\n']],
  ])('skips a line that is too long, tells of it once and goes on: %s', (_how, chunks) => {
    const result = splitAll(
      chunks.map((chunk) => Buffer.from(chunk)),
      4,
    )
    expect(result).toEqual({ lines: ['ok', 'ok'], skipped: [3], lineStart: 15 })
  })

  test('takes a line of exactly the bound', () => {
    expect(splitAll([Buffer.from('abcd\n'), Buffer.from('ab'), Buffer.from('cd\n')], 4).lines).toEqual([
      'abcd',
      'abcd',
    ])
  })

  test('keeps nothing of a line that is too long', () => {
    const chunk = Buffer.alloc(2 ** 20, 'x')
    const before = process.memoryUsage().arrayBuffers
    splitAll(new Array(200).fill(chunk), 2 ** 22)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24)
  })
})

describe('createLineFilter', () => {
  test('takes lines with any of the strings, or every line', () => {
    const isLimit = createLineFilter(['"isApiErrorMessage":true', 'quotaLimits'])
    expect(isLimit(Buffer.from('{"isApiErrorMessage":true}'))).toBe(true)
    expect(isLimit(Buffer.from('{"quotaLimits":{}}'))).toBe(true)
    expect(isLimit(Buffer.from('{"isApiErrorMessage":false}'))).toBe(false)
    expect(createLineFilter(undefined)(Buffer.from(''))).toBe(true)
    expect(createLineFilter([])(Buffer.from('a'))).toBe(false)
  })
})

describe('readLinesBackwards', () => {
  const path = join(folder, 'a.jsonl')

  test('gives what splitting the whole file gives, in reverse, whatever the chunks', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '\r', '\n'), maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 12 }), async (content, chunkBytes) => {
        writeFileSync(path, content)
        const expected = content.replace(/\n$/, '').split('\n').reverse()
        expect(await collect(path, { chunkBytes })).toEqual(content === '' ? [] : expected)
      }),
      { numRuns: 200 },
    )
  })

  test('skips lines that are too long and those without the wanted string', async () => {
    writeFileSync(path, 'first a\nb\nmuch too long, a\na\n')
    expect(await collect(path, { maxLineBytes: 8, contains: ['a'], chunkBytes: 5 })).toEqual(['a', 'first a'])
  })

  test('reads no more than is asked for', async () => {
    writeFileSync(path, '')
    truncateSync(path, 4 * 2 ** 30)
    writeFileSync(path, '\nlast\n', { flag: 'a' })
    for await (const line of readLinesBackwards(path)) {
      expect(line).toBe('last')
      break
    }
    rmSync(path)
  })

  test('rejects without a file', async () => {
    await expect(collect(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
