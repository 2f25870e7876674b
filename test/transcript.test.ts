import fs from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type FollowOptions,
  findTranscript,
  followTranscript,
  readLastModel,
  transcriptSlug,
} from '../src/transcript.ts'

const require = createRequire(import.meta.url)
const root = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'claudef-transcript-')))
const wasLoadedEarly = require.resolve('tail-file') in require.cache
const printed: string[] = []
const MB = 2 ** 20
const read = vi.spyOn(fs, 'read')
// The poll must not hide that an event was missed: it only happens when a test asks for it.
const { setInterval } = globalThis
const createInterval = vi
  .spyOn(globalThis, 'setInterval')
  .mockImplementation((act) => setInterval(act, 2 ** 30))
const poll = () => createInterval.mock.lastCall?.[0]()
// As if the files were on another machine, where the poll is needed; but for the test that wants them here.
const askFileSystem = vi.spyOn(fs, 'statfsSync').mockImplementation(() => ({ type: 0x6969 }) as never)
const createTimeout = vi.spyOn(globalThis, 'setTimeout')

beforeAll(() => {
  // The first watcher opens a descriptor that stays.
  fs.watch(root).close()
  process.env.DEBUG = '*'
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((text) => printed.push(String(text)) > 0)
  }
  for (const method of ['log', 'warn', 'error', 'trace'] as const) {
    vi.spyOn(console, method).mockImplementation((...text) => printed.push(text.join(' ')))
  }
})

afterAll(() => {
  vi.restoreAllMocks()
  fs.rmSync(root, { recursive: true })
})

let path: string
let stops: (() => Promise<void>)[]
/** How many there are while no file is followed. */
let descriptors: number

beforeEach(() => {
  path = join(fs.mkdtempSync(join(root, 'config-')), 'projects', '-work', 'id.jsonl')
  stops = []
  vi.clearAllMocks()
  descriptors = countDescriptors()
})

afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()))
})

const until = (condition: () => void) => vi.waitFor(condition, { interval: 1, timeout: 10_000 })

const follow = (options: Partial<FollowOptions> = {}) => {
  const lines: string[] = []
  const errors: string[] = []
  const { stop } = followTranscript({
    path,
    from: 0,
    onLine: (line) => lines.push(line),
    onError: (error) => errors.push(error.message),
    ...options,
  })
  stops.push(stop)
  const sees = (...expected: string[]) => until(() => expect(lines).toEqual(expected))
  return { lines, errors, stop, sees }
}

const append = (content: string | Uint8Array, file = path) => {
  fs.mkdirSync(dirname(file), { recursive: true })
  fs.appendFileSync(file, content)
}

const readPositions = () => read.mock.calls.map((call: unknown[]) => Number(call[4]))

/** Waits until the follower met the end of the file that is there now. */
const isReadToEnd = () => until(() => expect(readPositions().at(-1)).toBe(fs.statSync(path).size))

type Done = (error: unknown, value: unknown) => void

/** Lets something happen just before tail-file's next such call, and before it gets the answer. Resolves then. */
const intercept = (
  method: 'open' | 'stat',
  before: () => void,
  after: () => Promise<void> | void = () => {},
) => {
  const call = fs[method] as (...input: unknown[]) => void
  return new Promise<void>((resolve) => {
    vi.spyOn(fs, method as 'stat').mockImplementationOnce((...input: unknown[]) => {
      const done = input.pop() as Done
      before()
      call(...input, async (error: unknown, value: unknown) => {
        await after()
        done(error, value)
        resolve()
      })
    })
  })
}

/** Makes the follower look for something new. */
const touch = () => fs.utimesSync(path, 1, 1)

const countDescriptors = () => fs.readdirSync('/proc/self/fd').length

const countWatched = () =>
  fs
    .readdirSync('/proc/self/fdinfo')
    .map((fd) =>
      fs.existsSync(`/proc/self/fdinfo/${fd}`) ? fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8') : '',
    )
    .join('\n')
    .match(/^inotify wd/gm)?.length ?? 0

