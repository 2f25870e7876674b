import fs from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { createLineFilter, createLineSplitter, type LineSplitter } from './lines.ts'
import { isMissing } from './tail.ts'
import type { Follower } from './transcript.ts'
import { watchNearest } from './watch.ts'

export type FollowFolderOptions = {
  /** Need not exist yet. */
  folder: string
  /** Deliver only lines that contain one of these ASCII strings. */
  contains: readonly string[]
  onLine: (line: string, file: string) => void
  /** For the log: following goes on. */
  onError: (error: Error) => void
  /** Of a file that was there before: how much of its end is read, in bytes. */
  overlapBytes: number
}

/** One file of the folder: how far it has been read. */
type Reading = { offset: number; splitter: LineSplitter; isReading: boolean; isStale: boolean }

const CHUNK_BYTES = 65_536

/**
 * Follows all transcripts (`*.jsonl`) of one folder with a single watcher: a file costs nothing until it is written
 * to. tail-file would take a watcher for each, all of them on this same folder, woken by every write to any file.
 */
export function followFolder(options: FollowFolderOptions): Follower {
  const { folder } = options
  const isWanted = createLineFilter(options.contains)
  const files = new Map<string, Reading>()
  const since = Date.now()
  let watcher: fs.FSWatcher | undefined
  let isStopped = false

  const addFile = (file: string): Reading => {
    const { size, birthtimeMs } = fs.statSync(file)
    const offset = birthtimeMs < since ? Math.max(0, size - options.overlapBytes) : 0
    const splitter = createLineSplitter({
      onLine: (line) => {
        if (!isStopped && isWanted(line)) options.onLine(line.toString(), file)
      },
      onSkip: () => options.onError(new Error(`Skipped a line of ${file}: it is too long`)),
    })
    const reading = { offset, splitter, isReading: false, isStale: false }
    files.set(file, reading)
    return reading
  }
  const look = (name: string | null) => {
    if (isStopped || !name?.endsWith('.jsonl')) return
    const file = path.join(folder, name)
    try {
      void readAppended(file, files.get(file) ?? addFile(file), options.onError)
    } catch (error) {
      if (!isMissing(error)) options.onError(error as Error)
    }
  }
  const watch = () => {
    if (isStopped) return
    watcher?.close()
    if (!fs.existsSync(folder)) {
      watcher = watchNearest(path.join(folder, 'any'), watch)
      return
    }
    try {
      watcher = fs.watch(folder, { persistent: false }, (_, name) => look(name))
      watcher.on('error', watch)
      for (const name of fs.readdirSync(folder)) look(name)
    } catch (error) {
      options.onError(error as Error)
    }
  }
  watch()
  return {
    stop: async () => {
      isStopped = true
      watcher?.close()
    },
  }
}

/** Reads on to the end of the file; what is appended meanwhile as well. A file that has shrunk is read anew. */
async function readAppended(file: string, reading: Reading, onError: (error: Error) => void): Promise<void> {
  reading.isStale = true
  if (reading.isReading) return
  reading.isReading = true
  try {
    const handle = await open(file)
    try {
      while (reading.isStale) {
        reading.isStale = false
        const { size } = await handle.stat()
        if (size < reading.offset) restart(reading)
        const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
        for (;;) {
          const { bytesRead } = await handle.read(buffer, 0, buffer.length, reading.offset)
          if (bytesRead === 0) break
          reading.offset += bytesRead
          reading.splitter.write(buffer.subarray(0, bytesRead))
        }
      }
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (!isMissing(error)) onError(error as Error)
  } finally {
    reading.isReading = false
  }
}

function restart(reading: Reading): void {
  reading.offset = 0
  reading.splitter.reset(0)
}
