import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  hasOption,
  isSession,
  listValues,
  optionValue,
  parseArgs,
  resumeArgs,
  sessionChoice,
  startArgs,
} from '../../src/core/args.ts'

/** All options of `claude --help` of 2.1.330, by what it says that they take. */
const FLAGS = words(`
  --allow-dangerously-skip-permissions --ax-screen-reader --bg --background --bare --brief --chrome -c
  --continue --dangerously-skip-permissions --desktop --disable-slash-commands
  --exclude-dynamic-system-prompt-sections --fork-session --forward-subagent-text -h --help --ide
  --include-hook-events --include-partial-messages --no-chrome --no-session-persistence -p --print
  --replay-user-messages --restricted --safe-mode --strict-mcp-config --tmux --verbose -v --version`)
const VALUES = words(`
  --agent --agents --append-system-prompt --autocompact --debug-file --effort --environment
  --fallback-model --input-format --json-schema --max-budget-usd --model -n --name --output-format
  --permission-mode --permission-prompts --plugin-dir --plugin-url --remote-control-session-name-prefix
  --session-id --setting-sources --settings --system-prompt --system-prompt-snapshot`)
const OPTIONAL = words(`
  --cloud -d --debug --from-pr --prompt-suggestions --remote-control -r --resume --teleport -w --worktree`)
const LISTS = words(`
  --add-dir --allowedTools --allowed-tools --betas --disallowedTools --disallowed-tools --file
  --mcp-config --tools`)

const ID = '11111111-1111-4111-8111-111111111111'
const OTHER_ID = '22222222-2222-4222-8222-222222222222'
const OURS = { settings: '/run/claudef/settings.json', sessionId: OTHER_ID }

/** What a command line reads as, short enough for tables: options as `name=value`, positionals bare. */
function read(line: string[]): string[] {
  return parseArgs(line).map((token) =>
    token.type === 'positional'
      ? (token.words.at(-1) ?? '')
      : token.value === undefined
        ? token.name
        : `${token.name}=${token.words.slice(1).join(' ') || token.value}`,
  )
}

describe('parseArgs', () => {
  test.each(FLAGS)('%s takes no value', (name) => {
    expect(read([name, 'prompt'])).toEqual([name, 'prompt'])
  })

  test.each(VALUES)('%s takes one value, whatever it looks like', (name) => {
    expect(read([name, 'value', 'prompt'])).toEqual([`${name}=value`, 'prompt'])
    expect(read([name, '-p', 'prompt'])).toEqual([`${name}=-p`, 'prompt'])
    expect(read([name, '--', 'prompt'])).toEqual([`${name}=--`, 'prompt'])
    expect(read([name])).toEqual([name])
  })

  test.each(OPTIONAL)('%s takes a value that may be left out', (name) => {
    expect(read([name, 'value', 'prompt'])).toEqual([`${name}=value`, 'prompt'])
    expect(read([name, '--verbose', 'prompt'])).toEqual([name, '--verbose', 'prompt'])
    expect(read([name, '--', 'prompt'])).toEqual([name, 'prompt'])
    expect(read([name])).toEqual([name])
  })

  test.each(LISTS)('%s takes all words up to the next option, the first one always', (name) => {
    expect(read([name, 'a', 'b c', '--verbose', 'prompt'])).toEqual([`${name}=a b c`, '--verbose', 'prompt'])
    expect(read([name, '-a', 'b', '-c'])).toEqual([`${name}=-a b`, '-c'])
    expect(read([name, 'a', '--', 'prompt'])).toEqual([`${name}=a`, 'prompt'])
  })

  test.each([...VALUES, ...OPTIONAL, ...LISTS].filter((name) => name.startsWith('--')))(
    '%s=value is one word',
    (name) => {
      expect(read([`${name}=a=b`, 'prompt'])).toEqual([`${name}=a=b`, 'prompt'])
      expect(optionValue(parseArgs([`${name}=`]), name)).toBe('')
    },
  )

  test.each<[string, string[], string[]]>([
    ['flags in one word', ['-cp', 'prompt'], ['-c', '-p', 'prompt']],
    ['a value in the word of its option', [`-r${ID}`, 'prompt'], [`-r=${ID}`, 'prompt']],
    ['flags and a value in one word', [`-cr${ID}`], ['-c', `-r=${ID}`]],
    ['a flag before an option with a value', ['-cn', 'name', 'prompt'], ['-c', '-n=name', 'prompt']],
    ['the old debug option', ['-d2e', 'prompt'], ['-d=2e', 'prompt']],
    ['a prompt with dashes in it', ['--', '--not an option', '-p'], ['--not an option', '-p']],
    ['a lone dash', ['-', '-c'], ['-', '-c']],
    ['an empty prompt', [''], ['']],
    ['an empty list word', ['--tools', '', '-c'], ['--tools=', '-c']],
    ['an option after the prompt', ['prompt', '--model', 'opus'], ['prompt', '--model=opus']],
    ['an unknown option before an option', ['--new', '--verbose'], ['--new', '--verbose']],
    ['an unknown option before a word', ['--new', 'word', 'prompt'], ['--new=word', 'prompt']],
    ['an unknown option before a sentence', ['--new', 'fix the tests'], ['--new', 'fix the tests']],
    ['an unknown short option with its value', ['-xfoo', 'prompt'], ['-x=foo', 'prompt']],
    [
      'options that help does not tell of',
      ['--max-turns', '3', '--mcp-debug', 'x'],
      ['--max-turns=3', '--mcp-debug', 'x'],
    ],
    ['nothing', [], []],
    ['nothing behind the end of options', ['-c', '--'], ['-c']],
  ])('reads %s', (_, line, tokens) => {
    expect(read(line)).toEqual(tokens)
  })

  test('the last of several values counts', () => {
    const tokens = parseArgs(['--settings', 'a.json', '--settings=b.json'])
    expect(optionValue(tokens, '--settings')).toBe('b.json')
    expect(optionValue(tokens, '--model')).toBeUndefined()
    expect(hasOption(tokens, '--model')).toBe(false)
  })
})