const countOpen = () => ({ descriptors: countDescriptors(), watched: countWatched() })

describe('a line', () => {
  test('comes once and whole, however it is written', async () => {
    append('one\n')
    const { lines, sees } = follow()
    await sees('one')
    for (const piece of ['t', 'w', 'o']) {
      append(piece)
      await isReadToEnd()
      expect(lines).toEqual(['one'])
    }
    append('\n\nthree\r\nfo')
    await sees('one', 'two', '', 'three\r')
    await isReadToEnd()
    append('ur\n')
    await sees('one', 'two', '', 'three\r', 'four')
  })

  test('is whole where a character is split between appends, and bytes that are no UTF-8 become U+FFFD', async () => {
    append('')
    const { sees } = follow()
    for (const byte of Buffer.from('é€😀')) {
      append(Buffer.of(byte))
      await isReadToEnd()
    }
    append(Buffer.concat([Buffer.from('\na'), Buffer.of(0xff, 0xc3), Buffer.from('b\n')]))
    await sees('é€😀', 'a\ufffd\ufffdb')
  })

  test('comes only if it contains one of the strings', async () => {
    append('{"a":1}\n{"b":"é"}\n{"c":1}\n')
    const { sees } = follow({ contains: ['"a"', '"b"'] })
    append('{"c":2}\n{"a":2}\n')
    await sees('{"a":1}', '{"b":"é"}', '{"a":2}')
  })

  test.each([1, 16, 60])('of %i MB comes whole', async (megabytes) => {
    append('')
    const { lines, sees } = follow()
    await isReadToEnd()
    const row = Buffer.alloc(megabytes * MB, '{"isApiErrorMessage":true} ')
    append(row)
    append('\nnext\n')
    await until(() => expect(lines.length).toBe(2))
    expect(lines[0] === row.toString()).toBe(true)
    lines.shift()
    await sees('next')
  })

  test('that is too long is skipped and told of once', async () => {
    append(`a\n${'x'.repeat(3 * MB)}`)
    const { errors, sees } = follow({ maxLineBytes: MB })
    await isReadToEnd()
    append(`${'x'.repeat(MB)}\nb\n`)
    await sees('a', 'b')
    expect(errors).toEqual([`Skipped the line at byte 2 of ${path}: it is too long`])
  })

  test('in any cuts and any characters arrives exactly', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', '"', '\r', 'é', '€', '😀', '\0'), maxLength: 12 })
    const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 8 }), cuts, fc.boolean(), async (lines, sizes, isSlow) => {
        fs.rmSync(path, { force: true })
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''))
        append('')
        const { stop, sees } = follow()
        let at = 0
        for (const size of [...sizes, bytes.length]) {
          append(bytes.subarray(at, at + size))
          at += size
          if (isSlow) await isReadToEnd()
        }
        await sees(...lines)
        await stop()
      }),
      { numRuns: 60 },
    )
  })
})

