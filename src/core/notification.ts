/** What is told outside Claude Code's screen: as a desktop notification, or by the terminal. */
export type Notification = {
  title: string
  text: string
  /** Default: `normal`. A critical one stays until it is dismissed, where the desktop knows the difference. */
  urgency?: 'normal' | 'critical'
}

/** The sequences by which terminals take a notification: iTerm2's, urxvt's and kitty's. */
export type TerminalProtocol = 'OSC 9' | 'OSC 777' | 'OSC 99'

/** Whether a terminal takes notifications, and how; or a sentence that says why not. */
type TerminalAnswer = { protocol: TerminalProtocol } | { reason: string }

const LONGEST_TITLE = 100
const LONGEST_TEXT = 400

/**
 * One line each of what may be shown: texts come from transcripts and folder names, and a control character would end
 * the sequence that carries them. Cut to 100 and 400 characters: less than the 2048 bytes that OSC 99 allows a piece.
 */
export function cleanNotification(notification: Notification): Notification {
  return {
    ...notification,
    title: oneLine(notification.title, LONGEST_TITLE) || 'claudef',
    text: oneLine(notification.text, LONGEST_TEXT),
  }
}

function oneLine(text: string, longest: number): string {
  const clean = text.replace(/[\p{Cc}\p{Bidi_Control}\p{Surrogate}\s]+/gu, ' ').trim()
  const characters = [...clean]
  return characters.length > longest ? `${characters.slice(0, longest - 1).join('')}…` : clean
}

/** What sets `TERM` to a name of its own, also over SSH. */
const TERMS: [RegExp, TerminalProtocol][] = [
  [/^xterm-kitty$/, 'OSC 99'],
  [/^(xterm-)?ghostty$/, 'OSC 777'],
  [/^foot(-|$)/, 'OSC 777'],
  [/^wezterm$/, 'OSC 777'],
]

/** Ghostty and WezTerm read OSC 9 as well, but `9;5…`, as in "5-hour limit", is a command of ConEmu's to Ghostty. */
const PROGRAMS: Record<string, TerminalProtocol> = {
  'iTerm.app': 'OSC 9',
  WezTerm: 'OSC 777',
  ghostty: 'OSC 777',
  WarpTerminal: 'OSC 777',
}

/** Marks of terminals that take none, and of terminals inside an editor, which may have inherited `TERM_PROGRAM`. */
const OTHERS = ['XTERM_VERSION', 'VTE_VERSION', 'KONSOLE_VERSION', 'ALACRITTY_WINDOW_ID']
const EDITORS = ['NVIM', 'VIM_TERMINAL', 'INSIDE_EMACS']

/**
 * Tells from the environment how the terminal takes notifications. Where in doubt it does not: a sequence that a
 * terminal ignores is a notification lost, and the next way would have shown it. So Windows Terminal, Konsole and VS
 * Code, which take them in some versions, are left to the desktop's own notifications.
 * @returns `tmux` where tmux is to be asked, see TMUX_QUESTION
 */
export function readTerminal(env: Record<string, string | undefined>): TerminalAnswer | 'tmux' {
  const term = env.TERM ?? ''
  if (env.STY) return { reason: 'GNU screen is in between' }
  if (env.ZELLIJ) return { reason: 'Zellij is in between' }
  const editor = EDITORS.find((name) => env[name])
  if (editor) return { reason: `the terminal is one inside an editor (${editor})` }
  if (env.TMUX) return 'tmux'
  if (/^(screen|tmux)/.test(term)) return { reason: `TERM is '${term}', a multiplexer's on another machine` }
  const protocol = findTerm(term) ?? (OTHERS.some((name) => env[name]) ? undefined : findProgram(env))
  if (protocol) return { protocol }
  return { reason: `the terminal (${env.TERM_PROGRAM || term || 'unknown'}) is not known to take any` }
}

function findTerm(term: string): TerminalProtocol | undefined {
  return TERMS.find(([pattern]) => pattern.test(term))?.[1]
}

function findProgram(env: Record<string, string | undefined>): TerminalProtocol | undefined {
  if (!env.TERM?.startsWith('xterm')) return undefined
  // SSH hands on LC_TERMINAL, by which iTerm2 is known from afar.
  const program = env.TERM_PROGRAM || (env.LC_TERMINAL === 'iTerm2' ? 'iTerm.app' : '')
  return Object.hasOwn(PROGRAMS, program) ? PROGRAMS[program] : undefined
}

/** The format that `tmux display-message -p` fills in for `readTmux`. */
export const TMUX_QUESTION =
  '#{allow-passthrough}|#{window_active}|#{window_zoomed_flag}|#{pane_active}|#{client_termname}|#{client_termtype}'