test.each<[string[], string[]]>([
  [
    ['--add-dir', 'a', 'b c', '--verbose', '--add-dir', 'd'],
    ['a', 'b c', 'd'],
  ],
  [
    ['--add-dir=a=b', 'prompt', '--add-dir', '-c'],
    ['a=b', '-c'],
  ],
  [['--add-dir='], ['']],
  [['--', '--add-dir', 'a'], []],
  [['--add-dir'], []],
])('listValues(%j) of --add-dir is %j', (line, values) => {
  expect(listValues(parseArgs(line), '--add-dir')).toEqual(values)
})

describe('isSession', () => {
  const outside = words(`
    -p --print -h --help -v --version -V --bg --background --cloud --remote --environment --tmux --desktop
    --init-only --routine`)
  test.each(outside)('%s opens no session in this terminal', (name) => {
    expect(isSession(parseArgs([name, 'x']))).toBe(false)
    expect(isSession(parseArgs(['--verbose', name]))).toBe(false)
    // Said as a value, or as a prompt, it is no option.
    expect(isSession(parseArgs(['--system-prompt', name]))).toBe(true)
    expect(isSession(parseArgs(['--', name]))).toBe(true)
  })

  test.each([['-cp'], ['--tmux=classic'], ['--cloud=task'], ['cc://machine/session']])(
    'nor does %s',
    (word) => {
      expect(isSession(parseArgs([word]))).toBe(false)
    },
  )

  const subcommands = words(`
    agents attach auth auto-mode doctor gateway import install logs mcp plugin plugins purge respawn rm
    setup-token stop kill ultrareview update upgrade remote-control daemon sandbox`)
  test.each(subcommands)('%s is a subcommand in the first place, and only there', (name) => {
    expect(isSession(parseArgs([name]))).toBe(false)
    expect(isSession(parseArgs([name, '--help']))).toBe(false)
    expect(isSession(parseArgs(['--verbose', '--model', 'opus', name]))).toBe(false)
    expect(isSession(parseArgs(['--', name]))).toBe(false)
    expect(isSession(parseArgs(['fix', name]))).toBe(true)
    expect(isSession(parseArgs(['--model', name]))).toBe(true)
    expect(isSession(parseArgs([`${name} the tests`]))).toBe(true)
  })

  test.each<[string[]]>([
    [[]],
    [['fix the tests']],
    [['help']],
    [['-c']],
    [['--resume']],
    [['--worktree', 'feature']],
    [['--remote-control']],
    [['--rc', 'name']],
    [['--init']],
    [['--unknown']],
  ])('%j is a session', (line) => {
    expect(isSession(parseArgs(line))).toBe(true)
  })
})

