import os from 'node:os'
import path from 'node:path'
import { readAccount } from './account.ts'
import { configFolder } from './claude.ts'
import { type Config, readConfig } from './config.ts'
import { parseJson } from './core/json.ts'
import { LIMIT_MARKER, type Limit, parseLimit } from './core/limit.ts'
import { type Judgement, judgeAgain, judgeSighting, renderLimitNews, toKnownLimit } from './core/monitor.ts'
import type { Notification } from './core/notification.ts'
import type { Rules } from './core/policy.ts'
import { isObject } from './core/settings.ts'
import { addLimit, announcementKey, announceOnce, type SharedState } from './core/shared-state.ts'
import { followProjects, type ProjectsFollower } from './follow-projects.ts'
import { homeFolder } from './home.ts'
import { type LimitClock, watchLimits } from './limit-clock.ts'
import { type Log, openLog } from './log.ts'
import { type Notifier, openNotifier } from './notify.ts'
import type { TranscriptSource } from './project-files.ts'
import { isSameProcess, openSharedState, type StateStore } from './state.ts'

export type MonitorOptions = {
  env: NodeJS.ProcessEnv
  /** Epoch ms. */
  now: () => number
  /** Gets each notification as well, for whoever looks on. Default: nobody. */
  onNews?: (notification: Notification) => void
  /** Writes to the user's terminal, for notifications by it. Absent where there is none. */
  terminal?: (sequence: string) => void
}

export type Monitor = {
  /** From now on no limit is missed. Never rejects. */
  ready: Promise<unknown>
  /** The config folders that are watched. */
  folders: () => readonly string[]
  /** Reads the config file again, and watches what it names now. */
  reload: () => Promise<void>
  /** Resolves when nothing of it is left, and what was to be told has been, for 2 s at most. */
  stop: () => Promise<void>
}

type Watch = {
  options: MonitorOptions
  config: Config
  /** The user's home folder. */
  home: string
  log: Log
  store: StateStore
  notifier: Notifier
  folders: readonly string[]
  follower: ProjectsFollower
  clock: LimitClock
  /** `os.uptime()` of the start, in s: it counts on while the machine sleeps, and when its clock is set. */
  startedAt: number
  /** What has been told where the state file could not be written. */
  told: Set<string>
  reminders: Set<NodeJS.Timeout>
  work: Set<Promise<unknown>>
  isStopped: boolean
}

/** How long a stop waits for notifications, in ms. */
const FAREWELL_MS = 2000

/**
 * Watches the transcripts of all projects of all config folders, tells of limits that sessions meet, and of their ends.
 * Claude Code itself it leaves alone. Nothing here keeps the process alive, and nothing is printed.
 */
export function openMonitor(options: MonitorOptions): Monitor {
  const { env, now } = options
  const { config, problems } = readConfig(env)
  const log = openLog(config.home, () => new Date(now()))
  for (const problem of problems) log(problem)
  const home = homeFolder(env)
  const folders = findFolders(config, { env, home })
  const store = openSharedState({ home: config.home, now, log })
  const watch: Watch = {
    ...{ options, config, home, log, store, folders },
    notifier: openNotifications(options, config, log),
    follower: follow(folders, { log, onLine: (...line) => readLine(watch, ...line) }),
    clock: watchLimits({ store, now, timeZone: localZone, onNews: (news) => tell(watch, news) }),
    startedAt: os.uptime(),
    told: new Set(),
    reminders: new Set(),
    work: new Set(),
    isStopped: false,
  }
  let reloaded = Promise.resolve()
  return {
    // The clock's first change also loads what changes need, so that the first limit does not wait for it.
    ready: Promise.all([watch.follower.ready, watch.clock.ready]),
    folders: () => watch.folders,
    reload: () => {
      reloaded = reloaded.then(() => reload(watch))
      return reloaded
    },
    stop: async () => {
      watch.isStopped = true
      watch.clock.stop()
      for (const reminder of watch.reminders) clearTimeout(reminder)
      await watch.follower.stop()
      await reloaded
      await Promise.race([farewell(watch), wait(FAREWELL_MS)])
    },
  }
}

async function farewell({ work, notifier }: Watch): Promise<void> {
  await Promise.all(work)
  await notifier.settled()
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref()
  })
}

function findFolders(config: Config, { env, home }: { env: NodeJS.ProcessEnv; home: string }): string[] {
  const folders = [configFolder(env, home), ...config.configDirs]
  return [...new Set(folders.map((folder) => path.resolve(folder)))]
}

