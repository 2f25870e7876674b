import path from 'node:path'
import { addBlock, removeBlocks, renderBlock } from './core/rc-block.ts'
import { renderFunctions, type Shell, SIGNATURE } from './core/shell-functions.ts'
import { homeFolder } from './home.ts'
import { demandWritable, isFile, readBytes, toBytes } from './rc-file.ts'

/** The part of the world where shells keep their settings. `platform` defaults to this machine's. */
export type ShellWorld = { env: NodeJS.ProcessEnv; platform?: NodeJS.Platform }

/** One file, before and after; undefined where there is none. */
export type Edit = {
  file: string
  kind: 'functions' | 'rc'
  before: string | undefined
  after: string | undefined
}

/**
 * What installing changes; edits whose `before` is their `after` are there already.
 * @throws with a sentence where one of the files cannot be changed: none should be, then
 */
export function planInstall(shell: Shell, options: { alias: boolean }, world: ShellWorld): Edit[] {
  const functions = functionsFile(shell, world)
  const before = readBytes(functions)
  if (before !== undefined && !before.includes(SIGNATURE)) {
    throw new Error(`${functions} is not ours, and stands where our functions go. Move it away`)
  }
  const edits: Edit[] = [
    { file: functions, kind: 'functions', before, after: toBytes(renderFunctions(shell, options)) },
  ]
  if (shell !== 'fish') {
    const block = toBytes(renderBlock(shell, functions))
    for (const file of rcFiles(shell, world)) edits.push(editRc(file, (text) => addBlock(text, block)))
  }
  for (const edit of edits) if (edit.before !== edit.after) demandWritable(edit.file)
  return edits
}

/**
 * What taking our lines and files away changes; empty where there are none.
 * @throws with a sentence where a file cannot be changed
 */
export function planUninstall(shell: Shell, world: ShellWorld): Edit[] {
  const edits = possibleRcFiles(shell, world)
    .filter(isFile)
    .map((file) => editRc(file, (text = '') => removeBlocks(text)))
  const file = functionsFile(shell, world)
  const before = isFile(file) ? readBytes(file) : undefined
  // Last: an rc file never sources what is gone already.
  if (before?.includes(SIGNATURE)) edits.push({ file, kind: 'functions', before, after: undefined })
  const changes = edits.filter((edit) => edit.before !== edit.after)
  for (const edit of changes) demandWritable(edit.file)
  return changes
}

/** Where our functions for this shell are: for fish where it reads them by itself. */
export function functionsFile(shell: Shell, { env }: ShellWorld): string {
  const home = homeFolder(env)
  if (shell === 'fish') {
    const config = absolute(env.XDG_CONFIG_HOME) ?? path.join(home, '.config')
    return path.join(config, 'fish/conf.d/claude-fallback.fish')
  }
  const data = absolute(env.XDG_DATA_HOME) ?? path.join(home, '.local/share')
  return path.join(data, 'claude-fallback', `functions.${shell}`)
}

/** zsh may find its rc file by a ZDOTDIR that `.zshenv` keeps to itself: programs are not told. */
export function mayReadAnotherRc(shell: Shell, { env }: ShellWorld): boolean {
  const zshenv = path.join(homeFolder(env), '.zshenv')
  if (shell !== 'zsh' || env.ZDOTDIR || !isFile(zshenv)) return false
  return /^[^#\n]*\bZDOTDIR=/m.test(readBytes(zshenv) ?? '')
}

function editRc(file: string, change: (text: string | undefined) => string | undefined): Edit {
  const before = readBytes(file)
  try {
    return { file, kind: 'rc', before, after: change(before) }
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`)
  }
}

/** A terminal of macOS runs a login shell, and bash then reads `.bashrc` only where the login file says so. */
function rcFiles(shell: 'bash' | 'zsh', world: ShellWorld): string[] {
  const home = homeFolder(world.env)
  if (shell === 'zsh') return [path.join(absolute(world.env.ZDOTDIR) ?? home, '.zshrc')]
  const bashrc = path.join(home, '.bashrc')
  if ((world.platform ?? process.platform) !== 'darwin') return [bashrc]
  const login =
    loginFiles(home).find((file) => readBytes(file) !== undefined) ?? loginFiles(home)[0] ?? bashrc
  const sources = /^[^#\n]*\.bashrc/m.test(removeBlocks(readBytes(login) ?? '') ?? '')
  return sources ? [bashrc] : [bashrc, login]
}

function possibleRcFiles(shell: Shell, { env }: ShellWorld): string[] {
  const home = homeFolder(env)
  switch (shell) {
    case 'bash':
      return [path.join(home, '.bashrc'), ...loginFiles(home)]
    case 'zsh':
      return [...new Set([absolute(env.ZDOTDIR) ?? home, home])].map((folder) => path.join(folder, '.zshrc'))
    case 'fish':
      return []
  }
}

/** Of these bash reads the first that is there. */
function loginFiles(home: string): string[] {
  return ['.bash_profile', '.bash_login', '.profile'].map((name) => path.join(home, name))
}

/** The XDG Base Directory Specification has relative paths ignored. */
function absolute(folder: string | undefined): string | undefined {
  return folder !== undefined && path.isAbsolute(folder) ? folder : undefined
}
