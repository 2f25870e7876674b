import { expect, test } from 'vitest'
import { setUp } from './claudef.ts'
import { askOnce, currentConversation, openSession } from './limit.ts'

const ROUNDS = 3

/**
 * What a switch takes, from the row of the limit to the first picture on the key, beside what Claude Code itself takes
 * to end and to start again. Printed, not judged: it is a matter of the machine.
 */
test('a switch, and the end and the start that it is made of', async () => {
  const ratios: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const setup = await setUp()
    const screen = await openSession(setup)
    await askOnce(screen, 'what is two and two?')
    const { sessionId } = await currentConversation(setup)
    setup.api.setBehaviour({ subscription: { type: 'limit' } })
    await screen.submit('remember the number 4711')
    await until(() => JSON.stringify(setup.home.transcripts()).includes('usage_limit_reached'))
    const limit = performance.now()
    await screen.waitFor('API Usage Billing')
    const switched = performance.now() - limit
    await screen.waitFor('Mock reply via api.')
    await screen.close()
    const own = await timeOwn(setup, sessionId)
    ratios.push(switched / own)
    console.log(`switch ${switched.toFixed(0)} ms; its own end and start ${own.toFixed(0)} ms`)
  }
  console.log(`ratio: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}`)
  expect(ratios).toHaveLength(ROUNDS)
})

async function timeOwn(setup: Awaited<ReturnType<typeof setUp>>, sessionId: string): Promise<number> {
  const start = performance.now()
  const bare = await setup.run(['--resume', sessionId], { bare: true })
  await bare.waitFor('Claude Max')
  const started = performance.now() - start
  const end = performance.now()
  bare.signal('SIGTERM')
  await bare.exit
  return started + performance.now() - end
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 2))
}
