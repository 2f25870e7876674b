import fs from 'node:fs'
import path from 'node:path'
import { findConfigFile } from './config.ts'
import type { Check } from './core/doctor.ts'
import { createDayOf, sumEntries } from './core/ledger.ts'
import { renderUsd } from './core/spend.ts'
import type { DoctorWorld, Look } from './doctor.ts'
import { homeFolder } from './home.ts'
import { describeKeySources, lookUpKey } from './key-sources.ts'
import { testKey } from './key-test.ts'
import { openLedger } from './ledger.ts'
import { isOnPath } from './run-tool.ts'
import { findInstalled } from './shell.ts'

/** What the user has set up for claudef: the key, the caps, the config file and the shell functions. */
export const SETUP_CHECKS: Look[] = [
  { name: 'config', look: checkConfig },
  { name: 'API key', look: checkKey },
  { name: 'key online', look: checkKeyOnline },
  { name: 'caps', look: checkCaps },
  { name: 'shell', look: checkShell },
  { name: 'names', look: checkNames },
]

function checkConfig({ env, config, configProblems }: DoctorWorld): Check[] {
  const name = 'config'
  const { path: file } = findConfigFile(env)
  const problems: Check[] = configProblems.map((sentence) => ({ name, status: 'problem', text: sentence }))
  if (problems.length > 0) return problems
  const text = config.file === undefined ? `no file at ${file}, so variables and defaults alone` : config.file
  return [{ name, status: 'ok', text }]
}

/** Runs the key command, too: one that fails is found out here, and not at the limit. */
async function checkKey({ config, env, log }: DoctorWorld): Promise<Check[]> {
  const name = 'API key'
  const sources = await describeKeySources({ config, env, log, runCommand: true })
  const used = sources.find(({ isUsed }) => isUsed)
  // A keyring that cannot be asked is no trouble to somebody who has their key elsewhere.
  const troubles = sources.filter(
    ({ isSet, problem }) => problem !== undefined && (isSet || used === undefined),
  )
  const checks = troubles.map(({ source, isSet, problem }): Check => {
    const repair = 'See `claude-fallback key show`, and store another with `claude-fallback key set`.'
    return { name, status: isSet ? 'problem' : 'warning', text: `${source}: ${problem}`, repair }
  })
  if (used === undefined) {
    const repair = 'Store one with `claude-fallback key set`. Keys are made in the Claude Console.'
    return [
      ...checks,
      { name, status: 'problem', text: 'no key is found: at a limit claudef cannot go on', repair },
    ]
  }
  const text = `${used.shown} from ${used.source}`
  if (used.note === undefined) return [...checks, { name, status: 'ok', text }]
  const repair = 'If it is none, replace it: `claude-fallback key set`.'
  return [...checks, { name, status: 'warning', text: `${text}: ${used.note}`, repair }]
}

async function checkKeyOnline({ config, env, log, isOnline }: DoctorWorld): Promise<Check[]> {
  const name = 'key online'
  if (!isOnline) return []
  const found = await lookUpKey({ config, env, log })
  if (found.type !== 'key')
    return [{ name, status: 'warning', text: 'not asked: there is no key to ask about' }]
  const { type, sentence } = await testKey(found.key, env)
  const status = KEY_STATUS[type]
  if (status === 'ok') return [{ name, status, text: sentence }]
  return [{ name, status, text: sentence, ...(type === 'invalid' && { repair: NEW_KEY }) }]
}

const KEY_STATUS = {
  valid: 'ok',
  'rate limited': 'ok',
  invalid: 'problem',
  'no credit': 'problem',
  // The network may be down, and the key a good one.
  unclear: 'warning',
  unreachable: 'warning',
} as const

const NEW_KEY = 'Make a new one in the Claude Console, and store it with `claude-fallback key set`.'

async function checkCaps({ config, log, now }: DoctorWorld): Promise<Check[]> {
  const name = 'caps'
  const { maxUsd, maxUsdPerDay, home } = config
  const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone
  const day = createDayOf(timeZone)(now())
  const entries = await openLedger({ home, log, now, timeZone }).read()
  const today = sumEntries(entries.filter((entry) => entry.day === day))
  const text = `${renderCap(maxUsdPerDay)} a day, ${renderCap(maxUsd)} a session; spent today: ${renderUsd(today)}`
  if (maxUsdPerDay === 0 || maxUsd === 0) {
    const repair = 'Raise CLAUDE_FALLBACK_MAX_USD_PER_DAY or CLAUDE_FALLBACK_MAX_USD, if it should be.'
    return [{ name, status: 'warning', text: `${text}: nothing is ever billed to the API`, repair }]
  }
  if (today.usd >= maxUsdPerDay) {
    const repair = 'It starts anew at midnight; CLAUDE_FALLBACK_MAX_USD_PER_DAY raises it.'
    return [{ name, status: 'warning', text: `${text}: the cap is reached`, repair }]
  }
  if (maxUsdPerDay !== Number.POSITIVE_INFINITY) return [{ name, status: 'ok', text }]
  const repair = 'Set CLAUDE_FALLBACK_MAX_USD_PER_DAY to what a day may cost at most.'
  return [{ name, status: 'warning', text, repair }]
}

