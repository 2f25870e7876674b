import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type KeyPress, type KeyReader, readKeys, readMouse } from '../../src/core/keys.ts'
import { parseSwitchKey } from '../../src/core/switch-key.ts'

function createReader(): KeyReader {
  return { rest: new Uint8Array(), pasting: false }
}

/** All keys of some input: `name` for a key of ours, else `name:bytes`. */
function read(chunks: string[], reader = createReader()): string[] {
  const presses = chunks.flatMap((chunk) => readKeys(reader, bytes(chunk), { flush: false }))
  return [...presses, ...readKeys(reader, new Uint8Array(), { flush: true })].map(show)
}

function show({ key, bytes: piece }: KeyPress): string {
  return key === 'other' || key === 'report' ? `${key}:${latin1(piece)}` : key
}

const SWITCH = [
  ['a plain byte', '\x1d'],
  ['kitty', '\x1b[93;5u'],
  ['kitty, with the shifted key', '\x1b[93:125;5u'],
  ['kitty, pressed', '\x1b[93;5:1u'],
  ['kitty, repeated', '\x1b[93;5:2u'],
  ['kitty, with its text', '\x1b[93;5;29u'],
  ['kitty, Caps Lock on', '\x1b[93;69u'],
  ['kitty, Num Lock on', '\x1b[93;133u'],
  ['kitty, both locks on', '\x1b[93;197:1u'],
  ['kitty, a Cyrillic keyboard', '\x1b[1098::93;5u'],
  ['modifyOtherKeys', '\x1b[27;5;93~'],
] as const
const ENTER = [
  ['a plain byte', '\r'],
  ['kitty', '\x1b[13u'],
  ['kitty, modifiers said to be none', '\x1b[13;1u'],
  ['kitty, modifiers left out', '\x1b[13;;13u'],
  ['kitty, Num Lock on', '\x1b[13;129u'],
  ['kitty, the keypad', '\x1b[57414u'],
  ['modifyOtherKeys', '\x1b[27;1;13~'],
] as const
const ESCAPE = [
  ['kitty', '\x1b[27u'],
  ['kitty, Caps Lock on', '\x1b[27;65u'],
  ['kitty, pressed', '\x1b[27;1:1u'],
  ['modifyOtherKeys', '\x1b[27;1;27~'],
] as const

const OTHER = [
  ['a letter', 'a'],
  ['a character of four bytes', '\u00f0\u009f\u0098\u0080'],
  ['Ctrl+J', '\n'],
  ['Ctrl+C', '\x03'],
  ['] alone, kitty', '\x1b[93u'],
  ['Alt+]', '\x1b[93;3u'],
  ['Ctrl+Shift+]', '\x1b[93;6u'],
  ['Ctrl+Alt+]', '\x1b[93;7u'],
  ['Ctrl+[, kitty', '\x1b[91;5u'],
  // The place of ] on a US keyboard, with a character of its own.
  ['Ctrl and + on a German keyboard', '\x1b[43:42:93;5u'],
  ['Shift+Enter, kitty', '\x1b[13;2u'],
  ['Ctrl+Enter, modifyOtherKeys', '\x1b[27;5;13~'],
  ['Alt+Enter', '\x1b\r'],
  ['Alt+Ctrl+]', '\x1b\x1d'],
  ['Alt+a', '\x1ba'],
  ['an arrow', '\x1b[A'],
  ['an arrow in application mode', '\x1bOA'],
  ['F5', '\x1b[15~'],
  ['Shift+Tab', '\x1b[Z'],
  ['Ctrl+arrow', '\x1b[1;5C'],
] as const
const REPORTS = [
  ['mouse', '\x1b[<0;93;13M'],
  ['mouse, released', '\x1b[<0;93;13m'],
  ['mouse, urxvt', '\x1b[32;93;13M'],
  ['mouse, of the oldest kind', '\x1b[M !]'],
  ['focus', '\x1b[I'],
  ['focus lost', '\x1b[O'],
  ['device attributes', '\x1b[?62;4;22c'],
  ['secondary device attributes', '\x1b[>41;390;0c'],
  ['keyboard flags', '\x1b[?5u'],
  ['a mode', '\x1b[?2026;2$y'],
  ['an ANSI mode', '\x1b[4;2$y'],
  ['the colour scheme', '\x1b[?997;1n'],
  ['all is well', '\x1b[0n'],
  ['the cursor', '\x1b[13;93R'],
  ['the size in pixels', '\x1b[4;600;800t'],
  ['the size, unasked', '\x1b[48;24;80;600;800t'],
  ['a colour', '\x1b]11;rgb:1d1d/0d0d/1b1b\x1b\\'],
  ['a colour, ended by BEL', '\x1b]10;rgb:ffff/ffff/ffff\x07'],
  ['the version', '\x1bP>|xterm(390)\x1b\\'],
  ['an image', '\x1b_Gi=1;OK\x1b\\'],
  ['Ctrl+] released', '\x1b[93;5:3u'],
  ['Enter released', '\x1b[13;1:3u'],
  ['an arrow released', '\x1b[1;1:3A'],
  ['Delete released', '\x1b[3;1:3~'],
] as const

