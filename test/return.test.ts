import { spawnSync } from 'node:child_process'
import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { type Setup, setUp } from './support/claudef.ts'
import { companionProgram } from './support/companion.ts'

const switchKey = '\x1d'
const waiting = /subscription is back, /
const isBack = /your subscription is back · .*Ctrl\+\] return/

/** Two looks at the clock: one that goes back too early has done so by then. */
const twoLooksMs = 2200

let setup: Setup
afterEach(() => setup.tearDown())

/** A session whose limit resets in `dueInS` seconds, as far as a return is concerned. */
async function start(env: Record<string, string> = {}, { dueInS = 1 } = {}) {
  // The fake goes on at the very reset, which here is past; the real one a minute later.
  setup = setUp({ settings: { autoContinueAtUsageLimit: false } })
  const limited = setup.file('limited')
  const announced = setup.file('announced')
  writeFileSync(limited, '')
  setup.write('notify', `#!/bin/sh\nprintf '%s\\n' "$CLAUDE_FALLBACK_NOTIFY_TITLE" >>'${announced}'\n`)
  const whole = {
    ...setup.env,
    CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-tests',
    CLAUDE_FALLBACK_AUTO_RESTART: '1',
    CLAUDE_FALLBACK_NOTIFY_COMMAND: setup.file('notify'),
    FAKE_CLAUDE_TRACE: setup.file('trace'),
    FAKE_CLAUDE_LIMIT_FILE: limited,
    // One goes back a minute after the reset.
    FAKE_CLAUDE_RESETS_AT: String(Math.floor(Date.now() / 1000) - 60 + dueInS),
    ...env,
  }
  const trace = () =>
    setup
      .read('trace')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  const transcript = () => setup.home.transcripts()[0]
  return {
    screen: await setup.draw(['name a prime'], { env: whole, cols: 140 }),
    env: whole,
    lift: () => rmSync(limited),
    announced: () => setup.read('announced').split('\n').slice(0, -1),
    starts: () => trace().filter(({ event }) => event === 'start'),
    payers: () => trace().flatMap(({ event, billing }) => (event === 'start' ? [billing] : [])),
    prompts: () =>
      trace().flatMap(({ event, prompt, billing }) => (event === 'prompt' ? [[prompt, billing]] : [])),
    transcript,
    append: (row: object) => {
      appendFileSync(
        transcript()?.path ?? '',
        `${JSON.stringify({ timestamp: new Date().toISOString(), ...row })}\n`,
      )
    },
  }
}

const there = ['subscription', 'api']
const andBack = [...there, 'subscription']

test('goes back by itself: the same conversation, no prompt, ten seconds of a row', async () => {
  const { screen, lift, starts, payers, prompts, transcript } = await start()
  await screen.waitFor('(via API)')
  lift()
  await screen.waitFor(/Claude Max[\s\S]*Back on your subscription · \$\d+\.\d\d spent/)
  const saidAt = Date.now()
  await screen.waitFor('You said: Continue where you left off. (via API)')
  expect(payers()).toEqual(andBack)
  expect(starts()[2].argv.slice(-2)).toEqual(['--resume', transcript()?.sessionId])
  expect(setup.home.transcripts()).toHaveLength(1)
  await screen.waitFor((now) => !now.includes('Back on your subscription'))
  expect(Date.now() - saidAt).toBeGreaterThan(8000)
  // The row is the child's again.
  await screen.submit('say hello')
  await screen.waitFor('● hello')
  expect(screen.text().split('\n')).toHaveLength(30)
  expect(prompts()).toEqual([
    ['name a prime', 'subscription'],
    ['Continue where you left off.', 'api'],
    ['say hello', 'subscription'],
  ])
})

test('waits for the turn to end', async () => {
  const { screen, payers } = await start({ CLAUDE_FALLBACK_CONTINUE_PROMPT: 'work 5000' })
  await screen.waitFor('API Usage Billing')
  await screen.waitFor(waiting)
  expect(screen.text()).not.toContain('Worked for 5000 ms.')
  expect(payers()).toEqual(there)
  await screen.waitFor(/Claude Max[\s\S]*Worked for 5000 ms\. \(via API\)[\s\S]*Back on your subscription/)
  expect(payers()).toEqual(andBack)
})

test('waits while a draft stands in the box', async () => {
  const { screen, payers } = await start({ CLAUDE_FALLBACK_CONTINUE_PROMPT: 'work 3000' })
  await screen.waitFor('API Usage Billing')
  screen.type('half a draft')
  await screen.waitFor('Worked for 3000 ms.')
  await screen.waitFor(waiting)
  await sleep(twoLooksMs)
  expect(payers()).toEqual(there)
  for (const _ of 'half a draft') screen.key('Backspace')
  await screen.waitFor('Back on your subscription')
})

