import path from 'node:path'
import type { ChalkInstance } from 'chalk'
import { Chalk } from 'chalk'
import { type Companion, readCommandLine, USAGE_ERROR } from './companion.ts'
import { readConfig } from './config.ts'
import { createDayOf } from './core/ledger.ts'
import { renderUsd } from './core/spend.ts'
import { makeSpendReport, readSince, type SpendReport } from './core/spend-report.ts'
import { openLedger } from './ledger.ts'

const HELP = `Usage: claude-fallback spend [--since <day>] [--json]

What claudef's sessions spent on API billing, by the prices that are known: today, this week (since Monday) and this
month; and since a day, by day, project and model. An amount with ≥ contains a model whose price is not known: it is
counted as the dearest one. What Claude Code asked beside the conversation (titles, summaries) is 'other requests'.
Where Claude Code's own account of a conversation is lower by more than a cent, ours counts, and the difference is said.
The ledger is .claude_fallback_spend.jsonl in CLAUDE_FALLBACK_HOME (default: your home).

  --since <day>  the first day: 2026-11-01, or 7d for the last seven days; default: 30d
  --json         print it as JSON, amounts in USD; lessUsd is that difference
`

const OPTIONS = { since: { type: 'string' }, json: { type: 'boolean' } } as const
const DEFAULT_SINCE = '30d'
/** Of the chart, in columns. */
const LONGEST_BAR = 40
/** Of the chart: the last ones. */
const MOST_DAYS = 31

type SpendCommand = Companion & {
  /** IANA zone of the days. Default: the system's. */
  timeZone?: string
}

/** `claude-fallback spend`: what was spent on API billing. */
export async function runSpend(companion: SpendCommand): Promise<number> {
  const line = readCommandLine(companion, { name: 'spend', help: HELP, options: OPTIONS })
  if ('exitCode' in line) return line.exitCode
  const { timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone } = companion
  const today = createDayOf(timeZone)(companion.now())
  const since = readSince(line.values.since ?? DEFAULT_SINCE, today)
  if (since === undefined) {
    const words = `Invalid --since '${line.values.since}': use a day (2026-11-01) or a number of days (7d).`
    companion.stderr.write(`claude-fallback spend: ${words}\n`)
    return USAGE_ERROR
  }
  const home = readConfig(companion.env).config.home
  let failed = false
  const log = (message: string) => {
    failed = true
    companion.stderr.write(`claude-fallback spend: ${message}\n`)
  }
  const entries = await openLedger({ home, log, now: companion.now, timeZone }).read()
  const report = makeSpendReport(entries, { today, since })
  const text = line.values.json
    ? `${JSON.stringify(report, undefined, 2)}\n`
    : renderReport(report, companion)
  companion.stdout.write(text)
  return failed && entries.length === 0 ? 1 : 0
}

function renderReport(report: SpendReport, { env, stdout }: Companion): string {
  const { today, week, month, period, days, projects, models, since, lessUsd } = report
  const isColoured = stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
  const chalk = new Chalk({ level: isColoured ? 1 : 0 })
  const sums = [
    ['today', today],
    ['this week', week],
    ['this month', month],
  ] as const
  const all = sums
    .map(([name, amount]) => `  ${name.padEnd(10)}  ${renderUsd(amount).padStart(9)}\n`)
    .join('')
  const head = `${chalk.bold('Spent on API billing')}\n\n${all}`
  if (days.length === 0) return `${head}\nNothing spent since ${since}.\n`
  const width = Math.min(LONGEST_BAR, Math.max(0, (stdout.columns ?? 80) - 30))
  return [
    head,
    renderChart(days.slice(-MOST_DAYS), { width, chalk }),
    `${chalk.bold(`Since ${since}`)}  ${renderUsd(period)}\n`,
    renderTable(
      'By project',
      projects.map(({ cwd, ...sum }) => [shorten(cwd, env.HOME), sum]),
      chalk,
    ),
    renderTable(
      'By model',
      models.map(({ model, ...sum }) => [model, sum]),
      chalk,
    ),
    ...(lessUsd > 0 ? [`${renderLess(lessUsd)}\n`] : []),
  ].join('\n')
}

function renderLess(lessUsd: number): string {
  return `Claude Code's own account is ${renderUsd({ usd: lessUsd, isLowerBound: false })} lower; the higher one counts.`
}

function renderChart(
  days: SpendReport['days'],
  { width, chalk }: { width: number; chalk: ChalkInstance },
): string {
  const most = Math.max(...days.map(({ usd }) => usd))
  const rows = days.map(({ day, ...amount }) => {
    const name = new Date(`${day}T00:00:00Z`).toLocaleDateString('en', { weekday: 'short', timeZone: 'UTC' })
    const bar = chalk.cyan(renderBar(most === 0 ? 0 : amount.usd / most, width))
    return `  ${chalk.dim(name)} ${day}  ${renderUsd(amount).padStart(9)}  ${bar}`.trimEnd()
  })
  return `${rows.join('\n')}\n`
}

/** In eighths of a column, and never nothing for something. */
function renderBar(share: number, width: number): string {
  const eighths = share === 0 ? 0 : Math.max(1, Math.round(share * width * 8))
  const rest = eighths % 8
  return '█'.repeat(Math.floor(eighths / 8)) + (rest === 0 ? '' : '▏▎▍▌▋▊▉'.charAt(rest - 1))
}

type Sum = Parameters<typeof renderUsd>[0]

function renderTable(title: string, rows: [string, Sum][], chalk: ChalkInstance): string {
  const lines = rows.map(([name, sum]) => `  ${renderUsd(sum).padStart(9)}  ${printable(name)}\n`)
  return `${chalk.bold(title)}\n${lines.join('')}`
}

function shorten(folder: string, home: string | undefined): string {
  if (folder === '') return '(unknown)'
  if (!home) return folder
  const inside = path.relative(home, folder)
  if (inside === '') return '~'
  return inside === '..' || inside.startsWith('../') ? folder : `~/${inside}`
}

/** Names of folders and of models come from elsewhere: nothing in them may act on the terminal. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '�')
}
