import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import xterm, { type Terminal } from '@xterm/headless'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openScreen } from '../../src/screen.ts'
import { followModes } from '../support/modes.ts'
import { loadRecording, type Take } from '../support/recording.ts'

const folder = fileURLToPath(new URL('../../fixtures/screens/', import.meta.url))
const recordings = readdirSync(folder).filter((name) => name.endsWith('.gz'))

/** As narrow as the narrowest window of the recordings: in the session the text is made anew for each width. */
const TEXT = '\x1b[33m ⚠ 5-hour limit · Ctrl+] API billing\x1b[0m'
/** What Claude Code does last on the screen that it has drawn on: modes, then its last words. */
const FAREWELL = '\x1b[?1006l\x1b[?1003l'

const SHORT = ' ⚠ 漢字'

type Window = { columns: number; rows: number }

/** A window of one row more than the child is told of, with claudef between the two. */
function openWithRow(child: Window) {
  const terminal = openTerminal(child, 1)
  const pieces: Uint8Array[] = []
  let window = { columns: child.columns, rows: child.rows + 1 }
  const told: Window[] = []
  const screen = openScreen({
    output: {
      write: (bytes) => pieces.push(bytes.slice()) > 0,
      flush: async () => {},
      close: () => {},
    },
    size: () => window,
    onResize: (size) => void told.push(size),
  })
  return {
    terminal,
    told,
    screen,
    modes: followModes(terminal),
    draw: () => write(terminal, Buffer.concat(pieces.splice(0))),
    resize: (size: Window) => {
      window = { columns: size.columns, rows: size.rows + 1 }
      terminal.resize(window.columns, window.rows)
      screen.resized()
    },
    row: () => rowText(terminal, terminal.rows - 1),
  }
}

function openTerminal({ columns, rows }: Window, more: number): Terminal {
  return new xterm.Terminal({ cols: columns, rows: rows + more, scrollback: 1000, allowProposedApi: true })
}

function write(terminal: Terminal, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => terminal.write(bytes, resolve))
}

function rowText(terminal: Terminal, row: number): string {
  const { active } = terminal.buffer
  return active.getLine(active.baseY + row)?.translateToString(true) ?? ''
}

/** Everything that can be seen of a cell beside its character. */
const LOOKS = [
  ...([
    'getWidth',
    'getFgColorMode',
    'getFgColor',
    'getBgColorMode',
    'getBgColor',
    'isBold',
    'isDim',
  ] as const),
  ...([
    'isItalic',
    'isUnderline',
    'isBlink',
    'isInverse',
    'isInvisible',
    'isStrikethrough',
    'isOverline',
  ] as const),
]

/** The first of the rows in which a cell looks otherwise on the two; -1 where none does. */
function findDifference(one: Terminal, other: Terminal, rows: number): number {
  const [here, there] = [one.buffer.active, other.buffer.active]
  const [cell, twin] = [here.getNullCell(), there.getNullCell()]
  for (let row = 0; row < rows; row++) {
    const [line, same] = [here.getLine(here.baseY + row), there.getLine(there.baseY + row)]
    for (let column = 0; column < one.cols; column++) {
      line?.getCell(column, cell)
      same?.getCell(column, twin)
      if ((cell.getChars() || ' ') !== (twin.getChars() || ' ')) return row
      if (LOOKS.some((look) => cell[look]() !== twin[look]())) return row
    }
  }
  return -1
}

/** Where every fifth frame has ended (`?2026l`), and every `step` bytes, since most sessions do not tell of frames. */
function pointsOf(bytes: Buffer, step: number): number[] {
  const points = new Set([bytes.length])
  let frame = 0
  for (let at = bytes.indexOf('\x1b[?2026l'); at !== -1; at = bytes.indexOf('\x1b[?2026l', at + 1)) {
    frame += 1
    if (frame % 5 === 0) points.add(at + 8)
  }
  for (let at = step; at < bytes.length; at += step) points.add(at)
  return [...points].sort((a, b) => a - b)
}

/** Pieces of these lengths, the last one as long as it is. */
function cut(bytes: Uint8Array, lengths: () => number): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let from = 0; from < bytes.length; ) {
    const piece = bytes.subarray(from, from + lengths())
    from += piece.length
    pieces.push(piece)
  }
  return pieces
}

type Player = {
  withRow: ReturnType<typeof openWithRow>
  bare: { terminal: Terminal; modes: ReturnType<typeof followModes> }
}

function openPlayer(child: Window): Player {
  const terminal = openTerminal(child, 0)
  return { withRow: openWithRow(child), bare: { terminal, modes: followModes(terminal) } }
}

