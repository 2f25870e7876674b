import fs from 'node:fs'
import { parseJson } from './core/json.ts'
import { type Judgement, judgeRow, LIMIT_MARKER } from './core/limit.ts'
import { createLineFilter, createLineSplitter } from './lines.ts'

export type ExplainOptions = {
  args: readonly string[]
  stdout: { write: (text: string) => unknown }
  stderr: { write: (text: string) => unknown }
  /** Epoch ms, for rows without a time of their own. */
  now: number
  /** IANA zone of clock times that name none. */
  timeZone: string
}

type Explained = { file: string; line: number } & Judgement

const USAGE = 'Usage: claude-fallback explain [--json] <transcript.jsonl>...\n'

/** Rows that talk of limits without being one are worth a word too. */
const WORDS = [LIMIT_MARKER, 'limit', 'usage credits', 'extra usage']

/**
 * Tells of each row of the transcripts that is a limit, or looks like one, what claudef takes it for and why.
 * @returns the exit code: 1 where a file could not be read, 2 for a wrong command line
 */
export async function explain(options: ExplainOptions): Promise<number> {
  const { args, stdout, stderr } = options
  const files = args.filter((arg) => arg !== '--json')
  const unknown = files.find((arg) => arg.startsWith('-'))
  if (unknown !== undefined || files.length === 0) {
    stderr.write(
      unknown === undefined ? USAGE : `claude-fallback explain has no option '${unknown}'.\n${USAGE}`,
    )
    return 2
  }
  const render = args.includes('--json') ? renderJson : renderText
  let failed = false
  for (const file of files) {
    try {
      await explainFile(file, options, (explained) => stdout.write(`${render(explained)}\n`))
    } catch (error) {
      failed = true
      stderr.write(`${file} could not be read: ${error instanceof Error ? error.message : error}\n`)
    }
  }
  return failed ? 1 : 0
}

async function explainFile(
  file: string,
  { now, timeZone, stderr }: ExplainOptions,
  onExplained: (explained: Explained) => void,
): Promise<void> {
  const isWanted = createLineFilter(WORDS)
  let line = 0
  const splitter = createLineSplitter({
    onLine: (bytes) => {
      line += 1
      if (!isWanted(bytes)) return
      const judgement = judgeRow(parseJson(bytes.toString()), { now, timeZone })
      if (judgement !== undefined) onExplained({ file, line, ...judgement })
    },
    onSkip: () => {
      line += 1
      stderr.write(`${file}:${line} is too long for a row: skipped\n`)
    },
  })
  for await (const chunk of fs.createReadStream(file)) splitter.write(chunk)
  splitter.write(Buffer.from('\n'))
}

function renderJson({ file, line, limit, reason }: Explained): string {
  const resetsAt = limit?.resetsAt === undefined ? null : new Date(limit.resetsAt).toISOString()
  return JSON.stringify({ file, line, verdict: limit?.verdict ?? 'none', ...limit, resetsAt, reason })
}

function renderText({ file, line, limit, reason }: Explained): string {
  const place = `${file}:${line}`
  if (limit === undefined) return `${place}  none      ${reason}`
  const scope = limit.scope.type === 'model' ? `${limit.scope.name} model` : limit.scope.type
  const reset = limit.resetsAt === undefined ? 'unknown' : new Date(limit.resetsAt).toISOString()
  const [words = ''] = limit.text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, ' ').split('\n')
  return `${place}  ${limit.verdict.padEnd(8)}  ${limit.window}, ${scope}, resets ${reset} (${reason}): ${words}`
}
