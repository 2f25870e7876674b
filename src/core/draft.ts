import { pressKey } from './box-keys.ts'
import {
  countCharacters,
  doubt,
  FIRST_PASTE,
  type InputBox,
  insertText,
  joinLines,
  readPieces,
} from './input-box.ts'
import { nameKeyPress } from './key-names.ts'
import { type KeyReader, readKeys } from './keys.ts'
import { isSamePrompt } from './prompts.ts'

/** `cursor` is a UTF-16 index into `text`; `reason` says why the two are not sure. */
export type Draft = {
  text: string
  cursor: number
  isSure: boolean
  reason: string | undefined
  /** The text in pieces: those that Claude Code shows as `[Pasted text #1 +3 lines]`, and what was typed between. */
  pieces: { text: string; isCollapsed: boolean }[]
  /** Presses of the left arrow from the end of the box to its cursor. */
  left: number
}

type Options = {
  columns: number
  status?: InputBox['status']
  now?: () => number
  reason?: string | undefined
}

/** Follows the input box of one child. */
export type DraftReader = {
  reason: string | undefined
  box: InputBox
  keys: KeyReader
  decoder: InstanceType<typeof TextDecoder>
  /** A bracketed paste whose end has not come. */
  pasting: string | undefined
}

/** Claude Code 2.1.330 shows a longer paste, in characters, or one of more line feeds, in one placeholder. */
const PASTE_CHARACTERS = 800
const PASTE_LINE_FEEDS = 2
const PASTE_START = '\x1b[200~'
const PASTE_END = '\x1b[201~'

/**
 * A reader for a child whose input box is empty. `columns` is the terminal's width (keep it right: some keys go by
 * rows on the screen); `status` is asked at each read, `now` (epoch ms) at each Enter; `reason` is why no draft can be
 * sure (vim mode, key bindings).
 */
export function createDraftReader(options: Options): DraftReader {
  const { columns, status = () => undefined, now = Date.now, reason } = options
  const still = {
    killed: '',
    presses: 0,
    killedAt: -1,
    escapedAt: -1,
    doubt: undefined,
    unsent: undefined,
    submits: [],
    commands: [],
    pastes: [],
  }
  return {
    reason,
    box: { text: '', cursor: 0, columns, status, now, ...still },
    keys: { rest: new Uint8Array(), pasting: false },
    decoder: new TextDecoder(),
    pasting: undefined,
  }
}

/** Reads the user's input as the child gets it, in pieces of any size. */
export function readDraft(reader: DraftReader, input: Uint8Array): void {
  const { box, keys } = reader
  // A terminal sends Alt and a key in one piece: an Esc that came alone was one. `[` and `O` may be the rest of a key.
  const isEscape = keys.rest.length === 1 && input[0] !== 0x5b && input[0] !== 0x4f
  const escapes = isEscape ? readKeys(keys, new Uint8Array(), { flush: true }) : []
  const isWaiting = box.status() === 'waiting'
  for (const { key, bytes } of [...escapes, ...readKeys(keys, input, { flush: false })]) {
    const isText = reader.pasting !== undefined || bytes[0] !== 0x1b
    const text = isText ? reader.decoder.decode(bytes, { stream: true }) : String.fromCharCode(...bytes)
    if (reader.pasting !== undefined || text === PASTE_START) readPaste(reader, text, isWaiting)
    else if (key === 'report' || key === 'switch') continue
    else if (isWaiting) readAnswer(box, text)
    else if (text === '\r' && input.length > 1) readEnter(box)
    else readPress(box, text)
  }
}

/**
 * The transcript says that this prompt was sent or queued. Prompts come there in the order of their Enters; one that it
 * never tells of (a command, a pick from a menu) is passed over once a later one is recognised.
 */
export function confirmSubmit({ box }: DraftReader, prompt: string): void {
  const at = box.submits.findIndex(({ words }) => words !== undefined && isSamePrompt(words, prompt))
  box.submits.splice(0, Math.max(0, at) + 1)
  if (box.submits.every(({ words }) => words !== undefined)) box.unsent = undefined
}

/** What stands in the input box, as far as it can be told from the keys. */
export function draftOf(reader: DraftReader): Draft {
  const { box } = reader
  const isHalf = reader.pasting !== undefined || reader.keys.rest.length > 0
  const reason =
    reader.reason ??
    (box.unsent === undefined ? undefined : 'an Enter that may have picked from a menu') ??
    box.doubt ??
    (isHalf ? 'a key or a paste that is not whole' : undefined)
  const shown = joinLines(box.unsent, box.text)
  const pieces = readPieces(box, shown)
  const behind = box.text.slice(box.cursor)
  return {
    text: joinPieces(pieces),
    cursor: joinPieces(readPieces(box, shown.slice(0, shown.length - behind.length))).length,
    isSure: reason === undefined,
    reason,
    pieces,
    left: countCharacters(behind),
  }
}

/**
 * The keys that put a draft into an empty input box; never one that submits. As typed, for an Enter that comes with a
 * paste is put off until that has settled, and takes along what was typed meanwhile (2.1.330); what was collapsed is
 * pasted whole.
 */
export function renderDraft({ pieces, left }: Pick<Draft, 'pieces' | 'left'>): Uint8Array {
  const keys = pieces.map(({ text, isCollapsed }) => (isCollapsed ? renderPaste(text) : renderLines(text)))
  return new TextEncoder().encode(keys.join('') + '\x1b[D'.repeat(left))
}

