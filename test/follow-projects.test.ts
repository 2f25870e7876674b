import { execFileSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import fs, {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { followProjects, type ProjectsFollower } from '../src/follow-projects.ts'

let root: string
let configDir: string
let lines: string[]
let errors: Error[]
let followers: ProjectsFollower[]

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'claudef-projects-'))
  configDir = join(root, 'config é')
  lines = []
  errors = []
  followers = []
})
afterEach(async () => {
  for (const follower of followers) await follower.stop()
  vi.restoreAllMocks()
  rmSync(root, { recursive: true })
})

async function follow(configDirs = [configDir]) {
  const follower = followProjects({
    configDirs,
    contains: ['mark'],
    onLine: (line, { slug, sessionId }) => lines.push(`${slug}/${sessionId} ${line}`),
    onError: (error) => errors.push(error),
  })
  followers.push(follower)
  await follower.ready
  return follower
}

/** Path of something below `projects`, whose folder is made. */
function place(name: string): string {
  const path = join(configDir, 'projects', name)
  mkdirSync(dirname(path), { recursive: true })
  return path
}

/** These are delivered, in any order, and nothing else until a line comes that is written afterwards. */
async function expectLines(expected: string[], timeout = 5000) {
  await expect.poll(() => [...lines].sort(), { timeout, interval: 5 }).toEqual([...expected].sort())
  appendFileSync(place('-end/end.jsonl'), 'mark\n')
  await expect.poll(() => lines.length, { timeout, interval: 5 }).toBe(expected.length + 1)
  expect(lines.pop()).toBe('-end/end mark')
  expect(lines.sort()).toEqual([...expected].sort())
  lines = []
}

describe('what was there before', () => {
  test('delivers what is appended alone, of sessions and subagents, and opens no file before', async () => {
    const names = ['-a/1.jsonl', '-a/1/subagents/agent-x.jsonl', '-b \n"c/2 é.jsonl']
    for (const name of names) appendFileSync(place(name), 'mark old\n')
    const opened = vi.spyOn(fs, 'openSync')
    const follower = await follow()
    expect(opened).not.toHaveBeenCalled()
    expect(follower.stats()).toEqual({ files: 3, watchers: 4 })
    for (const name of names) appendFileSync(place(name), 'mark é\nno\nmark 2\n')
    await expectLines(['-a/1', '-a/1', '-b \n"c/2 é'].flatMap((from) => [`${from} mark é`, `${from} mark 2`]))
    expect(errors).toEqual([])
  })

  test.each([0, 300_000])('delivers a line whole that is finished later, %d bytes long', async (length) => {
    const text = `mark ${'x'.repeat(length)}é`
    const bytes = Buffer.from(`mark old\n${text}\n`)
    writeFileSync(place('-a/1.jsonl'), bytes.subarray(0, -2))
    await follow()
    appendFileSync(place('-a/1.jsonl'), bytes.subarray(-2))
    await expectLines([`-a/1 ${text}`])
  })

  test('notices that an old session gets its first subagent', async () => {
    writeFileSync(place('-a/1.jsonl'), 'mark old\n')
    mkdirSync(place('-a/1/tool-results'), { recursive: true })
    const follower = await follow()
    expect(follower.stats().watchers).toBe(2)
    appendFileSync(place('-a/1.jsonl'), 'mark 1\n')
    await expect.poll(() => lines).toEqual(['-a/1 mark 1'])
    await expect.poll(() => follower.stats().watchers).toBe(3)
    appendFileSync(place('-a/1/subagents/agent-x.jsonl'), 'mark 2\n')
    await expectLines(['-a/1 mark 1', '-a/1 mark 2'])
  })
})

