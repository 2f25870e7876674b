import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

/**
 * The part of node-pty that is used: its addon. node-pty's own streams are not, since on Node 20 and 22 they
 * lose the end of the output (microsoft/node-pty#72, libuv#4992), burn a core while the child does not read
 * (microsoft/node-pty#956), print their errors on the user's screen, and change the environment.
 * The signature is that of node-pty 1.2.0-beta.15, which package.json pins.
 */
export type Addon = {
  fork: (
    file: string,
    args: string[],
    env: string[],
    cwd: string,
    columns: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helper: string,
    onExit: (code: number, signal: number) => void,
  ) => { fd: number; pid: number; pty: string }
  resize: (fd: number, columns: number, rows: number, width: number, height: number) => void
}

/**
 * Loads node-pty's addon, past the package's main module, whose terminal classes cost start-up time.
 * `helper` is the program that macOS starts children through.
 * @throws where the addon does not exist for this machine or does not load; claudef then works without it.
 */
export function loadAddon(): { addon: Addon; helper: string } {
  const require = createRequire(import.meta.url)
  const root = path.dirname(require.resolve('node-pty/package.json'))
  const built = path.join(root, 'build/Release')
  const isBuilt = fs.existsSync(path.join(built, 'pty.node'))
  const folder = isBuilt ? built : path.join(root, 'prebuilds', `${process.platform}-${process.arch}`)
  if (!isBuilt && process.platform === 'linux') refuseMusl(process.execPath)
  const helper = path.join(folder, 'spawn-helper')
  if (process.platform === 'darwin') makeExecutable(helper)
  return { addon: require(path.join(folder, 'pty.node')) as Addon, helper }
}

/**
 * node-pty's binaries for Linux are made for glibc; on musl one may load and then end the process at the first
 * fork (microsoft/node-pty#852). The dynamic linker's path stands near the start of every program.
 * @throws where `executable` runs on musl
 */
export function refuseMusl(executable: string): void {
  const start = Buffer.alloc(4096)
  const descriptor = fs.openSync(executable, 'r')
  try {
    fs.readSync(descriptor, start, 0, start.length, 0)
  } finally {
    fs.closeSync(descriptor)
  }
  if (!start.includes('/ld-musl-')) return
  throw new Error(
    'node-pty has no binary for musl (Alpine Linux). Build one with `npm rebuild node-pty --build-from-source`.',
  )
}

/** Some package managers and archives lose the mode, without which nothing can be spawned (microsoft/node-pty#850). */
function makeExecutable(helper: string): void {
  try {
    fs.accessSync(helper, fs.constants.X_OK)
  } catch {
    fs.chmodSync(helper, 0o755)
  }
}
