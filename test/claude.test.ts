import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  childEnvironment,
  configFolder,
  findClaude,
  readLogin,
  readSettingsOption,
  untrustedFolders,
} from '../src/claude.ts'
import { parseArgs } from '../src/core/args.ts'

const KEY = 'sk-ant-api03-made-up-for-tests-abcd'

let root: string
beforeEach(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'claudef-')))
  for (const folder of ['home', 'cwd', 'a', 'b']) fs.mkdirSync(at(folder))
  write('own/bin/claudef.js', "#!/usr/bin/env node\nimport '../dist/claudef.js'\n", 0o755)
})
afterEach(() => fs.rmSync(root, { recursive: true, force: true }))

function at(...names: string[]): string {
  return path.join(root, ...names)
}

function write(file: string, content: string | object, mode = 0o600): string {
  fs.mkdirSync(path.dirname(at(file)), { recursive: true })
  fs.writeFileSync(at(file), typeof content === 'string' ? content : JSON.stringify(content))
  fs.chmodSync(at(file), mode)
  return at(file)
}

function writeProgram(file: string, content = '#!/bin/sh\nexit 0\n'): string {
  return write(file, content, 0o755)
}

function link(target: string, file: string): void {
  fs.mkdirSync(path.dirname(at(file)), { recursive: true })
  fs.symlinkSync(target, at(file))
}

function find(options: { PATH?: string; chosen?: string; env?: Record<string, string> } = {}) {
  const { PATH = `${at('a')}:${at('b')}`, chosen } = options
  return findClaude({
    env: { PATH, ...options.env },
    home: at('home'),
    cwd: at('cwd'),
    own: at('own/bin/claudef.js'),
    chosen,
  })
}

