import { readAccount } from './account.ts'
import { type Conversation, followConversation } from './conversation.ts'
import { LIMIT_MARKER } from './core/limit.ts'
import { SPEND_MARKERS } from './core/message-usage.ts'
import {
  type Action,
  type Input,
  initialState,
  limitOf,
  type Rules,
  type State,
  transition,
} from './core/policy.ts'
import { PROMPT_MARKERS } from './core/prompts.ts'
import { createRunning, RUNNING_MARKERS, type Running } from './core/running.ts'
import type { Account } from './core/shared-state.ts'
import { createQueue, type Queue } from './core/unsent.ts'
import { type Figures, openFigures } from './figures.ts'
import { type SessionStart, sweepSessionFolders } from './folder.ts'
import { followInputBox, type InputBoxFollower } from './input-box.ts'
import { estimate, readRow } from './limit-rows.ts'
import { announce, believe, share } from './news.ts'
import { type Notifier, openNotifier } from './notify.ts'
import type { Ending } from './pty.ts'
import { configDir, type First, type Session, writeToChild } from './relay.ts'
import { localZone, openReservedRow, type ReservedRow } from './reserved-row.ts'
import { claudeWorld, type stopChild } from './respawn.ts'
import { openSharing, type Sharing } from './sharing.ts'
import { openSpending, type Spending } from './spending.ts'
import { endChild, interrupt, keepPastesWhole, releaseTyping, start, stop } from './switch.ts'
import { type Listening, openTyping, type Typing } from './typing.ts'
import { scheduleLook } from './way-back.ts'

/** What changes while a session is watched over. */
export type Watch = {
  session: Session
  account: Account
  rules: Rules
  state: State
  conversation: Conversation
  typing: Typing
  inputBox: InputBoxFollower
  /** What goes into the next child's input box first. */
  kept: Uint8Array[]
  queue: Queue
  /** Epoch ms at which the child that has ended last began: what it queued came after. */
  queuedSince: number
  /** Where the draft is that could not be put back. */
  draftNote: string | undefined
  running: Running
  /** What the next child is to be told of them. */
  tasks: string
  spending: Spending
  sharing: Sharing
  notifier: Notifier
  row: ReservedRow
  figures: Figures
  /** The child has been given a prompt at its start, and has not taken it up: it is idle for a moment only. */
  isPromptDue: boolean
  /** What is kept for the child goes to it after a time, whether it takes that prompt up or not. */
  isReleaseDue: boolean
  /** The child has been told to end, for one that follows. */
  stopping: Awaited<ReturnType<typeof stopChild>>
  /** Limits of other sessions that have been told of. */
  believed: Set<string>
  timers: Set<NodeJS.Timeout>
  look: NodeJS.Timeout | undefined
  /** How the last child ended. */
  ending: Ending
  /** Lets the policy decide, and does what it says. */
  dispatch: (input: Input) => void
  finish: (ending: Ending) => void
}

/** The end of a session waits for the shared files no longer than this, in ms. */
const FAREWELL_MS = 500

/** Watches over a session until its last child has ended. */
export function runFallback(session: Session, first: First, firstEnd: Promise<Ending>): Promise<Ending> {
  return new Promise((resolve) => {
    const watch = openWatch(session, first, resolve)
    attach(watch)
    watch.row.note(first.billing === 'api' ? first.note : undefined)
    watch.row.show(watch.state)
    watch.figures.show(watch.state)
    if (session.child !== undefined) watch.conversation.begin(session.child.pid)
    if (first.billing === 'api') void watch.spending.begin(first.startedAt, watch.conversation.transcript())
    else void watch.spending.refresh()
    share(watch)
    // Only where it came before `attach`.
    void firstEnd.then((ending) => endChild(watch, ending))
    // Where it costs nothing, it is known by the time it is needed.
    void import('./key-sources.ts')
    sweep(session)
  })
}

