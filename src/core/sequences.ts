/** One escape sequence of a program's output. Other strings than OSC (DCS, APC) are read over. */
export type Sequence =
  | { type: 'escape'; intermediates: string; final: string }
  | { type: 'csi'; parameters: string; final: string }
  | { type: 'osc'; text: string }
  /** `CSI … m`, by far the most common: all that matters is whether it sets anything, or resets all. */
  | { type: 'style'; isPlain: boolean }

/** Where the output stands, and the sequence that it is in the middle of. */
export type SequenceReader = {
  state: 'ground' | 'escape' | 'csi' | 'string' | 'stringEscape'
  pending: number[]
}

type OnSequence = (sequence: Sequence) => void

const ESC = 0x1b
const BEL = 0x07
const CAN = 0x18
const SUB = 0x1a
const OSC = 0x5d
const BRACKET = 0x5b
const STYLE = 0x6d
const PLAIN = { type: 'style', isPlain: true } as const
const STYLED = { type: 'style', isPlain: false } as const

/** The longest sequence that is kept whole; the tail of a longer one (an image, a long title) is not read. */
const MAX_PENDING = 256

export function createSequenceReader(): SequenceReader {
  return { state: 'ground', pending: [] }
}

/**
 * Reads the next piece of a program's output. Text between sequences costs one native search; control sequences that
 * end in none of `finals` (but `m`) may be left out, which is most of what programs send.
 */
export function readSequences(
  reader: SequenceReader,
  output: Uint8Array,
  options: { finals: ReadonlySet<number>; onSequence: OnSequence },
): void {
  const { finals, onSequence } = options
  let at = 0
  while (at < output.length) {
    if (reader.state === 'ground') {
      at = output.indexOf(ESC, at)
      if (at === -1) return
      const end = skipSequence(output, at, finals)
      if (end === undefined) reader.state = 'escape'
      else if (output[end] === STYLE) onSequence(isPlain(output, at + 2, end) ? PLAIN : STYLED)
      at = end ?? at
    } else readByte(reader, output[at] ?? 0, onSequence)
    at += 1
  }
}

/** Where the control sequence at `at` ends, if it is there whole with nothing odd in it, and no mode is set by it. */
function skipSequence(output: Uint8Array, at: number, finals: ReadonlySet<number>): number | undefined {
  // `CSI > … m` and the like are no styles.
  const isOdd = output[at + 1] !== BRACKET || (output[at + 2] ?? 0) >> 2 === 0x3c >> 2
  if (isOdd) return undefined
  for (let end = at + 2; end < output.length; end++) {
    const byte = output[end] ?? 0
    if (byte >= 0x40 && byte <= 0x7e) return finals.has(byte) ? undefined : end
    if (byte < 0x30 || byte > 0x3f) return undefined
  }
  return undefined
}

/** `CSI m` and `CSI 0 m`. */
function isPlain(output: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at < end; at++) if (output[at] !== 0x30) return false
  return true
}

function readByte(reader: SequenceReader, byte: number, onSequence: OnSequence): void {
  // They end any sequence, which is then not acted on.
  if (byte === CAN || byte === SUB) return toGround(reader)
  switch (reader.state) {
    case 'ground':
      return
    case 'escape':
      return readEscape(reader, byte, onSequence)
    case 'csi':
      return readCsi(reader, byte, onSequence)
    case 'string':
      return readString(reader, byte, onSequence)
    case 'stringEscape':
      endString(reader, onSequence)
      // `ESC \` ends the string; any other byte means that the ESC began a new sequence.
      if (byte !== 0x5c) {
        reader.state = 'escape'
        readEscape(reader, byte, onSequence)
      }
  }
}

function readEscape(reader: SequenceReader, byte: number, onSequence: OnSequence): void {
  const { pending } = reader
  if (byte === ESC) reader.pending = []
  // Control characters inside a sequence are acted on by the terminal at once and do not end it.
  else if (byte < 0x20) return
  else if (byte <= 0x2f) pending.push(byte)
  else if (pending.length === 0 && byte === 0x5b) reader.state = 'csi'
  else if (pending.length === 0 && ']PX^_'.includes(String.fromCharCode(byte))) {
    reader.state = 'string'
    pending.push(byte)
  } else {
    toGround(reader)
    onSequence({ type: 'escape', intermediates: textOf(pending), final: String.fromCharCode(byte) })
  }
}

function readCsi(reader: SequenceReader, byte: number, onSequence: OnSequence): void {
  const { pending } = reader
  if (byte === ESC) {
    reader.pending = []
    reader.state = 'escape'
  } else if (byte < 0x20 || byte === 0x7f) return
  else if (byte >= 0x40 && byte <= 0x7e) {
    toGround(reader)
    onSequence({ type: 'csi', parameters: textOf(pending), final: String.fromCharCode(byte) })
  } else if (pending.length < MAX_PENDING) pending.push(byte)
}

function readString(reader: SequenceReader, byte: number, onSequence: OnSequence): void {
  if (byte === ESC) reader.state = 'stringEscape'
  // BEL ends an OSC, and only that.
  else if (byte === BEL && reader.pending[0] === OSC) endString(reader, onSequence)
  else if (reader.pending.length < MAX_PENDING) reader.pending.push(byte)
}

function endString(reader: SequenceReader, onSequence: OnSequence): void {
  const [kind, ...text] = reader.pending
  toGround(reader)
  if (kind === OSC) onSequence({ type: 'osc', text: textOf(text) })
}

function toGround(reader: SequenceReader): void {
  reader.state = 'ground'
  reader.pending = []
}

function textOf(bytes: number[]): string {
  return String.fromCharCode(...bytes)
}
