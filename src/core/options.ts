import {
  BILLING,
  BOOLEAN,
  COMMAND,
  FOLDERS,
  KEY,
  type Kind,
  type Layer,
  PROGRAM,
  SWITCH_KEY,
  TEXT,
  USD,
} from './option-values.ts'
import { DEFAULT_SWITCH_KEY, type SwitchKey } from './switch-key.ts'

/** What each option of the config file holds, once read. */
export type OptionValues = {
  api_key: string | undefined
  api_key_command: string[] | undefined
  auto_restart: boolean
  auto_return: boolean
  billing: 'subscription' | 'api' | undefined
  continue_prompt: string
  claude: string | undefined
  switch_key: SwitchKey
  notify: boolean
  notify_command: string[] | undefined
  status_line: boolean
  max_usd: number
  max_usd_per_day: number
  debug: boolean
  config_dirs: string[]
}

export type OptionKey = keyof OptionValues

export type Option<Value> = {
  /** Environment variable; it goes before the file. */
  variable: string
  kind: Kind<NonNullable<Value>>
  default: Value
  /** The default for people, where it is not what one would write. */
  shownDefault: string
  /** One sentence, without capital and full stop. */
  help: string
  /** What becomes of the option where its value cannot be read. */
  otherwise: string
  /** Its value then; default: `default`. A cap that cannot be read must not be a higher one. */
  unreadable?: Value
  /** An empty variable is a value of its own; else it counts as not set. */
  takesBlank?: boolean
}

/** USD. */
const NO_CAP = Number.POSITIVE_INFINITY
const NOT_USED = 'it is not used'
const NO_BILLING = 'it counts as 0, so nothing is billed to the API'

/** Every option of claudef: the one source of names, defaults, help and the README's table, in their order. */
export const OPTIONS: { readonly [Key in OptionKey]: Option<OptionValues[Key]> } = {
  api_key: {
    variable: 'CLAUDE_FALLBACK_API_KEY',
    kind: KEY,
    default: undefined,
    shownDefault: 'an ANTHROPIC_API_KEY in the environment',
    help: 'the API key that pays once a limit is met',
    otherwise: NOT_USED,
  },
  api_key_command: {
    variable: 'CLAUDE_FALLBACK_API_KEY_COMMAND',
    kind: COMMAND,
    default: undefined,
    shownDefault: 'none',
    help: 'a command that prints the key; run without a shell',
    otherwise: NOT_USED,
  },
  auto_restart: {
    variable: 'CLAUDE_FALLBACK_AUTO_RESTART',
    kind: BOOLEAN,
    default: false,
    shownDefault: 'off',
    help: 'on: at a limit go on with the key unasked, which is your consent to spend',
    otherwise: 'it stays off',
    // An empty variable has always meant off, and is a way to say so for one session.
    takesBlank: true,
  },
  auto_return: {
    variable: 'CLAUDE_FALLBACK_AUTO_RETURN',
    kind: BOOLEAN,
    default: true,
    shownDefault: 'on',
    help: 'off: stay on the key after the reset, until you go back',
    otherwise: 'it stays on',
  },
  billing: {
    variable: 'CLAUDE_FALLBACK_BILLING',
    kind: BILLING,
    default: undefined,
    shownDefault: 'subscription',
    help: 'who pays for a new session: subscription or api',
    otherwise: 'the session starts on the subscription',
    unreadable: 'subscription',
  },
  continue_prompt: {
    variable: 'CLAUDE_FALLBACK_CONTINUE_PROMPT',
    kind: TEXT,
    default: 'Continue where you left off.',
    shownDefault: 'Continue where you left off.',
    help: 'sent after a switch; empty: nothing',
    otherwise: 'the default is sent',
    takesBlank: true,
  },
  claude: {
    variable: 'CLAUDE_FALLBACK_CLAUDE',
    kind: PROGRAM,
    default: undefined,
    shownDefault: 'the claude on PATH that is not claudef',
    help: 'the Claude Code to run, a path or a name',
    otherwise: NOT_USED,
  },
  switch_key: {
    variable: 'CLAUDE_FALLBACK_SWITCH_KEY',
    kind: SWITCH_KEY,
    default: DEFAULT_SWITCH_KEY,
    shownDefault: 'ctrl+]',
    help: 'the key that answers the bottom row: ctrl+ and a letter or ] \\ ^ _ @',
    otherwise: `it stays ${DEFAULT_SWITCH_KEY.name}`,
  },
  notify: {
    variable: 'CLAUDE_FALLBACK_NOTIFY',
    kind: BOOLEAN,
    default: true,
    shownDefault: 'on',
    help: 'off: no notifications on the desktop',
    otherwise: 'it stays on',
  },
  notify_command: {
    variable: 'CLAUDE_FALLBACK_NOTIFY_COMMAND',
    kind: COMMAND,
    default: undefined,
    shownDefault: 'none',
    help: 'a command of your own that shows them; run without a shell',
    otherwise: NOT_USED,
  },
  status_line: {
    variable: 'CLAUDE_FALLBACK_STATUS_LINE',
    kind: BOOLEAN,
    default: false,
    shownDefault: 'off',
    help: 'on: a status line with your limits, where you have none of your own',
    otherwise: 'it stays off',
  },
  max_usd: {
    variable: 'CLAUDE_FALLBACK_MAX_USD',
    kind: USD,
    default: NO_CAP,
    shownDefault: 'none',
    help: 'most that a session may spend on the key, in USD; 0: nothing, none: no cap',
    otherwise: NO_BILLING,
    unreadable: 0,
  },
  max_usd_per_day: {
    variable: 'CLAUDE_FALLBACK_MAX_USD_PER_DAY',
    kind: USD,
    default: 10,
    shownDefault: '10',
    help: 'the same for a day, over all your sessions',
    otherwise: NO_BILLING,
    unreadable: 0,
  },
  debug: {
    variable: 'CLAUDE_FALLBACK_DEBUG',
    kind: BOOLEAN,
    default: false,
    shownDefault: 'off',
    help: 'on: more lines in the log',
    otherwise: 'it stays off',
  },
  config_dirs: {
    variable: 'CLAUDE_FALLBACK_CONFIG_DIRS',
    kind: FOLDERS,
    default: [],
    shownDefault: 'none',
    help: 'more config folders of Claude Code for the monitor, colons between them',
    otherwise: NOT_USED,
  },
}