describe('the start', () => {
  test('at an offset, or at the end, delivers nothing before it', async () => {
    append('old\nnew\n')
    const offset = follow({ from: 4 })
    const end = follow({ from: 'end' })
    append('newer\n')
    await offset.sees('new', 'newer')
    await end.sees('newer')
  })

  test('at the end of 200 MB reads only what is new', async () => {
    append('')
    fs.truncateSync(path, 200 * MB)
    append('\nhalf a')
    const { sees } = follow({ from: 200 * MB + 1 })
    append(' line\n')
    await sees('half a line')
    await isReadToEnd()
    expect(Math.min(...readPositions())).toBe(200 * MB + 1)
  })

  test.each([[0], ['end' as const], ['size' as const]])(
    'at %s of a file that grows meanwhile loses nothing',
    async (from) => {
      append('')
      const writer = new Worker(
        `const fs = require('fs'), { workerData: path } = require('worker_threads')
         const file = fs.openSync(path, 'a')
         for (let i = 0; i < 20000; i++) fs.writeSync(file, i + ' é\\n')
         fs.closeSync(file)`,
        { eval: true, workerData: path },
      )
      const isDone = new Promise((resolve) => writer.once('exit', resolve))
      if (from !== 0) await until(() => expect(fs.statSync(path).size).toBeGreaterThan(1000))
      const { lines } = follow({ from: from === 'size' ? fs.statSync(path).size : from })
      const first = fs.readFileSync(path, 'utf8').split('\n').length - 1
      await isDone
      await until(() => expect(lines.at(-1)).toBe('19999 é'))
      const start = from === 0 ? 0 : Number.parseInt(String(lines[0]), 10)
      expect(start).toBeLessThanOrEqual(first)
      expect(lines).toEqual(Array.from({ length: 20_000 - start }, (_, i) => `${start + i} é`))
    },
  )

  test('of a file or folder that is not there yet', async () => {
    const { sees, errors } = follow()
    append('one\n')
    await sees('one')
    expect(errors).toEqual([])
  })

  test('finds a file whose folders are made while it looks for them', async () => {
    const { watch } = fs
    const spy = vi.spyOn(fs, 'watch').mockImplementationOnce((...input: unknown[]) => {
      fs.mkdirSync(dirname(path), { recursive: true })
      return Reflect.apply(watch, fs, input)
    })
    const { sees } = follow({ from: 'end' })
    await until(() => expect(spy.mock.calls.at(-1)?.[0]).toBe(dirname(path)))
    append('one\n')
    await sees('one')
  })

  test('loads tail-file late', async () => {
    expect(wasLoadedEarly).toBe(false)
    append('one\n')
    await follow().sees('one')
    expect(require.resolve('tail-file') in require.cache).toBe(true)
  })
})

describe('a file', () => {
  test('that is truncated is read from its start', async () => {
    append('one\ntwo\nhalf')
    const { sees } = follow()
    await sees('one', 'two')
    await isReadToEnd()
    fs.writeFileSync(path, 'new\n')
    await sees('one', 'two', 'new')
    append('newer\n')
    await sees('one', 'two', 'new', 'newer')
  })

  test('that is shorter than the offset is read from its start', async () => {
    append('one\n')
    await follow({ from: 100 }).sees('one')
  })

  test('that is replaced by a rename is read to its end, then the new one from its start', async () => {
    append('one\n')
    const { sees } = follow()
    await sees('one')
    append('two\n')
    append('new\n', `${path}.tmp`)
    fs.renameSync(`${path}.tmp`, path)
    await sees('one', 'two', 'new')
    append('newer\n')
    await sees('one', 'two', 'new', 'newer')
  })

  test.each([[true], [false]])(
    'that gets more after its end was met loses nothing, replaced: %s',
    async (isReplaced) => {
      append('one\n')
      const { sees } = follow()
      await sees('one')
      const isAnswered = intercept('stat', () => {
        append('two\n')
        if (!isReplaced) return fs.rmSync(path)
        append('three\n', `${path}.tmp`)
        fs.renameSync(`${path}.tmp`, path)
      })
      touch()
      await isAnswered
      if (!isReplaced) append('three\n')
      await sees('one', 'two', 'three')
    },
  )

  test('that is removed and made anew is read from its start, though it be given the same inode', async () => {
    const { fstatSync } = fs
    const fstat = vi.spyOn(fs, 'fstatSync').mockImplementation((...input: unknown[]) => {
      return Object.assign(Reflect.apply(fstatSync, fs, input), { ino: 7n })
    })
    append('old\n')
    const { sees } = follow()
    await sees('old')
    fs.rmSync(path)
    await until(() => expect(countDescriptors()).toBe(descriptors))
    append('new, longer\n')
    await sees('old', 'new, longer')
    fstat.mockRestore()
  })

  test('that is removed before it could be opened is waited for', async () => {
    append('old\n')
    const { errors, sees } = follow()
    await intercept(
      'open',
      () => fs.rmSync(path),
      () => append('one\n'),
    )
    await sees('one')
    expect(errors).toEqual([])
  })

  test('that is truncated and has grown again when it is opened is read from its start', async () => {
    append('one\n')
    const { sees } = follow()
    await sees('one')
    const isAnswered = intercept(
      'stat',
      () => fs.truncateSync(path),
      () => append('two\nthree\n'),
    )
    touch()
    await isAnswered
    await sees('one', 'two', 'three')
  })

  test('that is a folder is told of once, and followed when it is a file', async () => {
    fs.mkdirSync(path, { recursive: true })
    const { errors, sees } = follow()
    await until(() => expect(errors).toEqual([`Cannot follow ${path}: it is not a file`]))
    poll()
    expect(errors.length).toBe(1)
    fs.rmdirSync(path)
    const expected: string[] = []
    for (const line of ['one', 'two', 'three']) {
      expected.push(line)
      append(`${line}\n`)
      await sees(...expected)
      expect(errors.length).toBe(expected.length)
      fs.rmSync(path)
      fs.mkdirSync(path)
      await until(() => expect(errors.length).toBe(expected.length + 1))
      fs.rmdirSync(path)
    }
  })

  test('in whose folder place is a file is followed when that is a folder', async () => {
    append('', dirname(path))
    const watch = vi.spyOn(fs, 'watch')
    const { sees } = follow()
    await until(() => expect(watch).toHaveBeenCalled())
    fs.rmSync(dirname(path))
    append('one\n')
    await sees('one')
  })

  test('that may not be read is told of, and followed when it may', async () => {
    append('one\n')
    const leaveRoot = dropRoot()
    try {
      fs.chmodSync(path, 0)
      const { errors, sees } = follow()
      await until(() => expect(errors.length).toBe(1))
      fs.chmodSync(path, 0o600)
      await sees('one')
    } finally {
      leaveRoot()
    }
  })
})

