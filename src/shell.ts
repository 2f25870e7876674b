import { type Companion, readCommandLine, USAGE_ERROR } from './companion.ts'
import { OPTIONS } from './core/options.ts'
import { parseShell, renderFunctions, SHELLS, type Shell } from './core/shell-functions.ts'
import { quoteWord } from './core/words.ts'
import { readBytes, removeFile, saveBytes } from './rc-file.ts'
import {
  type Edit,
  functionsFile,
  mayReadAnotherRc,
  planInstall,
  planUninstall,
  type ShellWorld,
} from './shell-plan.ts'

const SHELL = { type: 'string' } as const
const FLAG = { type: 'boolean' } as const

const FUNCTIONS = `  claude-api   Claude Code through claudef on your API key, and later sessions too (claude-fallback mode api)
  claude-sub   the same on your subscription
  claude-mode  what new sessions start on
`

const INSTALL = {
  name: 'install',
  options: { shell: SHELL, alias: FLAG, 'dry-run': FLAG },
  help: `Usage: claude-fallback install [--shell bash|zsh|fish] [--alias] [--dry-run]

Gives your shell three functions, in a file of ours that a marked block in your rc file sources:

${FUNCTIONS}
  --shell    default: the shell that SHELL names
  --alias    also: claude means claudef
  --dry-run  say what would be done, and do nothing
`,
}

const UNINSTALL = {
  name: 'uninstall',
  options: { shell: SHELL },
  help: `Usage: claude-fallback uninstall [--shell bash|zsh|fish]

Takes away what \`claude-fallback install\` has written, of one shell or of all.
`,
}

const INIT = {
  name: 'init',
  options: { alias: FLAG },
  words: { least: 1, most: 1 },
  help: `Usage: claude-fallback init bash|zsh|fish [--alias]

Prints the shell functions that \`claude-fallback install\` would write, for your own rc file:

  eval "$(claude-fallback init bash)"
  claude-fallback init fish | source

${FUNCTIONS}
  --alias    also: claude means claudef
`,
}

/** In our text where `--alias` was given. */
const ALIAS = 'claude=claudef'

const ANOTHER_RC = `
Your ~/.zshenv sets ZDOTDIR, and does not export it. If zsh has its .zshrc there, type, in zsh:

  ZDOTDIR=$ZDOTDIR claude-fallback install --shell zsh
`

type World = Companion & ShellWorld

/** `claude-fallback install`. @returns 1 where a file could not be changed, 2 where no shell is named */
export async function runInstall(companion: World): Promise<number> {
  const line = readCommandLine(companion, INSTALL)
  if (line.exitCode !== undefined) return line.exitCode
  const { shell: name, alias = false, 'dry-run': isDry = false } = line.values
  const shell = parseShell(name ?? companion.env.SHELL ?? '')
  if (shell === undefined) return refuseShell(companion, INSTALL.name, name)
  return report(companion, INSTALL.name, () => {
    const edits = planInstall(shell, { alias }, companion)
    if (isDry) {
      return companion.stdout.write(`Would be done, and is not:\n${edits.map(describe).join('')}`)
    }
    const changes = edits.filter((edit) => edit.before !== edit.after)
    if (changes.length === 0) {
      return companion.stdout.write(`The functions for ${shell} are installed already: nothing to do.\n`)
    }
    for (const edit of changes) apply(edit, companion)
    if (mayReadAnotherRc(shell, companion)) companion.stdout.write(ANOTHER_RC)
    return companion.stdout.write(renderNext(shell, edits))
  })
}

/** `claude-fallback uninstall`. @returns 1 where something of ours could not be taken away */
export async function runUninstall(companion: World): Promise<number> {
  const line = readCommandLine(companion, UNINSTALL)
  if (line.exitCode !== undefined) return line.exitCode
  const { shell: name } = line.values
  const shell = name === undefined ? undefined : parseShell(name)
  if (name !== undefined && shell === undefined) return refuseShell(companion, UNINSTALL.name, name)
  let changed = false
  const codes = (shell === undefined ? SHELLS : [shell]).map((each) =>
    report(companion, UNINSTALL.name, () => {
      const edits = planUninstall(each, companion)
      for (const edit of edits) apply(edit, companion)
      changed ||= edits.length > 0
    }),
  )
  if (codes.includes(1)) return 1
  companion.stdout.write(
    changed ? 'Shells that run already keep the functions.\n' : 'Nothing is installed.\n',
  )
  return 0
}

