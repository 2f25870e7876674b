import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Companion } from './companion.ts'
import { readConfig } from './config.ts'
import { renderLaunchAgent, renderSystemdUnit, SERVICE_MARK, type Service } from './core/service.ts'
import { quoteWord } from './core/words.ts'
import { homeFolder } from './home.ts'
import { KEY_VARIABLES } from './key.ts'
import { readMonitor } from './pid-file.ts'
import { withoutKeys } from './run-tool.ts'

type ServiceCommand = Companion & {
  /** Default: this one. */
  platform?: NodeJS.Platform
}

/** Where the system keeps it, and what it is told. */
type Installation = {
  file: string
  text: string
  /** Run first where it is there already; may fail. */
  refresh: string[][]
  /** Run after the file is written. */
  enable: string[][]
  /** Run before the file is removed. */
  disable: string[][]
  /** Run after that. */
  forget: string[][]
  /** Made by the system for it: removed where the system could not be told to. */
  links: string[]
}

const UNIT = 'claude-fallback.service'
const LABEL = 'claude-fallback.monitor'

/** What of the environment of `start --service` holds for the monitor of every login. Never a key. */
const KEPT_VARIABLES = [
  'CLAUDE_CONFIG_DIR',
  'CLAUDE_FALLBACK_HOME',
  'CLAUDE_FALLBACK_CONFIG',
  'CLAUDE_FALLBACK_CONFIG_DIRS',
  'CLAUDE_FALLBACK_NOTIFY',
  'CLAUDE_FALLBACK_NOTIFY_COMMAND',
  'CLAUDE_FALLBACK_AUTO_RESTART',
  'XDG_CONFIG_HOME',
]

/** How long a command of the system's may take, in ms. */
const TIME_LIMIT_MS = 30_000

/**
 * `start --service`: has the system start the monitor at every login, and now.
 * @returns the exit code: 1 where the file is written, but the system could not be told
 */
export async function runStartService(
  command: ServiceCommand,
  { isDryRun }: { isDryRun: boolean },
): Promise<number> {
  const { stdout } = command
  const { file, text, refresh, enable } = describeInstallation(command)
  if (isDryRun) {
    stdout.write(`Would write ${file}:\n\n${text}\nand run:\n${renderCommands(enable)}`)
    return 0
  }
  const found = readIfAny(file)
  const obstacle = isOthers(found) ? describeOthers(file) : findMonitor(command, found)
  if (obstacle !== undefined) return fail(command, obstacle)
  try {
    if (found !== text) writeWhole(file, text)
  } catch (error) {
    return fail(command, `${file} cannot be written: ${(error as Error).message}`)
  }
  stdout.write(`${found === text ? 'Nothing to change in' : 'Wrote'} ${file}.\n`)
  if (found !== undefined) await runAll(refresh, command)
  const problem = await runAll(enable, command)
  if (problem !== undefined) return fail(command, `${problem}\nTo start it, type:\n${renderCommands(enable)}`)
  stdout.write(
    'The monitor starts now, and at every login. `claude-fallback status` tells whether it runs.\n',
  )
  return 0
}

/** `stop --service`: takes away what `start --service` has written, and ends the monitor that it started. */
export async function runStopService(
  command: ServiceCommand,
  { isDryRun }: { isDryRun: boolean },
): Promise<number> {
  const { stdout } = command
  const { file, disable, forget, links } = describeInstallation(command)
  const found = readIfAny(file)
  if (found === undefined) {
    stdout.write(`There is no service: ${file} does not exist.\n`)
    return 0
  }
  if (isOthers(found)) return fail(command, describeOthers(file))
  if (isDryRun) {
    stdout.write(`Would run:\n${renderCommands([...disable, ...forget])}and remove ${file}.\n`)
    return 0
  }
  const problem = await runAll(disable, command)
  for (const link of [...links, file]) fs.rmSync(link, { force: true })
  stdout.write(`Removed ${file}.\n`)
  if (problem === undefined) await runAll(forget, command)
  else stdout.write(`${problem}\nIf it still runs, \`claude-fallback stop\` ends it.\n`)
  return 0
}

