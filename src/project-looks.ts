import fs from 'node:fs'
import { join } from 'node:path'
import {
  type FileRegistry,
  fileKey,
  type ProjectFile,
  readAppended,
  type TranscriptSource,
} from './project-files.ts'
import {
  holdsTranscripts,
  isSameFolder,
  isTranscriptName,
  mayMatter,
  openFolder,
  openSubfolder,
  type ProjectFolder,
  statIfAny,
  transcriptSource,
  walkFolders,
} from './project-folders.ts'
import type { Place, ProjectPoll } from './project-poll.ts'
import type { ProjectWatchers } from './project-watchers.ts'
import { watchNearest } from './watch.ts'

export type Root = {
  configDir: string
  /** The `projects` folder, while there is one. */
  folder: ProjectFolder | undefined
  /** While there is none: on the nearest folder that exists. */
  waiter: fs.FSWatcher | undefined
}

/** What all the parts of one follower share. */
export type Following = {
  onLine: (line: string, source: TranscriptSource) => void
  onError: (error: Error) => void
  isWanted: (line: Buffer) => boolean
  roots: Root[]
  registry: FileRegistry
  watchers: ProjectWatchers
  poll: ProjectPoll
  /** Has what waits done soon. */
  schedule: () => void
  queueLook: (place: Place) => void
  queueListing: (folder: ProjectFolder) => void
  /** While what is found was there before. */
  foundAtStart: { place: Place; mtimeMs: number }[] | undefined
  onReady: () => void
  /** Errors of paths that could not be read since. */
  told: Map<string, string>
  isStopped: boolean
}

/** Finds the `projects` folder, or waits for it, or finds that it is another one now. */
export function lookAtRoot(following: Following, root: Root): void {
  const path = join(root.configDir, 'projects')
  try {
    if (root.folder && isSameFolder(root.folder, statIfAny(path))) return
    closeRoot(following, root)
    if (following.isStopped) return
    // The watcher comes first, so that nothing happens unseen in between.
    root.waiter = watchNearest(path, () => lookAtRoot(following, root))
    const stats = statIfAny(path)
    if (!stats?.isDirectory()) return
    root.waiter?.close()
    root.waiter = undefined
    const { configDir } = root
    root.folder = openFolder(
      { kind: 'projects', path, name: 'projects', configDir, parent: undefined },
      stats,
    )
    following.queueListing(root.folder)
  } catch (error) {
    report(following, path, error)
  }
}

export function closeRoot(following: Following, root: Root): void {
  root.waiter?.close()
  root.waiter = undefined
  if (root.folder) closeFolder(following, root.folder)
  root.folder = undefined
}

/** Finds what is new or gone in a folder, all of it at first. */
export function list(following: Following, folder: ProjectFolder): void {
  if (folder.isClosed) return
  const { foundAtStart, watchers } = following
  // Old sessions cost no watcher. One that goes on gets it with the next line of its transcript.
  if (!foundAtStart || folder.kind !== 'session') watchers.watch(folder)
  folder.mtimeMs = statIfAny(folder.path)?.mtimeMs
  const entries = fs.readdirSync(folder.path, { withFileTypes: true })
  const names = new Set(entries.map(({ name }) => name))
  for (const name of [...folder.files.keys(), ...folder.folders.keys()]) {
    if (!names.has(name)) following.queueLook({ folder, name })
  }
  for (const entry of entries) {
    const { name } = entry
    if (folder.files.has(name) || folder.folders.has(name) || !mayMatter(folder, entry)) continue
    if (foundAtStart) look(following, { folder, name })
    else following.queueLook({ folder, name })
  }
}

/** Finds what is there by this name now, and reads on in it. */
export function look(following: Following, place: Place): void {
  const { folder, name } = place
  if (folder.isClosed) return
  const path = `${folder.path}/${name}`
  const stats = statIfAny(path)
  const subfolder = folder.folders.get(name)
  if (subfolder && !isSameFolder(subfolder, stats)) closeFolder(following, subfolder)
  const file = folder.files.get(name)
  if (file && !(stats?.isFile() && fileKey(stats) === file.key)) removeFile(following, place)
  if (stats?.isDirectory() && !folder.folders.has(name)) {
    const opened = openSubfolder(folder, name, stats)
    if (opened) following.queueListing(opened)
  } else if (stats?.isFile() && holdsTranscripts(folder)) {
    const found = folder.files.get(name) ?? addFile(following, place, stats)
    if (found && found.offset !== stats.size) read(following, place, found)
  }
}

/** Undefined for what is no transcript. A log rotation may have given one another ending. */
function addFile(following: Following, place: Place, stats: fs.Stats): ProjectFile | undefined {
  const { registry, foundAtStart } = following
  const { folder, name } = place
  const key = fileKey(stats)
  const known = registry.find(key)
  if (!known && !isTranscriptName(name)) return undefined
  const source = transcriptSource(folder, name)
  const file = known ?? registry.add(key, source, foundAtStart ? stats.size : 0)
  registry.addPath(file, source)
  folder.files.set(name, file)
  foundAtStart?.push({ place, mtimeMs: stats.mtimeMs })
  return file
}

function read(following: Following, place: Place, file: ProjectFile): void {
  const { folder, name } = place
  const path = `${folder.path}/${name}`
  // Nothing is waited for if this is a pipe by now.
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  try {
    const isStill = fileKey(fs.fstatSync(fd)) === file.key
    const hasMore = isStill && readAppended(file, createReaders(following, file, fd))
    if (hasMore || !isStill) following.queueLook(place)
  } finally {
    fs.closeSync(fd)
  }
  // The caller may have stopped it at one of the lines.
  if (folder.isClosed) return
  following.poll.touch(place)
  watchSession(following, place)
}

function createReaders(following: Following, file: ProjectFile, fd: number) {
  return {
    fd,
    onLine: (line: Buffer) => {
      if (following.isStopped || !following.isWanted(line)) return
      try {
        following.onLine(line.toString(), file.source)
      } catch (error) {
        report(following, '', error)
      }
    },
    onSkip: (at: number) =>
      report(
        following,
        '',
        new Error(`Skipped the line at byte ${at} of ${file.source.path}: it is too long`),
      ),
  }
}

/** A session that was there at the start goes on: its subagents may come or write again. */
function watchSession({ watchers }: Following, { folder, name }: Place): void {
  if (folder.kind !== 'project') return
  for (const session of walkFolders(folder.folders.get(name.replace(/\.jsonl$/, '')))) watchers.watch(session)
}

function removeFile({ registry }: Following, { folder, name }: Place): void {
  const file = folder.files.get(name)
  if (file) registry.removePath(file)
  folder.files.delete(name)
}

function closeFolder(following: Following, folder: ProjectFolder): void {
  folder.parent?.folders.delete(folder.name)
  for (const each of [...walkFolders(folder)]) {
    each.isClosed = true
    following.watchers.unwatch(each)
    for (const name of [...each.files.keys()]) removeFile(following, { folder: each, name })
  }
}

/** Tells an error, once of a path until that could be read again. */
export function report(following: Following, path: string, cause: unknown): void {
  const error = cause instanceof Error ? cause : new Error(String(cause))
  if (following.isStopped || (path !== '' && following.told.get(path) === error.message)) return
  following.told.set(path, error.message)
  following.onError(error)
}
