import { writeFileSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { setUp as setUpClaudef } from './support/claudef.ts'
import { clock } from './support/clock.ts'
import { waitUntil } from './support/processes.ts'
import type { Screen } from './support/screen.ts'

const env = {
  CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-the-tests-of-queues-wxyz',
  CLAUDE_FALLBACK_NOTIFY: '0',
  TZ: 'UTC',
}

async function switchOver(screen: Screen) {
  screen.type('\x1d')
  await screen.waitFor('Enter')
  screen.key('Enter')
}

/** A session whose row offers or meters the key. */
async function open(row: RegExp, settings: Record<string, string> = {}) {
  const setup = setUpClaudef()
  onTestFinished(setup.tearDown)
  setup.write('clock.mjs', clock(setup.file('ahead')))
  const NODE_OPTIONS = `--import=${setup.file('clock.mjs')}`
  const screen = await setup.draw(['limit'], { env: { ...env, NODE_OPTIONS, ...settings } })
  await screen.waitFor(row)
  const rows = () => setup.home.transcripts().flatMap((transcript) => transcript.rows)
  return {
    setup,
    screen,
    pass: (ms: number) => writeFileSync(setup.file('ahead'), String(ms)),
    said: () => JSON.stringify(rows().filter((row) => row.type === 'user' && row.isMeta !== true)),
  }
}

/** One whose child is in a long turn, with two prompts in its queue. */
async function openBusy(...how: Parameters<typeof open>) {
  const { setup, screen, said } = await open(...how)
  await screen.submit('work 60000')
  await screen.waitFor('esc to interrupt')
  for (const prompt of ['say the second', 'say the third']) {
    await screen.submit(prompt)
    await waitUntil(() => JSON.stringify(setup.home.transcripts()).includes(prompt))
  }
  return { screen, said }
}

test('what was queued when the child had to end in the middle of a turn is asked on the key, once, in order', async () => {
  const { screen, said } = await openBusy(/continue on API billing/)
  await switchOver(screen)
  await screen.waitFor('● the third')
  await waitUntil(() => said().includes('say the third'))
  expect(said().match(/say the (second|third)/g)).toEqual(['say the second', 'say the third'])
})

test('after a return, which asks nothing, it stands in the input box', async () => {
  const { screen, said } = await openBusy(/\(via API\)[\s\S]*Worked for[\s\S]*^ API billing/m, {
    CLAUDE_FALLBACK_AUTO_RESTART: '1',
  })
  screen.type('half a dr')
  await screen.waitFor('half a dr')
  await switchOver(screen)
  await screen.waitFor(/❯ say the second\n +say the third\n +half a dr/)
  expect(said()).not.toContain('the second')
  expect(screen.text()).not.toContain('API billing')
})

/** One whose child hangs, and has been sent a prompt meanwhile. */
async function openHanging(...how: Parameters<typeof open>) {
  const { screen, said, pass } = await open(...how)
  await screen.submit('hang 60000')
  await screen.waitFor('● Hangs')
  screen.type('say the lost')
  screen.key('Enter')
  return { screen, said, pass }
}

test('what was sent to a child that hung is asked on the key, once', async () => {
  const { screen, said } = await openHanging(/continue on API billing/)
  await switchOver(screen)
  await screen.waitFor('● the lost')
  await waitUntil(() => said().includes('say the lost'))
  expect(said().match(/say the lost/g)).toEqual(['say the lost'])
})

test('after a return it stands in the input box', async () => {
  const { screen, said } = await openHanging(/\(via API\)[\s\S]*^ API billing/m, {
    CLAUDE_FALLBACK_AUTO_RESTART: '1',
  })
  screen.type('half a dr')
  await switchOver(screen)
  await screen.waitFor(/❯ say the lost\n +half a dr/)
  expect(said()).not.toContain('the lost')
})

test('what it was sent long before stands in the input box', async () => {
  const { screen, said, pass } = await openHanging(/continue on API billing/)
  screen.type('half a dr\x1d')
  await screen.waitFor('Enter')
  pass(6000)
  screen.key('Enter')
  await screen.waitFor(/\(via API\)[\s\S]*❯ say the lost\n +half a dr/)
  expect(said()).not.toContain('the lost')
})

test('words that were a command of the shell before are no command', async () => {
  const { screen, said } = await open(/continue on API billing/)
  await screen.submit('!say the lost')
  await screen.waitFor('the lost')
  await screen.submit('hang 60000')
  await screen.waitFor('● Hangs')
  screen.type('say the lost')
  screen.key('Enter')
  await switchOver(screen)
  await waitUntil(() => (said().match(/say the lost/g) ?? []).length === 2)
  expect(said().match(/!?say the lost/g)).toEqual([expect.anything(), 'say the lost'])
})
