import fs from 'node:fs'
import path from 'node:path'
import { findConfigFile } from './config.ts'
import { loadConfigFile, MOST_BYTES } from './config-file.ts'
import { OPTION_KEYS } from './core/options.ts'
import { isObject } from './core/settings.ts'

/** `file` is where it really lies, behind links; `unchanged` where there was nothing to remove. */
export type FileChange =
  | { type: 'saved' | 'unchanged'; file: string }
  /** A sentence. */
  | { type: 'failed'; reason: string }

/**
 * Puts the key into the config file, or takes it out (`undefined`), whole or not at all; every other setting stays. A
 * file with a key gets mode 600. One that cannot be read as it is meant is left alone. Never rejects.
 */
export async function saveKeyInFile(key: string | undefined, env: NodeJS.ProcessEnv): Promise<FileChange> {
  const { path: named, problem } = findConfigFile(env)
  if (named === undefined)
    return { type: 'failed', reason: problem ?? 'There is no place for a config file.' }
  const found = loadConfigFile(named, { uid: process.getuid?.(), isNamed: false })
  if (found.type === 'refused') return { type: 'failed', reason: found.sentence }
  try {
    const settings = found.type === 'none' ? {} : readSettings(named)
    if (found.type === 'file') demandClear(settings, found.file.values, named)
    const file = fs.existsSync(named) ? fs.realpathSync(named) : named
    if (key === undefined && !('api_key' in settings)) return { type: 'unchanged', file }
    const { api_key, ...others } = settings
    await save(file, key === undefined ? others : { ...settings, api_key: key }, key !== undefined)
    return { type: 'saved', file }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return {
      type: 'failed',
      reason: code === undefined ? message : `'${named}' cannot be written (${code}).`,
    }
  }
}

function readSettings(file: string): Record<string, unknown> {
  const settings: unknown = JSON.parse(fs.readFileSync(file, 'utf8').replace(/^\ufeff/, ''))
  return isObject(settings) ? settings : {}
}

/** Of a setting that stands there twice only one would be left, and that may be a cap. */
function demandClear(settings: object, values: ReadonlyMap<string, unknown>, file: string): void {
  const doubled = OPTION_KEYS.find((name) => name in settings && !values.has(name) && name !== 'api_key')
  if (doubled === undefined) return
  throw new Error(`${doubled} stands in '${file}' twice. Remove one of them, and try again.`)
}

async function save(file: string, settings: object, hasKey: boolean): Promise<void> {
  const text = `${JSON.stringify(settings, undefined, 2)}\n`
  // None of it would be used.
  if (Buffer.byteLength(text) > MOST_BYTES) {
    throw new Error(`'${file}' would be larger than ${MOST_BYTES} bytes. Take something out of it.`)
  }
  const { default: writeFileAtomic } = await import('write-file-atomic')
  await fs.promises.mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  await writeFileAtomic(file, text, hasKey ? { mode: 0o600 } : {})
}
