import { childEnvironment, findClaude, readLogin } from './claude.ts'
import { readConfig } from './config.ts'
import { isSession, parseArgs } from './core/args.ts'
import { runInherited } from './inherit.ts'
import { openLog } from './log.ts'
import type { Ending } from './pty.ts'
import { openSession, type Session, startFirst, type World } from './relay.ts'

/** Signals that end a program and that claudef hands on to Claude Code. */
const FORWARDED: NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']

/**
 * Runs Claude Code: as a session with the fallback where there is a subscription to fall back from, else with
 * nothing added.
 * @returns how it ended; claudef ends the same way. 127 where no Claude Code was found.
 */
export async function launch(world: World): Promise<Ending> {
  const { config, problems } = readConfig(world.env)
  for (const problem of problems) world.warn(problem)
  const log = openLog(config.home, () => new Date(world.now()))
  const home = world.env.HOME || config.home
  const claude = findClaude({ ...world, home, chosen: config.claude })
  if (claude.type === 'missing') {
    world.warn(claude.sentence)
    return { type: 'exit', code: 127 }
  }
  const { CLAUDE_FALLBACK_API_KEY: _, ...unchanged } = world.env
  const direct = { file: claude.path, args: world.argv, hasTerminal: world.stdin.isTTY }
  const tokens = parseArgs(world.argv)
  if (!world.stdin.isTTY || !world.stdout.isTTY || world.env.CLAUDECODE || !isSession(tokens)) {
    return runInherited({ ...direct, env: unchanged })
  }
  const login = readLogin({ ...world, home, tokens })
  if (login.type === 'none') {
    log(`only passing through: ${login.reason}`)
    return runInherited({ ...direct, env: unchanged })
  }
  try {
    return await runSession(openSession({ world, config, log, claude: claude.path, tokens }))
  } catch (error) {
    log(`without the fallback: ${error}`)
    return runInherited({ ...direct, env: childEnvironment(world.env) })
  }
}

async function runSession(session: Session): Promise<Ending> {
  const { terminal } = session
  // From here on there is a child: whatever of ours fails, it goes on with the bare relay.
  const firstEnd = new Promise<Ending>((resolve) => {
    session.handlers.onEnd = resolve
  })
  const onSignal = (signal: NodeJS.Signals) => session.handlers.onSignal(signal)
  for (const signal of FORWARDED) process.on(signal, onSignal)
  const onError = (error: unknown) =>
    session.log(`unexpected: ${error instanceof Error ? error.stack : error}`)
  process.on('uncaughtException', onError)
  process.on('unhandledRejection', onError)
  try {
    const first = await startFirst(session)
    terminal.takeOver()
    const fallback = await import('./fallback.ts').catch(onError)
    return await (fallback === undefined ? firstEnd : fallback.runFallback(session, first, firstEnd))
  } finally {
    terminal.undo({ keepScreen: false })
    terminal.restore()
    session.keyServer?.close()
    session.folder.remove()
    for (const signal of FORWARDED) process.off(signal, onSignal)
  }
}
