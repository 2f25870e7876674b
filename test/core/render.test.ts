import xterm from '@xterm/headless'
import { describe, expect, test } from 'vitest'
import {
  clearRow,
  cutAtFences,
  MAKE_ROOM,
  paintRow,
  pushAway,
  renderFence,
  renderTitle,
  restoreTitle,
  WIPE,
} from '../../src/core/render.ts'

const ROWS = 6
const TEXT = '\x1b[33m ⚠ limit\x1b[0m'

function openTerminal() {
  const terminal = new xterm.Terminal({ cols: 20, rows: ROWS, allowProposedApi: true })
  const seen = { titles: [] as string[], bells: 0 }
  terminal.onTitleChange((title) => void seen.titles.push(title))
  terminal.onBell(() => {
    seen.bells += 1
  })
  return {
    seen,
    wraps: () => terminal.modes.wraparoundMode,
    write: (output: string | Uint8Array) => new Promise<void>((resolve) => terminal.write(output, resolve)),
    rows: () => {
      const { active } = terminal.buffer
      return Array.from({ length: ROWS }, (_, row) =>
        active.getLine(active.baseY + row)?.translateToString(true),
      )
    },
    scrolled: () => {
      const { active } = terminal.buffer
      return Array.from({ length: active.baseY }, (_, row) => active.getLine(row)?.translateToString(true))
    },
    cursor: () => [terminal.buffer.active.cursorX, terminal.buffer.active.cursorY],
    color: (row: number, column: number) =>
      terminal.buffer.active
        .getLine(terminal.buffer.active.baseY + row)
        ?.getCell(column)
        ?.getFgColor(),
  }
}

const WINDOW = { rows: ROWS, fence: true, wraps: true }

describe('paintRow', () => {
  test.each([true, false])(
    'cuts off what is too wide for the terminal, which wraps as before: %s',
    async (wraps) => {
      const { write, rows, wraps: doesWrap } = openTerminal()
      if (!wraps) await write('\x1b[?7l')
      await write(paintRow('0123456789abcdefghijklmnop', { ...WINDOW, wraps }))
      expect(rows()).toEqual(['', '', '', '', '', '0123456789abcdefghip'])
      expect(doesWrap()).toBe(wraps)
    },
  )

  test('writes the bottom row and leaves the cursor, its colour and the text where they were', async () => {
    const { write, rows, cursor, color } = openTerminal()
    await write('one\r\n\x1b[31mtwo')
    await write(paintRow(TEXT, WINDOW))
    expect(rows()).toEqual(['one', 'two', '', '', '', ' ⚠ limit'])
    expect(cursor()).toEqual([3, 1])
    await write('!')
    expect(color(1, 3)).toBe(1)
    expect(color(5, 1)).toBe(3)
  })

  test('wipes what stood there', async () => {
    const { write, rows } = openTerminal()
    await write(paintRow('a much longer row', WINDOW))
    await write(paintRow(TEXT, WINDOW))
    expect(rows()[5]).toBe(' ⚠ limit')
  })

  test('is fenced off from all that scrolls', async () => {
    const { write, rows } = openTerminal()
    await write(paintRow(TEXT, WINDOW))
    await write('1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7')
    expect(rows()).toEqual(['3', '4', '5', '6', '7', ' ⚠ limit'])
  })

  test('leaves a scroll region alone that the program has set', async () => {
    const { write, rows, cursor } = openTerminal()
    await write('\x1b[1;3r\x1b[?6h')
    await write(paintRow(TEXT, { ...WINDOW, fence: false }))
    expect(rows()[5]).toBe(' ⚠ limit')
    expect(cursor()).toEqual([0, 0])
    await write('1\r\n2\r\n3\r\n4')
    expect(rows()).toEqual(['2', '3', '4', '', '', ' ⚠ limit'])
  })

  test('says it by the title and a bell where there is no room', async () => {
    const { write, rows, seen } = openTerminal()
    await write(renderTitle('\x1b[1;33m ⚠ limit\x1b[0m', { saves: true, rings: true }))
    await write(renderTitle(' ⚠ limit', { saves: false, rings: false }))
    await write(restoreTitle('✳ mine'))
    expect(seen).toEqual({ titles: [' ⚠ limit', ' ⚠ limit', '', '✳ mine'], bells: 1 })
    expect(rows()).toEqual(['', '', '', '', '', ''])
  })
})

