import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { isObject } from './core/settings.ts'
import { quoteWord } from './core/words.ts'
import { LONGEST_SOCKET_PATH } from './key.ts'

/** What Claude Code tells its SessionStart hook: which conversation it is in now. */
export type SessionStart = {
  sessionId: string
  transcript: string
  cwd: string
  /** `startup`, `resume`, `clear`, `compact`, and what later versions add. */
  source: string
  /** Told at `startup` only (2.1.330). */
  model: string | undefined
}

/** A private folder (mode 700) for the length of one claudef: settings, the hook's messages, the key's socket. */
export type SessionFolder = {
  path: string
  /** Shell command for the hook: drops its stdin here, prints nothing, never fails. */
  hookCommand: string
  writeSettings: (settings: Record<string, unknown>) => string
  /** Calls back for each message of the hook, until `remove`. */
  watch: (onStart: (start: SessionStart) => void, onError: (error: Error) => void) => void
  /** Never throws. */
  remove: () => void
}

const MESSAGE = /^start\.\d+\.json$/

/**
 * Makes the folder, in the user's runtime folder where there is one (systemd), else in the one for temporary files.
 * @throws where neither can be written to
 */
export function createSessionFolder(env: NodeJS.ProcessEnv): SessionFolder {
  const folder = makeFolder(parentFolders(env))
  const watchers: fs.FSWatcher[] = []
  return {
    path: folder,
    hookCommand: dropCommand(folder),
    writeSettings: (settings) => {
      const file = path.join(folder, 'settings.json')
      fs.writeFileSync(file, JSON.stringify(settings), { mode: 0o600 })
      return file
    },
    watch: (onStart, onError) => {
      const take = (name: string | null) => {
        if (name === null || !MESSAGE.test(name)) return
        const start = takeMessage(path.join(folder, name))
        if (start !== undefined) onStart(start)
      }
      const watcher = fs.watch(folder, (_, name) => take(name))
      watcher.on('error', onError)
      watchers.push(watcher)
      // What came before the watch; not before the caller has what it waits for.
      queueMicrotask(() => {
        for (const name of listFolder(folder)) take(name)
      })
    },
    remove: () => {
      for (const watcher of watchers) watcher.close()
      removeFolder(folder)
    },
  }
}

/** Removes the folders of claudefs that were killed: named after a process that is no more. Never throws. */
export function sweepSessionFolders(env: NodeJS.ProcessEnv): void {
  for (const parent of parentFolders(env)) {
    for (const name of listFolder(parent)) {
      const pid = /^claudef-(\d+)-\w{6}$/.exec(name)?.[1]
      if (pid !== undefined && !isAlive(Number(pid))) removeFolder(path.join(parent, name))
    }
  }
}

/** Empty where it cannot be read: the runtime folder of somebody else, after `su`. */
function listFolder(folder: string): string[] {
  try {
    return fs.readdirSync(folder)
  } catch {
    return []
  }
}

/** What cannot be removed stays for a later claudef to sweep: another user's, or a disk that is read-only now. */
function removeFolder(folder: string): void {
  try {
    fs.rmSync(folder, { recursive: true, force: true })
  } catch {}
}

/** Where claudef's folders may be, the best place first. In a deep one there is no room for a socket's path. */
function parentFolders(env: NodeJS.ProcessEnv): string[] {
  const longest = LONGEST_SOCKET_PATH - '/claudef-4194304-abcdef/key'.length
  const parents = [env.XDG_RUNTIME_DIR ?? '', os.tmpdir()].filter(
    (parent) => path.isAbsolute(parent) && Buffer.byteLength(parent) <= longest,
  )
  return parents.length > 0 ? [...new Set(parents)] : ['/tmp']
}

function makeFolder(parents: string[]): string {
  let failure: unknown
  for (const parent of parents) {
    try {
      return fs.mkdtempSync(path.join(parent, `claudef-${process.pid}-`))
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

/**
 * Written under another name first, so that a message is there whole or not at all. Before the JSON goes a line
 * that is `0` in the background sessions of `/fork`, which inherit the hook but are not ours (Claude Code 2.1.330).
 */
function dropCommand(folder: string): string {
  const file = `${quoteWord(`${folder}/start.`)}$$`
  const message = '{ echo "$CLAUDE_CODE_SESSION_ATTENDED"; cat; }'
  return `{ ${message} >${file}.part && mv ${file}.part ${file}.json; } 2>/dev/null || :`
}

function takeMessage(file: string): SessionStart | undefined {
  try {
    const [attended, ...json] = fs.readFileSync(file, 'utf8').split('\n')
    fs.rmSync(file)
    const message: unknown = JSON.parse(json.join('\n'))
    if (attended === '0' || !isObject(message)) return undefined
    const { session_id: sessionId, transcript_path: transcript, cwd, source, model } = message
    if (typeof sessionId !== 'string' || typeof transcript !== 'string') return undefined
    return {
      sessionId,
      transcript,
      cwd: String(cwd ?? ''),
      source: String(source ?? ''),
      model: typeof model === 'string' ? model : undefined,
    }
  } catch {
    // The event of the removal, or of a message that has been taken already.
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Somebody else's process: alive.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
