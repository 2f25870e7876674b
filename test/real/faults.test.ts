import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, expect, type TestContext, test } from 'vitest'
import type { Behaviour } from '../../fixtures/api/replies.js'
import { type Setup, setUp } from './claudef.ts'
import {
  expectWhole,
  FIRST_PROMPT,
  faults,
  helpersOf,
  isHelper,
  killIfAny,
  note,
  openWithTurn,
  renderTable,
  spins,
  untilQuiet,
} from './faults.ts'
import { askOnce, bottomRow, lastWords, openSession, turnsOf } from './limit.ts'
import { LIMITED_PROMPT, MOMENTS, type Moment } from './moments.ts'

const isFull = process.env.CLAUDEF_TEST_FULL === '1'
const table = fileURLToPath(new URL('./faults.md', import.meta.url))
const SWITCH_KEY = '\x1d'

/** A run of single tests, or of the core set, leaves the table alone. */
let isComplete = false

const tasks: TestContext['task'][] = []
beforeEach(({ task }) => void tasks.push(task))

afterAll(() => {
  const hasFailed = tasks.some(({ result }) => result?.state === 'fail')
  if (isComplete && !hasFailed) writeFileSync(table, renderTable())
})

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
  const outcome = await Promise.race([
    screen.exit.then(() => 'claudef ends as Claude Code did, the terminal restored'),
    expect
      .poll(() => setup.starts().length)
      .toBe(starts.length + 1)
      .then(() => 'the switch goes on'),
  ])
  await expectWhole(setup, screen, promptsAt(moment))
  note('Claude Code is killed, at a moment of a switch', outcome)
})

/** How long a helper lives before it is killed, in ms. */
const lives = [0, 5, 10, 15, 20, 30, 40, 60, 80, 120]

