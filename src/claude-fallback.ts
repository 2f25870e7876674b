import { readFileSync } from 'node:fs'
import type { Companion } from './companion.ts'
import { renderOptionsHelp } from './core/options.ts'

const HELP = `claude-fallback: the companion of claudef, which is Claude Code that does not stop.

Usage: claude-fallback <command>

  demo [switch|banner|return|draft|budget|monitor]
            Show a session meet its usage limit and go on, on a stand-in for Claude Code:
            no account, no key, no network. Live in a terminal, else printed screen by screen.
  explain [--json] <transcript.jsonl>...
            Tell of each row that is a limit, or looks like one, what claudef takes it for, and why.
  install   Give your shell the functions claude-api, claude-sub and claude-mode; --help says more.
  uninstall Take them away again.
  init      Print them, for eval or a plugin manager.
  spend [--since <day>] [--json]
            What was spent on API billing: today, this week, this month, by day, project and model.
  status [--json]
            What is in force: monitor, billing, limits, sessions, spend, key and config.
  mode [api|subscription] [--json]
            Show or set what new sessions start on; api ends with the limit, or after 24 hours.
  clear     Forget the usage limits that were detected.
  draft     Print what stood in the input box at the last switch, where it could not be put back.
  doctor [--json] [--online]
            Check what claudef needs, and say how to repair what is missing.
  start     Watch the sessions of plain claude as well, and tell of their limits; --daemon: in the background.
  stop      End that.
  key set|test|remove|show
            Keep the API key in the keyring of your system; --help says more.
  help      Show this help.
  version   Show the version.

To work, run claudef instead of claude, with whatever you would say to claude. It is steered by:

${renderOptionsHelp()}
All but the last two can also stand in the config file, a JSON object, in small letters and without
CLAUDE_FALLBACK_: { "auto_restart": true, "max_usd": 5 }. A variable goes before the file. Commands run without
a shell: a list of words, or one text that is split at its spaces; quotes count, and nothing is expanded.
`

// `claude-fallback … | head`: whoever reads has seen enough. The command goes on to its end, and cleans up.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
const [command = 'help', ...args] = process.argv.slice(2)
const companion: Companion = {
  args,
  env: process.env,
  cwd: currentFolder(),
  // Opened only where it is read.
  get stdin() {
    return process.stdin
  },
  stdout: process.stdout,
  stderr: process.stderr,
  now: Date.now,
}
process.exitCode = await run(command)

/** Each command is loaded when it is asked for. */
async function run(name: string): Promise<number> {
  switch (name) {
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(HELP)
      return 0
    case 'version':
    case '--version':
    case '-v':
      process.stdout.write(`${readVersion()}\n`)
      return 0
    case 'demo': {
      const { runDemo } = await import('./demo.ts')
      return runDemo(companion)
    }
    case 'explain': {
      const { explain } = await import('./explain.ts')
      const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
      return explain({ ...companion, now: companion.now(), timeZone })
    }
    case 'install': {
      const { runInstall } = await import('./shell.ts')
      return runInstall(companion)
    }
    case 'uninstall': {
      const { runUninstall } = await import('./shell.ts')
      return runUninstall(companion)
    }
    case 'init': {
      const { runInit } = await import('./shell.ts')
      return runInit(companion)
    }
    case 'start': {
      const { runStart } = await import('./daemon.ts')
      return runStart(companion)
    }
    case 'stop': {
      const { runStop } = await import('./daemon.ts')
      return runStop(companion)
    }
    case 'spend': {
      const { runSpend } = await import('./spend.ts')
      return runSpend(companion)
    }
    case 'status': {
      const { runStatus } = await import('./status.ts')
      return runStatus(companion)
    }
    case 'mode': {
      const { runMode } = await import('./mode.ts')
      return runMode(companion)
    }
    case 'draft': {
      const { runDraft } = await import('./draft-command.ts')
      return runDraft(companion)
    }
    case 'clear': {
      const { runClear } = await import('./mode.ts')
      return runClear(companion)
    }
    case 'doctor': {
      const { runDoctor } = await import('./doctor.ts')
      return runDoctor(companion)
    }
    case 'key': {
      const { runKey } = await import('./key-command.ts')
      return runKey(companion)
    }
    default:
      process.stderr.write(`claude-fallback: there is no command '${name}'. See \`claude-fallback help\`.\n`)
      return 2
  }
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { version: unknown }).version)
}

/** A folder that has been removed is no reason not to answer. */
function currentFolder(): string {
  try {
    return process.cwd()
  } catch {
    return process.env.PWD ?? '/'
  }
}