describe('findClaude', () => {
  test('takes the first on PATH', () => {
    writeProgram('b/claude')
    expect(find()).toEqual({ type: 'found', path: at('b/claude') })
    writeProgram('a/claude')
    expect(find()).toEqual({ type: 'found', path: at('a/claude') })
  })

  test('looks in the working folder for entries that say so', () => {
    writeProgram('cwd/claude')
    writeProgram('cwd/bin/claude')
    expect(find({ PATH: `${at('a')}::${at('b')}` })).toEqual({ type: 'found', path: at('cwd/claude') })
    expect(find({ PATH: 'bin' })).toEqual({ type: 'found', path: at('cwd/bin/claude') })
  })

  test('does not look there where there is no PATH at all', () => {
    writeProgram('cwd/claude')
    writeProgram('home/.local/bin/claude')
    const found = { type: 'found', path: at('home/.local/bin/claude') }
    expect(find({ PATH: '' })).toEqual(found)
    expect(findClaude({ env: {}, home: at('home'), cwd: at('cwd'), own: '', chosen: undefined })).toEqual(
      found,
    )
  })

  test('follows a link to the real one, and runs it by its own name', () => {
    link(writeProgram('versions/2.1.330'), 'a/claude')
    expect(find()).toEqual({ type: 'found', path: at('a/claude') })
  })

  test.each<[string, () => void]>([
    ['a file that cannot be run', () => void write('a/claude', '#!/bin/sh\n', 0o644)],
    ['a folder', () => fs.mkdirSync(at('a/claude'))],
    ['a link to nothing', () => link('nowhere', 'a/claude')],
    ['a link to itself', () => link('claude', 'a/claude')],
    ['a link to claudef', () => link(at('own/bin/claudef.js'), 'a/claude')],
    [
      'a link to a link to claudef',
      () => {
        link(at('own/bin/claudef.js'), 'links/claudef')
        link('../links/claudef', 'a/claude')
      },
    ],
    [
      'another copy of claudef',
      () => void writeProgram('a/claude', fs.readFileSync(at('own/bin/claudef.js'), 'utf8')),
    ],
    ['a script', () => void writeProgram('a/claude', '#!/bin/sh\nexec claudef "$@"\n')],
    ['a script with its path', () => void writeProgram('a/claude', '#!/bin/sh\n/opt/bin/claudef "$@"\n')],
    ['a script with quotes', () => void writeProgram('a/claude', '#!/bin/sh\n"$HOME/bin/claudef" "$@"\n')],
    ['a script that calls node', () => void writeProgram('a/claude', '#!/bin/sh\nnode /x/claudef.js "$@"\n')],
    ['a script that calls npx', () => void writeProgram('a/claude', '#!/bin/sh\nnpx -y claudef@1 "$@"\n')],
    ['a script that is run by it', () => void writeProgram('a/claude', '#!/usr/bin/env claudef\n')],
  ])('passes over %s', (_, make) => {
    make()
    writeProgram('b/claude')
    expect(find()).toEqual({ type: 'found', path: at('b/claude') })
  })

  test.each([
    ['a folder named claudef on its way', '#!/bin/sh\nexec /projects/claudef/node_modules/.bin/cli "$@"\n'],
    ['a name that only begins so', '#!/bin/sh\nexec claudef-old "$@"\n'],
    ['a word in a comment', '#!/bin/sh\n# not claudef "$@"\nexec /opt/claude "$@"\n'],
    ['a comment in JavaScript', '#!/usr/bin/env node\n  // see claudef\nrun()\n'],
    ['the word in a program that is no script', '\u007fELF exec claudef "$@"\n'],
    ['the word far behind', `#!/usr/bin/env node\n${'x'.repeat(5000)}\nclaudef "$@"\n`],
    ['nothing in it', ''],
  ])('takes a program with %s', (_, content) => {
    writeProgram('a/claude', content)
    expect(find()).toEqual({ type: 'found', path: at('a/claude') })
  })

  test('looks where the installers put it, in this order', () => {
    const env = { NPM_CONFIG_PREFIX: at('npm') }
    writeProgram('npm/bin/claude')
    expect(find({ env })).toEqual({ type: 'found', path: at('npm/bin/claude') })
    expect(find({ env: { npm_config_prefix: at('npm') } })).toEqual({
      type: 'found',
      path: at('npm/bin/claude'),
    })
    writeProgram('home/.claude/local/claude')
    expect(find({ env })).toEqual({ type: 'found', path: at('home/.claude/local/claude') })
    writeProgram('home/.local/bin/claude')
    expect(find({ env })).toEqual({ type: 'found', path: at('home/.local/bin/claude') })
    writeProgram('b/claude')
    expect(find({ env })).toEqual({ type: 'found', path: at('b/claude') })
  })

  const global = [path.dirname(process.execPath), '/usr/local/bin', '/opt/homebrew/bin']
  const isInstalled = global.some((folder) => fs.existsSync(path.join(folder, 'claude')))
  test.skipIf(isInstalled)('says where it looked, and how to get it', () => {
    const found = find()
    expect(found).toMatchObject({ type: 'missing', sentence: expect.stringContaining('npm install -g') })
    const { sentence } = found as { sentence: string }
    expect(sentence).toMatch(/^Claude Code was not found on PATH, nor in /)
    for (const folder of [at('home/.local/bin'), at('home/.claude/local'), ...global]) {
      expect(sentence).toContain(folder)
    }
    expect(sentence).toContain('CLAUDE_FALLBACK_CLAUDE')
  })

  describe('with CLAUDE_FALLBACK_CLAUDE', () => {
    beforeEach(() => void writeProgram('a/claude'))

    test.each([
      ['a path', () => at('b/my-claude'), 'b/my-claude'],
      ['a path from the working folder', () => './bin/my-claude', 'cwd/bin/my-claude'],
      ['a path upwards', () => '../b/my-claude', 'b/my-claude'],
      ['a name on PATH', () => 'my-claude', 'b/my-claude'],
    ])('takes %s', (_, chosen, file) => {
      writeProgram(file)
      expect(find({ chosen: chosen() })).toEqual({ type: 'found', path: at(file) })
    })

    test.each<[string, () => string]>([
      ['nothing there', () => at('b/missing')],
      ['no such name on PATH', () => 'missing'],
      ['a name that is in the working folder only', () => path.basename(writeProgram('cwd/my-claude'))],
      ['a folder', () => at('b')],
      ['a file that cannot be run', () => write('b/my-claude', '#!/bin/sh\n')],
      ['claudef itself', () => at('own/bin/claudef.js')],
      ['a script that calls claudef', () => writeProgram('b/my-claude', '#!/bin/sh\nclaudef "$@"\n')],
    ])('says so for %s, and takes no other', (_, make) => {
      const chosen = make()
      expect(find({ chosen })).toEqual({
        type: 'missing',
        sentence: expect.stringContaining(`CLAUDE_FALLBACK_CLAUDE is '${chosen}'`),
      })
    })
  })
})

