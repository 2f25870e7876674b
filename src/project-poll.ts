import { performance } from 'node:perf_hooks'
import { fileKey } from './project-files.ts'
import { isSameFolder, type ProjectFolder, statIfAny, walkFolders } from './project-folders.ts'
import type { ProjectWatchers } from './project-watchers.ts'

/** Something in a folder. */
export type Place = { folder: ProjectFolder; name: string }

export type ProjectPoll = {
  /** This file was written to: it is looked at in each run while it is among the latest. */
  touch: (place: Place) => void
  /** Looks at some files and folders. It costs less than 1 ms on a local disk. */
  run: () => void
}

type PollOptions = {
  /** Those that are there of the `projects` folders. */
  projects: () => ProjectFolder[]
  queueLook: (place: Place) => void
  queueListing: (folder: ProjectFolder) => void
  watchers: Pick<ProjectWatchers, 'watch'>
}

/** So many files, those written last, are looked at in each run, with their folders. Of others some, in turn. */
export const LATEST_FILES = 32
const PROJECTS_AT_ONCE = 16
const OTHERS_AT_ONCE = 64

/** Where looking takes long (a network mount), a run ends after this many ms. */
const RUN_MS = 20

/** Finds what no watcher told of. Nothing is read of a file that has not changed. */
export function createPoll(options: PollOptions): ProjectPoll {
  const latest = new Map<string, Place>()
  const takeProjects = createRound(() => walkProjects(options))
  const takeOthers = createRound(() => walkPlaces(options))
  return {
    touch: (place) => {
      const path = `${place.folder.path}/${place.name}`
      latest.delete(path)
      latest.set(path, place)
      const [oldest] = latest.keys()
      if (oldest !== undefined && latest.size > LATEST_FILES) latest.delete(oldest)
    },
    run: () => {
      const end = performance.now() + RUN_MS
      const places = [...latest.values()]
      const checks = [
        ...places.map((place) => () => checkFile(place, options)),
        ...[...new Set(places.map(({ folder }) => folder))].map(
          (folder) => () => checkFolder(folder, options),
        ),
        ...takeProjects(PROJECTS_AT_ONCE).map((folder) => () => checkFolder(folder, options)),
        ...takeOthers(OTHERS_AT_ONCE).map((place) => () => checkPlace(place, options)),
      ]
      for (const check of checks) {
        if (performance.now() > end) return
        check()
      }
    },
  }
}

/** What cannot be looked at now is left as it is: its network may be down. */
function checkFile({ folder, name }: Place, { queueLook }: PollOptions): void {
  const file = folder.files.get(name)
  if (folder.isClosed || !file) return
  try {
    const stats = statIfAny(`${folder.path}/${name}`)
    if (stats?.size !== file.offset || fileKey(stats) !== file.key) queueLook({ folder, name })
  } catch {}
}

function checkFolder(folder: ProjectFolder, { queueLook, queueListing, watchers }: PollOptions): void {
  if (folder.isClosed) return
  try {
    const stats = statIfAny(folder.path)
    if (!isSameFolder(folder, stats)) {
      if (folder.parent) queueLook({ folder: folder.parent, name: folder.name })
    } else if (stats?.mtimeMs !== folder.mtimeMs) queueListing(folder)
    // There may be room for one more watcher by now.
    else if (folder.kind === 'project' || folder.kind === 'projects') watchers.watch(folder)
  } catch {}
}

function checkPlace({ folder, name }: Place, options: PollOptions): void {
  const subfolder = folder.folders.get(name)
  if (subfolder) checkFolder(subfolder, options)
  else checkFile({ folder, name }, options)
}

/** Takes some at a time, and begins anew after the last. */
function createRound<Item>(start: () => Iterator<Item, void>): (count: number) => Item[] {
  let round = start()
  return (count) => {
    const items: Item[] = []
    while (items.length < count) {
      const next = round.next()
      if (next.done) {
        round = start()
        break
      }
      items.push(next.value)
    }
    return items
  }
}

function* walkProjects({ projects }: PollOptions): Generator<ProjectFolder, void> {
  for (const root of projects()) {
    yield root
    yield* root.folders.values()
  }
}

/** All files, and the folders of all sessions. */
function* walkPlaces({ projects }: PollOptions): Generator<Place, void> {
  for (const root of projects()) {
    for (const folder of walkFolders(root)) {
      for (const name of folder.files.keys()) yield { folder, name }
      if (folder.kind === 'projects') continue
      for (const name of folder.folders.keys()) yield { folder, name }
    }
  }
}
