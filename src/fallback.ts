import { readAccount } from './account.ts'
import { type Conversation, followConversation } from './conversation.ts'
import { describeAnnouncement } from './core/announcement.ts'
import { describeCaps, mostUsd, wouldReach } from './core/budget.ts'
import { LIMIT_MARKER, type Limit, limitKey, parseApiFailure, parseLimit } from './core/limit.ts'
import { SPEND_MARKERS } from './core/message-usage.ts'
import {
  type Action,
  type Input,
  initialState,
  limitOf,
  nextLook,
  type Rules,
  type State,
  transition,
} from './core/policy.ts'
import { isPrompt, PROMPT_MARKERS } from './core/prompts.ts'
import { createRunning, promptForTasks, RUNNING_MARKERS, type Running, readRunning } from './core/running.ts'
import { isObject } from './core/settings.ts'
import { type Account, announcementKey, type KnownLimit } from './core/shared-state.ts'
import { type Figures, openFigures } from './figures.ts'
import { type SessionStart, sweepSessionFolders } from './folder.ts'
import { followInputBox, type InputBoxFollower } from './input-box.ts'
import { explainMissingKey } from './key.ts'
import { type Notifier, openNotifier } from './notify.ts'
import type { Ending } from './pty.ts'
import { type First, type Session, writeToChild } from './relay.ts'
import { localZone, openReservedRow, type ReservedRow } from './reserved-row.ts'
import { configDir, startAgain, stopChild } from './respawn.ts'
import { openSharing, type Sharing } from './sharing.ts'
import { openSpending, type Spending } from './spending.ts'
import { readLastUsage } from './transcript.ts'
import { type Listening, openTyping, type Typing } from './typing.ts'

/** What changes while a session is watched over. */
type Watch = {
  session: Session
  account: Account
  rules: Rules
  state: State
  conversation: Conversation
  typing: Typing
  inputBox: InputBoxFollower
  /** What goes into the next child's input box first. */
  kept: Uint8Array[]
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
  /** The child has been told to end, for one that follows. */
  stopping: Awaited<ReturnType<typeof stopChild>>
  /** Limits of other sessions that have been told of. */
  believed: Set<string>
  timers: Set<NodeJS.Timeout>
  look: NodeJS.Timeout | undefined
  /** How the last child ended. */
  ending: Ending
  finish: (ending: Ending) => void
}

/** How long a draft that cannot be put back holds up a switch, without a key, in ms. */
const DRAFT_MS = 20_000

/** How often one looks whether what a switch waits for is over, in ms. */
const WAIT_MS = 100

/** What has gone to a child is read by it within this time, in ms. */
const SETTLE_MS = 150

/** A child that has not said by then whether it works, in ms, never does (Claude Code 2.1.330 says so within 500). */
const STATUS_MS = 30_000

/** A clock that is set, or a machine that sleeps, moves no timer: one looks again after this, in ms. */
const LOOK_MS = 60_000

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
    if (first.billing === 'api') void watch.spending.begin(first.startedAt)
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
  const account = readAccount(configDir(session), { env: world.env, home: world.env.HOME || home })
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
      onKey: (key) => dispatch(watch, { type: 'key', key }),
      row: session.terminal.reservedRow,
      onClick: (column) => clickRow(watch, column),
      onInterrupt: () => interrupt(watch),
      switchKey: config.switchKey,
    }),
    kept: [],
    draftNote: undefined,
    running: createRunning(),
    tasks: '',
    spending: openSpending({
      ...{ home, cwd: world.cwd, log, now, timeZone: localZone(), sessionId: conversation.sessionId },
      onSpent: (spent) => dispatch(watch, { type: 'spent', spent }),
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
    }),
    isPromptDue: false,
    stopping: undefined,
    believed: new Set(),
    timers: new Set(),
    look: undefined,
    ending: { type: 'exit', code: 0 },
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
    if (typing.isHeld() && watch.state.next === undefined && session.terminal.takesPaste()) {
      typing.release()
    }
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