function openWatch(session: Session, first: First, resolve: (ending: Ending) => void): Watch {
  const { world, config, log } = session
  const { now } = world
  const { maxUsd, maxUsdPerDay, autoRestart, autoReturn, home } = config
  const caps = { session: maxUsd, day: maxUsdPerDay }
  const account = readAccount(configDir(session), claudeWorld(session))
  const conversation = followConversation({
    config: configDir(session),
    cwd: world.cwd,
    sessionId: first.sessionId,
    contains: [LIMIT_MARKER, ...SPEND_MARKERS, ...RUNNING_MARKERS, ...PROMPT_MARKERS],
    onRow: (row) => readRow(watch, row),
    onStatus: () => share(watch),
    log,
  })
  const inputBox = followInputBox(session, conversation.status)
  const watch: Watch = {
    ...{ session, account, conversation, inputBox },
    rules: { autoRestart, autoReturn, noKey: undefined, caps },
    state: firstState(first),
    typing: openTyping({
      write: (input) => {
        writeToChild(session, input)
        inputBox.read(input)
      },
      listening: () => listening(watch.state),
      onKey: (key) => watch.dispatch({ type: 'key', key }),
      row: session.terminal.reservedRow,
      onClick: (column) => clickRow(watch, column),
      onInterrupt: () => interrupt(watch),
      switchKey: config.switchKey,
    }),
    kept: [],
    queue: createQueue(),
    queuedSince: 0,
    draftNote: undefined,
    running: createRunning(),
    tasks: '',
    spending: openSpending({
      ...{ home, cwd: world.cwd, log, now, timeZone: localZone(), sessionId: conversation.sessionId },
      onSpent: (spent) => watch.dispatch({ type: 'spent', spent }),
    }),
    sharing: openSharing({
      ...{ home, account, cwd: world.cwd, startedAt: first.startedAt, log, now },
      onLimits: (limits) => believe(watch, limits),
    }),
    notifier: openNotifier({
      ...{ env: world.env, platform: process.platform, log, command: config.notifyCommand },
      setting: config.notify ? 'on' : 'off',
      terminal: session.terminal.writeAside,
    }),
    row: openReservedRow(session, caps),
    figures: openFigures(session, {
      account,
      announce: (key, text) => {
        watch.sharing.once(key, () => watch.notifier.notify({ title: 'Claude Code', text }))
      },
      onCost: (sessionId, usd) => watch.spending.takeFigure(sessionId, usd),
    }),
    isPromptDue: false,
    isReleaseDue: false,
    stopping: undefined,
    believed: new Set(),
    timers: new Set(),
    look: undefined,
    ending: { type: 'exit', code: 0 },
    dispatch: (input) => dispatch(watch, input),
    finish: (ending) => void close(watch).then(() => resolve(ending)),
  }
  return watch
}

/** Gives up all that was opened; the end of a session does not wait for a file that is locked. */
async function close(watch: Watch): Promise<void> {
  for (const timer of [...watch.timers, watch.look]) clearTimeout(timer)
  if (watch.typing.isHeld()) watch.session.terminal.writeAside('\x1b[?2004l')
  const { row, typing, conversation, spending, inputBox, figures } = watch
  for (const part of [row, typing, conversation, spending, inputBox, figures]) part.stop()
  const farewell = Promise.all([watch.sharing.stop(), watch.spending.settle(watch.conversation.transcript())])
  await Promise.race([farewell, new Promise((resolve) => setTimeout(resolve, FAREWELL_MS))])
}

function firstState({ billing, startedAt, note }: First): State {
  const state = initialState(billing, startedAt)
  if (billing === 'api' || note === undefined) return state
  return { ...state, notice: { type: 'told', text: note } }
}

