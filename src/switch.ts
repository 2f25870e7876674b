import { describeCaps } from './core/budget.ts'
import { renderText } from './core/draft.ts'
import type { Action } from './core/policy.ts'
import { createRunning, hasAgents, isInTool, promptForTasks } from './core/running.ts'
import { createQueue } from './core/unsent.ts'
import type { Watch } from './fallback.ts'
import type { Ending } from './pty.ts'
import { startAgain, stopChild } from './respawn.ts'
import { readUnsent } from './transcript-end.ts'
import { ENTER } from './typing.ts'

/** How long a draft that cannot be put back holds up a switch, without a key, in ms. */
export const DRAFT_MS = 20_000

/** How long the row says which caps there are, in ms: then it has other things to say. */
const CAPS_MS = 60_000

/** Agents make requests while a tool of one of them runs: at a cap it is waited for no longer than this, in ms. */
const AGENTS_MS = 10_000

/** How often one looks whether what a switch waits for is over, in ms. */
const WAIT_MS = 100

/** What has gone to a child is read by it within this time, and what was queued is sent on, in ms. */
const SETTLE_MS = 150

/** A child that still works then is not waited for any longer, in ms. */
const SETTLED_MS = 5000

/** A child's last rows are not waited for any longer, in ms. */
const READ_MS = 1000

/** A prompt that the transcript has not told of by then is not waited for, in ms. */
const PROMPT_MS = 3000

/** Ends the child, as soon as nothing is lost by it. */
export async function stop(watch: Watch, afterTool: boolean): Promise<void> {
  const { session, running, inputBox, conversation } = watch
  const { child } = session
  const { next } = watch.state
  if (child === undefined || next === undefined) return
  const since = performance.now()
  const isBusyWithTool = () => {
    const status = conversation.status()
    const mayWait = !hasAgents(running) || performance.now() - since < AGENTS_MS
    return mayWait && isInTool(running) && status !== 'idle' && status !== 'waiting'
  }
  if (afterTool) await waitWhile(watch, isBusyWithTool, 'the tool that runs')
  const isUnasked = next.before.type !== 'question'
  const isTyping = () =>
    !inputBox.isKnown() &&
    Math.abs(session.world.now() - inputBox.lastKeyAt()) < DRAFT_MS &&
    !watch.state.quitting
  const typingSince = performance.now()
  // At a cap each request more is money, and a draft that cannot be put back is kept in a file.
  const mayType = () => !afterTool || performance.now() - typingSince < DRAFT_MS
  if (isUnasked) await waitWhile(watch, () => mayType() && isTyping(), 'your draft')
  if (afterTool) await waitWhile(watch, isBusyWithTool, 'the tool that runs')
  if (session.child !== child || watch.state.quitting) return
  watch.draftNote = takeDraft(watch)
  const isFresh = session.world.now() - inputBox.lastKeyAt() < SETTLE_MS
  if (watch.queue.prompts.length > 0 || isFresh || inputBox.isAwaited()) await settle(watch)
  // A child that is told to end says of its tasks that they have ended.
  watch.tasks = promptForTasks(running)
  watch.stopping = await stopChild(session, next.billing)
}

/**
 * An Enter that came at the last moment: what it sends must be the child's before it is told to end. So must what was
 * queued: at a limit Claude Code 2.1.330 sends it on, and says for some ms before that it is idle.
 */
async function settle({ session, conversation, inputBox }: Watch): Promise<void> {
  let quiet = 0
  for (let waited = 0; quiet < SETTLE_MS && waited < SETTLED_MS; waited += SETTLE_MS / 10) {
    if (session.child === undefined) return
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS / 10))
    const isQuiet = conversation.status() !== 'busy' && !inputBox.isAwaited()
    quiet = isQuiet ? quiet + SETTLE_MS / 10 : 0
  }
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
export function keepPastesWhole({ session }: Watch): void {
  if (!session.terminal.takesPaste()) session.terminal.writeAside('\x1b[?2004h')
}

async function waitWhile(watch: Watch, isSo: () => boolean, waitsFor: string): Promise<void> {
  if (!isSo()) return
  watch.dispatch({ type: 'held', waitsFor })
  while (isSo() && watch.session.child !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
  }
}

