import { type Companion, readCommandLine, USAGE_ERROR } from './companion.ts'
import { readConfig } from './config.ts'
import { maskKey } from './key.ts'
import { removeKey, setKey } from './key-set.ts'
import { describeKeySources, type KeySource, lookUpKey } from './key-sources.ts'
import { testKey } from './key-test.ts'

const HELP = `Usage: claude-fallback key set|test|remove|show

The API key that pays once a limit is met. The first source that has one wins: CLAUDE_FALLBACK_API_KEY,
api_key_command, the keyring of your system, api_key in the config file, ANTHROPIC_API_KEY.

  set [--file]     Read the key, unseen, from the terminal or from a pipe, and store it in the keyring;
                   --file: in the config file, which gets mode 600.
  test             Ask the API for one of its models, which costs nothing, and tell what it thinks of the key.
  remove [--file]  Remove the key from the keyring; --file: from the config file, too.
  show [--json]    Show where a key is set, and the last four characters of it. Runs no command.
`

/** `claude-fallback key`: stores, tests, removes and shows the key, of which at most four characters are printed. */
export async function runKey(companion: Companion): Promise<number> {
  const [verb = '', ...args] = companion.args
  if (['', 'help', '--help', '-h'].includes(verb)) {
    companion.stdout.write(HELP)
    return verb === '' ? USAGE_ERROR : 0
  }
  const options = Object.hasOwn(OPTIONS, verb) ? OPTIONS[verb as keyof typeof OPTIONS] : undefined
  // A word that is not known may be the key, and is not repeated.
  if (options === undefined || !args.every((word) => /^(-h|--[a-z]+)$/.test(word)))
    return refuseWord(companion)
  const { stdout, stderr } = companion
  const line = readCommandLine({ args, stdout, stderr }, { name: `key ${verb}`, help: HELP, options })
  if ('exitCode' in line) return line.exitCode
  const values: { file?: boolean; json?: boolean } = line.values
  switch (verb as keyof typeof OPTIONS) {
    case 'set':
      return setKey(companion, values)
    case 'remove':
      return removeKey(companion, values)
    case 'show':
      return showKey(companion, values)
    case 'test':
      return runTest(companion)
  }
}

const OPTIONS = {
  set: { file: { type: 'boolean' } },
  remove: { file: { type: 'boolean' } },
  show: { json: { type: 'boolean' } },
  test: {},
} as const

function refuseWord({ stderr }: Companion): number {
  const advice = `A key is never given as an argument: others on this machine can see it there, and it stays in your
shell's history. Run \`claude-fallback key set\` and paste it, or pipe it in. If that was your key, take it out of the
history, or make a new one.`
  stderr.write(`claude-fallback key: not understood.\n${HELP.split('\n', 1)[0]}\n${advice}\n`)
  return USAGE_ERROR
}

async function runTest({ env, stdout, stderr }: Companion): Promise<number> {
  const { config, problems } = readConfig(env)
  const found = await lookUpKey({ config, env, log: (message) => problems.push(message) })
  if (found.type === 'key') {
    const { type, sentence } = await testKey(found.key, env)
    stdout.write(`${maskKey(found.key)} (${found.source}): ${sentence}\n`)
    return type === 'valid' || type === 'rate limited' ? 0 : 1
  }
  if (found.type === 'refused') {
    stderr.write(printable(`The key of ${found.source} was refused: ${found.reason}`))
    return 1
  }
  for (const problem of problems) stderr.write(printable(problem))
  stderr.write('There is no key. Set one with `claude-fallback key set`.\n')
  return 1
}

async function showKey(
  { env, stdout }: Companion,
  { json }: { json?: boolean | undefined },
): Promise<number> {
  const sources = await describeKeySources({ config: readConfig(env).config, env })
  if (json) stdout.write(`${JSON.stringify(sources, undefined, 2)}\n`)
  else for (const source of sources) stdout.write(printable(renderSource(source)))
  return sources.some(({ isUsed }) => isUsed) ? 0 : 1
}

function renderSource({ source, isSet, isUsed, shown, problem, note }: KeySource): string {
  const state = isSet ? shown : 'not set'
  const words = [state, problem, note].filter(Boolean).join(' · ')
  return `${isUsed ? '→' : ' '} ${source.padEnd('CLAUDE_FALLBACK_API_KEY'.length)}  ${words}`
}

/** A line. Texts of settings and of programs: nothing in them may act on the terminal. */
function printable(text: string): string {
  return `${text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\u{fffd}')}\n`
}