describe('readKeys', () => {
  test.each(SWITCH)('Ctrl+] as %s', (_, input) => {
    expect(read([input])).toEqual(['switch'])
  })

  test.each(ENTER)('Enter as %s', (_, input) => {
    expect(read([input])).toEqual(['enter'])
  })

  test.each(ESCAPE)('Esc as %s', (_, input) => {
    expect(read([input])).toEqual(['escape'])
  })

  test.each(OTHER)('another key: %s', (_, input) => {
    expect(read([input])).toEqual([`other:${input}`])
  })

  test.each(REPORTS)('a report: %s', (_, input) => {
    expect(read([input])).toEqual([`report:${input}`])
  })

  test.each([...SWITCH, ...ENTER, ...ESCAPE, ...REPORTS])(
    '%s, %j, is the same wherever a read cuts it',
    (_, input) => {
      for (let cut = 1; cut < input.length; cut++) {
        expect(read([input.slice(0, cut), input.slice(cut)]), `cut at ${cut}`).toEqual(read([input]))
        // Nothing is handed on before it is known.
        expect(readKeys(createReader(), bytes(input.slice(0, cut)), { flush: false })).toEqual([])
      }
    },
  )

  test('a lone Esc waits for what may follow, and is one when nothing does', () => {
    const reader = createReader()
    expect(readKeys(reader, bytes('\x1b'), { flush: false })).toEqual([])
    expect(readKeys(reader, bytes(''), { flush: true }).map(show)).toEqual(['escape'])
    expect(reader.rest).toHaveLength(0)
  })

  test.each<[string, string, string[]]>([
    ['text around keys', 'ab\rcd\x1d', ['other:ab', 'enter', 'other:cd', 'switch']],
    ['keys in a row', '\x1d\r\x1b[93;5u', ['switch', 'enter', 'switch']],
    ['Esc twice', '\x1b\x1b', ['escape', 'escape']],
    ['Esc and an arrow', '\x1b\x1b[A', ['escape', 'other:\x1b[A']],
    ['a report between keys', '\x1d\x1b[I\r', ['switch', 'report:\x1b[I', 'enter']],
    // What looks like the beginning of a sequence, or of an answer, but is Alt and a character.
    ['Alt+[ and Ctrl+]', '\x1b[\x1d', ['other:\x1b[', 'switch']],
    ['Alt+[ and an arrow', '\x1b[\x1b[A', ['other:\x1b[', 'other:\x1b[A']],
    ['Alt+] and Enter', '\x1b]\r', ['report:\x1b]', 'enter']],
    ['Alt+P and an arrow', '\x1bP\x1b[A', ['report:\x1bP', 'other:\x1b[A']],
    ['Alt+O and an arrow', '\x1bO\x1b[A', ['other:\x1bO', 'other:\x1b[A']],
  ])('%s', (_, input, keys) => {
    expect(read([input])).toEqual(keys)
  })

  test('text comes in one piece, however long', () => {
    const text = 'x'.repeat(100_000)
    expect(read([text])).toEqual([`other:${text}`])
  })
})

