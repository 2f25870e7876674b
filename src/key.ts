import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { quoteWord } from './core/words.ts'

/** An API key and where it came from; or why there is none. */
export type FoundKey =
  | { type: 'key'; key: string; source: string }
  | { type: 'none' }
  | { type: 'refused'; source: string; reason: string }

/**
 * The longest path of a Unix socket, in bytes (104 with the closing NUL on macOS, 108 on Linux). Node 20 cuts a
 * longer one and listens elsewhere.
 */
export const LONGEST_SOCKET_PATH = 103

/** More is no key but a file that went down the wrong pipe, and no server takes such a header. */
const LONGEST_KEY = 8192

/** The variables that Claude Code itself would pay with: none of them reaches a child of claudef's. */
export const KEY_VARIABLES = ['CLAUDE_FALLBACK_API_KEY', 'ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN']

/**
 * Takes a text for a key or refuses it; white space around it does not count. Whatever does not start with `sk-ant-` is
 * taken as well: gateways have keys of their own.
 */
export function judgeKey(text: string, source: string): FoundKey {
  const key = text.trim()
  const reason = refuse(key)
  return reason === undefined ? { type: 'key', key, source } : { type: 'refused', source, reason }
}

/** A sentence without a character of the key. */
function refuse(key: string): string | undefined {
  if (key === '') return 'it is empty.'
  if (key.length > LONGEST_KEY) return `it is longer than ${LONGEST_KEY} characters.`
  if (/^sk-ant-o[ar]t/.test(key)) {
    return 'it is a login token of the subscription, not an API key. Make a key in the Claude Console.'
  }
  if (key.startsWith('sk-ant-admin')) {
    return 'it is an admin key, which no model answers to. Make an API key in the Claude Console.'
  }
  if (/[^\x21-\x7e]/.test(key)) return 'it has a space or another character that no API key has.'
  return undefined
}

/** What may be shown of a key: its last four characters, of a key that is long enough to keep the rest secret. */
export function maskKey(key: string): string {
  return key.length < 20 ? '…' : `…${key.slice(-4)}`
}

/** `helper`: a command line for a shell. Nobody gets the key before `open`. `close` removes the socket. */
export type KeyServer = { helper: string; open: () => void; close: () => void }

/**
 * Hands the key to whoever connects to a socket in `folder` (mode 600, the folder's being 700): Claude Code's
 * `apiKeyHelper`. So the key stands in no argument, no environment and no file.
 * @throws where the socket cannot be made, as with a path over 103 bytes
 */
export async function serveKey(key: string, folder: string): Promise<KeyServer> {
  const socket = path.join(folder, 'key')
  if (Buffer.byteLength(socket) > LONGEST_SOCKET_PATH) {
    throw new Error(
      `The path '${socket}' is too long for a socket: set XDG_RUNTIME_DIR or TMPDIR to a shorter one`,
    )
  }
  let isOpen = false
  const server = net.createServer((connection) => {
    connection.on('error', () => {})
    // Nor is a helper that was stopped a reason to stay alive.
    connection.unref()
    connection.end(isOpen ? key : '')
  })
  // Not a reason to stay alive once the session is over.
  server.unref()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socket, resolve)
  })
  server.on('error', () => {})
  fs.chmodSync(socket, 0o600)
  return {
    helper: helperCommand(process.execPath, path.join(import.meta.dirname, 'key-helper.js'), socket),
    open: () => {
      isOpen = true
    },
    close: () => void server.close(),
  }
}

/** NODE_OPTIONS is the user's, for their own programs: an inspector or a loader has no place in the helper. */
function helperCommand(...words: string[]): string {
  return `NODE_OPTIONS= ${words.map(quoteWord).join(' ')}`
}

/** Why nothing can be paid with what was found; `undefined` where it can. */
export function explainMissingKey(found: FoundKey): string | undefined {
  if (found.type === 'key') return undefined
  return found.type === 'none' ? 'no API key' : `${found.source} was refused: ${found.reason}`
}
