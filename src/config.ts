import os from 'node:os'
import type { Billing } from './core/policy.ts'

export type Config = {
  /** `CLAUDE_FALLBACK_AUTO_RESTART`: at a limit go on with API billing without asking. Default: off. */
  autoRestart: boolean
  /** `CLAUDE_FALLBACK_BILLING`: who pays for the first child. Default: the subscription. */
  billing: Billing
  /** `CLAUDE_FALLBACK_CONTINUE_PROMPT`: submitted after a switch; empty for none. */
  continuePrompt: string
  /** `CLAUDE_FALLBACK_CLAUDE`: the Claude Code to run, a path or a name on PATH. Default: found. */
  claude: string | undefined
  /** `CLAUDE_FALLBACK_HOME`: the folder of the log and state files. Default: the home folder. */
  home: string
}

const TRUE = ['1', 'true', 'yes', 'on']
const FALSE = ['', '0', 'false', 'no', 'off']

/** Reads the settings from the environment. What cannot be read keeps its default, and a sentence says so. */
export function readConfig(env: NodeJS.ProcessEnv): { config: Config; problems: string[] } {
  const problems: string[] = []
  const autoRestart = (env.CLAUDE_FALLBACK_AUTO_RESTART ?? '').trim().toLowerCase()
  if (![...TRUE, ...FALSE].includes(autoRestart)) {
    problems.push(
      `CLAUDE_FALLBACK_AUTO_RESTART is '${autoRestart}', neither yes nor no: it stays off. Set it to 1 or 0.`,
    )
  }
  const billing = (env.CLAUDE_FALLBACK_BILLING ?? '').trim().toLowerCase() || 'subscription'
  if (billing !== 'subscription' && billing !== 'api') {
    problems.push(
      `CLAUDE_FALLBACK_BILLING is '${billing}': the session starts on the subscription. Set it to 'api' or 'subscription'.`,
    )
  }
  return {
    config: {
      autoRestart: TRUE.includes(autoRestart),
      billing: billing === 'api' ? 'api' : 'subscription',
      continuePrompt: env.CLAUDE_FALLBACK_CONTINUE_PROMPT ?? 'Continue where you left off.',
      claude: env.CLAUDE_FALLBACK_CLAUDE || undefined,
      home: env.CLAUDE_FALLBACK_HOME || env.HOME || os.homedir(),
    },
    problems,
  }
}
