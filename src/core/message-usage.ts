import { nonEmpty, toCount } from './json.ts'
import { isObject } from './settings.ts'

/** What one answer of a model used, in tokens. */
export type MessageUsage = {
  /** Rows with the same id are one message, and the last one counts. */
  messageId: string
  requestId: string | undefined
  /** As the API names it: never with `[1m]`. */
  model: string
  /** Epoch ms. */
  at: number
  /** A subagent's. */
  isSidechain: boolean
  /** New ones: neither read from nor written to the prompt cache. */
  input: number
  output: number
  cacheRead: number
  cacheWrite5m: number
  cacheWrite1h: number
  /** Requests of the server's own tool. */
  webSearches: number
  isFast: boolean
  /** US-only inference costs more. */
  isUsOnly: boolean
}

/** Claude Code's own sum for a session, in USD: all its requests on any billing, those before a resume included. */
export type CostState = {
  totalUsd: number
  byModel: Record<string, number>
  /** Claude Code prices a model that it does not know as its default one. */
  isLowerBound: boolean
}

/** A line without one of these is of no use to `parseUsage` and `parseCostState`: for `contains` of a follower. */
export const SPEND_MARKERS = ['"usage"', '"cost-state"'] as const

/** A row's usage; undefined for rows that are no answer of a model: Claude Code's own words (`<synthetic>`), errors. */
export function parseUsage(row: unknown): MessageUsage | undefined {
  if (!isObject(row) || row.type !== 'assistant' || !isObject(row.message)) return undefined
  const { id, model, usage } = row.message
  const at = typeof row.timestamp === 'string' ? Date.parse(row.timestamp) : Number.NaN
  const messageId = nonEmpty(id) ?? nonEmpty(row.requestId) ?? nonEmpty(row.uuid)
  if (!isObject(usage) || messageId === undefined || Number.isNaN(at)) return undefined
  if (typeof model !== 'string' || model === '' || model === '<synthetic>') return undefined
  const tools = isObject(usage.server_tool_use) ? usage.server_tool_use : {}
  return {
    messageId,
    requestId: nonEmpty(row.requestId),
    model,
    at,
    isSidechain: row.isSidechain === true,
    input: toCount(usage.input_tokens),
    output: toCount(usage.output_tokens),
    cacheRead: toCount(usage.cache_read_input_tokens),
    ...parseCacheWrites(usage),
    webSearches: toCount(tools.web_search_requests),
    isFast: usage.speed === 'fast',
    isUsOnly: usage.inference_geo === 'us',
  }
}

/** What the two kinds do not account for is of the usual kind, 5 minutes; so is all of it in older versions. */
function parseCacheWrites(usage: Record<string, unknown>): { cacheWrite5m: number; cacheWrite1h: number } {
  const kinds = isObject(usage.cache_creation) ? usage.cache_creation : {}
  const cacheWrite1h = toCount(kinds.ephemeral_1h_input_tokens)
  const cacheWrite5m = toCount(kinds.ephemeral_5m_input_tokens)
  const all = toCount(usage.cache_creation_input_tokens)
  return { cacheWrite1h, cacheWrite5m: Math.max(cacheWrite5m, all - cacheWrite1h) }
}

/** Claude Code's own sum, written when a session ends and at /clear (2.1.330; often twice: the last one counts). */
export function parseCostState(row: unknown): CostState | undefined {
  if (!isObject(row) || row.type !== 'cost-state' || typeof row.totalCostUSD !== 'number') return undefined
  const models = Object.entries(isObject(row.modelUsage) ? row.modelUsage : {})
  return {
    totalUsd: toCount(row.totalCostUSD),
    byModel: Object.fromEntries(
      models.map(([model, usage]) => [model, isObject(usage) ? toCount(usage.costUSD) : 0]),
    ),
    isLowerBound: row.hasUnknownModelCost === true,
  }
}
