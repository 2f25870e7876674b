import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import type { Behaviour } from '../../fixtures/api/replies.js'
import type { Screen } from '../support/screen.ts'
import { eventually, type Setup, setUp } from './claudef.ts'
import { processesIn } from './leak.ts'
import { lastWords, turnsOf } from './limit.ts'
import { LIMITED_PROMPT, MOMENTS, type Moment } from './moments.ts'

const isFull = process.env.CLAUDEF_TEST_FULL === '1'
const table = fileURLToPath(new URL('./faults.md', import.meta.url))
const FIRST_PROMPT = 'remember the number 4710'

/** What was tried, and how it went: written down once all of it has been. */
const outcomes = new Map<string, { runs: number; outcomes: Set<string> }>()

function note(fault: string, outcome: string): void {
  const known = outcomes.get(fault) ?? { runs: 0, outcomes: new Set() }
  outcomes.set(fault, { runs: known.runs + 1, outcomes: known.outcomes.add(outcome) })
}

afterAll(() => {
  const rows = [...outcomes].map(
    ([fault, { runs, outcomes }]) => `| ${fault} | ${runs} | ${[...outcomes].join('; ')} |`,
  )
  const head = `# Faults on the real Claude Code

Written by \`npm run test:real -- faults${isFull ? ' --full' : ''}\`. After each run: no process is left, the terminal has the attributes it
had before (where claudef lived to put them back), claudef's files are whole, and the conversation goes on with every
prompt in it.

| Fault | Runs | Outcome |
| --- | --- | --- |
`
  if (isComplete) writeFileSync(table, `${head}${rows.join('\n')}\n`)
})

/** A run of single tests leaves the table alone. */
let isComplete = false

/** One turn that the subscription pays stands on the disk. */
async function openWithTurn(setup: Setup): Promise<Screen> {
  const screen = await setup.run([], { compareTermios: true })
  await screen.waitFor('Claude Max')
  await screen.submit(FIRST_PROMPT)
  await screen.waitFor('Mock reply via subscription.')
  await eventually(() => JSON.stringify(setup.home.transcripts())).toContain('Mock reply via subscription.')
  return screen
}

/** What must hold after any fault. */
async function expectWhole(setup: Setup, screen: Screen, prompts: string[]): Promise<void> {
  const isKilled = (await endOf(screen)).code === 128 + 9
  await eventually(() => processesIn(setup.home.root)).toEqual([])
  if (!isKilled) expect(screen.attributes().after).toBe(screen.attributes().before)
  expectWholeFiles(setup)
  const args = setup.starts()[0]?.args ?? []
  const sessionId = args[args.indexOf('--session-id') + 1] ?? ''
  setup.api.setBehaviour({})
  const again = await setup.run(['--resume', sessionId])
  // A long conversation leaves no room for the header.
  await again.waitFor('shift+tab to cycle')
  await again.submit('and now?')
  await eventually(() => lastWords(turnsOf(setup, 'subscription').at(-1)).join('\n')).toContain('and now?')
  const sent = JSON.stringify(turnsOf(setup, 'subscription').at(-1)?.body.messages)
  for (const prompt of prompts) expect(sent).toContain(prompt)
  await endOf(again)
}

async function endOf(screen: Screen) {
  try {
    screen.signal('SIGTERM')
  } catch {
    // It has ended already.
  }
  return screen.exit
}

function expectWholeFiles({ home }: Setup): void {
  for (const name of readdirSync(home.home).filter((name) => /^\.claude_fallback.*\.jsonl?$/.test(name))) {
    const text = readFileSync(join(home.home, name), 'utf8')
    if (name.endsWith('.json')) expect(() => JSON.parse(text), name).not.toThrow()
    if (!name.endsWith('.jsonl')) continue
    for (const line of text.split('\n').filter((line) => line !== ''))
      expect(() => JSON.parse(line)).not.toThrow()
  }
  expect(() => JSON.parse(readFileSync(join(home.home, '.claude.json'), 'utf8'))).not.toThrow()
}

const promptsAt = ({ isAfterLimit }: Moment) =>
  isAfterLimit ? [FIRST_PROMPT, LIMITED_PROMPT] : [FIRST_PROMPT]

/** Of ten moments the core set takes those in which something is half done. */
const moments = (names: string[]) =>
  MOMENTS.filter(({ name }) => name !== 'at the start' && (isFull || names.includes(name)))

test.each(moments(['30 ms into the switch', 'at the first request on the key']))(
  'SIGKILL to claudef $name',
  async (moment) => {
    const setup = await setUp()
    const screen = await openWithTurn(setup)
    await moment.come(setup, screen)
    screen.signal('SIGKILL')
    await expectWhole(setup, screen, promptsAt(moment))
    note(
      'claudef is killed, at a moment of a switch',
      'Claude Code ends with its terminal, and is resumed by hand',
    )
  },
)

