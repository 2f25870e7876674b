import os from 'node:os'
import { describe, expect, test } from 'vitest'
import { type Config, readConfig } from '../src/config.ts'

const DEFAULTS: Config = {
  autoRestart: false,
  billing: 'subscription',
  continuePrompt: 'Continue where you left off.',
  claude: undefined,
  home: '/home/somebody',
}

function read(variables: Record<string, string>) {
  return readConfig({ HOME: '/home/somebody', ...variables })
}

describe('readConfig', () => {
  test('needs nothing', () => {
    expect(read({})).toEqual({ config: DEFAULTS, problems: [] })
    expect(readConfig({}).config.home).toBe(os.homedir())
  })

  test.each(['1', 'true', 'yes', 'on', 'TRUE', ' Yes '])('switches by itself for %j', (value) => {
    const { config, problems } = read({ CLAUDE_FALLBACK_AUTO_RESTART: value })
    expect(config).toEqual({ ...DEFAULTS, autoRestart: true })
    expect(problems).toEqual([])
  })

  test.each(['', '0', 'false', 'no', 'off', 'Off', ' '])('asks for %j', (value) => {
    expect(read({ CLAUDE_FALLBACK_AUTO_RESTART: value })).toEqual({ config: DEFAULTS, problems: [] })
  })

  test.each(['maybe', '2', 'truee', '10'])('asks for %j, and says so', (value) => {
    const { config, problems } = read({ CLAUDE_FALLBACK_AUTO_RESTART: value })
    expect(config).toEqual(DEFAULTS)
    expect(problems).toEqual([
      `CLAUDE_FALLBACK_AUTO_RESTART is '${value}', neither yes nor no: it stays off. Set it to 1 or 0.`,
    ])
  })

  test.each<[string, Config['billing'], number]>([
    ['api', 'api', 0],
    [' API', 'api', 0],
    ['subscription', 'subscription', 0],
    ['', 'subscription', 0],
    ['apikey', 'subscription', 1],
    // Money is never spent on a word that only resembles the right one.
    ['api,', 'subscription', 1],
  ])('CLAUDE_FALLBACK_BILLING=%j starts with %s', (value, billing, complaints) => {
    const { config, problems } = read({ CLAUDE_FALLBACK_BILLING: value })
    expect(config).toEqual({ ...DEFAULTS, billing })
    expect(problems).toHaveLength(complaints)
  })

  test('takes an empty prompt for none, and keeps the spaces of another', () => {
    expect(read({ CLAUDE_FALLBACK_CONTINUE_PROMPT: '' }).config.continuePrompt).toBe('')
    expect(read({ CLAUDE_FALLBACK_CONTINUE_PROMPT: ' Go on.\n' }).config.continuePrompt).toBe(' Go on.\n')
  })

  test('takes an empty path for none', () => {
    const empty = read({ CLAUDE_FALLBACK_CLAUDE: '', CLAUDE_FALLBACK_HOME: '' })
    expect(empty.config).toEqual(DEFAULTS)
    const { config } = read({ CLAUDE_FALLBACK_CLAUDE: './claude', CLAUDE_FALLBACK_HOME: '/var/fallback' })
    expect(config).toEqual({ ...DEFAULTS, claude: './claude', home: '/var/fallback' })
  })

  test('says every problem', () => {
    const { problems } = read({ CLAUDE_FALLBACK_AUTO_RESTART: 'maybe', CLAUDE_FALLBACK_BILLING: 'credit' })
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'CLAUDE_FALLBACK_AUTO_RESTART',
      'CLAUDE_FALLBACK_BILLING',
    ])
  })
})