export function endChild(watch: Watch, ending: Ending): void {
  const { session, conversation, spending, state } = watch
  const now = session.world.now()
  watch.ending = ending
  watch.queuedSince = state.startedAt
  watch.stopping?.ended()
  // While a switch waited the user ended it.
  if (state.next !== undefined && !watch.typing.isHeld()) watch.dispatch({ type: 'quit' })
  if (state.billing === 'api') spending.end(now)
  const failed = ending.type === 'exit' && ending.code !== 0
  watch.dispatch({ type: 'ended', end: { failed, opened: conversation.hasOpened() }, now })
}

export async function start(watch: Watch, how: Extract<Action, { type: 'start' }>): Promise<void> {
  const { session, conversation, typing, spending, stopping, figures } = watch
  const { continuePrompt } = session.config
  // The child before has ended by itself.
  if (!typing.isHeld()) watch.draftNote = takeDraft(watch)
  const prompt = how.prompt ? [continuePrompt, watch.tasks].filter((text) => text !== '').join(' ') : ''
  await keepUnsent(watch, how.prompt)
  const startedAt = session.world.now()
  watch.stopping = undefined
  watch.running = createRunning()
  watch.queue = createQueue()
  watch.isPromptDue = prompt !== ''
  watch.isReleaseDue = false
  figures.renew()
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
  await spending.begin(startedAt, conversation.transcript())
}

/**
 * What the child was given and did not send before it ended: the next one is asked it, or, where it is asked nothing, or
 * that is old, it stands in the input box before the draft.
 */
async function keepUnsent(watch: Watch, isAsked: boolean): Promise<void> {
  const { conversation, inputBox, kept, queuedSince: since } = watch
  // Its last rows may tell of what it seems not to have read.
  for (let waited = 0; isUnread(watch) && waited < READ_MS; waited += WAIT_MS / 10)
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS / 10))
  const unsent = await readUnsent(conversation.transcript(), { since, submitted: inputBox.submitted() })
  const typed = unsent.ask.map((words) => (inputBox.isShellCommand(words) ? `!${words}` : words))
  const lines = isAsked ? unsent.keep : [...unsent.keep, ...typed]
  const text = lines.join('\n')
  const isAlone = lines.length === 1 && kept.length === 0
  // What is no command of the shell must not become one.
  const shown = isAlone ? text : text.replace(/^!/, ' !') + (kept.length > 0 ? '\n' : '')
  if (lines.length > 0) kept.unshift(renderText(shown))
  if (isAsked) kept.unshift(...typed.flatMap((words) => [renderText(words), ENTER]))
}

function isUnread({ conversation, inputBox }: Watch): boolean {
  return inputBox.submitted().some(({ ifUnread }) => ifUnread !== 'drop') && !conversation.isRead()
}

/**
 * The child reads its input. An Enter that comes with the prompt that it was given at its start can be lost (2.1.330),
 * so that is waited for, too.
 */
export function releaseTyping(watch: Watch): void {
  const { session, typing, state, timers } = watch
  if (!typing.isHeld() || state.next !== undefined || !session.terminal.takesPaste()) return
  if (!watch.isPromptDue) return typing.release()
  if (watch.isReleaseDue) return
  watch.isReleaseDue = true
  const { child } = session
  const release = () => {
    if (session.child === child && watch.state.next === undefined) typing.release()
  }
  timers.add(setTimeout(release, PROMPT_MS))
}

/** Consent was given by a setting, maybe long ago: the first time it is used, what it allows is said. */
async function explainFirstSwitch(watch: Watch): Promise<void> {
  if (!(await watch.sharing.isFirstSwitch())) return
  const caps = describeCaps(watch.rules.caps)
  if (watch.draftNote === undefined) watch.row.note(`${caps}: max_usd_per_day, max_usd`, CAPS_MS)
  watch.notifier.notify({
    title: 'claudef goes on with API billing by itself',
    text: `Because auto_restart is on. At most: ${caps} (max_usd_per_day, max_usd).`,
  })
}

/** Ctrl+C or Ctrl+D in the middle of a switch means: stop here. Ctrl+Z is for the next child, which it suspends. */
export function interrupt(watch: Watch): void {
  const { session, conversation } = watch
  session.lastWords = `Stopped in the middle of a switch. Go on with: claudef --resume ${conversation.sessionId()}`
  watch.dispatch({ type: 'quit' })
  session.child?.signal('SIGTERM')
}
