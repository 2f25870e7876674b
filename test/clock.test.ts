import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Setup, setUp } from './support/claudef.ts'
import { clock } from './support/clock.ts'

const HOUR_MS = 3_600_000

let setup: Setup
afterEach(() => setup.tearDown())

/** A session that has met a limit, which ends in two hours, and goes on with the key. */
async function startOnKey(env: Record<string, string> = {}, aheadMs = 0, shows = '(via API)') {
  setup = setUp({ settings: { autoContinueAtUsageLimit: false } })
  const limited = setup.file('limited')
  const setClock = (ms: number) => writeFileSync(setup.file('ahead'), String(ms))
  const setLimit = (isLimited: boolean) => (isLimited ? writeFileSync(limited, '') : rmSync(limited))
  setup.write('clock.mjs', clock(setup.file('ahead')))
  setLimit(true)
  setClock(aheadMs)
  const whole = {
    NODE_OPTIONS: `--import=${setup.file('clock.mjs')}`,
    CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-tests',
    CLAUDE_FALLBACK_AUTO_RESTART: '1',
    CLAUDE_FALLBACK_NOTIFY: '0',
    FAKE_CLAUDE_TRACE: setup.file('trace'),
    FAKE_CLAUDE_LIMIT_FILE: limited,
    FAKE_CLAUDE_OUTPUT_TOKENS: '10000',
    FAKE_CLAUDE_RESETS_AT: String(Math.floor((Date.now() + 2 * HOUR_MS) / 1000)),
    ...env,
  }
  const trace = () => readLines(setup.read('trace'))
  const screen = await setup.draw(['name a prime'], { env: whole, cols: 140 })
  await screen.waitFor(shows)
  const draw = (args: string[]) => setup.draw(args, { env: whole, cols: 140 })
  return {
    ...{ screen, setClock, setLimit, draw },
    /** The subscription is good again, and by the clock its reset has come. */
    passReset: () => {
      setLimit(false)
      setClock(2 * HOUR_MS + 61_000)
    },
    payers: () => trace().flatMap(({ event, billing }) => (event === 'start' ? [billing] : [])),
    prompts: () =>
      trace().flatMap(({ event, prompt, billing }) => (event === 'prompt' ? [[prompt, billing]] : [])),
  }
}

/** One goes back a minute after the reset. */
const dueAtOnce = () => ({ FAKE_CLAUDE_RESETS_AT: String(Math.floor(Date.now() / 1000) - 59) })

function readLines(text: string) {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line))
}

/** USD that the ledger has, all of it whole rows. */
function spent(): number {
  const rows = readLines(readFileSync(join(setup.home.home, '.claude_fallback_spend.jsonl'), 'utf8'))
  const last = new Map(rows.map((row) => [`${row.run} ${row.sessionId} ${row.day}`, row.usd]))
  return [...last.values()].reduce((sum, usd) => sum + usd, 0)
}

const there = ['subscription', 'api']
const andBack = [...there, 'subscription']

/** What an answer of `FAKE_CLAUDE_OUTPUT_TOKENS` costs at the least, in USD. */
const ANSWER_USD = 0.2

test('set back on the key: what is spent counts, what fails is said, and the reset leads back', async () => {
  const { screen, setClock, passReset, payers } = await startOnKey()
  await expect.poll(spent).toBeGreaterThan(ANSWER_USD)
  const before = spent()
  setClock(-3 * HOUR_MS)
  await screen.submit('say the second')
  await screen.waitFor('● the second')
  await expect.poll(spent).toBeGreaterThan(before + ANSWER_USD)
  await screen.submit('credit')
  await screen.waitFor('⚠ API billing: Credit balance is too low')
  await expect.poll(payers).toEqual(there)
  passReset()
  await screen.submit('say the third')
  await screen.waitFor('Back on your subscription', 90_000)
  await expect.poll(payers).toEqual(andBack)
})

test('set back in the seconds after a return: the next limit is met, and the way back stays open', async () => {
  const { screen, setClock, setLimit, payers, prompts } = await startOnKey(dueAtOnce())
  await screen.waitFor('Back on your subscription')
  setClock(-3 * HOUR_MS)
  await screen.waitFor((text) => !text.includes('Back on your subscription'), 40_000)
  await screen.submit('and another')
  await screen.waitFor(/❯ and another[\s\S]*^ API billing /m)
  await expect
    .poll(() => prompts().slice(2))
    .toEqual([
      ['and another', 'subscription'],
      ['Continue where you left off.', 'api'],
    ])
  setLimit(false)
  setClock(0)
  await screen.submit('say the last')
  await screen.waitFor('Back on your subscription', 90_000)
  await expect.poll(payers).toEqual([...andBack, 'api', 'subscription'])
  expect(spent()).toBeLessThan(4 * ANSWER_USD)
})

test('set forward on the key: one return before its time, none more by the wrong clock, one at the reset', async () => {
  const { screen, setClock, passReset, payers, prompts } = await startOnKey()
  setClock(72 * HOUR_MS)
  await screen.submit('say the second')
  await screen.waitFor('Back on your subscription', 90_000)
  await screen.submit('and another')
  await screen.waitFor(/ · limited again, next return at \d/)
  await expect.poll(prompts).toContainEqual(['and another', 'subscription'])
  setClock(0)
  await screen.submit('say the third')
  await screen.waitFor('● the third')
  await screen.submit('say the fourth')
  await screen.waitFor('● the fourth')
  await expect.poll(payers).toEqual([...andBack, 'api'])
  passReset()
  await screen.submit('say the fifth')
  await screen.waitFor('Back on your subscription', 90_000)
  await expect.poll(payers).toEqual([...andBack, 'api', 'subscription'])
  expect(prompts().filter(([prompt]) => prompt === 'Continue where you left off.')).toHaveLength(2)
  // The Continue twice, and what was said on the key.
  expect(spent()).toBeGreaterThan(5 * ANSWER_USD)
}, 240_000)

test('a limit from when the clock was ahead is no limit of now: nothing is billed', async () => {
  const { screen, setClock, setLimit, draw, payers, prompts } = await startOnKey({}, 5 * HOUR_MS)
  screen.signal('SIGTERM')
  await screen.exit
  setLimit(false)
  setClock(0)
  const again = await draw(['--continue'])
  await again.waitFor('Claude Max')
  await again.submit('say hello')
  await again.waitFor('● hello')
  setLimit(true)
  await again.submit('and another')
  await again.waitFor(/❯ and another[\s\S]*^ API billing /m)
  await expect
    .poll(() => prompts().slice(2))
    .toEqual([
      ['say hello', 'subscription'],
      ['and another', 'subscription'],
      ['Continue where you left off.', 'api'],
    ])
  expect(payers()).toEqual([...andBack, 'api'])
})

test('a key that was pressed when the clock was ahead holds up no return', async () => {
  const env = { ...dueAtOnce(), CLAUDE_FALLBACK_CONTINUE_PROMPT: 'work 3000' }
  const { screen, setClock } = await startOnKey(env, 3 * HOUR_MS, 'API Usage Billing')
  // Whether it has fetched an earlier prompt into the box is not known.
  screen.key('Up')
  await screen.waitFor('Worked for 3000 ms.')
  await screen.waitFor('subscription is back, ')
  setClock(0)
  await screen.waitFor('Back on your subscription', 15_000)
})
