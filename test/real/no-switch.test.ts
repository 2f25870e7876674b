import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Behaviour } from '../../fixtures/api/replies.js'
import type { Screen } from '../support/screen.ts'
import { type Setup, setUp } from './claudef.ts'
import { askOnce, bottomRow, errorRows, openSession, switchAtLimit, turnsOf } from './limit.ts'

const LIMIT_TEXT = "You've hit your 5-hour limit · resets 4pm (UTC)"
const LIMIT_ROWS = fileURLToPath(new URL('../../fixtures/rows/limits.jsonl', import.meta.url))

/**
 * Nothing has happened up to here, and claudef was awake: a real limit, whose row stands behind all the others in the
 * transcript, makes the first switch.
 */
async function expectNoSwitchYet(setup: Setup, screen: Screen): Promise<void> {
  expect(setup.log()).toBe('')
  expect(setup.starts().length).toBe(1)
  await switchAtLimit(setup, screen)
  expect(setup.log().split('limit met').length - 1).toBe(1)
}

test("the model's reply quotes a limit", async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  setup.api.setBehaviour({ subscription: { type: 'quote', text: LIMIT_TEXT } })
  await screen.submit('what does the log say?')
  await screen.waitFor('That is a quotation.')
  await screen.waitFor(LIMIT_TEXT)
  await expectNoSwitchYet(setup, screen)
})

test("the user's prompt quotes a limit", async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  await askOnce(screen, `what is "${LIMIT_TEXT}" and isApiErrorMessage?`)
  await expectNoSwitchYet(setup, screen)
})

test('a tool prints the rows of limits', async () => {
  const setup = await setUp({ settings: { skipDangerousModePermissionPrompt: true } })
  copyFileSync(LIMIT_ROWS, join(setup.home.cwd, 'rows.jsonl'))
  const screen = await openSession(setup, ['--permission-mode', 'bypassPermissions'])
  setup.api.setBehaviour({ subscription: { type: 'tool', command: 'head -c 20000 rows.jsonl' } })
  await screen.submit('print the rows, please')
  await screen.waitFor('The command ran, via subscription.')
  const printed = JSON.stringify(turnsOf(setup, 'subscription').at(-1)?.body.messages)
  expect(printed).toContain('isApiErrorMessage')
  await expectNoSwitchYet(setup, screen)
})

test.each<[string, Behaviour, RegExp]>([
  ['a throttle', { type: 'throttle' }, /temporarily limiting|Request rejected \(429\)/],
  ['an overload', { type: 'overloaded' }, /Overloaded/],
  ['a credit that is used up', { type: 'credit' }, /[Cc]redit balance/],
  ['a login that is refused', { type: 'badKey' }, /login|401/],
])('the subscription meets %s', async (_, behaviour, words) => {
  const setup = await setUp()
  const screen = await openSession(setup)
  setup.api.setBehaviour({ subscription: behaviour })
  await screen.submit('what is two and two?')
  await screen.waitFor(words)
  await expect.poll(() => errorRows(setup)).toBe(1)
  await expectNoSwitchYet(setup, screen)
})

test('a limit of one model is only offered', async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit', claim: 'seven_day_opus' } })
  await screen.submit('what is two and two?')
  await screen.waitFor(/Opus limit .*Ctrl\+\]/)
  expect(setup.starts().length).toBe(1)
  expect(setup.log()).toMatch(/limit met: weekly, offer/)
})

test("an organization's cap is only told", async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  const cap = { claim: 'overage', overageDisabledReason: 'group_zero_credit_limit' }
  setup.api.setBehaviour({ subscription: { type: 'limit', ...cap } })
  await screen.submit('what is two and two?')
  await screen.waitFor(() => bottomRow(screen).includes("Your group's usage limit is set to $0"))
  expect(bottomRow(screen)).not.toContain('Ctrl+]')
  expect(setup.log()).toMatch(/limit met: \w+, tell/)
  // What Claude Code gets of the key is up to it.
  screen.key('Ctrl+]')
  screen.key('Enter')
  setup.api.setBehaviour({})
  await askOnce(screen, 'and now?')
  expect(setup.starts().length).toBe(1)
  expect(setup.log()).not.toContain('switching')
})