/** Root may read everything: as root the test goes on as nobody, who owns the files meanwhile. */
function dropRoot(): () => void {
  if (process.geteuid?.() !== 0) return () => {}
  const nobody = 65_534
  for (let file = path; file.startsWith(root); file = dirname(file)) fs.chownSync(file, nobody, nobody)
  process.seteuid?.(nobody)
  return () => process.seteuid?.(0)
}

describe('a folder', () => {
  test('that is removed and made anew, at any level, keeps the file followed', async () => {
    const { sees, errors } = follow()
    const expected: string[] = []
    for (const folder of [dirname(path), dirname(dirname(path)), dirname(dirname(dirname(path)))]) {
      for (const isAtOnce of [true, false]) {
        expected.push(`${folder} ${isAtOnce}`)
        append(`${expected.at(-1)}\n`)
        await sees(...expected)
        fs.rmSync(folder, { recursive: true })
        if (!isAtOnce) await until(() => expect(countDescriptors()).toBe(descriptors))
      }
    }
    append('last\n')
    await sees(...expected, 'last')
    expect(errors).toEqual([])
  })

  test('that is moved away and back does not deliver a line again', async () => {
    append('one\nha')
    const { sees } = follow()
    await sees('one')
    fs.renameSync(dirname(path), `${dirname(path)}.moved`)
    await until(() => expect(countDescriptors()).toBe(descriptors))
    append('lf\n', join(`${dirname(path)}.moved`, basename(path)))
    fs.renameSync(`${dirname(path)}.moved`, dirname(path))
    await sees('one', 'half')
  })

  test('that is replaced by another one is noticed', async () => {
    append('one\n')
    append('two\n', join(`${dirname(path)}.new`, basename(path)))
    const { sees } = follow()
    await sees('one')
    fs.renameSync(dirname(path), `${dirname(path)}.old`)
    fs.renameSync(`${dirname(path)}.new`, dirname(path))
    await sees('one', 'two')
    append('three\n')
    await sees('one', 'two', 'three')
  })

  test('that cannot be watched is told of, and the poll has to do', async () => {
    const watch = vi.spyOn(fs, 'watch').mockImplementation(() => {
      throw Object.assign(new Error('no watcher left'), { code: 'ENOSPC' })
    })
    const { errors, sees } = follow()
    await until(() => expect(watch).toHaveBeenCalled())
    append('one\n')
    poll()
    await sees('one')
    await isReadToEnd()
    append('two\n')
    poll()
    await sees('one', 'two')
    expect(errors).toEqual(['no watcher left'])
    await isReadToEnd()
    fs.rmSync(path)
    poll()
    await until(() => expect(countDescriptors()).toBe(descriptors))
    append('three\n')
    poll()
    await sees('one', 'two', 'three')
    watch.mockRestore()
  })
})

