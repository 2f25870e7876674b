// What it costs to follow 10,000 transcripts, 5 GB, in three ways, one after the other on the same files.
import { execFileSync, fork } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { appendLimitRow, buildTree, startLoad } from './monitor/tree.js'
import { usage } from './terminal/processes.js'

/** Bytes: of each file. */
const AMOUNTS = {
  full: { projects: 200, files: 10_000, bytes: 500_000, idleSeconds: 30, rows: 200 },
  small: { projects: 20, files: 1000, bytes: 50_000, idleSeconds: 5, rows: 50 },
}

const FOLLOWERS = ['ours', 'tail-file', 'poll 2 s']

/** Between two rows, in ms. The poll's answer to the last may take more than its 2 s. */
const ROW_MS = 50
const LAST_ROW_MS = 15_000

const LOAD = { files: 50, bytesPerSecond: 1e6 }

const ROWS = [
  { title: 'ready, ms', key: 'ready', digits: 0 },
  { title: 'RSS, MB', key: 'resident', digits: 1 },
  { title: 'watchers', key: 'watchers', digits: 0 },
  { title: 'idle: CPU, % of a core', key: 'idleCpu', digits: 3 },
  { title: 'idle: bytes read', key: 'idleRead', digits: 0 },
  { title: 'quiet: p50, ms', key: 'quiet50', digits: 2 },
  { title: 'quiet: p99, ms', key: 'quiet99', digits: 2 },
  { title: '50 files at 1 MB/s: p50, ms', key: 'load50', digits: 2 },
  { title: '50 files at 1 MB/s: p99, ms', key: 'load99', digits: 2 },
  { title: '50 files at 1 MB/s: CPU, %', key: 'loadCpu', digits: 1 },
  { title: 'RSS at the end, MB', key: 'residentAtEnd', digits: 1 },
  { title: 'rows missed', key: 'missed', digits: 0 },
]

/** Prints one table. `--small` takes a minute, with 50 MB. */
export async function run(/** @type {string[]} */ args) {
  const amounts = args.includes('--small') ? AMOUNTS.small : AMOUNTS.full
  const folder = await mkdtemp(join(tmpdir(), 'bench-monitor-'))
  try {
    const { projects, files, bytes } = amounts
    console.log(`Writing ${files} transcripts of ${projects} projects, ${(files * bytes) / 1e9} GB in all`)
    const paths = buildTree(folder, amounts)
    const results = []
    for (const name of FOLLOWERS) {
      // What was written goes to the disk now, not while it is measured.
      execFileSync('sync')
      const before = loadavg()[0]
      results.push(await bench(name, { folder, paths, ...amounts }))
      console.log(`${name}: load average ${before?.toFixed(2)} before, ${loadavg()[0]?.toFixed(2)} after`)
    }
    console.log(`Node ${process.version}, ${cpus().length} cores, idle for ${amounts.idleSeconds} s`)
    printTable(results)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function bench(name, { folder, paths, idleSeconds, rows }) {
  const start = performance.now()
  const program = fork(join(import.meta.dirname, 'monitor/follower.js'), [name, folder])
  try {
    const answers = collectAnswers(program)
    const { watchers } = await answers.ready
    const ready = performance.now() - start
    await sleep(3000)
    const idle = await measure(program.pid, () => sleep(idleSeconds * 1000))
    const { resident } = idle
    const quiet = await measureLatency(answers, { paths, rows })
    const stopLoad = startLoad(paths.slice(0, LOAD.files), LOAD.bytesPerSecond)
    await sleep(1000)
    let loaded = []
    const load = await measure(program.pid, async () => {
      loaded = await measureLatency(answers, { paths, rows })
    })
    stopLoad()
    return {
      ...{ name, ready, resident, watchers, idleCpu: idle.cpu, idleRead: idle.read, loadCpu: load.cpu },
      ...{ quiet50: percentile(quiet, 50), quiet99: percentile(quiet, 99), residentAtEnd: load.resident },
      ...{ load50: percentile(loaded, 50), load99: percentile(loaded, 99) },
      missed: [...quiet, ...loaded].filter((time) => time === Number.POSITIVE_INFINITY).length,
    }
  } finally {
    program.kill('SIGKILL')
  }
}

function collectAnswers(program) {
  const times = new Map()
  const told = new Set()
  const ready = new Promise((resolve, reject) => {
    program.on('message', (message) => {
      if (message.type === 'ready') resolve(message)
      if (message.type === 'row' && !times.has(message.id)) times.set(message.id, BigInt(message.at))
      if (message.type === 'error' && !told.has(message.message)) console.log(message.message)
      if (message.type === 'error') told.add(message.message)
    })
    program.on('exit', (code) => reject(new Error(`It ended with ${code}`)))
  })
  return { ready, times }
}

let lastRow = 0

/** From before a row is written until the follower has it, in ms; infinite for one that never comes. */
async function measureLatency({ times }, { paths, rows }) {
  const starts = new Map()
  for (let count = 0; count < rows; count++) {
    const path = paths[Math.floor(Math.random() * paths.length)] ?? ''
    starts.set(++lastRow, process.hrtime.bigint())
    appendLimitRow(path, lastRow)
    await sleep(ROW_MS)
  }
  const end = performance.now() + LAST_ROW_MS
  while ([...starts.keys()].some((row) => !times.has(row)) && performance.now() < end) await sleep(10)
  return [...starts].map(([row, start]) => {
    const time = times.get(row)
    return time === undefined ? Number.POSITIVE_INFINITY : Number(time - start) / 1e6
  })
}

/** Of one process meanwhile: time on a core in %, bytes read, and memory at the end. */
async function measure(pid, act) {
  const bytesRead = () => Number(/^rchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1])
  const before = { ...usage([String(pid)]), read: bytesRead(), at: performance.now() }
  await act()
  const after = usage([String(pid)])
  const cpu = (100 * (after.cpuMs - before.cpuMs)) / (performance.now() - before.at)
  return { cpu, read: bytesRead() - before.read, resident: after.residentMb }
}

function percentile(/** @type {number[]} */ values, /** @type {number} */ percent) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN
}

function printTable(results) {
  const table = [['', ...results.map(({ name }) => name)]]
  for (const { title, key, digits } of ROWS) {
    table.push([title, ...results.map((result) => result[key].toFixed(digits))])
  }
  for (const [title = '', ...cells] of table) {
    console.log(`${title.padEnd(30)}${cells.map((cell) => cell.padStart(12)).join('')}`)
  }
}
