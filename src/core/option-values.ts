import { parseSwitchKey, type SwitchKey } from './switch-key.ts'
import { isRelativePath, splitWords } from './words.ts'

/** Where a value was set: a variable is always a text, the file holds any JSON. */
export type Layer = 'environment' | 'file'

/** A value, or what is wrong with what was given, to follow on a name: "is 'maybe', neither yes nor no". */
type Parsed<Value> = { type: 'value'; value: Value } | { type: 'wrong'; why: string; repair?: string }

/** One way to write an option. */
export type Kind<Value> = {
  name: 'boolean' | 'choice' | 'text' | 'program' | 'usd' | 'key' | 'command' | 'switch key' | 'folders'
  parse: (given: unknown, layer: Layer) => Parsed<Value>
  /** What to write instead of what cannot be read. */
  repair: Record<Layer, string>
}

const TRUE = ['1', 'true', 'yes', 'on']
const FALSE = ['0', 'false', 'no', 'off']

/** `true`, yes, on, 1 and their opposites, in any case; an empty variable is a no. */
export const BOOLEAN: Kind<boolean> = {
  name: 'boolean',
  parse: (given, layer) => {
    const word = typeof given === 'object' ? 'null' : String(given).trim().toLowerCase()
    if (TRUE.includes(word)) return value(true)
    if (FALSE.includes(word) || (word === '' && layer === 'environment')) return value(false)
    return wrong(`is ${showValue(given)}, neither yes nor no`)
  },
  repair: { environment: 'Set it to 1 or 0.', file: 'Set it to true or false.' },
}

export const BILLING: Kind<'subscription' | 'api'> = {
  name: 'choice',
  parse: (given) => {
    const word = typeof given === 'string' ? given.trim().toLowerCase() : undefined
    return word === 'subscription' || word === 'api' ? value(word) : wrong(`is ${showValue(given)}`)
  },
  repair: both("Set it to 'api' or 'subscription'."),
}

/** Any text but one with a NUL, which no argument of a program can hold; `''` is a text too. */
export const TEXT: Kind<string> = {
  name: 'text',
  parse: parseText,
  repair: { environment: 'Set it to a text.', file: 'Set it to a text in quotes.' },
}

/** A path or a name on PATH. The file may not name a path that depends on the folder claudef is started in. */
export const PROGRAM: Kind<string> = {
  name: 'program',
  parse: (given, layer) => {
    const text = parseText(given)
    if (text.type === 'wrong') return text
    if (text.value.trim() === '') return wrong('is empty')
    const isForeign = layer === 'file' && !text.value.startsWith('~/') && isRelativePath(text.value)
    return isForeign ? wrong(`is ${showValue(given)}, a relative path`) : text
  },
  repair: both('Set it to an absolute path or to a name on PATH.'),
}

/** USD, 0 or more; `Infinity` for `none`. A decimal comma, an exponent and a sign are refused rather than guessed. */
export const USD: Kind<number> = {
  name: 'usd',
  parse: (given) => {
    const text = typeof given === 'string' || typeof given === 'number' ? String(given).trim() : ''
    if (text.toLowerCase() === 'none') return value(Number.POSITIVE_INFINITY)
    const usd = /^\$?(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text.replace('$', '')) : Number.NaN
    return Number.isFinite(usd) ? value(usd) : wrong(`is ${showValue(given)}, which is no sum in USD`)
  },
  repair: {
    environment: 'Set it to a number such as 5 or 2.50, or to none for no cap.',
    file: 'Set it to a number such as 5 or 2.50, or to "none" for no cap.',
  },
}

/** An API key, trimmed; its shape is for whoever uses it to judge. Its value never gets into a sentence. */
export const KEY: Kind<string> = {
  name: 'key',
  parse: (given) => {
    const key = typeof given === 'string' ? given.trim() : undefined
    if (key === '') return wrong('is empty')
    return key === undefined ? wrong(`is ${nameType(given)}, not a text`) : value(key)
  },
  repair: { environment: 'Set it to the key.', file: 'Set it to the key in quotes, or take it out.' },
}

