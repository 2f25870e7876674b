import { type Companion, readCommandLine } from './companion.ts'
import { type Config, findConfigFile, readConfig } from './config.ts'
import { createDayOf, sumEntries } from './core/ledger.ts'
import { emptyState, type SharedState } from './core/shared-state.ts'
import { type KeyPlace, type MonitorState, makeStatusReport, type StatusFacts } from './core/status.ts'
import { renderStatus } from './core/status-text.ts'
import { describeKeySources } from './key-sources.ts'
import { openLedger } from './ledger.ts'
import type { Log } from './log.ts'
import { choosePaint } from './paint.ts'
import { readMonitor } from './pid-file.ts'
import { isSameProcess, openSharedState } from './state.ts'

const STATUS = {
  name: 'status',
  options: { json: { type: 'boolean' } },
  help: `Usage: claude-fallback status [--json]

Tells whether the monitor runs, what new sessions start on and until when, the limits in force, the sessions that
are alive, what was spent today, where the API key comes from, and which config file is in force.

  --json  as one JSON object: "version" is 1, instants are ISO 8601 in UTC, amounts are USD

Exits 0, whatever the status is.
`,
} as const

type StatusCommand = Companion & {
  /** IANA zone of clock times and days. Default: the system's. */
  timeZone?: string
}

/** `claude-fallback status`: what is in force right now. Changes nothing. */
export async function runStatus(companion: StatusCommand): Promise<number> {
  const line = readCommandLine(companion, STATUS)
  if (line.exitCode !== undefined) return line.exitCode
  const { timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone, env, stdout } = companion
  const report = makeStatusReport(await gatherFacts(companion, timeZone), timeZone)
  const text = line.values.json
    ? `${JSON.stringify(report, undefined, 2)}\n`
    : renderStatus(report, { timeZone, home: env.HOME, paint: choosePaint(companion) })
  stdout.write(text)
  return 0
}

/** What one part cannot tell does not keep the others from telling. */
async function gatherFacts({ env, now }: Companion, timeZone: string): Promise<StatusFacts> {
  const { config, problems: configProblems } = readConfig(env)
  const problems: string[] = []
  const log: Log = (problem) => problems.push(problem)
  const at = now()
  const attempt = async <T>(what: string, otherwise: T, act: () => T | Promise<T>): Promise<T> => {
    try {
      return await act()
    } catch (error) {
      log(`${what} cannot be read: ${(error as Error).message}`)
      return otherwise
    }
  }
  const { home } = config
  const ledger = openLedger({ home, log, now, timeZone })
  const today = createDayOf(timeZone)(at)
  return {
    now: at,
    monitor: await attempt<MonitorState>('The monitor', { type: 'stopped' }, () => readMonitor(home)),
    state: await attempt('The state', emptyState(), () => readAlive({ home, now, log })),
    ...{ chosen: config.billing, chosenBy: config.sources.billing },
    // Not `today()`: it does not tell whether a price was missing.
    today: sumEntries((await ledger.read()).filter(({ day }) => day === today)),
    caps: config,
    keys: await attempt<KeyPlace[]>('The API key', [], () => describeKeySources({ config, env, log })),
    config: { ...describeFile(config, env), problems: configProblems },
    problems,
  }
}

async function readAlive(options: Parameters<typeof openSharedState>[0]): Promise<SharedState> {
  const state = await openSharedState(options).read()
  const sessions = state.sessions.filter(({ pid, processStart }) => isSameProcess(pid, processStart))
  return { ...state, sessions }
}

function describeFile(config: Config, env: NodeJS.ProcessEnv): { path: string | undefined; isRead: boolean } {
  return { path: config.file ?? findConfigFile(env).path, isRead: config.file !== undefined }
}
