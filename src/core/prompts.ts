import { isObject } from './settings.ts'

/** ASCII strings one of which each row that `readPrompt` or `readSteered` may accept contains. */
export const PROMPT_MARKERS = ['"type":"user"', '"queue-operation"', '"queued_command"'] as const

/**
 * The prompt which the user has sent, or put into the queue while Claude worked, or the command (`/name`, `!command`;
 * in the queue 2.1.330 writes the latter without its `!`); `undefined`: the row tells of none.
 */
export function readPrompt(row: unknown): string | undefined {
  const text = isObject(row) ? readText(row) : undefined
  return text === undefined || OWN_WORDS.test(text) ? undefined : readCommand(text)
}

/** What was in the queue and went with the turn that ran; `undefined`: the row tells of nothing such. */
export function readSteered(row: unknown): string | undefined {
  if (!isObject(row) || row.type !== 'attachment' || row.isSidechain === true) return undefined
  const { attachment } = row
  if (!isObject(attachment) || attachment.type !== 'queued_command') return undefined
  return typeof attachment.prompt === 'string' ? attachment.prompt : ''
}

/**
 * What Claude Code says as if it were a prompt: a background task has ended, a turn was ended by Esc, a limit has reset,
 * a command has printed something.
 */
const OWN_WORDS =
  /^(<(task-notification|bash-std(out|err)|local-command-std(out|err))>|\[Request interrupted by user|Your claude\.ai usage limit has reset\.)/

/** As it was typed. */
function readCommand(text: string): string {
  const shell = /^<bash-input>(.*)<\/bash-input>$/s.exec(text)
  if (shell !== null) return `!${shell[1]}`
  const [, name] =
    /^\s*(?:<command-message>.*<\/command-message>\s*)?<command-name>(.*?)<\/command-name>/s.exec(text) ?? []
  const [, args = ''] = /<command-args>(.*)<\/command-args>/s.exec(text) ?? []
  return name === undefined ? text : `${name} ${args}`.trim()
}

function readText(row: Record<string, unknown>): string | undefined {
  if (row.type === 'queue-operation')
    return row.operation === 'enqueue' && typeof row.content === 'string' ? row.content : undefined
  if (row.type !== 'user' || row.isMeta === true || row.isSidechain === true) return undefined
  if (row.isCompactSummary === true) return undefined
  if (!isObject(row.message)) return undefined
  const { content } = row.message
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return undefined
  const parts = content.filter(isObject)
  if (parts.some((part) => part.type === 'tool_result')) return undefined
  return parts.map((part) => (typeof part.text === 'string' ? part.text : '')).join('')
}

/** True for the same words, as they were typed and as the transcript has them, in the queue or sent. */
export function isSamePrompt(one: string, other: string): boolean {
  const tidy = (text: string) => withoutTags(text).normalize('NFC').replace(/^!|\s/g, '')
  return tidy(one) === tidy(other)
}

/** Claude Code puts tags of its own around a long paste. */
export function withoutTags(text: string): string {
  return text.replace(/\n*<pasted_content[^>]*>\n?|\n?<\\?\/pasted_content[^>]*>/g, '\n')
}
