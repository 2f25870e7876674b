import { type Config, readConfig } from './config.ts'
import { hideMemory } from './core-dump.ts'
import { type FoundKey, judgeKey, maskKey } from './key.ts'
import { cleanMessage, runKeyProgram } from './key-program.ts'
import { readKeyring } from './keyring.ts'
import type { Log } from './log.ts'
import { withoutKeys } from './run-tool.ts'

/** Where a key can come from, in the order in which they are asked. */
export type KeySourceName =
  | 'CLAUDE_FALLBACK_API_KEY'
  | 'api_key_command'
  | 'keyring'
  | 'config file'
  | 'ANTHROPIC_API_KEY'

export type KeyOptions = { config: Config; env: NodeJS.ProcessEnv; log: Log }

export type KeySource = {
  source: KeySourceName
  isSet: boolean
  /** It is the one that a switch would use. */
  isUsed: boolean
  /** At most the key's last four characters; of a command that was not run, its program. Empty where it is not set. */
  shown: string
  /** Why it is refused, or cannot be asked. */
  problem?: string
  /** What else there is to say of a key that is taken. */
  note?: string
}

/** How long a command may take, ms. */
const COMMAND_MS = 30_000

type Source = { name: KeySourceName; find: (options: KeyOptions) => FoundKey | Promise<FoundKey> }

const SOURCES: readonly Source[] = [
  { name: 'CLAUDE_FALLBACK_API_KEY', find: ({ config }) => findInConfig(config, 'environment') },
  { name: 'api_key_command', find: findByCommand },
  { name: 'keyring', find: findInKeyring },
  { name: 'config file', find: ({ config }) => findInConfig(config, 'file') },
  {
    name: 'ANTHROPIC_API_KEY',
    find: ({ env }) =>
      env.ANTHROPIC_API_KEY?.trim() ? judgeKey(env.ANTHROPIC_API_KEY, 'ANTHROPIC_API_KEY') : NONE,
  },
]

const NONE: FoundKey = { type: 'none' }

/**
 * The key that pays after a switch: the first source that has one wins, and one that is refused is not passed over for
 * another, which may be somebody else's bill. A keyring that cannot be asked counts as one without a key and is logged.
 * Takes up to 33 s, of which 30 s are the command's. Never rejects.
 */
export async function lookUpKey(options: KeyOptions): Promise<FoundKey> {
  hideMemory()
  for (const source of SOURCES) {
    const found = await ask(source, options)
    if (found.type !== 'none') return found
  }
  return NONE
}

/**
 * All sources, in their order, without more of a key than its last four characters. Never rejects.
 * @param runCommand whether `api_key_command` is run, which may ask for a password. Default: no; it then counts as one
 * that has a key
 */
export async function describeKeySources({
  runCommand = false,
  ...options
}: Omit<KeyOptions, 'log'> & { log?: Log; runCommand?: boolean }): Promise<KeySource[]> {
  const { CLAUDE_FALLBACK_API_KEY, ...env } = options.env
  // What the file says of a key is hidden by the variable.
  const file = readConfig(env)
  const rows: KeySource[] = []
  let isTaken = false
  for (const source of SOURCES) {
    const problems = PROBLEMS[source.name]
    let problem = problems && file.problems.find((sentence) => problems.test(sentence))
    const config = source.name === 'config file' ? file.config : options.config
    const log = (message: string) => {
      problem = message
    }
    const command = source.name === 'api_key_command' && !runCommand ? config.apiKeyCommand : undefined
    const found = command === undefined ? await ask(source, { ...options, config, log }) : undefined
    const row = command === undefined ? describe(found ?? NONE) : describeCommand(command)
    const isUsed = row.isSet && row.problem === undefined && !isTaken
    isTaken ||= row.isSet
    rows.push({ source: source.name, ...row, isUsed, ...(problem === undefined ? {} : { problem }) })
  }
  return rows
}

/** Sentences of the settings that are about a source. */
const PROBLEMS: Partial<Record<KeySourceName, RegExp>> = {
  api_key_command: /^(api_key_command|CLAUDE_FALLBACK_API_KEY_COMMAND) /,
  'config file': /^(api_key|The config file|CLAUDE_FALLBACK_CONFIG) /,
}

async function ask({ name, find }: Source, options: KeyOptions): Promise<FoundKey> {
  try {
    return await find(options)
  } catch (error) {
    // Its message may hold anything.
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    return { type: 'refused', source: name, reason: `it cannot be read (${code}).` }
  }
}

function findInConfig({ apiKey, sources }: Config, layer: 'environment' | 'file'): FoundKey {
  if (apiKey === undefined || sources.api_key !== layer) return NONE
  return judgeKey(apiKey, layer === 'file' ? 'config file' : 'CLAUDE_FALLBACK_API_KEY')
}

/** The first line that it prints, as `pass` and others keep their passwords. */
async function findByCommand({ config, env }: KeyOptions): Promise<FoundKey> {
  const [program, ...args] = config.apiKeyCommand ?? []
  if (program === undefined) return NONE
  const refuse = (reason: string): FoundKey => ({ type: 'refused', source: 'api_key_command', reason })
  const options = { env: withoutKeys(env), timeLimit: COMMAND_MS }
  const { stdout, stderr, failure } = await runKeyProgram(program, args, options)
  if (failure !== undefined) {
    const said = cleanMessage(
      stderr,
      stdout.split('\n').map((line) => line.trim()),
    )
    return refuse(said === '' ? `${failure}.` : `${failure}: ${said}`)
  }
  if (stdout.includes('\0')) return refuse('it printed a NUL character, which is in no text.')
  const [first = '', ...more] = stdout.trim().split('\n')
  if (first === '') return refuse('it printed nothing.')
  if (more.some((line) => line.includes('sk-ant-')))
    return refuse('it printed several keys. Let it print one.')
  const found = judgeKey(first, 'api_key_command')
  if (found.type === 'refused' && more.length > 0) {
    return refuse(`it printed several lines, and the first is not a key: ${found.reason}`)
  }
  return found
}

async function findInKeyring({ env, log }: KeyOptions): Promise<FoundKey> {
  const answer = await readKeyring(env)
  if (answer.type === 'key') return judgeKey(answer.key, 'keyring')
  if (answer.type === 'unavailable') log(`The keyring cannot be used: ${answer.reason}`)
  return NONE
}

type Row = Pick<KeySource, 'isSet' | 'shown' | 'problem' | 'note'>

function describe(found: FoundKey): Row {
  switch (found.type) {
    case 'none':
      return { isSet: false, shown: '' }
    case 'refused':
      return { isSet: true, shown: '', problem: `refused: ${found.reason}` }
    case 'key': {
      const note = 'it does not start with sk-ant-, as the keys of the Anthropic API do: it is a gateway’s'
      return { isSet: true, shown: maskKey(found.key), ...(found.key.startsWith('sk-ant-') ? {} : { note }) }
    }
  }
}

/** Of the words only the program: an argument can be a secret. */
function describeCommand([program = '']: string[]): Row {
  const name = cleanMessage(program.slice(program.lastIndexOf('/') + 1))
  return { isSet: true, shown: `what ${name} prints`, note: 'it was not run' }
}
