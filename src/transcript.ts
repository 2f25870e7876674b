import fs from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseJson } from './core/json.ts'
import { type MessageUsage, parseUsage } from './core/message-usage.ts'
import { parseModel } from './core/usage.ts'
import { createLineFilter, createLineSplitter, type LineSplitter, readLinesBackwards } from './lines.ts'
import { isMissing, loadTail, type Tail, type TailOptions } from './tail.ts'
import { needsPolling, watchNearest } from './watch.ts'

export type FollowOptions = {
  /** Absolute path of the transcript. Neither the file nor its folders need exist yet. */
  path: string
  /**
   * Byte offset to start at. Bytes before it are never delivered. `end`: the file's size at the call.
   * It is meant for the file that is there at the call: one that comes later, or is shorter, is read from its
   * start.
   */
  from: number | 'end'
  /** Only lines that contain one of these ASCII strings; tested before any decoding. Default: every line. */
  contains?: readonly string[]
  /** One whole line without its LF, decoded as UTF-8; invalid bytes become U+FFFD. */
  onLine: (line: string) => void
  /** For the log: following goes on. The same error is told once until the file could be read again. */
  onError: (error: Error) => void
  /** A longer line is skipped, not kept in memory, and told of once. Default: 64 MiB. */
  maxLineBytes?: number
}

export type Follower = {
  /** No line is delivered after the call. Resolves when every file and watcher is closed. */
  stop: () => Promise<void>
}

/** `offset`: of the first byte behind the last line that was delivered or passed over. */
export type FileFollower = Follower & { offset: () => number }

type Follow = {
  options: FollowOptions
  splitter: LineSplitter
  openTail?: (options: TailOptions) => Tail
  /** While the file is followed. */
  tail?: Tail | undefined
  /** While it is not: on the nearest folder that exists. */
  watcher?: fs.FSWatcher | undefined
  /** The file that the splitter's offset belongs to. */
  file: fs.BigIntStats | undefined
  /** The folder that is watched while the file is followed. */
  folder?: fs.BigIntStats | undefined
  poll?: NodeJS.Timeout
  /** Something was renamed or removed: at its next end, look whether the path still leads to it. */
  isDoubtful: boolean
  /** What was told last, unless the file could be read since. */
  lastError?: string | undefined
  isStopped: boolean
  closing: Promise<unknown>
}

/** How often one looks where nothing tells of changes: the only periodic wake-up. */
const POLL_MS = 2000

/**
 * Follows one transcript: delivers each line appended to it, once and whole, a fraction of a ms after it was
 * written. The file may appear, be truncated, replaced, removed and made anew, and so may its folders.
 * Nothing here keeps the process alive, and nothing is ever printed.
 *
 * tail-file does the following, see `loadTail`. It needs the folder to exist, and is silent for ever once that
 * was removed and made anew; so here is what finds the file and loses it.
 */
export function followTranscript(options: FollowOptions): FileFollower {
  const { path, from, onLine, maxLineBytes } = options
  const isWanted = createLineFilter(options.contains)
  const splitter = createLineSplitter({
    onLine: (line) => {
      if (!follow.isStopped && isWanted(line)) onLine(line.toString())
    },
    onSkip: (at) => report(follow, new Error(`Skipped the line at byte ${at} of ${path}: it is too long`)),
    maxLineBytes,
  })
  const file = statIfAny(path)
  splitter.reset(from === 'end' ? Number(file?.size ?? 0) : from)
  const follow: Follow = {
    options,
    splitter,
    file,
    isDoubtful: false,
    isStopped: false,
    closing: Promise.resolve(),
  }
  if (needsPolling(path)) poll(follow)
  const started = start(follow)
  return {
    offset: splitter.lineStart,
    stop: async () => {
      follow.isStopped = true
      clearInterval(follow.poll)
      await started
      follow.watcher?.close()
      close(follow)
      await follow.closing
    },
  }
}

async function start(follow: Follow): Promise<void> {
  try {
    follow.openTail = await loadTail()
    search(follow)
  } catch (error) {
    report(follow, error)
  }
}

/** Follows the file if it is there. Otherwise waits for it at the nearest folder that exists. */
function search(follow: Follow): void {
  const { path } = follow.options
  if (follow.isStopped || !follow.openTail) return
  // The watcher comes first and stays until the file is open, so that nothing happens unseen in between.
  wait(follow)
  try {
    const file = fs.statSync(path, { throwIfNoEntry: false })
    if (file?.isFile() === false) throw new Error(`Cannot follow ${path}: it is not a file`)
    if (file) open(follow)
  } catch (error) {
    fail(follow, error)
  }
}

function wait(follow: Follow): void {
  follow.watcher?.close()
  follow.watcher = watchNearest(follow.options.path, () => {
    if (!follow.tail) search(follow)
  })
  if (follow.watcher === undefined) poll(follow)
}

function open(follow: Follow): void {
  const { path } = follow.options
  follow.folder = statIfAny(dirname(path))
  follow.tail = follow.openTail?.({
    path,
    onOpen: (fd) => resume(follow, fs.fstatSync(fd, { bigint: true })),
    onChunk: (chunk) => {
      follow.lastError = undefined
      follow.splitter.write(chunk)
    },
    onEnd: () => verify(follow),
    onRestart: () => {
      follow.file = undefined
    },
    onRename: () => {
      follow.isDoubtful = true
    },
    onDeaf: (error) => {
      report(follow, error)
      poll(follow)
    },
    onError: (error) => fail(follow, error),
  })
}