describe('sessionChoice', () => {
  test.each<[string[], ReturnType<typeof sessionChoice>]>([
    [[], { type: 'new', id: undefined }],
    [['prompt'], { type: 'new', id: undefined }],
    [['--session-id', ID], { type: 'new', id: ID }],
    [[`--session-id=${ID}`, 'prompt'], { type: 'new', id: ID }],
    [['--resume', ID], { type: 'resume', id: ID }],
    [[`--resume=${ID}`], { type: 'resume', id: ID }],
    [['-r', ID, 'prompt'], { type: 'resume', id: ID }],
    [[`-r${ID}`], { type: 'resume', id: ID }],
    [['--resume', ID.toUpperCase()], { type: 'resume', id: ID.toUpperCase() }],
    [['--resume', 'a name'], { type: 'resume', id: undefined }],
    [['--resume', `x${ID}`], { type: 'resume', id: undefined }],
    [['--resume='], { type: 'resume', id: undefined }],
    [['--resume'], { type: 'resume', id: undefined }],
    [['-r'], { type: 'resume', id: undefined }],
    [['-c'], { type: 'resume', id: undefined }],
    [['--continue', 'prompt'], { type: 'resume', id: undefined }],
    [['--from-pr', '12'], { type: 'resume', id: undefined }],
    [['--teleport'], { type: 'resume', id: undefined }],
    // A fork goes on under an id of its own.
    [['--resume', ID, '--fork-session'], { type: 'resume', id: undefined }],
    [['-c', '--fork-session'], { type: 'resume', id: undefined }],
    [['--resume', ID, '--fork-session', '--session-id', OTHER_ID], { type: 'new', id: OTHER_ID }],
    // Said in a prompt or as a value, it chooses nothing.
    [['--', '--resume', ID], { type: 'new', id: undefined }],
    [['--append-system-prompt', '--continue'], { type: 'new', id: undefined }],
  ])('%j', (line, choice) => {
    expect(sessionChoice(parseArgs(line))).toEqual(choice)
  })
})

describe('startArgs', () => {
  test.each<[string[], string[]]>([
    [[], ['--session-id', OTHER_ID, '--settings', OURS.settings]],
    [
      ['-cp', '--', '-x'],
      ['--session-id', OTHER_ID, '--settings', OURS.settings, '-cp', '--', '-x'],
    ],
    // The prompt stays the prompt where the settings stood between it and a list.
    [
      ['--add-dir', 'a', '--settings', 'mine.json', 'prompt'],
      ['--session-id', OTHER_ID, '--add-dir', 'a', '--settings', OURS.settings, 'prompt'],
    ],
    [
      ['--settings={}', '--new', 'a', 'b', '--', '--c'],
      ['--session-id', OTHER_ID, '--settings', OURS.settings, '--new', 'a', 'b', '--', '--c'],
    ],
    // Claude Code itself says best that the value is missing.
    [['--settings'], ['--session-id', OTHER_ID, '--settings', OURS.settings, '--settings']],
  ])('%j', (line, expected) => {
    expect(startArgs(line, OURS)).toEqual(expected)
  })

  test('gives no id to a conversation that has one', () => {
    expect(startArgs(['-c'], { settings: 's' })).toEqual(['--settings', 's', '-c'])
  })

  test('says our settings in the place of each of theirs', () => {
    const line = startArgs(['--settings', 'a', '-c', '--settings=b'], { settings: 's' })
    expect(line).toEqual(['--settings', 's', '-c', '--settings', 's'])
  })
})

