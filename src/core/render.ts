/**
 * The bytes that paint one row which is not the child's: the bottom one, fenced off by a scroll region. The cursor,
 * its colours and the origin mode are saved and restored (DECSC, DECRC).
 */
export function paintRow(text: string, window: { rows: number; fits: boolean; fence: boolean }): Uint8Array {
  // No room for a row: the window's title, and a bell.
  if (!window.fits) return encode(`\x1b]0;${stripStyle(text)}\x07\x07`)
  const fence = window.fence ? `\x1b[1;${window.rows - 1}r` : ''
  return encode(`\x1b7${fence}\x1b[?6l\x1b[${window.rows};1H\x1b[0m${text}\x1b[0m\x1b[K\x1b8`)
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

/** A child's output, with the fence put up again wherever the child takes scroll regions off (`CSI r`). */
export function keepFence(output: Uint8Array, rows: number): Uint8Array {
  const pieces: number[] = []
  const fence = encode(`\x1b[1;${rows - 1}r`)
  let from = 0
  for (let at = output.indexOf(0x72); at !== -1; at = output.indexOf(0x72, at + 1)) {
    if (at < 2 || output[at - 1] !== 0x5b || output[at - 2] !== 0x1b) continue
    pieces.push(...output.subarray(from, at + 1), ...fence)
    from = at + 1
  }
  return from === 0 ? output : Uint8Array.from([...pieces, ...output.subarray(from)])
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