/** A program and its arguments, run without a shell: an array of words, or one text that is split at its spaces. */
export const COMMAND: Kind<string[]> = {
  name: 'command',
  parse: (given) => {
    const split = typeof given === 'string' ? splitWords(given) : { type: 'words' as const, words: given }
    if (split.type === 'wrong') return wrong(split.why, split.repair)
    if (!isTexts(split.words)) return wrong(`is ${nameType(given)}, not a list of words or a text`)
    const [program = ''] = split.words
    if (program.trim() === '') return wrong('names no program')
    if (split.words.some((word) => word.includes('\0'))) return wrong('has a NUL character')
    // Which program it is would depend on the folder, and that may be anybody's repository.
    if (isRelativePath(program)) return wrong('begins with a relative path', 'Name an absolute path.')
    return value(split.words)
  },
  repair: {
    environment: 'Set it to a command such as: op read op://private/anthropic/key',
    file: 'Set it to words such as ["op", "read", "op://private/anthropic/key"].',
  },
}

export const SWITCH_KEY: Kind<SwitchKey> = {
  name: 'switch key',
  parse: (given) => {
    const key = typeof given === 'string' ? parseSwitchKey(given) : undefined
    if (key === undefined) return wrong(`is ${showValue(given)}`)
    return key.type === 'key' ? value(key.key) : wrong(`is ${showValue(given)}, which ${key.reason}`)
  },
  repair: both('Set it to ctrl+ and a letter or one of ] \\ ^ _ @, such as ctrl+].'),
}

/** Absolute folders, or ones below `~/`: an array in the file, separated by colons in the variable. */
export const FOLDERS: Kind<string[]> = {
  name: 'folders',
  parse: (given, layer) => {
    const isText = typeof given === 'string'
    const folders = isText ? (layer === 'file' ? [given] : given.split(':').filter(Boolean)) : given
    if (!isTexts(folders)) return wrong(`is ${nameType(given)}, not a list of folders`)
    const bad = folders.find((folder) => !/^(~\/|\/|~$)/.test(folder) || folder.includes('\0'))
    return bad === undefined ? value(folders) : wrong(`has ${showValue(bad)}, which is no absolute path`)
  },
  repair: {
    environment: 'Set it to absolute paths with colons between them.',
    file: 'Set it to a list of absolute paths.',
  },
}

/** A value for a sentence: cut, on one line, without control characters, and never an API key that got lost. */
export function showValue(given: unknown): string {
  if (typeof given === 'object') return nameType(given)
  if (typeof given !== 'string') return String(given)
  if (/sk-ant/i.test(given)) return 'an API key'
  const line = given.replace(/[\p{C}\u2028\u2029]/gu, '\u{fffd}')
  const points = [...line]
  return `'${points.length > 40 ? `${points.slice(0, 40).join('')}…` : line}'`
}

export function nameType(given: unknown): string {
  if (given === null) return 'null'
  if (Array.isArray(given)) return 'a list'
  return typeof given === 'string' ? 'a text' : `${typeof given === 'object' ? 'an' : 'a'} ${typeof given}`
}

function parseText(given: unknown): Parsed<string> {
  if (typeof given !== 'string') return wrong(`is ${showValue(given)}, not a text`)
  return given.includes('\0') ? wrong('has a NUL character') : value(given)
}

function isTexts(given: unknown): given is string[] {
  return Array.isArray(given) && given.every((word) => typeof word === 'string')
}

function both(repair: string): Record<Layer, string> {
  return { environment: repair, file: repair }
}

function value<Value>(value: Value): Parsed<Value> {
  return { type: 'value', value }
}

function wrong(why: string, repair?: string): { type: 'wrong'; why: string; repair?: string } {
  return { type: 'wrong', why, ...(repair === undefined ? {} : { repair }) }
}