/** `claude-fallback init`. @returns 2 where the shell is none of ours */
export async function runInit(companion: Companion): Promise<number> {
  const line = readCommandLine(companion, INIT)
  if (line.exitCode !== undefined) return line.exitCode
  const shell = parseShell(line.words[0] ?? '')
  if (shell === undefined) return refuseShell(companion, INIT.name, line.words[0])
  companion.stdout.write(renderFunctions(shell, { alias: line.values.alias ?? false }))
  return 0
}

/**
 * The shells that something of ours is found for, for `doctor`. Never throws.
 * @returns `file`: where the functions are or should be; `isCurrent`: installing again would change nothing
 */
export function findInstalled(world: ShellWorld): { shell: Shell; file: string; isCurrent: boolean }[] {
  return SHELLS.flatMap((shell) => {
    const file = functionsFile(shell, world)
    try {
      const isFound = planUninstall(shell, world).length > 0
      return isFound ? [{ shell, file, isCurrent: isCurrent(shell, world) }] : []
    } catch {
      // What cannot be read, or is broken, was somebody's once.
      return [{ shell, file, isCurrent: false }]
    }
  })
}

function isCurrent(shell: Shell, world: ShellWorld): boolean {
  const isDone = (alias: boolean) =>
    planInstall(shell, { alias }, world).every(({ before, after }) => before === after)
  return isDone(false) || isDone(true)
}

function refuseShell({ env, stderr }: World, command: string, named: string | undefined): number {
  const seen = named === undefined ? `SHELL is '${env.SHELL ?? ''}', which` : `'${named}'`
  const repair = named === undefined ? 'Say which with --shell.' : 'Name one of these.'
  stderr.write(`claude-fallback ${command}: ${seen} is none of ${SHELLS.join(', ')}. ${repair}\n`)
  return USAGE_ERROR
}

/** @returns the exit code */
function report({ stderr }: World, command: string, act: () => unknown): number {
  try {
    act()
    return 0
  } catch (error) {
    stderr.write(`claude-fallback ${command}: ${(error as Error).message}. What it names is as it was.\n`)
    return 1
  }
}

function apply(edit: Edit, { stdout }: World): void {
  const { file, kind, before, after } = edit
  // Somebody may have gone on writing since the plan was made.
  if (readBytes(file) !== before) throw new Error(`${file} has changed just now. Run this again`)
  if (after === undefined) removeFile(file, { ownFolder: kind === 'functions' && !file.endsWith('.fish') })
  else saveBytes(file, after)
  stdout.write(describe(edit))
}

function describe({ file, kind, before, after }: Edit): string {
  const what = kind === 'functions' ? 'the functions' : 'the block that sources them'
  return `${renderChange(before, after).padEnd(9)}${file}  (${what})\n`
}

function renderChange(before: string | undefined, after: string | undefined): string {
  if (before === after) return 'same'
  if (after === undefined) return 'removed'
  return before === undefined ? 'new' : 'changed'
}

function renderNext(shell: Shell, [functions]: readonly Edit[]): string {
  const { file = '', before = '', after = '' } = functions ?? {}
  const lostAlias = before.includes(ALIAS) && !after.includes(ALIAS)
  return `${lostAlias ? '\nclaude is no alias of claudef any more: for that, install with --alias.\n' : ''}
New shells have claude-api, claude-sub and claude-mode. For this one, type:

  ${shell === 'fish' ? 'exec fish' : `. ${quoteWord(file)}`}

API billing stops at ${OPTIONS.max_usd_per_day.shownDefault} USD a day; ${OPTIONS.max_usd_per_day.variable} changes it.
`
}
