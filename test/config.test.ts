import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Config, findConfigFile, readConfig } from '../src/config.ts'
import { OPTION_KEYS, type OptionKey } from '../src/core/options.ts'
import { DEFAULT_SWITCH_KEY } from '../src/core/switch-key.ts'

const KEY = 'sk-ant-api03-made-up-for-tests'

let home: string
let file: string
let defaults: Config

beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), "claudef config's "))
  file = path.join(home, '.config/claude-fallback/config.json')
  fs.mkdirSync(path.dirname(file), { recursive: true })
  defaults = {
    apiKey: undefined,
    apiKeyCommand: undefined,
    autoRestart: false,
    autoReturn: true,
    billing: undefined,
    continuePrompt: 'Continue where you left off.',
    claude: undefined,
    switchKey: DEFAULT_SWITCH_KEY,
    notify: true,
    notifyCommand: undefined,
    statusLine: false,
    maxUsd: Number.POSITIVE_INFINITY,
    maxUsdPerDay: 10,
    debug: false,
    configDirs: [],
    home,
    sources: Object.fromEntries(OPTION_KEYS.map((key) => [key, 'default'])) as Config['sources'],
    file: undefined,
  }
})

afterEach(() => fs.rmSync(home, { recursive: true, force: true }))

function read(variables: Record<string, string> = {}, options: { uid?: number } = {}) {
  return readConfig({ HOME: home, ...variables }, options)
}

function write(content: unknown, mode = 0o600): void {
  fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  fs.chmodSync(file, mode)
}

/** What a file that says nothing to be trusted comes to: no API billing. */
function expectRefused({ config, problems }: ReturnType<typeof read>, ...pieces: string[]): void {
  expect(config).toEqual({
    ...defaults,
    billing: 'subscription',
    maxUsd: 0,
    maxUsdPerDay: 0,
    sources: { ...defaults.sources, billing: 'file', max_usd: 'file', max_usd_per_day: 'file' },
  })
  expect(problems).toHaveLength(1)
  expect(problems[0]).toContain('its caps count as 0 (no API billing)')
  for (const piece of pieces) expect(problems[0]).toContain(piece)
}

