/** The key that answers claudef's row. */
export type SwitchKey = {
  /** As the row shows it: `Ctrl+]`. */
  name: string
  /** The character on the key, in lower case. */
  character: string
  /** What a terminal sends for it without a keyboard protocol: a control character. */
  byte: number
}

export const DEFAULT_SWITCH_KEY: SwitchKey = { name: 'Ctrl+]', character: ']', byte: 0x1d }

/** Why a key of the control characters cannot be had. */
const TAKEN: Record<string, string> = {
  c: 'interrupts Claude Code',
  d: 'ends Claude Code',
  h: 'is Backspace to many terminals',
  i: 'is Tab to the terminal',
  j: 'starts a new line',
  m: 'is Enter to the terminal',
  q: 'lets a stopped terminal go on',
  s: 'stops the output of the terminal',
  z: 'suspends the session',
  '[': 'is Esc to the terminal',
}

/** Reads `ctrl+]` (or `Ctrl-]`). @returns `undefined` for what is no key with Ctrl */
export function parseSwitchKey(
  text: string,
): { type: 'key'; key: SwitchKey } | { type: 'taken'; reason: string } | undefined {
  const character = /^(?:ctrl|control)[+-]([a-z[\]\\^_@])$/i.exec(text.trim())?.[1]?.toLowerCase()
  if (character === undefined) return undefined
  const reason = TAKEN[character]
  if (reason !== undefined) return { type: 'taken', reason }
  const upper = character.toUpperCase()
  return { type: 'key', key: { name: `Ctrl+${upper}`, character, byte: upper.charCodeAt(0) & 0x1f } }
}