test('clearRow gives the row back', async () => {
  const { write, rows, cursor } = openTerminal()
  await write(paintRow(TEXT, WINDOW))
  await write('one')
  await write(clearRow(ROWS))
  expect(rows()).toEqual(['one', '', '', '', '', ''])
  expect(cursor()).toEqual([3, 0])
  await write('\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7')
  expect(rows()).toEqual(['2', '3', '4', '5', '6', '7'])
})

describe('MAKE_ROOM', () => {
  test('frees the bottom row', async () => {
    const { write, rows, cursor } = openTerminal()
    await write('1\r\n2\r\n3\r\n4\r\n5\r\nsix')
    await write(MAKE_ROOM)
    expect(rows()).toEqual(['2', '3', '4', '5', 'six', ''])
    expect(cursor()).toEqual([3, 4])
  })

  test('does nothing where it is free', async () => {
    const { write, rows, cursor } = openTerminal()
    await write('1\r\n2\r\n3\r\n4\r\nfive')
    await write(MAKE_ROOM)
    expect(rows()).toEqual(['1', '2', '3', '4', 'five', ''])
    expect(cursor()).toEqual([4, 4])
  })
})

test('pushAway scrolls all out of sight, and loses nothing', async () => {
  const { write, rows, scrolled } = openTerminal()
  await write('1\r\n2\r\n3')
  await write(pushAway(ROWS))
  expect(rows()).toEqual(['', '', '', '', '', ''])
  expect(scrolled()).toEqual(['1', '2', '3', '', '', ''])
})

test('WIPE leaves nothing, and the cursor in the first corner', async () => {
  const { write, rows, cursor } = openTerminal()
  await write('1\r\n2\r\n3')
  await write(WIPE)
  expect(rows()).toEqual(['', '', '', '', '', ''])
  expect(cursor()).toEqual([0, 0])
})

describe('cutAtFences', () => {
  const cut = (output: string, isInside = false) =>
    cutAtFences(Buffer.from(output, 'latin1'), isInside).map((piece) => Buffer.from(piece).toString('latin1'))

  test.each([
    ['text, for your eyes', ['text, for your eyes']],
    ['\x1b[r', ['\x1b[r']],
    ['a\x1b7\x1b[r\x1b8b\x1b[2;3rc', ['a\x1b7\x1b[r', '\x1b8', 'b\x1b[2;3r', 'c']],
    ['\x1b[31mr\x1bcx', ['\x1b[31mr\x1bc', 'x']],
    ['r[r', ['r[r']],
    ['', []],
  ])('cuts %j', (output, pieces) => {
    expect(cut(output)).toEqual(pieces)
  })

  test('knows the rest of a sequence', () => {
    expect(cut('[rx', true)).toEqual(['[r', 'x'])
    expect(cut('1;2rx', true)).toEqual(['1;2r', 'x'])
    expect(cut('049hx', true)).toEqual(['049h', 'x'])
  })
})

describe('renderFence', () => {
  test.each([
    ['\x1b[r', '\x1b[1;5r'],
    ['\x1b[1;999r', '\x1b[1;5r'],
    ['\x1b[3r', '\x1b[3;5r'],
    ['\x1b[2;3r', ''],
    ['\x1bc', '\x1b[1;5r'],
    ['\x1b[!p', '\x1b7\x1b[1;5r\x1b8'],
    ['\x1b[?1049h', '\x1b7\x1b[1;5r\x1b8'],
  ])('behind %j is %j', (sequence, fence) => {
    expect(renderFence(sequence, ROWS)).toBe(fence)
  })
})
