import { expect, test } from 'vitest'
import { setUp } from './claudef.ts'
import { askOnce, openSession, switchAtLimit } from './limit.ts'

test.each(['five_hour', 'seven_day'])('goes on with the key at a %s limit', async (claim) => {
  const setup = await setUp()
  const screen = await openSession(setup)
  await askOnce(screen, 'what is two and two?')
  const resumed = await switchAtLimit(setup, screen, { claim })
  expect(JSON.stringify(resumed.body.messages)).toContain('what is two and two?')
})
