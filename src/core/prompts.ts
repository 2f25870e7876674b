import { isObject } from './settings.ts'

/** ASCII strings one of which each row that `isPrompt` may accept contains. */
export const PROMPT_MARKERS = ['"type":"user"', '"queue-operation"'] as const

/** True for a row that tells of a prompt which the user has sent, or put into the queue while Claude worked. */
export function isPrompt(row: unknown): boolean {
  if (!isObject(row)) return false
  if (row.type === 'queue-operation') return row.operation === 'enqueue' && isTyped(row.content)
  if (row.type !== 'user' || row.isMeta === true || row.isSidechain === true) return false
  if (!isObject(row.message)) return false
  const { content } = row.message
  if (typeof content === 'string') return isTyped(content)
  return Array.isArray(content) && !content.some((part) => isObject(part) && part.type === 'tool_result')
}

/** Claude Code itself puts the end of a background task into the queue, as if it were a prompt. */
function isTyped(content: unknown): boolean {
  return !(typeof content === 'string' && content.startsWith('<task-notification>'))
}

/** How a row changes the number of prompts that wait in Claude Code's queue. */
export function queueChange(row: unknown): number {
  if (!isObject(row) || row.type !== 'queue-operation') return 0
  return row.operation === 'enqueue' ? 1 : -1
}
