import fs from 'node:fs'
import path from 'node:path'
import { configFolder } from './claude.ts'
import { watchConversation, whileBusy } from './claude-process.ts'
import { hasOption, resumeArgs } from './core/args.ts'
import { renderBanner } from './core/banner.ts'
import { type KeyPress, type KeyReader, readKeys } from './core/keys.ts'
import { LIMIT_MARKER, parseApiFailure, parseLimit } from './core/limit.ts'
import {
  type Action,
  type Billing,
  type Input,
  initialState,
  type Rules,
  type State,
  transition,
} from './core/policy.ts'
import { type SessionStart, sweepSessionFolders } from './folder.ts'
import { maskKey } from './key.ts'
import type { Ending } from './pty.ts'
import { type First, type Session, spawnChild, writeSettings, writeToChild } from './relay.ts'
import {
  type Follower,
  findTranscript,
  followTranscript,
  readLastModel,
  transcriptSlug,
} from './transcript.ts'

/** What changes while a session is watched over. */
type Watch = {
  session: Session
  rules: Rules
  state: State
  sessionId: string | undefined
  transcript: string | undefined
  follower: Follower | undefined
  /** Follows the child's own word on its conversation, where hooks are off. */
  conversation: { stop: () => void }
  /** The model that the first child named at its start, before the user could change it. */
  startModel: string | undefined
  /** The child that runs has opened its conversation. */
  opened: boolean
  keys: KeyReader
  keyTimer: NodeJS.Timeout | undefined
  /** What was typed while no child could read it; `undefined` while one can. */
  typed: Uint8Array[] | undefined
  typedTimer: NodeJS.Timeout | undefined
  /** Bytes of the transcript when the child was started. */
  startSize: number
  killTimer: NodeJS.Timeout | undefined
  /** How the last child ended. */
  ending: Ending
  finish: (ending: Ending) => void
}

/** After SIGTERM a child has this long to end by itself, in ms. Claude Code 2.1.330 takes 50 to 90. */
const TERM_MS = 3000

/** After the terminal has gone, in ms. */
const HANGUP_MS = 2000

/** A new child that has not turned bracketed paste on by then gets its input all the same, in ms. */
const READY_MS = 5000

/** How long an Esc is held to see whether a longer key follows, in ms. */
const ESCAPE_MS = 25

/** Of a transcript that was there before: how much of its end is read again, in bytes. Older rows do not count. */
const OVERLAP_BYTES = 256 * 1024

