import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'

const fixtures = new URL('../../fixtures/rows/limits.jsonl', import.meta.url)

const cases = readFileSync(fixtures, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line))

export type RowOptions = {
  /** Of the row, epoch ms. */
  at: number
  /** Words of the row, as of one in fixtures/rows. Default: a limit of the account, with `resetsAt`. */
  text?: string
  /** Epoch ms, whole seconds. */
  resetsAt?: number
  cwd?: string
  isSidechain?: boolean
  version?: string
}

/** A limit's row as Claude Code writes it, made of the one in fixtures/rows whose text begins like this one's. */
export function limitRow({ at, text, resetsAt, ...more }: RowOptions): string {
  const words = text ?? `Claude AI usage limit reached|${(resetsAt ?? at + 3_600_000) / 1000}`
  const like = cases.find(({ row }) => row.message.content[0].text.startsWith(words.slice(0, 20)))
  if (like === undefined) throw new Error(`No row in fixtures/rows begins like '${words}'`)
  const reset = resetsAt === undefined ? undefined : resetsAt / 1000
  const { quotaLimits } = like.row
  const message = { ...like.row.message, content: [{ type: 'text', text: words }] }
  return JSON.stringify({
    version: '2.1.330',
    ...like.row,
    ...more,
    ...(quotaLimits && { quotaLimits: { ...quotaLimits, resetsAt: reset } }),
    timestamp: new Date(at).toISOString(),
    message,
  })
}

/** Appends lines to a transcript, whose folder is made. */
export function append(file: string, ...lines: string[]): void {
  mkdirSync(dirname(file), { recursive: true })
  appendFileSync(file, lines.map((line) => `${line}\n`).join(''))
}
