import { nonEmpty, parseObject, toCount } from './json.ts'
import { isObject } from './settings.ts'

/** Above this many tokens a request needs a window of a million (older models have two, chosen by `[1m]`). */
const STANDARD_WINDOW_TOKENS = 200_000

/**
 * Reads from a transcript's line which model the main conversation uses, as `--model` takes it: of an answer the model
 * that was asked for (`requestedModel`, 2.1.330: with its `[1m]`, which `message.model` never shows), or of the row that
 * tells the model its name, which is written with the first prompt after a change. Undefined for all other lines:
 * subagents' rows (`isSidechain`), those that Claude Code makes up itself (model `<synthetic>`), and no JSON.
 */
export function parseModel(line: string): string | undefined {
  const row = parseObject(line)
  if (row === undefined || row.isSidechain === true) return undefined
  return row.type === 'attachment' ? parseAttachment(row) : parseAnswer(row)
}

function parseAttachment(row: Record<string, unknown>): string | undefined {
  const { attachment } = row
  if (!isObject(attachment) || attachment.type !== 'model' || !isObject(attachment.identity)) return undefined
  return nonEmpty(attachment.identity.modelId)
}

function parseAnswer(row: Record<string, unknown>): string | undefined {
  if (row.type !== 'assistant' || !isObject(row.message)) return undefined
  const model = nonEmpty(row.message.model)
  if (model === undefined || model === '<synthetic>') return undefined
  const requested = nonEmpty(row.requestedModel)
  if (requested !== undefined) return requested
  // Versions that do not tell: an answer to more than the small window holds came from the large one.
  return countContext(row.message.usage) > STANDARD_WINDOW_TOKENS ? `${model}[1m]` : model
}

/** Tokens that were sent: new ones, and those read from and written to the prompt cache. */
function countContext(usage: unknown): number {
  if (!isObject(usage)) return 0
  const tokens = [usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens]
  return tokens.reduce<number>((sum, count) => sum + toCount(count), 0)
}