test('what other files of the folder get costs no read', async () => {
  append(`${'x'.repeat(1000)}\n`)
  const other = `${path}.other`
  append('', other)
  const quiet = follow()
  const busy = follow({ path: other })
  await quiet.sees('x'.repeat(1000))
  await until(() => expect(readPositions()).toContain(1001))
  for (let count = 1; count <= 20; count++) {
    append('\n', other)
    await busy.sees(...new Array(count).fill(''))
  }
  expect(readPositions().filter((position) => position === 1001).length).toBe(1)
})

describe.skipIf(process.platform !== 'linux')('stop', () => {
  test('at any moment resolves, delivers no more, and leaves nothing open', async () => {
    append('one\n')
    const clear = vi.spyOn(globalThis, 'clearInterval')
    const before = countOpen()
    for (let turns = 0; turns < 60; turns++) {
      const { lines, stop } = follow({ path: turns % 3 === 0 ? join(path, '..', 'none', 'a.jsonl') : path })
      for (let turn = 0; turn < turns / 3; turn++) await new Promise(setImmediate)
      const stopped = stop()
      const count = lines.length
      await stopped
      await stop()
      expect(countOpen()).toEqual(before)
      append('more\n')
      expect(lines.length).toBe(count)
    }
    expect(createInterval).toHaveBeenCalledTimes(60)
    const timers = createInterval.mock.results.map(({ value }) => value)
    expect(clear.mock.calls.map(([timer]) => timer)).toEqual(timers.flatMap((timer) => [timer, timer]))
    clear.mockRestore()
  })

  test('at once opens nothing', async () => {
    append('one\n')
    const open = vi.spyOn(fs, 'open')
    await follow().stop()
    expect(open).not.toHaveBeenCalled()
  })

  test('from within a line delivers no other', async () => {
    append('one\ntwo\n')
    const lines: string[] = []
    const { stop } = follow({ onLine: (line) => lines.push(line) && void stop() })
    await until(() => expect(lines).toEqual(['one']))
    append('three\n')
    await stop()
    await new Promise(setImmediate)
    expect(lines).toEqual(['one'])
  })

  test('while it looks for a replacement leaves nothing open', async () => {
    append('one\n')
    const before = countOpen()
    const { sees, stop } = follow()
    await intercept(
      'stat',
      () => {
        append('new\n', `${path}.tmp`)
        fs.renameSync(`${path}.tmp`, path)
      },
      stop,
    )
    await new Promise(setImmediate)
    expect(countOpen()).toEqual(before)
    await sees('one')
  })

  test('during replacement and truncation leaves nothing open', async () => {
    append('one\n')
    const before = countOpen()
    for (let turns = 0; turns < 40; turns++) {
      const { stop, sees } = follow({ onLine: () => {} })
      await sees()
      await isReadToEnd()
      append('new\n', `${path}.tmp`)
      if (turns % 2 === 0) fs.renameSync(`${path}.tmp`, path)
      else fs.truncateSync(path)
      for (let turn = 0; turn < turns / 2; turn++) await new Promise(setImmediate)
      await stop()
      await until(() => expect(countOpen()).toEqual(before))
    }
  })

  test('from within an error leaves nothing open', async () => {
    fs.mkdirSync(path, { recursive: true })
    const before = countOpen()
    let stopped: Promise<void> | undefined
    const { stop } = follow({
      onError: () => {
        stopped = stop()
      },
    })
    await until(() => expect(stopped).toBeDefined())
    await stopped
    expect(countOpen()).toEqual(before)
  })
})

