import { parseJson } from './json.ts'
import { isRecord } from './limit-fields.ts'
import type { KnownLimit } from './shared-state.ts'
import { instantAt } from './zone.ts'

/** No window of a plan is longer than a month. */
const FARTHEST_MS = 32 * 24 * 3600 * 1000

/**
 * Reads a state file of the Python tool claude-code-fallback, a JSON object without a version: a reset time that lies
 * ahead is a limit of an unknown window. Times without a zone are in `timeZone`, as Python writes them.
 * @returns `undefined` where it is no such file
 */
export function parsePythonState(
  text: string,
  context: { now: number; timeZone: string; configDir: string },
): KnownLimit[] | undefined {
  const value = parseJson(text)
  if (!isRecord(value) || 'version' in value) return undefined
  const { now, timeZone, configDir } = context
  if (value.limit_detected === false) return []
  const fields = ['reset_time', 'reset_at', 'resets_at', 'resetsAt', 'reset']
  const times = fields.map((field) => parseInstant(value[field], now, timeZone))
  const resetsAt = times.find((time) => time !== undefined)
  if (resetsAt === undefined || resetsAt <= now || resetsAt > now + FARTHEST_MS) return []
  const known = { window: 'unknown', scope: { type: 'account' }, resetsAt, seenAt: now } as const
  const from = { configDir, account: '', cwd: undefined, sessionId: undefined }
  return [{ ...known, ...from, key: 'claude-code-fallback', text: 'Limit seen by claude-code-fallback' }]
}

/** Epoch seconds, epoch ms, or ISO 8601, where a time without a zone is one of `timeZone`; else `undefined`. */
function parseInstant(value: unknown, now: number, timeZone: string): number | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return value < 1e11 ? value * 1000 : value
  if (typeof value !== 'string') return undefined
  if (/^\d{9,13}(?:\.\d+)?$/.test(value)) return parseInstant(Number(value), now, timeZone)
  const [, day, time, zone] =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?$/.exec(value) ?? []
  const instant = Date.parse(`${day}T${time}${zone ?? 'Z'}`)
  if (Number.isNaN(instant)) return undefined
  return zone === undefined ? instantAt(instant, now, timeZone) : instant
}
