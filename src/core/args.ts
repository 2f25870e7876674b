/** One word or option of Claude Code's command line, with the words it was written as. */
export type Token =
  | { type: 'option'; name: string; value: string | undefined; words: string[] }
  | { type: 'positional'; words: string[] }

/** Which conversation a command line asks for. `id` is known only where the user wrote one. */
export type SessionChoice =
  | { type: 'new'; id: string | undefined }
  | { type: 'resume'; id: string | undefined }

/** Options that take one value. Source: the options that 2.1.330 itself declares, the hidden ones included. */
const VALUE = new Set(
  `--advisor --agent --agent-color --agent-id --agent-name --agent-type --agents
  --append-subagent-system-prompt --append-subagent-system-prompt-file --append-system-prompt
  --append-system-prompt-file --attach-serve --autocompact --client-data-url --correlation-id --debug-file
  --deep-link-cwd-b64 --deep-link-last-fetch --deep-link-repo --effort --environment --exec
  --fallback-model --fast-mode --forward-home-settings --handle-uri --inherit-permission-mode
  --initialize-fields --input-format --json-schema --lead-verify-key --managed-settings --max-budget-usd
  --max-thinking-tokens --max-turns --messaging-socket-path --metadata --model --name --on-branch
  --output-format --parent-session-id --permission-mode --permission-prompt-tool --permission-prompts
  --plan-mode-instructions --plugin-dir --plugin-dir-no-mcp --plugin-url --pool --prefill --prefill-b64
  --proactivity --project-config-root --ref --remote-control-session-name-prefix --resume-drops-turn
  --resume-session-at --rewind-files --routine --runner-declares --sdk-url --session-began-as-copy
  --session-id --setting-sources --settings --system-prompt --system-prompt-file --system-prompt-snapshot
  --task-budget --team-name --teammate-mode --thinking --thinking-display --watch-artifact
  --watch-artifact-no-autoreact --workload -m -n`.split(/\s+/),
)

/** Options whose value may be left out. */
const OPTIONAL = new Set(
  `--cloud --debug --from-pr --project --prompt-suggestions --rc --remote --remote-control --resume
  --teleport --worktree -d -r -w`.split(/\s+/),
)

/** Options that take every word up to the next option. */
const VARIADIC = new Set(
  `--add-dir --allowed-tools --allowedTools --betas --channels --dangerously-load-development-channels
  --disallowed-tools --disallowedTools --file --mcp-config --tools`.split(/\s+/),
)

/** Options without a value. Anything that stands in no table is of a version we do not know. */
const FLAG = new Set(
  `--agents-view-if-allowed --allow-dangerously-skip-permissions --allow-other-models --await-claim
  --await-initialize --ax-screen-reader --background --bare --bg --brief --chrome --continue
  --dangerously-skip-permissions --debug-to-stderr --deep-link-origin --desktop --disable-slash-commands
  --enable-auth-status --enable-auto-mode --exclude-dynamic-system-prompt-sections --fork-session
  --forward-subagent-text --hard-fail --help --hold-repository-while-parked --host-auth-is-org-sign-in
  --ide --ignore-persisted-trust --include-hook-events --include-partial-messages
  --include-unsupported-models --init --init-only --maintenance --managed-settings-in-initialize
  --mcp-debug --no-chrome --no-session-persistence --plan-mode-required --print --replay-user-messages
  --reply-on-resume --restricted --safe-mode --session-mirror --strict-mcp-config --tmux --verbose
  --version --web -V -c -h -p -v`.split(/\s+/),
)

/** Options that make Claude Code something else than an interactive session in this terminal. */
const NOT_A_SESSION = new Set(
  `--agents-view-if-allowed --attach-serve --background --bg --cloud --desktop --environment --exec
  --handle-uri --help --init-only --pool --print --remote --rewind-files --routine --sdk-url --tmux
  --version --web -V -h -p -v`.split(/\s+/),
)

