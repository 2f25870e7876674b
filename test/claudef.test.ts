import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { makeHome } from './support/home.ts'
import { waitUntil } from './support/processes.ts'
import { openScreen, type Screen } from './support/screen.ts'

const claudef = fileURLToPath(new URL('../bin/claudef.js', import.meta.url))
const fake = fileURLToPath(new URL('../fixtures/bin/claude', import.meta.url))
const key = 'sk-ant-api03-made-up-for-the-tests-of-claudef-wxyz'
const switchKey = '\x1d'

type Trace = { event: string; argv?: string[]; billing?: string; cwd?: string; pid?: number }

const open: { screens: Screen[]; homes: { cleanup: () => void }[] } = { screens: [], homes: [] }
afterEach(async () => {
  for (const screen of open.screens.splice(0)) await screen.close()
  for (const home of open.homes.splice(0)) home.cleanup()
})

function setUp(env: Record<string, string> = {}) {
  const home = makeHome({ apiUrl: 'http://127.0.0.1:9' })
  open.homes.push(home)
  const trace = join(home.root, 'trace.jsonl')
  const whole = { ...home.env, CLAUDE_FALLBACK_CLAUDE: fake, FAKE_CLAUDE_TRACE: trace, ...env }
  return {
    ...home,
    env: whole,
    run: async (args: string[] = [], more: { compareTermios?: boolean; cols?: number } = {}) => {
      const screen = await openScreen({
        file: process.execPath,
        args: [claudef, ...args],
        cwd: home.cwd,
        env: whole,
        ...more,
      })
      open.screens.push(screen)
      return screen
    },
    starts: () => readTrace(trace).filter((line) => line.event === 'start'),
    log: () => readFileSync(join(home.home, '.claude_fallback_error.log'), 'utf8'),
    /** What claudef leaves behind in the folder for temporary files. */
    leftovers: () => readdirSync(home.env.TMPDIR ?? '').filter((name) => name.startsWith('claudef-')),
  }
}

function readTrace(file: string): Trace[] {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line))
}

const automatic = { CLAUDE_FALLBACK_AUTO_RESTART: '1', CLAUDE_FALLBACK_API_KEY: key }
const limited = { FAKE_CLAUDE_LIMIT: 'five_hour' }

test('goes on with the key at a limit, in the same conversation, without a keystroke', async () => {
  const { run, starts, transcripts, leftovers, cwd } = setUp({ ...automatic, ...limited })
  const screen = await run(['--add-dir', cwd, '--', 'name a prime'], { cols: 160 })
  const text = await screen.waitFor('(via API)')
  expect(text).toContain('API Usage Billing')
  expect(text).toContain('name a prime')
  expect(text).toContain("You've hit your 5-hour limit")
  expect(text).toContain('You said: Continue where you left off. (via API)')
  await screen.waitFor(
    /^ API billing \(key …wxyz\) .*· subscription back at \d.* · \$10\.00 a day: max_usd_per_day/m,
  )
  expect(starts().map((start) => start.billing)).toEqual(['subscription', 'api'])
  expect(transcripts()).toHaveLength(1)
  const [, second] = starts()
  const id = transcripts()[0]?.sessionId ?? ''
  expect(second?.argv).toEqual([
    ...['--add-dir', cwd, '--model', 'claude-opus-5-5', '--settings', expect.any(String)],
    ...['--resume', id, 'Continue where you left off.'],
  ])
  expect(screen.raw().toString('latin1')).not.toContain(key)
  screen.key('Ctrl+C')
  await screen.waitFor('Press Ctrl-C again to exit')
  screen.key('Ctrl+C')
  expect(await screen.exit).toEqual({ code: 0, signal: 0 })
  expect(leftovers()).toEqual([])
})

test('runs a key command once for all rows of a limit, however long it takes', async () => {
  const script = `echo run >>"$HOME/runs"; until [ -e "$HOME/go" ]; do sleep 0.05; done; echo ${key}`
  const { run, home, transcripts } = setUp({
    ...limited,
    CLAUDE_FALLBACK_API_KEY: '',
    CLAUDE_FALLBACK_API_KEY_COMMAND: `sh -c '${script}'`,
  })
  const screen = await run(['name a prime'])
  const limits = () => JSON.stringify(transcripts()).match(/"apiError":"usage_limit_reached"/g) ?? []
  const runs = () => readFileSync(join(home, 'runs'), 'utf8').match(/run/g)
  await waitUntil(() => existsSync(join(home, 'runs')))
  for (const prompt of ['name a second', 'name a third']) {
    const count = limits().length
    await screen.submit(prompt)
    await waitUntil(() => limits().length > count)
  }
  writeFileSync(join(home, 'go'), '')
  await screen.waitFor('Ctrl+] continue on API billing')
  expect(runs()).toEqual(['run'])
})

