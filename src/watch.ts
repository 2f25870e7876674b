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

/** Types of Linux's own file systems (statfs(2)), whose changes inotify tells of, whoever makes them. */
const LOCAL_FILE_SYSTEMS = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // btrfs
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlayfs
  0x2fc12fc1, // ZFS
  0xf2f52010, // F2FS
  0xca451a4e, // bcachefs
])

/**
 * True where changes may happen that no event tells of, so that one has to look from time to time: file systems of
 * other machines and of the user's own processes (NFS, SMB, 9p, FUSE). Elsewhere than on Linux: always.
 */
export function needsPolling(path: string): boolean {
  if (process.platform !== 'linux') return true
  try {
    return !LOCAL_FILE_SYSTEMS.has(fs.statfsSync(findNearestFolder(path)).type)
  } catch {
    return true
  }
}

function findNearestFolder(path: string): string {
  const folder = dirname(path)
  return folder === path || fs.existsSync(folder) ? folder : findNearestFolder(folder)
}