/** What only the environment can say, since the file cannot tell where the file is. */
export const VARIABLES_ONLY = [
  {
    variable: 'CLAUDE_FALLBACK_CONFIG',
    shownDefault: '~/.config/claude-fallback/config.json',
    help: 'the config file, an absolute path',
  },
  {
    variable: 'CLAUDE_FALLBACK_HOME',
    shownDefault: 'your home folder',
    help: 'the folder of log and state, an absolute path',
  },
] as const

export const OPTION_KEYS = Object.keys(OPTIONS) as OptionKey[]

/**
 * Reads one value. `name` says where it stands, such as `max_usd in /home/me/config.json`.
 * @returns the value, or a sentence: what is wrong, the value seen (never a key or a command), what to do
 */
export function parseOption<Key extends OptionKey>(
  key: Key,
  given: unknown,
  { layer, name }: { layer: Layer; name: string },
): { type: 'value'; value: OptionValues[Key] } | { type: 'problem'; sentence: string } {
  const { kind, otherwise } = OPTIONS[key]
  const parsed = kind.parse(given, layer)
  if (parsed.type === 'value') return parsed
  const repair = parsed.repair ?? kind.repair[layer]
  return { type: 'problem', sentence: `${name} ${parsed.why}: ${otherwise}. ${repair}` }
}

/** The option that somebody meant by a key or variable that does not exist; `undefined` where none is near. */
export function nearestOption(name: string): OptionKey | undefined {
  // Longer than any option: nothing to compare, and a file may hold anything.
  if (name.length > 60) return undefined
  const plain = name
    .replace(/([a-z])(?=[A-Z])/g, '$1_')
    .toLowerCase()
    .replace(/[-. ]/g, '_')
    .replace(/^claude_fallback_/, '')
  const [nearest] = OPTION_KEYS.map((key) => ({ key, edits: countEdits(plain, key) })).sort(
    // Rather a word that was left out than one too many.
    (one, other) => one.edits - other.edits || other.key.length - one.key.length,
  )
  const most = Math.max(1, Math.floor(plain.length * 0.4))
  return nearest !== undefined && nearest.edits <= most ? nearest.key : undefined
}

const HELP_COLUMNS = 110

/** For `claude-fallback help`: a line for each variable, or two. */
export function renderOptionsHelp(): string {
  const rows = [...Object.values(OPTIONS), ...VARIABLES_ONLY]
  const width = Math.max(...rows.map(({ variable }) => variable.length))
  return rows
    .map(({ variable, help, shownDefault }) => {
      const start = `  ${variable.padEnd(width)}  ${help}`
      const end = `default: ${shownDefault}`
      const isShort = start.length + end.length + 2 <= HELP_COLUMNS
      return `${start}${isShort ? '; ' : `;\n${' '.repeat(width + 4)}`}${end}\n`
    })
    .join('')
}

/** For the README: a markdown table of all options. */
export function renderOptionsTable(): string {
  const rows = [
    ...OPTION_KEYS.map((key) => ({ key: `\`${key}\``, ...OPTIONS[key] })),
    ...VARIABLES_ONLY.map((variable) => ({ key: '', ...variable })),
  ]
  const lines = rows.map(
    ({ key, variable, help, shownDefault }) => `| ${key} | \`${variable}\` | ${help} | ${shownDefault} |`,
  )
  return ['| key | variable | meaning | default |', '|---|---|---|---|', ...lines, ''].join('\n')
}

/** Levenshtein distance: letters to add, take away or change. */
function countEdits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let line = 1; line <= from.length; line++) {
    const next = [line]
    for (let at = 1; at <= to.length; at++) {
      const change = (row[at - 1] ?? 0) + (from[line - 1] === to[at - 1] ? 0 : 1)
      next.push(Math.min(change, (row[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
