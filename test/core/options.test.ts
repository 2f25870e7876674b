import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Layer } from '../../src/core/option-values.ts'
import {
  nearestOption,
  OPTION_KEYS,
  OPTIONS,
  type OptionKey,
  parseOption,
  renderOptionsHelp,
  renderOptionsTable,
} from '../../src/core/options.ts'

const KEY = 'sk-ant-api03-made-up-for-tests'

/** The value, or the sentence. */
function parse(key: OptionKey, given: unknown, layer: Layer = 'file') {
  const parsed = parseOption(key, given, { layer, name: key })
  return parsed.type === 'value' ? parsed.value : { sentence: parsed.sentence }
}

describe('the table', () => {
  test('names a variable after its key', () => {
    for (const key of OPTION_KEYS) expect(OPTIONS[key].variable).toBe(`CLAUDE_FALLBACK_${key.toUpperCase()}`)
  })

  test('shows defaults that stand for the real ones', () => {
    const shown = OPTION_KEYS.flatMap((key) => {
      const { kind, default: value, shownDefault } = OPTIONS[key]
      const isWritten = ['boolean', 'usd', 'switch key', 'text'].includes(kind.name)
      return isWritten ? [[key, parse(key, shownDefault, 'environment'), value]] : []
    })
    expect(shown).toHaveLength(9)
    for (const [key, written, value] of shown) expect([key, written]).toEqual([key, value])
  })

  test('lets no cap rise and no billing start where a value cannot be read', () => {
    expect(OPTION_KEYS.filter((key) => OPTIONS[key].kind.name === 'usd')).toEqual([
      'max_usd',
      'max_usd_per_day',
    ])
    expect([OPTIONS.max_usd.unreadable, OPTIONS.max_usd_per_day.unreadable]).toEqual([0, 0])
    expect(OPTIONS.billing.unreadable).toBe('subscription')
    expect(OPTIONS.auto_restart.default).toBe(false)
  })

  test('is the table of the README', () => {
    expect(readFileSync(new URL('../../README.md', import.meta.url), 'utf8')).toContain(renderOptionsTable())
  })

  test('fits a help of 110 columns', () => {
    const lines = renderOptionsHelp().split('\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(110)
  })

  test('breaks no cell of its table', () => {
    const [head = '', ...rows] = renderOptionsTable().trimEnd().split('\n')
    for (const row of rows) expect(row.split('|')).toHaveLength(head.split('|').length)
    expect(rows).toHaveLength(OPTION_KEYS.length + 3)
  })
})

describe('a switch', () => {
  test.each([true, 1, '1', 'true', 'YES', ' on '])('is on: %j', (given) => {
    expect(parse('auto_restart', given)).toBe(true)
  })

  test.each([false, 0, '0', 'False', 'no', 'off'])('is off: %j', (given) => {
    expect(parse('notify', given)).toBe(false)
  })

  test.each<[unknown, string]>([
    ['maybe', "'maybe'"],
    [2, '2'],
    ['', "''"],
    [null, 'null'],
    [[true], 'a list'],
    [{ on: true }, 'an object'],
  ])('is neither: %j', (given, shown) => {
    expect(parse('auto_restart', given)).toEqual({
      sentence: `auto_restart is ${shown}, neither yes nor no: it stays off. Set it to true or false.`,
    })
  })
})

describe('a cap', () => {
  test.each<[unknown, number]>([
    [5, 5],
    ['5', 5],
    [0, 0],
    ['0', 0],
    [2.5, 2.5],
    [' 2.50 ', 2.5],
    ['$3', 3],
    ['.5', 0.5],
    ['none', Number.POSITIVE_INFINITY],
    ['None', Number.POSITIVE_INFINITY],
  ])('of %j is %d', (given, usd) => {
    expect(parse('max_usd', given)).toBe(usd)
  })

  test.each([
    -1,
    '-1',
    '1,5',
    '1.000,00',
    '1 000',
    '1e3',
    '0x10',
    '5 EUR',
    'Infinity',
    'NaN',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e21,
    '9'.repeat(400),
    '',
    '$',
    '.',
    true,
    null,
    [5],
    {},
    'unlimited',
  ])('cannot be %j, and counts as 0', (given) => {
    expect(parse('max_usd_per_day', given)).toEqual({
      sentence: expect.stringMatching(
        /^max_usd_per_day is .+, which is no sum in USD: it counts as 0, so nothing is billed to the API\. Set it to/,
      ),
    })
  })
})

describe('a key', () => {
  test('is trimmed', () => expect(parse('api_key', ` ${KEY}\n`)).toBe(KEY))

  test.each([[KEY], 7, null, { key: KEY }, '  ', true])('is not %j', (given) => {
    expect(parse('api_key', given)).toEqual({ sentence: expect.stringContaining('it is not used') })
  })

  test('never shows, wherever it stands', () => {
    for (const key of OPTION_KEYS) {
      for (const given of [KEY, [KEY], { [KEY]: KEY }, [`./${KEY}`], `./${KEY}`, `'${KEY}`, [`a\0${KEY}`]]) {
        for (const layer of ['file', 'environment'] as const) {
          const parsed = parseOption(key, given, { layer, name: key })
          if (parsed.type === 'problem') expect(parsed.sentence).not.toContain(KEY)
        }
      }
    }
  })
})

describe('a command', () => {
  test.each<[unknown, string[]]>([
    [
      ['op', 'read', 'op://private/anthropic/key'],
      ['op', 'read', 'op://private/anthropic/key'],
    ],
    [
      ['sh', '-c', 'pass show key | head -1'],
      ['sh', '-c', 'pass show key | head -1'],
    ],
    [
      ['echo', '$HOME', ''],
      ['echo', '$HOME', ''],
    ],
    ['pass show anthropic', ['pass', 'show', 'anthropic']],
    ['  pass\tshow\nanthropic ', ['pass', 'show', 'anthropic']],
    [`pass 'my key' "another 'one'" ''`, ['pass', 'my key', "another 'one'", '']],
    [String.raw`a\ b c"\"d\x"e '\n' "\$x"`, ['a b', 'c"d\\xe', '\\n', '$x']],
    [`/opt/my-keys 'a|b'`, ['/opt/my-keys', 'a|b']],
    ['read op://vault/item?attribute=x', ['read', 'op://vault/item?attribute=x']],
    ['cat a~b ü😀', ['cat', 'a~b', 'ü😀']],
  ])('%j', (given, words) => {
    expect(parse('api_key_command', given)).toEqual(words)
    expect(parse('notify_command', given)).toEqual(words)
  })

  test.each<[unknown, string]>([
    ['pass show key | head -1', 'has a |, but runs without a shell'],
    ['cat $HOME/key', 'has a $, but'],
    ['cat "$HOME/key"', 'has a $, but'],
    ['cat ~/key', 'has a ~, but'],
    ['echo `id`', 'has a `, but'],
    ['a && b', 'has a &, but'],
    [`pass 'show`, `has a ' that nothing follows`],
    [`pass "show\\"`, `has a " that nothing follows`],
    ['pass \\', 'has a \\ that nothing follows'],
    ['', 'names no program'],
    [`'' a`, 'names no program'],
    [[], 'names no program'],
    ['./get-key', 'begins with a relative path'],
    [['bin/get-key'], 'begins with a relative path'],
    [['pass', 3], 'is a list, not a list of words'],
    [['pass', 'a\0b'], 'has a NUL'],
    [true, 'is a boolean, not a list of words'],
    [null, 'is null, not a list of words'],
  ])('cannot be %j', (given, why) => {
    expect(parse('api_key_command', given)).toEqual({
      sentence: expect.stringContaining(`api_key_command ${why}`),
    })
  })
})

describe('the switch key', () => {
  test.each<[string, string, number]>([
    ['ctrl+]', 'Ctrl+]', 0x1d],
    [' Ctrl-G ', 'Ctrl+G', 0x07],
    ['ctrl+\\', 'Ctrl+\\', 0x1c],
    ['ctrl+^', 'Ctrl+^', 0x1e],
    ['CTRL+_', 'Ctrl+_', 0x1f],
    ['ctrl+@', 'Ctrl+@', 0],
    ['ctrl+a', 'Ctrl+A', 1],
  ])('%s', (given, name, byte) => {
    expect(parse('switch_key', given)).toEqual({ name, byte, character: name.slice(5).toLowerCase() })
  })

  test.each([...'cdzmjih[sq'])('is not ctrl+%s, with the reason', (character) => {
    const taken = /^switch_key is 'ctrl\+.', which (is|ends|suspends|interrupts|starts|stops|lets) .*/
    expect(parse('switch_key', `ctrl+${character}`)).toEqual({ sentence: expect.stringMatching(taken) })
  })

  test.each([']', 'ctrl+', 'ctrl+1', 'ctrl+ab', 'alt+]', 'f5', 29, null, ''])('is not %j', (given) => {
    expect(parse('switch_key', given)).toEqual({
      sentence: expect.stringMatching(/: it stays Ctrl\+\]\. Set it to ctrl\+ and a letter/),
    })
  })
})