test.each(isFull ? lives : [0])('SIGKILL to each helper that fetches the key, %i ms old', async (ms) => {
  const setup = await setUp()
  const screen = await openWithTurn(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit(LIMITED_PROMPT)
  const seen = new Set<number>()
  const hunt = setInterval(() => {
    for (const pid of helpersOf(setup)) {
      if (!seen.has(pid)) setTimeout(() => isHelper(pid) && killIfAny(pid), ms)
      seen.add(pid)
    }
  }, 2)
  const isPaid = (text: string) => text.includes('Mock reply via api.')
  const isSaid = (text: string) => /API billing: |apiKeyHelper/.test(text)
  await screen.waitFor((text) => isPaid(text) || isSaid(text), 40_000).finally(() => clearInterval(hunt))
  expect(seen.size).toBeGreaterThan(0)
  expect(setup.starts().length).toBeLessThanOrEqual(3)
  const outcome = isPaid(screen.text()) ? 'one that lives long enough brings the key' : 'it is said'
  await expectWhole(setup, screen, [FIRST_PROMPT, LIMITED_PROMPT])
  note('each helper is killed, some ms old', `${outcome}; nothing loops`)
})

/** The subscription's limit has been met, and the key has paid for an answer. */
async function openOnKey(setup: Setup, limit: Extract<Behaviour, { type: 'limit' }> = { type: 'limit' }) {
  const screen = await openWithTurn(setup)
  setup.api.setBehaviour({ subscription: limit })
  await screen.submit(LIMITED_PROMPT)
  await screen.waitFor('Mock reply via api.')
  return screen
}

const said = 'Claude Code says so; the next prompt goes on'

test.each<[string, Behaviour, string]>([
  ['hangs', { type: 'hang' }, 'Claude Code waits; Esc and the next prompt go on'],
  ['answers garbage', { type: 'garbage' }, said],
  ['closes in the middle of an answer', { type: 'cut' }, said],
  ['refuses the key for a while', { type: 'badKey' }, `${said} once the key is taken again`],
  [
    'refuses the signature of a thinking block',
    { type: 'thinking' },
    'the row says it, and to use Claude Code 2.1.152 or later; the next prompt goes on',
  ],
])('the API %s', async (fault, behaviour, outcome) => {
  const setup = await setUp()
  const screen = await openOnKey(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' }, api: behaviour })
  const asked = turnsOf(setup, 'api').length
  await screen.submit('and the number 4712')
  await expect.poll(() => turnsOf(setup, 'api').length).toBeGreaterThan(asked)
  // A prompt that comes before the end of the turn is queued, and an Escape with a letter behind it is another key.
  if (behaviour.type === 'hang') {
    await screen.waitFor(spins)
    screen.key('Escape')
  }
  await untilQuiet(setup, screen)
  if (behaviour.type === 'thinking')
    await screen.waitFor(() => /update Claude Code \(2\.1\.152 or later\)/.test(bottomRow(screen)))
  setup.api.setBehaviour({
    subscription: { type: 'limit' },
    api: { type: 'answer', text: 'It is well again.' },
  })
  await screen.submit('and the number 4713')
  await expect.poll(() => lastWords(turnsOf(setup, 'api').at(-1)).join('\n')).toContain('4713')
  await screen.waitFor('It is well again.')
  expect(setup.starts()).toHaveLength(2)
  await expectWhole(setup, screen, [FIRST_PROMPT, LIMITED_PROMPT, '4712', '4713'])
  note(`the API ${fault}`, outcome)
})

const refused = () => /API billing: .*(?:Invalid API key|Please run \/login)/

test('the key is revoked before the reset: it is said, and never offered again', async () => {
  const setup = await setUp()
  const screen = await openOnKey(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' }, api: { type: 'badKey' } })
  await screen.submit('and the number 4712')
  await screen.waitFor(() => refused().test(bottomRow(screen)))
  await untilQuiet(setup, screen)
  expect(setup.starts()).toHaveLength(2)
  screen.type(SWITCH_KEY)
  await screen.waitFor('Go back to your subscription?')
  screen.key('Enter')
  await screen.waitFor('Claude Max')
  const paid = turnsOf(setup, 'api').length
  await screen.submit('and the number 4713')
  await screen.waitFor(() => bottomRow(screen).includes('the API refused the key'))
  screen.type(SWITCH_KEY)
  await untilQuiet(setup, screen)
  expect(bottomRow(screen)).not.toContain('Enter yes')
  expect([setup.starts().length, turnsOf(setup, 'api').length]).toEqual([3, paid])
  await expectWhole(setup, screen, [FIRST_PROMPT, LIMITED_PROMPT, '4712', '4713'])
  note(
    'the key is revoked in the middle, before the reset',
    'it is said; the way back is open, and the key is never offered again',
  )
})

test('the key is revoked before the reset, and the reset comes: the session returns', async () => {
  const setup = await setUp()
  // One goes back a minute after the reset.
  const resetsAt = Math.floor(Date.now() / 1000) - 60 + 40
  const screen = await openOnKey(setup, { type: 'limit', resetsAt })
  setup.api.setBehaviour({ subscription: { type: 'limit', resetsAt }, api: { type: 'badKey' } })
  await screen.submit('and the number 4712')
  await screen.waitFor(() => refused().test(bottomRow(screen)))
  expect(setup.starts()).toHaveLength(2)
  setup.api.setBehaviour({ api: { type: 'badKey' } })
  await screen.waitFor(() => /^ Back on your subscription/.test(bottomRow(screen)), 60_000)
  await screen.waitFor('Claude Max')
  await askOnce(screen, 'and the number 4713')
  expect(setup.starts()).toHaveLength(3)
  await expectWhole(setup, screen, [FIRST_PROMPT, LIMITED_PROMPT, '4712', '4713'])
  note(
    'the key is revoked in the middle, and the reset comes',
    'the session returns to the subscription by itself, and goes on there',
  )
})

const goesOn = 'the switch goes on, and the session with it'

test.each<[string, Parameters<typeof setUp>[0] & object, 'fill' | 'lock', string]>([
  [
    'the disk of what claudef writes is full (Claude Code’s own is not)',
    { disk: 'home and temporary' },
    'fill',
    goesOn,
  ],
  ['the folder of state, ledger and log is read-only', { disk: 'home' }, 'lock', goesOn],
  [
    'all folders that claudef writes to are read-only',
    { disk: 'home and temporary' },
    'lock',
    'no switch, which is said; the session goes on',
  ],
])('%s', async (fault, options, trouble, outcome) => {
  const setup = await setUp(options)
  const screen = await openWithTurn(setup)
  await setup.disk?.[trouble]()
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit(LIMITED_PROMPT)
  if (outcome === goesOn) {
    await screen.waitFor('Mock reply via api.')
    expect(setup.starts()).toHaveLength(2)
  } else {
    await screen.waitFor(() => bottomRow(screen).includes('No switch: '))
    setup.api.setBehaviour({})
    await untilQuiet(setup, screen)
    await screen.submit('and the number 4712')
    await expect.poll(() => lastWords(turnsOf(setup, 'subscription').at(-1)).join('\n')).toContain('4712')
    expect(setup.starts()).toHaveLength(1)
  }
  await expectWhole(setup, screen, [FIRST_PROMPT, LIMITED_PROMPT])
  if (trouble === 'lock') setup.disk?.unlock()
  // What could not be removed then the next session takes away.
  await (await openSession(setup)).end()
  note(fault, outcome)
})

test('the table has each fault, and is written where all of them were tried to the full', () => {
  isComplete = isFull && faults().length === 13
  const text = existsSync(table) ? readFileSync(table, 'utf8') : ''
  if (!isComplete) expect(faults().filter((fault) => !text.includes(fault))).toEqual([])
})
