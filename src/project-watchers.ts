import fs from 'node:fs'
import type { ProjectFolder } from './project-folders.ts'
import { isMissing } from './tail.ts'

/** Watchers on project folders. Where there can be none, the poll finds what is new. */
export type ProjectWatchers = {
  watch: (folder: ProjectFolder) => void
  unwatch: (folder: ProjectFolder) => void
  count: () => number
}

/**
 * How many folders of sessions are watched at most, the latest ones: an old Linux grants a user 8192 watches, for
 * editors and all.
 */
const MAX_SESSION_WATCHERS = 4096

/** What to do about the limits of Linux. */
const REPAIRS: Record<string, string> = {
  ENOSPC: 'raise fs.inotify.max_user_watches by sysctl',
  EMFILE: 'raise fs.inotify.max_user_instances by sysctl, or the limit of open files',
}

/**
 * One watcher for each folder: all files in it cost nothing until they are written to, and to Linux they are one
 * inotify watch, of which a user has a few thousand.
 */
export function createWatchers(options: {
  onEvent: (folder: ProjectFolder, type: string, name: string | null) => void
  onError: (error: Error) => void
}): ProjectWatchers {
  const { onEvent, onError } = options
  const watched = new Set<ProjectFolder>()
  const sessions = new Set<ProjectFolder>()
  const told = new Set<string>()
  const unwatch = (folder: ProjectFolder) => {
    folder.watcher?.close()
    folder.watcher = undefined
    watched.delete(folder)
    sessions.delete(folder)
  }
  const limitSessions = (folder: ProjectFolder) => {
    if (folder.kind !== 'session' && folder.kind !== 'subagents') return
    sessions.add(folder)
    const [oldest] = sessions
    if (oldest && sessions.size > MAX_SESSION_WATCHERS) unwatch(oldest)
  }
  return {
    watch: (folder) => {
      if (folder.watcher) return
      try {
        const listener = (type: string, name: string | null) => onEvent(folder, type, name)
        folder.watcher = fs.watch(folder.path, { persistent: false }, listener)
        folder.watcher.on('error', () => unwatch(folder))
        watched.add(folder)
        limitSessions(folder)
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : ''
        if (told.has(code) || isMissing(error)) return
        told.add(code)
        const repair = REPAIRS[code] ?? `${error}`
        onError(
          new Error(`Cannot watch ${folder.path} (${code}), so it is looked at now and then: ${repair}`),
        )
      }
    },
    unwatch,
    count: () => watched.size,
  }
}
