import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Behaviour, Usage } from '../../fixtures/api/replies.js'
import {
  type CostState,
  type MessageUsage,
  parseCostState,
  parseUsage,
} from '../../src/core/message-usage.ts'
import { createSpend, estimateRequest, type Prices } from '../../src/core/spend.ts'
import { loadPrices } from '../../src/prices.ts'
import { type Setup, setUp } from './claudef.ts'
import { askOnce, openSession, switchAtLimit } from './limit.ts'

/** The rows of the one conversation, its subagents' behind its own. */
function readRows({ home }: Setup): unknown[] {
  const projects = join(home.configDir, 'projects')
  return readdirSync(projects, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.jsonl'))
    .sort((one, other) => one.split('/').length - other.split('/').length)
    .flatMap((name) => readFileSync(join(projects, name), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line))
}

function sumUp(rows: unknown[], prices: Prices, since = 0) {
  const spend = createSpend(prices, { since })
  for (const row of rows) spend.add(parseUsage(row))
  return spend.total()
}

function costStates(rows: unknown[]): CostState[] {
  return rows.flatMap((row) => parseCostState(row) ?? [])
}

/** One turn of Claude Code itself with such figures, and its end. */
async function runTurn(model: string, usage: Usage): Promise<unknown[]> {
  const setup = await setUp()
  setup.api.setBehaviour({ type: 'answer', usage, text: 'The answer.' })
  const screen = await setup.run(['--model', model], { bare: true })
  await screen.waitFor('Claude Max')
  await screen.submit('what is two and two?')
  await screen.waitFor('The answer.')
  await screen.submit('/exit')
  await screen.exit
  return readRows(setup)
}

const big = { input_tokens: 100_000, output_tokens: 20_000, cache_read_input_tokens: 1_000_000 }
const halves = {
  cache_creation_input_tokens: 60_000,
  cache_creation: { ephemeral_5m_input_tokens: 40_000, ephemeral_1h_input_tokens: 20_000 },
}

test.each<[string, Usage]>([
  ['claude-opus-5-5', { ...big, ...halves }],
  ['claude-opus-4-8', { ...big, ...halves }],
  ['claude-haiku-4-5', { ...big, ...halves }],
  ['claude-sonnet-5', { ...big, ...halves }],
  ['claude-fable-5-1', { ...big, ...halves }],
  // Not in the price table: measured here.
  ['claude-sonnet-5-5', { ...big, ...halves }],
  ['claude-fable-5-2', { ...big, ...halves }],
  ['claude-haiku-5-5', { input_tokens: 90_000, output_tokens: 20_000, cache_read_input_tokens: 0 }],
  ['claude-haiku-5-5', { ...big, ...halves }],
  // What else has a price.
  ['claude-opus-5-5', { ...big, server_tool_use: { web_search_requests: 3 }, inference_geo: 'us' }],
  ['claude-opus-5-5', { ...big, ...halves, speed: 'fast' }],
  ['claude-opus-4-6', { ...big, ...halves, speed: 'fast' }],
  ['claude-opus-4-7', { ...big, ...halves, speed: 'fast' }],
  ['claude-opus-4-8', { ...big, ...halves, speed: 'fast' }],
  ['claude-opus-5', { ...big, ...halves, speed: 'fast' }],
  ['claude-fable-5-2', { ...big, ...halves, speed: 'fast' }],
])('agrees to the cent with what Claude Code says: %s %j', async (model, usage) => {
  const rows = await runTurn(model, usage)
  const said = costStates(rows).at(-1)
  const ours = sumUp(rows, await loadPrices())
  expect(said?.totalUsd).toBeGreaterThan(0.001)
  expect(ours.usd).toBeCloseTo(said?.totalUsd ?? 0, 6)
  expect(ours.isLowerBound).toBe(false)
})

test('says more than Claude Code for a long prompt of Sonnet 4.5, which it prices as a short one', async () => {
  const rows = await runTurn('claude-sonnet-4-5[1m]', { input_tokens: 300_000, output_tokens: 0, ...halves })
  const said = costStates(rows).at(-1)
  const ours = sumUp(rows, await loadPrices())
  expect(Object.keys(said?.byModel ?? {})).toEqual(['claude-sonnet-4-5[1m]'])
  expect(ours.usd).toBeCloseTo(2 * (said?.totalUsd ?? 0), 1)
})

test('an unknown model: Claude Code prices it as its default and says so, we as the dearest', async () => {
  const rows = await runTurn('claude-zebra-9', big)
  const said = costStates(rows).at(-1)
  const ours = sumUp(rows, await loadPrices())
  expect(said?.isLowerBound).toBe(true)
  expect(ours.isLowerBound).toBe(true)
  expect(ours.usd).toBeGreaterThan(said?.totalUsd ?? Number.POSITIVE_INFINITY)
})

test('counts a subagent and a tool call once each', async () => {
  const setup = await setUp()
  const main: Behaviour = { type: 'agent', prompt: 'You are the subagent.', text: 'It is on its way.' }
  const back: Behaviour = { type: 'answer', text: 'The subagent is back.' }
  const sub: Behaviour = { type: 'answer', text: 'The subagent has answered.', usage: big }
  setup.api.setBehaviour(({ body }) => {
    if (JSON.stringify(body?.messages?.at(0) ?? '').includes('You are the subagent.')) return sub
    return JSON.stringify(body?.messages ?? '').includes('<task-notification>') ? back : main
  })
  const args = ['--model', 'claude-opus-5-5', '--permission-mode', 'acceptEdits']
  const screen = await openSession(setup, args, { bare: true })
  await screen.submit('ask a subagent')
  await screen.waitFor('The subagent is back.')
  await screen.submit('/exit')
  await screen.exit
  const rows = readRows(setup)
  const usages = rows.flatMap((row) => parseUsage(row) ?? [])
  expect(usages.some(({ isSidechain }) => isSidechain)).toBe(true)
  const said = costStates(rows).at(-1)
  expect(sumUp(rows, await loadPrices()).usd).toBeCloseTo(said?.totalUsd ?? 0, 6)
  expect(new Set(usages.map(({ messageId }) => messageId)).size).toBe(setup.api.requests.length)
})

test('counts what ran on the key alone, by the rows and by the difference of the sums', async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  await askOnce(screen, 'what is two and two?')
  await switchAtLimit(setup, screen)
  const [first] = setup.api.requests.filter(({ billing }) => billing === 'api')
  await screen.submit('/exit')
  await screen.exit
  const rows = readRows(setup)
  const prices = await loadPrices()
  const ours = sumUp(rows, prices, first?.at ?? 0)
  const states = costStates(rows)
  const before = states.at(0)?.totalUsd ?? 0
  const after = states.at(-1)?.totalUsd ?? 0
  expect(ours.usd).toBeGreaterThan(0.001)
  expect(sumUp(rows, prices).usd).toBeCloseTo(after, 6)
  expect(after - before).toBeCloseTo(ours.usd, 6)
})

test('estimates the first request on the key as the cache of 5 minutes, which is what it asks for', async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  await askOnce(screen, 'what is two and two?')
  const last = () =>
    readRows(setup)
      .flatMap((row) => parseUsage(row) ?? [])
      .at(-1)
  await expect.poll(last).toBeDefined()
  const usage = last() as MessageUsage
  const { tokens, usd } = estimateRequest(usage, (await loadPrices()).of(usage.model))
  expect(tokens).toBe(9 + 1200 + 18_000 + 12)
  expect(usd).toBeCloseTo((tokens * 5 + 12 * 20) / 1e6, 9)
  const resumed = await switchAtLimit(setup, screen)
  const asked = JSON.stringify(resumed.body).match(/"cache_control":\{[^}]*\}/g) ?? []
  expect(new Set(asked)).toEqual(new Set(['"cache_control":{"type":"ephemeral"}']))
})
