import { expect, test } from 'vitest'
import { waitUntil } from '../support/processes.ts'
import type { Screen } from '../support/screen.ts'
import { type Setup, setUp } from './claudef.ts'
import { processesIn } from './leak.ts'
import { askOnce, currentConversation, lastWords, openSession, switchAtLimit, turnsOf } from './limit.ts'

async function openMeasured(setup: Setup) {
  const screen = await setup.run([], { compareTermios: true })
  const modes = screen.modes()
  await screen.waitFor('Claude Max')
  return { screen, modes }
}

/** What a shell's user finds, without what differs from run to run. */
function leftOnScreen(screen: Screen): string {
  return screen.history().replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID')
}

/** As before: the attributes, the modes, the main screen, which was left and come back to once. */
function expectRestored(screen: Screen, modes: ReturnType<Screen['modes']>): void {
  const { before, after } = screen.attributes()
  expect(before).toMatch(/:/)
  expect(after).toBe(before)
  expect(screen.modes()).toEqual(modes)
  expect(screen.raw().toString('latin1').split('\x1b[?1049l').length - 1).toBe(1)
  expect(screen.title()).toBe('')
}

test('/exit: code 0, and the terminal as it was', async () => {
  const setup = await setUp()
  const { screen, modes } = await openMeasured(setup)
  await askOnce(screen, 'what is two and two?')
  await screen.submit('/exit')
  expect(await screen.exit).toEqual({ code: 0, signal: 0 })
  expectRestored(screen, modes)
  expect(screen.history()).toContain('claude --resume')
})

test('/exit after a switch: code 0, one farewell, and the terminal as it was', async () => {
  const setup = await setUp()
  const { screen, modes } = await openMeasured(setup)
  await switchAtLimit(setup, screen)
  await screen.submit('/exit')
  expect(await screen.exit).toEqual({ code: 0, signal: 0 })
  expectRestored(screen, modes)
  expect(screen.history().split('claude --resume').length - 1).toBe(1)
  expect(screen.history()).not.toContain('API billing')
})

test.each([0, 60])(
  'leaves behind what Claude Code leaves, after %i lines of the shell',
  async (afterLines) => {
    const setup = await setUp()
    const bare = await openSession(setup, [], { afterLines, bare: true })
    await askOnce(bare, 'what is two and two?')
    await bare.submit('/exit')
    await bare.exit
    const screen = await openSession(setup, [], { afterLines })
    await switchAtLimit(setup, screen)
    await screen.submit('/exit')
    await screen.exit
    expect(leftOnScreen(screen)).toBe(leftOnScreen(bare))
  },
)

test('SIGTERM: code 143, and the terminal as it was', async () => {
  const setup = await setUp()
  const { screen, modes } = await openMeasured(setup)
  screen.signal('SIGTERM')
  expect(await screen.exit).toEqual({ code: 143, signal: 0 })
  expectRestored(screen, modes)
})

test('a child that is killed: code 137, and the terminal as it was', async () => {
  const setup = await setUp()
  const { screen, modes } = await openMeasured(setup)
  await askOnce(screen, 'what is two and two?')
  process.kill(setup.starts()[0]?.pid ?? 0, 'SIGKILL')
  expect(await screen.exit).toEqual({ code: 137, signal: 0 })
  expectRestored(screen, modes)
  expect(setup.starts().length).toBe(1)
})

/** Begun: one Claude Code is told to end. Started: the next one is there, and does not read yet. */
const MOMENTS = {
  begun: (setup: Setup) => setup.log().includes('switching to api billing'),
  started: (setup: Setup) => setup.starts().length === 2,
}
const INLINE = { CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN: '1' }

test.each<[key: string, bytes: string, moment: keyof typeof MOMENTS, env: Record<string, string>]>([
  ['Ctrl+C', '\x03', 'begun', {}],
  ['Ctrl+C', '\x03', 'started', INLINE],
  ['Ctrl+D', '\x04', 'begun', INLINE],
  ['Ctrl+D', '\x04', 'started', {}],
  ['Ctrl+C of the kitty keyboard', '\x1b[99;5u', 'begun', {}],
])('%s (%j) once a switch has %s: it stops there, and can be gone on with', async (_, bytes, moment, env) => {
  const setup = await setUp()
  const screen = await setup.run([], { compareTermios: true, env })
  const modes = screen.modes()
  await screen.waitFor('Claude Max')
  await askOnce(screen, 'what is two and two?')
  const { sessionId } = await currentConversation(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit('remember the number 4711')
  await waitUntil(() => MOMENTS[moment](setup))
  screen.type(bytes)
  await screen.exit
  const { before, after } = screen.attributes()
  expect(after).toBe(before)
  expect(screen.modes()).toEqual(modes)
  expect(screen.title()).toBe('')
  // Beside what Claude Code itself may say as it ends.
  const said = screen.history().replace(/\n/g, '')
  expect(said.split(`Go on with: claudef --resume ${sessionId}`).length - 1).toBe(1)
  expect(screen.text()).not.toMatch(/API billing|Ctrl\+\]/)
  await expect.poll(() => processesIn(setup.home.root)).toEqual([])
  expect(turnsOf(setup, 'api')).toEqual([])

  setup.api.setBehaviour({})
  const resumed = await openSession(setup, ['--resume', sessionId])
  await resumed.waitFor('remember the number 4711')
  await askOnce(resumed, 'which number was it?')
  const request = turnsOf(setup, 'subscription').at(-1)
  expect(lastWords(request)).toContain('which number was it?')
  expect(JSON.stringify(request?.body.messages)).toContain('remember the number 4711')
})
