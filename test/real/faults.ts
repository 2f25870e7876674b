import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Screen } from '../support/screen.ts'
import type { RunOptions, Setup } from './claudef.ts'
import { processesIn } from './leak.ts'
import { lastWords, turnsOf } from './limit.ts'

export const FIRST_PROMPT = 'remember the number 4710'

/** What was tried, and how it went. */
const outcomes = new Map<string, { runs: number; outcomes: Set<string> }>()

export const faults = () => [...outcomes.keys()]

export function note(fault: string, outcome: string): void {
  const known = outcomes.get(fault) ?? { runs: 0, outcomes: new Set() }
  outcomes.set(fault, { runs: known.runs + 1, outcomes: known.outcomes.add(outcome) })
}

/** faults.md */
export function renderTable(): string {
  const rows = [...outcomes].map(
    ([fault, { runs, outcomes }]) => `| ${fault} | ${runs} | ${[...outcomes].join('; ')} |`,
  )
  return `# Faults on the real Claude Code

Written by \`npm run test:real -- faults --full\`. After each run: no process is left, the terminal has the attributes it
had before (where claudef lived to put them back), claudef's files are whole, and the conversation goes on with every
prompt in it.

| Fault | Runs | Outcome |
| --- | --- | --- |
${rows.join('\n')}
`
}

/** One turn that the subscription pays stands on the disk. */
export async function openWithTurn(setup: Setup, options: RunOptions = {}): Promise<Screen> {
  const screen = await setup.run([], { compareTermios: true, ...options })
  await screen.waitFor('Claude Max')
  await screen.submit(FIRST_PROMPT)
  await screen.waitFor('Mock reply via subscription.')
  await expect.poll(() => JSON.stringify(setup.home.transcripts())).toContain('Mock reply via subscription.')
  return screen
}

/** What must hold after any fault. */
export async function expectWhole(setup: Setup, screen: Screen, prompts: string[]): Promise<void> {
  const isKilled = (await screen.end()).code === 128 + 9
  await expect.poll(() => processesIn(setup.home.root)).toEqual([])
  if (!isKilled) expect(screen.attributes().after).toBe(screen.attributes().before)
  expectWholeFiles(setup)
  const args = setup.starts()[0]?.args ?? []
  const sessionId = args[args.indexOf('--session-id') + 1] ?? ''
  setup.api.setBehaviour({})
  const again = await setup.run(['--resume', sessionId])
  // A long conversation leaves no room for the header.
  await again.waitFor('shift+tab to cycle')
  await again.submit('and now?')
  await expect.poll(() => lastWords(turnsOf(setup, 'subscription').at(-1)).join('\n')).toContain('and now?')
  const sent = JSON.stringify(turnsOf(setup, 'subscription').at(-1)?.body.messages)
  for (const prompt of prompts) expect(sent).toContain(prompt)
  await again.end()
}

function expectWholeFiles({ home, ownHome }: Setup): void {
  for (const name of readdirSync(ownHome).filter((name) => /^\.claude_fallback.*\.jsonl?$/.test(name))) {
    const text = readFileSync(join(ownHome, name), 'utf8')
    if (name.endsWith('.json')) expect(() => JSON.parse(text), name).not.toThrow()
    if (!name.endsWith('.jsonl')) continue
    for (const line of text.split('\n').filter((line) => line !== ''))
      expect(() => JSON.parse(line)).not.toThrow()
  }
  expect(() => JSON.parse(readFileSync(join(home.home, '.claude.json'), 'utf8'))).not.toThrow()
}

/** Between a prompt and its request, and between two tries, it may be idle for a moment. */
export async function untilQuiet(setup: Setup, screen: Screen): Promise<void> {
  let quiet = 0
  const isQuiet = () => statusOf(setup) === 'idle' && !spins(screen.text())
  const count = () => {
    quiet = isQuiet() ? quiet + 1 : 0
    return quiet
  }
  await expect.poll(count, { timeout: 40_000, interval: 50 }).toBeGreaterThan(20)
}

/** It works on an answer. */
export const spins = (text: string) => /^. \S+…/m.test(text)

/** What the last Claude Code to be started says of itself. */
function statusOf(setup: Setup): string {
  const pid = setup.starts().at(-1)?.pid ?? 0
  const file = join(setup.home.configDir, 'sessions', `${pid}.json`)
  return JSON.parse(readFileSync(file, 'utf8')).status
}

/** The programs that fetch the key for the last Claude Code to be started. */
export function helpersOf({ starts }: Setup): number[] {
  const pid = starts().at(-1)?.pid ?? 0
  return childrenOf(pid)
    .flatMap((child) => [child, ...childrenOf(child)])
    .filter(isHelper)
}

function childrenOf(pid: number): number[] {
  const text = readIfAny(`/proc/${pid}/task/${pid}/children`)
  return text.split(' ').filter(Boolean).map(Number)
}

export const isHelper = (pid: number) => readIfAny(`/proc/${pid}/cmdline`).includes('key-helper.js')

export function killIfAny(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}

function readIfAny(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
