import { readPrompt, withoutTags } from './prompts.ts'
import { isObject } from './settings.ts'

/** A prompt whose words the transcript does not tell: it was queued before the conversation's first row (2.1.330). */
const UNTOLD = Symbol('untold')

/** `dequeued`: how many have been taken from the queue, of which no row tells yet that they were sent. */
type Queue = { prompts: (string | typeof UNTOLD)[]; dequeued: number }

/**
 * Prompts that the user put into Claude Code's queue and that went nowhere, in order: it ended before it sent them, or
 * with what it had taken from the queue. `rows` are those of one child, the oldest first; `submitted` is what was typed
 * into it and not seen to be sent, for those that are queued without their words.
 */
export function findUnsent(rows: readonly unknown[], submitted: readonly string[]): string[] {
  const queue: Queue = { prompts: [], dequeued: 0 }
  for (const row of rows) if (isObject(row)) readRow(queue, row)
  const untold = queue.prompts.filter((prompt) => prompt === UNTOLD).length
  const words = submitted.slice(Math.max(0, submitted.length - untold))
  return queue.prompts.flatMap((prompt) => (prompt === UNTOLD ? words.splice(0, 1) : [prompt]))
}

function readRow(queue: Queue, row: Record<string, unknown>): void {
  const { operation, content } = row
  const prompt = readPrompt(row)
  if (row.type !== 'queue-operation') {
    if (prompt !== undefined) sendPrompt(queue, prompt.replace(/^!/, ''))
  } else if (operation === 'enqueue') {
    if (prompt !== undefined) queue.prompts.push(withoutTags(prompt).trim())
    else if (content === undefined) queue.prompts.push(UNTOLD)
  } else if (typeof content === 'string') {
    // Sent with the turn that ran, or taken back into the input box.
    leaveQueue(queue, content)
  } else queue.dequeued += 1
}

function sendPrompt(queue: Queue, prompt: string): void {
  const isQueued = leaveQueue(queue, prompt)
  if (queue.dequeued === 0) return
  queue.dequeued -= 1
  const untold = queue.prompts.indexOf(UNTOLD)
  if (!isQueued && untold !== -1) queue.prompts.splice(untold, 1)
}

/** Some versions send all that was queued as one prompt. True where anything in the queue has these words. */
function leaveQueue(queue: Queue, text: string): boolean {
  const before = queue.prompts.length
  let rest = tidyLines(text)
  for (let at = 0; at < queue.prompts.length; ) {
    const prompt = queue.prompts[at]
    const next = typeof prompt === 'string' ? rest.replace(tidyLines(prompt), () => '\n') : rest
    if (next === rest) at += 1
    else queue.prompts.splice(at, 1)
    rest = next
  }
  return queue.prompts.length < before
}

/** Whole lines: a prompt is not in the queue because its words are a part of another's. */
function tidyLines(text: string): string {
  const lines = withoutTags(text).split(/[\r\n]+/)
  const words = lines.map((line) => line.trim()).filter((line) => line !== '')
  return `\n${words.join('\n')}\n`
}