test.each(
  moments(['80 ms into the switch', 'while the second one starts', 'after the first answer on the key']),
)('SIGKILL to Claude Code $name', async (moment) => {
  const setup = await setUp()
  const screen = await openWithTurn(setup)
  await moment.come(setup, screen)
  const starts = setup.starts()
  killIfAny(starts.at(-1)?.pid)
  const ended = await Promise.race([
    screen.exit,
    eventually(() => setup.starts().length).toBe(starts.length + 1),
  ])
  await expectWhole(setup, screen, promptsAt(moment))
  const how =
    ended === undefined ? 'the switch goes on' : 'claudef ends as Claude Code did, the terminal restored'
  note('Claude Code is killed, at a moment of a switch', how)
})

test.each(isFull ? [1, 2, 3, 4, 5] : [1])('SIGKILL to the helper that fetches the key, run %i', async () => {
  const setup = await setUp()
  const screen = await openWithTurn(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit(LIMITED_PROMPT)
  let killed = 0
  const hunt = setInterval(() => {
    for (const pid of helpersOf(setup)) killed += Number(killIfAny(pid))
  }, 2)
  const isOver = (text: string) =>
    text.includes('Mock reply via api.') || /API billing: |apiKeyHelper/.test(text)
  await screen.waitFor(isOver, 40_000).finally(() => clearInterval(hunt))
  expect(killed).toBeGreaterThan(0)
  expect(setup.starts().length).toBeLessThanOrEqual(3)
  await expectWhole(setup, screen, [FIRST_PROMPT, LIMITED_PROMPT])
  note(
    'the helper is killed each time that it runs',
    'it is said, or a later one brings the key; nothing loops',
  )
})

test.each<[string, Behaviour, string]>([
  ['hangs', { type: 'hang' }, 'Claude Code waits; Esc and the next prompt go on'],
  ['answers garbage', { type: 'garbage' }, 'Claude Code says so; the next prompt goes on'],
  ['closes in the middle of an answer', { type: 'cut' }, 'Claude Code says so; the next prompt goes on'],
  [
    'refuses the key from now on',
    { type: 'badKey' },
    'Claude Code says so; the next prompt goes on once the key is taken again',
  ],
])('the API %s', async (fault, behaviour, outcome) => {
  const setup = await setUp()
  const screen = await openWithTurn(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit(LIMITED_PROMPT)
  await screen.waitFor('Mock reply via api.')
  setup.api.setBehaviour({ subscription: { type: 'limit' }, api: behaviour })
  const asked = turnsOf(setup, 'api').length
  await screen.submit('and the number 4712')
  await eventually(() => turnsOf(setup, 'api').length).toBeGreaterThan(asked)
  // A prompt that comes before the end of the turn is queued, and an Escape with a letter behind it is another key.
  const spins = (text: string) => /^. \S+…/m.test(text)
  if (behaviour.type === 'hang') {
    await screen.waitFor(spins)
    screen.key('Escape')
  }
  // Between a prompt and its request, and between two tries, it may be idle for a moment.
  let quiet = 0
  const isQuiet = () => statusOf(setup) === 'idle' && !spins(screen.text())
  await expect
    .poll(
      () => {
        quiet = isQuiet() ? quiet + 1 : 0
        return quiet
      },
      { timeout: 40_000, interval: 50 },
    )
    .toBeGreaterThan(20)
  setup.api.setBehaviour({
    subscription: { type: 'limit' },
    api: { type: 'answer', text: 'It is well again.' },
  })
  await screen.submit('and the number 4713')
  await eventually(() => lastWords(turnsOf(setup, 'api').at(-1)).join('\n')).toContain('4713')
  await screen.waitFor('It is well again.')
  expect(setup.starts()).toHaveLength(2)
  await expectWhole(setup, screen, [FIRST_PROMPT, LIMITED_PROMPT, '4712', '4713'])
  note(`the API ${fault}`, outcome)
})

test('the table is written where all of it was tried', () => {
  isComplete = outcomes.size === 7
  expect(existsSync(table) || isComplete).toBe(true)
})

function helpersOf({ starts }: Setup): number[] {
  const pid = starts().at(-1)?.pid ?? 0
  return childrenOf(pid)
    .flatMap((child) => [child, ...childrenOf(child)])
    .filter(isHelper)
}

function childrenOf(pid: number): number[] {
  const text = readIfAny(`/proc/${pid}/task/${pid}/children`)
  return text.split(' ').filter(Boolean).map(Number)
}

const isHelper = (pid: number) => readIfAny(`/proc/${pid}/cmdline`).includes('key-helper.js')

function killIfAny(pid: number | undefined): boolean {
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

/** What the last Claude Code to be started says of itself. */
function statusOf(setup: Setup): string {
  const pid = setup.starts().at(-1)?.pid ?? 0
  const file = join(setup.home.configDir, 'sessions', `${pid}.json`)
  return JSON.parse(readFileSync(file, 'utf8')).status
}
