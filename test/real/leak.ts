import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export type LeakWatch = ReturnType<typeof watchForLeaks>

export type LeakOptions = {
  secret: string
  /** Everything below is searched: the home, the temporary folder with claudef's session folder, the project. */
  folder: string
  /** The processes that were started with the secret in their environment, each with what started it. */
  owners: () => number[]
}

/** How often all processes are searched while nothing happens, in ms: the key's helper lives for some 50. */
const EVERY_MS = 20

/**
 * Searches for the secret, from now on and until `stop`, where it must never be: in the arguments and the
 * environment of every process of the machine but its owners. `checkFiles` searches the files, too.
 */
export function watchForLeaks(options: LeakOptions) {
  const found = new Set<string>()
  const needles = needlesOf(options.secret)
  let owned = 0
  const checkProcesses = () => {
    const owners = withAncestors(options.owners())
    for (const [pid, place, text] of processTexts()) {
      if (!needles.some((needle) => text.includes(needle))) continue
      if (owners.has(pid)) owned += 1
      // Between fork and exec a child of an owner still has the owner's memory.
      else if (!isFork(pid, owners)) found.add(`${place} of ${describe(pid)}`)
    }
  }
  const timer = setInterval(checkProcesses, EVERY_MS)
  return {
    checkProcesses,
    checkFiles: () => {
      for (const path of filesBelow(options.folder)) {
        const text = readIfAny(path)
        if (needles.some((needle) => text.includes(needle))) found.add(path)
      }
    },
    /** Only the secret's last four characters may show. */
    checkScreen: (screen: { raw: () => Buffer; history: () => string }) => {
      const texts = [screen.raw().toString('latin1'), screen.history().replaceAll('\n', '')]
      const shown = [...needles, options.secret.slice(-5)]
      if (texts.some((text) => shown.some((needle) => text.includes(needle)))) found.add('the screen')
    },
    /** Ends the search. `owned` counts how often it found the secret where it has to be: it can find it. */
    stop: () => {
      clearInterval(timer)
      return { found: [...found], owned }
    },
  }
}

/** The processes whose home is below the folder: what a run has left behind. */
export function processesIn(folder: string): string[] {
  const pids = processIds().filter((pid) => readIfAny(`/proc/${pid}/environ`).includes(`HOME=${folder}/`))
  return pids.map(describe)
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

function* processTexts(): Generator<[pid: number, place: string, text: string]> {
  for (const pid of processIds()) {
    yield [pid, 'the arguments', readIfAny(`/proc/${pid}/cmdline`)]
    yield [pid, 'the environment', readIfAny(`/proc/${pid}/environ`)]
  }
}

function processIds(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0)
}

function withAncestors(pids: number[]): Set<number> {
  const all = new Set<number>()
  for (let pid of pids) {
    for (; pid > 1 && !all.has(pid); pid = parentOf(pid)) all.add(pid)
  }
  return all
}

function isFork(pid: number, owners: ReadonlySet<number>): boolean {
  const parent = parentOf(pid)
  const commandLine = readIfAny(`/proc/${pid}/cmdline`)
  return commandLine === '' || (owners.has(parent) && commandLine === readIfAny(`/proc/${parent}/cmdline`))
}

function parentOf(pid: number): number {
  const afterName = readIfAny(`/proc/${pid}/stat`).split(') ').at(-1) ?? ''
  return Number(afterName.split(' ')[1] ?? 0)
}

function describe(pid: number): string {
  return `process ${pid} (${readIfAny(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()})`
}

function filesBelow(folder: string): string[] {
  const entries = existsSync(folder) ? readdirSync(folder, { withFileTypes: true, recursive: true }) : []
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** One character per byte; empty for what has gone. */
function readIfAny(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
