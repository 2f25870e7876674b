import fs from 'node:fs'
import { createLineSplitter, type LineSplitter } from './lines.ts'

/** Where a line of a transcript comes from. */
export type TranscriptSource = {
  /** As it was found last, under the config folder that was given. */
  path: string
  configDir: string
  /** Name of the project's folder. */
  slug: string
  /** Of a subagent's transcript, the session that it belongs to. */
  sessionId: string
}

/** A transcript and how far it has been read. It may have several paths (links), and others later (renamed). */
export type ProjectFile = {
  /** Device, inode and time of birth: an inode that is free is given to a new file, often at once. */
  key: string
  source: TranscriptSource
  /** Bytes that have been read, or were there at the start. */
  offset: number
  /** It was there at the start and has not been read yet, so that the offset may be within a line. */
  isUnread: boolean
  /** While a line is not finished. */
  splitter: LineSplitter | undefined
  /** How many paths lead to it. */
  paths: number
}

/** Every file that is followed, and those lately gone: one that comes back under another name is read on. */
export type FileRegistry = {
  find: (key: string) => ProjectFile | undefined
  /** `offset`: where to begin, in bytes. */
  add: (key: string, source: TranscriptSource, offset: number) => ProjectFile
  addPath: (file: ProjectFile, source: TranscriptSource) => void
  removePath: (file: ProjectFile) => void
}

const LF = 0x0a
const CHUNK_BYTES = 2 ** 18

/** How far back the start of a line is searched: more than is held of any line. */
const LONGEST_LINE_BYTES = 64 * 2 ** 20

/** Room for a whole tree that is moved away and back. */
const MAX_GONE = 20_000

/** One for all, since each read ends before the next one begins. */
const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES)

export function fileKey(stats: fs.Stats): string {
  return `${stats.dev}:${stats.ino}:${stats.birthtimeMs}`
}

export function createFileRegistry(): FileRegistry {
  const files = new Map<string, ProjectFile>()
  const gone = new Set<ProjectFile>()
  const drop = (file: ProjectFile) => {
    gone.delete(file)
    files.delete(file.key)
  }
  return {
    find: (key) => files.get(key),
    add: (key, source, offset) => {
      const file = { key, source, offset, isUnread: offset > 0, splitter: undefined, paths: 0 }
      files.set(key, file)
      return file
    },
    addPath: (file, source) => {
      file.paths++
      file.source = source
      gone.delete(file)
    },
    removePath: (file) => {
      file.paths--
      if (file.paths > 0) return
      gone.add(file)
      const [oldest] = gone
      // Without times of birth (NFS, FUSE) a new file with the same inode would be taken for it, and not be read.
      if (file.key.endsWith(':0')) drop(file)
      else if (oldest && gone.size > MAX_GONE) drop(oldest)
    },
  }
}

/**
 * Reads on in an open file, 256 KiB at most; returns whether there may be more. A file that is shorter than it
 * was, or has another text where a line ended, was written anew and is read from its start.
 * @throws the file system's error
 */
export function readAppended(
  file: ProjectFile,
  options: {
    fd: number
    /** The line without its LF: only valid during the call. */
    onLine: (line: Buffer) => void
    /** Byte offset of a line that is longer than 64 MiB. */
    onSkip: (lineStart: number) => void
  },
): boolean {
  const { fd, onLine, onSkip } = options
  const { size } = fs.fstatSync(fd)
  if (size < file.offset) restart(file)
  else if (file.isUnread) file.offset = findLineStart(fd, file.offset)
  else if (!file.splitter && !isLineStart(fd, file.offset)) restart(file)
  file.isUnread = false
  const bytesRead = fs.readSync(fd, buffer, 0, CHUNK_BYTES, file.offset)
  const splitter = file.splitter ?? createLineSplitter({ onLine, onSkip })
  if (!file.splitter) splitter.reset(file.offset)
  file.offset += bytesRead
  splitter.write(buffer.subarray(0, bytesRead))
  file.splitter = splitter.lineStart() === file.offset ? undefined : splitter
  return bytesRead === CHUNK_BYTES
}

function restart(file: ProjectFile): void {
  file.offset = 0
  file.splitter = undefined
}

/** Where the line began that this byte is in. Of one that is too long to be delivered, the byte itself. */
function findLineStart(fd: number, offset: number): number {
  if (isLineStart(fd, offset)) return offset
  const lowest = Math.max(0, offset - LONGEST_LINE_BYTES)
  for (let end = offset; end > lowest; end -= CHUNK_BYTES) {
    const start = Math.max(lowest, end - CHUNK_BYTES)
    const bytesRead = fs.readSync(fd, buffer, 0, end - start, start)
    const lf = buffer.subarray(0, bytesRead).lastIndexOf(LF)
    if (lf !== -1) return start + lf + 1
  }
  return lowest === 0 ? 0 : offset
}

function isLineStart(fd: number, offset: number): boolean {
  return offset === 0 || (fs.readSync(fd, buffer, 0, 1, offset - 1) === 1 && buffer[0] === LF)
}