describe('a switch key of the user’s own', () => {
  function readWith(name: string, input: string): string[] {
    const parsed = parseSwitchKey(name)
    if (parsed?.type !== 'key') throw new Error(`no key: ${name}`)
    return read([input], { ...createReader(), switchKey: parsed.key })
  }

  test.each([
    ['ctrl+g', '\x07'],
    ['ctrl+g', '\x1b[103;5u'],
    ['ctrl+g', '\x1b[103:71;5u'],
    ['ctrl+g', '\x1b[27;5;103~'],
    ['ctrl+g, Caps Lock on', '\x1b[103;69u'],
    ['ctrl+g, Caps Lock on', '\x1b[27;5;71~'],
    ['ctrl+g, a Cyrillic keyboard', '\x1b[1087::103;5u'],
    ['Ctrl-\\', '\x1c'],
    ['Ctrl-\\', '\x1b[92;5u'],
    ['Ctrl-\\', '\x1b[27;5;92~'],
    ['ctrl+a', '\x01'],
    // What takes Shift: kitty tells the key, with the shifted character where it was asked for; xterm the character.
    ['ctrl+_', '\x1f'],
    ['ctrl+_', '\x1b[45;6u'],
    ['ctrl+_', '\x1b[45:95;6u'],
    ['ctrl+_', '\x1b[27;6;95~'],
    ['ctrl+^', '\x1e'],
    ['ctrl+^', '\x1b[54;6u'],
    ['ctrl+^, a German keyboard', '\x1b[94;5u'],
    ['ctrl+@', '\x00'],
    ['ctrl+@', '\x1b[50;6u'],
  ])('%s as %j', (name, input) => {
    expect(readWith(name.replace(/,.*/, ''), input)).toEqual(['switch'])
  })

  test.each([
    ['ctrl+g', '\x1d'],
    ['ctrl+g', '\x1b[93;5u'],
    ['ctrl+g', 'g'],
    ['ctrl+g', 'G'],
    ['ctrl+g', '\x1b[103;6u'],
    ['ctrl+g', '\x1b[27;6;71~'],
    ['ctrl+g', '\x1b[103;7u'],
    ['ctrl+_', '\x1b[45;5u'],
    ['ctrl+_', '-'],
  ])('%s is not %j', (name, input) => {
    expect(readWith(name, input)).toEqual([`other:${input}`])
  })

  test('parts text, and is none inside a paste', () => {
    expect(readWith('ctrl+g', 'a\x07b\x1dc')).toEqual(['other:a', 'switch', 'other:b\x1dc'])
    expect(names(readWith('ctrl+g', '\x1b[200~a\x07b\x1b[103;5u\x1b[201~\x07'))).toEqual(['other', 'switch'])
  })
})

describe('readMouse', () => {
  test.each<[string, string, ReturnType<typeof readMouse>]>([
    ['SGR', '\x1b[<0;93;13M', { column: 93, row: 13, type: 'press' }],
    ['SGR, the right button', '\x1b[<2;1;1M', { column: 1, row: 1, type: 'press' }],
    ['SGR, released', '\x1b[<0;93;13m', { column: 93, row: 13, type: 'release' }],
    ['SGR, the wheel', '\x1b[<64;93;13M', { column: 93, row: 13, type: 'other' }],
    ['SGR, moved', '\x1b[<35;93;13M', { column: 93, row: 13, type: 'other' }],
    ['SGR, dragged', '\x1b[<32;93;13M', { column: 93, row: 13, type: 'other' }],
    ['SGR, far right', '\x1b[<0;1042;300M', { column: 1042, row: 300, type: 'press' }],
    ['urxvt', '\x1b[32;93;13M', { column: 93, row: 13, type: 'press' }],
    ['urxvt, released', '\x1b[35;93;13M', { column: 93, row: 13, type: 'release' }],
    ['urxvt, the wheel', '\x1b[96;93;13M', { column: 93, row: 13, type: 'other' }],
    ['X10', '\x1b[M !-', { column: 1, row: 13, type: 'press' }],
    ['X10, released', '\x1b[M#!-', { column: 1, row: 13, type: 'release' }],
    ['X10, the wheel', '\x1b[M`!-', { column: 1, row: 13, type: 'other' }],
    ['X10, far right', '\x1b[M \xff\x2d', { column: 223, row: 13, type: 'press' }],
  ])('%s', (_, input, mouse) => {
    expect(readMouse(bytes(input))).toEqual(mouse)
    // Such a report comes out of the input whole.
    expect(read([input])).toEqual([`report:${input}`])
  })

  test.each(['', 'a', '\x1b', '\x1b[M', '\x1b[M !', '\x1b[<0;93M', '\x1b[93;5u', '\x1b[13;93R', '\x1b[A'])(
    'is not %j',
    (input) => {
      expect(readMouse(bytes(input))).toBeUndefined()
    },
  )
})

