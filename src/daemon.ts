import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Companion, readCommandLine, USAGE_ERROR } from './companion.ts'
import { readConfig } from './config.ts'
import { monitorEnvironment, type Report, runMonitor, wordsOf } from './monitor-process.ts'
import { pidFilePath, readPidFile, removePidFile } from './pid-file.ts'
import { isSameProcess } from './process-start.ts'
import { runStartService, runStopService } from './service.ts'

export { readMonitor } from './pid-file.ts'

const START_HELP = `Usage: claude-fallback start [--daemon | --service [--dry-run]]

Starts the monitor: it watches the transcripts of all your projects, tells you on the desktop when a session of plain
claude meets its usage limit, and when the subscription is back. It ends no session, and spends nothing.
Says "running" once it is. Where one runs already it says so, and exits with 0.

  --daemon   in the background, apart from this terminal; its log is .claude_fallback_error.log in CLAUDE_FALLBACK_HOME
             (default: your home)
  --service  at every login: as a systemd user unit, or by launchd on macOS
  --dry-run  with --service: print what would be written and run, and change nothing

SIGHUP has it read the config file again; without --daemon, in a terminal, it ends it as Ctrl+C does.
`

const STOP_HELP = `Usage: claude-fallback stop [--force | --service [--dry-run]]

Ends the monitor and waits until it has ended, for 5 s. Where none runs it says so, and exits with 0.

  --force    kill it where it does not end within 5 s
  --service  no longer at every login: takes the systemd user unit, or launchd's agent, away
  --dry-run  with --service: print what would be removed and run, and change nothing
`

const START_OPTIONS = {
  daemon: { type: 'boolean' },
  service: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  // How --daemon starts the process that stays.
  detached: { type: 'boolean' },
} as const

const STOP_OPTIONS = {
  force: { type: 'boolean' },
  service: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
} as const

/** How long a monitor may take to end, in ms. */
const STOP_MS = 5000

/** `claude-fallback start`: the monitor, here, in the background, or as a service. */
export async function runStart(companion: Companion): Promise<number> {
  const line = readCommandLine(companion, { name: 'start', help: START_HELP, options: START_OPTIONS })
  if ('exitCode' in line) return line.exitCode
  const { daemon, service, detached, 'dry-run': isDryRun = false } = line.values
  if (daemon && service) return refuse(companion, 'start', '--daemon and --service exclude each other.')
  if (isDryRun && !service) return refuse(companion, 'start', '--dry-run goes with --service.')
  if (service) return runStartService(companion, { isDryRun })
  if (daemon) return startDaemon(companion)
  return detached ? runDetached(companion) : runHere(companion)
}

/** `claude-fallback stop`: ends the monitor, or the service. */
export async function runStop(companion: Companion): Promise<number> {
  const line = readCommandLine(companion, { name: 'stop', help: STOP_HELP, options: STOP_OPTIONS })
  if ('exitCode' in line) return line.exitCode
  const { force = false, service, 'dry-run': isDryRun = false } = line.values
  if (force && service) return refuse(companion, 'stop', '--force and --service exclude each other.')
  if (isDryRun && !service) return refuse(companion, 'stop', '--dry-run goes with --service.')
  if (service) return runStopService(companion, { isDryRun })
  const { home } = readConfig(companion.env).config
  try {
    return print(companion, await stopMonitor(home, force))
  } catch (error) {
    return print(companion, { exitCode: 1, text: `The monitor could not be stopped: ${wordsOf(error)}` })
  }
}

function refuse({ stderr }: Companion, name: string, sentence: string): number {
  stderr.write(`claude-fallback ${name}: ${sentence}\n`)
  return USAGE_ERROR
}

function print({ stdout, stderr }: Companion, { exitCode, text }: Report): number {
  const stream = exitCode === 0 ? stdout : stderr
  stream.write(`${text}\n`)
  return exitCode
}