describe('what comes later', () => {
  test('is found where no folder of it was there, several levels at once', async () => {
    await follow()
    appendFileSync(place('-a/1.jsonl'), 'mark 1\n')
    appendFileSync(place('-a/1/subagents/agent-x.jsonl'), 'mark 2\n')
    appendFileSync(place('-a/notes.txt'), 'mark\n')
    appendFileSync(place('-a/1/tool-results/r.jsonl'), 'mark\n')
    await expectLines(['-a/1 mark 1', '-a/1 mark 2'])
  })

  test('is read on in torn lines', async () => {
    await follow()
    const path = place('-a/1.jsonl')
    for (const byte of Buffer.from('mark é\nmark 2\n')) {
      appendFileSync(path, Buffer.of(byte))
      await sleep(1)
    }
    await expectLines(['-a/1 mark é', '-a/1 mark 2'])
  })

  test('in several config folders, one of them given twice by a link', async () => {
    const other = join(root, 'other')
    mkdirSync(join(other, 'projects'), { recursive: true })
    symlinkSync(other, join(root, 'link'))
    await follow([configDir, other, join(root, 'link')])
    appendFileSync(place('-a/1.jsonl'), 'mark 1\n')
    mkdirSync(join(other, 'projects', '-b'))
    appendFileSync(join(other, 'projects', '-b', '2.jsonl'), 'mark 2\n')
    await expectLines(['-a/1 mark 1', '-b/2 mark 2'])
  })

  test('through a linked project folder, and once through two', async () => {
    mkdirSync(join(root, 'elsewhere'))
    await follow()
    symlinkSync(join(root, 'elsewhere'), place('-linked'))
    symlinkSync(join(root, 'elsewhere'), place('-linked'.repeat(2)))
    appendFileSync(join(root, 'elsewhere', '1.jsonl'), 'mark 1\n')
    await expect.poll(() => lines).toHaveLength(1)
    appendFileSync(join(root, 'elsewhere', '1.jsonl'), 'mark 2\n')
    await expect.poll(() => lines.map((line) => line.slice(-1))).toEqual(['1', '2'])
    lines = []
    await expectLines([])
  })

  test('is no reason to wait for a pipe, nor for a folder with the name of a transcript', async () => {
    await follow()
    execFileSync('mkfifo', [place('-a/pipe.jsonl')])
    mkdirSync(place('-a/folder.jsonl'))
    appendFileSync(place('-a/1.jsonl'), 'mark 1\n')
    await expectLines(['-a/1 mark 1'])
    expect(errors).toEqual([])
  })
})

describe('what changes', () => {
  test.each<[string, string, (path: string) => void]>([
    ['truncated', '', (path) => writeFileSync(path, 'mark new\n')],
    ['truncated within a line', 'torn', (path) => writeFileSync(path, 'mark new\n')],
    ['written anew and longer', '', (path) => writeFileSync(path, `mark new\n${'x'.repeat(100)}\n`)],
    [
      'replaced',
      'torn',
      (path) => {
        writeFileSync(`${path}.tmp`, 'mark new\n'.padStart(18, 'x\n'))
        renameSync(`${path}.tmp`, path)
      },
    ],
    [
      'removed and made anew',
      '',
      (path) => {
        rmSync(path)
        // Often the same inode, and an end of a line wherever the old one had one.
        writeFileSync(path, `mark new${'\n'.repeat(100)}`)
      },
    ],
  ])('a file is %s', async (_how, tail, change) => {
    const path = place('-a/1.jsonl')
    writeFileSync(path, 'no\nmark old\nno\n')
    await follow()
    appendFileSync(path, `mark 1\n${tail}`)
    await expect.poll(() => lines).toEqual(['-a/1 mark 1'])
    change(path)
    await expect.poll(() => lines).toHaveLength(2)
    await expectLines(['-a/1 mark 1', expect.stringMatching(/mark new$/)])
    appendFileSync(path, 'mark 2\n')
    await expectLines(['-a/1 mark 2'])
  })

  test('an old file is truncated before anything of it was read', async () => {
    const path = place('-a/1.jsonl')
    writeFileSync(path, 'no\nno\nmark old, torn')
    await follow()
    writeFileSync(path, 'no\nmark 1\n')
    await expectLines(['-a/1 mark 1'])
  })

  test('a log rotation loses no line, and a renamed file tells none again', async () => {
    const path = place('-a/1.jsonl')
    writeFileSync(path, 'mark old\n')
    await follow()
    appendFileSync(path, 'mark 1\n')
    renameSync(path, `${path}.1`)
    appendFileSync(path, 'mark 2\n')
    renameSync(path, place('-a/2.jsonl'))
    appendFileSync(place('-a/2.jsonl'), 'mark 3\n')
    await expect.poll(() => lines.map((line) => line.slice(-1)).sort()).toEqual(['1', '2', '3'])
    renameSync(place('-a/2.jsonl'), place('-b/3.jsonl'))
    lines = []
    await expectLines([])
    appendFileSync(place('-b/3.jsonl'), 'mark 4\n')
    await expectLines(['-b/3 mark 4'])
  })

  test('projects is moved away, made anew, and the old one comes back', async () => {
    const projects = join(configDir, 'projects')
    writeFileSync(place('-a/1.jsonl'), 'mark old\n')
    const follower = await follow()
    renameSync(projects, `${projects}.old`)
    appendFileSync(place('-a/1.jsonl'), 'mark new\n')
    await expectLines(['-a/1 mark new'])
    rmSync(projects, { recursive: true })
    renameSync(`${projects}.old`, projects)
    await expect.poll(() => follower.stats().files).toBe(1)
    appendFileSync(place('-a/1.jsonl'), 'mark 1\n')
    await expectLines(['-a/1 mark 1'])
    expect(errors).toEqual([])
  })

  test('a project is removed and made anew, and its watcher with it', async () => {
    writeFileSync(place('-a/1.jsonl'), 'mark old\n')
    const follower = await follow()
    rmSync(dirname(place('-a/1.jsonl')), { recursive: true })
    await expect.poll(() => follower.stats()).toEqual({ files: 0, watchers: 1 })
    appendFileSync(place('-a/1.jsonl'), 'mark 1\n')
    await expectLines(['-a/1 mark 1'])
  })
})