function openNotifications({ env, terminal }: MonitorOptions, config: Config, log: Log): Notifier {
  return openNotifier({
    env,
    platform: process.platform,
    log,
    setting: config.notify ? 'on' : 'off',
    command: config.notifyCommand,
    ...(terminal && { terminal }),
  })
}

type OnLine = (line: string, source: TranscriptSource) => void

function follow(configDirs: readonly string[], { log, onLine }: { log: Log; onLine: OnLine }) {
  const onError = (error: Error) => log(error.message)
  return followProjects({ configDirs, contains: [LIMIT_MARKER], onLine, onError })
}

async function reload(watch: Watch): Promise<void> {
  if (watch.isStopped) return
  const { options, log } = watch
  const { config, problems } = readConfig(options.env)
  for (const problem of problems) log(problem)
  watch.config = config
  watch.notifier = openNotifications(options, config, log)
  const folders = findFolders(config, { env: options.env, home: watch.home })
  if (folders.join('\n') !== watch.folders.join('\n')) {
    watch.folders = folders
    const before = watch.follower
    watch.follower = follow(folders, { log, onLine: (...line) => readLine(watch, ...line) })
    // What both have read is told once.
    await watch.follower.ready
    await before.stop()
  }
  log(`The monitor has read its config again; it watches ${folders.join(', ')}.`)
}

/** One limit in one session. */
type Sighting = {
  limit: Limit
  source: TranscriptSource
  /** The session's working folder, where the row tells it. */
  cwd: string | undefined
}

function readLine(watch: Watch, line: string, source: TranscriptSource): void {
  if (watch.isStopped) return
  watch.clock.look()
  const now = watch.options.now()
  const row = parseJson(line)
  const limit = parseLimit(row, { now, timeZone: localZone() })
  if (limit === undefined || !isObject(row)) return
  // The system counts whole seconds.
  const uptimeMs = (os.uptime() - watch.startedAt + 1) * 1000
  const seen = { limit, version: textOf(row.version), now, uptimeMs, rules: rulesOf(watch.config) }
  take(watch, { limit, source, cwd: textOf(row.cwd) }, judgeSighting(seen))
}

/** As claudef would decide; whether there is a key is seen where claudef runs. */
function rulesOf({ autoRestart, autoReturn, maxUsd, maxUsdPerDay }: Config): Rules {
  return { autoRestart, autoReturn, noKey: undefined, caps: { session: maxUsd, day: maxUsdPerDay } }
}

function take(watch: Watch, sighting: Sighting, judgement: Judgement): void {
  switch (judgement.type) {
    case 'none':
      return
    case 'wait': {
      const reminder = setTimeout(() => {
        watch.reminders.delete(reminder)
        take(watch, sighting, judgeAgain(judgement.state, rulesOf(watch.config)))
      }, judgement.afterMs).unref()
      watch.reminders.add(reminder)
      return
    }
    case 'news': {
      const working = announce(watch, sighting, judgement.notice)
        .catch((error) => watch.log(`A limit could not be told: ${error}`))
        .finally(() => watch.work.delete(working))
      watch.work.add(working)
    }
  }
}

/** Records the limit, and tells of it unless somebody has, or claudef does. */
async function announce(
  watch: Watch,
  { limit, source, cwd }: Sighting,
  notice: Extract<Judgement, { type: 'news' }>['notice'],
): Promise<void> {
  const { options, store, home } = watch
  const now = options.now()
  const account = readAccount(source.configDir, { env: options.env, home })
  const known = toKnownLimit(limit, { ...account, cwd, sessionId: source.sessionId, seenAt: now })
  const key = announcementKey(account, limit)
  let isFirst = false
  const updated = await store.update((before) => {
    const state = addLimit(before, known)
    isFirst = false
    if (isClaudefs(state, source)) return state
    const announced = announceOnce(state, key, now)
    isFirst = announced.isFirst
    return announced.state
  })
  // Better told twice, by two processes, than not at all.
  if (updated === undefined) isFirst = !watch.told.has(key)
  else watch.clock.take(updated)
  watch.told.add(key)
  if (isFirst) tell(watch, renderLimitNews(limit, notice, { now, timeZone: localZone(), cwd, home }))
}

/** Sessions that claudef drives tell by themselves, in their own row. */
function isClaudefs({ sessions }: SharedState, { path: file, sessionId }: TranscriptSource): boolean {
  return sessions.some(
    (session) =>
      session.by === 'claudef' &&
      (session.transcript === file || session.sessionId === sessionId) &&
      isSameProcess(session.pid, session.processStart),
  )
}

function tell(watch: Watch, notification: Notification): void {
  watch.log(`${notification.title} · ${notification.text}`)
  watch.notifier.notify(notification)
  watch.options.onNews?.(notification)
}

function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