const PASTE = '\x1b[200~a\r\x1d\x1b[93;5u\x1b\x1b[13u\x1b[201\x1b[201~'

describe('inside a bracketed paste', () => {
  test('nothing is a key', () => {
    expect(names(read([`\x1d${PASTE}\x1d`]))).toEqual(['switch', 'other', 'switch'])
  })

  test('nothing is a key wherever reads cut it', () => {
    for (let cut = 1; cut < PASTE.length; cut++) {
      expect(names(read([PASTE.slice(0, cut), PASTE.slice(cut), '\x1d'])), `cut at ${cut}`).toEqual([
        'other',
        'switch',
      ])
    }
    expect(names(read([...PASTE, '\x1d']))).toEqual(['other', 'switch'])
  })

  test('the end is found where it is late', () => {
    const reader = createReader()
    const early = [
      ...readKeys(reader, bytes(`${PASTE.slice(0, 6)}\r\x1b[2`), { flush: false }),
      ...readKeys(reader, bytes(''), { flush: true }),
    ]
    expect(names(early.map(show))).toEqual(['other'])
    expect(names(read(['01~\r'], reader))).toEqual(['other', 'enter'])
  })

  test('a paste without an end hands on all it has', () => {
    const reader = createReader()
    expect(names(read(['\x1b[200~one\r'], reader))).toEqual(['other'])
    expect(reader).toEqual({ rest: new Uint8Array(), pasting: true })
  })

  test('the beginning of another paste is text', () => {
    expect(names(read(['\x1b[200~\x1b[200~\x1b[201~\r']))).toEqual(['other', 'enter'])
  })
})

const piece = fc.oneof(
  fc.constantFrom(...[...SWITCH, ...ENTER, ...ESCAPE, ...OTHER, ...REPORTS].map(([, input]) => input)),
  fc.constantFrom(
    '\x1b',
    '\x1b[',
    '\x1b]',
    '\x1bP',
    '\x1bO',
    '\x1b[200~',
    '\x1b[201~',
    '\x1b[201',
    '\x9b',
    'text',
  ),
  fc.string({ unit: 'binary-ascii', maxLength: 5 }),
)

/** Input in reads of any size, and the same in one. */
const reads = fc
  .tuple(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(200), { maxLength: 8 }))
  .map(([pieces, cuts]) => {
    const input = pieces.join('')
    const places = [0, ...cuts.map((cut) => cut % (input.length + 1)), input.length].sort((a, b) => a - b)
    return { input, chunks: places.slice(1).map((end, index) => input.slice(places[index], end)) }
  })

describe('any input', () => {
  test('comes out whole and in order', () => {
    fc.assert(
      fc.property(
        reads,
        fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
        ({ input, chunks }, flushes) => {
          const reader = createReader()
          let out = ''
          chunks.forEach((chunk, index) => {
            for (const press of readKeys(reader, bytes(chunk), { flush: flushes[index] ?? false })) {
              expect(press.bytes.length).toBeGreaterThan(0)
              out += latin1(press.bytes)
            }
            expect(out + latin1(reader.rest)).toBe(chunks.slice(0, index + 1).join(''))
          })
          expect(out + latin1(reader.rest)).toBe(input)
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('has the same keys however it is cut', () => {
    fc.assert(
      fc.property(reads, ({ input, chunks }) => {
        expect(joined(read(chunks))).toEqual(joined(read([input])))
      }),
      { numRuns: 1000 },
    )
  })
})

/** Neighbours that are no key of ours count as one. */
function names(keys: string[]): string[] {
  const all = keys.map((key) => key.split(':')[0] ?? '')
  return all.filter((name, index) => name !== 'other' || all[index - 1] !== 'other')
}

/** The same with their bytes. */
function joined(keys: string[]): string[] {
  const result: string[] = []
  for (const key of keys) {
    const last = result.at(-1)
    if (key.startsWith('other:') && last?.startsWith('other:'))
      result[result.length - 1] = last + key.slice(6)
    else result.push(key)
  }
  return result
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

function latin1(piece: Uint8Array): string {
  return Buffer.from(piece).toString('latin1')
}