/** In the foreground. In a terminal, SIGHUP says that it has gone. */
function runHere(companion: Companion): Promise<number> {
  const { stdout, stderr, env } = companion
  for (const problem of readConfig(env).problems) stderr.write(`claude-fallback start: ${problem}\n`)
  const isTerminal = stdout.isTTY === true
  return runMonitor(companion, {
    endsAtHangup: isTerminal,
    report: (report) => print(companion, isTerminal ? withKeys(report) : report),
    onNews: ({ title, text }) => stdout.write(`${title} · ${text}\n`),
    ...(isTerminal && { terminal: (sequence) => stdout.write(sequence) }),
  })
}

function withKeys(report: Report): Report {
  return report.exitCode === 0 ? { ...report, text: `${report.text} Ctrl+C ends it.` } : report
}

/** As the process that stays: what there is to say goes to the one that started it. */
function runDetached(companion: Companion): Promise<number> {
  const report = (said: Report) => {
    if (!process.connected) return
    // The one who listened may have gone meanwhile.
    process.send?.(said, () => process.connected && process.disconnect())
  }
  return runMonitor(companion, { endsAtHangup: false, report })
}

/** Starts the process that stays: leader of a session of its own, with nothing of this terminal. */
async function startDaemon(companion: Companion): Promise<number> {
  const { env, cwd } = companion
  const program = fileURLToPath(new URL('../bin/claude-fallback.js', import.meta.url))
  const child = spawn(process.execPath, [program, 'start', '--detached'], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: monitorEnvironment(env, cwd),
  })
  const gone = new AbortController()
  const report = await Promise.race([
    once(child, 'message', gone).then(([message]) => message as Report),
    once(child, 'exit', gone).then(([code, signal]) => describeEnd(code ?? signal, env)),
  ])
  gone.abort()
  if (child.connected) child.disconnect()
  child.unref()
  return print(companion, report)
}

function describeEnd(how: number | string, env: NodeJS.ProcessEnv): Report {
  const file = path.join(readConfig(env).config.home, '.claude_fallback_error.log')
  return { exitCode: 1, text: `The monitor ended (${how}) before it was ready: ${file} may say why.` }
}

async function stopMonitor(home: string, isForced: boolean): Promise<Report> {
  const found = readPidFile(home)
  const isNotRunning = 'The monitor is not running'
  switch (found.type) {
    case 'none':
      return { exitCode: 0, text: `${isNotRunning}.` }
    case 'dead':
    case 'damaged':
      await removePidFile(home)
      return { exitCode: 0, text: `${isNotRunning}; the pid file that it left is removed.` }
    case 'elsewhere': {
      const text = `${isNotRunning} here: ${pidFilePath(home)} is of another container, and is left alone.`
      return { exitCode: 0, text }
    }
    case 'python': {
      const theirs = `the Python tool claude-code-fallback is, as process ${found.pid}, and is left alone`
      return { exitCode: 0, text: found.isAlive ? `${isNotRunning}; ${theirs}.` : `${isNotRunning}.` }
    }
    case 'alive': {
      const report = await endProcess(found, isForced)
      if (report.exitCode === 0) await removePidFile(home)
      return report
    }
  }
}

async function endProcess(
  { pid, processStart }: { pid: number; processStart: string },
  isForced: boolean,
): Promise<Report> {
  const isGone = () => !isSameProcess(pid, processStart)
  kill(pid, 'SIGTERM')
  if (await waitFor(isGone)) return { exitCode: 0, text: `The monitor is stopped (pid ${pid}).` }
  const still = `The monitor (pid ${pid}) has not ended within ${STOP_MS / 1000} s`
  if (!isForced) return { exitCode: 1, text: `${still}: \`claude-fallback stop --force\` kills it.` }
  kill(pid, 'SIGKILL')
  if (await waitFor(isGone)) return { exitCode: 0, text: `The monitor is killed (pid ${pid}).` }
  return { exitCode: 1, text: `${still}, nor can it be killed.` }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function waitFor(condition: () => boolean): Promise<boolean> {
  for (const end = performance.now() + STOP_MS; !condition(); await sleep(20)) {
    if (performance.now() > end) return false
  }
  return true
}
