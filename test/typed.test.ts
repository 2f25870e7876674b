import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { claudef, setUp as setUpClaudef } from './support/claudef.ts'
import { findProcesses, waitUntil } from './support/processes.ts'
import type { Screen } from './support/screen.ts'
import { bytesOf, createRandom, makeSteps, replay, type Step, type Typed, textOf } from './support/typed.ts'

const CONTINUE = 'Continue where you left off.'

/** It shows where the cursor stands. */
const MARKER = '¦'

const RUNS = Number(process.env.CLAUDEF_TYPED_RUNS ?? 200)
const FIRST_SEED = Number(process.env.CLAUDEF_TYPED_SEED ?? 1)
const AT_ONCE = 4

const settings = {
  CLAUDE_FALLBACK_AUTO_RESTART: '1',
  CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-the-tests-of-claudef-wxyz',
  CLAUDE_FALLBACK_NOTIFY: '0',
}

/** claudef with a clock that jumps 21 s ahead once a file is there. */
const launcher = (root: string) => `
import fs from 'node:fs'
import { launch } from ${JSON.stringify(new URL('../dist/launch.js', import.meta.url).href)}
fs.writeFileSync(${JSON.stringify(join(root, 'pid'))}, String(process.pid))
const ending = await launch({
  argv: process.argv.slice(2), env: process.env, cwd: process.cwd(), own: ${JSON.stringify(claudef)},
  isTerminal: { stdin: true, stdout: true, stderr: true },
  openStdin: () => process.stdin, openStdout: () => process.stdout,
  warn: (sentence) => fs.writeSync(2, 'claudef: ' + sentence + '\\n'),
  now: () => Date.now() + (fs.existsSync(${JSON.stringify(join(root, 'jump'))}) ? 21_000 + 20 * (Date.now() - (globalThis.jumpedAt ??= Date.now())) : 0),
})
process.exit(ending.type === 'exit' ? ending.code : 1)
`

/** A shell with job control that brings back at once what has stopped. */
const backAtOnce =
  'set -m; "$@"; status=$?; while [ $status -ge 146 ] && [ $status -le 150 ]; do fg; status=$?; done; exit $status'

type Trace = { event: string; billing?: string; prompt?: string; box?: Box }
type Box = { text: string; cursor: number; pastes: string[] }

function setUp() {
  const setup = setUpClaudef()
  onTestFinished(setup.tearDown)
  return extend(setup)
}

function extend(setup: ReturnType<typeof setUpClaudef>) {
  const { home, file, write } = setup
  write('launcher.mjs', launcher(home.root))
  const env = {
    ...settings,
    FAKE_CLAUDE_TRACE: file('trace.jsonl'),
    FAKE_CLAUDE_LIMIT_FILE: file('limit'),
  }
  return {
    ...setup,
    open: (more: Record<string, string> = {}, cols = 100) =>
      setup.draw([], {
        file: '/bin/sh',
        args: ['-c', backAtOnce, 'sh', process.execPath, file('launcher.mjs')],
        env: { ...env, ...more },
        rows: 40,
        cols,
      }),
    touch: (name: string) => writeFileSync(file(name), ''),
    pid: () => Number(readFileSync(file('pid'), 'utf8')),
    trace: () => readLines<Trace>(file('trace.jsonl')),
    draftFile: join(home.home, '.claude_fallback_draft'),
  }
}

type Setup = ReturnType<typeof extend>

function readLines<T>(path: string): T[] {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as T)
}

test(`all that is typed around a switch arrives (${RUNS} random schedules)`, async () => {
  const seeds = Array.from({ length: RUNS }, (_, index) => FIRST_SEED + index)
  const failures: string[] = []
  const work = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      await runSchedule(seed).catch((error) =>
        failures.push(
          `seed ${seed}: ${error.stack} ${error.diff ?? ''} ${JSON.stringify([error.actual, error.expected])}`,
        ),
      )
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  expect(failures.length, failures.slice(0, 3).join('\n\n')).toBe(0)
}, 600_000)

async function runSchedule(seed: number): Promise<void> {
  const setup = extend(setUpClaudef())
  try {
    const schedule = await playSchedule(setup, seed)
    await checkSchedule(setup, schedule)
  } finally {
    await setup.tearDown()
  }
}

type Schedule = { screen: Screen; steps: Step[] }

