import fs from 'node:fs'
import path from 'node:path'
import { type Companion, readCommandLine, USAGE_ERROR } from './companion.ts'
import { type Config, readConfig } from './config.ts'
import { describeReset } from './core/limit-words.ts'
import { modeEnd, startBilling } from './core/mode.ts'
import { plainText } from './core/plain-text.ts'
import type { Billing } from './core/policy.ts'
import { clearLimits, modeInForce, type SharedState } from './core/shared-state.ts'
import { renderUsd } from './core/spend.ts'
import { findObstacle } from './core/status.ts'
import { lookUpKey } from './key-sources.ts'
import { openSharedState } from './state.ts'

const MODE = {
  name: 'mode',
  options: { json: { type: 'boolean' } },
  words: { least: 0, most: 1 },
  help: `Usage: claude-fallback mode [api|subscription] [--json]

Without a word: prints what a new claudef session starts on, as one word, api or subscription.

  api           new sessions start on your API key, until the last known limit resets, or for 24 hours where no
                reset is known; refused where no key is found or the daily cap is 0
  subscription  ends that
  --json        prints { "version": 1, "billing", "source", "until" } instead of the word

Sessions that run already stay as they are. CLAUDE_FALLBACK_BILLING, and billing in the config file, go before it.
Exits 1 where the mode is refused or cannot be saved.
`,
} as const

const CLEAR = {
  name: 'clear',
  options: {},
  help: `Usage: claude-fallback clear

Forgets the usage limits that were detected, for all sessions, and removes the flag file. One that still holds is
detected again. Exits 1 where the state cannot be saved.
`,
} as const

type ModeCommand = Companion & {
  /** IANA zone of clock times. Default: the system's. */
  timeZone?: string
}

type Work = ModeCommand & { config: Config; store: ReturnType<typeof openSharedState>; name: string }

/** `claude-fallback mode`: shows or sets what new sessions start on. @returns 1 where it is refused or not saved */
export async function runMode(companion: ModeCommand): Promise<number> {
  const line = readCommandLine(companion, MODE)
  if (line.exitCode !== undefined) return line.exitCode
  const [word] = line.words
  if (word !== undefined && word !== 'api' && word !== 'subscription') {
    companion.stderr.write(
      `claude-fallback mode: Invalid mode '${plainText(word)}': use 'api' or 'subscription'.\n`,
    )
    return USAGE_ERROR
  }
  const work = begin(companion, MODE.name)
  const exitCode = word === undefined ? 0 : await setMode(word, work)
  if (exitCode !== 0) return exitCode
  await showMode(work, { isJson: line.values.json === true, isSet: word !== undefined })
  return 0
}

/** `claude-fallback clear`: forgets the limits. @returns 1 where the state cannot be saved */
export async function runClear(companion: ModeCommand): Promise<number> {
  const line = readCommandLine(companion, CLEAR)
  if (line.exitCode !== undefined) return line.exitCode
  const work = begin(companion, CLEAR.name)
  let known = 0
  const state = await work.store.update((before) => {
    known = before.limits.length
    return clearLimits(before)
  })
  const flag = path.join(work.config.home, '.claude_fallback_active')
  if (state === undefined) return fail(work, `the limits are not forgotten: ${unsaved(work)}`)
  if (fs.existsSync(flag)) return fail(work, `${flag} could not be removed. Remove it by hand.`)
  const limits = `${known} ${known === 1 ? 'limit' : 'limits'}`
  companion.stdout.write(known === 0 ? 'No limit was known: nothing to forget.\n' : `Forgot ${limits}.\n`)
  if (modeInForce(state, companion.now()) === 'api') {
    const end = renderEnd(state.mode?.until ?? 0, work)
    companion.stdout.write(
      `New sessions still start on API billing until ${end}; \`claude-fallback mode subscription\` ends it.\n`,
    )
  }
  return 0
}