function readRow(watch: Watch, row: unknown): void {
  const { session, state, inputBox, running, spending } = watch
  const at = timeOf(row)
  // Of a conversation that was there before, the end is read again.
  if (at === undefined || at >= state.startedAt) {
    readRunning(running, row)
    if (isPrompt(row)) {
      inputBox.confirm()
      watch.isPromptDue = false
    }
  }
  spending.take(row)
  if (state.billing === 'api') {
    const failure = parseApiFailure(row)
    if (failure !== undefined) dispatch(watch, { type: 'failure', failure, at })
    return
  }
  const limit = parseLimit(row, { now: session.world.now(), timeZone: localZone() })
  if (limit === undefined) return
  const version = isObject(row) && typeof row.version === 'string' ? row.version : undefined
  void meetLimit(watch, limit, version)
}

/** A key is looked up, and a price asked for, only now that they are needed. */
async function meetLimit(watch: Watch, limit: Limit, version: string | undefined): Promise<void> {
  const { session, state } = watch
  const isPast = limit.at !== undefined && limit.at < state.startedAt
  if (isPast || state.next !== undefined || state.met.includes(limitKey(limit))) return
  // Others may have spent what a cap leaves.
  await Promise.all([requireKey(watch), watch.spending.refresh()])
  const usd = await guessUsd(watch).catch((error) => {
    session.log(`what a switch would cost is not known: ${error}`)
    return undefined
  })
  dispatch(watch, { type: 'limit', limit, version, usd })
}

async function requireKey(watch: Watch): Promise<void> {
  watch.rules = { ...watch.rules, noKey: explainMissingKey(await watch.session.lookUpKey()) }
}

/** USD of the first request on the key: at the very most where that is no trouble, else as the price table has it. */
async function guessUsd(watch: Watch): Promise<number | undefined> {
  const { rules, state, spending, conversation } = watch
  const transcript = conversation.transcript()
  const isCapped = rules.caps.session !== Infinity || rules.caps.day !== Infinity
  if (!rules.autoRestart || !isCapped || transcript === undefined) return undefined
  const last = await readLastUsage(transcript)
  if (last === undefined) return undefined
  const most = mostUsd(last.input + last.cacheRead + last.cacheWrite5m + last.cacheWrite1h + last.output)
  if (!wouldReach(state.spent, rules.caps, most)) return most
  return (await spending.estimate(last))?.usd ?? most
}

function dispatch(watch: Watch, input: Input): void {
  const before = watch.state
  const step = transition(before, input, watch.rules)
  watch.state = step.state
  for (const action of step.actions) perform(watch, action)
  const { notice } = watch.state
  if (notice.type === 'question' && notice.billing === 'api' && notice !== before.notice) {
    watch.row.estimate(undefined)
    void estimate(watch)
    void watch.spending.refresh()
  }
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
        dispatch(watch, { type: 'stuck', reason: `the switch cannot be prepared (${error})` })
      })
    case 'start':
      return void start(watch, action).catch((error) => {
        const id = watch.conversation.sessionId()
        watch.session.log(`could not start Claude Code again: ${error}`)
        watch.session.lastWords = `Claude Code could not be started again. Go on with: claude --resume ${id}`
        watch.finish(watch.ending)
      })
    case 'remind':
      watch.timers.add(setTimeout(() => dispatch(watch, { type: 'reminded' }), action.afterMs))
      return
    case 'announce':
      return announce(watch, action)
    case 'log':
      return watch.session.log(action.message)
    case 'finish':
      return watch.finish(watch.ending)
  }
}

/** Ends the child, as soon as nothing is lost by it. */
async function stop(watch: Watch, afterTool: boolean): Promise<void> {
  const { session, running, inputBox, conversation } = watch
  const { child } = session
  const { next } = watch.state
  if (child === undefined || next === undefined) return
  const isBusyWithTool = () => {
    const status = conversation.status()
    return running.tools.size > 0 && status !== 'idle' && status !== 'waiting'
  }
  if (afterTool) await waitWhile(watch, isBusyWithTool, 'the tool that runs')
  const isUnasked = next.before.type !== 'question'
  const isTyping = () =>
    !inputBox.isKnown() &&
    Math.abs(session.world.now() - inputBox.lastKeyAt()) < DRAFT_MS &&
    !watch.state.quitting
  if (isUnasked) await waitWhile(watch, isTyping, 'your draft')
  if (session.child !== child || watch.state.quitting) return
  watch.draftNote = takeDraft(watch)
  // An Enter that came at the last moment: what it sends must be the child's before it is told to end.
  const settled = inputBox.lastKeyAt() + SETTLE_MS - session.world.now()
  if (settled > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(settled, SETTLE_MS)))
  // A child that is told to end says of its tasks that they have ended.
  watch.tasks = promptForTasks(running)
  watch.stopping = await stopChild(session, next.billing)
}

