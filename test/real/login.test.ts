import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { subscriptionToken } from '../support/home.ts'
import { key, setUp } from './claudef.ts'
import { askOnce, openSession, switchAtLimit, turnsOf } from './limit.ts'

const OWN_KEY = `sk-ant-api03-the-users-own-made-up-key-${'1'.repeat(60)}-own`

function environmentOf(pid: number): Record<string, string> {
  const pairs = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean)
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
}

test('bills the subscription with an ANTHROPIC_API_KEY exported, and falls back to it', async () => {
  const setup = await setUp({ fallbackKey: false })
  const screen = await openSession(setup, [], { env: { ANTHROPIC_API_KEY: key } })
  await askOnce(screen, 'what is two and two?')
  const [request] = turnsOf(setup, 'subscription')
  expect(request?.headers.authorization).toBe(`Bearer ${subscriptionToken}`)
  expect(request?.headers).not.toHaveProperty('x-api-key')
  await switchAtLimit(setup, screen)
  expect(screen.raw().toString()).not.toMatch(/custom API key|Both .* set/)
})

test("prefers claudef's own key to an ANTHROPIC_API_KEY exported", async () => {
  const setup = await setUp()
  const screen = await openSession(setup, [], { env: { ANTHROPIC_API_KEY: OWN_KEY } })
  await switchAtLimit(setup, screen)
  expect(JSON.stringify(setup.api.requests)).not.toContain(OWN_KEY)
})

test('stays out where the exported key is approved and the only one', async () => {
  const approved = { customApiKeyResponses: { approved: [OWN_KEY.slice(-20)], rejected: [] } }
  const setup = await setUp({ fallbackKey: false, state: approved })
  const screen = await setup.run([], { env: { ANTHROPIC_API_KEY: OWN_KEY } })
  await screen.waitFor('API Usage Billing')
  await screen.submit('what is two and two?')
  await screen.waitFor('Mock reply via api.')
  expect(turnsOf(setup, 'api')[0]?.headers['x-api-key']).toBe(OWN_KEY)
  expect(turnsOf(setup, 'subscription')).toEqual([])
  const [start] = setup.starts()
  expect(start?.args).toEqual([])
  expect(environmentOf(start?.pid ?? 0)).toEqual({
    ...setup.env,
    ANTHROPIC_API_KEY: OWN_KEY,
    PWD: setup.home.cwd,
  })
})

test('stays out where ANTHROPIC_AUTH_TOKEN pays', async () => {
  const setup = await setUp()
  setup.api.setBehaviour({ type: 'answer' })
  const env = { ANTHROPIC_AUTH_TOKEN: 'made-up-token-of-a-gateway', ANTHROPIC_API_KEY: '' }
  const screen = await setup.run(['--model', 'sonnet'], { env })
  await screen.waitFor('Sonnet 5.5')
  await screen.submit('what is two and two?')
  await screen.waitFor('Mock reply via')
  const request = setup.api.requests.find(({ stream }) => stream)
  expect(request?.headers.authorization).toBe(`Bearer ${env.ANTHROPIC_AUTH_TOKEN}`)
  const [start] = setup.starts()
  expect(start?.args).toEqual(['--model', 'sonnet'])
  const { CLAUDE_FALLBACK_API_KEY: _, ...untouched } = setup.env
  expect(environmentOf(start?.pid ?? 0)).toEqual({ ...untouched, ...env, PWD: setup.home.cwd })
})
