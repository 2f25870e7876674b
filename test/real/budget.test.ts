import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseCostState } from '../../src/core/message-usage.ts'
import { companionProgram } from '../support/companion.ts'
import { type Setup, type SetupOptions, setUp } from './claudef.ts'
import { askOnce, bottomRow, openSession, turnsOf } from './limit.ts'

/** On Claude Opus 5.5: 1.00 USD and a cent. */
const dollar = { output_tokens: 50_000 }
const model = ['--model', 'claude-opus-5-5']

const ledgerOf = ({ home }: Setup) =>
  readFileSync(join(home.home, '.claude_fallback_spend.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

const spendOf = ({ env }: Setup) =>
  JSON.parse(execFileSync(process.execPath, [companionProgram, 'spend', '--json'], { env }).toString()).today
    .usd

const rowsOf = ({ home }: Setup) => home.transcripts().flatMap(({ rows }) => rows)

test('leaves a tool that runs to its end, then goes back at the cap with nothing sent', async () => {
  const setup = await setUp({ state: { bypassPermissionsModeAccepted: true } })
  const done = join(setup.home.root, 'done')
  setup.api.setBehaviour({
    subscription: { type: 'limit' },
    api: { type: 'tool', command: `sleep 3; echo done >'${done}'` },
  })
  const args = [...model, '--permission-mode', 'bypassPermissions']
  // Less than the one answer that asks for the tool.
  const screen = await openSession(setup, args, { env: { CLAUDE_FALLBACK_MAX_USD: '0.01' } })
  await screen.submit('remember the number 4711')
  await screen.waitFor(() => bottomRow(screen).includes('waits for the tool that runs'))
  expect(existsSync(done)).toBe(false)
  expect(setup.starts()).toHaveLength(2)
  await screen.waitFor(() =>
    bottomRow(screen).includes("API billing has ended: session's cap of $0.01 reached"),
  )
  expect(existsSync(done)).toBe(true)
  await expect.poll(() => setup.starts().length).toBe(3)
  await screen.waitFor('Claude Max')
  // The tool's own result, and what else was in flight.
  expect(turnsOf(setup, 'api').length).toBeLessThanOrEqual(2)
  expect(JSON.stringify(rowsOf(setup))).toContain('tool_result')
  expect(turnsOf(setup, 'subscription')).toHaveLength(1)
  setup.api.setBehaviour({})
  await screen.submit('what was the number?')
  await screen.waitFor('Mock reply via subscription.')
  expect(JSON.stringify(turnsOf(setup, 'subscription').at(-1)?.body.messages)).toContain('4711')
  expect(setup.starts()).toHaveLength(3)
})

test('turns yellow near the cap, and the ledger agrees with the row, with `spend` and with Claude Code', async () => {
  const setup = await setUp()
  setup.api.setBehaviour({ subscription: { type: 'limit' }, api: { type: 'answer', usage: dollar } })
  const screen = await openSession(setup, model, { env: { CLAUDE_FALLBACK_MAX_USD_PER_DAY: '2.4' } })
  await screen.submit('remember the number 4711')
  await screen.waitFor(() => bottomRow(screen).includes('$1.01'))
  expect(screen.raw().toString()).not.toContain('\x1b[33m API billing')
  await screen.submit('and the number 4712')
  await screen.waitFor(() => bottomRow(screen).includes('$2.03'))
  expect(screen.raw().toString()).toContain('\x1b[33m API billing')
  await screen.submit('/exit')
  await screen.exit
  const sums = rowsOf(setup).flatMap((row) => parseCostState(row)?.totalUsd ?? [])
  // What the subscription's process said at its end is from before the switch.
  const said = (sums.at(-1) ?? 0) - (sums.length > 2 ? (sums[0] ?? 0) : 0)
  const { usd } = ledgerOf(setup).at(-1)
  expect(usd).toBeGreaterThan(2)
  expect(Math.abs(usd - said)).toBeLessThan(0.005)
  expect(spendOf(setup)).toBeCloseTo(usd, 9)
})

test.each<[string, SetupOptions, Record<string, string>]>([
  ["claudef's own status line", {}, { CLAUDE_FALLBACK_STATUS_LINE: '1' }],
  ["the user's status line", { settings: { statusLine: { type: 'command', command: 'echo of mine' } } }, {}],
])('counts requests that leave no row at once, by %s', async (_, options, env) => {
  const setup = await setUp(options)
  const answer = { type: 'answer', usage: dollar, text: 'Mock reply via subscription.' } as const
  setup.api.setBehaviour(answer)
  const screen = await openSession(setup, model, { env: { ...env, CLAUDE_FALLBACK_MAX_USD: '3' } })
  await askOnce(screen, 'what is two and two?')
  setup.api.setBehaviour({ subscription: { type: 'limit' }, api: { ...answer, text: 'The key has paid.' } })
  await screen.submit('remember the number 4711')
  await screen.waitFor(() => bottomRow(screen).includes('$1.01'))
  // Its two requests, of a dollar each, are in no row of the transcript.
  await screen.submit('/compact')
  await screen.waitFor(() =>
    bottomRow(screen).includes("API billing has ended: session's cap of $3.00 reached"),
  )
  await screen.waitFor('Claude Max')
  setup.api.setBehaviour(answer)
  await askOnce(screen, 'what is three and three?')
  await screen.submit('/exit')
  await screen.exit
  const sums = rowsOf(setup).flatMap((row) => parseCostState(row)?.totalUsd ?? [])
  const [before = 0, after = 0, end = 0] = [...new Set(sums)]
  expect(end - after).toBeGreaterThan(1)
  expect(ledgerOf(setup).at(-1)).toMatchObject({
    usd: expect.closeTo(after - before, 2),
    byModel: { 'claude-opus-5-5': expect.closeTo(1.01, 2), 'other requests': expect.closeTo(2.03, 2) },
  })
  expect(setup.log()).toContain("$3.04 by Claude Code's own account, $1.01 by its transcript")
})

test('the figure begins anew after /clear: each conversation is counted once', async () => {
  const setup = await setUp()
  setup.api.setBehaviour({ subscription: { type: 'limit' }, api: { type: 'answer', usage: dollar } })
  const screen = await openSession(setup, model, { env: { CLAUDE_FALLBACK_STATUS_LINE: '1' } })
  await screen.submit('remember the number 4711')
  await screen.waitFor(() => bottomRow(screen).includes('$1.01'))
  await screen.submit('/clear')
  await screen.waitFor((text) => !text.includes('4711'))
  await screen.submit('remember the number 4712')
  await screen.waitFor(() => bottomRow(screen).includes('$2.03'))
  await screen.submit('/exit')
  await screen.exit
  const sums = new Map<string, number>(ledgerOf(setup).map(({ sessionId, usd }) => [sessionId, usd]))
  expect([...sums.values()]).toEqual([expect.closeTo(1.01, 2), expect.closeTo(1.01, 2)])
  expect(setup.log()).not.toContain('by its transcript')
})

test('counts a compaction that was all that the key paid for', async () => {
  const setup = await setUp()
  const answer = { type: 'answer', usage: dollar, text: 'Mock reply via subscription.' } as const
  setup.api.setBehaviour(answer)
  const screen = await openSession(setup, model, { env: { CLAUDE_FALLBACK_CONTINUE_PROMPT: '' } })
  await askOnce(screen, 'what is two and two?')
  setup.api.setBehaviour({ subscription: { type: 'limit' }, api: answer })
  await screen.submit('remember the number 4711')
  await screen.waitFor(() => bottomRow(screen).includes('API billing'))
  await screen.waitFor(/^❯\s*$/m)
  await screen.submit('/compact')
  await expect.poll(() => turnsOf(setup, 'api').length).toBeGreaterThan(0)
  await screen.waitFor('Compacted')
  await screen.submit('/exit')
  await screen.exit
  expect(spendOf(setup)).toBeGreaterThan(1)
})

test.each(['0', '1'])('what /branch copies is not counted again (status line: %s)', async (statusLine) => {
  const setup = await setUp()
  setup.api.setBehaviour({ subscription: { type: 'limit' }, api: { type: 'answer', usage: dollar } })
  const screen = await openSession(setup, model, { env: { CLAUDE_FALLBACK_STATUS_LINE: statusLine } })
  await screen.submit('remember the number 4711')
  await screen.waitFor(() => bottomRow(screen).includes('$1.01'))
  await screen.submit('/branch')
  await expect.poll(() => setup.home.transcripts().length).toBe(2)
  await screen.submit('remember the number 4712')
  await screen.waitFor(() => bottomRow(screen).includes('$2.03'))
  await screen.submit('/exit')
  await screen.exit
  expect(spendOf(setup)).toBeCloseTo(2.03, 2)
})

test('a key that is refused in the middle is said, and not offered again', async () => {
  const setup = await setUp()
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  const screen = await openSession(setup, model)
  await screen.submit('remember the number 4711')
  await screen.waitFor('Mock reply via api.')
  setup.api.setBehaviour({ subscription: { type: 'limit' }, api: { type: 'badKey' } })
  await screen.submit('and the number 4712')
  await screen.waitFor(() => bottomRow(screen).includes('Invalid API key'))
  screen.type('\x1d')
  await screen.waitFor('Go back to your subscription?')
  screen.key('Enter')
  await screen.waitFor('Claude Max')
  await screen.submit('and the number 4713')
  await screen.waitFor(() => bottomRow(screen).includes('the API refused the key'))
  expect(setup.starts()).toHaveLength(3)
  const said = JSON.stringify(rowsOf(setup))
  for (const prompt of ['4711', '4712', '4713']) expect(said).toContain(prompt)
})