test('hands folders that nobody trusts over by the settings, so that no dialog stands in the way', async () => {
  const { run, starts, cwd, root } = setUp({ ...automatic, ...limited })
  const screen = await run(['--add-dir', root, cwd, '--', 'name a prime'])
  await screen.waitFor('(via API)')
  const argv = starts()[1]?.argv ?? []
  expect(argv.slice(0, 3)).toEqual(['--add-dir', cwd, '--model'])
  const settings = JSON.parse(readFileSync(argv[argv.indexOf('--settings') + 1] ?? '', 'utf8'))
  expect(settings.permissions).toEqual({ additionalDirectories: [root] })
})

test('offers the switch, asks once more, and takes anything but Enter for a no', async () => {
  const { run, starts } = setUp({ CLAUDE_FALLBACK_API_KEY: key, ...limited })
  const screen = await run(['name a prime'])
  await screen.waitFor('Ctrl+] continue on API billing')
  screen.type(switchKey)
  await screen.waitFor('paid by the key …wxyz?')
  screen.type('x')
  await screen.waitFor((text) => text.includes('Ctrl+] continue') && /^❯ x/m.test(text))
  screen.type(switchKey)
  await screen.waitFor('paid by the key …wxyz?')
  screen.key('Escape')
  await screen.waitFor('Ctrl+] continue on API billing')
  expect(starts()).toHaveLength(1)
  screen.type(switchKey)
  await screen.waitFor('paid by the key …wxyz?')
  screen.key('Enter')
  await screen.waitFor('(via API)')
  expect(starts().map((start) => start.billing)).toEqual(['subscription', 'api'])
})

test('goes back to the subscription when asked to', async () => {
  const { run, starts } = setUp({ ...automatic, ...limited })
  const screen = await run(['name a prime'])
  await screen.waitFor('(via API)')
  screen.type(switchKey)
  await screen.waitFor('Go back to your subscription?')
  screen.key('Enter')
  await screen.waitFor('Claude Max')
  expect(starts().map((start) => start.billing)).toEqual(['subscription', 'api', 'subscription'])
  expect(starts()[2]?.argv?.at(-2)).toBe('--resume')
})

test('without a key says how to give one, and ends nothing', async () => {
  const { run, starts } = setUp({ CLAUDE_FALLBACK_AUTO_RESTART: '1', ...limited })
  const screen = await run(['name a prime'])
  await screen.waitFor('no API key: give one with `claude-fallback key set`')
  screen.type(switchKey)
  await screen.submit('still here')
  await screen.waitFor((text) => text.split("You've hit your 5-hour limit").length > 2)
  expect(starts()).toHaveLength(1)
})

test.each([
  ['rate_limit', 'Request rejected (429)'],
  ['credit', 'Credit balance is too low'],
  ['bad_key', 'Invalid API key'],
  ['thinking', 'update Claude Code (2.1.152 or later)'],
])('says a failure on the API (%s) and never loops', async (failure, words) => {
  const { run, starts } = setUp({ ...automatic, ...limited, FAKE_CLAUDE_API: failure })
  const screen = await run(['name a prime'])
  const row = await screen.waitFor(/^ ⚠ API billing: /m)
  expect(row.split('⚠ API billing').at(-1)).toContain(words)
  await screen.submit('again')
  await screen.waitFor((text) => text.split('❯ again').length > 1)
  expect(starts().map((start) => start.billing)).toEqual(['subscription', 'api'])
})

test.each([
  "say You've hit your 5-hour limit · resets 4pm (UTC)",
  'throttle',
  'overloaded',
  'credit',
  'badkey',
])('is not moved by what only looks like a limit: %s', async (prompt) => {
  const { run, starts } = setUp(automatic)
  const screen = await run([prompt])
  await screen.waitFor(`❯ ${prompt}`)
  await screen.submit('say the next answer')
  await screen.waitFor('● the next answer')
  expect(starts()).toHaveLength(1)
})

test('offers a limit of one model, and says what is cheaper', async () => {
  const { run, starts } = setUp({ ...automatic, FAKE_CLAUDE_LIMIT: 'seven_day_opus' })
  const screen = await run(['name a prime'])
  await screen.waitFor('Opus limit')
  await screen.waitFor('/model to another model stays on your plan · Ctrl+]')
  expect(starts()).toHaveLength(1)
})