/** The cursor, and the modes but for the fence. */
function stateOf(terminal: Terminal, modes: () => ReturnType<ReturnType<typeof followModes>>) {
  const { cursorX, cursorY } = terminal.buffer.active
  const { scrollRegion: _, ...others } = modes()
  return { cursor: [cursorX, cursorY], modes: others }
}

function compare({ withRow, bare }: Player) {
  return {
    wrongRow: findDifference(withRow.terminal, bare.terminal, bare.terminal.rows),
    seen: stateOf(withRow.terminal, withRow.modes),
    expected: stateOf(bare.terminal, bare.modes),
  }
}

function isSamePicture(player: Player): boolean {
  const { wrongRow, seen, expected } = compare(player)
  return wrongRow === -1 && isDeepStrictEqual(seen, expected)
}

function expectSamePicture(player: Player, at: string): void {
  const { wrongRow, seen, expected } = compare(player)
  if (wrongRow !== -1) {
    const [here, there] = [player.withRow.terminal, player.bare.terminal]
    expect(rowText(here, wrongRow), `${at}, row ${wrongRow}`).toBe(rowText(there, wrongRow))
    throw new Error(`${at}: row ${wrongRow} has other colours: ${rowText(here, wrongRow)}`)
  }
  expect(seen, at).toEqual(expected)
}

/**
 * Plays a recording on both, cut into pieces of these lengths, and compares at every point. A change of size moves what
 * stands on a screen in ways of the terminal's own, and differently on two heights: after it the pictures may differ
 * until the child has drawn the window anew, and no more once they have been the same.
 */
async function play(
  takes: readonly Take[],
  options: { lengths: () => number; texts: () => string | undefined; step: number },
): Promise<number> {
  const [first] = takes
  if (first === undefined) throw new Error('an empty recording')
  const player = openPlayer(first)
  const { withRow, bare } = player
  withRow.screen.reserveRow(TEXT)
  let compared = 0
  for (const [index, take] of takes.entries()) {
    if (index > 0) {
      bare.terminal.resize(take.columns, take.rows)
      withRow.resize(take)
    }
    let isSame = index === 0
    let from = 0
    for (const point of pointsOf(take.bytes, options.step)) {
      const until = take.bytes.subarray(from, point)
      for (const piece of cut(until, options.lengths)) withRow.screen.show(piece)
      await Promise.all([write(bare.terminal, until), withRow.draw()])
      from = point
      // Once the child has left its screen, the window is the shell's.
      if (take.bytes.indexOf(FAREWELL) !== -1 && point > take.bytes.indexOf(FAREWELL)) break
      isSame ||= isSamePicture(player)
      if (!isSame && point < take.bytes.length / 4) continue
      expectSamePicture(player, `${take.columns}×${take.rows}, byte ${point}`)
      compared++
      withRow.screen.reserveRow(options.texts())
      await withRow.draw()
    }
    if (index < takes.length - 1) expect(withRow.row()).toMatch(/^ ⚠ /)
  }
  return compared
}

describe.each(recordings)('the recording %s', { timeout: 120_000 }, (name) => {
  const takes = loadRecording(join(folder, name))

  test('looks the same above the row as without it, at the end of frames and in between', async () => {
    const compared = await play(takes, { lengths: () => 65_536, texts: () => TEXT, step: 10_000 })
    expect(compared).toBeGreaterThan(15)
  })

  // From a few bytes, which cut nearly every sequence, to what one read may bring.
  test.each([24, 4096, 4096])(
    '… however it is cut, into up to %i bytes, while the row says one thing, then another',
    async (max) => {
      await fc.assert(
        fc.asyncProperty(fc.infiniteStream(fc.integer({ min: 1, max })), async (lengths) => {
          let turn = 0
          const texts = () => [TEXT, SHORT][turn++ % 2]
          const compared = await play(takes, { lengths: () => lengths.next().value, texts, step: 20_000 })
          expect(compared).toBeGreaterThan(15)
        }),
        { numRuns: 1 },
      )
    },
  )
})

test('the recordings are of 5 MB and more, in many sizes', () => {
  const takes = recordings.flatMap((name) => loadRecording(join(folder, name)))
  const length = takes.reduce((sum, { bytes }) => sum + bytes.length, 0)
  expect(length).toBeGreaterThan(5_000_000)
  const sizes = new Set(takes.map(({ columns, rows }) => `${columns}×${rows}`))
  expect(sizes.size).toBeGreaterThan(15)
})

const CHILD = { columns: 60, rows: 11 }