describe('the environment', () => {
  test('needs nothing', () => {
    expect(read()).toEqual({ config: defaults, problems: [] })
    expect(readConfig({}).config.home).toBe(os.userInfo().homedir)
  })

  test.each(['1', 'true', 'yes', 'on', 'TRUE', ' Yes '])('switches by itself for %j', (value) => {
    const { config, problems } = read({ CLAUDE_FALLBACK_AUTO_RESTART: value })
    const sources = { ...defaults.sources, auto_restart: 'environment' }
    expect(config).toEqual({ ...defaults, autoRestart: true, sources })
    expect(problems).toEqual([])
  })

  test.each(['maybe', '2', 'truee', '10'])('asks for %j, and says so', (value) => {
    const { config, problems } = read({ CLAUDE_FALLBACK_AUTO_RESTART: value })
    expect(config).toEqual(defaults)
    expect(problems).toEqual([
      `CLAUDE_FALLBACK_AUTO_RESTART is '${value}', neither yes nor no: it stays off. Set it to 1 or 0.`,
    ])
  })

  test('takes a billing that cannot be read for the subscription, whatever a mode says', () => {
    const { config, problems } = read({ CLAUDE_FALLBACK_BILLING: 'subscripton' })
    expect(config.billing).toBe('subscription')
    expect(config.sources.billing).toBe('environment')
    expect(problems).toEqual([
      "CLAUDE_FALLBACK_BILLING is 'subscripton': the session starts on the subscription. Set it to 'api' or 'subscription'.",
    ])
  })

  test.each(['1,5', '-1', 'NaN', 'ten'])('takes a cap of %j for 0, and says so', (value) => {
    const { config, problems } = read({
      CLAUDE_FALLBACK_MAX_USD: value,
      CLAUDE_FALLBACK_MAX_USD_PER_DAY: value,
    })
    expect([config.maxUsd, config.maxUsdPerDay]).toEqual([0, 0])
    expect(problems).toHaveLength(2)
    for (const problem of problems) expect(problem).toContain('it counts as 0')
  })

  test('goes before the file, empty variables but for two do not', () => {
    write({
      auto_restart: true,
      billing: 'api',
      continue_prompt: 'From the file.',
      claude: '/opt/claude',
      max_usd: 3,
      auto_return: false,
    })
    const blank = read({
      CLAUDE_FALLBACK_AUTO_RESTART: ' ',
      CLAUDE_FALLBACK_BILLING: '',
      CLAUDE_FALLBACK_CONTINUE_PROMPT: '',
      CLAUDE_FALLBACK_CLAUDE: '',
      CLAUDE_FALLBACK_MAX_USD: '',
      CLAUDE_FALLBACK_AUTO_RETURN: '',
      CLAUDE_FALLBACK_HOME: '',
      CLAUDE_FALLBACK_CONFIG: '',
      XDG_CONFIG_HOME: '',
    })
    expect(blank.problems).toEqual([])
    expect(blank.config).toMatchObject({
      autoRestart: false,
      billing: 'api',
      continuePrompt: '',
      claude: '/opt/claude',
      maxUsd: 3,
      autoReturn: false,
      home,
    })
    const full = read({ CLAUDE_FALLBACK_MAX_USD: 'none', CLAUDE_FALLBACK_BILLING: 'subscription' })
    expect(full.config).toMatchObject({
      maxUsd: Number.POSITIVE_INFINITY,
      billing: 'subscription',
      autoRestart: true,
      file,
    })
    expect(full.config.sources).toMatchObject({
      max_usd: 'environment',
      billing: 'environment',
      auto_restart: 'file',
      notify: 'default',
    })
  })

  test('does not fall back from a broken variable to the file', () => {
    write({ auto_restart: true, max_usd: 3 })
    const { config } = read({ CLAUDE_FALLBACK_AUTO_RESTART: 'nope', CLAUDE_FALLBACK_MAX_USD: '1,5' })
    expect(config).toMatchObject({ autoRestart: false, maxUsd: 0 })
  })

  test('names a misspelt variable, and takes a misspelt cap for 0', () => {
    write({ max_usd: 3 })
    const { config, problems } = read({ CLAUDE_FALLBACK_MAX_UDS: '1', CLAUDE_FALLBACK_SOMETHING_ELSE: '1' })
    expect(config.maxUsd).toBe(0)
    expect(problems).toEqual([
      "'CLAUDE_FALLBACK_MAX_UDS' is no setting of claudef: as long as CLAUDE_FALLBACK_MAX_USD is not set, that counts as 0, so nothing is billed to the API. Did you mean CLAUDE_FALLBACK_MAX_USD?",
    ])
    const both = read({ CLAUDE_FALLBACK_MAX_UDS: '1', CLAUDE_FALLBACK_MAX_USD: '2' })
    expect(both.config.maxUsd).toBe(2)
  })

  test('keeps log and state out of the current folder', () => {
    expect(read({ CLAUDE_FALLBACK_HOME: '/var/fallback' }).config.home).toBe('/var/fallback')
    const { config, problems } = read({ CLAUDE_FALLBACK_HOME: 'state' })
    expect(config.home).toBe(home)
    expect(problems).toEqual([expect.stringContaining("CLAUDE_FALLBACK_HOME is 'state', a relative path")])
  })
})

describe('where the file is', () => {
  test('named, then XDG, then ~/.config', () => {
    const path = (env: Record<string, string>) => findConfigFile({ HOME: '/h', ...env }).path
    expect(path({})).toBe('/h/.config/claude-fallback/config.json')
    expect(path({ XDG_CONFIG_HOME: '/x' })).toBe('/x/claude-fallback/config.json')
    expect(path({ XDG_CONFIG_HOME: '/x', CLAUDE_FALLBACK_CONFIG: '/c.json' })).toBe('/c.json')
  })

  test('a missing one is fine, unless it is named', () => {
    expect(read({ XDG_CONFIG_HOME: path.join(home, 'nowhere') })).toEqual({ config: defaults, problems: [] })
    // As with HOME=/dev/null.
    write('{}')
    expect(read({ XDG_CONFIG_HOME: file })).toEqual({ config: defaults, problems: [] })
    expectRefused(read({ CLAUDE_FALLBACK_CONFIG: path.join(home, 'none.json') }), 'does not exist')
  })

  test.each(['config.json', './config.json', '../config.json', '~/config.json'])('never %s', (name) => {
    const result = read({ CLAUDE_FALLBACK_CONFIG: name })
    expectRefused(result, `CLAUDE_FALLBACK_CONFIG is '${name}', a relative path`)
  })

  test('never below a relative XDG_CONFIG_HOME or HOME', () => {
    write({ debug: true })
    const { config, problems } = read({ XDG_CONFIG_HOME: '.config' })
    expect(config).toMatchObject({ debug: true, file })
    expect(problems).toEqual([expect.stringContaining("XDG_CONFIG_HOME is '.config', a relative path")])
    expect(path.isAbsolute(findConfigFile({ HOME: '.' }).path ?? '')).toBe(true)
  })

  test('a link leads to it', () => {
    const target = path.join(home, 'dotfiles.json')
    fs.writeFileSync(target, '{ "debug": true }', { mode: 0o600 })
    fs.symlinkSync(target, file)
    expect(read().config).toMatchObject({ debug: true, file })
  })
})