function renderCap(usd: number): string {
  return Number.isFinite(usd) ? renderUsd({ usd, isLowerBound: false }) : 'no cap'
}

function checkShell({ env }: DoctorWorld): Check[] {
  const name = 'shell'
  const installed = findInstalled({ env })
  if (installed.length === 0) {
    const repair =
      '`claude-fallback install` adds claude-api, claude-sub and claude-mode; claudef works without them.'
    return [{ name, status: 'ok', text: `no shell functions are installed. ${repair}` }]
  }
  return installed.map(({ shell, file, isCurrent }): Check => {
    if (isCurrent) return { name, status: 'ok', text: `functions for ${shell}, ${file}` }
    const repair = `Run \`claude-fallback install --shell ${shell}\`.`
    return {
      name,
      status: 'warning',
      text: `the functions for ${shell} are not as they should be, ${file}`,
      repair,
    }
  })
}

const FUNCTIONS = ['claude-api', 'claude-sub', 'claude-mode']

/** What has the names of our functions, or of our programs: only a shell knows for sure what a name means in it. */
function checkNames({ env }: DoctorWorld): Check[] {
  const name = 'names'
  const checks: Check[] = ['claudef', 'claude-fallback']
    .filter((program) => !isOnPath(program, env))
    .map((program) => ({
      ...{ name, status: 'warning', text: `${program} is not on PATH, so shell functions do not find it` },
      repair: 'Put the folder of `npm prefix -g`, with /bin behind it, on PATH.',
    }))
  if (findInstalled({ env }).length === 0) return checks
  for (const program of FUNCTIONS.filter((each) => isOnPath(each, env))) {
    const text = `there is also a program ${program} on PATH, which scripts get in the place of the function`
    checks.push({ name, status: 'warning', text, repair: 'Rename it, or remove it.' })
  }
  for (const { file, line, word } of rcFiles(env).flatMap(findDefinitions)) {
    const text = `${file}, line ${line}, defines ${word}, too`
    checks.push({ name, status: 'warning', text, repair: 'Take it out, or make sure that it is meant.' })
  }
  return checks.length > 0
    ? checks
    : [{ name, status: 'ok', text: 'nothing else has the names of the functions' }]
}

function rcFiles(env: NodeJS.ProcessEnv): string[] {
  const home = homeFolder(env)
  const config = env.XDG_CONFIG_HOME || path.join(home, '.config')
  const posix = [
    '.bashrc',
    '.bash_profile',
    '.bash_login',
    '.bash_aliases',
    '.profile',
    '.zshenv',
    '.zprofile',
    '.zshrc',
    '.aliases',
  ]
  const zsh = env.ZDOTDIR ? [path.join(env.ZDOTDIR, '.zshrc')] : []
  const fish = ['config.fish', ...FUNCTIONS.map((each) => `functions/${each}.fish`)]
  const files = [
    ...posix.map((file) => path.join(home, file)),
    ...zsh,
    ...fish.map((file) => path.join(config, 'fish', file)),
  ]
  return [...new Set(files)]
}

/** `alias claude-api=…`, `claude-api() {`, `function claude-api`. Our own block has none of it. */
const DEFINITION =
  /^[ \t]*(?:\\?alias(?:[ \t]+-\w+)*[ \t]+['"]?(claude-(?:api|sub|mode))\b['"]?[ \t=]|function[ \t]+['"]?(claude-(?:api|sub|mode))(?![\w-])|['"]?(claude-(?:api|sub|mode))['"]?[ \t]*\(\))/

/** Larger files than this, in bytes, are written by no person. */
const LONGEST_RC = 1 << 20

function findDefinitions(file: string): { file: string; line: number; word: string }[] {
  let text: string
  try {
    const stats = fs.statSync(file)
    if (!stats.isFile() || stats.size > LONGEST_RC) return []
    text = fs.readFileSync(file, 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap((row, index) => {
    const word = DEFINITION.exec(row)?.slice(1).find(Boolean)
    return word === undefined ? [] : [{ file, line: index + 1, word }]
  })
}
