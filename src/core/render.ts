/**
 * The bytes that paint one row which is not the child's: the bottom one, fenced off by a scroll region. The cursor,
 * its colours and the origin mode are saved and restored (DECSC, DECRC). Some terminals make `·` and the like two columns
 * wide: a text that is too long for them is cut off, for which `wraps` says whether the child has it otherwise (DECAWM).
 */
export function paintRow(text: string, window: { rows: number; fence: boolean; wraps: boolean }): Uint8Array {
  const { rows, fence, wraps } = window
  const before = `\x1b7${fence ? `\x1b[1;${rows - 1}r` : ''}\x1b[?6l\x1b[${rows};1H\x1b[?7l\x1b[0m`
  return encode(`${before}${text}${wraps ? '\x1b[?7h' : ''}\x1b[0m\x1b[K\x1b8`)
}

/** Where there is no room for a row: the window's title, and a bell for what is new. `saves` the title before it. */
export function renderTitle(text: string, how: { saves: boolean; rings: boolean }): Uint8Array {
  return encode(`${how.saves ? '\x1b[22;0t' : ''}\x1b]0;${stripStyle(text)}\x07${how.rings ? '\x07' : ''}`)
}

/** Takes such a title away: the one before it, where the terminal has saved it, but the child's own if there is one. */
export function restoreTitle(own: string | undefined): Uint8Array {
  return encode(`\x1b]0;\x07\x1b[23;0t${own === undefined ? '' : `\x1b]0;${own}\x07`}`)
}

/** Takes the fence away and wipes the row. */
export function clearRow(rows: number): Uint8Array {
  return encode(`\x1b7\x1b[r\x1b[?6l\x1b[${rows};1H\x1b[0m\x1b[2K\x1b8`)
}

/** Frees the bottom row of the main screen: scrolls by one where the cursor stands in it, else does nothing. */
export const MAKE_ROOM = encode('\x1bD\x1b[A')

/**
 * Scrolls all that the main screen shows out of sight: Claude Code without the alternate screen (2.1.330) wipes every
 * row on a change of size, and draws the last of its own alone again.
 */
export function pushAway(rows: number): Uint8Array {
  return encode(`\x1b[${rows};1H${'\n'.repeat(rows)}`)
}

/** Finals of `CSI r`, `CSI ? 1049 h` and `l`, `CSI ! p`, and of `ESC c` and `ESC # 8`: all may take the fence away. */
const FENCE_ENDS = new Set(Array.from('rhlpc8', (final) => final.charCodeAt(0)))

/** Cuts a child's output behind each sequence that may take the fence away; `isInside` one as the output begins. */
export function cutAtFences(output: Uint8Array, isInside: boolean): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let from = 0
  for (
    let at = isInside ? 0 : output.indexOf(0x1b) + 1;
    isInside || at > 0;
    at = output.indexOf(0x1b, at) + 1
  ) {
    const last = isInside || output[at] === 0x5b ? 0x3f : 0x2f
    isInside = false
    if (output[at] === 0x5b) at++
    // Intermediates, and the parameters of a control sequence.
    while ((output[at] ?? 0) >= 0x20 && (output[at] ?? 0) <= last) at++
    if (!FENCE_ENDS.has(output[at] ?? 0)) continue
    at++
    pieces.push(output.subarray(from, at))
    from = at
  }
  if (from < output.length) pieces.push(output.subarray(from))
  return pieces
}

/**
 * What puts the fence up again right behind a sequence that took it away. `CSI r` and the resets move the cursor home
 * anyway (DECSTR forgets the saved cursor); a screen that is left or entered keeps it. A region of the child's own
 * stays, but for what of it lies below the child's screen.
 */
export function renderFence(sequence: string, rows: number): string {
  const fence = `\x1b[1;${rows - 1}r`
  const [, list] = /\[([\d;]*)r$/.exec(sequence) ?? []
  if (list !== undefined) {
    const [top = 0, bottom = 0] = list.split(';').map(Number)
    if (bottom > 0 && bottom < rows) return ''
    return top < rows - 1 ? `\x1b[${top || 1};${rows - 1}r` : fence
  }
  return /[c8]$/.test(sequence) ? fence : `\x1b7${fence}\x1b8`
}

/** Wipes the whole screen, the cursor in its first corner. */
export const WIPE = encode('\x1b[H\x1b[2J')

/** A text without its colour sequences. */
function stripStyle(text: string): string {
  return text.replace(/\x1b\[[\d;]*m/g, '')
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
