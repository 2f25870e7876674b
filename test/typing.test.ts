import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DEFAULT_SWITCH_KEY } from '../src/core/switch-key.ts'
import { type Listening, openTyping } from '../src/typing.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Typing whose row is the 24th; what happens is written down with the time since, in ms. */
function setUp(how: { listening?: Listening; row?: number } = {}) {
  const startedAt = Date.now()
  const written: string[] = []
  const timed: [number, string][] = []
  const events: string[] = []
  const typing = openTyping({
    write: (input) => {
      const text = Buffer.from(input).toString()
      written.push(text)
      timed.push([Date.now() - startedAt, text])
    },
    listening: () => how.listening ?? 'nothing',
    onKey: (key) => events.push(key),
    row: () => how.row,
    onClick: (column) => events.push(`click ${column}`),
    onInterrupt: () => events.push('interrupt'),
    switchKey: DEFAULT_SWITCH_KEY,
  })
  const type = (...inputs: string[]) => {
    for (const input of inputs) typing.take(Buffer.from(input))
  }
  return { typing, type, written, timed, events }
}

const paste = (text: string) => `\x1b[200~${text}\x1b[201~`

test('what is typed while no child reads comes after the draft, in order, key by key', () => {
  const { typing, type, timed } = setUp()
  typing.hold()
  type('ab', 'c\x7fd', '\x1b[D', '日')
  typing.answer([Buffer.from('draft')])
  type('e')
  vi.advanceTimersByTime(100)
  expect(timed).toEqual([])
  typing.release()
  type('f')
  vi.advanceTimersByTime(1000)
  expect(timed).toEqual([
    ...[
      [100, 'draft'],
      [115, 'ab'],
      [130, 'c\x7fd'],
      [145, '\x1b[D'],
      [160, '日'],
      [175, 'e'],
      [190, 'f'],
    ],
  ])
  type('g')
  expect(timed.at(-1)).toEqual([1100, 'g'])
})

test('keys that Claude Code drops among others arrive as sequences', () => {
  const { typing, type, written } = setUp()
  typing.hold()
  type('ab\x17cd\x01\r', '\t', '\x1b')
  vi.advanceTimersByTime(30)
  typing.answer()
  typing.release()
  vi.advanceTimersByTime(3000)
  expect(written).toEqual(['ab', '\x1b[119;5u', 'cd', '\x1b[97;5u', '\x1b[13u', '\x1b[9u', '\x1b[27u'])
})

const LONG = paste('z'.repeat(801))

test('a paste stays whole, whatever the terminal answers meanwhile', () => {
  const { typing, type, written } = setUp()
  typing.hold()
  type('\x1b[200~one\r', 'two\x03')
  typing.answer()
  typing.release()
  vi.advanceTimersByTime(100)
  expect(written).toEqual([])
  type('three\x1b[20', '1~x', '\x1b[?1;2c')
  vi.advanceTimersByTime(100)
  expect(written).toEqual(['\x1b[?1;2c', 'one\x1b[106;5utwothree', 'x'])
})

test('a paste that might be more than its text stays a paste', () => {
  const { typing, type, written } = setUp()
  const pastes = [LONG, paste('1\n2\n3\n4'), paste('see.png'), paste(''), paste('/model'), paste('!ls')]
  typing.hold()
  type(...pastes)
  typing.answer()
  typing.release()
  vi.advanceTimersByTime(20_000)
  expect(written).toEqual(pastes)
})

test('what follows a paste waits until the child has shown something, and some time after it', () => {
  const { typing, type, written } = setUp()
  typing.hold()
  type(LONG, '\r')
  typing.answer()
  typing.release()
  vi.advanceTimersByTime(1500)
  expect(written).toEqual([LONG])
  typing.heard()
  vi.advanceTimersByTime(200)
  // Once is enough: a spinner would go on for ever.
  typing.heard()
  vi.advanceTimersByTime(90)
  expect(written).toEqual([LONG])
  vi.advanceTimersByTime(10)
  expect(written).toEqual([LONG, '\x1b[13u'])
})

test('prompts go one after the other, each once the child has shown something', () => {
  const { typing, type, written } = setUp()
  typing.hold()
  type('one', '\r', 'two', '\r', 'three')
  typing.answer()
  typing.release()
  vi.advanceTimersByTime(1000)
  expect(written).toEqual(['one', '\x1b[13u'])
  typing.heard()
  vi.advanceTimersByTime(1000)
  expect(written).toEqual(['one', '\x1b[13u', 'two', '\x1b[13u'])
  typing.heard()
  vi.advanceTimersByTime(60)
  expect(written.at(-1)).toBe('three')
})

