import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Check } from '../src/core/doctor.ts'
import { checkNode } from '../src/doctor-machine.ts'
import { type Ending, loadPty } from '../src/pty.ts'
import {
  type CompanionHome,
  companionProgram,
  makeCompanionHome,
  secretKey,
  secretPart,
} from './support/companion.ts'

const fakeClaude = fileURLToPath(new URL('../fixtures/bin/claude', import.meta.url))
const nodeFolder = fileURLToPath(new URL('.', `file://${process.execPath}`))

/** A home with nothing to complain about. */
function makeFineHome() {
  const world = makeCompanionHome()
  world.write('.claude.json', { oauthAccount: { accountUuid: 'a' } })
  world.write('.claude/projects/-p/one.jsonl', '{}\n')
  const env = {
    CLAUDE_FALLBACK_CLAUDE: fakeClaude,
    CLAUDE_FALLBACK_API_KEY: secretKey,
    PATH: `${nodeFolder}:/usr/bin:/bin`,
  }
  const check = (more: Record<string, string> = {}, args: string[] = [], options = {}) => {
    const { status, stdout, stderr } = world.run(['doctor', '--json', ...args], { ...env, ...more }, options)
    expect(stderr).toBe('')
    const report = JSON.parse(stdout) as { ok: boolean; checks: Check[] }
    expect(status).toBe(report.ok ? 0 : 1)
    return (name: string) => report.checks.filter((each) => each.name === name)
  }
  return { ...world, env, check }
}

/** A program that answers `--version` in its own way. */
function writeClaude({ at, write }: CompanionHome, script: string) {
  write('bin/claude', `#!/bin/sh\n${script}\n`, 0o755)
  return { CLAUDE_FALLBACK_CLAUDE: at('bin/claude') }
}

test('finds nothing wrong with a home that is fine', () => {
  const { run, env } = makeFineHome()
  const { status, stdout, stderr } = run(['doctor'], env)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/^✓ Claude Code +2\.1\.330, /)
  expect(stdout).toMatch(/✓ transcripts +1 transcript in/)
  expect(stdout).toMatch(/✓ API key +…wxyz from CLAUDE_FALLBACK_API_KEY/)
  expect(stdout).toMatch(/✓ node-pty +opens terminals/)
  expect(stdout).toMatch(/\nNo problems, \d warnings?\.\n$/)
  expect(stdout).not.toContain('\u001b')
})

test('names every repair in an empty home, and leaves nothing there', () => {
  const { home, run } = makeCompanionHome()
  const { status, stdout } = run(['doctor'], { CLAUDE_FALLBACK_CLAUDE: '/nowhere/claude' })
  expect(status).toBe(1)
  expect(readdirSync(home)).toEqual([])
  for (const told of ['npm install -g', '/login', 'claude-fallback key set']) expect(stdout).toContain(told)
})

test.each([
  ['2.1.152 (Claude Code)', 'ok'],
  ['2.2.0', 'ok'],
  ['3.0.0', 'ok'],
  ['2.1.151', 'warning'],
  ['2.0.76', 'warning'],
  ['2.0.75', 'problem'],
  ['1.0.128', 'problem'],
  ['hello', 'problem'],
])('judges version %s: %s', (version, status) => {
  const world = makeFineHome()
  expect(world.check(writeClaude(world, `echo '${version}'`))('Claude Code')).toMatchObject([{ status }])
})

test('waits 10 s for a version, and hands out no key meanwhile', () => {
  const world = makeFineHome()
  const script = `env >"${world.at('env')}"; sleep 300 & sleep 300`
  const found = world.check({ ...writeClaude(world, script), ANTHROPIC_API_KEY: secretKey })('Claude Code')
  expect(found).toMatchObject([{ status: 'problem', text: expect.stringContaining('within 10 s') }])
  expect(world.read('env')).not.toContain(secretKey)
})

test('tells once of settings that are the user’s and the project’s at the same time: in the home folder', () => {
  const world = makeFineHome()
  world.write('.claude/settings.json', { disableAllHooks: true })
  expect(world.check()('hooks')).toHaveLength(1)
})

test.each<[string, string, (world: CompanionHome) => unknown, Partial<Check>]>([
  [
    'hooks',
    'hooks that are off',
    ({ write }) => write('.claude/settings.json', { disableAllHooks: true }),
    { status: 'warning' },
  ],
  [
    'hooks',
    'broken settings',
    ({ write }) => write('.claude/settings.json', `{"env": "${secretKey}"`),
    { status: 'warning' },
  ],
  [
    'login',
    'a broken .claude.json',
    ({ write }) => write('.claude.json', `{"x": "${secretKey}`),
    { status: 'problem' },
  ],
  [
    'login',
    'another provider',
    ({ write }) => write('.claude/settings.json', { env: { CLAUDE_CODE_USE_BEDROCK: '1' } }),
    { status: 'warning' },
  ],
  [
    'transcripts',
    'no projects folder',
    ({ at }) => rmSync(at('.claude/projects'), { recursive: true }),
    { status: 'warning' },
  ],
  [
    'transcripts',
    'a file for a projects folder',
    ({ at, write }) => {
      rmSync(at('.claude/projects'), { recursive: true })
      write('.claude/projects', '')
    },
    { status: 'problem' },
  ],
  [
    'files',
    'a state that others can read',
    ({ write }) => write('.claude_fallback_state.json', '', 0o644),
    { status: 'warning', repair: expect.stringContaining('chmod 600') },
  ],
  [
    'files',
    'a damaged state',
    ({ write }) => write('.claude_fallback_state.json', '[]'),
    { status: 'warning' },
  ],
  [
    'files',
    'a folder for a log',
    ({ at }) => mkdirSync(at('.claude_fallback_error.log')),
    { status: 'problem' },
  ],
  [
    'config',
    'a config file that is no JSON',
    ({ write }) => write('.config/claude-fallback/config.json', '{'),
    { status: 'problem' },
  ],
])('%s: tells of %s', (name, _, damage, expected) => {
  const world = makeFineHome()
  damage(world)
  expect(world.check()(name)).toContainEqual(expect.objectContaining(expected))
})

