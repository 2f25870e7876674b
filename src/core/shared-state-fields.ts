import type { LimitWindow } from './limit.ts'
import { isRecord } from './limit-fields.ts'
import type { Account, KnownLimit, SessionEntry } from './shared-state.ts'

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
const isNumber: Check = (value) => Number.isFinite(value)
/** Within what a Date can hold. */
const isInstant: Check = (value) => isNumber(value) && Math.abs(Number(value)) <= 8.64e15
const isOneOf =
  (...values: unknown[]): Check =>
  (value) =>
    values.includes(value)
const optional =
  (isValid: Check): Check =>
  (value) =>
    value === undefined || isValid(value)

const WINDOWS: readonly LimitWindow[] = ['session', 'weekly', 'monthly', 'credits', 'spend', 'unknown']
const ACCOUNT_FIELDS: Record<keyof Account, Check> = { configDir: isText, account: isText }
export const LIMIT_FIELDS: Record<keyof KnownLimit, Check> = {
  ...ACCOUNT_FIELDS,
  key: isText,
  window: isOneOf(...WINDOWS),
  scope: isScope,
  text: isText,
  resetsAt: optional(isInstant),
  seenAt: isInstant,
  cwd: optional(isText),
  sessionId: optional(isText),
}
export const SESSION_FIELDS: Record<keyof SessionEntry, Check> = {
  ...ACCOUNT_FIELDS,
  pid: (value) => Number.isInteger(value) && Number(value) > 0,
  processStart: isText,
  cwd: isText,
  sessionId: optional(isText),
  transcript: optional(isText),
  billing: isOneOf('subscription', 'api'),
  limit: optional(isText),
  resetsAt: optional(isInstant),
  startedAt: isInstant,
  by: isOneOf('claudef', 'monitor'),
}
export const ANNOUNCED_FIELDS = { key: isText, at: isInstant }
export const MODE_FIELDS = { billing: isOneOf('api'), until: isInstant }

function isScope(value: unknown): boolean {
  if (!isRecord(value)) return false
  return value.type === 'model' ? isText(value.name) : isOneOf('account', 'organization')(value.type)
}

/** A list without its damaged items. The types of the items are the tables' word. */
export function parseItems<Item>(
  value: unknown,
  fields: Record<string, Check>,
): { items: Item[]; dropped: number } {
  if (!Array.isArray(value)) return { items: [], dropped: value === undefined ? 0 : 1 }
  const items = value.filter((item) => matches(item, fields))
  return { items, dropped: value.length - items.length }
}

export function matches(value: unknown, fields: Record<string, Check>): boolean {
  return isRecord(value) && Object.entries(fields).every(([name, isValid]) => isValid(value[name]))
}
