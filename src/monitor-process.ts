import fs from 'node:fs'
import path from 'node:path'
import type { Companion } from './companion.ts'
import { readConfig } from './config.ts'
import { type Log, openLog } from './log.ts'
import { type Monitor, type MonitorOptions, openMonitor } from './monitor.ts'
import { type PidFile, pidFilePath, removePidFile, takePidFile } from './pid-file.ts'
import { withoutKeys } from './run-tool.ts'

/** What a command has come to: its exit code, and a sentence. */
export type Report = { exitCode: number; text: string }

export type Running = Pick<MonitorOptions, 'onNews' | 'terminal'> & {
  /** Whether SIGHUP ends it, rather than having it read the config again. */
  endsAtHangup: boolean
  /** Called once: it runs, or why it does not. */
  report: (report: Report) => void
}

/** Is the monitor until a signal ends it, or says why it cannot be. Returns the exit code. */
export async function runMonitor(
  { env, cwd, now }: Companion,
  { endsAtHangup, report, ...outlets }: Running,
): Promise<number> {
  const { home } = readConfig(env).config
  const log = openLog(home, () => new Date(now()))
  let monitor: Monitor | undefined
  const signals = followSignals({ endsAtHangup, onReload: async () => monitor?.reload(), log })
  const obstacle = await becomeMonitor(home, { startedAt: now(), log })
  if (obstacle !== undefined) {
    signals.stop()
    report(obstacle)
    return obstacle.exitCode
  }
  // Nothing else keeps the process alive.
  const hold = setInterval(() => {}, 2 ** 31 - 1)
  try {
    monitor = openMonitor({ ...outlets, env: monitorEnvironment(env, cwd), now })
    const isReady = monitor.ready.then(() => true)
    if (await Promise.race([isReady, signals.ended.then(() => false)])) {
      const text = `The monitor is running (pid ${process.pid}); it watches ${monitor.folders().join(', ')}.`
      log(text)
      report({ exitCode: 0, text })
    }
    const exitCode = await signals.ended
    await monitor.stop()
    log('The monitor has ended.')
    return exitCode
  } catch (error) {
    log(`The monitor ends: ${error instanceof Error ? error.stack : error}`)
    report({ exitCode: 1, text: `The monitor cannot run: ${wordsOf(error)}` })
    return 1
  } finally {
    await removePidFile(home).catch((error) => log(`The pid file stays: ${wordsOf(error)}`))
    clearInterval(hold)
    signals.stop()
  }
}

/** Takes the pid file; returns what is in the way. */
async function becomeMonitor(
  home: string,
  { startedAt, log }: { startedAt: number; log: Log },
): Promise<Report | undefined> {
  const setAside = (kept: string) => log(`The pid file of the Python tool is kept as ${kept}.`)
  try {
    const other = await takePidFile(home, { version: readVersion(), startedAt, setAside })
    return other && describeOther(other, home)
  } catch (error) {
    return { exitCode: 1, text: `The monitor cannot write ${pidFilePath(home)}: ${wordsOf(error)}` }
  }
}

function describeOther(other: PidFile, home: string): Report {
  if (other.type === 'python') {
    const text = `${pidFilePath(home)} belongs to the Python tool claude-code-fallback, which runs as process ${other.pid}. Stop it with \`kill ${other.pid}\`, then start the monitor again.`
    return { exitCode: 1, text }
  }
  return {
    exitCode: 0,
    text: `The monitor is running already${'pid' in other ? ` (pid ${other.pid})` : ''}.`,
  }
}

/** Without keys: the monitor asks no API anything. A relative folder is one of where `start` was typed. */
export function monitorEnvironment(env: NodeJS.ProcessEnv, cwd: string): NodeJS.ProcessEnv {
  const { CLAUDE_CONFIG_DIR: configDir, ...rest } = withoutKeys(env)
  return configDir ? { ...rest, CLAUDE_CONFIG_DIR: path.resolve(cwd, configDir) } : rest
}

type Signals = { endsAtHangup: boolean; onReload: () => Promise<void>; log: Log }

/** `ended` resolves with the exit code when the monitor is to end. */
function followSignals({ endsAtHangup, onReload, log }: Signals) {
  let end: (exitCode: number) => void = () => {}
  const ended = new Promise<number>((resolve) => {
    end = resolve
  })
  const onEnd = () => end(0)
  const onHangup = () => {
    if (endsAtHangup) return end(0)
    onReload().catch((error) => log(`The config could not be read again: ${wordsOf(error)}`))
  }
  const onError = (error: unknown) => {
    log(`The monitor ends: ${error instanceof Error ? error.stack : error}`)
    end(1)
  }
  const listeners = [
    ['SIGTERM', onEnd],
    ['SIGINT', onEnd],
    ['SIGHUP', onHangup],
    ['uncaughtException', onError],
    ['unhandledRejection', onError],
  ] as const
  for (const [event, listener] of listeners) process.on(event, listener)
  const stop = () => {
    for (const [event, listener] of listeners) process.off(event, listener)
  }
  return { ended, stop }
}

/** What went wrong, in words. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function readVersion(): string {
  const text = fs.readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { version: unknown }).version)
}