test('while the next child starts its row is heard already', () => {
  const { typing, type, written, events } = setUp({ listening: 'switch' })
  typing.hold()
  typing.answer()
  type('a', '\x1d', 'b')
  expect(events).toEqual(['switch'])
  typing.release()
  vi.advanceTimersByTime(100)
  expect(written).toEqual(['a', 'b'])
})

test('a child that shows nothing gets what follows a paste all the same', () => {
  const { typing, type, written } = setUp()
  typing.hold()
  type(LONG, '\r')
  typing.answer()
  typing.release()
  vi.advanceTimersByTime(2000)
  expect(written).toEqual([LONG, '\x1b[13u'])
})

test('the rest of a paste whose beginning went to the child before is one for the next', () => {
  const { typing, type, written } = setUp({ row: 24 })
  type('\x1b[200~one\r')
  typing.hold()
  type('two\rthree\x1b[201~')
  typing.answer()
  typing.release()
  vi.advanceTimersByTime(100)
  expect(written).toEqual(['\x1b[200~', 'one\r', 'two\x1b[106;5uthree'])
})

test('answers go to the child that asked: not to one that ends, at once to one that starts', () => {
  const { typing, type, written } = setUp()
  typing.hold()
  type('\x1b[?62c', 'a', 'b')
  typing.answer()
  type('\x1b[?1u')
  typing.release()
  type('\x1b[?6c')
  vi.advanceTimersByTime(100)
  expect(written).toEqual(['\x1b[?1u', 'a', '\x1b[?6c', 'b'])
})

test.each(['\x03', '\x04', 'a\x03', '\x1b[99;5u', '\x1b[100;69u', '\x1b[27;5;99~'])(
  'a key that means stop (%j) is heard while no child reads',
  (key) => {
    const { typing, type, written, events } = setUp()
    typing.hold()
    type(key)
    expect(events).toEqual(['interrupt'])
    typing.answer()
    typing.release()
    type('\x03')
    vi.advanceTimersByTime(100)
    expect(written).toContain('\x03')
    expect(events).toEqual(['interrupt'])
  },
)

test('a child that ends while it gets what was held leaves the rest to the next', () => {
  const { typing, type, written } = setUp()
  typing.hold()
  type('a', 'b', 'c')
  typing.answer()
  typing.release()
  vi.advanceTimersByTime(15)
  typing.hold()
  type('d')
  vi.advanceTimersByTime(1000)
  expect(written).toEqual(['a', 'b'])
  typing.answer([Buffer.from('ab again')])
  typing.release()
  vi.advanceTimersByTime(1000)
  expect(written.slice(2)).toEqual(['ab again', 'c', 'd'])
})

test('a child that never says that it reads gets all of it in the end', () => {
  const { typing, type, written } = setUp()
  typing.hold()
  type('a')
  typing.answer([Buffer.from('draft')])
  vi.advanceTimersByTime(14_999)
  expect(written).toEqual([])
  vi.advanceTimersByTime(100)
  expect(written).toEqual(['draft', 'a'])
})

test('the mouse on the row is not the child’s, all other reports are', () => {
  const { type, written, events } = setUp({ row: 24 })
  type('\x1b[<0;7;24M', '\x1b[<0;7;24m', '\x1b[<35;8;24M', '\x1b[<0;7;23M', '\x1b[I', '\x1b[?62c')
  expect(events).toEqual(['click 7'])
  expect(written).toEqual(['\x1b[<0;7;23M', '\x1b[I', '\x1b[?62c'])
})

test('the end of a click on the row is not the child’s, also where the row has gone meanwhile', () => {
  const how: { row?: number } = { row: 24 }
  const { type, written, events } = setUp(how)
  type('\x1b[<0;7;24M')
  delete how.row
  type('\x1b[<35;7;24M', '\x1b[<0;7;20m', '\x1b[<0;7;24m', '\x1b[<0;8;24M', '\x1b[<0;8;24m')
  expect(events).toEqual(['click 7'])
  expect(written).toEqual(['\x1b[<35;7;24M', '\x1b[<0;7;24m', '\x1b[<0;8;24M', '\x1b[<0;8;24m'])
})

test('nothing is read where nothing is listened for', () => {
  const { type, written, events } = setUp()
  type('\x1b[<0;7;24M', '\x1d', '\x1b', '\x1b[20', '\xff')
  expect(written).toEqual(['\x1b[<0;7;24M', '\x1d', '\x1b', '\x1b[20', '\xff'])
  expect(events).toEqual([])
})

test('leaves no timer behind', () => {
  const { typing, type } = setUp({ row: 24 })
  type('\x1b')
  typing.hold()
  typing.answer()
  type('a', 'b')
  typing.release()
  typing.stop()
  expect(vi.getTimerCount()).toBe(0)
})
