import { readProcessState } from './process-state.ts'
import type { Pty } from './pty.ts'
import type { Terminal } from './terminal.ts'

export type JobControl = {
  /** Looks for Ctrl+Z in what has gone to the child. */
  watchInput: (input: Uint8Array) => void
  stop: () => void
}

/**
 * After Ctrl+Z a child is looked at after these waits, in ms. Claude Code 2.1.330 has let go of its terminal by the
 * first or second, on a busy machine after 0.7 s and more; a program that takes 5 s uses the key for something else.
 */
const LOOKS_MS = [20, 20, 40, 80, 160, ...Array<number>(15).fill(320)]

/** From Ctrl+Z on, input waits this long, in ms: once the child has let go, it is the shell's. */
const HOLD_MS = 200

/** A longer read than this is no typing, in bytes. */
const LONGEST_KEYS = 64

/**
 * A signal that was sent to a stopped process before SIGCONT may be seen some time after it, for each may be taken by
 * another of Node's threads (measured: one of a hundred is later than two turns of the event loop). In ms.
 */
const SIGNALS_MS = 50

/** After this, in ms, a child has seen one change of size and is told of the next. */
const REDRAW_MS = 50

/**
 * Suspends and continues claudef and its child as one job of the user's shell. On its own terminal the child cannot
 * do so: its process group is orphaned there, and the kernel drops its SIGTSTP.
 * @param job.isEnding a signal has told claudef to end: it does not come back to the terminal
 */
export function controlJob(job: {
  child: () => Pty | undefined
  terminal: Terminal
  isEnding: () => boolean
}): JobControl {
  const { child, terminal, isEnding } = job
  let isSuspended = false
  /** It is stopped because it asked for it. */
  let hasLetGo = false
  /** Times that Ctrl+Z has gone to the child since it was last stopped. */
  let pressed = 0
  let looks: NodeJS.Timeout | undefined
  let hold: NodeJS.Timeout | undefined

  const suspend = async () => {
    if (isSuspended) return
    isSuspended = true
    clearTimeout(looks)
    // One more than it took waits for the child, which will act on it when it is back.
    const pressedAgain = pressed > 1
    pressed = 0
    const hadLetGo = hasLetGo
    hasLetGo = false
    child()?.signalGroup('SIGSTOP')
    child()?.drain()
    await terminal.flush(() => true)
    terminal.lend()
    clearTimeout(hold)
    terminal.holdInput('suspend', false)
    await stopGroup('SIGTSTP')
    // A shell's `bg`: who has no terminal is stopped again. In the kernel's way no signal could end us any more.
    for (let tries = 0; tries < 3 && (await staysInBackground()); ) {
      const stopped = await stopGroup('SIGTTOU')
      tries = stopped ? 0 : tries + 1
    }
    if (!isEnding()) terminal.takeOver()
    const continued = child()
    continued?.signalGroup('SIGCONT')
    await nextTurn()
    isSuspended = false
    // It may have been stopped once more meanwhile.
    onChild()
    if (!hadLetGo) redraw()
    if (continued !== undefined && pressedAgain) watch(continued, false)
  }
  const staysInBackground = async () => {
    if (!isInBackground()) return false
    await new Promise((resolve) => setTimeout(resolve, SIGNALS_MS))
    return isInBackground() && !isEnding()
  }
  /** The whole group, as a terminal does it: a script that started claudef must stop too, or its shell sees nothing. */
  const stopGroup = async (signal: 'SIGTSTP' | 'SIGTTOU') => {
    let wasContinued = false
    const onContinue = () => {
      wasContinued = true
    }
    process.off('SIGTSTP', onStop)
    process.once('SIGCONT', onContinue)
    process.kill(0, signal)
    // Here it goes on once continued; at once where nobody could continue it, for then the kernel stops nothing.
    process.on('SIGTSTP', onStop)
    await nextTurn()
    process.off('SIGCONT', onContinue)
    return wasContinued
  }
  /**
   * Stops the child by a signal that it cannot refuse; its end of the story is SIGCHLD. First the child alone: a
   * process that it is just starting by vfork would stop before its exec, and the child wait for that, never stopped.
   */
  const onStop = () => {
    const running = child()
    if (running === undefined) void suspend()
    else running.signal('SIGSTOP')
  }
  const onChild = () => {
    if (!child()?.isStopped()) return
    if (isEnding()) child()?.signalGroup('SIGCONT')
    else void suspend()
  }
  /** Continued after a SIGSTOP from outside, which we could not prepare for: a shell has had the terminal since. */
  const onContinue = () => {
    if (isSuspended || isEnding()) return
    terminal.takeOver()
    child()?.signalGroup('SIGCONT')
    redraw()
  }
  /** A child that did not leave the screen itself does not know that a shell has written on it. */
  const redraw = () => {
    const { columns, rows } = terminal.childSize()
    child()?.resize({ columns, rows: rows - 1 })
    setTimeout(() => child()?.resize(terminal.childSize()), REDRAW_MS)
  }
  /** `raw`: letting go of the terminal means something, since the child had it in raw mode, or a key was pressed. */
  const look = async (watched: Pty, [wait, ...more]: number[], seen: { raw: boolean; letGo: boolean }) => {
    if (wait === undefined) return
    await new Promise((resolve) => {
      looks = setTimeout(resolve, wait)
    })
    const letGo = await watched.hasLetGo()
    if (child() !== watched || isSuspended) return
    // Seen twice, so that it is not stopped in the middle of its own preparations.
    if (letGo && seen.letGo) {
      hasLetGo = true
      return watched.signal('SIGSTOP')
    }
    const raw = seen.raw || !letGo
    await look(watched, more, { raw, letGo: letGo && raw })
  }
  const watch = (watched: Pty, raw: boolean) => {
    clearTimeout(looks)
    void look(watched, LOOKS_MS, { raw, letGo: false })
  }
  process.on('SIGTSTP', onStop)
  process.on('SIGCHLD', onChild)
  process.on('SIGCONT', onContinue)
  return {
    watchInput: (input) => {
      const running = child()
      if (running === undefined || !hasSuspendKey(input)) return
      pressed += 1
      watch(running, true)
      if (input.length > LONGEST_KEYS) return
      terminal.holdInput('suspend', true)
      clearTimeout(hold)
      hold = setTimeout(() => terminal.holdInput('suspend', false), HOLD_MS)
    },
    stop: () => {
      clearTimeout(looks)
      clearTimeout(hold)
      process.off('SIGTSTP', onStop)
      process.off('SIGCHLD', onChild)
      process.off('SIGCONT', onContinue)
    },
  }
}

/** Signals that have come are handled before this resolves. */
async function nextTurn(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
}

function isInBackground(): boolean {
  return readProcessState(process.pid)?.isForeground === false
}

/** Ctrl+Z as a control character, or as the keyboard protocols of kitty and of xterm (modifyOtherKeys) write it. */
function hasSuspendKey(input: Uint8Array): boolean {
  if (input.includes(0x1a)) return true
  if (!input.includes(0x1b)) return false
  const keys = Buffer.from(input)
    .toString('latin1')
    .matchAll(/\x1b\[(?:(?:\d*:)*122(?::\d*)*;(\d+)[^~A-Za-z]*u|27;(\d+);122~)/g)
  // Modifiers are 1 plus a bit for each; Ctrl is 4.
  return [...keys].some(([, kitty, xterm]) => ((Number(kitty ?? xterm) - 1) & 4) !== 0)
}
