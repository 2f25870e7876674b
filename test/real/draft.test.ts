import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  createDraftReader,
  type Draft,
  type DraftReader,
  draftOf,
  readDraft,
  renderDraft,
} from '../../src/core/draft.ts'
import type { Screen } from '../support/screen.ts'
import { type Setup, setUp } from './claudef.ts'
import { askOnce, CONTINUE_PROMPT, lastWords, openSession, turnsOf } from './limit.ts'

const MARKER = '¦'

const KEY = /\x1b\[200~.*?\x1b\[201~|\x1b\[[\d;]*[A-Za-z~]|\x1b?./gsu

const paste = (text: string) => `\x1b[200~${text}\x1b[201~`

/** Input, and what the box shows then; the cursor stands at the marker. */
const KEYS: [string, string, string][] = [
  ['text', 'abc', 'abc¦'],
  ['wide characters', '日本語 å😀', '日本語 å😀¦'],
  ['combining characters', 'ex\x1b[D\u0301\x1b[D', '¦e\u0301x'],
  ['an emoji of several', '\u{1F469}\u200d\u{1F467}x\x1b[D\x1b[D', '¦\u{1F469}\u200d\u{1F467}x'],
  ['Left and Right', 'abc\x1b[D\x1b[D\x1b[D\x1b[C', 'a¦bc'],
  ['Left, other encodings', 'abcdef\x1bOD\x1b[1;1D\x1b[1;2D\x02', 'ab¦cdef'],
  ['Backspace', 'abcde\x7f\b\x1b[127u\x1b[D\x7f', '¦b'],
  ['Delete', 'abcd\x01\x1b[3~\x04\x1b[C\x04', 'c¦'],
  ['Home and End', 'abc\x1b[Hx\x1b[Fy\x1b[1~z\x1b[4~w\x1bOH', '¦zxabcyw'],
  ['Ctrl+A and Ctrl+E, kitty', 'abc\x1b[97;5ux\x1b[101;5uy\x1b[27;5;97~', '¦xabcy'],
  ['Shift+Enter, kitty', 'ab\x1b[13;2ucd', 'ab\ncd¦'],
  ['Shift+Enter, modifyOtherKeys', 'ab\x1b[27;2;13~cd', 'ab\ncd¦'],
  ['Alt+Enter', 'ab\x1b\rcd\x1b[13;3ue', 'ab\ncd\ne¦'],
  ['Ctrl+J', 'ab\ncd\x1b[106;5ue', 'ab\ncd\ne¦'],
  ['\\ and Enter', 'ab\\\x1b[13ucd', 'ab\ncd¦'],
  ['line starts', 'ab\ncd\x01x\x1b[D\x1b[D\x05y', 'aby¦\nxcd'],
  ['words', "one two.three don't\x1bb\x1bbX\x1b[1;5D\x1b[1;3DY", "one two.Y¦three Xdon't"],
  ['words forward', 'foo_bar 3.14\x01\x1bfX\x1b[1;5CY', 'fooX_barY¦ 3.14'],
  ['words of Japanese', '日本語テキスト\x1bbX', '日本語X¦テキスト'],
  ['Ctrl+W', 'a/b c.d  \x17X', 'a/b X¦'],
  ['Ctrl+W over lines', 'ab\ncd\x17\x17X', 'X¦'],
  ['Alt+Backspace', 'ab c.d\x1b\x7fX\x1b[127;5uY', 'ab c.Y¦'],
  ['Alt+D', 'ab cd ef\x01\x1bd\x1bdX', 'X¦ ef'],
  ['Ctrl+U', 'ab\ncd\x1b[D\x15', 'ab\n¦d'],
  ['Ctrl+U at the start of a line', 'ab\ncd\x15\x15', 'ab¦'],
  ['Ctrl+K', 'ab\ncd\x01\x1b[D\x1b[D\x0b\x0bX', 'aX¦cd'],
  ['Ctrl+Y', 'ab cd ef\x17\x17x\x19', 'ab xcd ef¦'],
  ['Ctrl+Y after kills apart', 'ab cd\x17x\x17\x19\x19', 'ab xx¦'],
  ['a paste', `x\x1b[D${paste('a\tb\r\nc\x01d')}`, 'a    b\ncd¦x'],
  ['a long paste', `x${paste('1\n2\n3\n4')}yz\x7f`, 'x[Pasted text +3 lines]y¦'],
  ['the cursor over a paste', `x${paste('z'.repeat(801))}y\x1b[D\x1b[D`, 'x¦[Pasted text]y'],
  ['a paste deleted', `x${paste('1\n2\n3\n5')}y\x1b[D\x7f`, 'x¦y'],
  ['a command, not sent', '/mod', '/mod¦'],
  ['a file, not sent', 'see @pro', 'see @pro¦'],
  ['?', 'a?b', 'a?b¦'],
  ['keys without a use', 'ab\x1b[5~\x1b[6~\x1bOP\x1b[15~\x1b[2~\x0c\x14\x14\x1b[I\x1b[O', 'ab¦'],
]

test('the model shows what the box shows, key by key', async () => {
  const { screen, reader } = await openBox(await setUp())
  for (const [name, input, shown] of KEYS) {
    type(screen, reader, input)
    const draft = draftOf(reader)
    expect(draft.isSure, `${name}: ${draft.reason}`).toBe(true)
    expect(withMarker(draft), name).toBe(shown.normalize())
    await expectBox(screen, draft, name)
    await clearBox(screen, reader)
  }
})

const key = fc.constantFrom(
  ...[
    'a',
    'foo bar',
    '日',
    'e\u0301',
    ' ',
    '.',
    '_',
    "n't",
    '\n',
    '\x1b[D',
    '\x1b[D',
    '\x1b[C',
    '\x7f',
    '\x7f',
  ],
  ...[
    '\x1bb',
    '\x1bf',
    '\x1b[97;5u',
    '\x1b[101;5u',
    '\x1b[119;5u',
    '\x1bd',
    '\x1b\x7f',
    '\x1b[117;5u',
    '\x1b[107;5u',
    '\x1b[121;5u',
    '\x1b[3~',
  ],
  ...['\x1b[13;2u', paste('p q'), paste('l\nm')],
)

test('the model shows what the box shows, whatever is typed', async () => {
  const { screen, reader } = await openBox(await setUp())
  await fc.assert(
    fc.asyncProperty(fc.array(key, { minLength: 3, maxLength: 25 }), async (keys) => {
      type(screen, reader, `x${keys.join('')}`)
      const draft = draftOf(reader)
      if (draft.isSure) await expectBox(screen, draft, JSON.stringify(keys))
      else type(screen, reader, MARKER)
      await clearBox(screen, reader)
    }),
    { numRuns: 60, endOnFailure: true },
  )
})

test('keys in a dialog and keys that end a turn are not in the draft', async () => {
  const setup = await setUp()
  const { screen, reader } = await openBox(setup)
  type(screen, reader, '/model')
  await screen.waitFor('/model')
  type(screen, reader, '\r')
  await screen.waitFor('Select model')
  await expect.poll(() => statusOf(setup)).toBe('waiting')
  type(screen, reader, '1')
  await expect.poll(() => statusOf(setup)).toBe('idle')
  setup.api.setBehaviour({ type: 'hang' })
  type(screen, reader, 'hello')
  await screen.waitFor(/❯.hello/)
  type(screen, reader, '\r')
  await expect.poll(() => statusOf(setup)).toBe('busy')
  type(screen, reader, 'draft')
  await screen.waitFor(/❯.draft/)
  type(screen, reader, '\x1b[27u')
  await expect.poll(() => statusOf(setup)).toBe('idle')
  await expectBox(screen, draftOf(reader), 'ended by Esc')
  expect(draftOf(reader)).toMatchObject({ text: 'draft', isSure: true })
  readDraft(reader, Buffer.from(MARKER))
  type(screen, reader, '\x03')
  await screen.waitFor(() => /^(Try ".*)?$/.test(readBox(screen)))
  expect(draftOf(reader)).toMatchObject({ text: '', isSure: true })
})

test('a draft is put back while the first request of a resumed session runs', async () => {
  const setup = await setUp()
  const screen = await openSession(setup, [], { bare: true })
  await askOnce(screen, 'what is two and two?')
  const sessionId = setup.home.transcripts()[0]?.sessionId ?? ''
  await screen.close()
  const drafts = [
    'one\ntwo, å😀\n\nfour\nfive\nsix\x1b[D\x1b[D\n',
    `see ${paste('1\n2\n3\n4')} @x, /y \x1b[D`,
    '/mod',
  ]
  for (const input of drafts) {
    const reader = createDraftReader({ columns: 100 })
    readDraft(reader, Buffer.from(input))
    const draft = draftOf(reader)
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    setup.api.setBehaviour({ type: 'slow', chunks: 1, until: () => gate })
    const before = turnsOf(setup, 'subscription').length
    const next = await setup.run(['--resume', sessionId, CONTINUE_PROMPT], { bare: true })
    await expect.poll(() => next.raw().includes('\x1b[?2004h')).toBe(true)
    next.type(Buffer.from(renderDraft(draft)))
    await expect.poll(() => turnsOf(setup, 'subscription').length).toBe(before + 1)
    await expectBox(next, draft, input)
    release()
    await next.waitFor(/✻|for \d+s|Mock|answer/)
    expect(readBox(next)).toBe(withMarker(draft))
    expect(turnsOf(setup, 'subscription').length).toBe(before + 1)
    expect(lastWords(turnsOf(setup, 'subscription').at(-1)).join('\n')).toContain(CONTINUE_PROMPT)
    await next.close()
  }
})

test('an Enter that is read with a draft that is put back sends it alone', async () => {
  const setup = await setUp()
  const { screen } = await openBox(setup)
  for (const input of [
    'Hello å😀',
    `Two\nlines, one of them long: ${'word '.repeat(200)}end`,
    '?\n/mod no',
  ]) {
    const draft = { pieces: [{ text: input, isCollapsed: false }], left: 0 }
    screen.type(Buffer.concat([renderDraft(draft), Buffer.from('\x1b[13unext')]))
    await expect.poll(() => lastWords(turnsOf(setup, 'subscription').at(-1)).join('\n')).toContain(input)
    await screen.waitFor(() => readBox(screen) === 'next')
    screen.type('\x1b[117;5u')
    await screen.waitFor(() => /^(Try ".*)?$/.test(readBox(screen)))
  }
})

async function openBox(setup: Setup): Promise<{ screen: Screen; reader: DraftReader }> {
  const screen = await openSession(setup, [], { bare: true })
  await screen.waitFor(/❯/)
  await expect.poll(() => statusOf(setup)).toBe('idle')
  return { screen, reader: createDraftReader({ columns: 100, status: () => statusOf(setup) }) }
}

function statusOf(setup: Setup): 'idle' | 'busy' | 'waiting' | undefined {
  const folder = join(setup.home.configDir, 'sessions')
  const states = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
  return states.find(({ status }) => status !== undefined)?.status
}

function type(screen: Screen, reader: DraftReader, input: string): void {
  screen.type(input)
  // Each key in a read of its own, as keys come that are typed by hand.
  for (const [key] of input.matchAll(KEY)) readDraft(reader, Buffer.from(key))
}

/** Types the marker: it shows the cursor. */
async function expectBox(screen: Screen, draft: Draft, name: string): Promise<void> {
  screen.type(MARKER)
  const shown = withMarker(draft)
  try {
    await screen.waitFor(() => readBox(screen) === shown, 5000)
  } catch {
    expect(readBox(screen), name).toBe(shown)
  }
}

/** Not by Ctrl+C: two in a second end Claude Code, whatever stands in the box. */
async function clearBox(screen: Screen, reader: DraftReader): Promise<void> {
  await screen.waitFor(() => readBox(screen).includes(MARKER))
  const keys = '\x1b[107;5u'.repeat(40) + '\x1b[117;5u'.repeat(40)
  screen.type(keys)
  await screen.waitFor(() => /^(Try ".*)?$/.test(readBox(screen)))
  readDraft(reader, Buffer.from(`${MARKER}${keys}`))
  // What Ctrl+Y would put back is not known after a doubt.
  if (reader.box.doubt !== undefined) Object.assign(reader.box, { text: '', cursor: 0, doubt: undefined })
}

function withMarker({ pieces, text, cursor }: Draft): string {
  let at = 0
  const shown = pieces.map((piece) => {
    const start = at
    at += piece.text.length
    const lines = piece.text.split('\n').length - 1
    const rest = lines === 0 ? '' : ` +${lines} lines`
    const placeholder = `[Pasted text${rest}]`
    if (piece.isCollapsed) return cursor === start ? MARKER + placeholder : placeholder
    return cursor >= start && cursor < at
      ? piece.text.slice(0, cursor - start) + MARKER + piece.text.slice(cursor - start)
      : piece.text
  })
  const whole = shown.join('') + (cursor === text.length ? MARKER : '')
  return trimRows(whole.normalize())
}

/** What stands between the two lines of the box. */
function readBox(screen: Screen): string {
  const rows = screen.text().split('\n')
  const edges = rows.flatMap((row, index) => (/^─{20}/.test(row) ? [index] : []))
  const shown = rows.slice((edges.at(-2) ?? 0) + 1, edges.at(-1) ?? 0).map((row) => row.slice(2))
  return trimRows(shown.join('\n').normalize()).replace(/\[Pasted text #\d+/g, '[Pasted text')
}

/** xterm's table of widths is older than Claude Code's: behind an emoji stands a blank of its own. */
function trimRows(text: string): string {
  return text.replace(/(\p{Extended_Pictographic}) /gu, '$1').replace(/ +$/gm, '')
}
