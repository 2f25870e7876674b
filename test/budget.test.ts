import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { claudef, fakeClaude } from './support/claudef.ts'
import { noonZone } from './support/clock.ts'
import { companionProgram } from './support/companion.ts'
import { makeHome } from './support/home.ts'
import { openScreen } from './support/screen.ts'

const timeZone = noonZone()

/** Each answer of so many tokens costs 1.00 USD, and what it is asked 0.0132. */
const DOLLAR = { FAKE_CLAUDE_OUTPUT_TOKENS: '50000' }
const automatic = { CLAUDE_FALLBACK_AUTO_RESTART: '1' }
const limited = { FAKE_CLAUDE_LIMIT: 'five_hour' }
const ledgerName = '.claude_fallback_spend.jsonl'

type Trace = { event: string; prompt?: string; billing?: string; argv?: string[] }

/** A home where notifications are written into a file, and where several sessions may run. */
function setUp(env: Record<string, string> = {}) {
  const home = makeHome({ apiUrl: 'http://127.0.0.1:9' })
  onTestFinished(home.cleanup)
  const at = (name: string) => join(home.root, name)
  const notifier = at('notify')
  writeFileSync(
    notifier,
    `#!/bin/sh\nprintf '%s: %s\\n' "$CLAUDE_FALLBACK_NOTIFY_TITLE" "$CLAUDE_FALLBACK_NOTIFY_TEXT" >>'${at('notes')}'\n`,
    { mode: 0o755 },
  )
  const whole: Record<string, string> = {
    ...{ ...home.env, TZ: timeZone, CLAUDE_FALLBACK_CLAUDE: fakeClaude, FAKE_CLAUDE_TRACE: at('trace') },
    CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-the-tests-of-caps-wxyz',
    CLAUDE_FALLBACK_NOTIFY_COMMAND: notifier,
    ...env,
  }
  const trace = () => readLines(at('trace')).map((line): Trace => JSON.parse(line))
  return {
    ...home,
    run: async (args: string[] = [], more: Record<string, string> = {}) => {
      const file = process.execPath
      const screen = await openScreen({
        ...{ file, args: [claudef, ...args], cwd: home.cwd },
        env: { ...whole, ...more },
        cols: 160,
      })
      onTestFinished(screen.close)
      return screen
    },
    notes: () => readLines(at('notes')),
    starts: () => trace().flatMap(({ event, billing }) => (event === 'start' ? [billing] : [])),
    prompts: () =>
      trace().flatMap(({ event, prompt, billing }) => (event === 'prompt' ? [[billing, prompt]] : [])),
    log: () => readLines(join(home.home, '.claude_fallback_error.log')).join('\n'),
    ledger: () => readLines(join(home.home, ledgerName)).map((line) => JSON.parse(line)),
    /** Today's sum as `claude-fallback spend` tells it. */
    spend: () => {
      const text = execFileSync(process.execPath, [companionProgram, 'spend', '--json'], { env: whole })
      return JSON.parse(text.toString()).today.usd
    },
  }
}

const readLines = (path: string) =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : []

const rowOf = (text: string) => text.trimEnd().split('\n').at(-1) ?? ''
const spentIn = (usd: string) => (text: string) => rowOf(text).includes(`$${usd}`)
const titled = (notes: string[], title: string) => notes.filter((note) => note.startsWith(`${title}: `))

/** With each session's cap at 3.70 USD: near after three answers, reached after four. */
const capped = { ...automatic, ...limited, ...DOLLAR, CLAUDE_FALLBACK_MAX_USD: '3.7' }