test.each<[string, string, Record<string, string>, Check['status']]>([
  ['caps', 'nothing may be spent', { CLAUDE_FALLBACK_MAX_USD_PER_DAY: '0' }, 'warning'],
  ['caps', 'there is no cap', { CLAUDE_FALLBACK_MAX_USD_PER_DAY: 'none' }, 'warning'],
  ['config', 'a cap cannot be read', { CLAUDE_FALLBACK_MAX_USD: 'much' }, 'problem'],
  ['API key', 'the key is a login token', { CLAUDE_FALLBACK_API_KEY: 'sk-ant-oat01-made-up' }, 'problem'],
  ['API key', 'the key is a gateway’s', { CLAUDE_FALLBACK_API_KEY: 'made-up-key-of-a-gateway' }, 'warning'],
  [
    'API key',
    'the command fails',
    { CLAUDE_FALLBACK_API_KEY: '', CLAUDE_FALLBACK_API_KEY_COMMAND: 'false' },
    'problem',
  ],
  ['home', 'the home is not there', { CLAUDE_FALLBACK_HOME: '/nowhere' }, 'problem'],
  ['socket', 'no folder takes a session', { TMPDIR: '/nowhere' }, 'problem'],
  ['custom key', 'a key is in the environment', { ANTHROPIC_API_KEY: secretKey }, 'warning'],
  ['notifications', 'notifications are off', { CLAUDE_FALLBACK_NOTIFY: 'off' }, 'ok'],
])('%s: tells where %s', (name, _, env, status) => {
  expect(makeFineHome().check(env)(name)).toContainEqual(expect.objectContaining({ status }))
})

test('reads the answers about a custom key', () => {
  const { check, write } = makeFineHome()
  const answer = (customApiKeyResponses: object) => {
    write('.claude.json', { oauthAccount: {}, customApiKeyResponses })
    return check({ ANTHROPIC_API_KEY: secretKey })('custom key')[0]
  }
  expect(answer({ approved: [secretKey.slice(-20)] })).toMatchObject({ status: 'warning' })
  expect(answer({ rejected: [secretKey.slice(-20)] })).toMatchObject({ status: 'ok' })
})

test('finds what else has the names of the functions', () => {
  const { check, run, write } = makeFineHome()
  write('.bashrc', "x=1\nalias claude-api='claude --api'\nalias claude-apiary=1\n", 0o644)
  run(['install', '--shell', 'bash'])
  expect(check()('shell')).toMatchObject([{ status: 'ok' }])
  const texts = check()('names').map(({ text }) => text)
  expect(texts.filter((text) => text.includes('.bashrc'))).toEqual([
    expect.stringContaining('line 2, defines claude-api, too'),
  ])
})

test('tells of a home that cannot be written to', () => {
  const { check, home } = makeFineHome()
  chmodSync(home, 0o555)
  // Root may write anywhere.
  const found = check({}, [], process.getuid?.() === 0 ? { uid: 65534 } : {})
  expect(found('home')).toMatchObject([{ status: 'problem' }])
  expect(found('socket')).toMatchObject([{ status: 'ok' }])
})

test('asks the API where it is told to, and outlives one that is away', () => {
  const { check } = makeFineHome()
  expect(check()('key online')).toEqual([])
  const found = check({ ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' }, ['--online'])('key online')
  expect(found).toMatchObject([{ status: 'warning', text: expect.stringContaining('127.0.0.1:9') }])
})

test.each([
  ['20.19.0', 'ok'],
  ['22.12.0', 'ok'],
  ['24.0.0', 'ok'],
  ['22.11.0', 'warning'],
  ['23.1.0', 'warning'],
  ['20.18.3', 'problem'],
  ['18.20.0', 'problem'],
])('judges Node %s: %s', (version, status) => {
  expect(checkNode(version)).toMatchObject({ status })
})

test.each([
  ['80x24, TERM xterm', { columns: 80, rows: 24 }, {}],
  ['30x24, TERM xterm', { columns: 30, rows: 24 }, {}],
  // As in a terminal that nobody has told its size.
  ['0x0, TERM xterm', { columns: 0, rows: 0 }, {}],
  ['80x24, TERM xterm', { columns: 80, rows: 24 }, { NO_COLOR: '1' }],
])('looks at a terminal: %s', async (expected, size, more) => {
  const { env, home } = makeFineHome()
  let output = ''
  const ending = await new Promise<Ending>((onEnd) => {
    loadPty()({
      ...{ file: process.execPath, args: [companionProgram, 'doctor'], cwd: home, size, onEnd },
      env: { HOME: home, ...env, TERM: 'xterm', ...more },
      onOutput: (bytes) => {
        output += Buffer.from(bytes).toString()
        return true
      },
      onDrain: () => {},
    })
  })
  expect(ending).toEqual({ type: 'exit', code: 0 })
  expect(output).toContain(expected)
  expect(output.includes('\u001b[32m✓')).toBe(!('NO_COLOR' in more))
  expect(output).not.toMatch(secretPart)
})