function describeInstallation(command: ServiceCommand): Installation {
  const { env, cwd, platform = process.platform } = command
  const home = homeFolder(env)
  const service: Service = {
    description: 'Tells when a session of Claude Code meets its usage limit',
    words: [
      process.execPath,
      fs.realpathSync(fileURLToPath(new URL('../bin/claude-fallback.js', import.meta.url))),
      'start',
    ],
    variables: keptVariables(env, cwd),
    without: KEY_VARIABLES,
  }
  return platform === 'darwin'
    ? describeLaunchAgent(service, { home, env })
    : describeUnit(service, { home, env })
}

type Place = { home: string; env: NodeJS.ProcessEnv }

function describeUnit(service: Service, { home, env }: Place): Installation {
  const { XDG_CONFIG_HOME: xdg } = env
  const base = xdg && path.isAbsolute(xdg) ? xdg : path.join(home, '.config')
  const folder = path.join(base, 'systemd/user')
  const systemctl = (...words: string[]) => ['systemctl', '--user', ...words]
  return {
    file: path.join(folder, UNIT),
    text: renderSystemdUnit(service),
    refresh: [],
    // `restart` also takes up what is new in the file.
    enable: [systemctl('daemon-reload'), systemctl('enable', UNIT), systemctl('restart', UNIT)],
    disable: [systemctl('disable', '--now', UNIT)],
    forget: [systemctl('daemon-reload')],
    links: [path.join(folder, 'default.target.wants', UNIT)],
  }
}

function describeLaunchAgent(service: Service, { home, env }: Place): Installation {
  const file = path.join(home, 'Library/LaunchAgents', `${LABEL}.plist`)
  const domain = `gui/${process.getuid?.() ?? 0}`
  // launchd's own PATH lacks what a command for notifications may need.
  const variables = { ...(env.PATH && { PATH: env.PATH }), ...service.variables }
  return {
    file,
    text: renderLaunchAgent({ ...service, variables }, LABEL),
    // launchctl loads nothing twice.
    refresh: [['launchctl', 'bootout', `${domain}/${LABEL}`]],
    enable: [['launchctl', 'bootstrap', domain, file]],
    disable: [['launchctl', 'bootout', `${domain}/${LABEL}`]],
    forget: [],
    links: [],
  }
}

function keptVariables(env: NodeJS.ProcessEnv, cwd: string): Record<string, string> {
  const kept = KEPT_VARIABLES.flatMap((name) => {
    const value = env[name]
    if (!value) return []
    return [[name, name === 'CLAUDE_CONFIG_DIR' ? path.resolve(cwd, value) : value] as const]
  })
  return Object.fromEntries(kept)
}

/** A monitor that was started by hand would leave the service nothing to do. */
function findMonitor({ env }: Companion, unit: string | undefined): string | undefined {
  const monitor = readMonitor(readConfig(env).config.home)
  if (monitor.type !== 'running' || unit !== undefined) return undefined
  return `A monitor runs already (pid ${monitor.pid}): end it with \`claude-fallback stop\`, then try again.`
}

function isOthers(text: string | undefined): boolean {
  return text !== undefined && !text.includes(SERVICE_MARK)
}

function describeOthers(file: string): string {
  return `${file} is not of claude-fallback's making, and is left alone. Move it away, then try again.`
}

function readIfAny(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** For the user alone: a command for notifications may hold a token. */
function writeWhole(file: string, text: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  const written = `${file}.${process.pid}.tmp`
  fs.writeFileSync(written, text, { mode: 0o600 })
  fs.renameSync(written, file)
}

/** Runs them in turn; returns what was wrong with the first that failed. */
async function runAll(commands: string[][], { env }: Companion): Promise<string | undefined> {
  const { execa } = await import('execa')
  for (const [file = '', ...args] of commands) {
    const { failed, stderr, shortMessage } = await execa(file, args, {
      env: withoutKeys(env),
      extendEnv: false,
      stdin: 'ignore',
      timeout: TIME_LIMIT_MS,
      reject: false,
    })
    if (failed) return `\`${[file, ...args].join(' ')}\` failed: ${stderr?.trim() || shortMessage}`
  }
  return undefined
}

function renderCommands(commands: string[][]): string {
  const renderWord = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : quoteWord(word))
  return commands.map((words) => `  ${words.map(renderWord).join(' ')}\n`).join('')
}

function fail({ stderr }: Companion, sentence: string): number {
  stderr.write(`claude-fallback: ${sentence}\n`)
  return 1
}
