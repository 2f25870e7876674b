import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  confirmSubmit,
  createDraftReader,
  type DraftReader,
  draftOf,
  readDraft,
  renderDraft,
} from '../../src/core/draft.ts'
import type { Status } from '../../src/core/input-box.ts'

function type(reader: DraftReader, ...reads: string[]): DraftReader {
  for (const input of reads) readDraft(reader, new TextEncoder().encode(input))
  return reader
}

function createReader(status: Status = 'idle'): DraftReader {
  return createDraftReader({ columns: 100, status: () => status })
}

/** The draft with its cursor, and why it is not sure. */
function read(...reads: string[]): { shown: string; reason: string | undefined } {
  return show(type(createReader(), ...reads))
}

function show(reader: DraftReader): { shown: string; reason: string | undefined } {
  const { text, cursor, reason, isSure } = draftOf(reader)
  expect(isSure).toBe(reason === undefined)
  return { shown: `${text.slice(0, cursor)}¦${text.slice(cursor)}`, reason }
}

function paste(text: string): string {
  return `\x1b[200~${text}\x1b[201~`
}

// Which keys do what is proved on the real Claude Code: test/real/draft.test.ts.
describe('a draft that is sure', () => {
  test.each<[string, string[], string]>([
    ['nothing', [], '¦'],
    ['text', ['ab', 'c'], 'abc¦'],
    ['Enter', ['abc', '\r', 'd'], 'd¦'],
    ['Ctrl+Enter', ['abc', '\x1b[13;5u'], '¦'],
    ['the keypad Enter', ['abc', '\x1b[57414u'], '¦'],
    ['Enter in an empty box', ['\r', 'a'], 'a¦'],
    ['? at an empty box', ['?', 'a', '?'], 'a?¦'],
    ['Ctrl+C', ['abc', '\x03', 'd'], 'd¦'],
    ['a shell command that was run', ['!ls', '\r', 'a'], 'a¦'],
    ['Up and Ctrl+C', ['abc', '\x1b[A', '\x03', 'd'], 'd¦'],
    ['one Esc', ['abc', '\x1b', 'd'], 'abcd¦'],
    ['one Esc in kitty', ['abc', '\x1b[27u'], 'abc¦'],
    ['a paste in several reads', ['\x1b[20', '0~a\rb', 'c\x1b[2', '01~d'], 'a\nbcd¦'],
    ['a long paste, whole', ['x', paste('1\n2\n3\n4\n'), 'y', '\x1b[D', '\x1b[D'], 'x¦1\n2\n3\n4\ny'],
    ['a keypad digit', ['a', '\x1b[57401u'], 'a2¦'],
    ['a letter with Shift in kitty', ['\x1b[97:65;2u', '\x1b[27;2;66~'], 'AB¦'],
    ['locks on', ['ab', '\x1b[97;69u', '\x1b[99;65u'], 'c¦ab'],
    ['reports', ['ab', '\x1b[<0;3;4M\x1b[<0;3;4m', '\x1b[O', '\x1b[13;93R', '\x1b]11;rgb:0/0/0\x07'], 'ab¦'],
    ['Ctrl+Y once more after a submit', ['ab cd', '\x17', '\r', '\x19'], 'cd¦'],
  ])('%s', (_, reads, shown) => {
    expect(read(...reads)).toEqual({ shown, reason: undefined })
  })

  test('characters cut by reads at every byte', () => {
    const bytes = new TextEncoder().encode(`å😀日${paste('ø\n😀')}é\x1b[D`)
    const reader = createReader()
    for (const byte of bytes) readDraft(reader, Uint8Array.of(byte))
    expect(show(reader)).toEqual({ shown: 'å😀日ø\n😀¦é', reason: undefined })
  })

  test('Ctrl+C and Esc that end a turn leave the draft', () => {
    expect(show(type(createReader('busy'), 'abc', '\x03', 'd'))).toEqual({
      shown: 'abcd¦',
      reason: undefined,
    })
    expect(show(type(createReader('busy'), 'abc', '\x1b[27u'))).toEqual({ shown: 'abc¦', reason: undefined })
  })

  test('keys that answer a dialog are not in it', () => {
    const reader = type(createReader('waiting'), '1', '\x1b[B', '\r')
    expect(show(reader)).toEqual({ shown: '¦', reason: undefined })
  })
})

const MENU = 'an Enter that may have picked from a menu'

