import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import {
  APPLE_SCRIPT,
  cleanNotification,
  type Notification,
  readTerminal,
  readTmux,
  renderNotifySend,
  renderTerminalNotification,
  TMUX_QUESTION,
  TOAST_SCRIPT,
  wrapForTmux,
} from './core/notification.ts'
import type { Log } from './log.ts'
import { isOnPath, LONGEST_ANSWER, runTool, TIME_LIMIT, withoutKeys } from './run-tool.ts'

export type { Notification } from './core/notification.ts'

export type Notifier = {
  /** Never throws and returns at once; what goes wrong is in the log. */
  notify: (notification: Notification) => void
  /** Resolves once all that was asked for has been shown or given up: for commands that end right after. */
  settled: () => Promise<void>
}

export type NotifierOptions = {
  env: NodeJS.ProcessEnv
  platform: NodeJS.Platform
  log: Log
  /** `CLAUDE_FALLBACK_NOTIFY` */
  setting: 'on' | 'off'
  /** `CLAUDE_FALLBACK_NOTIFY_COMMAND`: the user's own program and its arguments; run without a shell. */
  command: readonly string[] | undefined
  /** Writes to the user's terminal between two frames; absent where there is none (a daemon). */
  terminal?: (sequence: string) => void
}

/** Notifications that wait for the one before them; more are dropped: a flood tells nobody anything. */
const MOST_WAITING = 20

/**
 * Opens the way to the user's attention: the first of the user's own command, the terminal, `notify-send`,
 * `osascript`, Windows' toast under WSL and the bell that works. Nothing of it delays the caller, prints, or keeps
 * the process alive.
 */
export function openNotifier(options: NotifierOptions): Notifier {
  let waiting = 0
  let last = Promise.resolve()
  const notify = (notification: Notification) => {
    if (options.setting === 'off') return
    if (waiting >= MOST_WAITING) return options.log(`Notification '${notification.title}' dropped: too many`)
    waiting += 1
    last = last
      .then(() => deliver(options, cleanNotification(notification)))
      .catch((error: unknown) => options.log(`Notification failed: ${error}`))
      .then(() => {
        waiting -= 1
      })
  }
  const settled = async () => {
    // The programs and their time limits do not hold the process; whoever waits for them does.
    const hold = setInterval(() => {}, TIME_LIMIT)
    while (waiting > 0) await last
    clearInterval(hold)
  }
  return { notify, settled }
}

/**
 * What would be used for a notification, in order, and why the others are not: for `doctor`. Looks for the programs
 * and asks tmux, within 5 s, but shows nothing.
 */
export function describeNotifiers(
  options: NotifierOptions,
): { name: string; usable: boolean; reason: string }[] {
  return listWays(options).map(({ name, obstacle, reason, check }) => {
    const found = options.setting === 'off' ? 'CLAUDE_FALLBACK_NOTIFY is off' : (obstacle ?? check?.())
    return { name, usable: found === undefined, reason: found ?? reason }
  })
}

type Way = {
  name: string
  /** Why it is not worth a try; undefined: it is. */
  obstacle: string | undefined
  /** Why it is worth a try. */
  reason: string
  /** A closer look, too slow for a session: the obstacle that it found. */
  check?: () => string | undefined
  /** Rejects where it failed. */
  send: (notification: Notification) => Promise<unknown>
}

async function deliver(options: NotifierOptions, notification: Notification): Promise<void> {
  for (const way of listWays(options)) {
    if (way.obstacle !== undefined) continue
    try {
      await way.send(notification)
      return
    } catch (error) {
      options.log(`No notification by ${way.name}: ${(error as Error).message}`)
    }
  }
  options.log(`No way to notify: ${notification.title}: ${notification.text}`)
}

function listWays(options: NotifierOptions): Way[] {
  return [
    ownCommand(options),
    terminalSequence(options),
    notifySend(options),
    appleScript(options),
    windowsToast(options),
    bell(options),
  ]
}

function ownCommand({ command, env }: NotifierOptions): Way {
  return {
    name: 'your own command',
    obstacle: command ? undefined : 'CLAUDE_FALLBACK_NOTIFY_COMMAND is not set',
    reason: 'CLAUDE_FALLBACK_NOTIFY_COMMAND is set',
    send: (notification) =>
      runTool(command?.[0] ?? '', command?.slice(1) ?? [], { env: { ...env, ...wordsOf(notification) } }),
  }
}

