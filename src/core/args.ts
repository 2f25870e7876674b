/** One word or option of Claude Code's command line, with the words it was written as. */
export type Token =
  | { type: 'option'; name: string; value: string | undefined; words: string[] }
  | { type: 'positional'; words: string[] }

/** Which conversation a command line asks for. `id` is known only where the user wrote one. */
export type SessionChoice =
  | { type: 'new'; id: string | undefined }
  | { type: 'resume'; id: string | undefined }

/** Options that take one value. Source: `claude --help` of 2.1.330 and its hidden options. */
const VALUE = new Set(
  `--advisor --agent --agent-color --agent-id --agent-name --agent-type --agents
  --append-subagent-system-prompt --append-subagent-system-prompt-file --append-system-prompt
  --append-system-prompt-file --autocompact --debug-file --effort --environment --fallback-model
  --input-format --json-schema --max-budget-usd --max-thinking-tokens --max-turns --mcp-debug
  --messaging-socket-path --model --name --output-format --parent-session-id --permission-mode
  --permission-prompt-tool --permission-prompts --plugin-dir --plugin-dir-no-mcp --plugin-url --prefill
  --prefill-b64 --remote-control-session-name-prefix --session-id --setting-sources --settings
  --system-prompt --system-prompt-file --system-prompt-snapshot --task-budget --team-name
  --teammate-mode --thinking --thinking-display --workload -n`.split(/\s+/),
)

/** Options whose value may be left out. */
const OPTIONAL = new Set(
  `--cloud --debug --from-pr --prompt-suggestions --rc --remote --remote-control --resume --teleport
  --worktree -d -r -w`.split(/\s+/),
)

/** Options that take every word up to the next option. */
const VARIADIC = new Set(
  `--add-dir --allowed-tools --allowedTools --betas --channels --disallowed-tools --disallowedTools
  --dangerously-load-development-channels --file --mcp-config --tools`.split(/\s+/),
)

/** Options without a value. Anything that stands in no table is of a version we do not know. */
const FLAG = new Set(
  `--allow-dangerously-skip-permissions --ax-screen-reader --background --bare --bg --brief --chrome
  --continue --dangerously-skip-permissions --desktop --disable-slash-commands --enable-auto-mode
  --exclude-dynamic-system-prompt-sections --fork-session --forward-subagent-text --help --ide
  --include-hook-events --include-partial-messages --init --init-only --maintenance --no-chrome
  --no-session-persistence --print --replay-user-messages --restricted --safe-mode --strict-mcp-config
  --tmux --verbose --version --web -c -h -p -v`.split(/\s+/),
)

/** Options that make Claude Code something else than an interactive session in this terminal. */
const NOT_A_SESSION = new Set(
  `--background --bg --cloud --desktop --environment --help --init-only --print --remote --tmux
  --version --web -h -p -v`.split(/\s+/),
)

/** Claude Code's own subcommands, the hidden ones included (2.1.330 and older). */
const SUBCOMMANDS = new Set(
  `agents attach auth auto-mode completion config doctor gateway import install kill logs mcp
  migrate-installer open plugin plugins project purge rc remote-control respawn rm server setup-token
  ssh stop ultrareview uninstall update upgrade`.split(/\s+/),
)

/** What starts a conversation or draws on its first screen: not to be said again when it is resumed. */
const FIRST_START_ONLY = new Set(
  `--continue --fork-session --from-pr --init --maintenance --prefill --prefill-b64 --resume
  --session-id --teleport --worktree -c -r -w`.split(/\s+/),
)