/** The keys that put a text into the box, as typed. */
export function renderText(text: string): Uint8Array {
  return renderDraft({ pieces: [{ text, isCollapsed: false }], left: 0 })
}

/**
 * A paste as the keys that type its text; `undefined` for one that Claude Code would show as a placeholder, or might
 * take for more than its text (an image, a command, a file).
 */
export function retypePaste(input: Uint8Array): Uint8Array | undefined {
  const bytes = new TextDecoder().decode(input)
  if (!bytes.startsWith(PASTE_START) || !bytes.endsWith(PASTE_END)) return undefined
  const pasted = bytes.slice(PASTE_START.length, -PASTE_END.length)
  const text = readPasted(pasted)
  const isPlain = !isImage(pasted) && !/^[!/@#?]|[\u{f0000}-\u{ffffd}\ufffd]/u.test(text)
  return isPlain && !isLong(text) ? renderText(text) : undefined
}

function joinPieces(pieces: Draft['pieces']): string {
  return pieces.map(({ text }) => text).join('')
}

function renderLines(text: string): string {
  const lines = text.split('\n').map((line) => line.match(/.{1,400}/gsu) ?? [])
  return lines.map((line) => line.map(renderRun).join(NO_KEY)).join(NEWLINE)
}

/** More characters in one run could be taken for a paste, and be collapsed. */
function renderRun(run: string): string {
  // In an empty box it is the key for help.
  return run === '?' ? '.?\x1b[D\x7f\x1b[C' : run
}

/** Ctrl+J as a sequence: between text in one read a line feed could be taken for a paste's. */
const NEWLINE = '\x1b[106;5u'

/** "The terminal has the focus": parts two runs of text that are read at once. */
const NO_KEY = '\x1b[I'

function renderPaste(text: string): string {
  return `${PASTE_START}${text}${PASTE_END}`
}

/** A dialog's own keys leave the box as it is. */
function readAnswer(box: InputBox, text: string): void {
  if (!/^(\d|\r|\t|\x1b|\x1b\[Z|\x1b(O|\[)[ABCD])$/.test(text)) doubt(box, 'keys in a dialog')
}

/** In one read with other keys. */
function readEnter(box: InputBox): void {
  doubt(box, 'several keys in one read')
  pressKey(box, 'enter')
}

function readPress(box: InputBox, text: string): void {
  // They stand for pastes in the model; some fonts have icons there.
  if (/[\u{f0000}-\u{ffffd}]/u.test(text)) doubt(box, 'private-use characters')
  if (text.length > PASTE_CHARACTERS) return insertPaste(box, text, 'much text at once')
  // Several keys in one read come as one press where none is a sequence.
  const presses = text.startsWith('\x1b') ? [text] : (text.match(/[^\0-\x1f\x7f]+|[\0-\x1f\x7f]/g) ?? [])
  // Between others in one read Claude Code drops some control characters, and may take an Enter for a line feed.
  if (presses.length > 1 && /[\0-\x08\x0b-\x1f]/.test(text)) doubt(box, 'several keys in one read')
  for (const press of presses) {
    // Claude Code drops a tab in the middle of text that came in one read.
    if (press === '\t' && presses.length > 1) continue
    const isText = !/^[\0-\x1f\x7f]/.test(press)
    const name = isText ? 'text' : nameKeyPress(press)
    const typed = isText ? press : name !== undefined && [...name].length === 1 ? name : undefined
    if (typed !== undefined) insertText(box, typed)
    else if (name === undefined) doubt(box, 'a key that is not known')
    else pressKey(box, name)
  }
}

function readPaste(reader: DraftReader, text: string, isWaiting: boolean): void {
  if (reader.pasting === undefined) {
    reader.pasting = ''
    return
  }
  reader.pasting += text
  if (!reader.pasting.endsWith(PASTE_END)) return
  const pasted = reader.pasting.slice(0, -PASTE_END.length)
  reader.pasting = undefined
  const { box } = reader
  if (isWaiting) return doubt(box, 'a paste into a dialog')
  insertPaste(box, pasted, isImage(pasted) ? 'an image' : undefined)
}

/** Claude Code looks for one in the clipboard, or behind the path. */
function isImage(pasted: string): boolean {
  return pasted === '' || /\.(png|jpe?g|gif|webp)['"]?\s*$/i.test(pasted)
}

function insertPaste(box: InputBox, pasted: string, reason: string | undefined): void {
  const text = readPasted(pasted)
  if (reason !== undefined) doubt(box, reason)
  if (!isLong(text)) return insertText(box, text)
  // "paste again to expand"
  if (box.pastes.includes(text)) doubt(box, 'the same paste twice')
  box.pastes.push(text)
  insertText(box, String.fromCodePoint(FIRST_PASTE + box.pastes.length - 1))
}

/** What Claude Code makes of a paste. */
function readPasted(pasted: string): string {
  return pasted
    .replace(/\r\n?/g, '\n')
    .replace(/\t/g, '    ')
    .replace(/\x1b\[[0-9;?]*[@-~]/g, '')
    .replace(/[\0-\x09\x0b-\x1f\x7f]/g, '')
}

function isLong(text: string): boolean {
  return text.length > PASTE_CHARACTERS || text.split('\n').length - 1 > PASTE_LINE_FEEDS
}
