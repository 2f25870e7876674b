import { expect, test } from 'vitest'
import { subscriptionToken } from '../support/home.ts'
import { key, setUp } from './claudef.ts'
import {
  askOnce,
  bottomRow,
  currentConversation,
  expectNoFlash,
  expectSameConversation,
  lastWords,
  openSession,
  turnsOf,
} from './limit.ts'

/** A reset that is a minute past in some seconds: a return is due then. */
const resetsAt = (dueInS: number) => Math.floor(Date.now() / 1000) - 60 + dueInS

test('goes back by itself, and on the key again while the limit holds', async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  await askOnce(screen, 'what is two and two?')
  const before = await currentConversation(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit', resetsAt: resetsAt(8) } })
  await screen.submit('remember the number 4711')
  await screen.waitFor('Mock reply via api.')
  setup.api.setBehaviour({})
  await screen.waitFor(() => /^ Back on your subscription · \$\d+\.\d\d spent/.test(bottomRow(screen)))
  await screen.waitFor('Claude Max')
  expect(setup.starts().length).toBe(3)
  await expectSameConversation(setup, before)
  // Nothing was asked by the way.
  expect([turnsOf(setup, 'subscription').length, turnsOf(setup, 'api').length]).toEqual([2, 1])

  await askOnce(screen, 'and three and three?')
  const request = turnsOf(setup, 'subscription').at(-1)
  expect(request?.headers.authorization).toBe(`Bearer ${subscriptionToken}`)
  expect(request?.headers).not.toHaveProperty('x-api-key')
  for (const said of ['what is two and two?', 'remember the number 4711', 'Mock reply via api.'])
    expect(JSON.stringify(request?.body.messages)).toContain(said)

  setup.api.setBehaviour({ subscription: { type: 'limit', resetsAt: resetsAt(1) } })
  await screen.submit('and four and four?')
  await screen.waitFor(() => / limited again, next return at \d/.test(bottomRow(screen)))
  await expect.poll(() => turnsOf(setup, 'api').length).toBe(2)
  expect(lastWords(turnsOf(setup, 'api').at(-1))).toContain('and four and four?')
  expect(turnsOf(setup, 'api').every(({ headers }) => headers['x-api-key'] === key)).toBe(true)
  await expectSameConversation(setup, before)
  expect([turnsOf(setup, 'subscription').length, setup.starts().length]).toEqual([4, 4])
  expectNoFlash(screen)
})

test('waits for a turn and for a draft', async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  setup.api.setBehaviour({
    subscription: { type: 'limit', resetsAt: resetsAt(1) },
    api: { type: 'slow', chunks: 1, until: () => gate },
  })
  await screen.submit('remember the number 4711')
  await screen.waitFor('API Usage Billing')
  await expect.poll(() => turnsOf(setup, 'api').length).toBe(1)
  await screen.waitFor(() => /subscription is back, /.test(bottomRow(screen)))
  screen.type('half a draft')
  await screen.waitFor(/❯\shalf a draft/)
  setup.api.setBehaviour({})
  release()
  await screen.waitFor('Slow mock reply via api.')
  await expect.poll(() => JSON.stringify(setup.home.transcripts())).toContain('turn_duration')
  // Of a look each second.
  await new Promise((resolve) => setTimeout(resolve, 2200))
  expect(setup.starts().length).toBe(2)
  for (const _ of 'half a draft') screen.key('Backspace')
  await screen.waitFor(() => /^ Back on your subscription/.test(bottomRow(screen)))
  await screen.waitFor(/Claude Max[\s\S]*Slow mock reply via api\./)
  expect([turnsOf(setup, 'subscription').length, turnsOf(setup, 'api').length]).toEqual([1, 1])
  expectNoFlash(screen)
})
