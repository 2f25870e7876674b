import { afterEach, expect, test } from 'vitest'
import { key, type Setup, setUp } from './claudef.ts'

let setup: Setup
afterEach(() => setup.tearDown())

test.each(['five_hour', 'seven_day'] as const)('goes on with the key at a %s limit, without a keystroke', async (claim) => {
  setup = await setUp()
  const { api, home, run } = setup
  const screen = await run()
  await screen.waitFor('Claude Max')
  api.setBehaviour({ subscription: { type: 'limit', claim } })
  await screen.submit('remember the number 4711')
  await screen.waitFor('Mock reply via api', 8000).catch((e) => { console.log(setup.log()); throw e })
  console.log(screen.text())
  console.log(screen.raw().toString().length, home.transcripts().length)
  const paid = api.requests.filter((request) => request.billing === 'api')
  expect(paid.length).toBeGreaterThan(0)
  expect(paid.every((request) => request.headers['x-api-key'] === key)).toBe(true)
})
