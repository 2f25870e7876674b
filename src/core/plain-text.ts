/** Text from elsewhere (folders, models, files), in one line and without anything that acts on a terminal. */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\p{Surrogate}\s]+/gu, ' ').trim()
}

/** A path as people write it: `~/proj` for what lies in the home folder. */
export function shortPath(file: string, home: string | undefined): string {
  const text = plainText(file)
  if (!home || home === '/') return text
  if (text === home) return '~'
  return text.startsWith(`${home}/`) ? `~${text.slice(home.length)}` : text
}

const MINUTE = 60_000

/** `5m`, `3h 12m`, `2d 4h`: a span of ms, to the next minute or hour; `0m` for less than none. */
export function renderSpan(milliseconds: number): string {
  const minutes = Math.max(0, Math.ceil(milliseconds / MINUTE))
  const hours = Math.floor(minutes / 60)
  if (hours === 0) return `${minutes}m`
  return hours < 24 ? `${hours}h ${minutes % 60}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`
}

/** How a word may be made to stand out; chalk is one. */
export type Paint = Record<'bold' | 'dim' | 'green' | 'yellow' | 'red', (text: string) => string>
