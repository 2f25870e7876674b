import { open } from 'node:fs/promises'

const LF = 0x0a
const DEFAULT_MAX_LINE_BYTES = 64 * 2 ** 20

/** Puts chunks of bytes together to lines. */
export type LineSplitter = {
  /** Takes the next chunk; calls `onLine` for each line that ends in it. The chunk may be reused afterwards. */
  write: (chunk: Buffer) => void
  /** Forgets an unfinished line; the next chunk begins at this byte offset. */
  reset: (offset: number) => void
  /** Byte offset of the first byte of the line that is not finished. */
  lineStart: () => number
}

type LineSplitterOptions = {
  /** One line without its LF. The bytes are only valid during the call. */
  onLine: (line: Buffer) => void
  /** Called once for a line that is longer than `maxLineBytes`, as soon as that is known. */
  onSkip: (lineStart: number) => void
  /** A longer line is neither kept nor delivered. Default: 64 MiB. */
  maxLineBytes?: number | undefined
}

export function createLineSplitter(options: LineSplitterOptions): LineSplitter {
  const { onLine, onSkip, maxLineBytes = DEFAULT_MAX_LINE_BYTES } = options
  let pieces: Buffer[] = []
  let length = 0
  let lineStart = 0

  /** Counts the bytes of a piece; the line is held only while it is not too long. */
  const fits = (piece: Buffer): boolean => {
    const fitted = length <= maxLineBytes
    length += piece.length
    if (length <= maxLineBytes) return true
    pieces = []
    if (fitted) onSkip(lineStart)
    return false
  }
  const finish = (piece: Buffer): void => {
    const line = fits(piece) ? (pieces.length === 0 ? piece : Buffer.concat([...pieces, piece])) : undefined
    lineStart += length + 1
    pieces = []
    length = 0
    if (line) onLine(line)
  }

  return {
    write: (chunk) => {
      let from = 0
      for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, from)) {
        finish(chunk.subarray(from, end))
        from = end + 1
      }
      const rest = chunk.subarray(from)
      if (rest.length > 0 && fits(rest)) pieces.push(Buffer.from(rest))
    },
    reset: (offset) => {
      pieces = []
      length = 0
      lineStart = offset
    },
    lineStart: () => lineStart,
  }
}

/** Tells whether a line contains one of these ASCII strings, without decoding it. Undefined: every line. */
export function createLineFilter(contains: readonly string[] | undefined): (line: Buffer) => boolean {
  const needles = contains?.map((text) => Buffer.from(text, 'latin1'))
  return (line) => needles?.some((needle) => line.includes(needle)) ?? true
}

type ReadLinesBackwardsOptions = {
  /** As `createLineFilter` takes it. */
  contains?: readonly string[]
  /** Longer lines are skipped. Default: 64 MiB. With one chunk, this bounds the memory used. */
  maxLineBytes?: number
  /** Bytes for each read. Default: 256 KiB. */
  chunkBytes?: number
}

/**
 * Reads the lines of a file from its end to its start, newest first, as UTF-8 without LF, and no further than
 * lines are asked for. What stands behind the last LF counts as a line: it may be a part of one that is being
 * written. Rejects with the error of the file system, such as ENOENT.
 */
export async function* readLinesBackwards(
  path: string,
  options: ReadLinesBackwardsOptions = {},
): AsyncGenerator<string, void, void> {
  const { contains, maxLineBytes = DEFAULT_MAX_LINE_BYTES, chunkBytes = 2 ** 18 } = options
  const isWanted = createLineFilter(contains)
  let pieces: Buffer[] = []
  let length = 0
  const hold = (piece: Buffer): void => {
    length += piece.length
    pieces = length <= maxLineBytes ? [piece, ...pieces] : []
  }
  const finish = (): string[] => {
    const line = pieces.length > 0 ? Buffer.concat(pieces) : undefined
    pieces = []
    length = 0
    return line && isWanted(line) ? [line.toString()] : []
  }

  for await (const chunk of readChunksBackwards(path, chunkBytes)) {
    let end = chunk.length
    for (let lf = lastLf(chunk, end); lf !== -1; lf = lastLf(chunk, end)) {
      hold(chunk.subarray(lf + 1, end))
      yield* finish()
      end = lf
    }
    hold(chunk.subarray(0, end))
  }
  yield* finish()
}

/** The bytes of a file without an LF at its very end, last chunk first. */
async function* readChunksBackwards(path: string, chunkBytes: number): AsyncGenerator<Buffer, void, void> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    for (let end = size; end > 0; end = Math.max(0, end - chunkBytes)) {
      const length = Math.min(end, chunkBytes)
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, end - length)
      if (bytesRead < length) return
      const endsLine = end === size && buffer.at(-1) === LF
      yield endsLine ? buffer.subarray(0, -1) : buffer
    }
  } finally {
    await file.close()
  }
}

function lastLf(bytes: Buffer, end: number): number {
  return end === 0 ? -1 : bytes.lastIndexOf(LF, end - 1)
}