describe('resumeArgs', () => {
  test.each<[string[], string[]]>([
    [[], []],
    [['prompt'], []],
    [
      ['--model', 'opus', 'prompt', '--verbose'],
      ['--model', 'opus', '--verbose'],
    ],
    [
      ['--add-dir', 'a', 'b', '--', 'prompt'],
      ['--add-dir', 'a', 'b'],
    ],
    [
      ['--add-dir', '-a', '--session-id', ID, 'prompt'],
      ['--add-dir', '-a'],
    ],
    [
      ['-c', '--permission-mode', 'plan'],
      ['--permission-mode', 'plan'],
    ],
    [
      ['-cn', 'name'],
      ['-n', 'name'],
    ],
    [['-r', ID, '--fork-session', '--from-pr', '12', 'prompt'], []],
    [[`-r${ID}`, `--resume=${ID}`, '--continue', '--teleport'], []],
    [['-w', 'feature', '--prefill', '-x', '--init'], []],
    [
      ['--settings', 'a.json', '--mcp-config', 'b.json', '--settings={}'],
      ['--mcp-config', 'b.json'],
    ],
    [['-d', '--resume', 'prompt'], ['-d']],
    [
      ['--new', 'value', '--newer', 'fix the tests', '-xfoo'],
      ['--new', 'value', '--newer', '-xfoo'],
    ],
  ])('%j keeps %j', (line, kept) => {
    const end = ['--settings', OURS.settings, '--resume', OTHER_ID]
    expect(resumeArgs(line, OURS)).toEqual([...kept, ...end])
  })

  test('takes the prompt as it is', () => {
    expect(resumeArgs([], { ...OURS, prompt: 'Go on.' }).slice(-2)).toEqual([OTHER_ID, 'Go on.'])
    expect(resumeArgs([], { ...OURS, prompt: '-p' }).slice(-3)).toEqual([OTHER_ID, '--', '-p'])
    expect(resumeArgs([], { ...OURS, prompt: '' }).at(-1)).toBe(OTHER_ID)
  })

  test('says our folders in the place of theirs, or none', () => {
    const line = ['--add-dir', 'a', 'b', '--verbose', '--add-dir=c']
    const end = ['--settings', OURS.settings, '--resume', OTHER_ID]
    expect(resumeArgs(line, { ...OURS, addDirs: ['/a', '/d'] })).toEqual([
      '--verbose',
      '--add-dir',
      '/a',
      '/d',
      ...end,
    ])
    expect(resumeArgs(line, { ...OURS, addDirs: [] })).toEqual(['--verbose', ...end])
  })

  test('says one model: ours where we know it, else the user’s', () => {
    const line = ['--model', 'opus', '--model=sonnet']
    expect(resumeArgs(line, { ...OURS, model: 'haiku[1m]' }).filter((word) => /model/.test(word))).toEqual([
      '--model',
    ])
    expect(optionValue(parseArgs(resumeArgs(line, { ...OURS, model: 'haiku[1m]' })), '--model')).toBe(
      'haiku[1m]',
    )
    expect(optionValue(parseArgs(resumeArgs(line, OURS)), '--model')).toBe('sonnet')
  })
})

type Part = { name: string; value: string | undefined; words: string[]; open: boolean }

const CHOOSERS = words(`
  -c --continue -r --resume --session-id --fork-session --from-pr --teleport -w --worktree`)

const word = fc.constantFrom('a', 'fix the tests', 'doctor', 'opus', '3', ID, '{"a":1}', 'Bash(git *)', '')
const dashed = fc.constantFrom('-p', '--resume', '--settings', '--', '-', '--model=x', '-5')

/** `open`: a bare word behind it would be taken for its own. */
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.constantFrom(...FLAGS).map((name) => ({ name, value: undefined, words: [name], open: false })),
  fc
    .tuple(fc.constantFrom(...VALUES), fc.oneof(word, dashed))
    .map(([name, value]) => ({ name, value, words: [name, value], open: false })),
  fc
    .tuple(fc.constantFrom(...[...VALUES, ...OPTIONAL, ...LISTS].filter(isLong)), fc.oneof(word, dashed))
    .map(([name, value]) => ({ name, value, words: [`${name}=${value}`], open: false })),
  fc.constantFrom(...OPTIONAL).map((name) => ({ name, value: undefined, words: [name], open: true })),
  fc
    .tuple(fc.constantFrom(...OPTIONAL), word)
    .map(([name, value]) => ({ name, value, words: [name, value], open: false })),
  fc
    .tuple(fc.constantFrom(...LISTS), fc.oneof(word, dashed), fc.array(word, { maxLength: 3 }))
    .map(([name, first, more]) => ({
      name,
      value: more.at(-1) ?? first,
      words: [name, first, ...more],
      open: true,
    })),
  fc
    .tuple(fc.constantFrom('-r', '-n', '-w', '-d'), fc.constantFrom('x', ID, 'a b'))
    .map(([name, value]) => ({ name, value, words: [`${name}${value}`], open: false })),
)

type Line = { options: Part[]; prompt: string | undefined; words: string[] }