test('offers a limit that only a subagent has met', async () => {
  const { run, starts, transcripts } = setUp(automatic)
  const screen = await run(['say ready'])
  await screen.waitFor('● ready')
  await expect.poll(transcripts).toHaveLength(1)
  const main = transcripts()[0]?.path ?? ''
  const folder = join(main.replace(/\.jsonl$/, ''), 'subagents')
  mkdirSync(folder, { recursive: true })
  const content = [{ type: 'text', text: "You've hit your session limit · resets 4pm (UTC)" }]
  const row = {
    type: 'assistant',
    isSidechain: true,
    timestamp: new Date().toISOString(),
    isApiErrorMessage: true,
    error: 'rate_limit',
    message: { model: '<synthetic>', role: 'assistant', content },
  }
  writeFileSync(join(folder, 'agent-a1.jsonl'), `${JSON.stringify(row)}\n`)
  await screen.waitFor('5-hour limit · resets')
  await screen.waitFor('Ctrl+] continue on API billing')
  expect(starts()).toHaveLength(1)
})

test('hands what was typed during the switch to the new child, in order', async () => {
  const { run } = setUp({ ...automatic, ...limited, CLAUDE_FALLBACK_CONTINUE_PROMPT: '' })
  const screen = await run(['name a prime'])
  await screen.waitFor('Going on with API billing')
  screen.type('typed meanwhile')
  await screen.waitFor(/API Usage Billing[\s\S]*❯ typed meanwhile/)
})

test('keeps the conversation on the subscription where it does not open on the API', async () => {
  const { run, root, starts, env } = setUp({ ...automatic, ...limited })
  const broken = join(root, 'claude')
  writeFileSync(broken, `#!/bin/sh\ncase "$*" in *--resume*Continue*) exit 3;; esac\nexec '${fake}' "$@"\n`)
  chmodSync(broken, 0o755)
  env.CLAUDE_FALLBACK_CLAUDE = broken
  const screen = await run(['name a prime'])
  await screen.waitFor('API billing could not start: back on the subscription')
  await expect.poll(() => starts().map((start) => start.billing)).toEqual(['subscription', 'subscription'])
  expect(starts()[1]?.argv?.at(-2)).toBe('--resume')
})

test('starts on the key where that is asked for', async () => {
  const { run, starts } = setUp({ ...limited, CLAUDE_FALLBACK_BILLING: 'api', CLAUDE_FALLBACK_API_KEY: key })
  const screen = await run(['name a prime'])
  await screen.waitFor('You said: name a prime (via API)')
  expect(starts()).toHaveLength(1)
})

test('takes every key out of the environment of the child, and the exported one for the fallback', async () => {
  const exported = 'sk-ant-api03-exported-for-other-programs-abcd'
  const { run, starts } = setUp({
    ...limited,
    CLAUDE_FALLBACK_AUTO_RESTART: '1',
    ANTHROPIC_API_KEY: exported,
  })
  const screen = await run(['name a prime'])
  await screen.waitFor('key …abcd')
  await screen.waitFor('(via API)')
  expect(JSON.stringify(starts())).not.toContain('ANTHROPIC_API_KEY')
  expect(JSON.stringify(starts())).not.toContain(exported)
})

test('passes the end by signal on, and puts the terminal back', async () => {
  const { run } = setUp(automatic)
  const screen = await run([], { compareTermios: true })
  const before = await screen.waitFor('Claude Max')
  expect(before).toContain('Claude Max')
  await screen.submit('crash')
  expect((await screen.exit).code).toBe(128 + 9)
  const { before: found, after } = screen.attributes()
  expect(after).toBe(found)
  expect(screen.modes()).toMatchObject({ buffer: 'normal' })
})

test('adds nothing where no session is asked for', () => {
  const { env, cwd, starts } = setUp(automatic)
  const run = (args: string[], input = '') =>
    spawnSync(process.execPath, [claudef, ...args], { env, cwd, input, encoding: 'utf8' })
  expect(run(['--version'])).toMatchObject({ status: 0, stdout: '2.1.330 (Claude Code)\n', stderr: '' })
  expect(run(['-p', 'say printed'])).toMatchObject({ status: 0, stdout: 'printed\n' })
  expect(run(['--no-such-option']).status).toBe(1)
  expect(starts().every((start) => !JSON.stringify(start.argv).includes('--settings'))).toBe(true)
})

test('says where it looked for a Claude Code that is not there', () => {
  const { env, cwd } = setUp()
  const missing = { ...env, CLAUDE_FALLBACK_CLAUDE: '/nowhere/claude' }
  const { status, stderr } = spawnSync(process.execPath, [claudef], { env: missing, cwd, encoding: 'utf8' })
  expect(status).toBe(127)
  expect(stderr).toMatch(/^claudef: CLAUDE_FALLBACK_CLAUDE is '\/nowhere\/claude'.* `npm install -g /)
})