/** Claude Code's own subcommands, the hidden ones included (2.1.330 and older). */
const SUBCOMMANDS = new Set(
  `agents apply-project-settings attach auth auto-mode bridge completion config daemon design-login doctor
  edit-chrome-settings edit-hook edit-memory-settings edit-permission-rules edit-sandbox-settings
  edit-skill-overrides gateway import import-conversations install kill logs mcp migrate-installer open
  plugin plugins project purge rc remote remote-control respawn rm sandbox server setup-token ssh stop
  sync ultrareview uninstall update upgrade workspace-trust worktree-hook`.split(/\s+/),
)

/** What starts a conversation or draws on its first screen: not to be said again when it is resumed. */
const FIRST_START_ONLY = new Set(
  `--continue --deep-link-last-fetch --deep-link-origin --deep-link-repo --fork-session --from-pr --init
  --maintenance --prefill --prefill-b64 --reply-on-resume --resume --resume-drops-turn --resume-session-at
  --session-id --teleport --worktree -c -r -w`.split(/\s+/),
)

/**
 * Reads a command line the way Claude Code's parser (a commander) does. The `--` that ends the options stays with
 * the word after it.
 */
export function parseArgs(argv: readonly string[]): Token[] {
  const tokens: Token[] = []
  let rest = [...argv]
  while (rest.length > 0) {
    const [word = '', ...after] = rest
    if (word === '--') {
      const [first, ...others] = after.map(
        (positional): Token => ({ type: 'positional', words: [positional] }),
      )
      if (first !== undefined) tokens.push({ type: 'positional', words: ['--', ...first.words] }, ...others)
      break
    }
    if (isOption(word)) {
      const option = readOption(word, after)
      tokens.push(option.token)
      rest = option.rest
    } else {
      tokens.push({ type: 'positional', words: [word] })
      rest = after
    }
  }
  return tokens
}

