import { readEditing } from './claude.ts'
import {
  confirmSubmit,
  createDraftReader,
  type DraftReader,
  draftOf,
  readDraft,
  renderDraft,
} from './core/draft.ts'
import type { Status } from './core/input-box.ts'
import { readKeys } from './core/keys.ts'
import type { Submitted } from './core/unsent.ts'
import { saveDraft } from './draft-file.ts'
import type { Session } from './relay.ts'
import { claudeWorld } from './respawn.ts'

/** Claude Code's input box, as far as it is known from what was typed: for a draft to outlive the child. */
export type InputBoxFollower = {
  /** This has gone to the child. */
  read: (input: Uint8Array) => void
  /** The transcript tells of a prompt, for the first time. */
  confirm: (prompt: string) => void
  resize: (columns: number) => void
  isEmpty: () => boolean
  /** No key was pressed that leaves what stands in the box in doubt. */
  isSure: () => boolean
  /** The box is empty, or what stands in it is known for sure. */
  isKnown: () => boolean
  /** The transcript has not told yet of what was sent in the last seconds: the child may not have read it. */
  isAwaited: () => boolean
  /** What was sent to the child that is about to end, and the transcript has not told of, in order. */
  submitted: () => Submitted[]
  /** These words of its queue are a command of the shell. */
  isShellCommand: (words: string) => boolean
  /** Epoch ms of the last key; the start where there was none. */
  lastKeyAt: () => number
  /**
   * The child is about to end: takes what stands in the box.
   * @returns what puts it back into an empty one; nothing where it is not sure, and `note` says where it is then
   */
  take: () => { input: Uint8Array[]; note: string | undefined }
  /** The child did not end after all: what was taken stands in its box still. */
  giveBack: () => void
  /** Takes kept drafts away. */
  stop: () => void
}

/** What the transcript does not tell of by then is no prompt, in ms: a row is written within 110 (2.1.330). */
const AWAITED_MS = 2000

/** What was sent this shortly before the child was to end, in ms, is asked of the next one if it was not read. */
const ASK_MS = 5000

/** What was sent before, in ms, the user may have given up: if it was not read, it stands in the input box. */
const KEEP_MS = 600_000

export function followInputBox(session: Session, status: () => Status): InputBoxFollower {
  const { config, log, world, terminal } = session
  const { now } = world
  const open = () => {
    const reason = readEditing({ ...claudeWorld(session), tokens: session.tokens })
    return createDraftReader({ columns: terminal.size().columns, status, now, reason })
  }
  let reader = open()
  let taken = reader
  let takenAt = 0
  let knowsDialogs = false
  let lastKeyAt = now()
  let forget = () => {}
  return {
    read: (input) => {
      if (!isReport(input)) lastKeyAt = now()
      try {
        readDraft(reader, input)
      } catch (error) {
        log(`the draft is lost from sight: ${error}`)
        reader = open()
      }
    },
    confirm: (prompt) => {
      for (const each of new Set([taken, reader])) confirmSubmit(each, prompt)
    },
    resize: (columns) => {
      reader.box.columns = columns
    },
    isEmpty: () => draftOf(reader).text === '' && !isPasting(reader),
    isSure: () => draftOf(reader).isSure,
    isKnown: () => {
      const { text, isSure } = draftOf(reader)
      return isSure || (text === '' && !isPasting(reader))
    },
    isAwaited: () => taken.box.submits.some(({ at }) => Math.abs(now() - at) < AWAITED_MS),
    submitted: () => {
      if (taken.reason !== undefined) return []
      return taken.box.submits.flatMap(({ words, at }) =>
        words === undefined ? [] : [{ words, ifUnread: knowsDialogs ? judgeUnread(takenAt - at) : 'drop' }],
      )
    },
    isShellCommand: (words) =>
      taken.box.commands.includes(words) && !taken.box.submits.some((submit) => submit.words === words),
    lastKeyAt: () => lastKeyAt,
    take: () => {
      const next = open()
      // By a command of Claude Code's it may have changed.
      reader.reason ??= next.reason
      const draft = draftOf(reader)
      taken = reader
      takenAt = now()
      // Where Claude Code does not say that it asks something, an answer looks like a prompt.
      knowsDialogs = status() !== undefined
      reader = next
      if (draft.text === '') return { input: [], note: undefined }
      forget()
      forget = saveDraft(config.home, draft.text, log)
      if (draft.isSure) return { input: [renderDraft(draft)], note: undefined }
      return { input: [], note: 'your draft: claude-fallback draft' }
    },
    giveBack: () => {
      reader = taken
    },
    stop: () => forget(),
  }
}

function judgeUnread(ago: number): Submitted['ifUnread'] {
  if (Math.abs(ago) < ASK_MS) return 'ask'
  return Math.abs(ago) < KEEP_MS ? 'keep' : 'drop'
}

/** The rest of a paste would be taken for keys by the next child. */
function isPasting({ pasting }: DraftReader): boolean {
  return pasting !== undefined
}

/** The mouse, and the terminal's answers: nobody has typed. */
function isReport(input: Uint8Array): boolean {
  if (input[0] !== 0x1b) return false
  const presses = readKeys({ rest: new Uint8Array(), pasting: false }, input, { flush: true })
  return presses.every(({ key }) => key === 'report')
}
