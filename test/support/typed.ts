/** What a person types, and what must have become of it: an input box of its own, apart from claudef's. */

/** One key press or paste. */
export type Step =
  | { type: 'text' | 'paste'; text: string }
  | { type: 'newline' | 'enter' | 'left' | 'right' | 'backspace' | 'delete' | 'start' | 'end' }
  | { type: 'killWord' | 'killToBlank' | 'doubt' }

/** A collapsed paste is one cell; `cursor` counts cells. */
export type Typed = { cells: string[]; cursor: number; prompts: string[] }

/** More characters, or more line feeds, and Claude Code 2.1.330 shows a paste as one placeholder. */
const PASTE = { characters: 800, lineFeeds: 2 }

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** What the steps come to, typed into an empty box. */
export function replay(steps: readonly Step[], from?: Typed): Typed {
  const typed = from ?? { cells: [], cursor: 0, prompts: [] }
  for (const step of steps) apply(typed, step)
  return typed
}

export function textOf({ cells }: Pick<Typed, 'cells'>): string {
  return cells.join('')
}

/** What the terminal sends for a step; as CSI u where two keys that are read at once would else be no keys. */
export function bytesOf(step: Step): string {
  if (step.type === 'text') return step.text
  if (step.type === 'paste') return `\x1b[200~${step.text.replace(/\n/g, '\r')}\x1b[201~`
  return KEYS[step.type]
}

const KEYS: Record<Exclude<Step['type'], 'text' | 'paste'>, string> = {
  ...{ newline: '\x1b[13;2u', enter: '\x1b[13u', left: '\x1b[D', right: '\x1b[C', backspace: '\x7f' },
  ...{ delete: '\x1b[3~', start: '\x1b[97;5u', end: '\x1b[101;5u' },
  ...{ killWord: '\x1b\x7f', killToBlank: '\x1b[119;5u', doubt: '\x1b[A' },
}

/** Words are of ASCII letters and digits here, parted by blanks. */
function apply(typed: Typed, step: Step): void {
  const { cells, cursor } = typed
  switch (step.type) {
    case 'text':
      return insert(typed, [...step.text])
    case 'paste': {
      const isLong = step.text.length > PASTE.characters || step.text.split('\n').length - 1 > PASTE.lineFeeds
      return insert(typed, isLong ? [step.text] : [...step.text])
    }
    case 'newline':
      return insert(typed, ['\n'])
    case 'enter': {
      const prompt = textOf(typed).trim()
      if (prompt !== '') typed.prompts.push(prompt)
      return Object.assign(typed, { cells: [], cursor: 0 }) && undefined
    }
    case 'left':
      return move(typed, cursor - 1)
    case 'right':
      return move(typed, cursor + 1)
    case 'start':
      return move(typed, cursor === 0 ? 0 : cells.lastIndexOf('\n', cursor - 1) + 1)
    case 'end': {
      const stop = cells.indexOf('\n', cursor)
      return move(typed, stop < 0 ? cells.length : stop)
    }
    case 'backspace':
      return remove(typed, cursor - 1, cursor)
    case 'delete':
      return remove(typed, cursor, cursor + 1)
    case 'killWord':
      return remove(typed, back(typed, /^[a-z0-9]$/i), cursor)
    case 'killToBlank':
      return remove(typed, back(typed, /^\S/), cursor)
    case 'doubt':
      return
  }
}

/** Back over what is none of these, then over what is. */
function back({ cells, cursor }: Typed, part: RegExp): number {
  let at = cursor
  while (at > 0 && !part.test(cells[at - 1] ?? '')) at--
  while (at > 0 && part.test(cells[at - 1] ?? '')) at--
  return at
}

function insert(typed: Typed, cells: string[]): void {
  typed.cells.splice(typed.cursor, 0, ...cells)
  typed.cursor += cells.length
}

function remove(typed: Typed, from: number, to: number): void {
  const start = Math.max(0, from)
  typed.cells.splice(start, to - start)
  typed.cursor = start
}

function move(typed: Typed, cursor: number): void {
  typed.cursor = Math.max(0, Math.min(typed.cells.length, cursor))
}

/**
 * Steps as a person might type them; every word, line and paste is like no other. `isWide`: no words, but more scripts (no
 * emoji: xterm's table of widths has them in one column, where Claude Code counts two).
 */
export function makeSteps(
  random: () => number,
  options: { count: number; isWide: boolean; mayDoubt: boolean; from: Typed; name: string; small?: boolean },
): Step[] {
  const { count, isWide, mayDoubt, from, name } = options
  const steps: Step[] = []
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
  const word = () =>
    `${name}${steps.length}${isWide ? pick(['日', 'å', '𠮷', 'é', ' 語 ']) : pick([' ', 'x ', ''])}`
  const lines = (number: number) =>
    Array.from({ length: number }, (_, line) => `${word()}L${line}`).join('\n')
  const makeStep = (): Step => {
    const draw = random()
    if (draw < 0.5 || from.cells.length === 0) return { type: 'text', text: word() }
    if (draw < 0.56) return { type: 'paste', text: lines(pick([1, 2, 3])) }
    if (draw < 0.58) return { type: 'paste', text: lines(pick([5, 12])) }
    if (draw < 0.6) return { type: 'paste', text: `${word()}${'z'.repeat(options.small ? 810 : 4000)}` }
    if (draw < 0.63 && mayDoubt) return { type: 'doubt' }
    if (draw < 0.7) return { type: 'enter' }
    const edits = ['newline', 'left', 'left', 'left', 'right', 'backspace', 'delete', 'start', 'end'] as const
    // Beside a paste nobody knows what a word is.
    const hasPaste = from.cells.some((cell) => cell.length > 2)
    const kills = isWide || hasPaste ? (['killToBlank'] as const) : (['killToBlank', 'killWord'] as const)
    return { type: random() < 0.8 ? pick(edits) : pick(kills) }
  }
  while (steps.length < count) {
    const step = makeStep()
    apply(from, step)
    steps.push(step)
  }
  return steps
}
