import { type Paint, plainText } from './plain-text.ts'

/** What one look has found. */
export type Check = {
  name: string
  status: 'ok' | 'warning' | 'problem'
  /** What was seen; never a key. */
  text: string
  /** What to do about it. */
  repair?: string
}

/** What `claude-fallback doctor --json` prints. */
export type DoctorReport = {
  version: 1
  /** No check has found a problem; warnings do not count. */
  ok: boolean
  checks: Check[]
}

export function makeDoctorReport(checks: readonly Check[]): DoctorReport {
  const plain = checks.map((check) => ({
    ...check,
    text: plainText(check.text),
    ...(check.repair !== undefined && { repair: plainText(check.repair) }),
  }))
  return { version: 1, ok: plain.every(({ status }) => status !== 'problem'), checks: plain }
}

/** For people: a line for each check, the repair below, and the sum. */
export function renderDoctorReport({ checks }: DoctorReport, paint: Paint): string {
  const marks = { ok: paint.green('✓'), warning: paint.yellow('!'), problem: paint.red('✗') }
  const width = Math.max(0, ...checks.map(({ name }) => name.length))
  const lines = checks.map(({ name, status, text, repair }) => {
    const line = `${marks[status]} ${paint.bold(name.padEnd(width))}  ${text}\n`
    return repair === undefined ? line : `${line}${' '.repeat(width + 4)}${paint.dim('→')} ${repair}\n`
  })
  const [warnings, problems] = (['warning', 'problem'] as const).map(
    (status) => checks.filter((check) => check.status === status).length,
  )
  return `${lines.join('')}\n${count(problems ?? 0, 'problem')}, ${count(warnings ?? 0, 'warning')}.\n`
}

function count(number: number, noun: string): string {
  return `${number === 0 ? 'No' : number} ${noun}${number === 1 ? '' : 's'}`
}
