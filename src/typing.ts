import { type KeyPress, type KeyReader, readKeys } from './core/keys.ts'

/** What claudef's row listens for: nothing, the switch key, or the answer to a question. */
export type Listening = 'nothing' | 'switch' | 'answer'

/** The way of the user's input to the child. */
export type Typing = {
  take: (input: Uint8Array) => void
  /** The child is ending: what is typed from here on is for the next one. */
  hold: () => void
  /** The next child has been started: it gets the terminal's answers, and the rest once it reads. */
  answer: () => void
  /** The child reads its input: it gets what was typed meanwhile, in order. */
  release: () => void
  isHeld: () => boolean
  stop: () => void
}

/** How long an Esc is held to see whether a longer key follows, in ms. */
const ESCAPE_MS = 25

/** A child that has not turned bracketed paste on by then gets its input all the same, in ms. */
const READY_MS = 5000

/** Hands input on unread, unless the row listens or no child can take it. */
export function openTyping(options: {
  write: (input: Uint8Array) => void
  listening: () => Listening
  onKey: (key: Exclude<KeyPress['key'], 'report'>) => void
}): Typing {
  const { write, listening, onKey } = options
  const reader: KeyReader = { rest: new Uint8Array(), pasting: false }
  let held: Uint8Array[] | undefined
  let child: 'reading' | 'ending' | 'starting' = 'reading'
  let escapeTimer: NodeJS.Timeout | undefined
  let ready: NodeJS.Timeout | undefined

  const press = ({ key, bytes }: KeyPress) => {
    if (held !== undefined) {
      if (key !== 'report') held.push(bytes)
      // What the terminal answers to a child that is ending is for nobody; the next one asks for itself.
      else if (child === 'starting') write(bytes)
      return
    }
    const answers = listening() === 'answer'
    const isOurs =
      listening() !== 'nothing' && (key === 'switch' || (answers && (key === 'enter' || key === 'escape')))
    if (!isOurs) write(bytes)
    if (key !== 'report' && (isOurs || answers)) onKey(key)
  }
  const release = () => {
    clearTimeout(ready)
    child = 'reading'
    const typed = held ?? []
    held = undefined
    for (const input of typed) write(input)
  }
  return {
    take: (input) => {
      const isUnread = held === undefined && listening() === 'nothing' && reader.rest.length === 0
      if (isUnread && !reader.pasting) return write(input)
      clearTimeout(escapeTimer)
      for (const keyPress of readKeys(reader, input, { flush: false })) press(keyPress)
      if (reader.rest.length === 0) return
      escapeTimer = setTimeout(() => {
        for (const keyPress of readKeys(reader, new Uint8Array(), { flush: true })) press(keyPress)
      }, ESCAPE_MS)
    },
    hold: () => {
      held ??= []
      child = 'ending'
    },
    answer: () => {
      child = 'starting'
      ready = setTimeout(release, READY_MS)
    },
    release,
    isHeld: () => held !== undefined,
    stop: () => {
      clearTimeout(escapeTimer)
      clearTimeout(ready)
    },
  }
}
