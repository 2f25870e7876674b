import fs from 'node:fs'
import { basename, dirname, relative, sep } from 'node:path'
import { isMissing } from './tail.ts'

/**
 * Watches the folder of a path that need not exist, or while there is none, the nearest one above. Calls
 * `onChange` for changes on the way to the path; call it again then, as a nearer folder may be there. The process
 * is not kept alive. Undefined where nothing can be watched (ENOSPC, EMFILE, EACCES).
 */
export function watchNearest(path: string, onChange: () => void): fs.FSWatcher | undefined {
  const folder = findNearestFolder(path)
  const names = [null, basename(folder), relative(folder, path).split(sep)[0]]
  try {
    const watcher = fs.watch(folder, { persistent: false }, (_type, name) => {
      if (names.includes(name)) onChange()
    })
    watcher.on('error', () => {})
    // A nearer one may have been made before this one was watched.
    if (findNearestFolder(path) === folder) return watcher
    watcher.close()
  } catch (error) {
    if (!isMissing(error)) return undefined
  }
  return watchNearest(path, onChange)
}

function findNearestFolder(path: string): string {
  const folder = dirname(path)
  return folder === path || fs.existsSync(folder) ? folder : findNearestFolder(folder)
}
