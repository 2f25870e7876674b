import { readFileSync } from 'node:fs'

const HELP = `claude-fallback: the companion of claudef, which is Claude Code that does not stop.

Usage: claude-fallback <command>

  demo      Show a session meet its usage limit and go on, on a stand-in for Claude Code:
            no account, no key, no network. Live in a terminal, else printed screen by screen.
  explain [--json] <transcript.jsonl>...
            Tell of each row that is a limit, or looks like one, what claudef takes it for, and why.
  help      Show this help.
  version   Show the version.

To work, run claudef instead of claude, with whatever you would say to claude. It is steered by:

  CLAUDE_FALLBACK_API_KEY          the API key that pays once the subscription's limit is met
  CLAUDE_FALLBACK_AUTO_RESTART     1: go on with the key by itself; default: offer it in the bottom row
  CLAUDE_FALLBACK_BILLING          api: start on the key; default: subscription
  CLAUDE_FALLBACK_CONTINUE_PROMPT  sent after the switch; default: "Continue where you left off."; empty: nothing
  CLAUDE_FALLBACK_CLAUDE           the Claude Code to run; default: the one on PATH
  CLAUDE_FALLBACK_HOME             folder of the log file .claude_fallback_error.log; default: your home
`

// `claude-fallback … | head`: whoever reads has seen enough. The command goes on to its end, and cleans up.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
const [command = 'help', ...rest] = process.argv.slice(2)
process.exitCode = await run(command, rest)

async function run(name: string, args: string[]): Promise<number> {
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
      return runDemo({ args, env: process.env, stdin: process.stdin, stdout: process.stdout })
    }
    case 'explain': {
      const { explain } = await import('./explain.ts')
      const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
      return explain({ args, stdout: process.stdout, stderr: process.stderr, now: Date.now(), timeZone })
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