/**
 * What is typed from here on, and what stands in the input box, is for the next child.
 * @returns where the draft is that cannot be put back
 */
function takeDraft({ typing, inputBox, row, kept, notifier }: Watch): string | undefined {
  typing.hold()
  const { input, note } = inputBox.take()
  kept.splice(0, kept.length, ...input)
  // What was said of the switch before goes with it.
  row.note(note)
  // In a narrow window the row has no room for it.
  if (note !== undefined)
    notifier.notify({ title: 'claudef keeps your draft', text: 'Print it with: claude-fallback draft' })
  return note
}

/** While no child has turned it on, too: a paste of several lines would be taken for as many prompts. */
function keepPastesWhole({ session }: Watch): void {
  if (!session.terminal.takesPaste()) session.terminal.writeAside('\x1b[?2004h')
}

async function waitWhile(watch: Watch, isSo: () => boolean, waitsFor: string): Promise<void> {
  if (!isSo()) return
  dispatch(watch, { type: 'held', waitsFor })
  while (isSo() && watch.session.child !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
  }
}

function endChild(watch: Watch, ending: Ending): void {
  const { session, conversation, spending, state } = watch
  const now = session.world.now()
  watch.ending = ending
  watch.stopping?.ended()
  // While a switch waited the user ended it.
  if (state.next !== undefined && !watch.typing.isHeld()) dispatch(watch, { type: 'quit' })
  if (state.billing === 'api') spending.end(now)
  const failed = ending.type === 'exit' && ending.code !== 0
  dispatch(watch, { type: 'ended', end: { failed, opened: conversation.hasOpened() }, now })
}

async function start(watch: Watch, how: Extract<Action, { type: 'start' }>): Promise<void> {
  const { session, conversation, typing, spending, stopping } = watch
  const { continuePrompt } = session.config
  // The child before has ended by itself.
  if (!typing.isHeld()) watch.draftNote = takeDraft(watch)
  const prompt = how.prompt ? [continuePrompt, watch.tasks].filter((text) => text !== '').join(' ') : ''
  const startedAt = session.world.now()
  watch.stopping = undefined
  watch.running = createRunning()
  watch.isPromptDue = prompt !== ''
  const started = startAgain(session, conversation, {
    billing: how.billing,
    prompt,
    settings: stopping?.settings,
  })
  keepPastesWhole(watch)
  await started
  typing.answer(watch.kept.splice(0))
  // The user said so while there was no child to tell.
  if (watch.state.quitting) session.child?.signal('SIGTERM')
  if (session.child !== undefined) conversation.begin(session.child.pid)
  if (how.billing === 'subscription') return
  if (how.prompt && watch.rules.autoRestart) void explainFirstSwitch(watch)
  await spending.begin(startedAt)
}

/** Consent was given by a setting, maybe long ago: the first time it is used, what it allows is said. */
async function explainFirstSwitch(watch: Watch): Promise<void> {
  if (!(await watch.sharing.isFirstSwitch())) return
  const caps = describeCaps(watch.rules.caps)
  if (watch.draftNote === undefined) watch.row.note(`${caps}: max_usd_per_day, max_usd`)
  watch.notifier.notify({
    title: 'claudef goes on with API billing by itself',
    text: `Because auto_restart is on. At most: ${caps} (max_usd_per_day, max_usd).`,
  })
}

function announce(watch: Watch, action: Extract<Action, { type: 'announce' }>): void {
  const { session, account, sharing, state, rules, notifier } = watch
  const now = session.world.now()
  const context = {
    ...{ now, timeZone: localZone(), spent: state.spent, caps: rules.caps, next: state.next?.billing },
    switchKey: session.config.switchKey.name,
  }
  const isLimit = action.about === 'limit'
  if (isLimit) sharing.addLimit(action.limit)
  const limit = isLimit ? action.limit : action.about === 'back' ? limitOf(state.notice) : undefined
  // Of an account's limit and its end all sessions know, of a cap and its spend this one.
  const whose = limit === undefined ? `${process.pid} · ${state.startedAt}` : announcementKey(account, limit)
  const key = isLimit ? whose : `${action.about} · ${whose}`
  sharing.once(key, () => notifier.notify(describeAnnouncement(action, context)))
}

