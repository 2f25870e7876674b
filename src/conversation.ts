import fs from 'node:fs'
import path from 'node:path'
import { type ProcessState, watchProcess } from './claude-process.ts'
import type { Status } from './core/input-box.ts'
import { parseJson } from './core/json.ts'
import type { SessionStart } from './folder.ts'
import { followFolder } from './follow-folder.ts'
import type { Log } from './log.ts'
import {
  type FileFollower,
  type Follower,
  findTranscript,
  followTranscript,
  readLastModel,
  transcriptSlug,
} from './transcript.ts'

/** Which conversation the child is in, and the rows of it that matter. */
export type Conversation = {
  sessionId: () => string | undefined
  /** A child has been started. */
  begin: (pid: number) => void
  /** The child that began last has opened a conversation: its hook ran, or it wrote a row. */
  hasOpened: () => boolean
  /** What the child says of itself (2.1.330); `undefined` where it does not say. */
  status: () => Status
  /** No row is written that has not been told of. */
  isRead: () => boolean
  /** Where the rows are written. */
  transcript: () => string | undefined
  /** The SessionStart hook has told where the child is now. */
  enter: (start: SessionStart) => void
  /** The model that the conversation last used, and the one that the first child named at its start. */
  models: () => Promise<{ last: string | undefined; first: string | undefined }>
  stop: () => void
}

type Place = { sessionId: string; transcript: string }

/** Of a transcript that was there before: how much of its end is read again, in bytes. Older rows do not count. */
const OVERLAP_BYTES = 256 * 1024

/**
 * Follows the transcript of the conversation that a child is in. It is told by the hook; where hooks are off, by the
 * id that was chosen for a new conversation, and by what Claude Code keeps of its own processes.
 */
export function followConversation(options: {
  /** Claude Code's folder. */
  config: string
  cwd: string
  sessionId: string | undefined
  /** Only rows with one of these ASCII strings are wanted. */
  contains: readonly string[]
  onRow: (row: unknown) => void
  onStatus: () => void
  log: Log
}): Conversation {
  const { config, cwd, log } = options
  let { sessionId } = options
  let transcript: string | undefined
  let main: FileFollower | undefined
  let subagents: Follower | undefined
  let processWatch = { stop: () => {} }
  let firstModel: string | undefined
  let opened = false
  let startBytes = 0
  let status: Status

  const stopFollowing = () => {
    for (const follower of [main, subagents]) void follower?.stop()
  }
  const follow = (file: string) => {
    if (transcript === file) return
    stopFollowing()
    transcript = file
    const rows = {
      contains: options.contains,
      onLine: (line: string) => options.onRow(parseJson(line)),
      onError: (error: Error) => log(error.message),
    }
    const folder = path.join(file.replace(/\.jsonl$/, ''), 'subagents')
    main = followTranscript({ ...rows, path: file, from: Math.max(0, fileSize(file) - OVERLAP_BYTES) })
    subagents = followFolder({ ...rows, folder, overlapBytes: OVERLAP_BYTES })
  }
  // The path that the hook tells is made up from the working folder: after `--resume` from another folder the rows go
  // on in a file elsewhere (2.1.330). So a file that exists comes first.
  const go = async (place: Place) => {
    sessionId = place.sessionId
    const exists = fs.existsSync(place.transcript)
    const found = exists ? undefined : await findTranscript({ configDir: config, sessionId, cwd })
    if (sessionId === place.sessionId) follow(found ?? place.transcript)
  }
  const expected = (id: string): Place => ({
    sessionId: id,
    transcript: path.join(config, 'projects', transcriptSlug(cwd), `${id}.jsonl`),
  })
  if (sessionId !== undefined) void go(expected(sessionId))
  return {
    sessionId: () => sessionId,
    begin: (pid) => {
      opened = false
      startBytes = transcript === undefined ? 0 : fileSize(transcript)
      processWatch.stop()
      status = undefined
      let last: string | undefined
      const onState = (state: ProcessState) => {
        status = state.status
        const id = state.sessionId
        // A conversation that it is known to be in already need not be looked for again.
        const isNew = id !== undefined && id !== last
        last = id ?? last
        if (isNew && (id !== sessionId || transcript === undefined)) void go(expected(id))
        options.onStatus()
      }
      processWatch = watchProcess({ config, pid, onState })
    },
    hasOpened: () => opened || (transcript !== undefined && fileSize(transcript) > startBytes),
    status: () => status,
    isRead: () => transcript === undefined || (main?.offset() ?? 0) >= fileSize(transcript),
    transcript: () => transcript,
    enter: (start) => {
      opened = true
      if (start.source === 'startup') firstModel = start.model
      void go(start)
    },
    models: async () => {
      const last = transcript === undefined ? undefined : await readLastModel(transcript)
      return { last, first: firstModel }
    },
    stop: () => {
      processWatch.stop()
      stopFollowing()
    },
  }
}

function fileSize(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0
}
