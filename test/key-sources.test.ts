import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readConfig } from '../src/config.ts'
import { cleanMessage, runKeyProgram } from '../src/key-program.ts'
import { describeKeySources, lookUpKey } from '../src/key-sources.ts'
import { exists, waitUntil } from './support/processes.ts'

const KEYS = Object.fromEntries(
  ['variable', 'command', 'file', 'anthropic'].map((name) => [
    name,
    `sk-ant-api03-made-up-for-tests-${name}`,
  ]),
) as Record<'variable' | 'command' | 'file' | 'anthropic', string>

let home: string
let logged: string[]
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'claudef-key-'))
  logged = []
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

/** There is no D-Bus and so no keyring here: test/system/keyring.test.ts has one. */
function optionsFor(env: NodeJS.ProcessEnv) {
  const whole = { HOME: home, PATH: '/usr/bin:/bin', ...env }
  return { config: readConfig(whole).config, env: whole, log: (message: string) => void logged.push(message) }
}

function saveConfig(settings: object, mode = 0o600) {
  const folder = join(home, '.config', 'claude-fallback')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(settings))
  chmodSync(join(folder, 'config.json'), mode)
}

const shell = (script: string) => ({ api_key_command: ['sh', '-c', script] })

describe('lookUpKey', () => {
  const all = {
    CLAUDE_FALLBACK_API_KEY: ` ${KEYS.variable}\n`,
    CLAUDE_FALLBACK_API_KEY_COMMAND: `printf ' ${KEYS.command}\\n'`,
    ANTHROPIC_API_KEY: KEYS.anthropic,
  }

  test('takes the first that is set', async () => {
    saveConfig({ api_key: KEYS.file })
    const env: NodeJS.ProcessEnv = { ...all }
    const found = []
    for (const name of ['', ...Object.keys(all)]) {
      delete env[name]
      found.push(await lookUpKey(optionsFor(env)))
    }
    rmSync(join(home, '.config'), { recursive: true })
    found.push(await lookUpKey(optionsFor({ ANTHROPIC_API_KEY: KEYS.anthropic })))
    found.push(await lookUpKey(optionsFor({ CLAUDE_FALLBACK_API_KEY: ' ', ANTHROPIC_API_KEY: '' })))
    expect(found).toEqual([
      { type: 'key', key: KEYS.variable, source: 'CLAUDE_FALLBACK_API_KEY' },
      { type: 'key', key: KEYS.command, source: 'api_key_command' },
      { type: 'key', key: KEYS.file, source: 'config file' },
      { type: 'key', key: KEYS.file, source: 'config file' },
      { type: 'key', key: KEYS.anthropic, source: 'ANTHROPIC_API_KEY' },
      { type: 'none' },
    ])
    // Each time that the keyring was asked: once.
    expect(logged).toEqual(Array(4).fill(expect.stringMatching(/^The keyring cannot be used: .*D-?Bus/i)))
  })

  test('passes over none that is refused', async () => {
    saveConfig({ api_key: 'sk-ant-oat01-made-up' })
    const found = await lookUpKey(optionsFor({ ANTHROPIC_API_KEY: KEYS.anthropic }))
    expect(found).toEqual({
      type: 'refused',
      source: 'config file',
      reason: expect.stringContaining('a login token'),
    })
  })

  test('uses no key of a file that others can read', async () => {
    saveConfig({ api_key: KEYS.file }, 0o644)
    expect(await lookUpKey(optionsFor({}))).toEqual({ type: 'none' })
  })
})

