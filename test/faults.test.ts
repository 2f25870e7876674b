import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { setUp as setUpClaudef } from './support/claudef.ts'
import { childrenOf, findProcesses } from './support/processes.ts'

const key = 'sk-ant-api03-made-up-for-the-tests-of-faults-wxyz'

function setUp() {
  const setup = setUpClaudef()
  onTestFinished(setup.tearDown)
  const env = { CLAUDE_FALLBACK_AUTO_RESTART: '1', CLAUDE_FALLBACK_API_KEY: key, TZ: 'UTC' }
  const temporary = setup.home.env.TMPDIR ?? ''
  return {
    ...setup,
    draw: (args: string[] = []) => setup.draw(args, { env, compareTermios: true }),
    /** A path in the session's private folder. */
    inside: (name: string) => join(temporary, setup.leftovers()[0] ?? '', name),
    processes: () => findProcesses(`HOME=${setup.home.home}`),
    said: () => JSON.stringify(setup.home.transcripts()),
  }
}

const askSocket = (path: string) =>
  new Promise<string>((resolve) => {
    const connection = connect(path)
    connection.on('data', (data) => resolve(data.toString()))
    connection.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
  })

/** Into the switch, in ms. */
const moments = [0, 10, 20, 40, 60, 90, 130, 180, 250, 400]

test.each(moments)(
  'claudef is killed %i ms into a switch: nothing stays, and the conversation goes on',
  async (ms) => {
    const { draw, log, processes, said, home } = setUp()
    const screen = await draw(['say the first'])
    await screen.waitFor('● the first')
    await screen.submit('limit')
    await expect.poll(log).toContain('switching to api')
    await sleep(ms)
    screen.signal('SIGKILL')
    await screen.exit
    await expect.poll(processes).toEqual([])
    expect(said()).toContain('say the first')
    for (const name of readdirSync(home.home).filter((name) => name.endsWith('state.json')))
      expect(() => JSON.parse(readFileSync(join(home.home, name), 'utf8'))).not.toThrow()
    const again = await draw(['--continue'])
    await again.waitFor('● the first')
    await again.waitFor('❯ limit')
  },
)

test.each(moments)('Claude Code is killed %i ms into a switch: the terminal is as before', async (ms) => {
  const { draw, log, processes, said } = setUp()
  const screen = await draw(['say the first'])
  await screen.waitFor('● the first')
  await screen.submit('limit')
  await expect.poll(log).toContain('switching to api')
  await sleep(ms)
  for (const pid of childrenOf(screen.pid())) process.kill(pid, 'SIGKILL')
  // Either it was the one that was to end, and the switch goes on, or claudef ends as it did.
  const isOver = () => processes().length === 0 || screen.text().includes('(via API)')
  await expect.poll(isOver).toBe(true)
  await screen.end()
  expect(screen.attributes().after).toBe(screen.attributes().before)
  await expect.poll(processes).toEqual([])
  expect(said()).toContain('say the first')
})

test('a return that cannot be prepared leaves the session its key', async () => {
  const { draw, inside } = setUp()
  const screen = await draw(['limit'])
  await screen.waitFor('(via API)')
  rmSync(inside('settings.json'))
  mkdirSync(inside('settings.json'))
  screen.type('\x1d')
  await screen.waitFor('Go back to your subscription?')
  screen.key('Enter')
  await screen.waitFor('No switch: ')
  expect(await askSocket(inside('key'))).toBe(key)
  await screen.submit('say still here')
  await screen.waitFor('● still here')
})

test('a switch that cannot be prepared leaves no key to ask for', async () => {
  const { draw, inside } = setUp()
  const screen = await draw(['say hello'])
  await screen.waitFor('● hello')
  rmSync(inside('settings.json'))
  mkdirSync(inside('settings.json'))
  await screen.submit('limit')
  await screen.waitFor('No switch: ')
  expect(await askSocket(inside('key'))).toMatch(/ENOENT|ECONNREFUSED/)
})
