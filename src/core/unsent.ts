import { readPrompt, readSteered, withoutTags } from './prompts.ts'
import { isObject } from './settings.ts'

/** A prompt whose words the transcript does not tell: it was queued before the conversation's first row (2.1.330). */
const UNTOLD = Symbol('untold')

/**
 * Claude Code's queue, as the rows of one child tell it. `dequeued`: how many have been taken from it, of which no row
 * tells yet that they were sent.
 */
export type Queue = { prompts: (string | typeof UNTOLD)[]; dequeued: number }

/** What was typed and no row tells of; `ifUnread`: what becomes of it where the child had no time to read it. */
export type Submitted = { words: string; ifUnread: 'ask' | 'keep' | 'drop' }

/** In order. `keep`: for the input box alone. */
export type Unsent = { ask: string[]; keep: string[] }

/** What may be done without a row that tells of it: it is not asked for again. */
const DONE = /^\s*(!|(exit|quit|:q!?|:wq!?)\s*$)/

/** What it opens takes what is typed then, and need not say that it waits while a turn runs (2.1.330). */
const COMMAND = /^\s*\/[\w:-]*(\s|$)/

/**
 * Prompts that the user gave to Claude Code and that went nowhere: it ended before it sent what was in its queue, or
 * what it had taken from there, or before it read the Enter. `rows` are those of one child, the oldest first;
 * `submitted` also tells those that are queued without their words.
 */
export function findUnsent(rows: readonly unknown[], submitted: readonly Submitted[]): Unsent {
  const queue = createQueue()
  for (const row of rows) readQueue(queue, row)
  const untold = queue.prompts.filter((prompt) => prompt === UNTOLD).length
  const at = Math.max(0, submitted.length - untold)
  const words = submitted.slice(at).map((submit) => submit.words)
  const queued = queue.prompts.flatMap((prompt) => (prompt === UNTOLD ? words.splice(0, 1) : [prompt]))
  const command = submitted.findIndex((submit) => COMMAND.test(submit.words))
  const prompts = submitted.slice(0, command === -1 ? at : Math.min(at, command))
  const unread = (what: Submitted['ifUnread']) =>
    prompts.flatMap((submit) => (submit.ifUnread === what && !DONE.test(submit.words) ? [submit.words] : []))
  return { ask: [...queued, ...unread('ask')], keep: unread('keep') }
}

export function createQueue(): Queue {
  return { prompts: [], dequeued: 0 }
}

/**
 * Takes the next row.
 * @returns the prompt or the command that it is the first to tell of: one that was queued is told of again when it is
 * sent
 */
export function readQueue(queue: Queue, row: unknown): string | undefined {
  const steered = readSteered(row)
  // Before 2.1.330 its leaving the queue is told without its words.
  if (steered !== undefined) {
    sendPrompt(queue, steered)
    return undefined
  }
  const prompt = readPrompt(row)
  if (!isObject(row) || row.type !== 'queue-operation') {
    const isAgain = prompt !== undefined && sendPrompt(queue, prompt.replace(/^!/, ''))
    return isAgain ? undefined : prompt
  }
  const { operation, content } = row
  if (operation === 'enqueue') {
    if (prompt !== undefined) queue.prompts.push(withoutTags(prompt).trim())
    else if (content === undefined) queue.prompts.push(UNTOLD)
  } else if (typeof content === 'string') {
    // Sent with the turn that ran, or taken back into the input box.
    leaveQueue(queue, content)
  } else queue.dequeued += 1
  return prompt
}

/** True where its words were in the queue. */
function sendPrompt(queue: Queue, prompt: string): boolean {
  const isQueued = leaveQueue(queue, prompt)
  if (queue.dequeued === 0) return isQueued
  queue.dequeued -= 1
  const untold = queue.prompts.indexOf(UNTOLD)
  if (!isQueued && untold !== -1) queue.prompts.splice(untold, 1)
  return isQueued
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
