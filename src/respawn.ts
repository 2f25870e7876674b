import fs from 'node:fs'
import path from 'node:path'
import { untrustedFolders } from './claude.ts'
import { whileBusy } from './claude-process.ts'
import type { Conversation } from './conversation.ts'
import { hasOption, listValues, resumeArgs, sessionChoice, startArgs } from './core/args.ts'
import type { Billing } from './core/policy.ts'
import { claudeHome } from './home.ts'
import { configDir, type Session, spawnChild, writeSettings } from './relay.ts'

/** After SIGTERM a child has this long to end by itself, in ms. Claude Code 2.1.330 takes 50 to 90. */
const TERM_MS = 3000

/**
 * Ends the child for one that follows: between two requests if it can be had, since prompts that were queued are sent
 * on at a limit. What the next child needs is written before, while there still is a child to go on with.
 * @returns the path of the next child's settings, and what to call once the child has ended; `undefined` where it
 * ended by itself
 * @throws where the settings cannot be written; the child then goes on
 */
export async function stopChild(
  session: Session,
  billing: Billing,
): Promise<{ settings: string; ended: () => void } | undefined> {
  const { child } = session
  if (child === undefined) return undefined
  const { directories } = chooseFolders(session)
  const settings = await writeSettings(session, billing, directories)
  await whileBusy(configDir(session), child.pid)
  if (session.child !== child) return undefined
  child.signal('SIGTERM')
  const timer = setTimeout(() => child.signalGroup('SIGKILL'), TERM_MS)
  return { settings, ended: () => clearTimeout(timer) }
}

/** Starts the conversation again, under the same id, with what the user said at the first start. */
export async function startAgain(
  session: Session,
  conversation: Conversation,
  how: { billing: Billing; prompt: string; settings: string | undefined },
): Promise<void> {
  const sessionId = conversation.sessionId()
  if (sessionId === undefined) throw new Error('the session id is unknown')
  session.terminal.undo({ keepScreen: true })
  const { addDirs, directories } = chooseFolders(session)
  const settings = how.settings ?? (await writeSettings(session, how.billing, directories))
  const model = await chooseModel(session, conversation)
  const { argv } = session.world
  const transcript = conversation.transcript()
  // Nothing has been said yet, so that there is nothing to resume.
  const isBlank = transcript === undefined || !fs.existsSync(transcript)
  const ours = { settings, sessionId, prompt: how.prompt, addDirs, ...(model === undefined ? {} : { model }) }
  const choice = sessionChoice(session.tokens)
  const isNew = isBlank && choice.type === 'new'
  const id = choice.id === undefined ? { sessionId } : {}
  spawnChild(session, isNew ? startArgs(argv, { settings, ...id }) : resumeArgs(argv, ours))
}

/**
 * The user's `--add-dir` folders for the next child. One that is not trusted would make Claude Code ask again what was
 * answered at the first start, in the middle of a switch: it goes by the settings, which grant the same access (but
 * load no skills from there).
 */
function chooseFolders({ world, tokens }: Session): { addDirs: string[]; directories: string[] } {
  const folders = listValues(tokens, '--add-dir')
  const untrusted = untrustedFolders(claudeWorld({ world }), folders)
  return {
    addDirs: folders.filter((folder) => !untrusted.includes(folder)),
    directories: untrusted.map((folder) => path.resolve(world.cwd, folder)),
  }
}

/** The model that the conversation last used, unless the user's own `--model` still says the same. */
async function chooseModel(session: Session, conversation: Conversation): Promise<string | undefined> {
  const { last, first } = await conversation.models()
  return last === first && hasOption(session.tokens, '--model') ? undefined : last
}

/** The world with the home that Claude Code goes by. */
export function claudeWorld({ world }: Pick<Session, 'world'>) {
  return { ...world, home: claudeHome(world) }
}
