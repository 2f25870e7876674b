import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { DEAREST_PRICE, type Spent } from '../src/core/budget.ts'
import { openLedger } from '../src/ledger.ts'
import { loadPrices } from '../src/prices.ts'
import { openSpending } from '../src/spending.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')
const ledgerName = '.claude_fallback_spend.jsonl'

type Options = Parameters<typeof openSpending>[0]

function setUp(options: Partial<Options> = {}) {
  const home = mkdtempSync(join(tmpdir(), 'spending-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const spent: Spent[] = []
  const logged: string[] = []
  const clock = { now: NOW }
  const given: Options = {
    home,
    cwd: '/project',
    sessionId: () => 'one',
    onSpent: (now) => spent.push(now),
    log: (message) => logged.push(message),
    now: () => clock.now,
    timeZone: 'UTC',
    ...options,
  }
  const spending = openSpending(given)
  onTestFinished(spending.stop)
  return {
    ...{ home, spending, spent, logged, clock },
    last: () => spent.at(-1),
    file: join(home, ledgerName),
    ledger: () => openLedger({ home, now: given.now, timeZone: 'UTC', log: () => {} }).read(),
  }
}

let messages = 0

/** An answer that costs so many USD on Opus 5.5. */
function answer(usd: number, { at = NOW + 1, sessionId = 'one', model = 'claude-opus-5-5' } = {}) {
  const usage = { input_tokens: 0, output_tokens: Math.round((usd / 20) * 1e6) }
  return {
    type: 'assistant',
    sessionId,
    timestamp: new Date(at).toISOString(),
    message: { id: `msg_${++messages}`, model, usage },
  }
}

const cost = (totalCostUSD: number, sessionId = 'one') => ({ type: 'cost-state', sessionId, totalCostUSD })

test('tells at once what was spent, while the ledger waits to be compacted', async () => {
  const { spending, last, file } = setUp()
  const row = { version: 1, run: 'another', revision: 1, sessionId: 'two', day: '2026-11-22', usd: 1 }
  writeFileSync(file, `${JSON.stringify(row)}\n`.repeat(3000))
  mkdirSync(`${file}.lock`)
  await spending.begin(NOW)
  for (const usd of [5, 6]) {
    spending.take(answer(usd))
    await spending.refresh()
  }
  expect(last()).toEqual({ session: 11, day: 12, isLowerBound: false })
  // It has not waited for the lock of one that was killed; the end does.
  expect(existsSync(`${file}.lock`)).toBe(true)
  await spending.settle(undefined)
  expect(existsSync(`${file}.lock`)).toBe(false)
  expect(statSync(file).size).toBeLessThan(4096)
})

test('tells what was spent since the switch, and writes the same to the ledger', async () => {
  const { spending, last, ledger } = setUp()
  spending.take(answer(5, { at: NOW - 1 }))
  await spending.begin(NOW)
  expect(last()).toEqual({ session: 0, day: 0, isLowerBound: false })
  spending.take(answer(1))
  spending.take(answer(0.25))
  await spending.refresh()
  expect(last()).toEqual({ session: 1.25, day: 1.25, isLowerBound: false })
  expect(await ledger()).toMatchObject([
    { day: '2026-11-22', sessionId: 'one', cwd: '/project', usd: 1.25, byModel: { 'claude-opus-5-5': 1.25 } },
  ])
})

test('counts rows that come before the prices are there', async () => {
  let arrive = () => {}
  const gate = new Promise<void>((resolve) => {
    arrive = resolve
  })
  const { spending, last } = setUp({ loadPrices: (now) => gate.then(() => loadPrices(now)) })
  const begun = spending.begin(NOW)
  spending.take(answer(1))
  arrive()
  await begun
  expect(last()?.session).toBeCloseTo(1, 9)
})

test('without the price table counts each model as the dearest, so that a cap still holds', async () => {
  const { spending, last, logged } = setUp({ loadPrices: () => Promise.reject(new Error('no such package')) })
  await spending.begin(NOW)
  spending.take(answer(1))
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(3.75, 9)
  expect(last()?.isLowerBound).toBe(true)
  expect(logged.join()).toContain('the price table cannot be loaded')
})

test('the price for that is not below any of the table', async () => {
  const { dearest } = await loadPrices(new Date(NOW))
  // But for reading from the cache: a model without one has the price of input there.
  for (const kind of ['input', 'output', 'cacheWrite5m', 'cacheWrite1h', 'webSearch'] as const)
    expect(DEAREST_PRICE[kind], kind).toBeGreaterThanOrEqual(dearest[kind])
})

test('adds two stretches up, and leaves out what the subscription paid between them', async () => {
  const { spending, last, ledger } = setUp()
  await spending.begin(NOW)
  spending.take(answer(1))
  spending.end(NOW + 100)
  spending.take(answer(7, { at: NOW + 200 }))
  await spending.begin(NOW + 1000)
  spending.take(answer(2, { at: NOW + 1001 }))
  // Late: it was written before the first child ended.
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(3, 9)
  expect(await ledger()).toMatchObject([{ usd: 3 }])
})

test('counts on when the clock is set back, but not what the subscription pays after that', async () => {
  const { spending, last, clock, ledger } = setUp()
  const hour = 3_600_000
  await spending.begin(NOW)
  spending.take(answer(1))
  clock.now = NOW - 3 * hour
  spending.take(answer(2, { at: clock.now - 50 }))
  spending.take(answer(4, { at: clock.now + 10 }))
  spending.end(clock.now + 20)
  spending.take(answer(8, { at: clock.now + 30 }))
  clock.now -= 3 * hour
  spending.take(answer(16, { at: clock.now }))
  await spending.refresh()
  expect(last()).toEqual({ session: 7, day: 7, isLowerBound: false })
  expect(await ledger()).toMatchObject([{ usd: 7 }])
})

test('takes what Claude Code itself says where that is more, and only of what the key paid', async () => {
  const { spending, last, ledger } = setUp()
  await spending.begin(NOW)
  // The subscription's child ended before the switch, but its last row is read after it.
  spending.take(cost(40))
  spending.take(answer(1))
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(1, 9)
  spending.end(NOW + 100)
  spending.take(cost(41.5))
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(1.5, 9)
  expect((await ledger())[0]?.byModel).toEqual({ 'claude-opus-5-5': 1, 'other requests': 0.5 })
  // And what the subscription's next child says is none of it.
  spending.take(answer(3, { at: NOW + 200 }))
  spending.take(cost(44.5))
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(1.5, 9)
})

test('a conversation that was there before does not count, though its rows are read again', async () => {
  const { spending, last } = setUp()
  await spending.begin(NOW)
  spending.take(answer(30, { at: NOW - 1000 }))
  spending.take(cost(30))
  await spending.refresh()
  expect(last()?.session).toBe(0)
})

test('counts each conversation of a run once: /clear begins another', async () => {
  const sessions = ['one']
  const { spending, last, ledger } = setUp({ sessionId: () => sessions.at(-1) })
  await spending.begin(NOW)
  spending.take(answer(1))
  spending.take(cost(1))
  await spending.refresh()
  sessions.push('two')
  spending.take(answer(2, { sessionId: 'two' }))
  spending.take(cost(2.5, 'two'))
  await spending.refresh()
  expect(last()).toEqual({ session: 3.5, day: 3.5, isLowerBound: false })
  expect((await ledger()).map(({ sessionId, usd }) => [sessionId, usd])).toEqual([
    ['one', 1],
    ['two', 2.5],
  ])
})

test('counts what left no answer at all, above the sum that the conversation began at', async () => {
  const { home, spending, last, ledger } = setUp()
  const transcript = join(home, 'one.jsonl')
  const write = (...rows: unknown[]) =>
    writeFileSync(transcript, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  write(cost(10), answer(30, { at: NOW - 1 }), cost(40))
  await spending.begin(NOW, transcript)
  spending.take(cost(40))
  await spending.refresh()
  expect(last()?.session).toBe(0)
  expect(await ledger()).toEqual([])
  spending.end(NOW + 100)
  write(cost(10), answer(30, { at: NOW - 1 }), cost(40), cost(41.5))
  await spending.settle(transcript)
  expect(await ledger()).toMatchObject([
    { day: '2026-11-22', sessionId: 'one', usd: 1.5, byModel: { 'other requests': 1.5 } },
  ])
})

test('does not count the sum before though no row of it has been read while it ran', async () => {
  const { home, spending, last } = setUp()
  const transcript = join(home, 'one.jsonl')
  writeFileSync(transcript, `${JSON.stringify(cost(40))}\n`)
  await spending.begin(NOW, transcript)
  spending.take(answer(1))
  spending.end(NOW + 100)
  spending.take(cost(41.25))
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(1.25, 9)
})

test('where Claude Code itself says less the ledger has the difference', async () => {
  const { spending, logged, ledger } = setUp()
  await spending.begin(NOW)
  spending.take(answer(1))
  await spending.refresh()
  expect((await ledger())[0]).not.toHaveProperty('lessUsd')
  spending.end(NOW + 100)
  spending.take(cost(0.25))
  await spending.settle(undefined)
  expect(await ledger()).toMatchObject([{ usd: 1, byModel: { 'claude-opus-5-5': 1 }, lessUsd: 0.75 }])
  expect(logged).toEqual([
    expect.stringContaining("$0.25 by Claude Code's own account, $1.00 by its transcript"),
  ])
})

test('what /branch copies into another conversation has been counted', async () => {
  const { spending, last } = setUp()
  await spending.begin(NOW)
  const first = answer(1)
  spending.take(first)
  spending.take({ ...first, sessionId: 'two' })
  spending.take(answer(0.5, { sessionId: 'two' }))
  spending.end(NOW + 100)
  spending.take(cost(0.75, 'two'))
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(1.75, 9)
})

test('takes the running figure where that is more: requests without a row count at once', async () => {
  const { spending, last, ledger } = setUp()
  await spending.begin(NOW)
  // It begins at what the conversation had cost before.
  spending.takeFigure('one', 40)
  await spending.refresh()
  expect(last()?.session).toBe(0)
  expect(await ledger()).toEqual([])
  // The figure of an answer may come before its row, and a summary has none.
  spending.takeFigure('one', 41)
  await spending.refresh()
  expect(last()).toEqual({ session: 1, day: 1, isLowerBound: false })
  expect(await ledger()).toMatchObject([{ usd: 1, byModel: { 'other requests': 1 } }])
  spending.take(answer(1))
  spending.takeFigure('one', 41.5)
  await spending.refresh()
  expect(last()).toEqual({ session: 1.5, day: 1.5, isLowerBound: false })
  expect(await ledger()).toMatchObject([{ byModel: { 'claude-opus-5-5': 1, 'other requests': 0.5 } }])
  // A row whose figure has not come yet.
  spending.take(answer(2))
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(3, 9)
  // And Claude Code's sum at the end is the last word.
  spending.end(NOW + 100)
  spending.take(cost(43.75))
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(3.75, 9)
})

test('counts from the sum before the switch, whether its row comes before the first figure or after it', async () => {
  for (const isBefore of [true, false]) {
    const { spending, last } = setUp()
    await spending.begin(NOW)
    if (isBefore) spending.take(cost(40))
    // Some of it the key has paid already.
    spending.takeFigure('one', 40.25)
    if (!isBefore) spending.take(cost(40))
    spending.takeFigure('one', 40.5)
    await spending.refresh()
    expect(last()?.session).toBeCloseTo(0.5, 9)
  }
})

test('takes the figure whole where it came only after an answer, and there was no sum before', async () => {
  const { spending, last } = setUp()
  await spending.begin(NOW)
  spending.takeFigure('one', 1)
  spending.take(answer(1))
  spending.takeFigure('one', 1.5)
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(1.5, 9)
  spending.end(NOW + 100)
  spending.take(cost(1.75))
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(1.75, 9)
})

test('counts all of a figure that begins at 0 though the conversation has cost before', async () => {
  const { spending, last } = setUp()
  await spending.begin(NOW)
  spending.take(cost(40))
  spending.takeFigure('one', 0)
  spending.takeFigure('one', 2)
  await spending.refresh()
  expect(last()?.session).toBe(2)
})

test('the figure of a child ends with it, and another child has another first one', async () => {
  const { spending, last } = setUp()
  spending.takeFigure('one', 3)
  await spending.begin(NOW)
  spending.takeFigure('one', 10)
  spending.takeFigure('one', 11)
  spending.end(NOW + 100)
  spending.takeFigure('one', 17)
  await spending.refresh()
  expect(last()?.session).toBe(1)
  await spending.begin(NOW + 1000)
  spending.takeFigure('one', 17)
  spending.takeFigure('one', 17.5)
  await spending.refresh()
  expect(last()?.session).toBe(1.5)
})

test('takes the figures of each conversation for themselves: after /clear they begin at 0', async () => {
  const { spending, last, ledger } = setUp()
  await spending.begin(NOW)
  spending.takeFigure('one', 40)
  spending.takeFigure('one', 41)
  spending.takeFigure('two', 0)
  spending.takeFigure('two', 2)
  await spending.refresh()
  expect(last()?.session).toBe(3)
  expect((await ledger()).map(({ sessionId, usd }) => [sessionId, usd])).toEqual([
    ['one', 1],
    ['two', 2],
  ])
})

test.each<[string, number, string[]]>([
  ['higher', 1.511, ["$1.51 by Claude Code's own account, $1.00 by its transcript"]],
  ['lower', 0.75, ["$0.75 by Claude Code's own account, $1.00 by its transcript"]],
  ['the same, to the cent', 1.009, []],
])('writes to the log where Claude Code says another sum: %s', async (_, usd, words) => {
  const { spending, logged } = setUp()
  await spending.begin(NOW)
  spending.take(answer(1))
  spending.end(NOW + 100)
  spending.take(cost(usd))
  await spending.settle(undefined)
  expect(logged).toEqual(words.map((said) => expect.stringContaining(said)))
})

test('a figure that falls is of the next conversation, told under the id of the last', async () => {
  const { spending, last, logged } = setUp()
  await spending.begin(NOW)
  spending.takeFigure('one', 0)
  spending.take(answer(1))
  spending.takeFigure('one', 2)
  spending.takeFigure('one', 0)
  await spending.refresh()
  expect(last()?.session).toBeCloseTo(2)
  spending.take(answer(1))
  await spending.settle(undefined)
  expect(logged).toEqual([])
})

test('a figure from before the last answer is no other account', async () => {
  const { spending, logged } = setUp()
  await spending.begin(NOW)
  spending.takeFigure('one', 0)
  spending.take(answer(1))
  await spending.settle(undefined)
  expect(logged).toEqual([])
})

test('reads at the end what the child wrote last, and tells nobody any more', async () => {
  const { spending, spent, ledger, home } = setUp()
  await spending.begin(NOW)
  const first = answer(1)
  spending.take(cost(9))
  spending.take(first)
  await spending.refresh()
  const told = spent.length
  const transcript = join(home, 'transcript.jsonl')
  const rows = [answer(9, { at: NOW - 5 }), cost(9), first, answer(2), cost(12.25)]
  writeFileSync(transcript, `${rows.map((row) => JSON.stringify(row)).join('\n')}\n{"type":"assis`)
  spending.end(NOW + 100)
  await spending.settle(transcript)
  expect(await ledger()).toMatchObject([{ usd: 3.25 }])
  expect(spent.length).toBe(told)
})

test('writes a row when something has changed, and not because it has written one', async () => {
  const { spending, spent, file } = setUp()
  await spending.begin(NOW)
  spending.take(answer(1))
  await spending.refresh()
  const before = readFileSync(file, 'utf8')
  // A change of somebody else's, seen by the watcher as its own are.
  const other = { ...JSON.parse(before.trim()), run: 'another', usd: 4 }
  writeFileSync(file, `${before}\n${JSON.stringify(other)}\n`)
  await expect.poll(() => spent.at(-1)?.day).toBe(5)
  await spending.refresh()
  expect(readFileSync(file, 'utf8').trim().split(/\n+/)).toHaveLength(2)
})

test.each<[string, (file: string) => void]>([
  ['a folder stands in its place', (file) => mkdirSync(file)],
  ['there is no folder for it', (file) => rmSync(join(file, '..'), { recursive: true })],
])('counts this session where the ledger cannot be used: %s', async (_, spoil) => {
  const { spending, last, logged, file } = setUp()
  spoil(file)
  await spending.begin(NOW)
  spending.take(answer(1))
  await spending.refresh()
  expect(last()).toMatchObject({ session: 1, day: 1, isLowerBound: false })
  expect(logged.join()).toContain('ledger')
})

test('goes on after a listener that failed', async () => {
  let tells = 0
  const { spending, logged } = setUp({
    onSpent: () => {
      tells += 1
      if (tells === 1) throw new Error('no room')
    },
  })
  await spending.begin(NOW)
  expect(logged.join()).toContain('no room')
  await spending.refresh()
  expect(tells).toBe(2)
})
