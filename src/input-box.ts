import { confirmSubmit, createDraftReader, draftOf, readDraft, renderDraft } from './core/draft.ts'
import type { Status } from './core/input-box.ts'
import { saveDraft } from './draft-file.ts'
import type { Session } from './relay.ts'

/** Claude Code's input box, as far as it is known from what was typed: for a draft to outlive the child. */
export type InputBoxFollower = {
  /** This has gone to the child. */
  read: (input: Uint8Array) => void
  /** The transcript tells of a prompt that was sent or queued. */
  confirm: () => void
  resize: (columns: number) => void
  isEmpty: () => boolean
  /** The box is empty, or what stands in it is known for sure. */
  isKnown: () => boolean
  /** Epoch ms of the last key; the start where there was none. */
  lastKeyAt: () => number
  /**
   * The child is about to end: takes what stands in the box.
   * @returns what puts it back into an empty one; nothing where it is not sure, and `note` says where it is then
   */
  take: () => { input: Uint8Array[]; note: string | undefined }
  /** Takes kept drafts away. */
  stop: () => void
}

export function followInputBox(session: Session, status: () => Status): InputBoxFollower {
  const { config, log, world, terminal } = session
  const open = () => createDraftReader({ columns: terminal.size().columns, status })
  let reader = open()
  let lastKeyAt = world.now()
  let forget = () => {}
  return {
    read: (input) => {
      lastKeyAt = world.now()
      try {
        readDraft(reader, input)
      } catch (error) {
        log(`the draft is lost from sight: ${error}`)
        reader = open()
      }
    },
    confirm: () => confirmSubmit(reader),
    resize: (columns) => {
      reader.box.columns = columns
    },
    isEmpty: () => draftOf(reader).text === '',
    isKnown: () => {
      const { text, isSure } = draftOf(reader)
      return isSure || text === ''
    },
    lastKeyAt: () => lastKeyAt,
    take: () => {
      const draft = draftOf(reader)
      reader = open()
      if (draft.text === '') return { input: [], note: undefined }
      forget()
      forget = saveDraft(config.home, draft.text, log)
      if (draft.isSure) return { input: [renderDraft(draft)], note: undefined }
      return { input: [], note: 'your draft: claude-fallback draft' }
    },
    stop: () => forget(),
  }
}
