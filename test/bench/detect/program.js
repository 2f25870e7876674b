#!/usr/bin/env node
// A Claude Code that does one thing: it meets a limit, and tells how long it took until it was told to end.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const { HOME = '', BENCH_RESULTS = '', BENCH_ROW = '' } = process.env
const id = process.argv[process.argv.indexOf('--session-id') + 1] ?? ''

if (process.argv.includes('--resume')) process.exit(0)
const folder = join(HOME, '.claude/projects', process.cwd().replace(/[^A-Za-z0-9]/g, '-'))
mkdirSync(folder, { recursive: true })
const file = join(folder, `${id}.jsonl`)
writeFileSync(file, '{"type":"user"}\n')
let written = 0n
process.on('SIGTERM', () => {
  appendFileSync(BENCH_RESULTS, `${Number(process.hrtime.bigint() - written) / 1e6}\n`)
  process.exit(143)
})
// By then claudef has loaded what comes after the start.
setTimeout(() => {
  const row = JSON.parse(BENCH_ROW)
  const line = `${JSON.stringify({ ...row, timestamp: new Date().toISOString() })}\n`
  written = process.hrtime.bigint()
  appendFileSync(file, line)
}, 1000)
setTimeout(() => process.exit(1), 10_000)
