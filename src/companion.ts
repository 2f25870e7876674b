import { type ParseArgsConfig, parseArgs } from 'node:util'

/** The part of the world that a command of `claude-fallback` gets. */
export type Companion = {
  /** What follows the command's name. */
  args: readonly string[]
  env: NodeJS.ProcessEnv
  cwd: string
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  stderr: { write: (text: string) => unknown }
  /** Epoch ms. */
  now: () => number
}

/** One command line: its name, its help, and what it takes. */
export type CommandLine<Options extends NonNullable<ParseArgsConfig['options']>> = {
  /** As it is typed after `claude-fallback`. */
  name: string
  /** Printed by `--help`; its first line says how the command is typed. */
  help: string
  options: Options
  /** How many words it takes beside the options. Default: none. */
  words?: { least: number; most: number }
}

/** Exit code of a command line that cannot be understood. */
export const USAGE_ERROR = 2

/**
 * Reads a command's options and words.
 * @returns the exit code instead where `--help` was asked for (0, printed) or the line is wrong (2, told on stderr)
 */
export function readCommandLine<const Options extends NonNullable<ParseArgsConfig['options']>>(
  companion: Pick<Companion, 'args' | 'stdout' | 'stderr'>,
  line: CommandLine<Options>,
) {
  const { least, most } = line.words ?? { least: 0, most: 0 }
  const fail = (sentence: string) => {
    companion.stderr.write(`claude-fallback ${line.name}: ${sentence}\n${line.help.split('\n', 1)[0]}\n`)
    return { exitCode: USAGE_ERROR } as const
  }
  try {
    const options: Options = { ...line.options, help: { type: 'boolean', short: 'h' } }
    const { values, positionals } = parseArgs({ args: [...companion.args], options, allowPositionals: true })
    if ('help' in values) {
      companion.stdout.write(line.help)
      return { exitCode: 0 } as const
    }
    const extra = positionals[most]
    if (extra !== undefined) return fail(`'${extra}' is one word too many.`)
    if (positionals.length < least) return fail('a word is missing.')
    return { values, words: positionals }
  } catch (error) {
    // "Unknown option '--foo'. To specify a positional argument …": the rest is for programmers.
    return fail(`${String((error as Error).message).split('. ', 1)[0]}.`)
  }
}
