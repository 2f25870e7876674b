import { expect, test } from 'vitest'
import type { Behaviour } from '../../fixtures/api/replies.js'
import { setUp } from './claudef.ts'
import { bottomRow, errorRows, expectNoFlash, openSession, turnsOf } from './limit.ts'

test.each<[string, Behaviour, RegExp]>([
  ["the key's own rate limit", { type: 'throttle' }, /Request rejected \(429\)/],
  ['a credit that is used up', { type: 'credit' }, /Credit balance is too low/],
  ['a key that is refused', { type: 'badKey' }, /Invalid API key/],
  ['thinking that is refused', { type: 'thinking' }, /update Claude Code \(2\.1\.152 or later\)/],
])('says %s after the switch, and starts nothing again', async (_, behaviour, words) => {
  const setup = await setUp()
  const screen = await openSession(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' }, api: behaviour })
  await screen.submit('remember the number 4711')
  await screen.waitFor(() => words.test(bottomRow(screen)))
  const pid = setup.starts().at(-1)?.pid ?? 0
  await screen.submit('what is two and two?')
  await expect.poll(() => errorRows(setup)).toBe(3)
  setup.api.setBehaviour({})
  await screen.submit('and three and three?')
  await screen.waitFor('Mock reply via api.')
  expect(setup.starts().map((start) => start.pid)).toEqual([setup.starts()[0]?.pid, pid])
  expect(() => process.kill(pid, 0)).not.toThrow()
  expect(turnsOf(setup, 'subscription').length).toBe(1)
  expectNoFlash(screen)
})
