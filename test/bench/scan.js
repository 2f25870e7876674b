// What a transcript costs that holds no limit: rows are searched for marker bytes before any of them is parsed.
import { spawnSync } from 'node:child_process'
import { closeSync, createReadStream, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { LIMIT_MARKER, parseLimit } from '../../dist/core/limit.js'
import { createLineFilter, createLineSplitter } from '../../dist/lines.js'

const MEGABYTES = 200
const LIMITS = 20
const context = { now: Date.now(), timeZone: 'UTC' }

const ways = {
  'grep -c (no parsing at all)': (file) => {
    const { stdout } = spawnSync('grep', ['-c', '"isApiErrorMessage":true', file], { encoding: 'utf8' })
    return Number(stdout)
  },
  'claudef: marker, then JSON': async (file) => {
    let found = 0
    const isWanted = createLineFilter([LIMIT_MARKER])
    const onLine = (line) => {
      if (isWanted(line) && parseLimit(JSON.parse(line.toString()), context)) found += 1
    }
    const splitter = createLineSplitter({ onLine, onSkip: () => {} })
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 })) splitter.write(chunk)
    return found
  },
  'readline, JSON of every row': async (file) => {
    let found = 0
    for await (const line of createInterface({ input: createReadStream(file) })) {
      if (parseLimit(JSON.parse(line), context)) found += 1
    }
    return found
  },
}

/** Prints one table; three interleaved rounds, medians. */
export async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'claudef-bench-'))
  try {
    const file = join(folder, 'transcript.jsonl')
    writeTranscript(file)
    const seconds = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
    for (let round = 0; round < 3; round++) {
      for (const [name, scan] of Object.entries(ways)) {
        const start = process.hrtime.bigint()
        const found = await scan(file)
        seconds[name].push(Number(process.hrtime.bigint() - start) / 1e9)
        if (found !== LIMITS) throw new Error(`${name} found ${found} limits, not ${LIMITS}`)
      }
    }
    print(seconds)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Rows of 5 to 50 kB as sessions have them, some of them talking of limits. */
function writeTranscript(file) {
  const descriptor = openSync(file, 'w')
  const words = 'the log says: You\'ve hit your 5-hour limit · resets 4pm (UTC), while "reading" it\n'
  for (let bytes = 0, row = 0; bytes < MEGABYTES << 20; row++) {
    const text = words.repeat(60 + ((row * 7919) % 540))
    const message = { role: 'assistant', model: 'claude-opus-5-5', content: [{ type: 'text', text }] }
    bytes += writeSync(descriptor, `${JSON.stringify({ type: 'assistant', uuid: `row-${row}`, message })}\n`)
  }
  for (let count = 0; count < LIMITS; count++) writeSync(descriptor, `${JSON.stringify(limitRow)}\n`)
  closeSync(descriptor)
}

const limitRow = {
  type: 'assistant',
  isApiErrorMessage: true,
  error: 'rate_limit',
  message: {
    role: 'assistant',
    model: '<synthetic>',
    content: [{ type: 'text', text: "You've hit your session limit · resets 4pm (UTC)" }],
  },
}

function print(seconds) {
  const median = (values) => [...values].sort((one, other) => one - other)[values.length >> 1]
  const ours = median(seconds['claudef: marker, then JSON'])
  console.log(`A transcript of ${MEGABYTES} MB with ${LIMITS} limit rows at its end, 3 rounds, medians`)
  for (const [name, values] of Object.entries(seconds)) {
    const time = median(values)
    const rate = Math.round(MEGABYTES / time)
    console.log(`${name.padEnd(30)} ${String(rate).padStart(6)} MB/s   ${(time / ours).toFixed(2)} × claudef`)
  }
}
