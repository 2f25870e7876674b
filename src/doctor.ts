import { type Companion, readCommandLine } from './companion.ts'
import { type Config, readConfig } from './config.ts'
import { type Check, makeDoctorReport, renderDoctorReport } from './core/doctor.ts'
import { CLAUDE_CHECKS } from './doctor-claude.ts'
import { MACHINE_CHECKS } from './doctor-machine.ts'
import { SETUP_CHECKS } from './doctor-setup.ts'
import { claudeHome } from './home.ts'
import type { Log } from './log.ts'
import { choosePaint } from './paint.ts'

const DOCTOR = {
  name: 'doctor',
  options: { json: { type: 'boolean' }, online: { type: 'boolean' } },
  help: `Usage: claude-fallback doctor [--json] [--online]

Checks what claudef needs, and says how to repair what is missing: Claude Code, its login and its settings, the API
key, the terminal, notifications, shell functions, and claudef's own files.

  --online  also asks the API for its models, once, to see whether it takes the key; costs nothing
  --json    as one JSON object: { "version": 1, "ok", "checks": [{ "name", "status", "text", "repair" }] }, where a
            status is ok, warning or problem

Exits 1 where there is a problem; a warning is none.
`,
} as const

/** What a check gets to look at. */
export type DoctorWorld = Companion & {
  config: Config
  configProblems: readonly string[]
  /** The home folder, as claudef takes it. */
  home: string
  isOnline: boolean
  log: Log
}

/** One look; it may throw, and find several things or none. */
export type Look = { name: string; look: (world: DoctorWorld) => Check[] | Promise<Check[]> }

/** No look takes longer, in ms: a key command may wait for a password. */
const LONGEST_LOOK = 60_000

/** `claude-fallback doctor`: checks what claudef needs. @returns 1 where there is a problem */
export async function runDoctor(companion: Companion): Promise<number> {
  const line = readCommandLine(companion, DOCTOR)
  if (line.exitCode !== undefined) return line.exitCode
  const { config, problems: configProblems } = readConfig(companion.env)
  const home = claudeHome(companion)
  const isOnline = line.values.online === true
  const log = () => {}
  const world: DoctorWorld = {
    ...companion,
    stdin: companion.stdin,
    config,
    configProblems,
    home,
    isOnline,
    log,
  }
  const report = makeDoctorReport(await lookAtAll(world))
  const text = line.values.json
    ? `${JSON.stringify(report, undefined, 2)}\n`
    : renderDoctorReport(report, choosePaint(companion))
  companion.stdout.write(text)
  return report.ok ? 0 : 1
}

async function lookAtAll(world: DoctorWorld): Promise<Check[]> {
  const wait = await startWaiting(world)
  const checks: Check[] = []
  for (const { name, look } of [...CLAUDE_CHECKS, ...SETUP_CHECKS, ...MACHINE_CHECKS]) {
    wait.say(name)
    checks.push(...(await lookSafely(name, () => look(world))))
  }
  wait.end()
  return checks
}

/** A look that fails or hangs tells so, and keeps no other from being taken. */
async function lookSafely(name: string, look: () => Check[] | Promise<Check[]>): Promise<Check[]> {
  let timer: NodeJS.Timeout | undefined
  const tooSlow = new Promise<Check[]>((resolve) => {
    const text = `no answer within ${LONGEST_LOOK / 1000} s`
    timer = setTimeout(() => resolve([{ name, status: 'problem', text }]), LONGEST_LOOK)
  })
  try {
    return await Promise.race([look(), tooSlow])
  } catch (error) {
    return [{ name, status: 'problem', text: `could not be checked: ${(error as Error).message}` }]
  } finally {
    clearTimeout(timer)
  }
}

/** On a terminal something moves meanwhile. Not on one that does not know its width: ora 9.4 divides by it, for ever. */
async function startWaiting({ stdout }: DoctorWorld) {
  if (!stdout.isTTY || !(stdout.columns > 0)) return { say: () => {}, end: () => {} }
  const { default: ora } = await import('ora')
  const spinner = ora({ stream: stdout, discardStdin: false }).start()
  return {
    say: (name: string) => {
      spinner.text = name
    },
    end: () => void spinner.stop(),
  }
}