describe('the rest', () => {
  test('billing', () => {
    expect(parse('billing', ' API')).toBe('api')
    expect(parse('billing', 'Subscription')).toBe('subscription')
    // Money is never spent on a word that only resembles the right one.
    for (const given of ['apikey', 'api,', '', null, true, ['api']]) {
      expect(parse('billing', given)).toEqual({
        sentence: expect.stringContaining('the session starts on the subscription'),
      })
    }
  })

  test('a prompt keeps its spaces, and may be empty, but holds no NUL', () => {
    expect(parse('continue_prompt', ' Go on.\n')).toBe(' Go on.\n')
    expect(parse('continue_prompt', '')).toBe('')
    expect(parse('continue_prompt', 'a\0b')).toEqual({ sentence: expect.stringContaining('has a NUL') })
    expect(parse('continue_prompt', 5)).toEqual({ sentence: expect.stringContaining('is 5, not a text') })
  })

  test('a program of the file does not depend on the folder', () => {
    for (const path of ['/opt/claude', '~/bin/claude', 'claude-next'])
      expect(parse('claude', path)).toBe(path)
    expect(parse('claude', './claude', 'environment')).toBe('./claude')
    for (const path of ['./claude', 'bin/claude', '', ' ']) {
      expect(parse('claude', path)).toEqual({
        sentence: expect.stringContaining('Set it to an absolute path'),
      })
    }
  })

  test('folders are absolute', () => {
    expect(parse('config_dirs', ['/a', '~/b', '~'])).toEqual(['/a', '~/b', '~'])
    expect(parse('config_dirs', '/a b:/c')).toEqual(['/a b:/c'])
    expect(parse('config_dirs', '/a b:/c::~/d', 'environment')).toEqual(['/a b', '/c', '~/d'])
    for (const given of [['a'], 'a', './a', ['/a', 'b'], [1], 1, null, ['~me/x'], ['/a\0']]) {
      expect(parse('config_dirs', given)).toEqual({ sentence: expect.stringContaining('it is not used') })
    }
  })

  test('a value is shown on one line, short, and without control characters', () => {
    expect(parse('billing', 'a\x1b[2Jb\nc\u2028d\u202ee')).toEqual({
      sentence: expect.stringContaining("is 'a\ufffd[2Jb\ufffdc\ufffdd\ufffde':"),
    })
    expect(parse('billing', '😀'.repeat(500))).toEqual({
      sentence: expect.stringContaining(`is '${'😀'.repeat(40)}…':`),
    })
  })
})

describe('nearestOption', () => {
  test.each<[string, OptionKey | undefined]>([
    ['auto_restrat', 'auto_restart'],
    ['autoRestart', 'auto_restart'],
    ['auto-restart', 'auto_restart'],
    ['AUTO_RESTART', 'auto_restart'],
    ['CLAUDE_FALLBACK_MAX_USD', 'max_usd'],
    ['apikey', 'api_key'],
    ['maxUsdPerDay', 'max_usd_per_day'],
    ['max_usd_day', 'max_usd_per_day'],
    ['statusline', 'status_line'],
    ['theme', undefined],
    ['permissions', undefined],
    ['', undefined],
    ['__proto__', undefined],
    ['constructor', undefined],
    ['max_usd'.repeat(10_000), undefined],
  ])('%#', (name, key) => {
    expect(nearestOption(name)).toBe(key)
  })
})