function terminalSequence({ terminal, env }: NotifierOptions): Way {
  const found = terminal === undefined ? { reason: 'there is no terminal to write to' } : readTerminal(env)
  const obstacle = found !== 'tmux' && 'reason' in found ? found.reason : undefined
  return {
    name: 'the terminal',
    obstacle,
    reason: found === 'tmux' ? 'through tmux' : 'protocol' in found ? `takes ${found.protocol}` : '',
    ...(found === 'tmux' && { check: () => lookAtTmux(env) }),
    send: async (notification) => {
      const answer =
        found === 'tmux' ? readTmux(await runTool('tmux', tmuxQuestion(env), { env, answer: true })) : found
      if ('reason' in answer) throw new Error(answer.reason)
      const sequence = renderTerminalNotification(answer.protocol, notification)
      terminal?.(found === 'tmux' ? wrapForTmux(sequence) : sequence)
    },
  }
}

function tmuxQuestion(env: NodeJS.ProcessEnv): string[] {
  return ['display-message', '-p', ...(env.TMUX_PANE ? ['-t', env.TMUX_PANE] : []), TMUX_QUESTION]
}

function lookAtTmux(env: NodeJS.ProcessEnv): string | undefined {
  const limits = { timeout: TIME_LIMIT, killSignal: 'SIGKILL', maxBuffer: LONGEST_ANSWER } as const
  const { status, stdout } = spawnSync('tmux', tmuxQuestion(env), {
    ...limits,
    env: withoutKeys(env),
    encoding: 'utf8',
  })
  if (status !== 0) return 'tmux does not answer'
  const answer = readTmux(stdout)
  return 'reason' in answer ? answer.reason : undefined
}

function notifySend({ env, platform }: NotifierOptions): Way {
  return {
    name: 'notify-send',
    obstacle: platform === 'linux' ? findBusObstacle(env) : 'this is not Linux',
    reason: 'there is a D-Bus session',
    check: () => lookFor('notify-send', env),
    send: (notification) => runTool('notify-send', renderNotifySend(notification), { env }),
  }
}

/** Without an address notify-send would start a bus of its own beside an X server, which nobody listens on. */
function findBusObstacle(env: NodeJS.ProcessEnv): string | undefined {
  if (env.DBUS_SESSION_BUS_ADDRESS) return undefined
  if (env.XDG_RUNTIME_DIR && fs.existsSync(path.join(env.XDG_RUNTIME_DIR, 'bus'))) return undefined
  return 'there is no D-Bus session'
}

function appleScript({ env, platform }: NotifierOptions): Way {
  return {
    name: 'osascript',
    obstacle: platform === 'darwin' ? undefined : 'this is not macOS',
    reason: 'this is macOS',
    check: () => lookFor('osascript', env),
    send: ({ title, text }) => runTool('osascript', ['-', title, text], { env, input: APPLE_SCRIPT }),
  }
}

function windowsToast({ env, platform }: NotifierOptions): Way {
  const isWsl = platform === 'linux' && Boolean(env.WSL_DISTRO_NAME || env.WSL_INTEROP)
  return {
    name: 'powershell.exe',
    obstacle: isWsl ? undefined : 'this is not WSL',
    reason: 'this is WSL',
    check: () => lookFor('powershell.exe', env),
    send: (notification) => {
      const words = wordsOf(notification)
      // WSLENV names what goes to Windows; `/w`: only that way.
      const shared = [env.WSLENV, ...Object.keys(words).map((name) => `${name}/w`)].filter(Boolean).join(':')
      const args = ['-NoProfile', '-NonInteractive', '-Command', TOAST_SCRIPT]
      return runTool('powershell.exe', args, { env: { ...env, ...words, WSLENV: shared } })
    },
  }
}

function bell({ terminal }: NotifierOptions): Way {
  return {
    name: 'the bell',
    obstacle: terminal === undefined ? 'there is no terminal to write to' : undefined,
    reason: 'every terminal has one',
    send: async () => terminal?.('\x07'),
  }
}

function lookFor(name: string, env: NodeJS.ProcessEnv): string | undefined {
  return isOnPath(name, env) ? undefined : `${name} is not on PATH`
}

function wordsOf({ title, text }: Notification) {
  return { CLAUDE_FALLBACK_NOTIFY_TITLE: title, CLAUDE_FALLBACK_NOTIFY_TEXT: text }
}
