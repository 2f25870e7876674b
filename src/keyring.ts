import path from 'node:path'
import { cleanMessage, runKeyProgram } from './key-program.ts'
import { withoutKeys } from './run-tool.ts'

/** What the keyring was asked for: `null` for no key, `unavailable` with a sentence without its full stop. */
export type KeyringAnswer =
  | { type: 'key'; key: string }
  | { type: 'none' }
  | { type: 'done' }
  | { type: 'unavailable'; reason: string }

/** How long a session waits for a keyring that is locked, or asks somebody who is away, ms. */
const SESSION_MS = 3000
/** How long a command waits for the user who unlocks it, ms. */
const COMMAND_MS = 60_000

/** The program that asks; compiled, for the sources too. */
const HELPER = path.join(import.meta.dirname, '..', 'dist', 'keyring-helper.js')

/**
 * The key in the system's keyring: the Secret Service, the Keychain of macOS or the Credential Manager of Windows;
 * service `claude-fallback`, account `api_key`. At most 3 s. Never rejects.
 */
export function readKeyring(env: NodeJS.ProcessEnv): Promise<KeyringAnswer> {
  return ask('read', { env, timeLimit: SESSION_MS })
}

/** Puts the key there, in the place of another. Waits up to 60 s for an unlocking. Never rejects. */
export function saveToKeyring(key: string, env: NodeJS.ProcessEnv): Promise<KeyringAnswer> {
  return ask('save', { env, timeLimit: COMMAND_MS, key })
}

/** Removes it: `none` where there was none. Waits up to 60 s for an unlocking. Never rejects. */
export function removeFromKeyring(env: NodeJS.ProcessEnv): Promise<KeyringAnswer> {
  return ask('remove', { env, timeLimit: COMMAND_MS })
}

type Question = { env: NodeJS.ProcessEnv; timeLimit: number; key?: string }

/**
 * By a process of its own: the library connects to D-Bus while its object is made, on the thread that makes it, and a
 * bus that does not answer would hold up this process's event loop, and then its exit, for ever (2.1.2, measured).
 */
async function ask(verb: string, { env, timeLimit, key = '' }: Question): Promise<KeyringAnswer> {
  // NODE_OPTIONS is the user's, for their own programs.
  const { NODE_OPTIONS, ...rest } = withoutKeys(env)
  const options = { env: rest, timeLimit, input: `${key}\n` }
  const { stdout, stderr, failure } = await runKeyProgram(process.execPath, [HELPER, verb], options)
  const answer = failure === undefined ? parseAnswer(stdout) : undefined
  if (answer?.type === 'unavailable') return { ...answer, reason: cleanMessage(answer.reason, [key]) }
  if (answer !== undefined) return answer
  const said = cleanMessage(stderr, [key])
  const why = failure ?? 'it answered with what is no answer'
  return { type: 'unavailable', reason: said === '' ? why : `${why}: ${said}` }
}

function parseAnswer(json: string): KeyringAnswer | undefined {
  try {
    return JSON.parse(json) as KeyringAnswer
  } catch {
    return undefined
  }
}