/** The store's troubles are told at once: there is no session whose screen they could disturb. */
function begin(companion: ModeCommand, name: string): Work {
  const { config } = readConfig(companion.env)
  const log = (message: string) => tell({ ...companion, name }, message)
  return {
    ...companion,
    config,
    name,
    store: openSharedState({ home: config.home, now: companion.now, log }),
  }
}

async function setMode(billing: Billing, work: Work): Promise<number> {
  if (billing === 'api') {
    const refusal = await findRefusal(work)
    if (refusal !== undefined) return fail(work, refusal)
  }
  const change = (state: SharedState): SharedState => {
    const until = modeEnd(state, work.now())
    return { ...state, mode: billing === 'api' ? { billing, until } : undefined }
  }
  const state = await work.store.update(change)
  return state === undefined ? fail(work, `the mode is not changed: ${unsaved(work)}`) : 0
}

async function findRefusal({ config, env, ...work }: Work): Promise<string | undefined> {
  const problems = readConfig(env).problems
  const found = await lookUpKey({ config, env, log: (message) => problems.push(message) })
  const obstacle = findObstacle({ hasKey: found.type === 'key', caps: config })
  if (obstacle === undefined) return undefined
  for (const problem of problems) tell(work, problem)
  const why =
    found.type === 'refused' ? `the key from ${found.source} is refused: ${found.reason}` : obstacle.why
  return `the mode is not changed: ${why.replace(/\.$/, '')}. ${obstacle.repair}`
}

async function showMode(work: Work, { isJson, isSet }: { isJson: boolean; isSet: boolean }): Promise<void> {
  const { config, store, stdout, now } = work
  const state = await store.read()
  const start = startBilling(state, {
    now: now(),
    chosen: config.billing,
    source: config.sources.billing,
  })
  const mode = modeInForce(state, now())
  if (isSet && start.billing !== mode) {
    tell(
      work,
      `the mode is ${mode}, but new sessions start on ${start.billing}: ${nameSource(start.source)} says so.`,
    )
  }
  if (isJson) {
    const until = start.until === undefined ? null : new Date(start.until).toISOString()
    const { billing, source } = start
    stdout.write(`${JSON.stringify({ version: 1, billing, source, until })}\n`)
    return
  }
  stdout.write(`${start.billing}\n`)
  if (stdout.isTTY) stdout.write(`${renderDetails(start, work)}\n`)
}

function renderDetails({ source, until }: ReturnType<typeof startBilling>, work: Work): string {
  if (source === 'default') return 'New sessions start on your subscription.'
  if (source !== 'mode' || until === undefined) return `${nameSource(source)} says so.`
  const { maxUsdPerDay: usd } = work.config
  const cap = Number.isFinite(usd)
    ? `At most ${renderUsd({ usd, isLowerBound: false })} a day`
    : 'No daily cap'
  return `Until ${renderEnd(until, work)}. ${cap}. \`claude-fallback mode subscription\` ends it.`
}

function nameSource(source: ReturnType<typeof startBilling>['source']): string {
  switch (source) {
    case 'environment':
      return 'CLAUDE_FALLBACK_BILLING'
    case 'file':
      return 'billing in the config file'
    case 'mode':
    case 'default':
      return 'the mode'
  }
}

function renderEnd(until: number, { now, timeZone }: ModeCommand): string {
  const zone = timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  return describeReset(until, { now: now(), timeZone: zone })
}

function unsaved({ store }: Work): string {
  return `${store.file} cannot be written. Make sure that its folder is yours to write to, or set CLAUDE_FALLBACK_HOME.`
}

function fail(work: Pick<Work, 'stderr' | 'name'>, sentence: string): number {
  tell(work, sentence)
  return 1
}

function tell({ stderr, name }: Pick<Work, 'stderr' | 'name'>, sentence: string): void {
  stderr.write(`claude-fallback ${name}: ${plainText(sentence)}\n`)
}