/** Watches over a session until its last child has ended. */
export function runFallback(session: Session, first: First, firstEnd: Promise<Ending>): Promise<Ending> {
  return new Promise((resolve) => {
    const { config } = session
    const watch: Watch = {
      session,
      rules: { autoRestart: config.autoRestart, noKey: explainMissingKey(session) },
      state: firstState(session, first),
      sessionId: first.sessionId,
      transcript: undefined,
      follower: undefined,
      conversation: { stop: () => {} },
      startModel: undefined,
      opened: false,
      keys: { rest: new Uint8Array(), pasting: false },
      keyTimer: undefined,
      typed: undefined,
      typedTimer: undefined,
      startSize: 0,
      killTimer: undefined,
      ending: { type: 'exit', code: 0 },
      finish: (ending) => {
        clearTimeout(watch.keyTimer)
        clearTimeout(watch.typedTimer)
        watch.conversation.stop()
        void watch.follower?.stop()
        resolve(ending)
      },
    }
    attach(watch)
    showNotice(watch)
    watchChild(watch)
    // Only where it came before `attach`.
    void firstEnd.then((ending) => endChild(watch, ending))
    // Without a word from the hook (hooks may be off) the id must do.
    if (first.sessionId !== undefined) void followById(watch, expected(watch, first.sessionId))
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

function expected(watch: Watch, sessionId: string) {
  const folder = path.join(configDir(watch), 'projects', transcriptSlug(watch.session.world.cwd))
  return { sessionId, transcript: path.join(folder, `${sessionId}.jsonl`) }
}

function attach(watch: Watch): void {
  const { session } = watch
  session.handlers.onInput = (input) => takeInput(watch, input)
  session.handlers.onOutput = (output) => {
    // The farewell of a child that another follows: its picture stays until the next one is drawn.
    if (watch.state.next !== undefined && !watch.state.quitting) return true
    const taken = session.terminal.show(output)
    if (watch.typed !== undefined && session.terminal.takesPaste()) handOver(watch)
    return taken
  }
  session.handlers.onEnd = (ending) => endChild(watch, ending)
  session.handlers.onSignal = (signal) => passSignal(watch, signal)
  session.folder.watch(
    (start) => followStart(watch, start),
    (error) => session.log(`the session hook is out of reach: ${error.message}`),
  )
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
      void startAgain(watch, action).catch((error) => {
        watch.session.log(`could not start Claude Code again: ${error}`)
        watch.finish(watch.ending)
      })
      return
    case 'log':
      return watch.session.log(action.message)
    case 'finish':
      return watch.finish(watch.ending)
  }
}

/** Ends the child: between two requests if it can be had, since prompts that were queued are sent on at a limit. */
async function stopChild(watch: Watch): Promise<void> {
  const { child } = watch.session
  watch.typed ??= []
  if (child === undefined) return
  await whileBusy(configDir(watch), child.pid)
  if (watch.session.child !== child) return
  child.signal('SIGTERM')
  watch.killTimer = setTimeout(() => child.signalGroup('SIGKILL'), TERM_MS)
}

function endChild(watch: Watch, ending: Ending): void {
  clearTimeout(watch.killTimer)
  watch.ending = ending
  const failed = ending.type === 'exit' && ending.code !== 0
  const opened =
    watch.opened || (watch.transcript !== undefined && fileSize(watch.transcript) > watch.startSize)
  dispatch(watch, { type: 'ended', end: { failed, opened }, now: watch.session.world.now() })
}

/** Starts the conversation again, under the same id, with what the user said at the first start. */
async function startAgain(watch: Watch, how: { billing: Billing; prompt: boolean }): Promise<void> {
  const { session } = watch
  const { sessionId } = watch
  if (sessionId === undefined) throw new Error('the session id is unknown')
  session.terminal.undo({ keepScreen: true })
  watch.opened = false
  watch.startSize = watch.transcript === undefined ? 0 : fileSize(watch.transcript)
  const settings = await writeSettings(session, how.billing)
  const model = await chooseModel(watch)
  const prompt = how.prompt ? session.config.continuePrompt : ''
  const ours = { settings, sessionId, prompt, ...(model === undefined ? {} : { model }) }
  spawnChild(session, resumeArgs(session.world.argv, ours))
  watchChild(watch)
  watch.typedTimer = setTimeout(() => handOver(watch), READY_MS)
}

/** The new child reads its input now: it gets what was typed meanwhile, in order. */
function handOver(watch: Watch): void {
  clearTimeout(watch.typedTimer)
  const typed = watch.typed ?? []
  watch.typed = undefined
  for (const input of typed) writeToChild(watch.session, input)
}

/** The model that the conversation last used, unless the user's own `--model` still says the same. */
async function chooseModel(watch: Watch): Promise<string | undefined> {
  const { transcript, startModel, session } = watch
  const last = transcript === undefined ? undefined : await readLastModel(transcript)
  return last === startModel && hasOption(session.tokens, '--model') ? undefined : last
}

function passSignal(watch: Watch, signal: NodeJS.Signals): void {
  const { child } = watch.session
  if (signal === 'SIGUSR1' || signal === 'SIGUSR2') return child?.signal(signal)
  // Claude Code takes a SIGINT for a Ctrl+C, which need not end it; in the middle of a switch it means: stop here.
  if (signal !== 'SIGINT' || watch.state.next !== undefined) dispatch(watch, { type: 'quit' })
  if (signal !== 'SIGHUP') return child?.signal(signal)
  child?.signalGroup(signal)
  setTimeout(() => child?.signalGroup('SIGKILL'), HANGUP_MS)
}

/** The hook has told which conversation the child is in. */
function followStart(watch: Watch, start: SessionStart): void {
  watch.opened = true
  watch.sessionId = start.sessionId
  if (start.source === 'startup') watch.startModel = start.model
  void followById(watch, start)
}

/**
 * Follows the transcript of this id. The path that the hook tells is made up from the working folder: after
 * `--resume` from another folder the rows go on in a file elsewhere (2.1.330), so a file that exists comes first.
 */
async function followById(
  watch: Watch,
  { sessionId, transcript }: { sessionId: string; transcript: string },
) {
  const { cwd } = watch.session.world
  const exists = fs.existsSync(transcript)
  const found = exists ? transcript : await findTranscript({ configDir: configDir(watch), sessionId, cwd })
  if (watch.sessionId !== sessionId) return
  const file = found ?? transcript
  follow(watch, file, Math.max(0, fileSize(file) - OVERLAP_BYTES))
}

function watchChild(watch: Watch): void {
  const { child } = watch.session
  watch.conversation.stop()
  if (child === undefined) return
  const onSessionId = (sessionId: string) => {
    if (watch.sessionId === sessionId && watch.follower !== undefined) return
    watch.sessionId = sessionId
    void followById(watch, expected(watch, sessionId))
  }
  watch.conversation = watchConversation({ config: configDir(watch), pid: child.pid, onSessionId })
}

function configDir(watch: Watch): string {
  const { env } = watch.session.world
  return configFolder(env, env.HOME ?? watch.session.config.home)
}

function follow(watch: Watch, transcript: string, from: number): void {
  if (watch.transcript === transcript) return
  void watch.follower?.stop()
  watch.transcript = transcript
  watch.follower = followTranscript({
    path: transcript,
    from,
    contains: [LIMIT_MARKER],
    onLine: (line) => readRow(watch, line),
    onError: (error) => watch.session.log(error.message),
  })
}

function readRow(watch: Watch, line: string): void {
  const row = parseRow(line)
  const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone
  const failure = watch.state.billing === 'api' ? parseApiFailure(row) : undefined
  if (failure !== undefined) {
    const at = Date.parse(String((row as { timestamp?: unknown }).timestamp))
    return dispatch(watch, { type: 'failure', failure, at: Number.isNaN(at) ? undefined : at })
  }
  const limit = parseLimit(row, { now: watch.session.world.now(), timeZone })
  if (limit !== undefined) dispatch(watch, { type: 'limit', limit })
}

/** The first line of an overlap may be cut: no JSON, no row. */
function parseRow(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** Hands input on; only while the row asks for a key, or no child can read, is it looked at. */
function takeInput(watch: Watch, input: Uint8Array): void {
  const { state, session, keys } = watch
  const asks = ['offer', 'question', 'api'].includes(state.notice.type)
  const untouched = watch.typed === undefined && !asks && keys.rest.length === 0 && !keys.pasting
  if (untouched) return writeToChild(session, input)
  clearTimeout(watch.keyTimer)
  for (const press of readKeys(keys, input, { flush: false })) takeKey(watch, press)
  if (keys.rest.length === 0) return
  watch.keyTimer = setTimeout(() => {
    for (const press of readKeys(keys, new Uint8Array(), { flush: true })) takeKey(watch, press)
  }, ESCAPE_MS)
}

function takeKey(watch: Watch, { key, bytes }: KeyPress): void {
  const { session, state } = watch
  if (watch.typed !== undefined) {
    if (key !== 'report') return void watch.typed.push(bytes)
    // What the terminal answers to a child that is ending is for nobody; the next one's queries are its own.
    if (state.next === undefined) writeToChild(session, bytes)
    return
  }
  const asked = state.notice.type === 'question'
  const isOurs = key === 'switch' || (asked && (key === 'enter' || key === 'escape'))
  if (!isOurs) writeToChild(session, bytes)
  if (key !== 'report' && (isOurs || asked)) dispatch(watch, { type: 'key', key })
}

function showNotice(watch: Watch): void {
  const { session, state, sessionId } = watch
  const { key, terminal, world } = session
  const text = renderBanner(state.notice, {
    columns: terminal.size().columns,
    now: world.now(),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    key: key.type === 'key' ? maskKey(key.key) : '',
    sessionId,
    color: !world.env.NO_COLOR,
  })
  terminal.reserveRow(text)
}

function explainMissingKey(session: Session): string | undefined {
  const { key } = session
  if (key.type === 'key') return undefined
  return key.type === 'none' ? 'no API key' : `${key.source} was refused: ${key.reason}`
}

function fileSize(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

function sweep(session: Session): void {
  try {
    sweepSessionFolders(session.world.env)
  } catch (error) {
    session.log(`old session folders stay: ${error}`)
  }
}