test.each([
  ['an accent', 'cafe', '\u0301'],
  ['a variation selector', '⚠', '\ufe0f'],
  ['a joiner', '👨', '\u200d👩'],
  ['the rest of a flag', '🇩', '🇪'],
])('nothing comes between a character and %s', async (_, before, after) => {
  const player = openPlayer(CHILD)
  const { screen, draw, row } = player.withRow
  screen.reserveRow(TEXT)
  const whole = `\x1b[3;3H${before}${after} and more`
  screen.show(Buffer.from(`\x1b[3;3H${before}`))
  screen.reserveRow(SHORT)
  screen.show(Buffer.from(after))
  screen.show(Buffer.from(' and more'))
  await Promise.all([write(player.bare.terminal, Buffer.from(whole)), draw()])
  expectSamePicture(player, whole)
  // The row comes by itself where nothing follows.
  await expect.poll(() => draw().then(row)).toBe(SHORT)
  expectSamePicture(player, whole)
})

const SCROLL = Array.from({ length: 30 }, (_, line) => `\r\nline ${line} 漢字`).join('')

describe('above the row nothing is drawn otherwise, and nothing on it', () => {
  test.each([
    ['the whole screen as the region', `\x1b[r${SCROLL}`],
    ['… in other words', `\x1b[0;0r${SCROLL}\x1b[;r${SCROLL}\x1b[1r${SCROLL}\x1b[1;999r${SCROLL}`],
    ['a region down to the last row', `\x1b[4r\x1b[999B${SCROLL}`],
    ['a region of its own, and the end of it', `\x1b[3;6r\x1b[6;1H${SCROLL}\x1b[r\x1b[11;1H${SCROLL}`],
    ['the region as the real one does', `\x1b7\x1b[r\x1b8${SCROLL}`],
    ['a soft reset', `\x1b[5;5H\x1b[!p${SCROLL}`],
    ['a reset', `words\x1bc${SCROLL}`],
    ['a test picture', `words\x1b#8${SCROLL}`],
    ['the alternate screen', `one\x1b[?1049h${SCROLL}\x1b[2J\x1b[Htwo${SCROLL}`],
    ['… and back', `one\x1b[?1049h${SCROLL}\x1b[?1049ltwo`],
    ['a title that looks like a region', `\x1b]0;a\x1b]0;[r\x07\x1bPq[r\x1b\\${SCROLL}`],
    ['wide characters at the margin', `\x1b[1;60H漢\x1b[11;59H漢字${SCROLL}\x1b[11;60H😀`],
    ['a wipe to the end', `${SCROLL}\x1b[5;1H\x1b[J\x1b[3;3Hx\x1b[2J`],
    ['lines put in and taken out', `${SCROLL}\x1b[3;1H\x1b[4L\x1b[2M\x1b[5S\x1b[2T\x1bM`],
  ])('%s, however it is cut', async (_, output) => {
    const bytes = Buffer.from(output)
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.integer({ min: 1, max: 12 })), async (lengths) => {
        const player = openPlayer(CHILD)
        const { withRow, bare } = player
        withRow.screen.reserveRow(TEXT)
        await withRow.draw()
        for (const piece of cut(bytes, () => lengths.next().value)) withRow.screen.show(piece)
        await Promise.all([write(bare.terminal, bytes), withRow.draw()])
        expectSamePicture(player, output)
        expect(withRow.row()).toMatch(/^ ⚠ 5-hour limit/)
      }),
      { numRuns: 15 },
    )
  })

  test.each([
    ['a sequence', '\x1b[3', '1mred'],
    ['a title', '\x1b]0;ti', 'tle\x07red'],
    ['a frame', '\x1b[?2026hone', 'two\x1b[?2026l'],
  ])('the row comes and goes only where %s has ended', async (_, begun, rest) => {
    const { screen, told, draw, row } = openWithRow({ columns: 60, rows: 11 })
    screen.show(Buffer.from(`\x1b[?1049h${begun}`))
    screen.reserveRow(SHORT)
    expect(told).toEqual([])
    screen.show(Buffer.from(rest))
    await expect.poll(() => told).toEqual([{ columns: 60, rows: 11 }])
    await draw()
    expect(row()).toBe(SHORT)
    screen.show(Buffer.from(begun))
    screen.reserveRow(undefined)
    expect(told).toHaveLength(1)
    screen.show(Buffer.from(rest))
    await expect.poll(() => told.at(-1)).toEqual({ columns: 60, rows: 12 })
    await draw()
    expect(row()).toBe('')
  })

  test('a character in four pieces is whole before the row is painted', async () => {
    const { screen, draw, terminal } = openWithRow({ columns: 60, rows: 11 })
    const [one, two, three, four] = Buffer.from('😀')
    for (const byte of [one, two, three]) screen.show(Buffer.from([byte ?? 0]))
    screen.reserveRow(SHORT)
    screen.show(Buffer.from([four ?? 0]))
    const { active } = terminal.buffer
    const rows = () =>
      Array.from({ length: active.length }, (_, at) => active.getLine(at)?.translateToString(true))
    await expect.poll(() => draw().then(rows)).toContain(SHORT)
    expect(rows()).toContain('😀')
  })
})

