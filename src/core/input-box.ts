/** An Enter that sent something: what, `undefined` where that is in doubt, and when, in epoch ms. */
type Submit = { words: string | undefined; at: number }

/** What Claude Code says of itself in `sessions/<pid>.json`: `waiting` while a dialog asks, in place of the box. */
export type Status = 'idle' | 'busy' | 'waiting' | undefined

/**
 * The model of Claude Code's input box. A paste that it shows as `[Pasted text #1 +3 lines]` stands in `text` as one
 * private-use character, for the cursor steps over it as over one.
 */
export type InputBox = {
  text: string
  /** UTF-16 index into `text`. */
  cursor: number
  /** The terminal's width: some keys go by rows on the screen. */
  columns: number
  status: () => Status
  /** Epoch ms. */
  now: () => number
  /** What stands behind the private-use characters from U+F0000 on. */
  pastes: string[]
  /** What Ctrl+Y puts back; `undefined` once that is not known. */
  killed: string | undefined
  /** Counts the keys; `killedAt` and `escapedAt` are the number of the last one that did so. */
  presses: number
  killedAt: number
  escapedAt: number
  /** Why the box may hold something else. */
  doubt: string | undefined
  /**
   * What stood here at an Enter in doubt, which may have submitted it or picked from a menu; what was typed since is
   * apart from it. `undefined`: there was no such Enter, or the transcript has told of it.
   */
  unsent: string | undefined
  /** What the transcript has not told of yet, in order. */
  submits: Submit[]
  /** The shell commands that were sent, without their `!`: as the queue has them. */
  commands: string[]
}

/** The first of the private-use characters that stand for pastes. */
export const FIRST_PASTE = 0xf0000

/** The doubt about a box that is in shell mode. */
export const SHELL = 'a shell command'

const characters = new Intl.Segmenter('en', { granularity: 'grapheme' })
const words = new Intl.Segmenter('en', { granularity: 'word' })

/** The first doubt stays: those that follow may come of it. */
export function doubt(box: InputBox, reason: string): void {
  box.doubt ??= reason
}

/** Graphemes: what the arrow keys step over. */
export function countCharacters(text: string): number {
  return [...characters.segment(text)].length
}

/** At an empty box `?` shows and hides the help, and `!` begins a command of the shell. */
export function insertText(box: InputBox, text: string): void {
  box.presses++
  if (box.text === '' && text === '?') return
  if (box.cursor === 0 && text.startsWith('!')) doubt(box, SHELL)
  replace(box, box.cursor, box.cursor, text)
}

export function clear(box: InputBox): void {
  box.text = ''
  box.cursor = 0
  if (box.unsent === undefined) box.pastes = []
  box.doubt = undefined
}

/** The text with its pastes in full, in pieces: those that stand for a paste, and what was typed between. */
export function readPieces({ pastes }: InputBox, text: string): { text: string; isCollapsed: boolean }[] {
  const parts = text.match(/[\u{f0000}-\u{ffffd}]|[^\u{f0000}-\u{ffffd}]+/gu) ?? []
  return parts.map((part) => {
    const pasted = pastes[(part.codePointAt(0) ?? 0) - FIRST_PASTE]
    return { text: pasted ?? part, isCollapsed: pasted !== undefined }
  })
}

/** What may have been sent, and what was typed since. */
export function joinLines(unsent: string | undefined, text: string): string {
  return [unsent, text].filter(Boolean).join('\n')
}

export function wholeText(box: InputBox, text: string): string {
  return readPieces(box, text)
    .map((piece) => piece.text)
    .join('')
}

export function move(box: InputBox, cursor: number): void {
  box.cursor = cursor
}

export function replace(box: InputBox, from: number, to: number, text: string): void {
  box.text = box.text.slice(0, from) + text + box.text.slice(to)
  box.cursor = from + text.length
}

/** Kills in a row are put together, as in readline; one that finds nothing ends the row. */
export function kill(box: InputBox, from: number, to: number): void {
  const text = box.text.slice(from, to)
  const isForward = from === box.cursor
  if (text !== '') {
    const earlier = box.killedAt === box.presses - 1 ? box.killed : ''
    const isKnown = earlier !== undefined && box.doubt === undefined
    box.killed = isKnown ? (isForward ? earlier + text : text + earlier) : undefined
    if (/[\u{f0000}-\u{ffffd}]/u.test(text)) box.killed = undefined
    box.killedAt = box.presses
  }
  replace(box, from, to, '')
}

export function yank(box: InputBox): void {
  if (box.killed === undefined) doubt(box, 'the key ctrl+y')
  else insertText(box, box.killed)
}

export function before({ text, cursor }: InputBox): number {
  return cursor === 0 ? 0 : (characters.segment(text).containing(cursor - 1)?.index ?? 0)
}

export function after({ text, cursor }: InputBox): number {
  const next = characters.segment(text).containing(cursor)
  return next === undefined ? cursor : next.index + next.segment.length
}

export function lineStart({ text, cursor }: InputBox): number {
  return cursor === 0 ? 0 : text.lastIndexOf('\n', cursor - 1) + 1
}

export function lineEnd({ text, cursor }: InputBox): number {
  const stop = text.indexOf('\n', cursor)
  return stop < 0 ? text.length : stop
}

export function wordStart(box: InputBox): number {
  return findWords(box).findLast(({ start }) => start < box.cursor)?.start ?? 0
}

export function wordEnd(box: InputBox): number {
  return findWords(box).find(({ stop }) => stop > box.cursor)?.stop ?? box.text.length
}

/** Unicode's words, cut at what is no letter, number or mark: `foo_bar`, `3.14` and `don't` are two each. */
function findWords(box: InputBox): { start: number; stop: number }[] {
  if (/[\u{f0000}-\u{ffffd}]/u.test(box.text)) doubt(box, 'words beside a paste')
  return [...words.segment(box.text)].flatMap(({ segment, index }) =>
    [...segment.matchAll(/[\p{L}\p{N}\p{M}]+/gu)].map((match) => {
      const start = index + match.index
      return { start, stop: start + match[0].length }
    }),
  )
}
