import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseCostState, subtractCostState } from '../../src/core/message-usage.ts'
import { companionProgram } from '../support/companion.ts'
import { eventually, type Setup, setUp } from './claudef.ts'
import { bottomRow, openSession, turnsOf } from './limit.ts'

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
  await screen.waitFor(() => bottomRow(screen).includes("API billing has ended: the session's cap of $0.01"))
  expect(existsSync(done)).toBe(true)
  await eventually(() => setup.starts().length).toBe(3)
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
  const states = rowsOf(setup).flatMap((row) => parseCostState(row) ?? [])
  const [before, after] = [states[0], states.at(-1)]
  if (after === undefined) throw new Error('Claude Code has told no cost')
  // What the subscription's process said at its end is from before the switch.
  const said = subtractCostState(after, states.length > 2 ? before : undefined).totalUsd
  const { usd } = ledgerOf(setup).at(-1)
  expect(usd).toBeGreaterThan(2)
  expect(Math.abs(usd - said)).toBeLessThan(0.005)
  expect(spendOf(setup)).toBeCloseTo(usd, 9)
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
