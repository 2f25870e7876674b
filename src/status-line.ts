import fs from 'node:fs'
import path from 'node:path'
import { readSettingsOption } from './claude.ts'
import type { Billing } from './core/policy.ts'
import { isObject } from './core/settings.ts'
import { parseStatus, type Status } from './core/status-line.ts'
import { quoteWord } from './core/words.ts'
import { type SettingsFile, settingsFiles } from './settings-files.ts'

/**
 * Files of the session's folder. What a child tells goes by who pays for it: the one before, whose last words may still
 * be under way, is never paid for by the same.
 */
const STATUS: Record<Billing, string> = { subscription: 'status.subscription.json', api: 'status.api.json' }
const OWN_LINE = 'status-line.txt'
const NEW_COMMAND = 'status-line.sh'

/** What a run that was killed leaves behind. */
const PART = /^status\.\w+\.json\.\d+$/
const OLD_PART_MS = 60_000

/** How often Claude Code asks for claudef's own line, in s, besides when something of its own has changed. */
const OWN_REFRESH_S = 5

/** What claudef needs at most to answer new figures, in s. A `sleep` that knows no fractions fails at once. */
const ANSWER_S = 0.2

export type FindOptions = {
  /** Claude Code's own folder. */
  configDir: string
  cwd: string
  /** What their `--settings` says. */
  userSettings: Record<string, unknown>
  /** Their `--setting-sources`; default: all. */
  settingSources?: string | undefined
  /** Where managed settings lie; default: the system's place for them. */
  managedDir?: string
}

/**
 * The status line that Claude Code would show without claudef. It merges its settings field by field (measured on
 * 2.1.330): a project's command has the padding of the user's. `undefined`: there is none.
 */
export function findStatusLine(options: FindOptions): Record<string, unknown> | undefined {
  const { userSettings, settingSources = 'user,project,local' } = options
  const sources = [...settingSources.split(',').map((source) => source.trim()), 'managed']
  const files = settingsFiles(options).filter(({ source }) => sources.includes(source))
  const lines = [
    ...files.filter(({ source }) => source !== 'managed').map(readStatusLine),
    userSettings.statusLine,
    ...files.filter(({ source }) => source === 'managed').map(readStatusLine),
  ].filter(isObject)
  return lines.length === 0 ? undefined : Object.assign({}, ...lines)
}

/** A file that is missing or broken has none: the latter is Claude Code's to report. */
function readStatusLine(file: SettingsFile): unknown {
  try {
    return readSettingsOption(file.path, '/').statusLine
  } catch {
    return undefined
  }
}

export type ChainOptions = {
  /** The session's private folder. */
  folder: string
  /** Their status line, see `findStatusLine`. */
  users: Record<string, unknown> | undefined
  /** Whether those who have none get ours. */
  own: boolean
  /** Who pays for the child. */
  billing: Billing
}

/**
 * The `statusLine` for `--settings`: theirs, whose input is copied into the session's folder, or ours. `undefined`
 * leaves all as it is: there is none and none is wanted (a command that prints nothing would still take up a row of
 * the screen), or it is of a kind that claudef does not know.
 */
export function chainStatusLine(options: ChainOptions): Record<string, unknown> | undefined {
  const { folder, users, own } = options
  if (users === undefined) {
    const show = `sleep ${ANSWER_S} 2>/dev/null; cat ${quoteWord(path.join(folder, OWN_LINE))} 2>/dev/null`
    const line = { type: 'command', command: chain(options, show), refreshInterval: OWN_REFRESH_S }
    return own ? line : undefined
  }
  const command = readCommand(users)
  return command === undefined
    ? undefined
    : { ...users, command: chain(options, `eval ${quoteWord(command)}`) }
}

/** `undefined` where it would mean something else to an ordinary shell, or nothing. */
function readCommand({ type, command, args, shell }: Record<string, unknown>): string | undefined {
  if (type !== 'command' || typeof command !== 'string' || command.trim() === '') return undefined
  return args === undefined && shell === undefined ? command : undefined
}

/**
 * A command line that passes its input on to `show`, whose output and exit status are its own, and leaves a copy in
 * the folder: whole or not at all, and one only, the latest. `tee` goes on where the copy cannot be written, and (with
 * SIGPIPE ignored) where `show` reads nothing. `show` runs in the shell that Claude Code started, as it would without
 * us. After `replaceStatusLine` the user's new command runs in its place.
 */