/** What the terminals around tmux call themselves when tmux asks them (XTVERSION). */
const TYPES: [RegExp, TerminalProtocol][] = [
  [/^iterm2/i, 'OSC 9'],
  [/^kitty/i, 'OSC 99'],
  [/^(wezterm|ghostty|foot)/i, 'OSC 777'],
]

/**
 * Reads tmux's answer to TMUX_QUESTION: whether a notification would reach the terminal around it. tmux drops the
 * passthrough unless `allow-passthrough` is on (3.3 and later; a flag at first, then off, on or all; before: always).
 */
export function readTmux(answer: string): TerminalAnswer {
  const [passthrough = '', active, zoomed, paneActive, name = '', type = ''] = answer.trim().split('|')
  if (passthrough === '0' || passthrough === 'off') {
    return { reason: 'tmux passes none on: put `set -g allow-passthrough on` into ~/.tmux.conf' }
  }
  if (name === '') return { reason: 'no terminal is attached to tmux' }
  const shown = active === '1' && (zoomed !== '1' || paneActive === '1')
  if (passthrough !== 'all' && !shown) {
    return { reason: 'tmux passes none on from a pane out of sight (`allow-passthrough all` does)' }
  }
  const protocol = TYPES.find(([pattern]) => pattern.test(type))?.[1] ?? findTerm(name)
  if (protocol) return { protocol }
  return { reason: `the terminal around tmux (${type || name}) is not known to take any` }
}

const OSC = '\x1b]'
const ST = '\x1b\\'

/**
 * The sequence for a clean notification. Sources: iterm2.com/documentation-escape-codes.html (9), foot-ctlseqs(7) and
 * WezTerm's parser, which parts at every `;` (777), sw.kovidgoyal.net/kitty/desktop-notifications (99).
 */
export function renderTerminalNotification(protocol: TerminalProtocol, notification: Notification): string {
  const { title, text } = notification
  switch (protocol) {
    case 'OSC 9': {
      const line = text === '' ? title : `${title}: ${text}`
      // `9;4;…` is a progress bar to iTerm2.
      return `${OSC}9;${/^\d/.test(line) ? ' ' : ''}${line}${ST}`
    }
    case 'OSC 777':
      return `${OSC}777;notify;${title.replaceAll(';', ',')};${text.replaceAll(';', ',')}${ST}`
    case 'OSC 99': {
      const common = `i=${identify(title + text)}:e=1:u=${notification.urgency === 'critical' ? 2 : 1}`
      const piece = (keys: string, payload: string) =>
        `${OSC}99;${common}${keys};${encodeBase64(payload)}${ST}`
      return text === '' ? piece('', title) : piece(':d=0', title) + piece(':p=body', text)
    }
  }
}

/** The same words twice are one notification to kitty, others never replace each other. */
function identify(words: string): string {
  let hash = 0
  for (const character of words) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0
  return `claudef-${hash.toString(36)}`
}

function encodeBase64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}

/** Wraps a sequence so that tmux hands it to the terminal around it. */
export function wrapForTmux(sequence: string): string {
  return `\x1bPtmux;${sequence.replaceAll('\x1b', '\x1b\x1b')}${ST}`
}

/** Arguments of `notify-send`. The body may hold markup, so there `<` and `&` stand for themselves only escaped. */
export function renderNotifySend({ title, text, urgency = 'normal' }: Notification): string[] {
  const markup = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  // notify-send reads `\n` and its like in the body as C does (g_strcompress).
  return ['--app-name=claudef', `--urgency=${urgency}`, '--', title, markup.replaceAll('\\', '\\\\')]
}

/** For `osascript - title text`: the words are arguments, no part of the script. */
export const APPLE_SCRIPT = `on run argv
  display notification (item 2 of argv) with title (item 1 of argv)
end run
`

/**
 * For Windows PowerShell: a toast with the words of the environment, under PowerShell's own name, for a toast needs one
 * that is registered. No double quotes in it: those would have to survive two ways of quoting.
 */
export const TOAST_SCRIPT = [
  `$ErrorActionPreference = 'Stop'`,
  `$manager = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]`,
  `$toast = $manager::GetTemplateContent([Windows.UI.Notifications.ToastTemplateType]::ToastText02)`,
  `$rows = $toast.GetElementsByTagName('text')`,
  `$null = $rows.Item(0).AppendChild($toast.CreateTextNode([string]$env:CLAUDE_FALLBACK_NOTIFY_TITLE))`,
  `$null = $rows.Item(1).AppendChild($toast.CreateTextNode([string]$env:CLAUDE_FALLBACK_NOTIFY_TEXT))`,
  `$application = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe'`,
  `$notification = [Windows.UI.Notifications.ToastNotification]::new($toast)`,
  `$manager::CreateToastNotifier($application).Show($notification)`,
].join('; ')
