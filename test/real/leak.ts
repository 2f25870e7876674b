import fs, { type Dirent, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export type LeakOptions = {
  secret: string
  /** Everything below is searched: the home, the temporary folder with claudef's session folder, the project. */
  folder: string
  /** The process ids of claudef, which was given the secret in its environment. */
  owners: () => number[]
}

/** How often all processes are searched while nothing happens, in ms: the key's helper lives for some 50. */
const EVERY_MS = 25

/**
 * Searches for the secret where it must never be, from now on and until `stop`: in the arguments and the
 * environment of every process of the machine, except claudef and what started it. `checkFiles` searches files.
 */
export function watchForLeaks(options: LeakOptions) {
  const found = new Set<string>()
  const needles = needlesOf(options.secret)
  const has = (text: string) => needles.some((needle) => text.includes(needle))
  const hasAny = (path: string) => {
    for (const piece of piecesOf(path)) if (has(piece)) return true
    return false
  }
  /** One that is just ending is nobody's child any more. */
  const owners = new Set<number>()
  const checkProcesses = () => {
    for (const owner of options.owners()) owners.add(owner)
    for (const pid of processIds()) {
      // First: of one that has gone since nothing more can be said than what is in its environment.
      const parent = parentOf(pid)
      const args = readIfAny(`/proc/${pid}/cmdline`)
      const isInArgs = has(args)
      if (!isInArgs && !has(readIfAny(`/proc/${pid}/environ`))) continue
      if (mayKnow({ pid, parent, args }, [...owners, ...options.owners()])) continue
      found.add(`${isInArgs ? 'the arguments' : 'the environment'} of ${describe(pid, args)}`)
    }
  }
  const timer = setInterval(checkProcesses, EVERY_MS)
  return {
    checkProcesses,
    checkFiles: () => {
      for (const path of filesBelow(options.folder)) if (hasAny(path)) found.add(path)
    },
    /** What was on a screen: only the secret's last four characters may show. */
    checkText: (text: string) => {
      const joined = text.replaceAll('\n', '')
      if (has(joined) || joined.includes(options.secret.slice(-5))) found.add('the screen')
    },
    found: () => [...found],
    stop: () => clearInterval(timer),
  }
}

/** The processes whose home is below the folder: what a run has left behind. */
export function processesIn(folder: string): string[] {
  const pids = processIds().filter((pid) => readIfAny(`/proc/${pid}/environ`).includes(`HOME=${folder}/`))
  return pids.map((pid) => describe(pid, readIfAny(`/proc/${pid}/cmdline`)))
}

/** claudef's own private folders and their sockets below a temporary folder. */
export function sessionFolders(temporary: string): string[] {
  return readdirSync(temporary).filter((name) => name.startsWith('claudef-'))
}

/** Of any part that is worth something: the beginning, the end, and both in base64. */
function needlesOf(secret: string): string[] {
  const base64 = Buffer.from(secret).toString('base64')
  return [secret.slice(0, 24), secret.slice(-12), base64.slice(0, 32)]
}

/**
 * claudef itself, a fork of it that has not become another program yet, and what this test put around it.
 */
function mayKnow(looked: { pid: number; parent: number; args: string }, owners: number[]): boolean {
  const { pid, parent, args } = looked
  const parents = [parent, ...ancestorsOf(parent)]
  if (owners.includes(pid) || owners.some((owner) => readIfAny(`/proc/${owner}/cmdline`) === args))
    return true
  return parents.includes(process.pid) && !parents.some((parent) => owners.includes(parent))
}

function ancestorsOf(pid: number): number[] {
  const parent = parentOf(pid)
  return parent > 1 ? [parent, ...ancestorsOf(parent)] : []
}

function processIds(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0)
}

function parentOf(pid: number): number {
  const afterName = readIfAny(`/proc/${pid}/stat`).split(') ').at(-1) ?? ''
  return Number(afterName.split(' ')[1] ?? 0)
}

function describe(pid: number, args: string): string {
  return `process ${pid} (${args.replaceAll('\0', ' ').trim()})`
}

/** Files and folders may go while they are listed: Claude Code tidies up. */
function filesBelow(folder: string): string[] {
  return listFolder(folder).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() ? [path] : []
  })
}

function listFolder(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

/** Of a file of any size, such as a core dump; each piece begins with the end of the one before. */
function* piecesOf(path: string): Generator<string> {
  const size = fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size <= PIECE_BYTES) return yield readIfAny(path)
  const file = fs.openSync(path, 'r')
  try {
    const piece = Buffer.alloc(PIECE_BYTES)
    for (let at = 0; at < size; at += PIECE_BYTES - OVERLAP_BYTES) {
      yield piece.toString('latin1', 0, fs.readSync(file, piece, 0, PIECE_BYTES, at))
    }
  } finally {
    fs.closeSync(file)
  }
}

const PIECE_BYTES = 64 * 2 ** 20
/** Longer than what is searched for. */
const OVERLAP_BYTES = 1024

/** One character per byte; empty for what has gone. */
function readIfAny(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