describe('api_key_command', () => {
  const look = (script: string, env: NodeJS.ProcessEnv = {}) => {
    saveConfig(shell(script))
    return lookUpKey(optionsFor({ ANTHROPIC_API_KEY: KEYS.anthropic, ...env }))
  }
  const refused = (reason: unknown) => ({ type: 'refused', source: 'api_key_command', reason })

  test.each([
    ['what pass keeps behind a password', `printf '${KEYS.command}\\nuser: me\\nurl: x\\n'`],
    ['no line end', `printf ${KEYS.command}`],
    ['a line end of Windows', `printf '${KEYS.command}\\r\\n'`],
    ['words on stderr', `echo ${KEYS.command}; echo warning >&2`],
    ['a child that goes on and holds stdout', `echo ${KEYS.command}; sleep 30 & echo $! >"$HOME/pid"`],
  ])('takes the first line: %s', async (_, script) => {
    expect(await look(script)).toEqual({ type: 'key', key: KEYS.command, source: 'api_key_command' })
    if (script.includes('sleep')) process.kill(Number(readFileSync(join(home, 'pid'), 'utf8')))
  })

  test.each([
    ['nothing', 'true', 'it printed nothing.'],
    ['white space', "printf ' \\n\\n'", 'it printed nothing.'],
    ['a NUL', `printf '${KEYS.command}\\0'`, 'it printed a NUL character, which is in no text.'],
    ['two keys', `printf '%s\\n' ${KEYS.command} ${KEYS.file}`, 'it printed several keys. Let it print one.'],
    [
      'a text',
      "printf 'Please log in\\nfirst\\n'",
      'it printed several lines, and the first is not a key: it has a space or another character that no API key has.',
    ],
    ['a login token', 'echo sk-ant-oat01-made-up', expect.stringContaining('login token')],
    ['a failure', 'exit 3', 'it ended with exit code 3.'],
    ['its own end', 'kill -TERM $$', 'it was ended by SIGTERM.'],
    [
      'a program that it does not find',
      'no-such-tool',
      expect.stringMatching(/^it ended with exit code 127: .*no-such-tool/),
    ],
    ['too much', 'exec head -c 100000 /dev/zero', 'it printed over 65536 bytes.'],
    [
      'what is wrong',
      `echo ${KEYS.command}; printf '\\033[31mNot signed in\\033[0m: %s\\nrun op signin\\n' ${KEYS.command} >&2; exit 1`,
      'it ended with exit code 1: Not signed in: … run op signin',
    ],
    ['much that is wrong', 'yes wrong | head -c 3000 >&2; exit 1', expect.stringMatching(/^.{300,340}…$/)],
  ])('is refused for %s', async (_, script, reason) => {
    expect(await look(script)).toEqual(refused(reason))
    expect(logged).toEqual([])
  })

  test('is refused where it is not there, or no program', async () => {
    saveConfig({ api_key_command: ['no-such-program'] })
    expect(await lookUpKey(optionsFor({}))).toEqual(refused('there is no such program.'))
    saveConfig({ api_key_command: [home] })
    // Some shells look whether it may be run, some try.
    const why = expect.stringMatching(/^(it could not be run: .*denied|there is no such program\.)$/)
    expect(await lookUpKey(optionsFor({}))).toEqual(refused(why))
  })

  test('gets no key, no stdin, no shell, no terminal and no folder of yours', async () => {
    const env = { CLAUDE_FALLBACK_API_KEY: '', ANTHROPIC_AUTH_TOKEN: KEYS.anthropic }
    const script = `{ env; pwd; cat; ps -o tty= -p $$; } >"$HOME/out"; echo ${KEYS.command}`
    expect(await look(script, env)).toMatchObject({ type: 'key' })
    const out = readFileSync(join(home, 'out'), 'utf8')
    expect(out).not.toContain(KEYS.anthropic)
    expect(out).toMatch(/\n\/\n\?\s*$/)
    saveConfig({ api_key_command: ['echo', '$(touch pwned);'] })
    expect(await lookUpKey(optionsFor({}))).toEqual(refused(expect.stringContaining('a space')))
  })

  test('is killed with all that it started once its time is over', async () => {
    const script = `trap '' TERM INT HUP; sleep 60 & echo $! $$ >"${home}/pids"; wait; sleep 60`
    const options = { env: { PATH: '/usr/bin:/bin' }, timeLimit: 500 }
    const { stdout, failure } = await runKeyProgram('sh', ['-c', script], options)
    expect({ stdout, failure }).toEqual({ stdout: '', failure: 'it did not answer within 0.5 s' })
    const pids = readFileSync(join(home, 'pids'), 'utf8').trim().split(' ').map(Number)
    expect(pids).toHaveLength(2)
    await waitUntil(() => !pids.some(exists))
  })
})

describe('describeKeySources', () => {
  test('says what is set and what is used, and no more of a key than its end', async () => {
    saveConfig({ api_key: KEYS.file, ...shell(`touch "$HOME/ran"; echo ${KEYS.command}`) })
    const { config, env } = optionsFor({
      CLAUDE_FALLBACK_API_KEY: KEYS.variable,
      ANTHROPIC_API_KEY: 'a-gateway-key-made-up-for-tests',
    })
    const rows = await describeKeySources({ config, env })
    expect(rows).toEqual([
      { source: 'CLAUDE_FALLBACK_API_KEY', isSet: true, isUsed: true, shown: '…able' },
      {
        source: 'api_key_command',
        isSet: true,
        isUsed: false,
        shown: 'what sh prints',
        note: 'it was not run',
      },
      {
        source: 'keyring',
        isSet: false,
        isUsed: false,
        shown: '',
        problem: expect.stringContaining('The keyring cannot be used: '),
      },
      { source: 'config file', isSet: true, isUsed: false, shown: '…file' },
      {
        source: 'ANTHROPIC_API_KEY',
        isSet: true,
        isUsed: false,
        shown: '…ests',
        note: expect.stringContaining('does not start with sk-ant-'),
      },
    ])
    expect(() => readFileSync(join(home, 'ran'))).toThrow('ENOENT')
    const ran = await describeKeySources({ config, env, runCommand: true })
    expect(ran[1]).toEqual({ source: 'api_key_command', isSet: true, isUsed: false, shown: '…mand' })
  })

  test('names none as used where the first is refused, and says why', async () => {
    const { config, env } = optionsFor({
      CLAUDE_FALLBACK_API_KEY: 'sk-ant-oat01-made-up-for-tests',
      ANTHROPIC_API_KEY: KEYS.anthropic,
    })
    const rows = await describeKeySources({ config, env })
    expect(rows.filter(({ isUsed }) => isUsed)).toEqual([])
    expect(rows[0]).toMatchObject({ isSet: true, shown: '', problem: expect.stringContaining('login token') })
  })

  test('says why a file’s key is not used, behind a variable too', async () => {
    saveConfig({ api_key: KEYS.file }, 0o644)
    const { config, env } = optionsFor({ CLAUDE_FALLBACK_API_KEY: KEYS.variable })
    const [, , , row] = await describeKeySources({ config, env })
    expect(row).toMatchObject({ isSet: false, problem: expect.stringContaining('can be read by others') })
  })
})

test.each([
  ['plain words', 'plain words'],
  ['two\r\nlines\u001b[2J and\u0000 more\u202e', 'two lines and more'],
  ['\u001b]0;title\u0007seen', 'seen'],
  [`key ${KEYS.file}, or sk-proj-abc`, 'key sk-…, or sk-…'],
  ['token 0123456789abcdef0123456789abcdef!', 'token …!'],
  ['said my-own-secret aloud', 'said … aloud'],
])('cleanMessage(%j) is %j', (text, message) => {
  expect(cleanMessage(text, ['my-own-secret', ''])).toBe(message)
})