/** Command lines as Claude Code takes them: options, and a prompt before, between or behind them. */
const line: fc.Arbitrary<Line> = fc
  .record({
    options: fc.array(part, { maxLength: 7 }),
    prompt: fc.option(fc.oneof(word, dashed), { nil: undefined }),
    at: fc.nat(7),
  })
  .map(({ options, prompt, at }) => {
    const before = options.slice(0, at)
    if (prompt === undefined) return { options, prompt, words: options.flatMap((option) => option.words) }
    const isSafe = !(before.at(-1)?.open ?? false) && (prompt.length < 2 || !prompt.startsWith('-'))
    const all = options.flatMap((option) => option.words)
    if (!isSafe) return { options, prompt, words: [...all, '--', prompt] }
    const first = before.flatMap((option) => option.words)
    return { options, prompt, words: [...first, prompt, ...all.slice(first.length)] }
  })

function optionsOf(argv: string[]) {
  return parseArgs(argv)
    .filter((token) => token.type === 'option')
    .map(({ name, value, words: said }) => ({ name, value, words: said }))
}

function positionalsOf(argv: string[]) {
  return parseArgs(argv)
    .filter((token) => token.type === 'positional')
    .map((token) => token.words.at(-1))
}

describe('any valid command line', () => {
  test('is read back as what it was made of', () => {
    fc.assert(
      fc.property(line, ({ options, prompt, words: argv }) => {
        expect(optionsOf(argv)).toEqual(options.map(({ open: _, ...option }) => option))
        expect(positionalsOf(argv)).toEqual(prompt === undefined ? [] : [prompt])
      }),
      { numRuns: 500 },
    )
  })

  test('keeps every word at the first start but the settings, which become ours', () => {
    fc.assert(
      fc.property(line, ({ options, prompt, words: argv }) => {
        const started = startArgs(argv, OURS)
        const theirs = optionsOf(started).filter(
          ({ name, value }) => name !== '--session-id' || value !== OTHER_ID,
        )
        const expected = options.map(({ name, value }) => (name === '--settings' ? OURS.settings : value))
        const hadSettings = options.some(({ name }) => name === '--settings')
        expect(theirs.map(({ value }) => value)).toEqual([
          ...(hadSettings ? [] : [OURS.settings]),
          ...expected,
        ])
        expect(positionalsOf(started)).toEqual(prompt === undefined ? [] : [prompt])
        if (!hadSettings) expect(started.slice(4)).toEqual(argv)
        const left = options.filter(({ name }) => name !== '--settings').flatMap((option) => option.words)
        expect(withoutOurs(started)).toEqual(expect.arrayContaining(left))
      }),
      { numRuns: 500 },
    )
  })

  test('chooses no conversation of the user’s when it is resumed, and says no prompt but ours', () => {
    const prompts = fc.constantFrom('Continue where you left off.', '-p', '--resume', '')
    fc.assert(
      fc.property(line, prompts, fc.boolean(), ({ options, words: argv }, prompt, hasModel) => {
        const resumed = resumeArgs(argv, { ...OURS, prompt, ...(hasModel ? { model: 'opus[1m]' } : {}) })
        const dropped = ['--settings', ...CHOOSERS, ...(hasModel ? ['--model'] : [])]
        const kept = options.filter(({ name }) => !dropped.includes(name))
        expect(optionsOf(resumed)).toEqual([
          ...kept.map(({ open: _, ...option }) => option),
          ...(hasModel ? [{ name: '--model', value: 'opus[1m]', words: ['--model', 'opus[1m]'] }] : []),
          { name: '--settings', value: OURS.settings, words: ['--settings', OURS.settings] },
          { name: '--resume', value: OTHER_ID, words: ['--resume', OTHER_ID] },
        ])
        expect(positionalsOf(resumed)).toEqual(prompt === '' ? [] : [prompt])
        expect(sessionChoice(parseArgs(resumed))).toEqual({ type: 'resume', id: OTHER_ID })
      }),
      { numRuns: 500 },
    )
  })

  test('resumed twice is resumed once', () => {
    fc.assert(
      fc.property(line, ({ words: argv }) => {
        const once = resumeArgs(argv, { ...OURS, model: 'opus', prompt: '-go' })
        expect(resumeArgs(once, { ...OURS, model: 'opus', prompt: '-go' })).toEqual(once)
      }),
    )
  })
})

function withoutOurs(argv: string[]): string[] {
  return argv.filter((word) => word !== OURS.settings && word !== OTHER_ID)
}

function isLong(name: string): boolean {
  return name.startsWith('--')
}

function words(text: string): string[] {
  return text.trim().split(/\s+/)
}
