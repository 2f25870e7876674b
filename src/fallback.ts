import path from 'node:path'
import { configFolder, untrustedFolders } from './claude.ts'
import { whileBusy } from './claude-process.ts'
import { type Conversation, followConversation } from './conversation.ts'
import { hasOption, listValues, resumeArgs } from './core/args.ts'
import { renderBanner } from './core/banner.ts'
import { parseApiFailure, parseLimit } from './core/limit.ts'
import {
  type Action,
  type Billing,
  type Input,
  initialState,
  type Rules,
  type State,
  transition,
} from './core/policy.ts'
import { isObject } from './core/settings.ts'
import { sweepSessionFolders } from './folder.ts'
import { maskKey } from './key.ts'
import type { Ending } from './pty.ts'
import { type First, type Session, spawnChild, writeSettings, writeToChild } from './relay.ts'
import { type Listening, openTyping, type Typing } from './typing.ts'

/** What changes while a session is watched over. */
type Watch = {
  session: Session
  rules: Rules
  state: State
  conversation: Conversation
  typing: Typing
  /** Kills the child that does not end by itself. */
  killTimer: NodeJS.Timeout | undefined
  reminders: NodeJS.Timeout[]
  /** Written for the child that follows the one which is being stopped. */
  settings: string | undefined
  /** How the last child ended. */
  ending: Ending
  finish: (ending: Ending) => void
}

/** After SIGTERM a child has this long to end by itself, in ms. Claude Code 2.1.330 takes 50 to 90. */
const TERM_MS = 3000

/** Watches over a session until its last child has ended. */
export function runFallback(session: Session, first: First, firstEnd: Promise<Ending>): Promise<Ending> {
  return new Promise((resolve) => {
    const watch: Watch = {
      session,
      rules: { autoRestart: session.config.autoRestart, noKey: explainMissingKey(session) },
      state: firstState(session, first),
      conversation: followConversation({
        config: configDir(session),
        cwd: session.world.cwd,
        sessionId: first.sessionId,
        onRow: (row) => readRow(watch, row),
        log: session.log,
      }),
      typing: openTyping({
        write: (input) => writeToChild(session, input),
        listening: () => listening(watch.state),
        onKey: (key) => dispatch(watch, { type: 'key', key }),
      }),
      killTimer: undefined,
      reminders: [],
      settings: undefined,
      ending: { type: 'exit', code: 0 },
      finish: (ending) => {
        for (const timer of watch.reminders) clearTimeout(timer)
        watch.typing.stop()
        watch.conversation.stop()
        resolve(ending)
      },
    }
    attach(watch)
    showNotice(watch)
    if (session.child !== undefined) watch.conversation.begin(session.child.pid)
    // Only where it came before `attach`.
    void firstEnd.then((ending) => endChild(watch, ending))
    sweep(session)
  })
}

function firstState(session: Session, first: First): State {
  const reason = explainMissingKey(session)
  if (session.config.billing === 'subscription' || reason === undefined) {
    return initialState(session.config.billing, first.startedAt)
  }
  const text = `CLAUDE_FALLBACK_BILLING is api, but there is no key to pay with (${reason}): on the subscription`
  return { ...initialState('subscription', first.startedAt), notice: { type: 'told', text } }
}

function attach(watch: Watch): void {
  const { session, typing, conversation } = watch
  session.handlers.onInput = typing.take
  session.handlers.onOutput = (output) => {
    if (watch.state.next !== undefined && !watch.state.quitting) {
      session.terminal.showFarewell(output)
      return true
    }
    const taken = session.terminal.show(output)
    if (typing.isHeld() && session.terminal.takesPaste()) typing.release()
    return taken
  }
  session.handlers.onResize = () => showNotice(watch)
  session.handlers.onEnd = (ending) => endChild(watch, ending)
  session.handlers.onSignal = (signal) => passSignal(watch, signal)
  session.folder.watch(conversation.enter, (error) => {
    session.log(`the session hook is out of reach: ${error.message}`)
  })
}

function readRow(watch: Watch, row: unknown): void {
  const now = watch.session.world.now()
  const failure = watch.state.billing === 'api' ? parseApiFailure(row) : undefined
  if (failure !== undefined) return dispatch(watch, { type: 'failure', failure, at: timeOf(row) })
  const limit = parseLimit(row, { now, timeZone: localZone() })
  if (limit === undefined) return
  const version = isObject(row) && typeof row.version === 'string' ? row.version : undefined
  dispatch(watch, { type: 'limit', limit, version })
}

function dispatch(watch: Watch, input: Input): void {
  const step = transition(watch.state, input, watch.rules)
  watch.state = step.state
  for (const action of step.actions) perform(watch, action)
  showNotice(watch)
}

function perform(watch: Watch, action: Action): void {
  switch (action.type) {
    case 'stop':
      return void stopChild(watch)
    case 'start':
      return void startAgain(watch, action).catch((error) => {
        const id = watch.conversation.sessionId()
        watch.session.log(`could not start Claude Code again: ${error}`)
        watch.session.lastWords = `Claude Code could not be started again. Go on with: claude --resume ${id}`
        watch.finish(watch.ending)
      })
    case 'remind':
      watch.reminders.push(setTimeout(() => dispatch(watch, { type: 'reminded' }), action.afterMs))
      return
    case 'log':
      return watch.session.log(action.message)
    case 'finish':
      return watch.finish(watch.ending)
  }
}