describe('the file', () => {
  test('sets everything', () => {
    write({
      api_key: KEY,
      api_key_command: ['pass', 'show', 'anthropic'],
      auto_restart: true,
      auto_return: 'off',
      billing: 'subscription',
      continue_prompt: 'Go on.',
      claude: '~/bin/claude',
      switch_key: 'ctrl+g',
      notify: false,
      notify_command: 'notify-me --quiet',
      status_line: 1,
      max_usd: '5',
      max_usd_per_day: 'none',
      debug: true,
      config_dirs: ['~/.claude-work', '/srv/claude'],
    })
    expect(read()).toEqual({
      problems: [],
      config: {
        apiKey: KEY,
        apiKeyCommand: ['pass', 'show', 'anthropic'],
        autoRestart: true,
        autoReturn: false,
        billing: 'subscription',
        continuePrompt: 'Go on.',
        claude: path.join(home, 'bin/claude'),
        switchKey: { name: 'Ctrl+G', character: 'g', byte: 7 },
        notify: false,
        notifyCommand: ['notify-me', '--quiet'],
        statusLine: true,
        maxUsd: 5,
        maxUsdPerDay: Number.POSITIVE_INFINITY,
        debug: true,
        configDirs: [path.join(home, '.claude-work'), '/srv/claude'],
        home,
        sources: Object.fromEntries(OPTION_KEYS.map((key) => [key, 'file'])),
        file,
      },
    })
  })

  test.each<[OptionKey, unknown]>([
    ['max_usd', -1],
    ['max_usd', '1,5'],
    ['max_usd_per_day', null],
    ['max_usd_per_day', [5]],
  ])('%s %j counts as 0', (key, value) => {
    write({ [key]: value, debug: true })
    const { config, problems } = read()
    expect(key === 'max_usd' ? config.maxUsd : config.maxUsdPerDay).toBe(0)
    expect(config.debug).toBe(true)
    expect(config.sources[key]).toBe('file')
    expect(problems).toEqual([
      expect.stringMatching(new RegExp(`^${key} in '.+' is .+, which is no sum in USD: it counts as 0`)),
    ])
  })

  test('a number without end is no cap', () => {
    write('{ "max_usd": 1e400 }')
    expect(read().config.maxUsd).toBe(0)
  })

  test('names an unknown key with the nearest', () => {
    write({ autoRestart: true, theme: 'dark', max_usd_per_dya: 2, '__proto__ ': 1, [KEY]: 1 })
    const { config, problems } = read()
    expect(config).toMatchObject({ autoRestart: false, maxUsdPerDay: 0, maxUsd: Number.POSITIVE_INFINITY })
    expect(problems).toEqual([
      `'autoRestart' in ${file} is no setting of claudef: it is not used. Did you mean auto_restart?`,
      `'theme' in ${file} is no setting of claudef: it is not used. \`claude-fallback help\` lists the settings.`,
      expect.stringMatching(/^'max_usd_per_dya' in .* counts as 0, .* Did you mean max_usd_per_day\?$/),
      expect.stringContaining('is no setting of claudef'),
      expect.stringMatching(/^an API key in .* is no setting/),
    ])
  })

  test('takes a key that stands there twice for unreadable, but not one in a value', () => {
    write('{ "max_usd": 1, "auto_restart": true, "max_usd": "none", "auto_\\u0072estart": true }')
    const { config, problems } = read()
    expect(config).toMatchObject({ maxUsd: 0, autoRestart: false })
    expect(problems).toEqual([
      expect.stringMatching(/^max_usd stands in .* twice: it counts as 0/),
      expect.stringMatching(/^auto_restart stands in .* twice: it stays off/),
    ])
    write(String.raw`{ "continue_prompt": "\"max_usd\": 1, \\", "max_usd": 1, "notify": true }`)
    expect(read()).toMatchObject({ config: { maxUsd: 1, continuePrompt: '"max_usd": 1, \\' }, problems: [] })
  })

  test('may begin with a byte order mark', () => {
    write('\ufeff{ "debug": true }')
    expect(read()).toMatchObject({ config: { debug: true }, problems: [] })
  })

  test.each<[string, string]>([
    ['', 'is empty'],
    [' \n', 'is empty'],
    ['[]', 'holds a list'],
    ['null', 'holds null'],
    ['5', 'holds a number'],
    ['"debug"', 'holds a text'],
    ['{\n  "debug": true,\n}', 'line 3, column 1'],
    ['{\n  "billing": api\n}', 'line 2, column 14'],
    ['{ debug: true }', 'line 1, column 3'],
    ['{\n  // on\n  "debug": true }', 'line 2, column 3'],
    ['{ "debug": True }', 'line 1, column 12'],
    ["{ 'debug': true }", 'line 1, column 3'],
    ['{ "debug": true } }', 'line 1, column 19'],
    ['{ "debug": tr', 'it ends in the middle'],
    ['{ "debug": "tr', 'it ends in the middle'],
    ['{ "max_usd": NaN }', 'line 1, column 14'],
    ['{ "max_usd": .5 }', 'line 1, column 14'],
    ['{ "max_usd": 05 }', 'line 1, column 15'],
    ['{ "x": "a\nb" }', 'line 1, column 10'],
    ['['.repeat(60_000), 'it ends in the middle'],
    ['\0\0\0', 'line 1, column 1'],
  ])('is refused as a whole: %#', (text, why) => {
    write(text)
    expectRefused(read(), file, why, 'Repair it, or remove it.')
  })

  test('truncated at any byte never lets a cap rise or shows the key', () => {
    const whole = JSON.stringify(
      { api_key: KEY, auto_restart: true, max_usd: 1, max_usd_per_day: 2 },
      null,
      2,
    )
    for (let length = 0; length < whole.length; length++) {
      write(whole.slice(0, length))
      const { config, problems } = read()
      expect([config.maxUsd, config.maxUsdPerDay, config.autoRestart]).toEqual([0, 0, false])
      expect(problems).toHaveLength(1)
      expect(problems.join()).not.toContain('sk-ant')
    }
  })

  test('that is broken leaves the environment its say', () => {
    write('{')
    const { config } = read({ CLAUDE_FALLBACK_MAX_USD: '4', CLAUDE_FALLBACK_BILLING: 'api' })
    expect(config).toMatchObject({ maxUsd: 4, maxUsdPerDay: 0, billing: 'api' })
  })
})

