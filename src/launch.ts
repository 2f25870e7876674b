import { childEnvironment, findClaude, readLogin } from './claude.ts'
import { type Config, readConfig } from './config.ts'
import { hasOption, isSession, parseArgs } from './core/args.ts'
import { showMemory } from './core-dump.ts'
import { replaceDescriptors } from './descriptors.ts'
import { createSessionFolder, type SessionFolder } from './folder.ts'
import { claudeHome } from './home.ts'
import { isFromTerminal, runInherited } from './inherit.ts'
import { controlJob } from './job-control.ts'
import { openLog } from './log.ts'
import type { Ending } from './pty.ts'
import { openSession, type Session, startFirst, type World } from './relay.ts'

/** Signals that claudef hands on to Claude Code. */
const FORWARDED: NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']

/** How long a child may outlive its terminal, in ms. */
const HANGUP_MS = 2000

/** Signals after which a session is over. */
const ENDING: NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGQUIT']

/** Signals that mean something to Claude Code alone. */
const FOR_CLAUDE: NodeJS.Signals[] = ['SIGUSR1', 'SIGUSR2']

/**
 * Runs Claude Code: as a session with the fallback where there is a subscription to fall back from, else with
 * nothing added.
 * @returns how it ended; claudef ends the same way. 127 where no Claude Code was found.
 */
export async function launch(world: World): Promise<Ending> {
  const { config, problems } = readConfig(world.env)
  for (const problem of problems) world.warn(problem)
  const log = openLog(config.home, () => new Date(world.now()))
  const home = claudeHome(world)
  const claude = findClaude({ ...world, home, chosen: config.claude })
  if (claude.type === 'missing') {
    world.warn(claude.sentence)
    return { type: 'exit', code: 127 }
  }
  const { CLAUDE_FALLBACK_API_KEY: _, ...unchanged } = world.env
  const { stdin, stdout } = world.isTerminal
  if (!stdin || !stdout || world.env.CLAUDECODE || !isSession(parseArgs(world.argv))) {
    const env = chooseEnvironment(world, config, unchanged)
    return runInherited({ file: claude.path, args: world.argv, env })
  }
  const given = takeDescriptors(world)
  let session: Session | undefined
  try {
    const argv = given.args
    const tokens = parseArgs(argv)
    const login = readLogin({ ...world, home, tokens })
    if (login.type === 'none') {
      log(`only passing through: ${login.reason}`)
      return await runInherited({ file: claude.path, args: argv, env: unchanged })
    }
    session = openSession({ world: { ...world, argv }, config, log, claude: claude.path, tokens })
    return await runSession(session)
  } catch (error) {
    log(`without the fallback: ${error}`)
    // A second Claude Code in the place of one that has run would be a surprise.
    if (session?.hasStarted) return { type: 'exit', code: 1 }
    showMemory(process.pid)
    return await runInherited({ file: claude.path, args: given.args, env: childEnvironment(world.env) })
  } finally {
    given.remove()
  }
}

/**
 * What a Claude Code gets that claudef only passes through. Who asked for the subscription gets no key that would bill
 * the API all the same; what the key would cost is not counted here, so that it is not taken for whoever asked for it.
 */
function chooseEnvironment(world: World, config: Config, unchanged: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (config.sources.billing === 'default') return unchanged
  if (config.billing === 'subscription') return childEnvironment(world.env)
  const tokens = parseArgs(world.argv)
  if (hasOption(tokens, '--print') || hasOption(tokens, '-p')) {
    world.warn(
      'API billing is for sessions in a terminal: with -p Claude Code runs as it does without claudef.',
    )
  }
  return unchanged
}

/** Arguments for every child of a session, with a folder only where one is needed. */
function takeDescriptors(world: World): { args: readonly string[]; remove: () => void } {
  let folder: SessionFolder | undefined
  const open = () => {
    folder ??= createSessionFolder(world.env)
    return folder.path
  }
  return { args: replaceDescriptors(world.argv, open), remove: () => folder?.remove() }
}

async function runSession(session: Session): Promise<Ending> {
  const { terminal } = session
  // From here on there is a child: whatever of ours fails, it goes on with the bare relay.
  const firstEnd = new Promise<Ending>((resolve) => {
    session.handlers.onEnd = resolve
  })
  const onError = (error: unknown) =>
    session.log(`unexpected: ${error instanceof Error ? error.stack : error}`)
  process.on('uncaughtException', onError)
  process.on('unhandledRejection', onError)
  const signals = followSignals(session)
  try {
    const first = await startFirst(session, signals.beforeStart)
    if ('type' in first) return first
    terminal.takeOver()
    const fallback = await import('./fallback.ts').catch(onError)
    return await (fallback === undefined ? firstEnd : fallback.runFallback(session, first, firstEnd))
  } finally {
    await terminal.flush(signals.isEnding)
    terminal.lend()
    terminal.undo({ keepScreen: false })
    await terminal.flush(() => true)
    terminal.restore()
    session.keyServer?.close()
    session.folder.remove()
    signals.stop()
    if (session.lastWords !== undefined) session.world.warn(session.lastWords)
  }
}

type SignalFollower = {
  isEnding: () => boolean
  /** The end by one that came before there was a child. */
  beforeStart: Promise<Ending>
  stop: () => void
}

/** Hands signals on to the child, and stops and continues with it. */
function followSignals(session: Session): SignalFollower {
  let isEnding = false
  let endBeforeStart: (ending: Ending) => void = () => {}
  const beforeStart = new Promise<Ending>((resolve) => {
    endBeforeStart = resolve
  })
  const onSignal = (signal: NodeJS.Signals) => {
    if (!session.hasStarted) {
      if (!FOR_CLAUDE.includes(signal)) endBeforeStart({ type: 'signal', signal })
      return
    }
    if (session.isShared && isFromTerminal(signal)) return
    isEnding ||= ENDING.includes(signal)
    session.handlers.onSignal(signal)
    if (signal === 'SIGHUP') setTimeout(() => session.child?.signalGroup('SIGKILL'), HANGUP_MS).unref()
  }
  // Mostly SIGHUP says so, but to the foreground group alone.
  session.handlers.onHangup = () => {
    if (!isEnding) onSignal('SIGHUP')
  }
  for (const signal of FORWARDED) process.on(signal, onSignal)
  if (!session.isShared) {
    const { terminal } = session
    session.jobControl = controlJob({ child: () => session.child, terminal, isEnding: () => isEnding })
  }
  return {
    isEnding: () => isEnding,
    beforeStart,
    stop: () => {
      session.jobControl?.stop()
      for (const signal of FORWARDED) process.off(signal, onSignal)
    },
  }
}