async function playSchedule(setup: Setup, seed: number): Promise<Schedule> {
  const random = createRandom(seed)
  const screen = await setup.open({
    FAKE_CLAUDE_REPLY_MS: String(20 + Math.floor(random() * 60)),
    FAKE_CLAUDE_KEEP_KEYS: '1',
  })
  await screen.waitFor('Claude Max')
  const steps: Step[] = []
  const state: Typed = replay([])
  const how = { isWide: random() < 0.4, mayDoubt: random() < 0.25, from: state, name: 'w' }
  const type = async (next: Step[]) => {
    for (const step of next) {
      steps.push(step)
      screen.type(bytesOf(step))
      if (random() < 0.6) await sleep(random() * 15)
    }
  }
  const more = (count: number, name: string) =>
    makeSteps(random, { ...how, count: Math.ceil(random() * count), name })
  await type(more(12, 'a'))
  if (random() < 0.2) await suspend(screen)
  // A turn that runs, prompts that wait for it, and the limit for all that follows it.
  await type(submit(state, random() < 0.4 ? 'work 200' : 'first'))
  setup.touch('limit')
  if (random() < 0.5) await type(more(6, 'b'))
  for (let queued = Math.floor(random() * 3); queued > 0; queued--) {
    await type([...more(4, `q${queued}x`), ...submit(state, `queued${queued}`)])
  }
  await type(submit(state, 'limited'))
  await type(more(10, 'c'))
  if (random() < 0.4) disturb(screen, setup, random)
  await type(more(14, 'd'))
  await waitForSwitch(setup, screen)
  if (random() < 0.3) disturb(screen, setup, random)
  await type(more(8, 'e'))
  return { screen, steps }
}

/** Types a prompt on a line of its own and sends it. */
function submit(state: Typed, text: string): Step[] {
  const steps: Step[] = [...(state.cells.length === 0 ? [] : [{ type: 'enter' as const }])]
  steps.push({ type: 'text', text }, { type: 'enter' })
  replay(steps, state)
  return steps
}

async function suspend(screen: Screen): Promise<void> {
  const count = () => screen.raw().toString('latin1').split('\x1b[?2004h').length
  const before = count()
  // In one read with others the key would be dropped.
  await sleep(100)
  screen.key('Ctrl+Z')
  await waitUntil(() => count() > before)
  await sleep(100)
}

function disturb(screen: Screen, setup: Setup, random: () => number): void {
  if (random() < 0.6) return screen.resize(60 + Math.floor(random() * 60), 20 + Math.floor(random() * 20))
  const pid = setup.pid()
  process.kill(pid, 'SIGSTOP')
  setTimeout(() => process.kill(pid, 'SIGCONT'), random() * 100)
}

/** Where it waits for a draft that is not sure, 20 s pass by the clock. */
async function waitForSwitch(setup: Setup, screen: Screen): Promise<void> {
  await screen.waitFor((text) => {
    if (text.includes('waits for your draft')) setup.touch('jump')
    return /^ API billing /m.test(text)
  })
}

async function checkSchedule(setup: Setup, { screen, steps }: Schedule): Promise<void> {
  screen.type(MARKER)
  const draft = () => (existsSync(setup.draftFile) ? readFileSync(setup.draftFile, 'utf8') : undefined)
  const promptsNow = () => promptsOf(setup)
  const lasts = () => candidates(steps, draft(), existsSync(setup.file('jump')))
  await waitUntil(() => lasts().some(({ prompts }) => isSame(prompts, promptsNow()))).catch(() => {
    const short = (prompts: string[] = []) =>
      prompts.map((prompt) => `${prompt.length} ${prompt.slice(0, 60)}`)
    expect(short(promptsNow()), describe(setup, screen)).toEqual(short(lasts()[0]?.prompts))
    throw new Error('long prompts differ')
  })
  await waitUntil(() => isAnswered(setup))
  await screen.waitFor(MARKER)
  const kept = draft()
  if (kept !== undefined) expect(statSync(setup.draftFile).mode & 0o777).toBe(0o600)
  process.kill(setup.pid(), 'SIGTERM')
  await screen.exit
  expect(existsSync(setup.draftFile)).toBe(false)
  const exits = setup.trace().filter(({ event }) => event === 'exit')
  const box = wholeBox(exits.at(-1)?.box)
  const expected = candidates(steps, kept, existsSync(setup.file('jump')))
    .filter(({ prompts }) => isSame(prompts, promptsNow()))
    .map((typed) => textOf(replay([{ type: 'text', text: MARKER }], typed)))
  expect(expected, describe(setup, screen)).toContain(box)
  expect(setup.trace().filter(({ event }) => event === 'start')).toHaveLength(2)
}

/** What may have arrived: all of it; or, after a draft that was not sure, what followed the one that the file keeps. */
function candidates(steps: Step[], kept: string | undefined, wasUnsure: boolean): Typed[] {
  const splits = wasUnsure && kept !== undefined ? steps.map((_, index) => index + 1) : []
  const parted = splits.flatMap((split) => {
    const before = replay(steps.slice(0, split))
    if (textOf(before) !== kept) return []
    const after = replay(steps.slice(split))
    return [{ ...after, prompts: [...before.prompts, ...after.prompts] }]
  })
  return [...parted, replay(steps)]
}

