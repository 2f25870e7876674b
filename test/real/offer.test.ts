import { expect, test } from 'vitest'
import { subscriptionToken } from '../support/home.ts'
import { key, setUp } from './claudef.ts'
import {
  askOnce,
  bottomRow,
  CONTINUE_PROMPT,
  currentConversation,
  expectNoFlash,
  expectPaidByKey,
  expectSameConversation,
  lastWords,
  openSession,
  switchAtLimit,
  turnsOf,
} from './limit.ts'

const WAITING = 'Continuing automatically at'

test('offers the switch, asks once more, and takes no other key from Claude Code', async () => {
  const setup = await setUp({ auto: false })
  const screen = await openSession(setup)
  const before = await currentConversation(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit('remember the number 4711')
  const isOffer = () => /5-hour limit.*Ctrl\+\]/.test(bottomRow(screen))
  const isQuestion = () => /…\w{4}.*Enter yes · Esc no/.test(bottomRow(screen))
  await screen.waitFor(isOffer)
  await screen.waitFor(WAITING)

  screen.key('Ctrl+]')
  await screen.waitFor(isQuestion)
  await expect.poll(() => bottomRow(screen)).toContain(key.slice(-4))
  screen.key('Escape')
  await screen.waitFor(isOffer)
  // The Esc was the answer to us: to Claude Code it would have ended the wait.
  await screen.waitFor(WAITING)

  screen.type('draft')
  await screen.waitFor(/❯\sdraft/)
  screen.key('Left')
  screen.key('Backspace')
  screen.type('å')
  await screen.waitFor(/❯\sdraåt/)
  screen.key('Ctrl+]')
  await screen.waitFor(isQuestion)
  screen.type('x')
  await screen.waitFor(/❯\sdraåxt/)
  await screen.waitFor(isOffer)
  expect(setup.starts().length).toBe(1)

  screen.key('Ctrl+]')
  await screen.waitFor(isQuestion)
  screen.key('Enter')
  await screen.waitFor('Mock reply via api.')
  expectPaidByKey(setup, { prompt: 'remember the number 4711', continuePrompt: CONTINUE_PROMPT })
  await expectSameConversation(setup, before)
  expectNoFlash(screen)
  expect(setup.starts().length).toBe(2)
})

test('goes back to the subscription when asked, and to the key at its next limit', async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  const before = await currentConversation(setup)
  await switchAtLimit(setup, screen)
  setup.api.setBehaviour({})
  screen.key('Ctrl+]')
  await screen.waitFor(() => /subscription\?.*Enter yes · Esc no/.test(bottomRow(screen)))
  screen.key('Enter')
  await screen.waitFor('Claude Max')
  await askOnce(screen, 'what is two and two?')
  expect(turnsOf(setup, 'api').length).toBe(1)
  const request = turnsOf(setup, 'subscription').at(-1)
  expect(request?.headers.authorization).toBe(`Bearer ${subscriptionToken}`)
  expect(request?.headers).not.toHaveProperty('x-api-key')
  expect(bottomRow(screen)).not.toContain('API')
  setup.api.setBehaviour({ subscription: { type: 'limit', claim: 'seven_day' } })
  await screen.submit('and three and three?')
  await screen.waitFor(() => /API billing.*subscription back/.test(bottomRow(screen)))
  await expect.poll(() => turnsOf(setup, 'api').length).toBe(2)
  await expectSameConversation(setup, before)
  expect(lastWords(turnsOf(setup, 'api').at(-1))).toContain('and three and three?')
  expect(setup.starts().length).toBe(4)
  expectNoFlash(screen)
})

test('says how to give a key where there is none', async () => {
  const setup = await setUp({ fallbackKey: false })
  const screen = await openSession(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit('remember the number 4711')
  await screen.waitFor(() => /no API key.*claude-fallback key set/.test(bottomRow(screen)))
  screen.key('Ctrl+]')
  screen.key('Enter')
  screen.type('draft')
  await screen.waitFor(/❯\sdraft/)
  await expect.poll(() => bottomRow(screen)).toContain('claude-fallback key set')
  expect(setup.starts().length).toBe(1)
  expect(setup.log()).not.toContain('switching')
  setup.api.setBehaviour({})
  screen.key('Enter')
  await screen.waitFor('Mock reply via subscription.')
})
