import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import type { Companion } from '../src/companion.ts'
import type { SpendRecord } from '../src/core/bill.ts'
import { openLedger } from '../src/ledger.ts'
import { runSpend } from '../src/spend.ts'

const program = fileURLToPath(new URL('../bin/claude-fallback.js', import.meta.url))
const at = Date.parse('2026-11-22T12:00:00Z')

type Terminal = { columns?: number; isTTY?: boolean; env?: NodeJS.ProcessEnv }

function setUp() {
  const home = mkdtempSync(join(tmpdir(), 'claudef-spend-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const run = async (args: string[] = [], { env, ...stdout }: Terminal = {}) => {
    let [out, err] = ['', '']
    const write = (text: string) => {
      out += text
      return true
    }
    const exitCode = await runSpend({
      args,
      env: { HOME: home, ...env },
      cwd: home,
      stdin: process.stdin,
      stdout: { ...stdout, write } as unknown as Companion['stdout'],
      stderr: {
        write: (text) => {
          err += text
        },
      },
      now: () => at,
      timeZone: 'UTC',
    })
    return { exitCode, out, err }
  }
  const spend = async (...records: Partial<SpendRecord>[]) => {
    const ledger = openLedger({ home, log: () => {}, now: () => at, timeZone: 'UTC' })
    const record = { sessionId: 's', cwd: join(home, 'web'), isLowerBound: false, usd: 0, day: '2026-11-22' }
    for (const more of records) {
      await ledger.record({ ...record, byModel: { 'claude-opus-5-5': more.usd ?? 0 }, ...more })
    }
  }
  return { home, run, spend }
}

/** A month's work: two projects, one model that has no price. */
const month: Partial<SpendRecord>[] = [
  { day: '2026-11-02', usd: 3.2 },
  { day: '2026-11-18', usd: 1.25, byModel: { 'claude-opus-5-5': 1, 'claude-sonnet-5-5': 0.25 } },
  { day: '2026-11-20', usd: 4.5, cwd: '/srv/api', byModel: { 'claude-zebra-9': 4.5 }, isLowerBound: true },
  { day: '2026-11-21', usd: 0.004 },
  { usd: 0.42 },
  { usd: 0.08, sessionId: 't', cwd: '/srv/\u001b[2Japi' },
]

test('shows what was spent, when, where and on what', async () => {
  const { run, spend } = setUp()
  await spend(...month)
  const { out, exitCode, err } = await run(['--since', '7d'])
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' })
  expect(out).toMatchInlineSnapshot(`
    "Spent on API billing

      today           $0.50
      this week      ≥$6.25
      this month     ≥$9.45

      Wed 2026-11-18      $1.25  ███████████▏
      Thu 2026-11-19      $0.00
      Fri 2026-11-20     ≥$4.50  ████████████████████████████████████████
      Sat 2026-11-21     <$0.01  ▏
      Sun 2026-11-22      $0.50  ████▌

    Since 2026-11-16  ≥$6.25

    By project
         ≥$4.50  /srv/api
          $1.67  ~/web
          $0.08  /srv/�[2Japi

    By model
         ≥$4.50  claude-zebra-9
          $1.50  claude-opus-5-5
          $0.25  claude-sonnet-5-5
    "
  `)
})

test('shows the last thirty days by default, from the first one with an amount', async () => {
  const { run, spend } = setUp()
  await spend(...month, { day: '2026-10-01', usd: 9 })
  const { out } = await run()
  expect(out).toContain('Mon 2026-11-02      $3.20  ')
  expect(out).not.toContain('2026-11-01')
  expect(out).toContain('Since 2026-10-24  ≥$9.45')
  expect((await run(['--since', '2026-09-01'])).out).toContain('Since 2026-09-01  ≥$18.45')
})

test('a day that a wrong clock has written hides no other', async () => {
  const { run, spend } = setUp()
  await spend({ usd: 1, day: '2026-11-20' }, { usd: 2, day: '9999-12-31' })
  const { out } = await run()
  expect(out.match(/^ {2}\w{3} \d{4}.*?\$\S+/gm)).toEqual([
    '  Fri 2026-11-20      $1.00',
    '  Sat 2026-11-21      $0.00',
    '  Sun 2026-11-22      $0.00',
    '  Fri 9999-12-31      $2.00',
  ])
})

test('nothing spent: says so', async () => {
  const { run } = setUp()
  const { out, exitCode } = await run()
  expect(exitCode).toBe(0)
  expect(out).toMatchInlineSnapshot(`
    "Spent on API billing

      today           $0.00
      this week       $0.00
      this month      $0.00

    Nothing spent since 2026-10-24.
    "
  `)
})

test('says by how much Claude Code itself counts less', async () => {
  const { run, spend } = setUp()
  await spend(
    { usd: 2 },
    { usd: 3, sessionId: 't', lessUsd: 0.75 },
    { day: '2026-11-01', usd: 1, lessUsd: 1 },
  )
  const last = async (...args: string[]) => (await run(args)).out.trimEnd().split('\n').slice(-2)
  expect(await last('--since', '7d')).toEqual([
    '',
    "Claude Code's own account is $0.75 lower; the higher one counts.",
  ])
  expect(JSON.parse((await run(['--json', '--since', '2026-11-01'])).out).lessUsd).toBe(1.75)
})

test('prints JSON', async () => {
  const { run, spend, home } = setUp()
  await spend(...month)
  const report = JSON.parse((await run(['--json', '--since', '2026-11-20'])).out)
  expect(report).toMatchObject({
    since: '2026-11-20',
    today: { usd: 0.5, isLowerBound: false },
    week: { usd: 6.254, isLowerBound: true },
    projects: [{ cwd: '/srv/api', usd: 4.5, isLowerBound: true }, { cwd: join(home, 'web') }, {}],
    models: [{ model: 'claude-zebra-9' }, { model: 'claude-opus-5-5' }],
  })
  expect(report.days.map(({ day }: { day: string }) => day)).toEqual([
    '2026-11-20',
    '2026-11-21',
    '2026-11-22',
  ])
})

test('is coloured on a terminal, unless that is not wanted', async () => {
  const { run, spend } = setUp()
  await spend(...month)
  const tty = { isTTY: true, columns: 60 }
  const coloured = await run([], tty)
  expect(coloured.out).toContain('\u001b[36m█')
  for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
    expect((await run([], { ...tty, env })).out).not.toContain('\u001b')
  }
  expect((await run()).out).not.toContain('\u001b')
  const widest = Math.max(...(await run([], { columns: 60 })).out.split('\n').map((line) => line.length))
  expect(widest).toBeLessThanOrEqual(60)
})