test('nothing keeps the process alive or wakes it more often than every 2 s', async () => {
  const countWatchers = () => process.getActiveResourcesInfo().filter((type) => type === 'FSEventWrap').length
  await until(() => expect(countWatchers()).toBe(0))
  append('')
  const there = follow()
  const missing = follow({ path: join(path, '..', 'none', 'a.jsonl') })
  await isReadToEnd()
  append('one\n')
  await there.sees('one')
  expect(countWatchers()).toBe(0)
  expect(createTimeout).not.toHaveBeenCalled()
  expect(createInterval.mock.calls.map(([, milliseconds]) => milliseconds)).toEqual([2000, 2000])
  expect(createInterval.mock.results.map(({ value }) => value.hasRef())).toEqual([false, false])
  expect(missing.errors).toEqual([])
  const keepsAlive = fs.watch(root)
  expect(countWatchers()).toBe(1)
  keepsAlive.close()
})

test.runIf(process.platform === 'linux')('where the kernel tells of changes no timer runs', async () => {
  const { statfsSync } = await vi.importActual<typeof fs>('node:fs')
  askFileSystem.mockImplementationOnce(() => statfsSync('/dev/shm') as never)
  append('')
  const { sees } = follow()
  append('one\n')
  await sees('one')
  expect(createInterval).not.toHaveBeenCalled()
})

test('nothing is ever printed, whatever DEBUG says', () => {
  const fromTailFile = createRequire(require.resolve('tail-file'))
  expect(fromTailFile('debug').enabled('tail')).toBe(true)
  expect(printed).toEqual([])
})

describe('transcriptSlug', () => {
  test.each([
    ['/home/me/my_app.v2', '-home-me-my-app-v2'],
    ['/wörk 😀', '-w-rk---'],
    [`/${'a'.repeat(300)}`, `-${'a'.repeat(199)}`],
  ])('of %s', (cwd, slug) => {
    expect(transcriptSlug(cwd)).toBe(slug)
  })
})

describe('findTranscript', () => {
  const find = (cwd: string) =>
    findTranscript({ configDir: dirname(dirname(dirname(path))), sessionId: 'id', cwd })

  test('finds it under the working directory, or in another folder, the newest', async () => {
    expect(await find('/work')).toBeUndefined()
    append('')
    expect(await find('/work')).toBe(path)
    const other = join(dirname(dirname(path)), '-other', 'id.jsonl')
    append('', other)
    append('', join(dirname(other), 'beside.jsonl'))
    fs.utimesSync(path, 1000, 1000)
    expect(await find('/work')).toBe(path)
    expect(await find('/else')).toBe(other)
    fs.utimesSync(other, 500, 500)
    expect(await find('/else')).toBe(path)
  })

  test('does not take a folder for it', async () => {
    fs.mkdirSync(path, { recursive: true })
    expect(await find('/work')).toBeUndefined()
  })
})

describe('readLastModel', () => {
  const row = (model: string, isSidechain = false) =>
    `${JSON.stringify({ type: 'assistant', isSidechain, message: { model, usage: { input_tokens: 5 } } })}\n`

  test('takes the newest answer in the main conversation', async () => {
    append(
      row('claude-sonnet-4-5') + row('claude-opus-4-5') + row('claude-haiku-4-5', true) + row('<synthetic>'),
    )
    append(`{"type":"user","message":"${'"assistant"'.repeat(10_000)}"}\n{"type":"assistant","mess`)
    expect(await readLastModel(path)).toBe('claude-opus-4-5')
  })

  test('is undefined without an answer, without a file', async () => {
    expect(await readLastModel(path)).toBeUndefined()
    append(row('<synthetic>'))
    expect(await readLastModel(path)).toBeUndefined()
  })

  test('rejects where it cannot read', async () => {
    fs.mkdirSync(path, { recursive: true })
    await expect(readLastModel(path)).rejects.toThrow('EISDIR')
  })
})
