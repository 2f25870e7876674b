import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { loadPrices, normalizeModel } from '../src/prices.ts'

const now = new Date('2026-11-22T12:00:00Z')
const prices = await loadPrices(now)

/** USD per million tokens, in the order of price lists. */
function perMillion(model: string, at = prices) {
  const price = at.of(model)
  if (price === undefined) return undefined
  const { input, output, cacheRead, cacheWrite5m, cacheWrite1h } = price
  return [input, output, cacheRead, cacheWrite5m, cacheWrite1h].map((usd) => Number((usd * 1e6).toFixed(6)))
}

test.each([
  ['claude-opus-5-5', [4, 20, 0.2, 5, 8]],
  ['claude-opus-4-1-20250805', [15, 75, 1.5, 18.75, 30]],
  ['claude-sonnet-4-20250514', [3, 15, 0.3, 3.75, 6]],
  ['claude-haiku-4-5-20251001', [1, 5, 0.1, 1.25, 2]],
  // Not in the library: measured.
  ['claude-sonnet-5-5', [2, 10, 0.1, 2.5, 4]],
  ['claude-haiku-5-5', [0.1, 0.5, 0.01, 0.125, 0.2]],
  ['claude-fable-5-2', [8, 40, 0.2, 10, 16]],
  ['claude-2', [8, 24, 8, 10, 16]],
])('knows %s', (model, usd) => {
  expect(perMillion(model)).toEqual(usd)
  expect(prices.of(model)?.webSearch).toBe(0.01)
})

test.each([
  ['claude-opus-5-5[1m]', 'claude-opus-5-5'],
  ['us.anthropic.claude-opus-4-1-20250805-v1:0', 'claude-opus-4-1'],
  ['anthropic.claude-3-5-sonnet-20241022-v2:0', 'claude-3-5-sonnet'],
  [
    'arn:aws:bedrock:us-east-1::inference-profile/us.anthropic.claude-opus-4-1-20250805-v1:0',
    'claude-opus-4-1',
  ],
  ['claude-haiku-4-5@20251001', 'claude-haiku-4-5'],
  ['claude-3-7-sonnet-latest', 'claude-3-7-sonnet'],
  ['anthropic/claude-sonnet-5', 'claude-sonnet-5'],
  ['Claude-Opus-5-5 ', 'claude-opus-5-5'],
])('takes %s for %s', (model, name) => {
  expect(normalizeModel(model)).toBe(name)
  expect(prices.of(model)).toBeDefined()
  expect(prices.of(model)).toEqual(prices.of(name))
})

test.each([
  'claude-sonnet-5-9',
  'claude-opus-4-10',
  'claude-zebra-9',
  'gpt-5',
  '',
  '__proto__',
  'constructor',
])('does not know %j', (model) => {
  expect(prices.of(model)).toBeUndefined()
})

test('has the tiers of long prompts', () => {
  expect(prices.of('claude-sonnet-4-5')?.longPrompt).toMatchObject({ aboveTokens: 200_000, input: 6e-6 })
  expect(prices.of('claude-sonnet-4-5')?.longPrompt?.output).toBeCloseTo(22.5e-6, 12)
  expect(prices.of('claude-haiku-5-5')?.longPrompt?.aboveTokens).toBe(100_000)
  expect(prices.of('claude-opus-5-5')?.longPrompt).toBeUndefined()
})

test('has the prices of a day: Opus 4.6 had a tier until March 2026', async () => {
  const earlier = await loadPrices(new Date('2026-02-01T00:00:00Z'))
  expect(earlier.of('claude-opus-4-6')?.longPrompt?.aboveTokens).toBe(200_000)
  expect(prices.of('claude-opus-4-6')?.longPrompt).toBeUndefined()
})

test.each([
  ['claude-opus-4-6', 6],
  ['claude-opus-5-5', 2],
  ['claude-sonnet-5', undefined],
])('has the price of fast mode: %s', (model, fast) => {
  expect(prices.of(model)?.fast).toBe(fast)
})

test('the dearest is dearer than any in every kind', () => {
  for (const model of [
    'claude-opus-4-0',
    'claude-opus-4-1',
    'claude-sonnet-4-5',
    'claude-fable-5',
    'claude-2',
  ]) {
    const price = prices.of(model)
    for (const kind of ['input', 'output', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h'] as const) {
      expect(prices.dearest[kind]).toBeGreaterThanOrEqual(price?.[kind] ?? Number.POSITIVE_INFINITY)
    }
  }
  expect(prices.dearest.output).toBe(75e-6)
})

test('asks no network', () => {
  const script = `
    const asked = []
    for (const name of ['fetch', 'XMLHttpRequest', 'WebSocket']) globalThis[name] = (...args) => { asked.push([name, ...args]) }
    const { default: net } = await import('node:net')
    net.Socket.prototype.connect = function (...args) { asked.push(['connect', ...args]); return this }
    const { default: dns } = await import('node:dns')
    dns.lookup = (...args) => { asked.push(['lookup', args[0]]) }
    const { loadPrices } = await import('./dist/prices.js')
    const prices = await loadPrices()
    prices.of('claude-zebra-9')
    await new Promise((resolve) => setImmediate(resolve))
    console.log(JSON.stringify({ asked, output: prices.of('claude-opus-5-5').output }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: new URL('..', import.meta.url),
    encoding: 'utf8',
    timeout: 20_000,
  })
  expect({ said: JSON.parse(stdout || '{}'), stderr }).toEqual({
    said: { asked: [], output: 20e-6 },
    stderr: '',
  })
})