/** Ends the child: between two requests if it can be had, since prompts that were queued are sent on at a limit. */
async function stopChild(watch: Watch): Promise<void> {
  const { session, state } = watch
  const { child } = session
  watch.typing.hold()
  if (child === undefined || state.next === undefined) return
  try {
    // While there still is a child to go on with: a full disk must not cost the session.
    const { directories } = chooseFolders(session)
    watch.settings = await writeSettings(session, state.next.billing, directories)
  } catch (error) {
    watch.typing.release()
    return dispatch(watch, { type: 'stuck', reason: `the switch cannot be prepared (${error})` })
  }
  await whileBusy(configDir(session), child.pid)
  if (session.child !== child) return
  child.signal('SIGTERM')
  watch.killTimer = setTimeout(() => child.signalGroup('SIGKILL'), TERM_MS)
}

function endChild(watch: Watch, ending: Ending): void {
  clearTimeout(watch.killTimer)
  watch.ending = ending
  const failed = ending.type === 'exit' && ending.code !== 0
  const end = { failed, opened: watch.conversation.hasOpened() }
  dispatch(watch, { type: 'ended', end, now: watch.session.world.now() })
}

/** Starts the conversation again, under the same id, with what the user said at the first start. */
async function startAgain(watch: Watch, how: { billing: Billing; prompt: boolean }): Promise<void> {
  const { session, conversation, typing } = watch
  const sessionId = conversation.sessionId()
  if (sessionId === undefined) throw new Error('the session id is unknown')
  session.terminal.undo({ keepScreen: true })
  const { addDirs, directories } = chooseFolders(session)
  const settings = watch.settings ?? (await writeSettings(session, how.billing, directories))
  watch.settings = undefined
  const model = await chooseModel(watch)
  const prompt = how.prompt ? session.config.continuePrompt : ''
  const ours = { settings, sessionId, prompt, addDirs, ...(model === undefined ? {} : { model }) }
  spawnChild(session, resumeArgs(session.world.argv, ours))
  typing.answer()
  if (session.child !== undefined) conversation.begin(session.child.pid)
}

/**
 * The user's `--add-dir` folders for the next child. One that is not trusted would make Claude Code ask again what was
 * answered at the first start, in the middle of a switch: it goes by the settings, which grant the same access (but
 * load no skills from there).
 */
function chooseFolders({ world, config, tokens }: Session): { addDirs: string[]; directories: string[] } {
  const folders = listValues(tokens, '--add-dir')
  const untrusted = untrustedFolders({ ...world, home: world.env.HOME || config.home }, folders)
  return {
    addDirs: folders.filter((folder) => !untrusted.includes(folder)),
    directories: untrusted.map((folder) => path.resolve(world.cwd, folder)),
  }
}

/** The model that the conversation last used, unless the user's own `--model` still says the same. */
async function chooseModel({ conversation, session }: Watch): Promise<string | undefined> {
  const { last, first } = await conversation.models()
  return last === first && hasOption(session.tokens, '--model') ? undefined : last
}

function passSignal(watch: Watch, signal: NodeJS.Signals): void {
  const { child } = watch.session
  if (signal === 'SIGUSR1' || signal === 'SIGUSR2') return child?.signal(signal)
  // Claude Code takes a SIGINT for a Ctrl+C, which need not end it; in the middle of a switch it means: stop here.
  if (signal !== 'SIGINT' || watch.state.next !== undefined) dispatch(watch, { type: 'quit' })
  if (signal !== 'SIGHUP') return child?.signal(signal)
  child?.signalGroup(signal)
}

function listening({ notice }: State): Listening {
  if (notice.type === 'question') return 'answer'
  return notice.type === 'offer' || notice.type === 'api' ? 'switch' : 'nothing'
}

function showNotice({ session, state }: Watch): void {
  const { key, terminal, world } = session
  const text = renderBanner(state.notice, {
    columns: terminal.size().columns,
    now: world.now(),
    timeZone: localZone(),
    key: key.type === 'key' ? maskKey(key.key) : '',
    color: !world.env.NO_COLOR,
  })
  terminal.reserveRow(text)
}

function explainMissingKey({ key }: Session): string | undefined {
  if (key.type === 'key') return undefined
  return key.type === 'none' ? 'no API key' : `${key.source} was refused: ${key.reason}`
}

/** Epoch ms of a row's own time stamp. */
function timeOf(row: unknown): number | undefined {
  const time = isObject(row) ? Date.parse(String(row.timestamp)) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}

function configDir({ world, config }: Session): string {
  return configFolder(world.env, world.env.HOME ?? config.home)
}

function sweep(session: Session): void {
  try {
    sweepSessionFolders(session.world.env)
  } catch (error) {
    session.log(`old session folders stay: ${error}`)
  }
}
