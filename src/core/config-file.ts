import { nameType, showValue } from './option-values.ts'
import { nearestOption, OPTION_KEYS, OPTIONS, type OptionKey } from './options.ts'
import { isObject } from './settings.ts'

/** What a config file says. */
export type ConfigFile = {
  /** By option; not read yet. */
  values: ReadonlyMap<OptionKey, unknown>
  /** Options that stand there so that nobody can tell what was meant: said twice, or misspelt. */
  unclear: ReadonlySet<OptionKey>
  problems: string[]
}

/**
 * Reads the text of a config file, one JSON object.
 * @returns a phrase instead where it is none: "is not JSON (line 3, column 1)". It never holds text of the file, which
 * may be a key; V8's own message quotes it.
 */
export function parseConfigFile(text: string, path: string): ConfigFile | { type: 'broken'; why: string } {
  const json = text.replace(/^\ufeff/, '')
  if (json.trim() === '') return { type: 'broken', why: 'is empty' }
  let whole: unknown
  try {
    whole = JSON.parse(json)
  } catch {
    return { type: 'broken', why: `is not JSON (${renderPosition(json, findError(json))})` }
  }
  if (!isObject(whole)) return { type: 'broken', why: `holds ${nameType(whole)}, not an object in { }` }
  const values = new Map<OptionKey, unknown>()
  const unclear = new Set<OptionKey>()
  const problems: string[] = []
  const doubled = findDoubled(json)
  for (const [name, value] of Object.entries(whole)) {
    const key = OPTION_KEYS.find((known) => known === name)
    if (key === undefined) {
      const unknown = explainUnknown(name, ` in ${path}`, (near) => near)
      if (unknown.near !== undefined) unclear.add(unknown.near)
      problems.push(unknown.sentence)
    } else if (doubled.has(name)) {
      unclear.add(key)
      problems.push(`${name} stands in ${path} twice: ${OPTIONS[key].otherwise}. Remove one of them.`)
    } else values.set(key, value)
  }
  return { values, unclear, problems }
}

/** A sentence about a name that is no option, with the one that was meant if that can be told. */
export function explainUnknown(
  name: string,
  where: string,
  show: (key: OptionKey) => string,
): { near: OptionKey | undefined; sentence: string } {
  const near = nearestOption(name)
  let advice = 'it is not used. `claude-fallback help` lists the settings.'
  if (near !== undefined) {
    const isCap = OPTIONS[near].unreadable === 0
    const outcome = isCap
      ? `as long as ${show(near)} is not set, that counts as 0, so nothing is billed to the API`
      : 'it is not used'
    advice = `${outcome}. Did you mean ${show(near)}?`
  }
  return { near, sentence: `${showValue(name)}${where} is no setting of claudef: ${advice}` }
}

/**
 * Position of the first character that makes `json` wrong. V8 tells it for some errors only, but every text before it
 * fails for ending too early alone.
 */
function findError(json: string): number {
  let good = 0
  let bad = json.length + 1
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (isBeginning(json.slice(0, middle))) good = middle
    else bad = middle
  }
  return good
}

/** True for what could go on to be JSON, as far as V8's messages tell (Node 20 to 24). */
function isBeginning(json: string): boolean {
  try {
    JSON.parse(json)
    return true
  } catch (error) {
    const { message } = error as Error
    const position = /at position (\d+)/.exec(message)?.[1]
    return /end of JSON|^Unterminated string/.test(message) || Number(position) >= json.length
  }
}

function renderPosition(json: string, at: number): string {
  if (at >= json.length) return 'it ends in the middle'
  const lines = json.slice(0, at).split('\n')
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`
}

/** Names that an object says more than once, of which `JSON.parse` keeps the last without a word. */
function findDoubled(json: string): Set<string> {
  const seen = new Set<string>()
  const doubled = new Set<string>()
  let depth = 0
  let last = ''
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    else if (token === ':' && depth === 1) {
      const name = String(JSON.parse(last))
      if (seen.has(name)) doubled.add(name)
      seen.add(name)
    }
    last = token
  }
  return doubled
}