test('warns once at 80 % of a cap, and at the cap goes back to the subscription with nothing sent', async () => {
  const setup = setUp(capped)
  const screen = await setup.run(['name a prime'])
  await screen.waitFor(spentIn('1.01'))
  await screen.submit('second')
  await screen.waitFor(spentIn('2.03'))
  expect(titled(setup.notes(), 'API billing nears a cap')).toEqual([])
  expect(screen.raw().toString()).not.toContain('\x1b[33m API billing')
  await screen.submit('third')
  await screen.waitFor(spentIn('3.04'))
  await expect.poll(() => screen.raw().toString()).toContain('\x1b[33m API billing')
  await expect.poll(() => rowOf(screen.text())).toContain(' · $3.04 this session · cap $3.70 · ')
  const near = () => titled(setup.notes(), 'API billing nears a cap')
  await expect.poll(near).toEqual([expect.stringContaining('$3.04 in this session, $3.04 today')])
  expect(setup.starts()).toEqual(['subscription', 'api'])
  await screen.submit('fourth')
  await screen.waitFor(/API billing has ended/)
  await expect
    .poll(() => rowOf(screen.text()))
    .toContain("the session's cap of $3.70 is reached ($4.05 spent)")
  await expect.poll(() => rowOf(screen.text())).toContain('raise max_usd and restart claudef')
  await expect.poll(setup.starts).toEqual(['subscription', 'api', 'subscription'])
  await screen.waitFor(/^❯ *$/m)
  expect(setup.prompts().at(-1)).toEqual(['api', 'fourth'])
  await expect.poll(() => titled(setup.notes(), 'API billing has ended at a cap')).toHaveLength(1)
  expect(near()).toHaveLength(1)
  expect(setup.transcripts()).toHaveLength(1)

  // The limit is met again: nothing begins anew by itself, and the switch key does nothing either.
  await screen.submit('fifth')
  await screen.waitFor(/5-hour limit.*the session's cap of \$3\.70 is reached/)
  screen.type('\x1d')
  await screen.submit('sixth')
  await expect.poll(() => setup.prompts().at(-1)).toEqual(['subscription', 'sixth'])
  expect(setup.starts()).toHaveLength(3)
})

test('tells the same in the row, in the ledger and by `claude-fallback spend`, over two stretches', async () => {
  const setup = setUp({ ...automatic, ...limited, ...DOLLAR })
  const screen = await setup.run(['name a prime'])
  await screen.waitFor(spentIn('1.01'))
  screen.type('\x1d')
  await screen.waitFor('Go back to your subscription?')
  screen.key('Enter')
  await screen.waitFor('Claude Max')
  await screen.submit('another prime')
  await screen.waitFor(spentIn('2.03'))
  expect(setup.starts()).toEqual(['subscription', 'api', 'subscription', 'api'])
  await expect.poll(() => setup.ledger().at(-1).usd).toBeCloseTo(2 * 1.013236, 6)
  expect(setup.spend()).toBeCloseTo(2 * 1.013236, 6)
  // A row for each sum, and not for each look at it.
  expect(setup.ledger().length).toBeLessThanOrEqual(4)
})

test('says which caps hold at the first switch by itself, and never again', async () => {
  const setup = setUp({ ...automatic, ...limited, CLAUDE_FALLBACK_MAX_USD: '2' })
  const words = '$2.00 a session and $10.00 a day: max_usd_per_day, max_usd'
  const first = await setup.run(['name a prime'])
  await first.waitFor((text) => rowOf(text).includes(words))
  const told = () => titled(setup.notes(), 'claudef goes on with API billing by itself')
  await expect.poll(told).toEqual([expect.stringContaining('$2.00 a session and $10.00 a day')])
  // Before the child takes keys, they are its own.
  await first.waitFor('(via API)')
  first.type('\x1d')
  await first.waitFor('Go back to your subscription?')
  first.key('Enter')
  await first.waitFor('Claude Max')
  await first.submit('another prime')
  await first.waitFor(/^ API billing .* \$\d/m)
  expect(rowOf(first.text())).not.toContain('max_usd')
  const second = await setup.run(['name a prime'])
  await second.waitFor(/^ API billing .* \$\d/m)
  expect(rowOf(second.text())).not.toContain('max_usd')
  expect(told()).toHaveLength(1)
})

test('a second session stops at the cap of the day too', async () => {
  const day = { CLAUDE_FALLBACK_MAX_USD_PER_DAY: '3.7' }
  const setup = setUp({ ...automatic, ...limited, ...DOLLAR, ...day })
  const first = await setup.run(['name a prime'])
  await first.waitFor(spentIn('1.01'))
  const second = await setup.run(['name a number'])
  await second.waitFor(spentIn('1.01'))
  await first.submit('second')
  await first.waitFor(spentIn('2.03'))
  // 3.04 of the day: both say so, and so does the one that has not spent it.
  await expect.poll(() => second.raw().toString()).toContain('\x1b[33m API billing')
  await second.submit('the last one')
  for (const screen of [first, second]) {
    await screen.waitFor(/API billing has ended/)
    await expect.poll(() => rowOf(screen.text())).toContain('the daily cap of $3.70 is reached ($4.05 spent)')
    await expect.poll(() => rowOf(screen.text())).toContain('raise max_usd_per_day')
  }
  // And a third one does not begin.
  const third = await setup.run(['name a letter'])
  await third.waitFor(/5-hour limit.*the daily cap of \$3\.70 is reached/)
  expect(setup.starts().filter((billing) => billing === 'api')).toHaveLength(2)
})

test('after a cap nothing goes by itself in that session, though the cap lets go', async () => {
  const day = { CLAUDE_FALLBACK_MAX_USD_PER_DAY: '5' }
  const setup = setUp({ ...automatic, ...limited, ...DOLLAR, ...day })
  const others = (usd: number, revision: number) => {
    const now = { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' } as const
    const today = new Date().toLocaleDateString('en-CA', now)
    const who = { version: 1, run: 'another', sessionId: 'two', cwd: '/', byModel: {}, isLowerBound: false }
    const row = { ...who, day: today, revision, usd, updatedAt: Date.now() }
    appendFileSync(join(setup.home, ledgerName), `\n${JSON.stringify(row)}\n`, { mode: 0o600 })
  }
  others(4.5, 1)
  const screen = await setup.run(['name a prime'])
  await screen.waitFor(/Claude Max[\s\S]*API billing has ended: the daily cap of \$5\.00 is reached/)
  await screen.waitFor(/^❯ *$/m)
  await screen.submit('second')
  await screen.waitFor(/5-hour limit.*the daily cap of \$5\.00 is reached/)
  // As at midnight. That the way is open again is said, and the user's to go.
  others(0, 2)
  await screen.waitFor((text) => rowOf(text).includes('Ctrl+] continue on API billing'))
  await screen.submit('third')
  await screen.waitFor(/❯ third\n.*You've hit your 5-hour limit/)
  screen.type('\x1d')
  await screen.waitFor('Go on with API billing')
  screen.key('Enter')
  await screen.waitFor(spentIn('2.03'))
  expect(setup.starts()).toEqual(['subscription', 'api', 'subscription', 'api'])
})

test('a session that has not spent anything yet knows at its limit what others have', async () => {
  const day = { CLAUDE_FALLBACK_MAX_USD_PER_DAY: '1' }
  const setup = setUp({ ...automatic, ...DOLLAR, ...day })
  const waiting = await setup.run()
  await waiting.waitFor('Claude Max')
  const other = await setup.run(['name a prime'], limited)
  await other.waitFor(/API billing has ended/)
  await waiting.submit('limit')
  await waiting.waitFor(/5-hour limit.*the daily cap of \$1\.00 is reached/)
  expect(setup.starts().filter((billing) => billing === 'api')).toHaveLength(1)
})

test.each([
  ['MAX_USD', 'max_usd is 0'],
  ['MAX_USD_PER_DAY', 'max_usd_per_day is 0'],
])('with CLAUDE_FALLBACK_%s=0 there is no API billing, and the row says so', async (name, words) => {
  const setup = setUp({ ...automatic, ...limited, [`CLAUDE_FALLBACK_${name}`]: '0' })
  const screen = await setup.run(['name a prime'])
  await screen.waitFor((text) => rowOf(text).includes(`${words}, so there is no API billing`))
  screen.type('\x1d')
  await screen.submit('again')
  await expect.poll(() => setup.prompts()).toHaveLength(2)
  expect(setup.starts()).toEqual(['subscription'])
  const chosen = await setup.run(['name a prime'], { CLAUDE_FALLBACK_BILLING: 'api' })
  await chosen.waitFor((text) => rowOf(text).includes(`${words}, so there is no API billing`))
  await expect.poll(setup.starts).toEqual(['subscription', 'subscription'])
})

test('a switch whose first request would cross the cap is offered, and done when asked for', async () => {
  const setup = setUp({
    ...{ ...automatic, ...limited, ...DOLLAR },
    ...{ FAKE_CLAUDE_LIMIT_AFTER: '1', CLAUDE_FALLBACK_MAX_USD: '1.2' },
  })
  const screen = await setup.run(['name a prime'])
  await screen.waitFor('(via subscription)')
  await screen.submit('another')
  await screen.waitFor((text) => rowOf(text).includes('Ctrl+] continue on API billing'))
  expect(setup.starts()).toEqual(['subscription'])
  screen.type('\x1d')
  await screen.waitFor(/First request about 69k tokens, about \$1\.35/)
  screen.key('Enter')
  await screen.waitFor(spentIn('1.01'))
  expect(setup.starts()).toEqual(['subscription', 'api'])
})

test('sets the ledger right at the end by what Claude Code itself says', async () => {
  const setup = setUp({ ...automatic, ...limited, ...DOLLAR, FAKE_CLAUDE_API_OTHER_USD: '0.5' })
  const screen = await setup.run(['name a prime'])
  await screen.waitFor(spentIn('1.01'))
  await screen.submit('exit 0')
  await screen.exit
  expect(setup.ledger().at(-1)).toMatchObject({ usd: expect.closeTo(1.509636, 6) })
  expect(setup.spend()).toBeCloseTo(1.509636, 6)
})

test('counts an answer that came just before the end', async () => {
  const setup = setUp({ ...automatic, ...limited, ...DOLLAR })
  const screen = await setup.run(['name a prime'])
  await screen.waitFor('(via API)')
  screen.signal('SIGTERM')
  await screen.exit
  expect(setup.spend()).toBeCloseTo(1.013236, 6)
})

/** A session on the key, in a long turn, with a cap of so many USD that it has not reached. */
async function workBelow(usd: string) {
  const setup = setUp({ ...capped, CLAUDE_FALLBACK_MAX_USD: usd })
  const screen = await setup.run(['name a prime'])
  await screen.waitFor(spentIn('1.01'))
  await screen.submit('work 60000')
  await expect.poll(setup.prompts).toContainEqual(['api', 'work 60000'])
  return { setup, screen }
}

test('at the cap waits 10 s at most for an agent, which goes on spending', async () => {
  const { setup, screen } = await workBelow('3')
  const transcript = setup.transcripts()[0]?.path ?? ''
  appendFileSync(transcript, `${JSON.stringify(asking('Task', 'call'))}\n`)
  const folder = join(transcript.replace(/\.jsonl$/, ''), 'subagents')
  mkdirSync(folder, { recursive: true })
  const agent = join(folder, 'agent-1.jsonl')
  for (const id of ['one', 'two']) {
    appendFileSync(agent, `${JSON.stringify({ ...asking('Bash', id), isSidechain: true })}\n`)
    // One tool of an agent ends, while another's goes on.
    if (id === 'two') break
    const used = { type: 'tool_result', tool_use_id: id }
    const result = { type: 'user', isSidechain: true, message: { content: [used] } }
    appendFileSync(agent, `${JSON.stringify(result)}\n`)
  }
  await screen.waitFor(/API billing has ended: the session's cap of \$3\.00 is reached/, 40_000)
})

test('at the cap waits 20 s for a draft, though keys go on coming', async () => {
  const { setup, screen } = await workBelow('2')
  await screen.waitFor('esc to interrupt')
  screen.type('half a thought')
  await screen.waitFor('half a thought')
  screen.key('Up')
  const row = JSON.stringify(asking('Read', 'call'))
  const result = { type: 'user', message: { content: [{ type: 'tool_result', tool_use_id: 'call' }] } }
  appendFileSync(setup.transcripts()[0]?.path ?? '', `${row}\n${JSON.stringify(result)}\n`)
  await screen.waitFor(/waits for your draft/)
  const typeOn = () => {
    screen.type('x\x1b[A')
    return screen.text()
  }
  await expect
    .poll(typeOn, { timeout: 40_000, interval: 1000 })
    .toMatch(/API billing has ended: the session's cap of \$2\.00 is reached/)
})

/** An answer of one dollar that uses a tool. */
const asking = (name: string, id: string) => ({
  type: 'assistant',
  timestamp: new Date().toISOString(),
  message: {
    ...{ id, model: 'claude-opus-5-5', usage: { output_tokens: 50_000 } },
    content: [{ type: 'tool_use', id, name, input: {} }],
  },
})

test.each<[string, (setup: ReturnType<typeof setUp>) => Record<string, string>]>([
  [
    'a folder stands in its place',
    ({ home }) => {
      mkdirSync(join(home, ledgerName))
      return {}
    },
  ],
  [
    'its folder cannot be made',
    ({ root }) => {
      writeFileSync(join(root, 'no-folder'), '')
      return { CLAUDE_FALLBACK_HOME: join(root, 'no-folder', 'home') }
    },
  ],
])('the cap of a session holds where the ledger cannot be written: %s', async (_, spoil) => {
  const caps = { CLAUDE_FALLBACK_MAX_USD: '1.5', CLAUDE_FALLBACK_MAX_USD_PER_DAY: 'none' }
  const setup = setUp({ ...capped, ...caps })
  const screen = await setup.run(['name a prime'], spoil(setup))
  await screen.waitFor(spentIn('1.01'))
  await screen.submit('second')
  await screen.waitFor(/API billing has ended: the session's cap of \$1\.50 is reached/)
  await expect.poll(setup.starts).toEqual(['subscription', 'api', 'subscription'])
})

test('a switch is only offered where there is a cap of the day, and a ledger that cannot be read', async () => {
  const setup = setUp({ ...automatic, ...limited })
  mkdirSync(join(setup.home, ledgerName))
  const screen = await setup.run(['name a prime'])
  await screen.waitFor(/5-hour limit.*what today has cost cannot be read.*Ctrl\+\]/)
  expect(setup.log()).toContain('The ledger')
  expect(setup.starts()).toEqual(['subscription'])
})
