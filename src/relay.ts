import type tty from 'node:tty'
import { childEnvironment, configFolder, readSettingsOption } from './claude.ts'
import type { Config } from './config.ts'
import { optionValue, sessionChoice, startArgs, type Token } from './core/args.ts'
import type { Billing } from './core/policy.ts'
import { mergeSettings } from './core/settings.ts'
import { hideMemory, showMemory } from './core-dump.ts'
import { createSessionFolder, type SessionFolder } from './folder.ts'
import { claudeHome } from './home.ts'
import type { JobControl } from './job-control.ts'
import { type FoundKey, type KeyServer, serveKey } from './key.ts'
import type { Log } from './log.ts'
import { type Ending, loadPty, type Pty, type PtyOptions } from './pty.ts'
import { shareTerminal } from './shared-terminal.ts'
import { mayHaveMode } from './state-file.ts'
import { chainStatusLine, findStatusLine } from './status-line.ts'
import { openTerminal, type Terminal, type TerminalOptions } from './terminal.ts'

/** All of the world that a launch touches, beside files. */
export type World = {
  /** Without `node` and the script. */
  argv: readonly string[]
  env: NodeJS.ProcessEnv
  cwd: string
  /** Absolute path of claudef's executable. */
  own: string
  isTerminal: { stdin: boolean; stdout: boolean; stderr: boolean }
  openStdin: () => tty.ReadStream
  openStdout: () => tty.WriteStream & { fd: number }
  warn: (sentence: string) => void
  /** Epoch ms. */
  now: () => number
}

/** One claudef with its terminal, through all the children that follow each other in it. */
export type Session = {
  world: World
  config: Config
  log: Log
  /** The real Claude Code. */
  claude: string
  tokens: readonly Token[]
  /** The key that pays, once it has been looked up. */
  key: FoundKey
  /** Looks the key up, where that has not been done; only when somebody is about to pay with it. */
  lookUpKey: () => Promise<FoundKey>
  folder: SessionFolder
  /** The user's own `--settings`, read once. */
  userSettings: Record<string, unknown>
  terminal: Terminal
  openPty: (options: PtyOptions) => Pty
  /** The child has the user's terminal itself, and claudef keeps out of it. */
  isShared: boolean
  jobControl: JobControl | undefined
  child: Pty | undefined
  /** Claude Code has been started at least once: whatever fails from then on must not start it anew. */
  hasStarted: boolean
  /** Said once the terminal is the user's again. */
  lastWords: string | undefined
  /** While an API child lives: gives it the key. */
  keyServer: KeyServer | undefined
  /** What is done with what the terminal and the child bring. */
  handlers: Handlers
}

type Handlers = {
  onInput: (input: Buffer) => void
  onOutput: (output: Uint8Array) => boolean
  onEnd: (ending: Ending) => void
  onSignal: (signal: NodeJS.Signals) => void
  onHangup: () => void
  onResize: () => void
}

/** The conversation that the first child opens, as far as it is known before it says so itself. */
export type First = {
  startedAt: number
  sessionId: string | undefined
  billing: Billing
  /** What the bottom row is to say of who pays: why not the key although that was wanted, or for how long. */
  note: string | undefined
}

/** @throws where the private folder or the user's own settings are out of reach. */
export function openSession(given: Pick<Session, 'world' | 'config' | 'log' | 'claude' | 'tokens'>): Session {
  const { world, tokens } = given
  const userSettings = readSettingsOption(optionValue(tokens, '--settings'), world.cwd)
  // A key may be in our environment already.
  hideMemory()
  let looking: Promise<FoundKey> | undefined
  const session: Session = {
    ...given,
    ...openDisplay(given, {
      onInput: (input) => session.handlers.onInput(input),
      onResize: (size) => {
        session.child?.resize(size)
        session.handlers.onResize()
      },
      onDrain: () => session.child?.resume(),
      onHangup: () => session.handlers.onHangup(),
    }),
    userSettings,
    // Last: whatever fails before leaves no folder behind.
    folder: createSessionFolder(world.env),
    key: { type: 'none' },
    lookUpKey: async () => {
      if (session.key.type === 'key') return session.key
      // A limit is told by several rows, and a command may ask for a password.
      looking ??= findKey(given).finally(() => {
        looking = undefined
      })
      session.key = await looking
      return session.key
    },
    jobControl: undefined,
    child: undefined,
    hasStarted: false,
    lastWords: undefined,
    keyServer: undefined,
    handlers: {
      onInput: (input) => writeToChild(session, input),
      onOutput: (output) => session.terminal.show(output),
      onEnd: () => {},
      onSignal: (signal) => session.child?.signal(signal),
      onHangup: () => {},
      onResize: () => {},
    },
  }
  return session
}

async function findKey({ config, log, world }: Pick<Session, 'config' | 'log' | 'world'>): Promise<FoundKey> {
  const { lookUpKey } = await import('./key-sources.ts')
  return lookUpKey({ config, env: world.env, log })
}

/**
 * A terminal for the child inside the user's, so that rows can be added below it. Where that cannot be had, or where
 * standard error goes elsewhere than to the terminal, the child has the user's own.
 */
