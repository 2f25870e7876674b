import fs from 'node:fs'
import type { ProjectFile, TranscriptSource } from './project-files.ts'

/** A folder on the way to transcripts, and what of it is followed. */
export type ProjectFolder = {
  kind: 'projects' | 'project' | 'session' | 'subagents'
  path: string
  name: string
  configDir: string
  /** Undefined for `projects`. */
  parent: ProjectFolder | undefined
  /** Which folder it was when it was found: another one may come in its place. */
  dev: number
  ino: number
  /** When it was listed last, in its file system's time; undefined before. */
  mtimeMs: number | undefined
  watcher: fs.FSWatcher | undefined
  files: Map<string, ProjectFile>
  folders: Map<string, ProjectFolder>
  isClosed: boolean
}

const NEXT_KIND = { projects: 'project', project: 'session', session: 'subagents' } as const

export function openFolder(
  place: Pick<ProjectFolder, 'kind' | 'path' | 'name' | 'configDir' | 'parent'>,
  { dev, ino }: fs.Stats,
): ProjectFolder {
  return {
    ...place,
    dev,
    ino,
    mtimeMs: undefined,
    watcher: undefined,
    files: new Map(),
    folders: new Map(),
    isClosed: false,
  }
}

export function openSubfolder(
  parent: ProjectFolder,
  name: string,
  stats: fs.Stats,
): ProjectFolder | undefined {
  if (parent.kind === 'subagents' || (parent.kind === 'session' && name !== 'subagents')) return undefined
  const { configDir } = parent
  const folder = openFolder(
    { kind: NEXT_KIND[parent.kind], path: `${parent.path}/${name}`, name, configDir, parent },
    stats,
  )
  parent.folders.set(name, folder)
  return folder
}

export function holdsTranscripts(folder: ProjectFolder): boolean {
  return folder.kind === 'project' || folder.kind === 'subagents'
}

export function isTranscriptName(name: string): boolean {
  return name.endsWith('.jsonl')
}

/** Whether something with this name may be worth a look. Links may lead to anything. */
export function mayMatter(folder: ProjectFolder, entry: fs.Dirent): boolean {
  const isFolder = entry.isDirectory() || entry.isSymbolicLink()
  if (folder.kind === 'session') return isFolder && entry.name === 'subagents'
  if (holdsTranscripts(folder) && isTranscriptName(entry.name)) return true
  return isFolder && folder.kind !== 'subagents'
}

export function transcriptSource(folder: ProjectFolder, name: string): TranscriptSource {
  const { configDir, parent } = folder
  const path = `${folder.path}/${name}`
  if (folder.kind === 'subagents') {
    return { path, configDir, slug: parent?.parent?.name ?? '', sessionId: parent?.name ?? '' }
  }
  // What was renamed by a log rotation has something behind the `.jsonl`.
  return { path, configDir, slug: folder.name, sessionId: name.replace(/\.jsonl.*$/s, '') }
}

/** A folder and all below it, as they are at each step. */
export function* walkFolders(folder: ProjectFolder | undefined): Generator<ProjectFolder, void, void> {
  if (!folder) return
  yield folder
  for (const subfolder of folder.folders.values()) yield* walkFolders(subfolder)
}

/** Whether the path leads to the folder that was found there. */
export function isSameFolder(folder: ProjectFolder, stats: fs.Stats | undefined): boolean {
  return stats?.isDirectory() === true && stats.dev === folder.dev && stats.ino === folder.ino
}

/**
 * Undefined where nothing is.
 * @throws other errors of the file system: they tell nothing of whether it is still there
 */
export function statIfAny(path: string): fs.Stats | undefined {
  return fs.statSync(path, { throwIfNoEntry: false })
}