test('configFolder', () => {
  expect(configFolder({}, '/home/me')).toBe('/home/me/.claude')
  expect(configFolder({ CLAUDE_CONFIG_DIR: '' }, '/home/me')).toBe('/home/me/.claude')
  expect(configFolder({ CLAUDE_CONFIG_DIR: '/etc/mine' }, '/home/me')).toBe('/etc/mine')
})

const ACCOUNT = { oauthAccount: { accountUuid: '11111111-1111-4111-8111-111111111111' } }

function login(env: Record<string, string> = {}, line: string[] = []) {
  return readLogin({ env, home: at('home'), cwd: at('cwd'), tokens: parseArgs(line) })
}

describe('readLogin', () => {
  beforeEach(() => void write('home/.claude.json', ACCOUNT))

  test('finds the account that Claude Code names', () => {
    expect(login()).toEqual({ type: 'subscription' })
  })

  test.each<[string, Record<string, string>]>([
    ['a proxy', { ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' }],
    ['a provider that is off', { CLAUDE_CODE_USE_BEDROCK: '0', CLAUDE_CODE_USE_VERTEX: '' }],
    ['a key for other programs', { ANTHROPIC_API_KEY: KEY }],
    ['a key of ours', { CLAUDE_FALLBACK_API_KEY: KEY }],
  ])('stays with %s', (_, env) => {
    expect(login(env)).toEqual({ type: 'subscription' })
  })

  test.each<[reason: string, env: Record<string, string>]>([
    ['ANTHROPIC_AUTH_TOKEN is set', { ANTHROPIC_AUTH_TOKEN: 'made-up' }],
    ['CLAUDE_CODE_USE_BEDROCK is set', { CLAUDE_CODE_USE_BEDROCK: '1' }],
    ['CLAUDE_CODE_USE_VERTEX is set', { CLAUDE_CODE_USE_VERTEX: 'true' }],
    ['CLAUDE_CODE_USE_FOUNDRY is set', { CLAUDE_CODE_USE_FOUNDRY: 'YES' }],
    ['CLAUDE_CODE_USE_GATEWAY is set', { CLAUDE_CODE_USE_GATEWAY: 'on' }],
  ])('%s', (reason, env) => {
    expect(login(env)).toEqual({ type: 'none', reason })
  })

  test('--bare never uses the login', () => {
    expect(login({}, ['--bare'])).toEqual({ type: 'none', reason: '--bare never uses the login' })
    expect(login({}, ['--system-prompt', '--bare'])).toEqual({ type: 'subscription' })
  })

  const FOREIGN: [reason: string, settings: object][] = [
    ['CLAUDE_CODE_USE_BEDROCK is set', { env: { CLAUDE_CODE_USE_BEDROCK: 'true' } }],
    ['CLAUDE_CODE_USE_VERTEX is set', { env: { CLAUDE_CODE_USE_VERTEX: 1 } }],
    ['the settings name an apiKeyHelper', { apiKeyHelper: 'cat key' }],
    ["forceLoginMethod is 'console'", { forceLoginMethod: 'console' }],
    ["forceLoginMethod is 'gateway'", { forceLoginMethod: 'gateway' }],
    ['the settings hand Claude Code a key', { env: { ANTHROPIC_API_KEY: KEY } }],
    ['the settings hand Claude Code a key', { env: { ANTHROPIC_AUTH_TOKEN: 'made-up' } }],
  ]
  const PLACES = [
    'home/.claude/settings.json',
    'cwd/.claude/settings.json',
    'cwd/.claude/settings.local.json',
  ]
  test.each(
    PLACES.flatMap((place) => FOREIGN.map(([reason, settings]) => [place, reason, settings] as const)),
  )('in %s: %s', (place, reason, settings) => {
    write(place, settings)
    expect(login()).toEqual({ type: 'none', reason })
  })

  test.each(FOREIGN)('said by --settings: %s', (reason, settings) => {
    write('cwd/mine.json', settings)
    const expected = { type: 'none', reason }
    expect(login({}, ['--settings', 'mine.json'])).toEqual(expected)
    expect(login({}, [`--settings=${at('cwd/mine.json')}`])).toEqual(expected)
    expect(login({}, ['--settings', JSON.stringify(settings)])).toEqual(expected)
    expect(login({}, ['prompt', '--', '--settings', 'mine.json'])).toEqual({ type: 'subscription' })
  })

  test.each<[string, object | string]>([
    ['a login for the subscription', { forceLoginMethod: 'claudeai' }],
    ['other variables', { env: { FOO: 'bar', CLAUDE_CODE_USE_BEDROCK: false } }],
    ['variables that are none', { env: 'CLAUDE_CODE_USE_BEDROCK' }],
    ['no helper', { apiKeyHelper: '' }],
    ['damaged JSON', '{"apiKeyHelper":"cat key"'],
    ['no object', '["apiKeyHelper"]'],
  ])('takes settings with %s for nothing against it', (_, settings) => {
    write('home/.claude/settings.json', settings)
    expect(login({}, ['--settings', 'missing.json'])).toEqual({ type: 'subscription' })
  })

  test.each<[string, (() => void) | undefined]>([
    ['no file', undefined],
    ['no account', () => void write('home/.claude.json', { numStartups: 5 })],
    ['an account that is empty', () => void write('home/.claude.json', { oauthAccount: null })],
    ['damaged JSON', () => void write('home/.claude.json', JSON.stringify(ACCOUNT).slice(0, -1))],
    ['no object', () => void write('home/.claude.json', '"oauthAccount"')],
    ['a folder', () => fs.mkdirSync(at('home/.claude.json'))],
  ])('there is no subscription login: %s', (_, make) => {
    fs.rmSync(at('home/.claude.json'))
    make?.()
    expect(login()).toEqual({ type: 'none', reason: 'there is no subscription login' })
    // A token of the login in the environment is one as well.
    expect(login({ CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-made-up-for-tests' })).toEqual({
      type: 'subscription',
    })
  })

  test('looks into CLAUDE_CONFIG_DIR, and only there', () => {
    const env = { CLAUDE_CONFIG_DIR: at('config') }
    write('home/.claude/settings.json', { apiKeyHelper: 'cat key' })
    expect(login(env)).toEqual({ type: 'none', reason: 'there is no subscription login' })
    write('config/.claude.json', ACCOUNT)
    expect(login(env)).toEqual({ type: 'subscription' })
    write('config/settings.json', { apiKeyHelper: 'cat key' })
    expect(login(env)).toEqual({ type: 'none', reason: 'the settings name an apiKeyHelper' })
  })

  describe('an ANTHROPIC_API_KEY that was approved in Claude Code', () => {
    const approved = { ...ACCOUNT, customApiKeyResponses: { approved: [KEY.slice(-20)], rejected: [] } }
    beforeEach(() => void write('home/.claude.json', approved))

    test('pays on purpose', () => {
      expect(login({ ANTHROPIC_API_KEY: KEY })).toEqual({
        type: 'none',
        reason: 'ANTHROPIC_API_KEY was approved in Claude Code: it pays on purpose',
      })
    })

    test.each<[string, Record<string, string>]>([
      ['not in the environment', {}],
      ['another one', { ANTHROPIC_API_KEY: `${KEY}x` }],
      ['there beside a key of ours', { ANTHROPIC_API_KEY: KEY, CLAUDE_FALLBACK_API_KEY: KEY }],
    ])('does not where it is %s', (_, env) => {
      expect(login(env)).toEqual({ type: 'subscription' })
    })

    test('does where ours is only a space', () => {
      expect(login({ ANTHROPIC_API_KEY: KEY, CLAUDE_FALLBACK_API_KEY: ' ' }).type).toBe('none')
    })

    test.each<[string, object]>([
      ['rejected', { rejected: [KEY.slice(-20)] }],
      ['in a list that is damaged', { approved: KEY.slice(-20) }],
      ['in no list', []],
    ])('does not where it stands %s', (_, customApiKeyResponses) => {
      write('home/.claude.json', { ...ACCOUNT, customApiKeyResponses })
      expect(login({ ANTHROPIC_API_KEY: KEY })).toEqual({ type: 'subscription' })
    })
  })
})

describe('untrustedFolders', () => {
  const trusted = { hasTrustDialogAccepted: true }

  function untrusted(
    folders: string[],
    projects: unknown = { '/projects/trusted': trusted, '/other': {} },
  ): string[] {
    write('home/.claude.json', { ...ACCOUNT, projects })
    return untrustedFolders({ env: {}, home: at('home'), cwd: '/projects' }, folders)
  }

  test.each<[string[], string[]]>([
    [[], []],
    [['/projects/trusted'], []],
    [['/projects/trusted/deep/er'], []],
    [['trusted', './trusted/deep'], []],
    [['/projects'], ['/projects']],
    [['/projects/trusted-not'], ['/projects/trusted-not']],
    [
      ['/other', 'x'],
      ['/other', 'x'],
    ],
    [['../projects/trusted', '..'], ['..']],
  ])('of %j are %j', (folders, expected) => {
    expect(untrusted(folders)).toEqual(expected)
  })

  test('are none where the root is trusted, and all where nothing can be read', () => {
    expect(untrusted(['/a', 'b'], { '/': trusted })).toEqual([])
    expect(untrusted(['/a', 'b'], 'damaged')).toEqual(['/a', 'b'])
    expect(untrusted(['/a'], { '/a': { hasTrustDialogAccepted: 'yes' } })).toEqual(['/a'])
  })
})

test('childEnvironment takes away every key, and nothing else', () => {
  const env = { PATH: '/bin', CLAUDE_CODE_OAUTH_TOKEN: 'made-up', ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' }
  const keys = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_AUTH_TOKEN: KEY, CLAUDE_FALLBACK_API_KEY: KEY }
  const given = { ...env, ...keys }
  expect(childEnvironment(given)).toEqual(env)
  expect(given).toEqual({ ...env, ...keys })
})

describe('readSettingsOption', () => {
  test('reads a path, JSON, and nothing', () => {
    write('cwd/mine.json', { model: 'opus' })
    expect(readSettingsOption(undefined, at('cwd'))).toEqual({})
    expect(readSettingsOption('mine.json', at('cwd'))).toEqual({ model: 'opus' })
    expect(readSettingsOption(at('cwd/mine.json'), '/')).toEqual({ model: 'opus' })
    expect(readSettingsOption(' {"model":"sonnet"}\n', at('cwd'))).toEqual({ model: 'sonnet' })
  })

  test.each(['missing.json', '', '{"model"}', '{', 'null.json', 'list.json'])('throws for %j', (value) => {
    write('cwd/null.json', 'null')
    write('cwd/list.json', '[]')
    expect(() => readSettingsOption(value, at('cwd'))).toThrow()
  })
})
