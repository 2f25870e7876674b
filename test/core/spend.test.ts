import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type MessageUsage, parseCostState, parseUsage, SPEND_MARKERS } from '../../src/core/message-usage.ts'
import {
  createSpend,
  estimateRequest,
  type ModelPrice,
  type Prices,
  priceUsage,
  renderUsd,
} from '../../src/core/spend.ts'

const lines = readFileSync(new URL('../../fixtures/rows/spend-session.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
const rows: unknown[] = lines.map((line) => JSON.parse(line))

const rates = { input: 4e-6, output: 20e-6, cacheRead: 2e-7, cacheWrite5m: 5e-6, cacheWrite1h: 8e-6 }
const opus: ModelPrice = { ...rates, webSearch: 0.01, fast: 2 }
const small: ModelPrice = {
  ...opus,
  longPrompt: { aboveTokens: 100, ...rates, input: 1, output: 2 },
}
const dearest: ModelPrice = { ...rates, input: 1, output: 10, webSearch: 0.01 }
const prices: Prices = {
  of: (model) =>
    new Map([
      ['claude-opus-5-5', opus],
      ['small', small],
    ]).get(model),
  dearest,
}

const usage: MessageUsage = {
  messageId: 'msg_1',
  requestId: 'req_1',
  model: 'claude-opus-5-5',
  at: 1000,
  isSidechain: false,
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  webSearches: 0,
  isFast: false,
  isUsOnly: false,
}

function makeRow(message: object, more: object = {}) {
  return {
    type: 'assistant',
    uuid: 'u',
    timestamp: '2026-11-22T14:00:00.000Z',
    message: { id: 'msg_1', model: 'claude-opus-5-5', ...message },
    ...more,
  }
}

describe('a row', () => {
  test('is read whole', () => {
    const figures = {
      input_tokens: 1,
      output_tokens: 2,
      cache_read_input_tokens: 3,
      cache_creation_input_tokens: 9,
      cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 5 },
      server_tool_use: { web_search_requests: 6, web_fetch_requests: 7 },
      speed: 'fast',
      inference_geo: 'us',
    }
    expect(parseUsage(makeRow({ usage: figures }, { requestId: 'req_1', isSidechain: true }))).toEqual({
      messageId: 'msg_1',
      requestId: 'req_1',
      model: 'claude-opus-5-5',
      at: Date.parse('2026-11-22T14:00:00.000Z'),
      isSidechain: true,
      input: 1,
      output: 2,
      cacheRead: 3,
      cacheWrite5m: 4,
      cacheWrite1h: 5,
      webSearches: 6,
      isFast: true,
      isUsOnly: true,
    })
  })

  test.each([
    ['only a sum: 5 minutes', { cache_creation_input_tokens: 9 }, 9, 0],
    [
      'a sum and nothing in detail',
      { cache_creation_input_tokens: 9, cache_creation: { ephemeral_1h_input_tokens: 0 } },
      9,
      0,
    ],
    [
      'one part of the sum',
      { cache_creation_input_tokens: 9, cache_creation: { ephemeral_1h_input_tokens: 4 } },
      5,
      4,
    ],
    ['no sum', { cache_creation: { ephemeral_5m_input_tokens: 2, ephemeral_1h_input_tokens: 4 } }, 2, 4],
    ['nonsense', { cache_creation_input_tokens: -1, cache_creation: 'x' }, 0, 0],
  ])('tells the two kinds of cache writes: %s', (_name, figures, cacheWrite5m, cacheWrite1h) => {
    expect(parseUsage(makeRow({ usage: figures }))).toMatchObject({ cacheWrite5m, cacheWrite1h })
  })

  test.each([
    ['null', null],
    ['a user', { ...makeRow({ usage: {} }), type: 'user' }],
    ['words of Claude Code', makeRow({ model: '<synthetic>', usage: {} })],
    ['no usage', makeRow({})],
    ['no model', makeRow({ model: undefined, usage: {} })],
    ['no time', { ...makeRow({ usage: {} }), timestamp: 'soon' }],
    ['no identity', { ...makeRow({ id: undefined, usage: {} }), uuid: undefined }],
    ['no message', { type: 'assistant', message: 'hi' }],
  ])('is nothing: %s', (_name, row) => {
    expect(parseUsage(row)).toBeUndefined()
  })
})

describe('a price', () => {
  test.each([
    ['every kind', { input: 1e6, output: 1e6, cacheRead: 1e6, cacheWrite5m: 1e6, cacheWrite1h: 1e6 }, 37.2],
    ['searches', { webSearches: 3 }, 0.03],
    ['US only', { input: 1e6, webSearches: 1, isUsOnly: true }, 4.41],
    ['fast', { input: 1e6, webSearches: 1, isFast: true }, 8.01],
    ['a prompt that is not long', { model: 'small', input: 100, output: 1 }, 0.00042],
    ['a long prompt', { model: 'small', input: 1, cacheRead: 100, output: 1 }, 1 + 2 + 100 * 2e-7],
  ])('%s', (_name, figures, usd) => {
    const amount = priceUsage({ ...usage, ...figures }, prices)
    expect(amount.usd).toBeCloseTo(usd, 9)
    expect(amount.isLowerBound).toBe(false)
  })

  test('of an unknown model is the dearest, and so is an unknown fast mode', () => {
    const unknown = { ...usage, model: 'claude-zebra-9', input: 2 }
    expect(priceUsage(unknown, prices)).toEqual({ usd: 2, isLowerBound: true })
    expect(priceUsage({ ...unknown, isFast: true }, prices)).toEqual({ usd: 12, isLowerBound: true })
    const slow: Prices = { of: () => ({ ...opus, fast: undefined }) as unknown as ModelPrice, dearest }
    expect(priceUsage({ ...usage, input: 1e6, isFast: true }, slow)).toEqual({ usd: 24, isLowerBound: true })
  })
})

describe('a sum', () => {
  test('counts each message once, by its last row, whatever came between', () => {
    const spend = createSpend(prices, { since: 0 })
    spend.add({ ...usage, output: 1 })
    spend.add({ ...usage, messageId: 'msg_2', output: 1e6 })
    spend.add({ ...usage, output: 1e6 })
    spend.add({ ...usage, output: 1e6 })
    expect(spend.total()).toEqual({
      usd: 40,
      isLowerBound: false,
      byModel: { 'claude-opus-5-5': { usd: 40, isLowerBound: false } },
    })
  })

  test('leaves out what came before', () => {
    const spend = createSpend(prices, { since: 1000 })
    spend.add({ ...usage, at: 999, output: 1e6 })
    expect(spend.total().usd).toBe(0)
    spend.add({ ...usage, at: 1000, output: 1e6 })
    expect(spend.total().usd).toBe(20)
  })

  test('tells days and models apart, and which of them are lower bounds', () => {
    const spend = createSpend(prices, { since: 0, dayOf: (at) => (at < 2000 ? 'Monday' : 'Tuesday') })
    spend.add({ ...usage, output: 1e6 })
    spend.add({ ...usage, messageId: 'msg_2', at: 2000, model: '__proto__', output: 1 })
    spend.add(undefined)
    expect(spend.days()).toEqual(['Monday', 'Tuesday'])
    expect(spend.total('Monday')).toMatchObject({ usd: 20, isLowerBound: false })
    expect(spend.total('Tuesday')).toMatchObject({ usd: 10, isLowerBound: true })
    expect(Object.keys(spend.total().byModel)).toEqual(['claude-opus-5-5', '__proto__'])
    expect(spend.total()).toMatchObject({ usd: 30, isLowerBound: true })
  })

  test('of a real session with a subagent is what Claude Code says', () => {
    const spend = createSpend(prices, { since: 0 })
    for (const row of rows) spend.add(parseUsage(row))
    const said = rows.flatMap((row) => parseCostState(row) ?? []).at(-1)
    expect(rows.filter((row) => parseUsage(row)?.isSidechain)).not.toEqual([])
    expect(spend.total().usd).toBeCloseTo(said?.totalUsd ?? 0, 9)
  })

  test('needs no row without its markers', () => {
    const others = lines.filter((line) => !SPEND_MARKERS.some((marker) => line.includes(marker)))
    expect(others.length).toBeGreaterThan(0)
    for (const line of others) {
      expect(parseUsage(JSON.parse(line)) ?? parseCostState(JSON.parse(line))).toBeUndefined()
    }
  })
})

describe("Claude Code's own sum", () => {
  const row = {
    type: 'cost-state',
    totalCostUSD: 1.5,
    modelUsage: { a: { costUSD: 1 }, b: { costUSD: 0.5 }, c: null },
    hasUnknownModelCost: true,
  }

  test('is read', () => {
    expect(parseCostState(row)).toEqual({
      totalUsd: 1.5,
      byModel: { a: 1, b: 0.5, c: 0 },
      isLowerBound: true,
    })
    expect(parseCostState({ ...row, totalCostUSD: 'x' })).toBeUndefined()
    expect(parseCostState({ ...row, type: 'user' })).toBeUndefined()
    expect(parseCostState({ type: 'cost-state', totalCostUSD: Number.NaN })?.totalUsd).toBe(0)
  })
})

describe('the first request on another billing', () => {
  const last = { ...usage, input: 10, cacheRead: 45_000, cacheWrite5m: 1000, cacheWrite1h: 1990, output: 600 }

  test('writes the whole context to the cache, and is answered as the last one was', () => {
    const { tokens, usd } = estimateRequest(last, opus)
    expect(tokens).toBe(48_600)
    expect(usd).toBeCloseTo(48_600 * 5e-6 + 600 * 20e-6, 9)
  })

  test('is dearer where the last one was', () => {
    const base = estimateRequest(last, opus).usd ?? 0
    expect(estimateRequest({ ...last, isFast: true, isUsOnly: true }, opus).usd).toBeCloseTo(base * 2.2, 9)
    expect(estimateRequest(last, small).usd).toBeCloseTo(48_600 * 5e-6 + 600 * 2, 9)
  })

  test('has no price where the model has none', () => {
    expect(estimateRequest(last, undefined)).toEqual({ tokens: 48_600, usd: undefined })
  })
})

test.each([
  [0, false, '$0.00'],
  [0.004, false, '<$0.01'],
  [0.004, true, '≥$0.00'],
  [0.416, false, '$0.42'],
  [12.3, true, '≥$12.30'],
])('shows %d (%j) as %s', (usd, isLowerBound, text) => {
  expect(renderUsd({ usd, isLowerBound })).toBe(text)
})
