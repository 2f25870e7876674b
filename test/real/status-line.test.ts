import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  type Crossing,
  crossedThresholds,
  renderStatusLine,
  type Status,
} from '../../src/core/status-line.ts'
import {
  chainStatusLine,
  findStatusLine,
  followStatusLine,
  replaceStatusLine,
  writeStatusLine,
} from '../../src/status-line.ts'
import type { Screen } from '../support/screen.ts'
import { type Setup, setUp } from './claudef.ts'
import { askOnce } from './limit.ts'

/** Prints two lines in colour, the second with a figure of its input. */
const COMMAND = `printf '\\033[35mfirst\\033[0m line\\n\\n'; grep -o '"used_percentage":[0-9]*' | tail -n 1; :`

type Channel = { folder: string; seen: Status[]; told: Crossing[] }

/** What claudef does with the figures, on a folder of the test's own. */
function openChannel(setup: Setup): Channel {
  const folder = join(setup.home.root, 'channel')
  mkdirSync(folder)
  const channel: Channel = { folder, seen: [], told: [] }
  const clock = () => ({ now: Date.now(), timeZone: 'UTC' })
  const fail = (error: Error) => {
    throw error
  }
  const show = (status: Status | undefined) =>
    writeStatusLine(folder, renderStatusLine(status, { billing: 'subscription', ...clock() }), fail)
  show(undefined)
  const onStatus = (status: Status) => {
    channel.seen.push(status)
    channel.told.push(...crossedThresholds(status, { ...clock(), account: 'a' }))
    show(status)
  }
  onTestFinished(followStatusLine(folder, onStatus, fail).stop)
  return channel
}

function usersLine({ home }: Setup): Record<string, unknown> | undefined {
  return findStatusLine({ configDir: home.configDir, cwd: home.cwd, userSettings: {} })
}

/** Claude Code itself, without claudef, as claudef would start it. */
async function open(setup: Setup, statusLine: Record<string, unknown> | undefined): Promise<Screen> {
  const args = statusLine === undefined ? [] : ['--settings', JSON.stringify({ statusLine })]
  const screen = await setup.run(args, { bare: true })
  await screen.waitFor('Claude Max')
  return screen
}

/** What stands under the input box: the rows of the status line, and Claude Code's own. */
function underTheBox(screen: Screen): string {
  return screen
    .text()
    .split('\n')
    .slice(
      screen
        .text()
        .split('\n')
        .findLastIndex((row) => /^─+$/.test(row)) + 1,
    )
    .join('\n')
}

const last = ({ seen }: Channel) => seen.at(-1)

test.each(['user', 'project'])(
  "copies the input of a line in the %s's settings, and changes nothing",
  async (whose) => {
    const line = { type: 'command', command: COMMAND, padding: 4 }
    const setup = await setUp(whose === 'user' ? { settings: { statusLine: line } } : {})
    if (whose === 'project') writeProjectLine(setup, line)
    const channel = openChannel(setup)
    const bare = await open(setup, undefined)
    await askOnce(bare, 'what is one and one?')
    await bare.waitFor('"used_percentage":17')
    const chained = await open(
      setup,
      chainStatusLine({
        folder: channel.folder,
        users: usersLine(setup),
        own: true,
        billing: 'subscription',
      }),
    )
    await chained.waitFor('first line')
    await askOnce(chained, 'what is one and one?')
    await chained.waitFor('"used_percentage":17')
    await expect.poll(() => underTheBox(chained)).toBe(underTheBox(bare))
    // The colour is Claude Code's own rendering of theirs.
    const colour = /\x1b\[35mfirst/
    expect(bare.raw().toString()).toMatch(colour)
    expect(chained.raw().toString()).toMatch(colour)
    await expect.poll(() => last(channel)?.fiveHour?.usedPercent).toBe(42)
    expect(last(channel)?.sevenDay?.usedPercent).toBe(17)
    expect(last(channel)?.transcript).toContain(last(channel)?.sessionId)
    expect(last(channel)?.model).toBe('claude-opus-5-5')
    expect(last(channel)?.contextTokens).toBeGreaterThan(0)
    expect(channel.told).toEqual([])
  },
)

function writeProjectLine({ home }: Setup, statusLine: unknown): void {
  mkdirSync(join(home.cwd, '.claude'), { recursive: true })
  writeFileSync(join(home.cwd, '.claude/settings.json'), JSON.stringify({ statusLine }))
}

test('shows our own line where there is none, and warns before the limit', async () => {
  const setup = await setUp()
  const channel = openChannel(setup)
  const screen = await open(
    setup,
    chainStatusLine({ folder: channel.folder, users: usersLine(setup), own: true, billing: 'subscription' }),
  )
  await screen.waitFor(/^ +subscription$/m)
  setup.api.setBehaviour({
    type: 'answer',
    text: 'Mock reply via subscription.',
    windows: { fiveHour: 0.93, sevenDay: 0.21 },
  })
  await askOnce(screen, 'what is one and one?')
  await screen.waitFor(/^ +5h 93 % · resets \d+:\d\d[ap]m · week 21 % · subscription$/m)
  expect(channel.told.map(({ text }) => text)).toEqual([
    expect.stringMatching(/^93 % of the 5-hour limit, resets \d+:\d\d[ap]m$/),
  ])
  const rows = underTheBox(screen)
    .split('\n')
    .filter((row) => row.trim() !== '')
  expect(rows.length).toBe(2)
})

test('shows a line that the user makes while the session runs', async () => {
  const setup = await setUp()
  const { folder } = openChannel(setup)
  const screen = await open(
    setup,
    chainStatusLine({ folder, users: usersLine(setup), own: true, billing: 'subscription' }),
  )
  await screen.waitFor(/^ +subscription$/m)
  const line = { type: 'command', command: 'echo of my own' }
  writeProjectLine(setup, line)
  replaceStatusLine({ folder, users: usersLine(setup) }, () => {})
  await screen.waitFor(/^ +of my own$/m)
  expect(screen.text()).not.toMatch(/^ +subscription$/m)
})

test('shows the line where the folder of the session is gone', async () => {
  const users = { type: 'command', command: COMMAND }
  const setup = await setUp()
  const screen = await open(
    setup,
    chainStatusLine({ folder: join(setup.home.root, 'gone'), users, own: false, billing: 'subscription' }),
  )
  await screen.waitFor('first line')
  await askOnce(screen, 'what is one and one?')
  await screen.waitFor('"used_percentage":17')
})

test('breaks nothing where disableAllHooks turns status lines off', async () => {
  const setup = await setUp({ settings: { disableAllHooks: true } })
  const channel = openChannel(setup)
  const screen = await open(
    setup,
    chainStatusLine({ folder: channel.folder, users: usersLine(setup), own: true, billing: 'subscription' }),
  )
  await askOnce(screen, 'what is one and one?')
  expect(screen.text()).not.toMatch(/^ +subscription$/m)
  expect(channel.seen).toEqual([])
})