function chain({ folder, billing }: Pick<ChainOptions, 'folder' | 'billing'>, show: string): string {
  const status = quoteWord(path.join(folder, STATUS[billing]))
  const changed = quoteWord(path.join(folder, NEW_COMMAND))
  const copy = `{ trap '' PIPE; tee ${status}.$$; mv -f ${status}.$$ ${status}; } 2>/dev/null`
  return `${copy} | if [ -r ${changed} ]; then . ${changed}; else ${show}\nfi`
}

/**
 * Takes over a status line that the user changed or made since the start, to be called where `findStatusLine` has a new
 * answer: Claude Code reads their settings again, but `--settings`, which comes first, only once (2.1.330). Shown from
 * the next run on; where theirs is gone, the one of the start. Never throws.
 */
export function replaceStatusLine(
  { folder, users }: Pick<ChainOptions, 'folder' | 'users'>,
  onError: OnError,
): void {
  const command = users === undefined ? undefined : readCommand(users)
  const file = path.join(folder, NEW_COMMAND)
  try {
    if (command === undefined) fs.rmSync(file, { force: true })
    else replaceFile(file, `${command}\n`)
  } catch (error) {
    onError(error as Error)
  }
}

/** Puts down what claudef's own status line says from its next run on. Never throws. */
export function writeStatusLine(folder: string, text: string, onError: OnError): void {
  try {
    const file = path.join(folder, OWN_LINE)
    if (readIfAny(file) !== `${text}\n`) replaceFile(file, `${text}\n`)
  } catch (error) {
    onError(error as Error)
  }
}

type OnError = (error: Error) => void

/** Nobody ever reads half of it. */
function replaceFile(file: string, text: string): void {
  fs.writeFileSync(`${file}.part`, text, { mode: 0o600 })
  fs.renameSync(`${file}.part`, file)
}

export type StatusLineFollower = {
  /** To be called before each child: what it says is news, though the one before it said the same. */
  renew: () => void
  stop: () => void
}

/**
 * Calls back with what Claude Code tells its status line, once for each change, and who pays for it. Of several in the
 * same moment only the last may come. Not a reason to stay alive; never throws.
 */
export function followStatusLine(
  folder: string,
  onStatus: (status: Status, billing: Billing) => void,
  onError: OnError,
): StatusLineFollower {
  const nothing = { text: '', status: '' }
  const last: Record<Billing, typeof nothing> = { subscription: { ...nothing }, api: { ...nothing } }
  let isStopped = false
  const take = (billing: Billing) => {
    if (isStopped) return
    const text = readIfAny(path.join(folder, STATUS[billing]))
    if (text === '' || text === last[billing].text) return
    last[billing].text = text
    removeOldParts(folder)
    const status = parseStatus(text)
    // Most of it is of no interest here, such as how long the session has lasted.
    if (status === undefined || JSON.stringify(status) === last[billing].status) return
    last[billing].status = JSON.stringify(status)
    onStatus(status, billing)
  }
  const renew = () => {
    for (const billing of BILLINGS) {
      last[billing] = { ...nothing }
      removeIfAny(path.join(folder, STATUS[billing]))
    }
  }
  try {
    const watcher = fs.watch(folder, { persistent: false }, (_, name) => {
      for (const billing of BILLINGS) if (name === STATUS[billing]) take(billing)
    })
    watcher.on('error', onError)
    // What came before the watch; not before the caller has what it waits for.
    queueMicrotask(() => BILLINGS.forEach(take))
    const stop = () => {
      isStopped = true
      watcher.close()
    }
    return { renew, stop }
  } catch (error) {
    onError(error as Error)
    return { renew: () => {}, stop: () => {} }
  }
}

const BILLINGS = ['subscription', 'api'] as const satisfies Billing[]

/** What cannot be removed is an old figure, once more. */
function removeIfAny(file: string): void {
  try {
    fs.rmSync(file, { force: true })
  } catch {}
}

function readIfAny(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** So that runs which Claude Code killed at the wrong moment do not fill the disk. */
function removeOldParts(folder: string): void {
  try {
    for (const name of fs.readdirSync(folder).filter((name) => PART.test(name))) {
      const file = path.join(folder, name)
      if (Date.now() - fs.statSync(file).mtimeMs > OLD_PART_MS) fs.rmSync(file)
    }
  } catch {
    // Renamed meanwhile, or the session is over.
  }
}
