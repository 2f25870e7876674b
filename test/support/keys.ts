/** What a terminal sends for the keys that are not text, in the legacy encoding (xterm's, DECCKM off). */
const namedKeys: Record<string, string> = {
  Enter: '\r',
  Escape: '\x1b',
  Tab: '\t',
  'Shift+Tab': '\x1b[Z',
  Space: ' ',
  Backspace: '\x7f',
  Up: '\x1b[A',
  Down: '\x1b[B',
  Right: '\x1b[C',
  Left: '\x1b[D',
  Home: '\x1b[H',
  End: '\x1b[F',
  Delete: '\x1b[3~',
  PageUp: '\x1b[5~',
  PageDown: '\x1b[6~',
}

/**
 * The bytes of a key such as `Enter`, `Up`, `Ctrl+C`, `Ctrl+]` or `Alt+p`.
 * Throws on a name that is none of these.
 */
export const keyBytes = (name: string) => {
  const named = namedKeys[name]
  if (named !== undefined) return named
  const [, modifier, character] = /^(Ctrl|Alt)\+(.)$/.exec(name) ?? []
  if (modifier === 'Alt') return `\x1b${character}`
  const code = character?.toUpperCase().charCodeAt(0) ?? 0
  // Ctrl takes the five low bits of @ A…Z [ \ ] ^ _
  if (modifier === 'Ctrl' && code >= 0x40 && code <= 0x5f) return String.fromCharCode(code & 0x1f)
  throw new Error(`No key '${name}': use one of ${Object.keys(namedKeys).join(', ')}, Ctrl+X, Alt+X`)
}
