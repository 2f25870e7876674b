/** What terminals show two columns wide (Unicode's East Asian Width, in whole blocks), emoji included. */
const WIDE =
  /[\u1100-\u115f\u2329\u232a\u2630-\u2637\u268a-\u268f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{1b2ff}\u{1d300}-\u{1d37f}\u{1f000}-\u{3fffd}\p{Emoji_Presentation}]/u

/** Cuts a text that is too long; never wider than `columns`, and now and then narrower (joined emoji). */
export function truncate(text: string, columns: number): string {
  let width = 0
  let end = 0
  let at = 0
  for (const character of text) {
    width += WIDE.test(character) ? 2 : 1
    if (width > columns) return columns < 1 ? '' : `${text.slice(0, end)}…`
    at += character.length
    // As much as leaves room for the ellipsis.
    if (width < columns) end = at
  }
  return text
}

/** Columns that a text takes, as `truncate` counts them. */
export function widthOf(text: string): number {
  return [...text].reduce((width, character) => width + (WIDE.test(character) ? 2 : 1), 0)
}
