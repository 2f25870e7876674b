import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Setup, setUp } from './claudef.ts'
import { askOnce, currentConversation, openSession, switchAtLimit } from './limit.ts'

const QUESTION = 'what is two and two?'

/** A conversation of one turn that has been left; its session id. */
async function leaveConversation(setup: Setup): Promise<string> {
  const screen = await openSession(setup)
  await askOnce(screen, QUESTION)
  const { sessionId } = await currentConversation(setup)
  await screen.submit('/exit')
  expect(await screen.exit).toEqual({ code: 0, signal: 0 })
  return sessionId
}

/** Waits until Claude Code is in another conversation. */
async function expectMoved(setup: Setup, sessionId: string): Promise<void> {
  await expect.poll(() => setup.sessionOf(setup.starts().at(-1)?.pid ?? 0)).not.toBe(sessionId)
}

test('goes on in the conversation that /clear has begun', async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  await askOnce(screen, QUESTION)
  const { sessionId } = await currentConversation(setup)
  await screen.submit('/clear')
  await expectMoved(setup, sessionId)
  const resumed = await switchAtLimit(setup, screen)
  expect(JSON.stringify(resumed.body.messages)).not.toContain(QUESTION)
})

test('goes on in the conversation that /branch has begun', async () => {
  const setup = await setUp()
  const screen = await openSession(setup)
  await askOnce(screen, QUESTION)
  const { sessionId } = await currentConversation(setup)
  await screen.submit('/branch')
  await expectMoved(setup, sessionId)
  const resumed = await switchAtLimit(setup, screen)
  expect(JSON.stringify(resumed.body.messages)).toContain(QUESTION)
})

test.each(['--resume', '--continue'])('goes on in a conversation that was opened with %s', async (option) => {
  const setup = await setUp()
  const sessionId = await leaveConversation(setup)
  const screen = await openSession(setup, option === '--resume' ? [option, sessionId] : [option])
  await screen.waitFor(QUESTION)
  expect((await currentConversation(setup)).sessionId).toBe(sessionId)
  const resumed = await switchAtLimit(setup, screen)
  expect(JSON.stringify(resumed.body.messages)).toContain(QUESTION)
})

test('goes on in a conversation of another folder', async () => {
  const setup = await setUp()
  const sessionId = await leaveConversation(setup)
  const elsewhere = join(setup.home.root, 'elsewhere')
  mkdirSync(elsewhere)
  setup.trust(elsewhere)
  const screen = await openSession(setup, ['--resume', sessionId], { cwd: elsewhere })
  await screen.waitFor(QUESTION)
  const resumed = await switchAtLimit(setup, screen)
  expect(JSON.stringify(resumed.body.messages)).toContain(QUESTION)
})

test('an old limit in the conversation is no reason to switch', async () => {
  const setup = await setUp()
  const bare = await openSession(setup, [], { bare: true })
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await bare.submit(QUESTION)
  await bare.waitFor("You've hit your 5-hour limit")
  const { sessionId } = await currentConversation(setup)
  await bare.close()
  setup.api.setBehaviour({})
  const screen = await openSession(setup, ['--resume', sessionId])
  await screen.waitFor("You've hit your 5-hour limit")
  await askOnce(screen, 'and three and three?')
  expect(setup.log()).toBe('')
  expect(setup.starts().length).toBe(2)
  await switchAtLimit(setup, screen)
})

test.each(['a new conversation', '--resume', '--continue', '/clear'])(
  'goes on without hooks: %s',
  async (how) => {
    const setup = await setUp({ settings: { disableAllHooks: true } })
    const left = how === 'a new conversation' ? undefined : await leaveConversation(setup)
    const args = { '--resume': ['--resume', String(left)], '--continue': ['--continue'] }[how]
    const screen = await openSession(setup, args)
    const { sessionId } = await currentConversation(setup)
    if (args !== undefined) expect(sessionId).toBe(left)
    if (how === '/clear') {
      await screen.submit('/clear')
      await expectMoved(setup, sessionId)
    }
    await switchAtLimit(setup, screen)
  },
)
