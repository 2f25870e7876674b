import fs from 'node:fs'
import path from 'node:path'

/** One of the files that Claude Code merges its settings from; `source` as in its `--setting-sources`. */
export type SettingsFile = { source: 'user' | 'project' | 'local' | 'managed'; path: string }

/**
 * Claude Code's settings files, the weakest first; `--settings` comes before the managed one. They need not exist.
 * The local one of the repository wins over the working folder's: in a subfolder, and in a linked worktree, where it is
 * the main worktree's. There is no such thing for the project's (measured on 2.1.330).
 * @param options.configDir Claude Code's own folder
 * @param options.managedDir where managed settings lie; default: the system's place for them
 */
export function settingsFiles(options: {
  configDir: string
  cwd: string
  managedDir?: string | undefined
}): SettingsFile[] {
  const { configDir, cwd, managedDir = managedFolder() } = options
  const repository = findRepository(cwd)
  const locals = repository === undefined || repository === cwd ? [cwd] : [cwd, repository]
  return [
    { source: 'user', path: path.join(configDir, 'settings.json') },
    { source: 'project', path: path.join(cwd, '.claude/settings.json') },
    ...locals.map((folder) => ({
      source: 'local' as const,
      path: path.join(folder, '.claude/settings.local.json'),
    })),
    ...managedFiles(managedDir).map((file) => ({ source: 'managed' as const, path: file })),
  ]
}

/** What an administrator adds in files of its own comes after, by name. */
function managedFiles(folder: string): string[] {
  const first = path.join(folder, 'managed-settings.json')
  const more = path.join(folder, 'managed-settings.d')
  try {
    const names = fs.readdirSync(more).filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    return [first, ...names.sort().map((name) => path.join(more, name))]
  } catch {
    return [first]
  }
}

function managedFolder(): string {
  return process.platform === 'darwin' ? '/Library/Application Support/ClaudeCode' : '/etc/claude-code'
}

/** The top folder of the git repository around a folder; of a linked worktree, the main one's. */
function findRepository(folder: string): string | undefined {
  const git = path.join(folder, '.git')
  const stat = fs.statSync(git, { throwIfNoEntry: false })
  if (stat?.isDirectory()) return folder
  if (stat?.isFile()) return mainWorktree(git) ?? folder
  const parent = path.dirname(folder)
  return parent === folder ? undefined : findRepository(parent)
}

function mainWorktree(git: string): string | undefined {
  try {
    return /^gitdir: (.+)\/\.git\/worktrees\/[^/\n]+$/m.exec(fs.readFileSync(git, 'utf8'))?.[1]
  } catch {
    return undefined
  }
}