function attach(watch: Watch): void {
  const { session, typing, conversation } = watch
  session.handlers.onInput = typing.take
  session.handlers.onOutput = (output) => {
    if (watch.stopping !== undefined && !watch.state.quitting) {
      session.terminal.showFarewell(output)
      keepPastesWhole(watch)
      return true
    }
    const taken = session.terminal.show(output)
    if (typing.isHeld()) releaseTyping(watch)
    else typing.heard()
    return taken
  }
  session.handlers.onResize = () => {
    watch.inputBox.resize(session.terminal.size().columns)
    watch.row.show(watch.state)
  }
  session.handlers.onEnd = (ending) => endChild(watch, ending)
  session.handlers.onSignal = (signal) => passSignal(watch, signal)
  const enter = (start: SessionStart) => {
    conversation.enter(start)
    share(watch)
  }
  session.folder.watch(enter, (error) => {
    session.log(`the session hook is out of reach: ${error.message}`)
  })
}

function dispatch(watch: Watch, input: Input): void {
  const before = watch.state
  const step = transition(before, input, watch.rules)
  watch.state = step.state
  const { config, log } = watch.session
  if (config.debug)
    log(
      `debug: ${input.type} → ${[...step.actions.map(({ type }) => type), watch.state.notice.type].join(', ')}`,
    )
  for (const action of step.actions) perform(watch, action)
  const { notice } = watch.state
  if (notice.type === 'question' && notice.billing === 'api' && notice !== before.notice) {
    watch.row.estimate(undefined)
    void estimate(watch)
    void watch.spending.refresh()
  }
  // What was known of the day may be of the day before.
  if (notice.type === 'unable' && notice.isCap && notice !== before.notice) void watch.spending.refresh()
  watch.row.show(watch.state)
  watch.figures.show(watch.state)
  if (before.billing !== watch.state.billing || limitOf(before.notice) !== limitOf(notice)) share(watch)
  scheduleLook(watch)
}

function perform(watch: Watch, action: Action): void {
  switch (action.type) {
    case 'stop':
      return void stop(watch, action.afterTool === true).catch((error) => {
        if (watch.typing.isHeld()) watch.inputBox.giveBack()
        watch.typing.release()
        watch.dispatch({ type: 'stuck', reason: `the switch cannot be prepared (${error})` })
      })
    case 'start':
      return void start(watch, action).catch((error) => {
        const id = watch.conversation.sessionId()
        watch.session.log(`could not start Claude Code again: ${error}`)
        watch.session.lastWords = `Claude Code could not be started again. Go on with: claude --resume ${id}`
        watch.finish(watch.ending)
      })
    case 'remind':
      watch.timers.add(setTimeout(() => watch.dispatch({ type: 'reminded' }), action.afterMs))
      return
    case 'announce':
      return announce(watch, action)
    case 'log':
      return watch.session.log(action.message)
    case 'finish':
      return watch.finish(watch.ending)
  }
}

function clickRow(watch: Watch, column: number): void {
  if (watch.row.isDismissal(column)) return watch.dispatch({ type: 'dismiss' })
  if (listening(watch.state) !== 'nothing') watch.dispatch({ type: 'key', key: 'switch' })
}

function passSignal(watch: Watch, signal: NodeJS.Signals): void {
  const { child } = watch.session
  if (signal === 'SIGUSR1' || signal === 'SIGUSR2') return child?.signal(signal)
  // Claude Code takes a SIGINT for a Ctrl+C, which need not end it; in the middle of a switch it means: stop here.
  if (signal !== 'SIGINT' || watch.state.next !== undefined) watch.dispatch({ type: 'quit' })
  if (signal !== 'SIGHUP') return child?.signal(signal)
  child?.signalGroup(signal)
}

function listening({ notice }: State): Listening {
  if (notice.type === 'question') return 'answer'
  return notice.type === 'offer' || notice.type === 'api' ? 'switch' : 'nothing'
}

function sweep(session: Session): void {
  try {
    sweepSessionFolders(session.world.env)
  } catch (error) {
    session.log(`old session folders stay: ${error}`)
  }
}