describe('without events', () => {
  const silentWatcher = () =>
    Object.assign(new EventEmitter(), { close: () => {} }) as unknown as fs.FSWatcher

  test('the folders are polled: on a mount that tells of nothing', async () => {
    writeFileSync(place('-a/1.jsonl'), 'mark old\n')
    vi.spyOn(fs, 'watch').mockImplementation(silentWatcher)
    await follow()
    appendFileSync(place('-a/1.jsonl'), 'mark 1\n')
    appendFileSync(place('-b/2.jsonl'), 'mark 2\n')
    await expectLines(['-a/1 mark 1', '-b/2 mark 2'], 15_000)
    expect(errors).toEqual([])
  })

  test('at the limit of watches: says so once, and watches as soon as that is possible', async () => {
    for (const name of ['-a/1', '-b/2', '-c/3']) writeFileSync(place(`${name}.jsonl`), 'mark old\n')
    const watch = vi.spyOn(fs, 'watch').mockImplementation(() => {
      throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
    })
    const follower = await follow()
    appendFileSync(place('-c/3.jsonl'), 'mark 1\n')
    await expectLines(['-c/3 mark 1'], 15_000)
    expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining('ENOSPC') })])
    watch.mockRestore()
    await expect.poll(() => follower.stats().watchers).toBe(5)
  })
})

test('goes on where the caller throws and where a line is too long', async () => {
  await follow()
  const thrown = followProjects({
    configDirs: [configDir],
    contains: ['mark'],
    onLine: () => {
      throw new Error('thrown')
    },
    onError: (error) => errors.push(error),
  })
  followers.push(thrown)
  await thrown.ready
  const path = place('-a/1.jsonl')
  for (let count = 0; count < 65; count++) appendFileSync(path, Buffer.alloc(2 ** 20, 'mark'))
  appendFileSync(path, '\nmark 1\nmark 2\n')
  await expect.poll(() => lines).toEqual(['-a/1 mark 1', '-a/1 mark 2'])
  const messages = () => errors.map(({ message }) => message).sort()
  const skipped = `Skipped the line at byte 0 of ${path}: it is too long`
  await expect.poll(messages).toEqual([skipped, skipped, 'thrown', 'thrown'])
})

test('can be stopped by a line', async () => {
  writeFileSync(place('-a/1.jsonl'), '')
  mkdirSync(place('-a/1/subagents'), { recursive: true })
  const follower = followProjects({
    configDirs: [configDir],
    contains: ['mark'],
    onLine: (line) => {
      lines.push(line)
      void follower.stop()
    },
    onError: (error) => errors.push(error),
  })
  await follower.ready
  const watch = vi.spyOn(fs, 'watch')
  appendFileSync(place('-a/1.jsonl'), 'mark 1\nmark 2\n')
  await expect.poll(() => follower.stats()).toEqual({ files: 0, watchers: 0 })
  expect(lines).toEqual(['mark 1'])
  expect(watch).not.toHaveBeenCalled()
})

