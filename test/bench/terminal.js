// What a wrapper costs that stands between a program and its terminal: rounds of all wrappers in turn, medians.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeOpener, measureData, measureEcho, measureFirst, readyText } from './terminal/measures.js'
import { usage, wrapperProcesses } from './terminal/processes.js'
import { printTable } from './terminal/table.js'
import { findWrappers } from './terminal/wrappers.js'

/** How much is measured: by default in under three minutes. */
const AMOUNTS = {
  default: { starts: 15, keys: 2000, megabytes: 32, streams: 5, idleSeconds: 20 },
  full: { starts: 60, keys: 10_000, megabytes: 1024, streams: 5, idleSeconds: 60 },
}

/** Prints one table. `--full` takes longer, with streams of 1 GB. */
export async function run(/** @type {string[]} */ args) {
  const amounts = args.includes('--full') ? AMOUNTS.full : AMOUNTS.default
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  for (const name of ['echo', 'first', 'data', 'idle']) mkdirSync(join(folder, name))
  const { wrappers, missing } = findWrappers(folder)
  const open = makeOpener(folder)
  try {
    const results = Object.fromEntries(wrappers.map(({ name }) => [name, {}]))
    await benchFirst({ wrappers, open, results, rounds: amounts.starts })
    await benchEcho({ wrappers, open, results, keys: amounts.keys })
    await benchData({ wrappers, open, results, folder, amounts })
    await benchIdle({ wrappers, open, results, seconds: amounts.idleSeconds })
    console.log(
      `Node ${process.version}, streams of ${amounts.megabytes} MB, idle for ${amounts.idleSeconds} s`,
    )
    printTable(results)
    for (const name of missing) console.log(`${name}: skipped, it is not installed here`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function benchFirst({ wrappers, open, results, rounds }) {
  const times = collect(wrappers)
  for (let round = 0; round < rounds; round++) {
    for (const wrapper of wrappers) {
      const start = process.hrtime.bigint()
      const line = open(wrapper, 'first')
      times[wrapper.name].push(measureFirst(line, start))
      await line.ended
    }
  }
  for (const { name } of wrappers) results[name].first = percentile(times[name], 50)
}

async function benchEcho({ wrappers, open, results, keys }) {
  const times = collect(wrappers)
  const lines = wrappers.map((wrapper) => ({ name: wrapper.name, line: open(wrapper, 'echo') }))
  for (const { line } of lines) line.readUntil(readyText)
  // What a wrapper does after its start is over by then.
  await sleep(1000)
  const rounds = 10
  for (let round = 0; round < rounds; round++) {
    for (const { name, line } of lines) times[name].push(...measureEcho(line, keys / rounds))
  }
  for (const { line } of lines) line.end()
  for (const { name } of wrappers) {
    results[name].echo50 = percentile(times[name], 50)
    results[name].echo99 = percentile(times[name], 99)
  }
}

async function benchData({ wrappers, open, results, folder, amounts }) {
  const file = join(folder, 'stream')
  const data = writeStream(file, amounts.megabytes)
  const speeds = collect(wrappers)
  const costs = collect(wrappers)
  for (let round = 0; round < amounts.streams; round++) {
    for (const wrapper of wrappers) {
      const line = open(wrapper, 'data', { DATA: file })
      line.readUntil(readyText)
      // What a wrapper does after its start is no cost of the stream.
      await sleep(1000)
      const { seconds, cpuMs, isSame } = measureData(line, data)
      line.end()
      await line.ended
      speeds[wrapper.name].push(data.length / 1e6 / seconds)
      costs[wrapper.name].push(cpuMs / 1000 / (data.length / 1e9))
      results[wrapper.name].isSame = (results[wrapper.name].isSame ?? true) && isSame
    }
  }
  for (const { name } of wrappers) {
    results[name].speed = percentile(speeds[name], 50)
    results[name].cpu = percentile(costs[name], 50)
  }
}

/** All of them at once: none does anything. */
async function benchIdle({ wrappers, open, results, seconds }) {
  const lines = wrappers.map((wrapper) => ({ name: wrapper.name, line: open(wrapper, 'idle') }))
  for (const { line } of lines) line.readUntil(readyText)
  await sleep(3000)
  const measured = lines.map(({ name, line }) => {
    const pids = wrapperProcesses(line.mark)
    return { name, pids, before: usage(pids) }
  })
  await sleep(seconds * 1000)
  for (const { name, pids, before } of measured) {
    const after = usage(pids)
    results[name].idleCpu = after.cpuMs - before.cpuMs
    results[name].wakeUps = after.wakeUps - before.wakeUps
    results[name].resident = after.residentMb
  }
  for (const { line } of lines) line.end()
}

/** Coloured lines, as programs write them, with characters of several bytes that reads will split. */
function writeStream(file, megabytes) {
  const line = (number) => `\x1b[3${number % 8}m${number}\x1b[0m ${'text äöü 日本語 '.repeat(4)}\r\n`
  let block = ''
  for (let number = 0; block.length < 700_000; number++) block += line(number)
  const bytes = Buffer.from(block).subarray(0, 1 << 20)
  const hash = createHash('sha1')
  writeFileSync(file, '')
  for (let count = 0; count < megabytes; count++) {
    writeFileSync(file, bytes, { flag: 'a' })
    hash.update(bytes)
  }
  return { digest: hash.digest('hex'), length: bytes.length * megabytes }
}

function collect(wrappers) {
  return Object.fromEntries(wrappers.map(({ name }) => [name, []]))
}

function percentile(/** @type {number[]} */ values, /** @type {number} */ percent) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN
}
