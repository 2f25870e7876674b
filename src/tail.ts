import fs from 'node:fs'
import { createRequire } from 'node:module'
import { basename } from 'node:path'
import type TailFile from 'tail-file'

export type TailOptions = {
  /** The file. Its folder must exist: otherwise ENOENT is thrown. */
  path: string
  /** The file is open: at first, or again after a restart. Returns the byte offset to read from. */
  onOpen: (fd: number) => number
  /** The bytes are only valid during the call. */
  onChunk: (chunk: Buffer) => void
  /** Everything was read that is in the file by now. */
  onEnd: () => void
  /** The file was truncated or replaced; it is opened again. */
  onRestart: () => void
  /** Something in the folder, or the folder itself, was made, renamed or removed. */
  onRename: () => void
  /** The folder cannot be watched, such as with ENOSPC or EMFILE: only `check` notices what is new. */
  onDeaf: (error: unknown) => void
  /** The file cannot be opened or read. Nothing more comes. */
  onError: (error: Error) => void
}

/** An open file whose new bytes are read as they come. It does not keep the process alive. */
export type Tail = {
  /** Looks whether there is anything new, as after an event. */
  check: () => void
  /** Nothing is called any more from now on. Resolves when the file and the watcher are closed. */
  close: () => Promise<void>
}

const CHUNK_BYTES = 2 ** 18

/**
 * Loads tail-file 1.4.16, which follows a file: it watches the folder, reads to the end, notices truncation and
 * replacement. It is used below its own start(), and lines are not split by it, since (Node 20.20, Linux 6.18):
 * - It corrupts a character that is split between two appends, and searches a long line anew with every chunk:
 *   one line of 16 and of 60 MB took 112 and 1665 ms of CPU with chunks of 1 MiB. With the bytes taken in its
 *   decoder's place, in chunks of 256 KiB, 51 and 145 ms; 4 ms at a stretch while nobody wants the line.
 * - What a file got between the last read and its replacement is lost. Every event in the folder costs 0.1 ms.
 * - start() comes to an offset by reading all that is before it, and stop() right after it never resolves and
 *   leaks a descriptor.
 */
export async function loadTail(): Promise<(options: TailOptions) => Tail> {
  const { default: Loaded } = await import('tail-file')
  // With DEBUG=* in the environment, the `debug` that tail-file uses would write over the user's screen.
  const { resolve } = createRequire(import.meta.url)
  createRequire(resolve('tail-file'))('debug').log = () => {}
  return (options) => openTail(Loaded, options)
}

function openTail(Loaded: typeof TailFile, options: TailOptions): Tail {
  const { path } = options
  const tail = new Loaded(path, { _bufsize: CHUNK_BYTES, sepG: /\n/g })
  let isOpen = true
  const whileOpen =
    <Input>(act: (input: Input) => void) =>
    (input: Input): void => {
      if (isOpen) act(input)
    }
  const write = whileOpen(options.onChunk)
  const closeFile = tail._stop.bind(tail)
  tail._stop = () => {
    readRest(tail, write)
    closeFile()
  }
  replaceDecoder(tail, write)
  replaceCheckDir(tail, options)
  tail.on(
    'ready',
    whileOpen((fd: number) => tail.setBytePos(options.onOpen(fd))),
  )
  tail.on('eof', whileOpen(options.onEnd))
  tail.on('error', whileOpen(options.onError))
  tail.start = whileOpen<void>(() => {
    options.onRestart()
    readFile(tail, path)
  })
  start(tail, options)
  return {
    check: () => tail.checkDir('change', null),
    close: () => {
      isOpen = false
      return closeTail(tail, closeFile)
    },
  }
}

function replaceDecoder(tail: TailFile, write: (chunk: Buffer) => void): void {
  const decode = (chunk: Buffer): string => {
    write(chunk)
    return ''
  }
  tail.decoder = { write: decode, end: () => '' }
}

/** The end of the file was met, but it may have got more before it was replaced. */
function readRest(tail: TailFile, write: (chunk: Buffer) => void): void {
  if (typeof tail.fd !== 'number' || fs.fstatSync(tail.fd).nlink > 0) return
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  for (
    let size = readChunk(tail.fd, buffer, tail.pos);
    size > 0;
    size = readChunk(tail.fd, buffer, tail.pos)
  ) {
    tail.pos += size
    write(buffer.subarray(0, size))
  }
}

function readChunk(fd: number, buffer: Buffer, position: number): number {
  try {
    return fs.readSync(fd, buffer, 0, buffer.length, position)
  } catch {
    return 0
  }
}

/** Otherwise each write to another file of the folder costs a read and a stat, 0.1 ms. */
function replaceCheckDir(tail: TailFile, { path, onRename }: TailOptions): void {
  const checkDir = tail.checkDir.bind(tail)
  tail.checkDir = (type, name) => {
    if (type === 'rename') onRename()
    if (type === 'rename' || name === null || name === basename(path)) checkDir(type, name)
  }
}

function start(tail: TailFile, { path, onDeaf }: TailOptions): void {
  try {
    readFile(tail, path)
  } catch (error) {
    if (isMissing(error)) throw error
    onDeaf(error)
    tail.watcher = { close: () => {} }
    readFile(tail, path)
  }
  if (tail.watcher && 'unref' in tail.watcher) tail.watcher.unref()
}

function readFile(tail: TailFile, path: string): void {
  tail.ino = null
  tail.startTail(path)
}

/** Its own stop() waits for ever after an error of the watcher, and right after the start. */
async function closeTail(tail: TailFile, closeFile: () => void): Promise<void> {
  if (tail.fd === 'init') await new Promise((resolve) => tail.once('ready', resolve).once('error', resolve))
  tail.watcher?.close()
  closeFile()
}

/** Whether this is the file system's error for something that is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
