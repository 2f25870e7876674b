import { isObject } from './settings.ts'

/** `undefined` for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `undefined` for what is no JSON object. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  const value = parseJson(text)
  return isObject(value) ? value : undefined
}

/** A text that says something; else `undefined`. */
export function nonEmpty(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A number that can count something; 0 for whatever else a file holds. */
export function toCount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0
}

/** Epoch ms of a transcript row's own time stamp; `undefined` where it has none. */
export function timeOf(row: unknown): number | undefined {
  const time = isObject(row) ? Date.parse(String(row.timestamp)) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}