/** True where the command line opens a conversation in this terminal (both ends being terminals). */
export function isSession(tokens: readonly Token[]): boolean {
  const first = tokens.find((token) => token.type === 'positional')?.words.at(-1) ?? ''
  // A link of the kind opens a conversation on another machine.
  if (SUBCOMMANDS.has(first) || /^cc(\+unix)?:\/\//.test(first)) return false
  return !tokens.some((token) => token.type === 'option' && NOT_A_SESSION.has(token.name))
}

/** The conversation that the command line chooses. A fork or a picked one gets an id we cannot know. */
export function sessionChoice(tokens: readonly Token[]): SessionChoice {
  const sessionId = optionValue(tokens, '--session-id')
  if (sessionId !== undefined) return { type: 'new', id: sessionId }
  if (hasOption(tokens, '--fork-session')) return { type: 'resume', id: undefined }
  const resume = optionValue(tokens, '--resume') ?? optionValue(tokens, '-r')
  if (resume !== undefined) return { type: 'resume', id: isUuid(resume) ? resume : undefined }
  const picked = ['--resume', '-r', '--continue', '-c', '--from-pr', '--teleport']
  if (picked.some((name) => hasOption(tokens, name))) return { type: 'resume', id: undefined }
  return { type: 'new', id: undefined }
}

/** The value of an option; of several, the last, as Claude Code 2.1.210 and later have it. */
export function optionValue(tokens: readonly Token[], name: string): string | undefined {
  const found = tokens.findLast((token) => token.type === 'option' && token.name === name)
  return found?.type === 'option' ? found.value : undefined
}

/** Every value of an option that takes a list. */
export function listValues(tokens: readonly Token[], name: string): string[] {
  const found = tokens.filter((token) => token.type === 'option' && token.name === name)
  return found.flatMap(({ words: [first = '', ...rest] }) =>
    first.startsWith(`${name}=`) ? [first.slice(name.length + 1), ...rest] : rest,
  )
}

export function hasOption(tokens: readonly Token[], name: string): boolean {
  return tokens.some((token) => token.type === 'option' && token.name === name)
}

/**
 * The command line of the first start: the user's own words, with our `--settings` in the place of theirs
 * (Claude Code takes one of two, not both) and the id of a new conversation.
 */
export function startArgs(argv: readonly string[], ours: { settings: string; sessionId?: string }): string[] {
  const id = ours.sessionId === undefined ? [] : ['--session-id', ours.sessionId]
  const settings = ['--settings', ours.settings]
  const tokens = parseArgs(argv)
  if (optionValue(tokens, '--settings') === undefined) return [...id, ...settings, ...argv]
  // In their very place: behind a list option (`--add-dir a b`) the next word could be taken for one of the list.
  const isSettings = (token: Token) => token.type === 'option' && token.name === '--settings'
  return [...id, ...tokens.flatMap((token) => (isSettings(token) ? settings : token.words))]
}

/**
 * The command line that opens the same conversation again: all that the user said except which conversation,
 * the first prompt and the settings, then ours; `addDirs`, where given, in the place of theirs. `--resume` comes
 * last so that no list option of the user's can take the prompt for its own.
 */
export function resumeArgs(
  argv: readonly string[],
  ours: { settings: string; sessionId: string; model?: string; prompt?: string; addDirs?: readonly string[] },
): string[] {
  const dropped = new Set([
    ...FIRST_START_ONLY,
    '--settings',
    ...(ours.model === undefined ? [] : ['--model']),
    ...(ours.addDirs === undefined ? [] : ['--add-dir']),
  ])
  const words = parseArgs(argv).flatMap((token) =>
    token.type === 'positional' || dropped.has(token.name) ? [] : token.words,
  )
  const addDirs = ours.addDirs?.length ? ['--add-dir', ...ours.addDirs] : []
  const model = ours.model === undefined ? [] : ['--model', ours.model]
  const prompt = ours.prompt ? [...(ours.prompt.startsWith('-') ? ['--'] : []), ours.prompt] : []
  return [...words, ...addDirs, ...model, '--settings', ours.settings, '--resume', ours.sessionId, ...prompt]
}

type Option = Extract<Token, { type: 'option' }>

function readOption(word: string, after: readonly string[]): { token: Option; rest: string[] } {
  const equals = word.indexOf('=')
  if (word.startsWith('--') && equals > 0) {
    const option: Option = {
      type: 'option',
      name: word.slice(0, equals),
      value: word.slice(equals + 1),
      words: [word],
    }
    return { token: option, rest: [...after] }
  }
  if (!word.startsWith('--') && word.length > 2) return readShortOptions(word, after)
  const taken = valueCount(word, after)
  const words = [word, ...after.slice(0, taken)]
  return { token: { type: 'option', name: word, value: after[taken - 1], words }, rest: after.slice(taken) }
}

/** `-cp` is `-c -p`; `-rID` is `-r ID`. */
function readShortOptions(word: string, after: readonly string[]): { token: Option; rest: string[] } {
  const name = word.slice(0, 2)
  if (FLAG.has(name)) {
    const flag: Option = { type: 'option', name, value: undefined, words: [name] }
    return { token: flag, rest: [`-${word.slice(2)}`, ...after] }
  }
  return { token: { type: 'option', name, value: word.slice(2), words: [word] }, rest: [...after] }
}

/** How many of the words after an option belong to it. */
function valueCount(name: string, after: readonly string[]): number {
  if (VALUE.has(name)) return Math.min(1, after.length)
  if (VARIADIC.has(name)) {
    // The first word is a value whatever it looks like.
    const end = after.findIndex((word, at) => at > 0 && isOption(word))
    return end === -1 ? after.length : end
  }
  const next = after[0]
  if (next === undefined || isOption(next) || FLAG.has(name)) return 0
  if (OPTIONAL.has(name)) return 1
  // An option of a version that we do not know: a word without a space is its value, a sentence is the prompt.
  return /\s/.test(next) ? 0 : 1
}

function isOption(word: string): boolean {
  return word.length > 1 && word.startsWith('-')
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)
}
