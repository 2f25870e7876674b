import type { Companion } from './companion.ts'
import { readConfig } from './config.ts'
import { hideMemory } from './core-dump.ts'
import { judgeKey, maskKey } from './key.ts'
import { saveKeyInFile } from './key-file.ts'
import { describeKeySources, type KeySourceName } from './key-sources.ts'
import { removeFromKeyring, saveToKeyring } from './keyring.ts'
import { askTerminal, readPipe } from './secret-input.ts'

type Options = { file?: boolean | undefined }

/** As a shell's exit code after Ctrl+C. */
const CANCELLED = 130

/** `claude-fallback key set`: reads the key, unseen, and stores it. */
export async function setKey(companion: Companion, { file = false }: Options): Promise<number> {
  hideMemory()
  const { env, stdin, stderr } = companion
  const prompt = 'API key (it is not shown): '
  const text = stdin.isTTY ? await askTerminal(companion, { prompt, isShown: false }) : await readPipe(stdin)
  if (text === undefined) return cancel(companion)
  const given = judgeKey(text, 'key')
  if (given.type !== 'key') {
    const reason = given.type === 'refused' ? given.reason : ''
    stderr.write(`The key was refused: ${reason}\n`)
    return 1
  }
  if (file) return saveInFile(companion, given.key)
  const answer = await saveToKeyring(given.key, env)
  if (answer.type === 'done')
    return tellStored(companion, given.key, { source: 'keyring', place: 'the keyring' })
  stderr.write(`The keyring cannot be used${answer.type === 'unavailable' ? `: ${answer.reason}` : ''}.\n`)
  if (!stdin.isTTY) {
    stderr.write('To store the key in the config file (mode 600), use: claude-fallback key set --file\n')
    return 1
  }
  const question = 'Store it in the config file instead, which only you can read (mode 600)? [y/N] '
  const reply = await askTerminal(companion, { prompt: question, isShown: true })
  return /^y(es)?$/i.test(reply?.trim() ?? '') ? saveInFile(companion, given.key) : cancel(companion)
}

/** `claude-fallback key remove`: removes what `setKey` has stored. */
export async function removeKey(companion: Companion, { file = false }: Options): Promise<number> {
  const { env, stdout, stderr } = companion
  const answer = await removeFromKeyring(env)
  let isDone = true
  if (answer.type === 'unavailable') {
    stderr.write(`The keyring cannot be used: ${answer.reason}.\n`)
    isDone = file
  } else {
    stdout.write(answer.type === 'done' ? 'Removed from the keyring.\n' : 'There is none in the keyring.\n')
  }
  const change = file ? await saveKeyInFile(undefined, env) : undefined
  if (change?.type === 'failed') {
    stderr.write(`${change.reason}\n`)
    isDone = false
  } else if (change !== undefined) {
    stdout.write(`${change.type === 'saved' ? 'Removed from' : 'There is none in'} '${change.file}'.\n`)
  }
  await tellLeft(companion)
  return isDone ? 0 : 1
}

function cancel({ stderr }: Companion): number {
  stderr.write('Nothing was stored.\n')
  return CANCELLED
}

async function saveInFile(companion: Companion, key: string): Promise<number> {
  const change = await saveKeyInFile(key, companion.env)
  if (change.type !== 'failed') {
    return tellStored(companion, key, { source: 'config file', place: `'${change.file}' (mode 600)` })
  }
  companion.stderr.write(`${change.reason}\n`)
  return 1
}

async function tellStored(
  { env, stdout }: Companion,
  key: string,
  { source, place }: { source: KeySourceName; place: string },
): Promise<number> {
  stdout.write(`The key ${maskKey(key)} is in ${place}. To see what the API says: claude-fallback key test\n`)
  const sources = await describeKeySources({ config: readConfig(env).config, env })
  const own = sources.findIndex((one) => one.source === source)
  const note = sources[own]?.note
  if (note !== undefined) stdout.write(`Note that ${note}.\n`)
  const first = sources.slice(0, own).find(({ isSet }) => isSet)
  if (first !== undefined) stdout.write(`Note that ${first.source} is set too, and goes before it.\n`)
  return 0
}

async function tellLeft({ env, stdout }: Companion): Promise<void> {
  const sources = await describeKeySources({ config: readConfig(env).config, env })
  const left = sources.filter(({ isSet }) => isSet).map(({ source, shown }) => `${source} (${shown})`)
  stdout.write(left.length === 0 ? 'No key is set.\n' : `Still set: ${left.join(', ')}.\n`)
}
