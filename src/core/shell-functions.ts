import { quoteWord } from './words.ts'
/** The shells that get functions. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const

export type Shell = (typeof SHELLS)[number]

/** A second line that tells a file of ours from one that happens to have its name. */
export const SIGNATURE = '# Written by `claude-fallback install`; `claude-fallback uninstall` takes it away.'

const STARTERS = [
  { name: 'claude-api', billing: 'api', description: 'Claude Code on your own API key' },
  { name: 'claude-sub', billing: 'subscription', description: 'Claude Code on your subscription' },
] as const

type Starter = (typeof STARTERS)[number]

/** The shell of this name, or of the program at this path (`/bin/zsh`, a login shell's `-bash`). */
export function parseShell(text: string): Shell | undefined {
  const name = text.slice(text.lastIndexOf('/') + 1).replace(/^-/, '')
  return SHELLS.find((shell) => shell === name)
}

/**
 * The text that defines `claude-api`, `claude-sub` and `claude-mode`, for a file to source or for `eval`.
 * @param options `alias`: `claude` means claudef, too
 */
export function renderFunctions(shell: Shell, options: { alias: boolean }): string {
  const { head, start, mode, alias } = shell === 'fish' ? FISH : posixParts(shell)
  const functions = [...STARTERS.map(start), mode]
  return `${[head, ...functions, ...(options.alias ? [alias] : [])].join('\n\n')}\n`
}

type Parts = { head: string; start: (starter: Starter) => string; mode: string; alias: string }

/**
 * bash and zsh expand aliases while they read a function. So aliases of these names go first, as they would hide the
 * functions, too; since zsh reads all of an `eval` before it runs any of it, the names are quoted where bash allows;
 * and `\command` means the command whatever `command` is an alias of. `env` sets the variable where it is read-only in
 * the shell, too: bash would start the session without it, on who knows whose bill.
 */
function posixParts(shell: 'bash' | 'zsh'): Parts {
  const name = (word: string) => (shell === 'zsh' ? quoteWord(word) : word)
  // On PATH, and no function or alias.
  const find = shell === 'zsh' ? '\\builtin whence -p' : '\\builtin type -P'
  const demand = (caller: string, program: string) => `  if ! ${find} '${program}' >/dev/null; then
    \\builtin printf '%s\\n' '${missing(caller, program)}' >&2
    return 127
  fi`
  return {
    head: `# shellcheck shell=bash
${SIGNATURE}
\\unalias 'claude-api' 2>/dev/null || :
\\unalias 'claude-sub' 2>/dev/null || :
\\unalias 'claude-mode' 2>/dev/null || :`,
    start: (starter) => `# ${starter.description}.
function ${name(starter.name)} {
${demand(starter.name, 'claude-fallback')}
${demand(starter.name, 'claudef')}
  \\command 'claude-fallback' 'mode' '${starter.billing}' </dev/null >/dev/null ||
    \\builtin printf '%s\\n' '${unsaved(starter)}' >&2
  \\command 'env' 'CLAUDE_FALLBACK_BILLING=${starter.billing}' 'claudef' "$@"
}`,
    mode: `# What new sessions start on.
function ${name('claude-mode')} {
${demand('claude-mode', 'claude-fallback')}
  \\command 'claude-fallback' 'mode' "$@"
}`,
    alias: "\\alias 'claude=claudef'",
  }
}

/** In a script `claude` stays what it is, as in bash and zsh, whose scripts do not read the rc file. */
const FISH: Parts = {
  head: `# fish
${SIGNATURE}`,
  start: (starter) => `function ${starter.name} --wraps claudef --description '${starter.description}'
${demandInFish(starter.name, 'claude-fallback')}
${demandInFish(starter.name, 'claudef')}
    if not command claude-fallback mode ${starter.billing} </dev/null >/dev/null
        builtin printf '%s\\n' '${unsaved(starter)}' >&2
    end
    set -lx CLAUDE_FALLBACK_BILLING ${starter.billing}
    command claudef $argv
end`,
  mode: `function claude-mode --description 'What new Claude Code sessions start on'
${demandInFish('claude-mode', 'claude-fallback')}
    command claude-fallback mode $argv
end`,
  alias: `if status is-interactive
    function claude --wraps claudef --description 'alias claude=claudef'
        command claudef $argv
    end
end`,
}

function demandInFish(caller: string, program: string): string {
  return `    if not command -q ${program}
        builtin printf '%s\\n' '${missing(caller, program)}' >&2
        return 127
    end`
}

/** Without a quote: it stands in single quotes. */
function missing(caller: string, program: string): string {
  return `${caller}: there is no ${program} on PATH. Install claudef again, or put the folder of its programs on PATH.`
}

function unsaved({ name, billing }: Starter): string {
  return `${name}: the mode could not be saved. This session starts on ${billing}; later ones start as before.`
}
