import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseSharedState, type SharedState } from '../src/core/shared-state.ts'
import { type Setup, setUp } from './support/claudef.ts'
import { companionProgram } from './support/companion.ts'

let setup: Setup
let monitors: ChildProcess[]
let env: Record<string, string>
beforeEach(() => {
  setup = setUp()
  monitors = []
  mkdirSync(setup.file('bin'))
  setup.write(
    'bin/notify-send',
    `#!/bin/sh\nprintf '%s|' "$@" >>'${setup.file('sent')}'\necho >>'${setup.file('sent')}'\n`,
  )
  env = {
    ...setup.env,
    PATH: `${setup.file('bin')}:${setup.home.env.PATH}`,
    DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere',
    CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-tests',
    FAKE_CLAUDE_LIMIT: 'five_hour',
    FAKE_CLAUDE_LIMIT_FILE: setup.file('limited'),
    FAKE_CLAUDE_TRACE: setup.file('trace'),
  }
})
afterEach(async () => {
  for (const monitor of monitors) {
    if (monitor.exitCode !== null || monitor.signalCode !== null) continue
    monitor.kill('SIGKILL')
    await new Promise((resolve) => monitor.once('exit', resolve))
  }
  await setup.tearDown()
})

const auto = { CLAUDE_FALLBACK_AUTO_RESTART: '1' }
const start = (args: string[] = [], more: Record<string, string> = {}) =>
  setup.draw(args, { env: { ...env, ...more }, cols: 140 })
const meetLimit = () => writeFileSync(setup.file('limited'), '')
const companion = (...args: string[]) =>
  spawnSync(process.execPath, [companionProgram, ...args], { env, encoding: 'utf8' })
const sent = () => setup.read('sent').split('\n').slice(0, -1)
const payers = (): string[] =>
  setup
    .read('trace')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .flatMap(({ event, billing }) => (event === 'start' ? [billing] : []))

function sessions(): SharedState['sessions'] {
  try {
    const parsed = parseSharedState(
      readFileSync(join(setup.home.home, '.claude_fallback_state.json'), 'utf8'),
    )
    return 'state' in parsed ? parsed.state.sessions : []
  } catch {
    return []
  }
}

test('what one session meets the others say, and still start on the subscription', async () => {
  const before = await start()
  await before.waitFor('Claude Max')
  meetLimit()
  const limited = await start(['name a prime'])
  await limited.waitFor('Ctrl+] continue on API billing')
  await before.waitFor('(met in another session)')
  rmSync(setup.file('limited'))
  const after = await start(['say hello'])
  await after.waitFor('● hello')
  await after.waitFor('(met in another session)')
  expect(payers()).toEqual(['subscription', 'subscription', 'subscription'])

  expect(companion('clear').stdout).toContain('Forgot 1 limit')
  for (const screen of [before, limited, after]) {
    await screen.waitFor((text) => !text.includes('Ctrl+] continue on API billing'))
  }
})

test('a session registers, follows its own conversation, and leaves', async () => {
  const screen = await start(['say hello'])
  await screen.waitFor('● hello')
  await expect.poll(setup.home.transcripts).toHaveLength(1)
  const id = setup.home.transcripts()[0]?.sessionId
  await expect
    .poll(sessions)
    .toMatchObject([
      { pid: screen.pid(), cwd: setup.home.cwd, sessionId: id, billing: 'subscription', by: 'claudef' },
    ])
  await screen.submit('/clear')
  await expect.poll(() => sessions()[0]?.sessionId).not.toBe(id)
  expect(sessions()).toHaveLength(1)
  await screen.submit('/exit')
  await screen.exit
  expect(sessions()).toEqual([])
})

test('a session that goes on with the key says so', async () => {
  meetLimit()
  const screen = await start(['name a prime'], auto)
  await screen.waitFor('(via API)')
  await expect.poll(sessions).toMatchObject([{ billing: 'api', resetsAt: expect.any(Number) }])
})

test('a session that is ended leaves; one that is killed is swept by the next', async () => {
  const [ended, killed] = [await start(), await start()]
  await expect.poll(() => sessions().length).toBe(2)
  ended.signal('SIGTERM')
  await ended.exit
  await expect.poll(() => sessions().map(({ pid }) => pid)).toEqual([killed.pid()])
  process.kill(killed.pid(), 'SIGKILL')
  await killed.exit
  expect(sessions()).toHaveLength(1)
  const next = await start()
  await expect.poll(() => sessions().map(({ pid }) => pid)).toEqual([next.pid()])
})

test('several that are limited at the same moment each switch; the desktop is told once', async () => {
  const monitor = spawn(process.execPath, [companionProgram, 'start'], { env })
  monitors.push(monitor)
  await new Promise((resolve) => monitor.stdout?.once('data', resolve))
  const screens = [await start([], auto), await start([], auto), await start([], auto)]
  for (const screen of screens) await screen.waitFor('Claude Max')
  await expect.poll(() => sessions().length).toBe(3)
  meetLimit()
  for (const screen of screens) screen.type('name a prime')
  for (const screen of screens) await screen.waitFor('❯ name a prime')
  for (const screen of screens) screen.key('Enter')
  for (const screen of screens) await screen.waitFor('(via API)')
  expect(payers().sort()).toEqual([...Array(3).fill('api'), ...Array(3).fill('subscription')])
  await expect.poll(sent).not.toEqual([])
  for (const screen of screens) {
    screen.signal('SIGTERM')
    await screen.exit
  }
  monitor.kill('SIGTERM')
  await new Promise((resolve) => monitor.once('exit', resolve))
  expect(sent().filter((words) => words.includes('limit reached'))).toHaveLength(1)
})

test.each([
  ['is a file', () => writeFileSync(setup.file('elsewhere'), '')],
  [
    'has a folder for a state',
    () => mkdirSync(setup.file('elsewhere/.claude_fallback_state.json'), { recursive: true }),
  ],
  [
    'has a folder for a lock of others',
    () => {
      mkdirSync(setup.file('elsewhere'))
      writeFileSync(setup.file('elsewhere/.claude_fallback_state.json.lock'), '')
    },
  ],
])('works as if there were no others where the home %s', async (_, spoil) => {
  spoil()
  meetLimit()
  // With a cap of the day, what others have spent would have to be read.
  const alone = { CLAUDE_FALLBACK_HOME: setup.file('elsewhere'), CLAUDE_FALLBACK_MAX_USD_PER_DAY: 'none' }
  const screen = await start(['name a prime'], { ...auto, ...alone })
  await screen.waitFor('(via API)')
  await screen.waitFor(/^ API billing/m)
  expect(payers()).toEqual(['subscription', 'api'])
  await screen.submit('/exit')
  expect(await screen.exit).toEqual({ code: 0, signal: 0 })
})
