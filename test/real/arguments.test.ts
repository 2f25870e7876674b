import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { key, type Setup, setUp } from './claudef.ts'
import {
  askOnce,
  bottomRow,
  CONTINUE_PROMPT,
  currentConversation,
  expectNoFlash,
  expectPaidByKey,
  expectSameConversation,
  lastWords,
  openSession,
  readLines,
  switchAtLimit,
  turnsOf,
} from './limit.ts'

/** What a user may hand over by `--settings`: a hook of their own, another mode, a variable for the tools. */
function ownSettings(setup: Setup) {
  const note = join(setup.home.root, 'hook')
  const hook = { type: 'command', command: `printf '%s %s\\n' "$OWN_SETTING" "$CLAUDE_PID" >>'${note}'` }
  const settings = {
    env: { OWN_SETTING: 'in-force' },
    permissions: { defaultMode: 'plan' },
    hooks: { SessionStart: [{ hooks: [hook] }] },
  }
  return { settings: JSON.stringify(settings), note }
}

test.each(['a path', 'inline JSON'])("keeps the user's own --settings, %s", async (form) => {
  const setup = await setUp()
  const { settings, note } = ownSettings(setup)
  const file = join(setup.home.cwd, 'own settings.json')
  writeFileSync(file, settings)
  const screen = await openSession(setup, ['--settings', form === 'a path' ? 'own settings.json' : settings])
  await screen.waitFor('plan mode on')
  await switchAtLimit(setup, screen)
  await screen.waitFor('plan mode on')
  const pids = setup.starts().map(({ pid }) => pid)
  expect(readLines(note)).toEqual(pids.map((pid) => `in-force ${pid}`))
})

test('keeps --model', async () => {
  const setup = await setUp()
  const screen = await openSession(setup, ['--model', 'sonnet'])
  const resumed = await switchAtLimit(setup, screen)
  expect(resumed.model).toBe('claude-sonnet-5-5')
  await screen.waitFor('Sonnet 5.5 · API Usage Billing')
})

test.each(['the first prompt', 'a later prompt'])('keeps the 1M window of --model at %s', async (when) => {
  const setup = await setUp()
  const screen = await openSession(setup, ['--model', 'claude-sonnet-4-5[1m]'])
  if (when === 'a later prompt') await askOnce(screen, 'what is two and two?')
  const resumed = await switchAtLimit(setup, screen)
  expect(resumed.model).toMatch(/^claude-sonnet-4-5/)
  expect(turnsOf(setup, 'subscription').at(-1)?.betas).toContain('context-1m-2025-08-07')
  expect(resumed.betas).toContain('context-1m-2025-08-07')
})

test('asks once about a folder of --add-dir that nobody trusts, not again at the switch', async () => {
  const setup = await setUp()
  const folder = join(setup.home.root, 'unknown')
  mkdirSync(folder)
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  const screen = await setup.run(['remember the number 4711', '--add-dir', folder])
  await screen.waitFor('❯ No, exit')
  screen.key('Down')
  await screen.waitFor('❯ Yes, add it')
  screen.key('Enter')
  await screen.waitFor('Mock reply via api.')
  const resumed = expectPaidByKey(setup, {
    prompt: 'remember the number 4711',
    continuePrompt: CONTINUE_PROMPT,
  })
  expect(JSON.stringify(resumed.body)).toContain(folder)
  expect(setup.starts().length).toBe(2)
})

test('keeps the folders of --add-dir, and says the first prompt once', async () => {
  const setup = await setUp()
  const folders = ['one', 'two'].map((name) => join(setup.home.root, name))
  for (const folder of folders) {
    mkdirSync(folder)
    setup.trust(folder)
  }
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  const screen = await setup.run(['remember the number 4711', '--add-dir', ...folders])
  await screen.waitFor('Mock reply via api.')
  const resumed = expectPaidByKey(setup, {
    prompt: 'remember the number 4711',
    continuePrompt: CONTINUE_PROMPT,
  })
  for (const folder of folders) expect(JSON.stringify(resumed.body)).toContain(folder)
  for (const { args } of setup.starts()) expect(args.join(' ')).toContain(`--add-dir ${folders.join(' ')}`)
  expect(setup.home.transcripts().length).toBe(1)
  expect(JSON.stringify(resumed.body.messages).split('remember the number 4711').length - 1).toBe(1)
  expect(setup.starts().length).toBe(2)
  expectNoFlash(screen)
})

test('goes on in the work tree that -w has made', async () => {
  const setup = await setUp()
  const git = (...words: string[]) => execFileSync('git', ['-C', setup.home.cwd, ...words])
  git('init', '--quiet')
  git(
    '-c',
    'user.name=a',
    '-c',
    'user.email=a@example.com',
    'commit',
    '--quiet',
    '--allow-empty',
    '-m',
    'first',
  )
  const screen = await openSession(setup, ['-w', 'feature'])
  await askOnce(screen, 'what is two and two?')
  const { transcript } = await currentConversation(setup)
  expect(transcript).toContain('worktrees-feature')
  const resumed = await switchAtLimit(setup, screen)
  expect(JSON.stringify(resumed.body)).toContain(`${setup.home.cwd}/.claude/worktrees/feature`)
  expect(git('worktree', 'list').toString().trim().split('\n').length).toBe(2)
})

test('says another prompt after the switch', async () => {
  const continuePrompt = 'Please go on with --what you did,\nin two lines.'
  const setup = await setUp()
  const screen = await openSession(setup, [], { env: { CLAUDE_FALLBACK_CONTINUE_PROMPT: continuePrompt } })
  await switchAtLimit(setup, screen, { continuePrompt })
})

test('says nothing after the switch where the prompt is empty', async () => {
  const setup = await setUp()
  const screen = await openSession(setup, [], { env: { CLAUDE_FALLBACK_CONTINUE_PROMPT: '' } })
  await askOnce(screen, 'what is two and two?')
  const before = await currentConversation(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit('remember the number 4711')
  await screen.waitFor('API Usage Billing')
  await screen.waitFor(() => /^ API billing\b/.test(bottomRow(screen)))
  await expect.poll(() => setup.sessionOf(setup.starts()[1]?.pid ?? 0)).toBe(before.sessionId)
  expect(turnsOf(setup, 'api')).toEqual([])
  await screen.submit('go on, please')
  await screen.waitFor('Mock reply via api.')
  await expectSameConversation(setup, before)
  expectPaidByKey(setup, { prompt: 'remember the number 4711', continuePrompt: 'go on, please' })
  expect(setup.starts().length).toBe(2)
})

test('starts on the key where CLAUDE_FALLBACK_BILLING says so', async () => {
  const setup = await setUp()
  const screen = await setup.run([], { env: { CLAUDE_FALLBACK_BILLING: 'api' } })
  await screen.waitFor('API Usage Billing')
  await screen.waitFor(() => new RegExp(`API billing.*…${key.slice(-4)}`).test(bottomRow(screen)))
  await screen.submit('what is two and two?')
  await screen.waitFor('Mock reply via api.')
  expect(
    setup.api.requests.filter(({ headers }) => headers['x-api-key'] !== key && headers.authorization),
  ).toEqual([])
  expect(lastWords(turnsOf(setup, 'api')[0])).toContain('what is two and two?')
  expect(turnsOf(setup, 'subscription')).toEqual([])
  expect(setup.starts().length).toBe(1)
})
