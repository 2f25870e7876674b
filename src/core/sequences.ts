/** One escape sequence of a program's output. Other strings than OSC (DCS, APC) are read over. */
type Sequence =
  | { type: 'escape'; intermediates: string; final: string }
  | { type: 'csi'; parameters: string; final: string }
  | { type: 'osc'; text: string }

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

/** The longest sequence that is kept whole; the tail of a longer one (an image, a long title) is not read. */
const MAX_PENDING = 256

export function createSequenceReader(): SequenceReader {
  return { state: 'ground', pending: [] }
}

/** Reads the next piece of a program's output. Text between sequences costs one native search. */
export function readSequences(reader: SequenceReader, output: Uint8Array, onSequence: OnSequence): void {
  let at = 0
  while (at < output.length) {
    if (reader.state === 'ground') {
      at = output.indexOf(ESC, at)
      if (at === -1) return
      reader.state = 'escape'
    } else readByte(reader, output[at] ?? 0, onSequence)
    at += 1
  }
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
