import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { key, setUp } from './claudef.ts'
import {
  askOnce,
  bottomRow,
  CONTINUE_PROMPT,
  expectNoFlash,
  lastWords,
  openSession,
  switchAtLimit,
  turnsOf,
} from './limit.ts'

test.each(['five_hour', 'seven_day'])('goes on with the key at a %s limit', async (claim) => {
  const setup = await setUp()
  const screen = await openSession(setup, [], { cols: 160 })
  await askOnce(screen, 'what is two and two?')
  const resumed = await switchAtLimit(setup, screen, { claim })
  await expect.poll(() => bottomRow(screen)).toContain(` API billing (key …${key.slice(-4)}) · `)
  await expect.poll(() => bottomRow(screen)).toContain(' · subscription back ')
  expect(JSON.stringify(resumed.body.messages)).toContain('what is two and two?')
})

test('runs a shell command once that was queued when the turn before it had to end, and asks nobody about it', async () => {
  const setup = await setUp({ auto: false, state: { bypassPermissionsModeAccepted: true } })
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  const screen = await openSession(setup, ['--permission-mode', 'bypassPermissions'])
  await screen.submit('what is two and two?')
  await screen.waitFor('continue on API billing')
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  onTestFinished(release)
  setup.api.setBehaviour({ subscription: { type: 'slow', chunks: 1, until: () => gate } })
  await screen.submit('tell me a long story')
  await screen.waitFor('esc to interrupt')
  screen.type('!')
  await screen.waitFor('! for shell')
  await screen.submit('echo ran >>made')
  await screen.submit('remember the number 4711')
  await expect.poll(() => JSON.stringify(setup.home.transcripts())).toContain('4711')
  screen.type('\x1d')
  await screen.waitFor('Enter')
  screen.key('Enter')
  await expect.poll(() => readdirSync(setup.home.cwd)).toEqual(['made'])
  const asked = () => turnsOf(setup, 'api').map((turn) => lastWords(turn).join('\n'))
  await expect.poll(() => asked().at(-1)).toContain('remember the number 4711')
  expect(asked().filter((words) => /^echo ran/m.test(words))).toEqual([])
  expect(readFileSync(join(setup.home.cwd, 'made'), 'utf8')).toBe('ran\n')
})

test('takes along the prompts that were queued behind the one that met the limit', async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  await askOnce(screen, 'what is two and two?')
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  setup.api.setBehaviour({ subscription: { type: 'slow', chunks: 1, until: () => gate } })
  await screen.submit('tell me a long story')
  await screen.waitFor('esc to interrupt')
  await screen.submit('remember the number 4711')
  await screen.submit('and the number 4712')
  await expect.poll(() => JSON.stringify(setup.home.transcripts())).toContain('and the number 4712')
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  release()
  await screen.waitFor('Mock reply via api.')
  const [resumed] = turnsOf(setup, 'api')
  const words = lastWords(resumed).join('\n')
  for (const said of ['remember the number 4711', 'and the number 4712', CONTINUE_PROMPT])
    expect(words).toContain(said)
  expect(JSON.stringify(resumed?.body.messages)).not.toContain('No response requested')
  expect(setup.starts().length).toBe(2)
  expectNoFlash(screen)
})

test('keeps what is typed during the switch', async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit('remember the number 4711')
  await expect.poll(() => setup.log()).toContain('switching')
  screen.type('draft å')
  await screen.waitFor('Mock reply via api.')
  await screen.waitFor(/❯\sdraft å/)
  expect(turnsOf(setup, 'api').length).toBe(1)
})