function openDisplay(
  { world, log }: Pick<Session, 'world' | 'log'>,
  handlers: Omit<TerminalOptions, 'stdin' | 'stdout'>,
): Pick<Session, 'terminal' | 'openPty' | 'isShared'> {
  const stdout = world.openStdout()
  try {
    if (!world.isTerminal.stderr) throw new Error('standard error is not a terminal')
    const openPty = loadPty()
    return {
      terminal: openTerminal({ ...handlers, stdin: world.openStdin(), stdout }),
      openPty,
      isShared: false,
    }
  } catch (error) {
    log(`Claude Code is on this terminal itself, so claudef shows no notice: ${error}`)
    return { ...shareTerminal(stdout), isShared: true }
  }
}

/**
 * Starts the first child.
 * @param signalled comes where a signal ends claudef before there is a child to hand it to: a key can take its time
 */
export async function startFirst(session: Session, signalled: Promise<Ending>): Promise<First | Ending> {
  const { world, tokens } = session
  const choice = sessionChoice(tokens)
  const isNew = choice.type === 'new'
  const sessionId = choice.id ?? (isNew ? crypto.randomUUID() : undefined)
  const startedAt = world.now()
  const chosen = await Promise.race([chooseBilling(session), signalled])
  if ('type' in chosen) return chosen
  const { billing, note } = chosen
  const settings = await writeSettings(session, billing)
  const ours =
    isNew && choice.id === undefined && sessionId !== undefined ? { settings, sessionId } : { settings }
  spawnChild(session, startArgs(world.argv, ours))
  return { startedAt, sessionId, billing, note }
}

/** The subscription, but where the user has chosen otherwise: loads no more than that takes. */
async function chooseBilling({
  config,
  lookUpKey,
  log,
  world,
}: Session): Promise<Pick<First, 'billing' | 'note'>> {
  const isChosen = config.billing === 'api' || (config.billing === undefined && mayHaveMode(config.home))
  if (!isChosen) return { billing: 'subscription', note: undefined }
  const { chooseFirstBilling } = await import('./first-billing.ts')
  return chooseFirstBilling({ config, lookUpKey, log, now: world.now })
}

/** Writes what the next child gets by `--settings`; with API billing it names the helper that fetches the key. */
export async function writeSettings(
  session: Session,
  billing: Billing,
  directories: readonly string[] = [],
): Promise<string> {
  const { folder, key, userSettings, keyServer: before } = session
  if (billing === 'api' && key.type === 'key') session.keyServer ??= await serveKey(key.key, folder.path)
  // For the subscription's child the server goes on until the one that it serves has ended.
  const server = billing === 'api' ? session.keyServer : undefined
  const helper = server === undefined ? {} : { apiKeyHelper: server.helper }
  const statusLine = chainStatusLine({
    folder: folder.path,
    users: findOwnStatusLine(session),
    own: session.config.statusLine,
    billing,
  })
  const ours = { onSessionStart: folder.hookCommand, directories, statusLine, ...helper }
  try {
    return folder.writeSettings(mergeSettings(userSettings, ours))
  } catch (error) {
    // No child follows that would need it.
    if (server !== before) server?.close()
    session.keyServer = before
    throw error
  }
}

/** Claude Code's folder for this session. */
export function configDir({ world }: Pick<Session, 'world'>): string {
  return configFolder(world.env, claudeHome(world))
}

/** The status line that Claude Code would show without claudef. */
export function findOwnStatusLine(session: Session) {
  const { world, tokens, userSettings } = session
  const settingSources = optionValue(tokens, '--setting-sources')
  return findStatusLine({
    configDir: configDir(session),
    cwd: world.cwd,
    userSettings,
    ...(settingSources && { settingSources }),
  })
}

/** Starts Claude Code on a terminal of its own, in our folder, with every variable of ours but the keys. */
export function spawnChild(session: Session, args: readonly string[]): void {
  const { CLAUDE_CODE_OAUTH_TOKEN: token, ...env } = childEnvironment(session.world.env)
  const { keyServer } = session
  // Beside an API key it would make Claude Code warn of two logins.
  const login = token === undefined || keyServer !== undefined ? {} : { CLAUDE_CODE_OAUTH_TOKEN: token }
  session.hasStarted = true
  keyServer?.open()
  let isShowDue = keyServer === undefined
  session.child = session.openPty({
    file: session.claude,
    args,
    env: { ...env, ...login },
    cwd: '',
    size: session.terminal.childSize(),
    onOutput: (output) => {
      // What is set before its exec has ended may go with the memory that the exec replaces.
      if (isShowDue && session.child !== undefined) showMemory(session.child.pid)
      isShowDue = false
      return session.handlers.onOutput(output)
    },
    onDrain: () => session.terminal.holdInput('full', false),
    onEnd: (ending) => {
      session.child = undefined
      if (keyServer !== undefined) {
        keyServer.close()
        session.keyServer = undefined
      }
      session.handlers.onEnd(ending)
    },
  })
}

export function writeToChild(session: Session, input: Uint8Array): void {
  session.jobControl?.watchInput(input)
  if (session.child?.write(input) === false) session.terminal.holdInput('full', true)
}