test.each([
  [['--since', 'soon'], "Invalid --since 'soon': use a day (2026-11-01) or a number of days (7d)."],
  [['--since'], "'--since"],
  [['today'], "'today' is one word too many."],
])('says what is wrong with %j', async (args, words) => {
  const { run } = setUp()
  const { exitCode, err, out } = await run(args)
  expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' })
  expect(err).toContain(words)
})

test('a ledger that cannot be read is no empty one', async () => {
  const { home, run } = setUp()
  mkdirSync(join(home, '.claude_fallback_spend.jsonl'))
  const { exitCode, err } = await run()
  expect(exitCode).toBe(1)
  expect(err).toContain('EISDIR')
})

test('damaged lines are told of', async () => {
  const { home, run, spend } = setUp()
  await spend({ usd: 1 })
  writeFileSync(join(home, '.claude_fallback_spend.jsonl'), 'damaged\n', { flag: 'a' })
  const { exitCode, err, out } = await run()
  expect({ exitCode, told: err.includes('damaged line') }).toEqual({ exitCode: 0, told: true })
  expect(out).toContain('$1.00')
})

test('is a command of claude-fallback', () => {
  const { home } = setUp()
  const env = { PATH: process.env.PATH, HOME: home }
  const { status, stdout } = spawnSync(process.execPath, [program, 'spend'], { env, encoding: 'utf8' })
  expect({ status, text: stdout.split('\n', 1) }).toEqual({ status: 0, text: ['Spent on API billing'] })
  const help = spawnSync(process.execPath, [program, 'spend', '--help'], { env, encoding: 'utf8' })
  expect(help.stdout).toContain('Usage: claude-fallback spend [--since <day>] [--json]')
})
