import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readConfig } from '../src/config.ts'
import { emptyState, renderSharedState } from '../src/core/shared-state.ts'
import { chooseFirstBilling } from '../src/first-billing.ts'
import type { FoundKey } from '../src/key.ts'

const NOW = Date.UTC(2026, 5, 1, 12)
const HOUR = 3_600_000

function setUp({ until, env = {} }: { until?: number; env?: Record<string, string> } = {}) {
  const home = mkdtempSync(join(tmpdir(), 'claudef-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const file = join(home, '.claude_fallback_state.json')
  const mode = until === undefined ? undefined : ({ billing: 'api', until } as const)
  writeFileSync(file, renderSharedState({ ...emptyState(), mode }))
  const { config } = readConfig({ HOME: home, ...env })
  const key = readKey('sk-ant-api03-made-up-for-tests')
  let lookUps = 0
  return {
    file,
    lookUps: () => lookUps,
    choose: (found: FoundKey = key) =>
      chooseFirstBilling({
        config,
        lookUpKey: async () => {
          lookUps += 1
          return found
        },
        log: () => {},
        now: () => NOW,
      }),
  }
}

const readKey = (key: string) => ({ type: 'key', key, source: 'CLAUDE_FALLBACK_API_KEY' }) as FoundKey

test('the subscription without a mode, and no key is looked up', async () => {
  const { choose, lookUps } = setUp()
  expect(await choose()).toEqual({ billing: 'subscription', note: undefined })
  expect(lookUps()).toBe(0)
})

test('the key while the mode says so, and until when', async () => {
  const { choose } = setUp({ until: NOW + HOUR })
  expect(await choose()).toEqual({ billing: 'api', note: expect.stringMatching(/^mode api until \d/) })
})

test.each([
  ['that is over', { until: NOW }],
  ['of a clock that was wrong', { until: NOW + 40 * 24 * HOUR }],
  ['that the environment overrides', { until: NOW + HOUR, env: { CLAUDE_FALLBACK_BILLING: 'subscription' } }],
])('the subscription with a mode %s', async (_, options) => {
  expect(await setUp(options).choose()).toEqual({ billing: 'subscription', note: undefined })
})

test('the key by choice', async () => {
  const { choose } = setUp({ env: { CLAUDE_FALLBACK_BILLING: 'api' } })
  expect(await choose()).toEqual({ billing: 'api', note: 'by choice' })
})

test.each([
  ['the mode', { until: NOW + HOUR }, 'The mode is api, but there is no key to pay with'],
  [
    'choice',
    { env: { CLAUDE_FALLBACK_BILLING: 'api' } },
    'The billing is set to api, but there is no key to pay with',
  ],
])('the subscription, and why, where %s asks for a key that is not there', async (_, options, reason) => {
  const { billing, note } = await setUp(options).choose({ type: 'none' })
  expect(billing).toBe('subscription')
  expect(note).toContain(reason)
})

test('the subscription, and why, where the cap leaves nothing', async () => {
  const { choose } = setUp({ until: NOW + HOUR, env: { CLAUDE_FALLBACK_MAX_USD_PER_DAY: '0' } })
  const { billing, note } = await choose()
  expect(billing).toBe('subscription')
  expect(note).toMatch(/^The mode is api, but max_usd_per_day is 0/)
})

test('the subscription, and why, where nobody knows what the cap of the day leaves', async () => {
  const env = { CLAUDE_FALLBACK_BILLING: 'api' }
  const { choose, file } = setUp({ env })
  mkdirSync(join(dirname(file), '.claude_fallback_spend.jsonl'))
  const { billing, note } = await choose()
  expect(billing).toBe('subscription')
  expect(note).toMatch(/^The billing is set to api, but what was spent today cannot be read/)
})

test('the subscription where the state cannot be read', async () => {
  const { choose, file } = setUp({ until: NOW + HOUR })
  writeFileSync(file, 'damaged')
  expect(await choose()).toEqual({ billing: 'subscription', note: undefined })
})