/** Reads a command line the way Claude Code's parser (commander) does. */
export function parseArgs(argv: readonly string[]): Token[] {
  const tokens: Token[] = []
  let rest = [...argv]
  while (rest.length > 0) {
    const [word = '', ...after] = rest
    if (word === '--') {
      tokens.push(...after.map((positional) => ({ type: 'positional' as const, words: [positional] })))
      break
    }
    if (isOption(word)) {
      const option = readOption(word, after)
      tokens.push(...option.tokens)
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
  const positional = tokens.find((token) => token.type === 'positional')
  const subcommand = positional !== undefined && SUBCOMMANDS.has(positional.words[0] ?? '')
  return !subcommand && !tokens.some((token) => token.type === 'option' && NOT_A_SESSION.has(token.name))
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

export function hasOption(tokens: readonly Token[], name: string): boolean {
  return tokens.some((token) => token.type === 'option' && token.name === name)
}

/**
 * The command line of the first start: the user's own words, with our `--settings` in the place of theirs
 * (Claude Code takes one of two, not both) and the id of a new conversation.
 */
export function startArgs(argv: readonly string[], ours: { settings: string; sessionId?: string }): string[] {
  const tokens = parseArgs(argv)
  // Left as written where there is nothing to take out, since no table of ours knows every option.
  const words = hasOption(tokens, '--settings') ? wordsWithout(tokens, new Set(['--settings'])) : argv
  const id = ours.sessionId === undefined ? [] : ['--session-id', ours.sessionId]
  return [...id, '--settings', ours.settings, ...words]
}

/**
 * The command line that opens the same conversation again: all that the user said except which conversation,
 * the first prompt and the settings, then ours. `--resume` comes last so that no list option of the user's
 * (`--add-dir a b`) can take the prompt for its own.
 */
export function resumeArgs(
  argv: readonly string[],
  ours: { settings: string; sessionId: string; model?: string; prompt?: string },
): string[] {
  const kept = parseArgs(argv).filter((token) => token.type === 'option')
  const replaced = ours.model === undefined ? ['--settings'] : ['--settings', '--model']
  const words = wordsWithout(kept, new Set([...FIRST_START_ONLY, ...replaced]))
  const model = ours.model === undefined ? [] : ['--model', ours.model]
  const prompt = ours.prompt ? [...(ours.prompt.startsWith('-') ? ['--'] : []), ours.prompt] : []
  return [...words, ...model, '--settings', ours.settings, '--resume', ours.sessionId, ...prompt]
}

function wordsWithout(tokens: readonly Token[], names: ReadonlySet<string>): string[] {
  const kept = tokens.filter((token) => token.type === 'positional' || !names.has(token.name))
  const options = kept.filter((token) => token.type === 'option').flatMap((token) => token.words)
  const positionals = kept.filter((token) => token.type === 'positional').flatMap((token) => token.words)
  // Behind `--`, or a list option that now stands before it would take the prompt.
  return positionals.length === 0 ? options : [...options, '--', ...positionals]
}

function readOption(word: string, after: readonly string[]): { tokens: Token[]; rest: string[] } {
  const equals = word.indexOf('=')
  if (word.startsWith('--') && equals > 0) {
    const option = { name: word.slice(0, equals), value: word.slice(equals + 1), words: [word] }
    return { tokens: [{ type: 'option', ...option }], rest: [...after] }
  }
  if (!word.startsWith('--') && word.length > 2) return readShortOptions(word, after)
  const taken = valueCount(word, after)
  const option = { name: word, value: after[taken - 1], words: [word, ...after.slice(0, taken)] }
  return { tokens: [{ type: 'option', ...option }], rest: after.slice(taken) }
}

/** `-cp` is `-c -p`; `-rID` is `-r ID`. */
function readShortOptions(word: string, after: readonly string[]): { tokens: Token[]; rest: string[] } {
  const name = word.slice(0, 2)
  if (VALUE.has(name) || OPTIONAL.has(name)) {
    return { tokens: [{ type: 'option', name, value: word.slice(2), words: [word] }], rest: [...after] }
  }
  const flag: Token = { type: 'option', name, value: undefined, words: [name] }
  return { tokens: [flag], rest: [`-${word.slice(2)}`, ...after] }
}

/** How many of the words after an option belong to it. */
function valueCount(name: string, after: readonly string[]): number {
  if (VALUE.has(name)) return Math.min(1, after.length)
  const next = after[0]
  if (next === undefined || isOption(next) || FLAG.has(name)) return 0
  if (OPTIONAL.has(name)) return 1
  if (VARIADIC.has(name)) {
    const end = after.findIndex(isOption)
    return end === -1 ? after.length : end
  }
  // An option of a version that we do not know: a word without a space is its value, a sentence is the prompt.
  return /\s/.test(next) ? 0 : 1
}

function isOption(word: string): boolean {
  return word.length > 1 && word.startsWith('-')
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)
}
