import fs from 'node:fs'
import { type Companion, readCommandLine } from './companion.ts'
import { readConfig } from './config.ts'
import { draftFile } from './draft-file.ts'

const HELP = `Usage: claude-fallback draft

Print the last draft that claudef could not put back into the input box by itself.
It is kept until the session ends in which it was typed.
`

/** @returns the exit code: 1 where there is no draft */
export async function runDraft(companion: Companion): Promise<number> {
  const line = readCommandLine(companion, { name: 'draft', help: HELP, options: {} })
  if ('exitCode' in line) return line.exitCode
  const { config } = readConfig(companion.env)
  try {
    companion.stdout.write(`${fs.readFileSync(draftFile(config.home), 'utf8')}\n`)
    return 0
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    companion.stderr.write(
      isMissing ? 'There is no draft.\n' : `The draft could not be read: ${(error as Error).message}\n`,
    )
    return 1
  }
}
