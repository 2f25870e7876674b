import fs from 'node:fs'
import { type ConfigFile, parseConfigFile } from './core/config-file.ts'
import { quoteWord } from './core/words.ts'

/** No config file is larger, in bytes. It also keeps every text in it short enough for an argument (Linux: 128 KiB). */
export const MOST_BYTES = 65_536

export type Found =
  | { type: 'none' }
  | { type: 'file'; file: ConfigFile }
  /** There is one, but it says nothing that may be trusted. */
  | { type: 'refused'; sentence: string }

/**
 * Reads a config file, in one go and never waiting for it. A missing one is fine unless it was named. Never throws.
 * @param uid whose files are trusted beside root's; `undefined` where the system has no users
 */
export function loadConfigFile(
  file: string,
  { uid, isNamed }: { uid: number | undefined; isNamed: boolean },
): Found {
  const refuse = (why: string, repair: string): Found => {
    const outcome = 'none of it is used, and its caps count as 0 (no API billing)'
    return { type: 'refused', sentence: `The config file '${file}' ${why}: ${outcome}. ${repair}` }
  }
  let descriptor: number | undefined
  try {
    // A named pipe that nobody writes to would hold up the start.
    descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY)
    const stat = fs.fstatSync(descriptor)
    if (!stat.isFile()) {
      return refuse(`is ${stat.isDirectory() ? 'a folder' : 'no plain file'}`, 'Put a file in its place.')
    }
    if (uid !== undefined && stat.uid !== uid && stat.uid !== 0) {
      return refuse(
        'belongs to another user',
        `Replace it by your own, or run: sudo chown ${uid} ${quoteWord(file)}`,
      )
    }
    // Whoever may write it could turn on spending.
    if (stat.mode & 0o022) return refuse('can be changed by others', `Run: chmod go-w ${quoteWord(file)}`)
    if (stat.size > MOST_BYTES) return refuse(`is larger than ${MOST_BYTES} bytes`, 'Make it shorter.')
    const parsed = parseConfigFile(fs.readFileSync(descriptor, 'utf8'), file)
    if ('type' in parsed) return refuse(parsed.why, 'Repair it, or remove it.')
    return { type: 'file', file: withoutOpenKey(parsed, stat.mode, file) }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR'
    if (isMissing && !isNamed) return { type: 'none' }
    if (isMissing)
      return refuse('does not exist', 'Set CLAUDE_FALLBACK_CONFIG to one that does, or unset it.')
    return refuse(`cannot be read (${code})`, 'Make it a file that you can read, or remove it.')
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor)
  }
}

/** A key that others can read is no secret, and is not used as one. */
function withoutOpenKey(file: ConfigFile, mode: number, name: string): ConfigFile {
  if (!file.values.has('api_key') || (mode & 0o044) === 0) return file
  const values = new Map(file.values)
  values.delete('api_key')
  const sentence = `api_key in '${name}' can be read by others: it is not used. Run: chmod 600 ${quoteWord(name)}`
  return { ...file, values, problems: [...file.problems, sentence] }
}