test('waits while something of the conversation runs in the background', async () => {
  const { screen, payers, append } = await start({ CLAUDE_FALLBACK_CONTINUE_PROMPT: 'work 3000' })
  await screen.waitFor('API Usage Billing')
  const call = { type: 'tool_use', id: 'tool-1', name: 'Bash', input: { command: 'npm run dev' } }
  append({ type: 'assistant', message: { content: [call] } })
  append({
    type: 'user',
    message: { content: [{ type: 'tool_result', tool_use_id: 'tool-1', content: 'started' }] },
    toolUseResult: { backgroundTaskId: 'task-1' },
  })
  await screen.waitFor('Worked for 3000 ms.')
  await screen.waitFor(waiting)
  await sleep(twoLooksMs)
  expect(payers()).toEqual(there)
  const ended = '<task-id>task-1</task-id><status>completed</status><summary>npm run dev</summary>'
  const content = `<task-notification>${ended}</task-notification>`
  append({ type: 'queue-operation', operation: 'enqueue', content })
  await screen.waitFor('Back on your subscription')
})

test.each([
  ['a session that does not go on by itself', { CLAUDE_FALLBACK_AUTO_RESTART: '0' }],
  ['a session that is not to', { CLAUDE_FALLBACK_AUTO_RETURN: '0' }],
])('offers the way back in %s', async (_, env) => {
  const { screen, payers, announced } = await start(env, { dueInS: 6 })
  if ('CLAUDE_FALLBACK_AUTO_RESTART' in env) {
    await screen.waitFor('Ctrl+] continue on API billing')
    screen.type(switchKey)
    await screen.waitFor('Enter yes')
    screen.key('Enter')
  }
  await screen.waitFor('(via API)')
  await screen.waitFor(isBack)
  await sleep(twoLooksMs)
  expect(payers()).toEqual(there)
  await expect
    .poll(() => announced().filter((title) => title === 'Your subscription is back'))
    .toHaveLength(1)
  screen.type(switchKey)
  await screen.waitFor('Go back to your subscription?')
  screen.key('Enter')
  await screen.waitFor('Claude Max')
  expect(payers()).toEqual(andBack)
})

test('still limited: back to the key, and to the next return in a quarter of an hour', async () => {
  const { screen, payers, prompts } = await start()
  await screen.waitFor('Back on your subscription')
  await screen.submit('and another')
  await screen.waitFor(/ · limited again, next return at \d/)
  await screen.waitFor('❯ and another')
  await expect.poll(payers).toEqual([...andBack, 'api'])
  await sleep(twoLooksMs)
  expect(payers()).toEqual([...andBack, 'api'])
  expect(prompts().slice(2)).toEqual([
    ['and another', 'subscription'],
    ['Continue where you left off.', 'api'],
  ])
})

describe('a key that is refused', () => {
  const refused = { FAKE_CLAUDE_API: 'bad_key' }

  test('is left by itself after the reset, and not gone to again', async () => {
    const { screen, payers } = await start(refused, { dueInS: 4 })
    await screen.waitFor(/^ ⚠ API billing: Invalid API key/m)
    await screen.waitFor(/Claude Max[\s\S]*Back on your subscription/)
    await screen.submit('and another')
    await screen.waitFor(/❯ and another\n.*You've hit your 5-hour limit/)
    await sleep(twoLooksMs)
    expect(payers()).toEqual(andBack)
  })

  test('is said beside the way back, where that is offered', async () => {
    const { screen, payers } = await start({ ...refused, CLAUDE_FALLBACK_AUTO_RETURN: '0' })
    await screen.waitFor(/^ ⚠ API billing: Invalid API key.* · your subscription is back · Ctrl\+\] return/m)
    expect(payers()).toEqual(there)
    screen.type(switchKey)
    await screen.waitFor('Go back to your subscription?')
    screen.key('Enter')
    await screen.waitFor('Claude Max')
    expect(payers()).toEqual(andBack)
  })
})

test('a reset that nobody knows: offered once the limit is forgotten, never by itself', async () => {
  const { screen, payers, append, transcript, env } = await start({ FAKE_CLAUDE_LIMIT_AFTER: '1' })
  await screen.waitFor('(via subscription)')
  await expect.poll(transcript).toBeDefined()
  append({
    ...{ type: 'assistant', isApiErrorMessage: true, version: '2.1.330', uuid: 'row-1' },
    ...{ apiError: 'usage_limit_reached', error: 'rate_limit', apiErrorStatus: 429 },
    apiErrorParams: { rate_limit_info: { status: 'rejected', rateLimitType: 'five_hour' } },
    message: {
      ...{ model: '<synthetic>', role: 'assistant' },
      content: [{ type: 'text', text: "You've hit your 5-hour limit" }],
    },
  })
  await screen.waitFor('(via API)')
  await screen.waitFor(/^ API billing .* · 5-hour limit · .*Ctrl\+\] return/m)
  const { stdout } = spawnSync(process.execPath, [companionProgram, 'clear'], { env, encoding: 'utf8' })
  expect(stdout).toContain('Forgot 1 limit')
  await screen.waitFor(isBack)
  await sleep(twoLooksMs)
  expect(payers()).toEqual(there)
})

test('a session on the API by choice stays there', async () => {
  const { screen, payers, env } = await start({ CLAUDE_FALLBACK_BILLING: 'api' })
  await screen.waitFor('(via API)')
  await screen.waitFor('by choice')
  spawnSync(process.execPath, [companionProgram, 'clear'], { env })
  await sleep(twoLooksMs)
  expect(payers()).toEqual(['api'])
  await screen.waitFor('by choice')
  screen.type(switchKey)
  await screen.waitFor('Go back to your subscription?')
})