describe('what the file is', () => {
  test('a folder', () => {
    fs.mkdirSync(file)
    expectRefused(read(), 'is a folder')
  })

  test('a named pipe, which holds up nothing', () => {
    expect(spawnSync('sh', ['-c', 'mkfifo "$0"', file]).status).toBe(0)
    expectRefused(read(), 'is no plain file')
  })

  test('a device', () => {
    expectRefused(read({ CLAUDE_FALLBACK_CONFIG: '/dev/zero' }), 'is no plain file')
  })

  test('a link to itself, and a name that nobody can have', () => {
    fs.symlinkSync(file, file)
    expectRefused(read(), 'cannot be read (ELOOP)')
    const long = `/${'x'.repeat(300)}`
    expectRefused(read({ CLAUDE_FALLBACK_CONFIG: long }), 'cannot be read (ENAMETOOLONG)')
  })

  test('10 MB', () => {
    write(JSON.stringify({ max_usd: 1, continue_prompt: 'x'.repeat(10_000_000) }))
    expectRefused(read(), 'is larger than 65536 bytes')
  })

  test.each([0o644, 0o640, 0o604])('with a key, readable by others: %o', (mode) => {
    write({ api_key: KEY, debug: true }, mode)
    const { config, problems } = read()
    expect(config).toMatchObject({ apiKey: undefined, debug: true, file })
    expect(config.sources.api_key).toBe('default')
    expect(problems).toHaveLength(1)
    const command = /Run: (.+)$/.exec(problems[0] ?? '')?.[1] ?? ''
    expect(spawnSync('sh', ['-c', command]).status).toBe(0)
    expect(read()).toMatchObject({ config: { apiKey: KEY }, problems: [] })
  })

  test('without a key, readable by others', () => {
    write({ debug: true }, 0o644)
    expect(read()).toMatchObject({ config: { debug: true }, problems: [] })
  })

  test.each([0o620, 0o602, 0o666])('writable by others: %o', (mode) => {
    write({ auto_restart: true }, mode)
    const result = read()
    expectRefused(result, 'can be changed by others')
    const command = /Run: (.+)$/.exec(result.problems[0] ?? '')?.[1] ?? ''
    expect(spawnSync('sh', ['-c', command]).status).toBe(0)
    expect(read()).toMatchObject({ config: { autoRestart: true }, problems: [] })
  })

  test('another user’s, but not root’s', () => {
    write({ auto_restart: true })
    const isRoot = process.getuid?.() === 0
    // As root itself by a file of somebody's, else by being somebody else.
    if (isRoot) {
      expect(read({}, { uid: 54_321 })).toMatchObject({ config: { autoRestart: true }, problems: [] })
      fs.chownSync(file, 54_321, 54_321)
      expect(read({}, { uid: 54_321 })).toMatchObject({ config: { autoRestart: true }, problems: [] })
    }
    expectRefused(isRoot ? read() : read({}, { uid: 54_321 }), 'belongs to another user')
  })
})
