/** The part of tail-file 1.4.16 that tail.ts uses. The package brings no typings. */
declare module 'tail-file' {
  import type { EventEmitter } from 'node:events'
  import type { FSWatcher } from 'node:fs'

  /** Events: `ready` (fd), `eof`, `error` (error). */
  class TailFile extends EventEmitter {
    /** `_bufsize`: bytes for each read. `sepG`: what ends a line, with the flag `g`. */
    constructor(path: string, options: { _bufsize: number; sepG: RegExp })
    /** Bytes to text: it gets every chunk that is read, in order; `end` is called at each end of the file. */
    decoder: { write: (chunk: Buffer) => string; end: () => string }
    /** `init` while the file is being opened, undefined while there is none. */
    fd: 'init' | number | undefined
    /** Byte offset of the next read. */
    pos: number
    /** Of the open file; when null, it is taken from the file once that is open. */
    ino: number | null
    /** On the file's folder; `startTail` opens one unless there is one. */
    watcher: FSWatcher | { close: () => void } | undefined
    /** What it calls to begin again with a truncated or replaced file. */
    start: () => void
    setBytePos: (offset: number) => void
    /** Opens the file and reads on. Throws where the folder cannot be watched. */
    startTail: (path: string) => void
    /** What it does about a change of the folder: read to the end of the file, then look which file is there. */
    checkDir: (type: string, name: string | null) => void
    /** Closes the file, at once. */
    _stop: () => void
  }

  export = TailFile
}
