/** The numbers that both protocols give to keys without a character. */
const CODES: Record<number, string> = {
  9: 'tab',
  13: 'enter',
  27: 'escape',
  127: 'backspace',
  57414: 'enter',
}
const LETTERS: Record<string, string> = { A: 'up', B: 'down', C: 'right', D: 'left', F: 'end', H: 'home' }
const NUMBERS: Record<string, string> = { 1: 'home', 3: 'delete', 4: 'end', 7: 'home', 8: 'end' }
/** Insert, Page Up and Down, F1 to F20. */
const IDLE = /^\x1b(O[P-S]|\[[1-4;]*[P-S]|\[([256]|1[1-9]|2[0-9]|3[1-4])(;\d+)?~)$/

/**
 * The name of one key press: `a`, `ctrl+a`, `alt+left`, `shift+enter`; modifiers in the order ctrl, alt, shift. A
 * character that was typed is itself. `idle` for keys that no input box has a use for; `undefined` for what is not
 * known. Read are plain bytes, the kitty protocol (`CSI 97;5u`) and modifyOtherKeys (`CSI 27;5;97~`), the encodings
 * that Claude Code 2.1.330 asks terminals for; it does not ask for kitty's event types.
 */
export function nameKeyPress(text: string): string | undefined {
  if (IDLE.test(text)) return 'idle'
  const alt = /^\x1b([^[\]O])$/u.exec(text)?.[1]
  if (alt !== undefined) return `alt+${nameByte(alt).replace('ctrl+h', 'backspace')}`
  const arrow = /^\x1b(?:O|\[(?:1;(\d+))?)([A-DFH])$/.exec(text)
  if (arrow) return withModifiers(arrow[1], LETTERS[arrow[2] ?? ''])
  const number = /^\x1b\[([13478])(?:;(\d+))?~$/.exec(text)
  if (number) return withModifiers(number[2], NUMBERS[number[1] ?? ''])
  const kitty = /^\x1b\[(\d+)(?::(\d*))?(?::\d+)?(?:;(\d+))?u$/.exec(text)
  if (kitty) return nameCode(Number(kitty[1]), kitty[3], kitty[2])
  const other = /^\x1b\[27;(\d+);(\d+)~$/.exec(text)
  if (other) return nameCode(Number(other[2]), other[1], undefined)
  return text.startsWith('\x1b') && text.length > 1 ? undefined : nameByte(text)
}

function nameByte(text: string): string {
  const code = text.charCodeAt(0)
  if (code === 0x7f || code === 8) return 'backspace'
  if (CODES[code] !== undefined) return CODES[code]
  return code < 0x20 ? `ctrl+${String.fromCharCode(code | 0x40).toLowerCase()}` : text
}

function nameCode(
  code: number,
  modifiers: string | undefined,
  shifted: string | undefined,
): string | undefined {
  // Kitty's private numbers: the keypad, media keys, modifiers alone.
  if (CODES[code] === undefined && (code < 0x20 || code > 0x10ffff || (code >= 57344 && code <= 63743))) {
    return code >= 57399 && code <= 57408 ? withModifiers(modifiers, String(code - 57399)) : undefined
  }
  const name = CODES[code] ?? String.fromCodePoint(code)
  if (readModifiers(modifiers) !== SHIFT || CODES[code] !== undefined) return withModifiers(modifiers, name)
  if (shifted) return String.fromCodePoint(Number(shifted))
  // modifyOtherKeys tells the character that the keys made; kitty without the shifted one leaves it open.
  return name === name.toUpperCase() ? name : undefined
}

const SHIFT = 1

/** Shift 1, Alt 2, Ctrl 4; more for keys such as Super, without the locks. */
function readModifiers(modifiers: string | undefined): number {
  return (Number(modifiers || 1) - 1) & 0x3f
}

function withModifiers(modifiers: string | undefined, name: string | undefined): string | undefined {
  const bits = readModifiers(modifiers)
  if (name === undefined || bits > 7) return undefined
  return `${bits & 4 ? 'ctrl+' : ''}${bits & 2 ? 'alt+' : ''}${bits & 1 ? 'shift+' : ''}${name}`
}