/** What the user has sent, in order. */
function promptsOf({ home }: Setup): string[] {
  const rows = home.transcripts().flatMap((transcript) => transcript.rows)
  const typed = rows.filter((row) => row.type === 'user' && row.isMeta !== true).map(contentOf)
  expect(typed.filter((text) => text === CONTINUE).length).toBeLessThanOrEqual(1)
  return typed.filter((text) => text !== CONTINUE)
}

/** Behind the last prompt stands an answer that is no error. */
function isAnswered({ home }: Setup): boolean {
  const rows = home.transcripts().flatMap((transcript) => transcript.rows)
  const last = rows.findLastIndex((row) => row.type === 'user')
  return rows.slice(last).some((row) => row.type === 'assistant' && row.isApiErrorMessage !== true)
}

function contentOf(row: Record<string, unknown>): string {
  const { content } = row.message as { content: string | { text?: string }[] }
  return typeof content === 'string' ? content : content.map(({ text }) => text ?? '').join('')
}

function wholeBox(box: Box | undefined): string | undefined {
  return box?.text.replace(
    /[\u{f0000}-\u{ffffd}]/gu,
    (mark) => box.pastes[(mark.codePointAt(0) ?? 0) - 0xf0000] ?? '',
  )
}

function isSame(one: string[], other: string[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function describe(setup: Setup, screen: Screen): string {
  return `${setup.log()}\n${screen.text()}`
}

/** The fake has begun to switch: from here on no child takes keys. */
async function reachSwitch(setup: Setup, more: Record<string, string> = {}): Promise<Screen> {
  const screen = await setup.open(more)
  await screen.waitFor('Claude Max')
  setup.touch('limit')
  await screen.submit('name a prime')
  await screen.waitFor('Going on with API billing')
  return screen
}

test.each([
  ['Ctrl+C', '\x03'],
  ['Ctrl+D', '\x04'],
  ['Ctrl+C, kitty', '\x1b[99;5u'],
])('%s in the middle of a switch stops here', async (_, key) => {
  const setup = setUp()
  const screen = await setup.draw([], {
    env: { ...settings, FAKE_CLAUDE_LIMIT: 'five_hour' },
    compareTermios: true,
  })
  await screen.waitFor('Claude Max')
  await screen.submit('name a prime')
  await screen.waitFor('Going on with API billing')
  screen.type(key)
  await screen.exit
  const { before, after } = screen.attributes()
  expect(after).toBe(before)
  expect(screen.modes()).toMatchObject({
    bracketedPasteMode: false,
    buffer: 'normal',
    mouseTrackingMode: 'none',
  })
  const [transcript] = setup.home.transcripts()
  expect(screen.text().replace(/\n/g, '')).toContain(`Go on with: claudef --resume ${transcript?.sessionId}`)
  expect(promptsOf(setup)).toEqual(['name a prime'])
  expect(isAnswered(setup)).toBe(false)
  await waitUntil(() => findProcesses(`HOME=${setup.home.home}`).length === 0)
  expect(setup.leftovers()).toEqual([])
})

test('a paste in the middle of a switch stays one paste', async () => {
  const setup = setUp()
  const screen = await reachSwitch(setup)
  await screen.waitFor('API Usage Billing')
  const off = screen.raw().toString('latin1').split('\x1b[?2004l').slice(1)
  expect(off.length).toBeGreaterThan(0)
  // At once, before any other output than that of modes.
  for (const rest of off) expect(rest).toMatch(/^(\x1b[^\x1b]{1,12}){0,20}\x1b\[\?2004h/)
})

test('an automatic switch waits for a draft that is not sure, and keeps its text', async () => {
  const setup = setUp()
  const screen = await setup.open({}, 140)
  await screen.waitFor('Claude Max')
  setup.touch('limit')
  await screen.submit('work 3000')
  await screen.waitFor('esc to interrupt')
  screen.type('half a thought')
  await screen.waitFor('half a thought')
  screen.key('Up')
  await screen.waitFor('waits for your draft')
  // A mouse that moves is no key.
  screen.type('\x1b[<35;5;5M')
  setup.touch('jump')
  await screen.waitFor('API Usage Billing')
  await screen.waitFor('claude-fallback draft')
  expect(readFileSync(setup.draftFile, 'utf8')).toBe('half a thought')
  expect(statSync(setup.draftFile).mode & 0o777).toBe(0o600)
  process.kill(setup.pid(), 'SIGTERM')
  await screen.exit
  expect(existsSync(setup.draftFile)).toBe(false)
})

test('an automatic switch goes on as soon as the draft has been sent', async () => {
  const setup = setUp()
  const screen = await setup.open()
  await screen.waitFor('Claude Max')
  setup.touch('limit')
  await screen.submit('work 3000')
  await screen.waitFor('esc to interrupt')
  screen.type('half a thought')
  screen.key('Up')
  await screen.waitFor('waits for your draft')
  screen.key('Enter')
  await screen.waitFor('API Usage Billing')
  await waitUntil(() => isAnswered(setup))
  expect(promptsOf(setup)).toEqual(['work 3000', 'half a thought'])
})