test('nothing is drawn any more once all is given back', async () => {
  const { screen, draw, row } = openWithRow(CHILD)
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  screen.show(Buffer.from('words'))
  screen.reserveRow(TEXT)
  screen.undo({ keepScreen: false })
  vi.runAllTimers()
  vi.useRealTimers()
  await draw()
  expect(row()).toBe('')
})

describe('a window without room for the row', () => {
  /** A window whose title the shell has set; `saves`: the terminal can save titles. */
  async function openSmall({ saves = true } = {}) {
    const opened = openWithRow({ columns: 60, rows: 6 })
    const { terminal, screen, draw } = opened
    terminal.options.windowOptions = { pushTitle: saves, popTitle: saves }
    const seen = { titles: [] as string[], bells: 0, saved: 0 }
    terminal.onTitleChange((title) => void seen.titles.push(title))
    terminal.onBell(() => {
      seen.bells++
    })
    terminal.parser.registerCsiHandler({ final: 't' }, ([operation]) => {
      if (operation === 22) seen.saved++
      if (operation === 23) seen.saved--
      return false
    })
    await write(terminal, Buffer.from('\x1b]0;the shell\x07'))
    const title = async (change: () => void) => {
      change()
      await draw()
      return seen.titles.at(-1)
    }
    const show = (output: string) => void screen.show(Buffer.from(output))
    return { ...opened, seen, title, show }
  }

  test('has it in its title, with one bell for what is new', async () => {
    const { screen, draw, told, seen, show } = await openSmall()
    screen.reserveRow(SHORT)
    for (let frame = 0; frame < 5; frame++) show('\x1b[2J\x1b[Hframe')
    screen.reserveRow(`${SHORT}, in 1m`)
    await expect.poll(() => draw().then(() => seen.titles.length)).toBe(3)
    expect(seen).toMatchObject({ titles: ['the shell', SHORT, `${SHORT}, in 1m`], bells: 1 })
    expect(told).toEqual([])
  })

  test.each([true, false])(
    'has the child’s title again once that is over; saves titles: %s',
    async (saves) => {
      const { screen, resize, title, show, row, seen } = await openSmall({ saves })
      expect(await title(() => show('\x1b]0;✳ mine\x07'))).toBe('✳ mine')
      expect(await title(() => screen.reserveRow(SHORT))).toBe(SHORT)
      expect(await title(() => screen.reserveRow(undefined))).toBe('✳ mine')
      expect(await title(() => screen.reserveRow(SHORT))).toBe(SHORT)
      expect(await title(() => resize({ columns: 60, rows: 11 }))).toBe('✳ mine')
      expect(row()).toBe(SHORT)
      expect(await title(() => resize({ columns: 30, rows: 11 }))).toBe(SHORT)
      expect(await title(() => screen.lend())).toBe('✳ mine')
      expect(await title(() => screen.takeBack())).toBe(SHORT)
      expect(seen.bells).toBe(2)
      expect(await title(() => screen.undo({ keepScreen: true }))).toBe(SHORT)
      expect(await title(() => screen.undo({ keepScreen: false }))).toBe('')
      expect(seen.saved).toBe(0)
    },
  )

  test('keeps it when the child sets a title, also the same one, and has that one again in the end', async () => {
    const { screen, title, show, seen } = await openSmall()
    show('\x1b]0;one\x07')
    screen.reserveRow(SHORT)
    for (const set of ['\x1b]0;one\x07', '\x1b]2;two\x07', '\x1b[22;0t\x1b]0;three\x07', '\x1b[23;0t'])
      expect(await title(() => show(set)), set).toBe(SHORT)
    expect(await title(() => show('\x1b]0;fo'))).toBe(SHORT)
    screen.reserveRow(undefined)
    expect(await title(() => show('ur\x07'))).toBe('four')
    expect(seen).toMatchObject({ bells: 1, saved: 0 })
    screen.reserveRow(SHORT)
    // As Claude Code does at its end.
    expect(await title(() => show('\x1b]0;\x07'))).toBe(SHORT)
    expect(await title(() => screen.lend())).toBe('')
    expect(seen.saved).toBe(0)
  })

  test('has the title of before again where the child sets none, as far as the terminal can', async () => {
    for (const [saves, before] of [
      [true, 'the shell'],
      [false, ''],
    ] as const) {
      const { screen, title, seen } = await openSmall({ saves })
      expect(await title(() => screen.reserveRow(SHORT))).toBe(SHORT)
      expect(await title(() => screen.reserveRow(undefined))).toBe(before)
      expect(await title(() => screen.reserveRow(SHORT))).toBe(SHORT)
      expect(await title(() => screen.undo({ keepScreen: false }))).toBe(before)
      expect(seen.saved).toBe(0)
    }
  })
})