/** The byte offset to read from: where the line began that was not finished, or 0 if this is another file. */
function resume(follow: Follow, file: fs.BigIntStats): number {
  const { splitter } = follow
  const isSame = follow.file && isSameFile(follow.file, file)
  splitter.reset(isSame ? splitter.lineStart() : 0)
  follow.file = file
  follow.watcher?.close()
  follow.watcher = undefined
  return splitter.lineStart()
}

/**
 * While a file is open its inode is not given to another one; afterwards it often is, at once. Then the time of
 * birth tells them apart (0 on a file system that keeps none).
 */
function isSameFile(one: fs.BigIntStats, other: fs.BigIntStats): boolean {
  return isSameInode(one, other) && one.birthtimeNs === other.birthtimeNs
}

function isSameInode(one: fs.BigIntStats, other: fs.BigIntStats): boolean {
  return one.dev === other.dev && one.ino === other.ino
}

/** At the end of the file: looks whether it is still found under its path, in the folder that is watched. */
function verify(follow: Follow): void {
  if (!follow.isDoubtful) return
  follow.isDoubtful = false
  const { path } = follow.options
  const folder = statIfAny(dirname(path))
  if (folder && follow.folder && isSameInode(folder, follow.folder) && fs.existsSync(path)) return
  close(follow)
  search(follow)
}

function poll(follow: Follow): void {
  follow.poll ??= setInterval(() => check(follow), POLL_MS).unref()
}

function check(follow: Follow): void {
  follow.isDoubtful = true
  if (follow.tail) follow.tail.check()
  else search(follow)
}

function fail(follow: Follow, error: unknown): void {
  close(follow)
  // It has gone since it was seen.
  if (isMissing(error)) return search(follow)
  report(follow, error)
  wait(follow)
}

function close(follow: Follow): void {
  if (follow.tail) follow.closing = Promise.all([follow.closing, follow.tail.close()])
  follow.tail = undefined
}

function report(follow: Follow, cause: unknown): void {
  const error = cause instanceof Error ? cause : new Error(String(cause))
  if (follow.isStopped || error.message === follow.lastError) return
  follow.lastError = error.message
  follow.options.onError(error)
}

function statIfAny(path: string): fs.BigIntStats | undefined {
  try {
    return fs.statSync(path, { bigint: true })
  } catch {
    return undefined
  }
}

/**
 * The name of the folder that keeps the transcripts of a working directory (absolute, links resolved): every
 * UTF-16 unit outside `[A-Za-z0-9]` becomes `-` (measured on Claude Code 2.1.330). Of one longer than 200, these
 * are the first 200 characters; Claude Code adds `-` and a hash.
 */
export function transcriptSlug(cwd: string): string {
  return cwd.replace(/[^A-Za-z0-9]/g, '-').slice(0, 200)
}

/**
 * Finds the transcript of a session: `<configDir>/projects/<slug>/<sessionId>.jsonl`, otherwise in any folder
 * of projects; the one written last if there are several. Undefined if there is none, or none that can be read.
 */
export async function findTranscript(options: {
  /** `$CLAUDE_CONFIG_DIR`, or `~/.claude`. */
  configDir: string
  sessionId: string
  cwd: string
}): Promise<string | undefined> {
  const projects = join(options.configDir, 'projects')
  const name = `${options.sessionId}.jsonl`
  const [own] = await findFiles([join(projects, transcriptSlug(options.cwd), name)])
  if (own) return own.path
  const folders = await readdir(projects).catch(() => [])
  const found = await findFiles(folders.map((folder) => join(projects, folder, name)))
  return found.sort((one, other) => other.mtimeMs - one.mtimeMs)[0]?.path
}

async function findFiles(paths: string[]): Promise<{ path: string; mtimeMs: number }[]> {
  const found = await Promise.all(
    paths.map(async (path) => {
      const file = await stat(path).catch(() => undefined)
      return file?.isFile() ? [{ path, mtimeMs: file.mtimeMs }] : []
    }),
  )
  return found.flat()
}

/** Reads the usage of the conversation's last answer; `undefined` where there is none yet, or it cannot be read. */
export async function readLastUsage(path: string): Promise<MessageUsage | undefined> {
  try {
    for await (const line of readLinesBackwards(path, { contains: ['"usage"'] })) {
      const usage = parseUsage(parseJson(line))
      if (usage !== undefined && !usage.isSidechain) return usage
    }
  } catch {
    // What it costs is then not said beforehand.
  }
  return undefined
}

/**
 * Reads the model that a conversation last used, from the newest row of the main conversation that tells one.
 * Undefined if none does or there is no file; rejects where it cannot be read.
 */
export async function readLastModel(path: string): Promise<string | undefined> {
  try {
    for await (const line of readLinesBackwards(path, { contains: ['"assistant"', '"modelId"'] })) {
      const model = parseModel(line)
      if (model !== undefined) return model
    }
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  return undefined
}
