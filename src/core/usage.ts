/** What an answer of the model cost in tokens, and which model gave it. */
export type AssistantUsage = {
  /** Such as `claude-opus-4-5-20251101`. */
  model: string
  /** Tokens that were sent: new ones, and those read from and written to the prompt cache. */
  contextTokens: number
}

/**
 * Reads a transcript's line. Undefined unless it is an answer in the main conversation: rows of subagents
 * (`isSidechain`), those that Claude Code makes up itself (model `<synthetic>`, such as a limit) and lines that
 * are no JSON do not count. A number that is missing counts as 0.
 */
export function parseAssistantUsage(line: string): AssistantUsage | undefined {
  const row = parseObject(line)
  if (row?.type !== 'assistant' || row.isSidechain === true || !isObject(row.message)) return undefined
  const { model, usage } = row.message
  if (typeof model !== 'string' || model === '' || model === '<synthetic>') return undefined
  const tokens = isObject(usage)
    ? [usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens]
    : []
  return { model, contextTokens: tokens.reduce<number>((sum, count) => sum + toCount(count), 0) }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function toCount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0
}