test('delivers nothing after it was stopped, and is ready if it was stopped before', async () => {
  const follower = await follow()
  appendFileSync(place('-a/1.jsonl'), 'mark 1\n')
  await expect.poll(() => lines).toHaveLength(1)
  await follower.stop()
  expect(follower.stats()).toEqual({ files: 0, watchers: 0 })
  const stopped = followProjects({
    configDirs: [configDir],
    contains: [],
    onLine: () => {},
    onError: () => {},
  })
  await stopped.stop()
  await stopped.ready
  await follow()
  appendFileSync(place('-a/1.jsonl'), 'mark 2\n')
  await expectLines(['-a/1 mark 1', '-a/1 mark 2'])
})

test('finds many files without waiting for anything else to happen, and keeps no process alive', () => {
  const script = `
    const { followProjects } = await import(${JSON.stringify(join(import.meta.dirname, '../dist/follow-projects.js'))})
    const options = { contains: ['mark'], onLine: () => {}, onError: () => {} }
    followProjects({ ...options, configDirs: [process.argv[1] + '/missing'] })
    const follower = followProjects({ ...options, configDirs: [process.argv[1]] })
    await follower.ready
    console.log(follower.stats().files)`
  const folder = dirname(place('-a/1.jsonl'))
  // More than are looked at in one slice of the event loop.
  for (let count = 0; count < 5000; count++) writeFileSync(join(folder, `${count}.jsonl`), '')
  for (let count = 0; count < 500; count++) mkdirSync(place(`-p${count}/x`), { recursive: true })
  const argv = ['--input-type=module', '-e', script, configDir]
  expect(String(execFileSync(process.execPath, argv, { timeout: 20_000 }))).toBe('5000\n')
})

/** A transcript that gets numbered lines, in pieces that end anywhere. */
function openWriter(index: number) {
  const start = () => {
    const name = `${index}-${Math.random()}`
    const file = index % 2 ? `-p${index % 3}/${name}.jsonl` : `-p${index % 3}/${name}/subagents/agent-x.jsonl`
    return { id: name, path: place(file), waiting: Buffer.alloc(0), lines: 0, finished: 0, skipped: 0 }
  }
  let now = start()
  const write = (bytes: Buffer) => {
    appendFileSync(now.path, bytes)
    now.finished += bytes.toString('latin1').split('\n').length - 1
  }
  const check = () => {
    const { id, skipped, finished } = now
    const expected = Array.from({ length: finished - skipped }, (_, number) => `${id} ${skipped + number}`)
    const delivered = () => lines.filter((line) => line.includes(id)).map((line) => line.split(/mark | é/)[1])
    return expect.poll(delivered, { timeout: 10_000, interval: 3 }).toEqual(expected)
  }
  return {
    check,
    markStart: () => {
      now.skipped = now.finished
    },
    finishLine: () => write(now.waiting.subarray(0, now.waiting.indexOf('\n') + 1)),
    append: (size: number) => {
      while (now.waiting.length < size) {
        const padding = 'é'.repeat(1 + (now.lines % 7) ** 5)
        now.waiting = Buffer.concat([now.waiting, Buffer.from(`mark ${now.id} ${now.lines++} ${padding}\n`)])
      }
      write(now.waiting.subarray(0, size))
      now.waiting = now.waiting.subarray(size)
    },
    rename: (size: number) => {
      const path = place(`-p${size % 3}/${now.id}-${size}.jsonl`)
      if (fs.existsSync(now.path)) renameSync(now.path, path)
      now.path = path
    },
    remove: async () => {
      await check()
      rmSync(now.path, { force: true })
      now = start()
    },
    wait: (size: number) => sleep(size % 4),
  }
}

const step = fc.record({
  file: fc.nat(11),
  act: fc.constantFrom('append', 'append', 'append', 'append', 'append', 'rename', 'remove', 'wait'),
  size: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constant(300_000)),
})

test('delivers each line once, in order, whatever happens in between', async () => {
  let run = 0
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 30, maxLength: 120 }),
    fc.array(fc.nat(11)),
    async (steps, old) => {
      configDir = join(root, String(run++))
      lines = []
      const writers = Array.from({ length: 12 }, (_, index) => openWriter(index))
      for (const index of old) writers[index]?.append(50)
      for (const writer of writers) writer.markStart()
      const follower = await follow()
      for (const { file, act, size } of steps) await writers[file]?.[act](size)
      for (const writer of writers) writer.finishLine()
      for (const writer of writers) await writer.check()
      await expectLines(lines.slice())
      await follower.stop()
    },
  )
  await fc.assert(property, { numRuns: 20 })
  expect(errors).toEqual([])
})
