import {
  after,
  before,
  clear,
  doubt,
  type InputBox,
  insertText,
  joinLines,
  kill,
  lineEnd,
  lineStart,
  move,
  replace,
  SHELL,
  wholeText,
  wordEnd,
  wordStart,
  yank,
} from './input-box.ts'

type Key = (box: InputBox) => void

/** What the prompt and the box's edges take from a row. */
const MARGIN = 6

/** How wide a placeholder of a paste can be, in columns. */
const PLACEHOLDER = 40

/** A key by its name; one that is not known puts the box in doubt. */
export function pressKey(box: InputBox, name: string): void {
  const key = KEYS[name]
  box.presses++
  if (key === undefined) doubt(box, `the key ${name}`)
  else key(box)
}

const nothing: Key = () => {}
const newline: Key = (box) => insertText(box, '\n')
const wordLeft: Key = (box) => move(box, wordStart(box))
const wordRight: Key = (box) => move(box, wordEnd(box))
const backspace: Key = (box) => replace(box, before(box), box.cursor, '')
const remove: Key = (box) => replace(box, box.cursor, after(box), '')
const killWordLeft: Key = (box) => kill(box, wordStart(box), box.cursor)

/** Measured in the input box of Claude Code 2.1.330, key by key; a key that is missing here puts the draft in doubt. */
const KEYS: Record<string, Key> = {
  idle: nothing,
  'shift+tab': nothing,
  'alt+t': nothing,
  'ctrl+l': nothing,
  'ctrl+t': nothing,
  'ctrl+@': nothing,
  // Suspends Claude Code; the draft stands there when it is back.
  'ctrl+z': nothing,
  enter: submit,
  'ctrl+enter': submit,
  'shift+enter': newline,
  'alt+enter': newline,
  'ctrl+j': newline,
  left,
  'shift+left': left,
  'ctrl+b': left,
  right,
  'shift+right': right,
  'ctrl+f': right,
  home,
  'shift+home': home,
  end,
  'shift+end': end,
  'ctrl+a': (box) => move(box, lineStart(box)),
  'ctrl+e': (box) => move(box, lineEnd(box)),
  'alt+b': wordLeft,
  'ctrl+left': wordLeft,
  'alt+left': wordLeft,
  'alt+f': wordRight,
  'ctrl+right': wordRight,
  'alt+right': wordRight,
  backspace,
  'shift+backspace': backspace,
  delete: remove,
  'ctrl+delete': remove,
  'ctrl+d': remove,
  'ctrl+w': killToBlank,
  'alt+backspace': killWordLeft,
  'ctrl+backspace': killWordLeft,
  'alt+d': (box) => kill(box, box.cursor, wordEnd(box)),
  'ctrl+u': killToLineStart,
  'ctrl+k': killToLineEnd,
  'ctrl+y': yank,
  'ctrl+c': interrupt,
  escape: pressEscape,
}

function left(box: InputBox): void {
  // Leads to the list of agents.
  if (box.text === '') doubt(box, 'the key left in an empty box')
  move(box, before(box))
}

function right(box: InputBox): void {
  // May accept a prompt that Claude Code suggests.
  if (box.text === '') doubt(box, 'the key right in an empty box')
  move(box, after(box))
}

/** An Enter in doubt may have picked from a menu: what stands there is kept until the transcript tells of it. */
function submit(box: InputBox): void {
  const { text, cursor } = box
  if (text[cursor - 1] === '\\') return replace(box, cursor - 1, cursor, '\n')
  if (text.trim() === '' && box.doubt === undefined) return
  if (/(^|\s)@\S*$/.test(text.slice(0, cursor))) doubt(box, 'the menu of files')
  // Back to prompts: a shell command is no doubt once it runs.
  const isSure = box.doubt === undefined || (box.doubt === SHELL && text.startsWith('!'))
  const whole = wholeText(box, text)
  box.submits.push({ words: isSure ? whole : undefined, at: box.now() })
  if (whole.startsWith('!')) box.commands.push(whole.slice(1).trim())
  if (!isSure) box.unsent = joinLines(box.unsent, text)
  clear(box)
}

/** Clears the box, but a turn that runs is what it ends first. After it nothing of the history stands there either. */
function interrupt(box: InputBox): void {
  const status = box.status()
  if (status === 'busy' || (box.text === '' && box.doubt === undefined)) return
  if (status === 'idle' && /^(the key (up|down)|undefined)$/.test(String(box.doubt))) clear(box)
  else doubt(box, 'the key ctrl+c')
}

/**
 * One Esc leaves a draft as it is, also where it ends a turn; two within a second clear it. In an empty box it brings
 * back the prompt of the turn that it ends.
 */
function pressEscape(box: InputBox): void {
  const status = box.status()
  const isHarmless = status === 'idle' || (status === 'busy' && box.text !== '')
  if (!isHarmless || box.escapedAt === box.presses - 1) doubt(box, 'the key escape')
  box.escapedAt = box.presses
}

/** Back over blanks, then to the next one. */
function killToBlank(box: InputBox): void {
  kill(box, box.text.slice(0, box.cursor).replace(/\S*\s*$/, '').length, box.cursor)
}

function killToLineStart(box: InputBox): void {
  const start = lineStart(box)
  doubtWrapped(box)
  kill(box, start < box.cursor ? start : before(box), box.cursor)
}

function killToLineEnd(box: InputBox): void {
  const end = lineEnd(box)
  doubtWrapped(box)
  kill(box, box.cursor, end > box.cursor ? end : after(box))
}

/** A second one goes on to another line. */
function home(box: InputBox): void {
  const start = lineStart(box)
  doubtWrapped(box)
  if (box.cursor === start && start > 0) doubt(box, 'the key home')
  move(box, start)
}

function end(box: InputBox): void {
  const stop = lineEnd(box)
  doubtWrapped(box)
  if (box.cursor === stop && stop < box.text.length) doubt(box, 'the key end')
  move(box, stop)
}

/** These keys go by rows on the screen. */
function doubtWrapped(box: InputBox): void {
  let width = 0
  for (const character of box.text.slice(lineStart(box), lineEnd(box))) {
    const code = character.codePointAt(0) ?? 0
    width += code >= 0xf0000 ? PLACEHOLDER : code >= 0x1100 ? 2 : 1
  }
  if (width > box.columns - MARGIN) doubt(box, 'a line of several rows')
}
