import { spawn } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { SpendRecord } from '../src/core/bill.ts'
import { type Ledger, openLedger } from '../src/ledger.ts'

const at = Date.parse('2026-11-22T12:00:00Z')
const record: SpendRecord = {
  day: '2026-11-22',
  sessionId: 's',
  cwd: '/project',
  byModel: { 'claude-opus-5-5': 1 },
  usd: 1,
  isLowerBound: false,
}

function setUp() {
  const home = mkdtempSync(join(tmpdir(), 'claudef-ledger-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const told: string[] = []
  const open = (compactBytes?: number): Ledger =>
    openLedger({
      home,
      log: (message) => told.push(message),
      now: () => at,
      timeZone: 'UTC',
      ...(compactBytes !== undefined && { compactBytes }),
    })
  return { home, file: join(home, '.claude_fallback_spend.jsonl'), told, open }
}

test('the last word on a session and a day counts, of each run', async () => {
  const { open, file, told } = setUp()
  const [one, other] = [open(), open()]
  expect(await one.read()).toEqual([])
  await one.record(record)
  await one.record({ ...record, usd: 2 })
  await other.record({ ...record, usd: 0.5 })
  await one.record({ ...record, day: '2026-11-21', usd: 8 })
  expect(await one.today(at)).toBe(2.5)
  expect(await other.today(at)).toBe(2.5)
  expect(await open().today(at - 86_400_000)).toBe(8)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(told).toEqual([])
})

test('a correction downwards counts as well', async () => {
  const { open } = setUp()
  const ledger = open()
  await Promise.all([ledger.record({ ...record, usd: 5 }), ledger.record({ ...record, usd: 3 })])
  expect(await open().today(at)).toBe(3)
})

test('truncated at every byte, every whole row still counts, and what is written next', async () => {
  const { open, file } = setUp()
  for (const sessionId of ['a', 'b', 'c']) await open().record({ ...record, sessionId })
  const whole = readFileSync(file)
  const text = whole.toString()
  const ends = [...text.matchAll(/\}(?=\n)/g)].map(({ index }) => index + 1)
  for (let length = 0; length <= whole.length; length++) {
    writeFileSync(file, whole.subarray(0, length))
    const rows = ends.filter((end) => end <= length).length
    expect(await open().today(at), `${length} bytes`).toBe(rows)
    await open().record({ ...record, sessionId: 'next' })
    expect(await open().today(at), `${length} bytes and one more row`).toBe(rows + 1)
  }
})

test('damaged lines are skipped, and told of once', async () => {
  const { open, file, told } = setUp()
  const ledger = open()
  await ledger.record(record)
  appendFileSync(file, Buffer.from([0xff, 0x00, 0x0a]))
  appendFileSync(file, '{"version":1}\nnull\n')
  await open().record({ ...record, sessionId: 't' })
  const reader = open()
  expect(await reader.today(at)).toBe(2)
  expect(await reader.today(at)).toBe(2)
  expect(told).toEqual([`Skipped a damaged line of the ledger ${file}`])
})

test('what cannot be written is counted all the same, and written later', async () => {
  const { home, open, file, told } = setUp()
  mkdirSync(file)
  const ledger = open()
  await ledger.record(record)
  await ledger.record({ ...record, usd: 2 })
  expect(await ledger.today(at)).toBe(2)
  expect(new Set(told).size).toBe(told.length)
  rmSync(file, { recursive: true })
  await ledger.record({ ...record, sessionId: 't' })
  expect(await open().today(at)).toBe(3)
  expect(readdirSync(home)).toEqual(['.claude_fallback_spend.jsonl'])
})

test('a ledger that others could read is closed to them', async () => {
  const { open, file } = setUp()
  writeFileSync(file, '')
  chmodSync(file, 0o644)
  await open().record(record)
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('a file that was replaced or cut short is read anew', async () => {
  const { open, file } = setUp()
  await open().record(record)
  const reader = open()
  expect(await reader.today(at)).toBe(1)
  truncateSync(file)
  expect(await reader.today(at)).toBe(0)
  await open().record({ ...record, usd: 4 })
  expect(await reader.today(at)).toBe(4)
  rmSync(file)
  expect(await reader.today(at)).toBe(0)
})

test('it is compacted when it has grown, with what later versions wrote', async () => {
  const { home, open, file } = setUp()
  const later = {
    ...record,
    version: 9,
    run: 'later',
    revision: 1,
    updatedAt: at,
    sessionId: 'later',
    news: 1,
  }
  writeFileSync(file, `damaged\n${JSON.stringify(later)}\n`)
  const ledger = open(4096)
  for (let count = 1; count <= 200; count++) await ledger.record({ ...record, usd: count })
  expect(statSync(file).size).toBeLessThan(2 * 4096)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readFileSync(file, 'utf8')).toContain('"news":1')
  expect(await open().today(at)).toBe(201)
  expect(await ledger.today(at)).toBe(201)
  expect(readdirSync(home)).toEqual(['.claude_fallback_spend.jsonl'])
})

test('compacted by root it stays its owner’s', async () => {
  const { open, file } = setUp()
  const ledger = open(4096)
  await ledger.record(record)
  // Only root may give a file away.
  const owner = process.getuid?.() === 0 ? 12_345 : statSync(file).uid
  chownSync(file, owner, statSync(file).gid)
  const { ino } = statSync(file)
  for (let count = 1; count <= 100; count++) await ledger.record({ ...record, usd: count })
  expect(statSync(file).ino).not.toBe(ino)
  expect(statSync(file).uid).toBe(owner)
})

test('the lock of one that was killed while it compacted does not stay', async () => {
  const { open, file, told } = setUp()
  mkdirSync(`${file}.lock`)
  const ledger = open(4096)
  for (let count = 1; count <= 100; count++) await ledger.record({ ...record, usd: count })
  expect(statSync(file).size).toBeLessThan(2 * 4096)
  expect(existsSync(`${file}.lock`)).toBe(false)
  expect(told).toEqual([])
})

test('what is written while it waits for the lock of another waits for nothing', async () => {
  const { open, file } = setUp()
  mkdirSync(`${file}.lock`)
  const ledger = open(1)
  const records = [1, 2, 3].map((usd) => ledger.record({ ...record, sessionId: `session ${usd}`, usd }))
  await expect.poll(() => open().today(at)).toBe(6)
  expect(existsSync(`${file}.lock`)).toBe(true)
  await Promise.all(records)
})

test('while others compact for long, rows are written all the same', async () => {
  const { open, file, told } = setUp()
  const takeLock = () => {
    rmSync(`${file}.lock`, { recursive: true, force: true })
    mkdirSync(`${file}.lock`)
  }
  takeLock()
  const taken = setInterval(takeLock, 500)
  onTestFinished(() => clearInterval(taken))
  const ledger = open(4096)
  for (let count = 1; count <= 40; count++) await ledger.record({ ...record, usd: count })
  expect(await open().today(at)).toBe(40)
  expect(told).toEqual([])
})

test('somebody who watches is told', async () => {
  const { open } = setUp()
  const ledger = open()
  let changes = 0
  const watcher = ledger.watch(() => {
    changes += 1
  })
  onTestFinished(watcher.stop)
  await open().record(record)
  await expect.poll(() => changes).toBeGreaterThan(0)
})

test('of ten processes that write and compact at once none loses a row', async () => {
  const { home, open, told } = setUp()
  const script = `
    const { openLedger } = await import('./dist/ledger.js')
    const [home, name, at] = process.argv.slice(1)
    const log = (message) => process.stderr.write(message + '\\n')
    const ledger = openLedger({ home, log, now: () => Number(at), timeZone: 'UTC', compactBytes: 20000 })
    const record = { day: '2026-11-22', cwd: '/project', byModel: { zebra: 1 }, isLowerBound: false }
    for (let count = 1; count <= 100; count++) {
      await ledger.record({ ...record, sessionId: name, usd: count })
      await ledger.record({ ...record, sessionId: name + ' ' + count, usd: 1 })
    }`
  const runs = Array.from({ length: 10 }, (_, name) => runNode(script, [home, String(name), String(at)]))
  expect(await Promise.all(runs)).toEqual(runs.map(() => ({ code: 0, stderr: '' })))
  expect(await open().today(at)).toBe(10 * (100 + 100))
  expect(await open().read()).toHaveLength(10 * 101)
  expect(existsSync(join(home, '.claude_fallback_spend.jsonl.lock'))).toBe(false)
  expect(told).toEqual([])
})

function runNode(script: string, args: string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, ...args], {
    cwd: new URL('..', import.meta.url),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, stderr }))
  })
}
