import { performance } from 'node:perf_hooks'
import { createLineFilter } from './lines.ts'
import { createFileRegistry, type TranscriptSource } from './project-files.ts'
import { holdsTranscripts, isTranscriptName, type ProjectFolder, walkFolders } from './project-folders.ts'
import { closeRoot, type Following, list, look, lookAtRoot, report } from './project-looks.ts'
import { createPoll, LATEST_FILES, type Place } from './project-poll.ts'
import { createWatchers } from './project-watchers.ts'
import { isMissing } from './tail.ts'
import type { Follower } from './transcript.ts'

export type FollowProjectsOptions = {
  /** Each keeps transcripts in `projects/<slug>/`. None of it need exist yet. */
  configDirs: readonly string[]
  /** Only lines that contain one of these ASCII strings; tested before any decoding. */
  contains: readonly string[]
  /** One whole line without its LF, decoded as UTF-8; invalid bytes become U+FFFD. */
  onLine: (line: string, source: TranscriptSource) => void
  /** For the log: following goes on. Of one path, the same error is told once until it could be read again. */
  onError: (error: Error) => void
}

export type ProjectsFollower = Follower & {
  /** From now on no line is missed. Never rejects. */
  ready: Promise<void>
  /** Files that are followed, folders that are watched. */
  stats: () => { files: number; watchers: number }
}

type Queue = {
  /** Folders to list. */
  listings: Set<ProjectFolder>
  /** Files and folders to look at, by path: a storm of events makes one look of many. */
  looks: Map<string, Place>
  work: NodeJS.Immediate | undefined
}

/** How long the event loop is held at a stretch, in ms. */
const SLICE_MS = 10

/** A net for file systems that tell of nothing (NFS, FUSE, some Docker mounts): the only periodic wake-up. */
const POLL_MS = 2000

/**
 * Follows all transcripts of all projects: delivers each line appended to any of them after `ready`, once and
 * whole. A file that appears later is read from its start, unless it is one that was renamed. Files, folders and
 * all of `projects` may be truncated, replaced, removed and made anew. The process is kept alive only while there
 * is something to read.
 *
 * Folders are watched, not files, and a file is open only while it is read: tail-file takes a watcher and a
 * descriptor for each file, and wakes all in a folder for a line in one. The file system is called
 * synchronously, in short slices: a tenth of the cost of asynchronous calls, and nothing happens in between.
 */
export function followProjects(options: FollowProjectsOptions): ProjectsFollower {
  let onReady = () => {}
  const ready = new Promise<void>((resolve) => {
    onReady = resolve
  })
  const following = createFollowing(options, onReady)
  const lookAtRoots = () => {
    for (const root of following.roots) lookAtRoot(following, root)
  }
  lookAtRoots()
  following.schedule()
  const timer = setInterval(() => {
    lookAtRoots()
    following.poll.run()
  }, POLL_MS).unref()
  return {
    ready,
    stop: async () => {
      following.isStopped = true
      clearInterval(timer)
      for (const root of following.roots) closeRoot(following, root)
      onReady()
    },
    stats: () => ({ files: countFiles(following), watchers: following.watchers.count() }),
  }
}

function createFollowing(options: FollowProjectsOptions, onReady: () => void): Following {
  const queue: Queue = { listings: new Set(), looks: new Map(), work: undefined }
  const schedule = () => {
    // With `unref`, the event loop would sleep until something else happens.
    queue.work ??= setImmediate(() => {
      queue.work = undefined
      work(following, queue)
    })
  }
  const queueLook = (place: Place) => {
    queue.looks.set(`${place.folder.path}/${place.name}`, place)
    schedule()
  }
  const queueListing = (folder: ProjectFolder) => {
    queue.listings.add(folder)
    schedule()
  }
  const projects = () => following.roots.flatMap(({ folder }) => folder ?? [])
  const watchers = createWatchers({
    onEvent: (folder, type, name) => take(following, { folder, type, name }),
    onError: (error) => report(following, '', error),
  })
  const following: Following = {
    onLine: options.onLine,
    onError: options.onError,
    isWanted: createLineFilter(options.contains),
    roots: options.configDirs.map((configDir) => ({ configDir, folder: undefined, waiter: undefined })),
    registry: createFileRegistry(),
    watchers,
    poll: createPoll({ projects, queueLook, queueListing, watchers }),
    schedule,
    queueLook,
    queueListing,
    foundAtStart: [],
    onReady,
    told: new Map(),
    isStopped: false,
  }
  return following
}

function take(
  following: Following,
  { folder, type, name }: { folder: ProjectFolder; type: string; name: string | null },
): void {
  if (following.isStopped || folder.isClosed) return
  // Linux names the watched folder itself where it was moved or removed.
  if (folder.kind === 'projects' && (name === null || name === folder.name)) {
    for (const root of following.roots) lookAtRoot(following, root)
  }
  if (name === null) return following.queueListing(folder)
  const isTranscript = holdsTranscripts(folder) && (isTranscriptName(name) || folder.files.has(name))
  if (type === 'rename' || isTranscript) following.queueLook({ folder, name })
}

/** Folders first: what is told of a file comes after the list of its folder, so that one not in it is new. */
function work(following: Following, { listings, looks }: Queue): void {
  const end = performance.now() + SLICE_MS
  while (!following.isStopped && performance.now() < end) {
    const [folder] = listings
    if (!folder) finishStart(following)
    const [next] = folder ? [] : looks
    if (folder) {
      listings.delete(folder)
      attempt(following, folder.path, () => list(following, folder))
    } else if (next) {
      looks.delete(next[0])
      attempt(following, next[0], () => look(following, next[1]))
    } else break
  }
  if (listings.size + looks.size > 0 && !following.isStopped) following.schedule()
}

function attempt(following: Following, path: string, act: () => void): void {
  try {
    act()
    following.told.delete(path)
  } catch (error) {
    if (!isMissing(error)) report(following, path, error)
  }
}

/** From now on, what is found is new. */
function finishStart(following: Following): void {
  const { foundAtStart, poll, onReady } = following
  if (!foundAtStart) return
  following.foundAtStart = undefined
  const byAge = foundAtStart.sort((one, other) => one.mtimeMs - other.mtimeMs)
  for (const { place } of byAge.slice(-LATEST_FILES)) poll.touch(place)
  onReady()
}

function countFiles({ roots }: Following): number {
  let count = 0
  for (const root of roots) for (const folder of walkFolders(root.folder)) count += folder.files.size
  return count
}