describe('a draft in doubt', () => {
  test.each<[string, string[], string, string]>([
    ['history', ['\x1b[A', 'a'], 'a¦', 'the key up'],
    ['completion', ['/mo', '\t'], '/mo¦', 'the key tab'],
    ['a shell command', ['!ls'], '!ls¦', 'a shell command'],
    ['history search', ['a', '\x12'], 'a¦', 'the key ctrl+r'],
    ['the editor', ['a', '\x07'], 'a¦', 'the key ctrl+g'],
    ['the stash', ['a', '\x13'], 'a¦', 'the key ctrl+s'],
    ['an image', ['a', '\x16'], 'a¦', 'the key ctrl+v'],
    ['the path of an image', [paste('/tmp/a.png')], '/tmp/a.png¦', 'an image'],
    ['an icon', ['\u{f0001}'], '\u{f0001}¦', 'private-use characters'],
    ['undo', ['a', '\x1f'], 'a¦', 'the key ctrl+_'],
    ['Esc twice', ['a', '\x1b[27u', '\x1b[27u'], 'a¦', 'the key escape'],
    [
      'the same paste twice',
      [paste('1\n2\n3\n4'), paste('1\n2\n3\n4')],
      '1\n2\n3\n41\n2\n3\n4¦',
      'the same paste twice',
    ],
    [
      'Home in a line of two rows',
      ['a'.repeat(95), '\x1b[H'],
      `¦${'a'.repeat(95)}`,
      'a line of several rows',
    ],
    ['kitty event types', ['a', '\x1b[98;1:1u'], 'a¦', 'a key that is not known'],
    ['text and Enter in one read', ['a\r'], 'a¦', MENU],
    ['half a paste', ['a\x1b[200~b'], 'a¦', 'a key or a paste that is not whole'],
  ])('%s', (_, reads, shown, reason) => {
    expect(read(...reads)).toEqual({ shown, reason })
  })

  test('Enter in a menu of files may not have submitted, until the transcript says so', () => {
    const reader = type(createReader(), 'see @pro', '\r', 'and')
    expect(show(reader)).toEqual({ shown: 'see @pro\nand¦', reason: MENU })
    confirmSubmit(reader, 'see @project.md')
    expect(show(reader)).toEqual({ shown: 'and¦', reason: undefined })
  })

  test('a prompt is told of as Claude Code composes its characters, also behind a command that is not told of', () => {
    const reader = type(createReader(), '/usage', '\r', 'read cafe\u0301.txt', '\r')
    confirmSubmit(reader, 'read caf\u00e9.txt')
    expect(reader.box.submits).toEqual([])
  })

  test('keys behind an Enter in doubt are not about what stood there before', () => {
    const reader = type(createReader(), 'one', '\x1b[A', '\r', 'two', '\x01', 'x', '\x7f', '\x7f')
    expect(show(reader)).toEqual({ shown: 'one\n¦two', reason: MENU })
    confirmSubmit(reader, 'what the history had')
    expect(show(reader)).toEqual({ shown: '¦two', reason: undefined })
  })

  test('Enter on what the history has brought back', () => {
    const reader = type(createReader(), '\x1b[A', '\r', 'two')
    expect(show(reader)).toEqual({ shown: 'two¦', reason: MENU })
    confirmSubmit(reader, 'one')
    expect(show(reader)).toEqual({ shown: 'two¦', reason: undefined })
  })

  test('a prompt that was sent before says nothing of keys after it', () => {
    const reader = type(createReader(), 'one', '\r', '\x1b[A', '\r')
    confirmSubmit(reader, 'one')
    expect(draftOf(reader).isSure).toBe(false)
    confirmSubmit(reader, 'one')
    expect(draftOf(reader).isSure).toBe(true)
  })

  test('a prompt that is recognised passes over an Enter that the transcript does not tell of', () => {
    const reader = type(createReader(), '/mo', '\x1b[B', '\r', paste('1\n2\n3\n4'), '\r', 'two')
    confirmSubmit(reader, '<pasted_content id="1f">1\n2\n3\n4</pasted_content>')
    expect(show(reader)).toEqual({ shown: 'two¦', reason: undefined })
  })

  test('text that is typed into a dialog', () => {
    expect(draftOf(type(createReader('waiting'), 'no, use npm')).reason).toBe('keys in a dialog')
  })

  test('Esc and Ctrl+C where it is not known what Claude Code does', () => {
    for (const key of ['\x1b[27u', '\x03']) {
      const reader = type(createDraftReader({ columns: 100 }), 'abc', key)
      expect(draftOf(reader)).toMatchObject({ text: 'abc', isSure: false })
    }
  })

  test('a reason that stands', () => {
    const reader = createDraftReader({ columns: 100, reason: 'vim mode' })
    expect(draftOf(type(reader, 'a'))).toMatchObject({ text: 'a', reason: 'vim mode' })
  })
})

const piece = fc.constantFrom(
  ...[
    'a',
    'b c',
    '日',
    '👍🏽',
    '\n',
    '\x1b[D',
    '\x1b[C',
    '\x7f',
    '\x1bb',
    '\x01',
    '\x15',
    '\x17',
    '\x19',
    '\x1b[3~',
  ],
  ...[
    paste('p\nq'),
    paste('1\n2\n3\n4'),
    paste('z'.repeat(801)),
    '\x1b[13;2u',
    '\r',
    '\x1b[A',
    '\x1b[200~',
    '\xff',
  ],
)

describe('renderDraft', () => {
  test('gives the same draft, submits nothing, and collapses nothing that was typed', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (reads) => {
        const draft = draftOf(type(createReader(), ...reads))
        const keys = renderDraft(draft)
        expect(keys).not.toContain(0x0d)
        const again = createReader()
        readDraft(again, keys)
        const { text, cursor } = draftOf(again)
        expect({ text, cursor }).toEqual({ text: draft.text, cursor: draft.cursor })
        const collapsed = draft.pieces.filter(({ isCollapsed }) => isCollapsed)
        expect(draftOf(again).pieces.filter(({ isCollapsed }) => isCollapsed)).toEqual(collapsed)
      }),
    )
  })

  test('nothing for an empty box', () => {
    expect(renderDraft(draftOf(createReader()))).toHaveLength(0)
  })
})