/** What another session of the account has met is told once; what is over is taken back. */
function believe(watch: Watch, limits: readonly KnownLimit[]): void {
  const keys = limits.map(({ key }) => key)
  const isCleared = limits.length === 0 && watch.believed.size > 0
  for (const known of limits) {
    if (watch.believed.has(known.key)) continue
    watch.believed.add(known.key)
    const verdict = known.scope.type === 'organization' ? 'tell' : 'offer'
    const limit: Limit = { ...known, verdict, source: 'structured', rowId: undefined, at: undefined }
    if (watch.state.billing === 'subscription') {
      // What has been taken back meanwhile is no news.
      void requireKey(watch).then(() => {
        if (watch.believed.has(known.key)) dispatch(watch, { type: 'believed', limit })
      })
    } else dispatch(watch, { type: 'believed', limit })
  }
  for (const key of watch.believed) if (!keys.includes(key)) watch.believed.delete(key)
  if (isCleared) dispatch(watch, { type: 'cleared', now: watch.session.world.now() })
}

function share({ sharing, conversation, state }: Watch): void {
  const limit = limitOf(state.notice)
  sharing.tell({ billing: state.billing, sessionId: conversation.sessionId(), limit })
}

async function estimate({ conversation, spending, row }: Watch): Promise<void> {
  const transcript = conversation.transcript()
  const last = transcript === undefined ? undefined : await readLastUsage(transcript)
  row.estimate(await spending.estimate(last).catch(() => undefined))
}

function scheduleLook(watch: Watch): void {
  clearTimeout(watch.look)
  const at = nextLook(watch.state)
  const { notice } = watch.state
  if (at === undefined || (notice.type === 'api' && notice.back === 'offered')) return
  const isWaiting = notice.type === 'api' && notice.back === 'waiting'
  const wait = Math.min(LOOK_MS, Math.max(isWaiting ? 1000 : 0, at - watch.session.world.now()))
  watch.look = setTimeout(() => {
    const { session, state, conversation } = watch
    const now = session.world.now()
    // Where a child never says whether it works, one cannot see when to go back: it is offered.
    const canTell = conversation.status() !== undefined || now - state.startedAt < STATUS_MS
    watch.rules = { ...watch.rules, autoReturn: session.config.autoReturn && canTell }
    dispatch(watch, { type: 'time', now, isReady: isReady(watch) })
  }, wait)
}

/** Nothing would be lost or broken off if the child ended now. */
function isReady(watch: Watch): boolean {
  const { session, conversation, inputBox, typing, kept, running } = watch
  // Keys that are not followed, as those that fetch an earlier prompt, may have filled the box.
  const isLeft = inputBox.isSure() || session.world.now() - inputBox.lastKeyAt() >= DRAFT_MS
  const isBlank = inputBox.isEmpty() && isLeft && !typing.isHeld() && kept.length === 0
  const isIdle = conversation.status() === 'idle' && !watch.isPromptDue
  return isIdle && isBlank && running.tasks.size === 0
}

function clickRow(watch: Watch, column: number): void {
  if (watch.row.isDismissal(column)) return dispatch(watch, { type: 'dismiss' })
  if (listening(watch.state) !== 'nothing') dispatch(watch, { type: 'key', key: 'switch' })
}

/** Ctrl+C, Ctrl+D or Ctrl+Z in the middle of a switch means: stop here. */
function interrupt(watch: Watch): void {
  const { session, conversation } = watch
  session.lastWords = `Stopped in the middle of a switch. Go on with: claudef --resume ${conversation.sessionId()}`
  dispatch(watch, { type: 'quit' })
  session.child?.signal('SIGTERM')
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

/** Epoch ms of a row's own time stamp. */
function timeOf(row: unknown): number | undefined {
  const time = isObject(row) ? Date.parse(String(row.timestamp)) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

function sweep(session: Session): void {
  try {
    sweepSessionFolders(session.world.env)
  } catch (error) {
    session.log(`old session folders stay: ${error}`)
  }
}
