import xterm from '@xterm/headless'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createModes, isBetweenSequences, onAlternateScreen, trackModes } from '../../src/core/modes.ts'
import { undoModes } from '../../src/core/undo-modes.ts'
import { followModes } from '../support/modes.ts'

/** What a program sets, and the bytes that undo it; all of it may stand at once, in this order of the undoing. */
const UNDONE: [name: string, set: string, undo: string][] = [
  ['synchronized output', '\x1b[?2026h', '\x1b[?2026l'],
  ['mouse: any movement', '\x1b[?1003h', '\x1b[?1003l'],
  ['mouse: drags', '\x1b[?1002h', '\x1b[?1002l'],
  ['mouse: clicks', '\x1b[?1000h', '\x1b[?1000l'],
  ['mouse: SGR', '\x1b[?1006h', '\x1b[?1006l'],
  ['mouse: SGR pixels', '\x1b[?1016h', '\x1b[?1016l'],
  ['mouse: urxvt', '\x1b[?1015h', '\x1b[?1015l'],
  ['mouse: UTF-8', '\x1b[?1005h', '\x1b[?1005l'],
  ['focus', '\x1b[?1004h', '\x1b[?1004l'],
  ['bracketed paste', '\x1b[?2004h', '\x1b[?2004l'],
  ['colour scheme', '\x1b[?2031h', '\x1b[?2031l'],
  ['win32 input', '\x1b[?9001h', '\x1b[?9001l'],
  ['size reports', '\x1b[?2048h', '\x1b[?2048l'],
  ['modifyOtherKeys', '\x1b[>4;2m', '\x1b[>4m'],
  ['scroll region', '\x1b[2;5r', '\x1b7\x1b[r\x1b8'],
  ['origin', '\x1b[?6h', '\x1b[?6l'],
  ['keyboard flags', '\x1b[>5u', '\x1b[<1u'],
  ['colour', '\x1b[31m', '\x1b[0m'],
  ['link', '\x1b]8;;https://example.com\x1b\\', '\x1b]8;;\x1b\\'],
  ['no wrapping', '\x1b[?7l', '\x1b[?7h'],
  ['hidden cursor', '\x1b[?25l', '\x1b[?25h'],
  ['cursor shape', '\x1b[5 q', '\x1b[0 q'],
  ['text colour', '\x1b]10;#fff\x07', '\x1b]110\x1b\\'],
  ['background', '\x1b]11;#000\x1b\\', '\x1b]111\x1b\\'],
  ['cursor colour', '\x1b]12;red\x07', '\x1b]112\x1b\\'],
  ['cursor keys', '\x1b[?1h', '\x1b[?1l'],
  ['margins', '\x1b[?69h', '\x1b[?69l'],
  ['reverse video', '\x1b[?5h', '\x1b[?5l'],
  ['keypad', '\x1b=', '\x1b>'],
  ['line drawing', '\x1b(0', '\x1b(B\x0f'],
  ['insert', '\x1b[4h', '\x1b[4l'],
  ['title', '\x1b]0;\u2733 Claude\x07', '\x1b]0;\x1b\\'],
  ['progress', '\x1b]9;4;1;50\x07', '\x1b]9;4;0\x1b\\'],
]

const ALL = UNDONE.map(([, set]) => set).join('')

function track(...output: string[]) {
  const modes = createModes()
  for (const piece of output) trackModes(modes, bytes(piece))
  return modes
}

/** A terminal that somebody looks at: its modes, and what the next character would look like. */
function openTerminal() {
  const terminal = new xterm.Terminal({
    cols: 40,
    rows: 12,
    allowProposedApi: true,
    windowOptions: { pushTitle: true, popTitle: true },
  })
  const modes = followModes(terminal)
  const seen = { title: '', link: false, progress: '0', shape: 0, colours: new Set<number>() }
  terminal.onTitleChange((title) => {
    seen.title = title
  })
  const onOsc = (number: number, handle: (text: string) => void) =>
    terminal.parser.registerOscHandler(number, (text) => {
      handle(text)
      return false
    })
  onOsc(8, (text) => {
    if (text.includes(';')) seen.link = !text.endsWith(';')
  })
  onOsc(9, (text) => {
    seen.progress = text.split(';')[1] ?? seen.progress
  })
  for (const number of [10, 11, 12]) {
    onOsc(number, (text) => void (text !== '?' && text !== '' && seen.colours.add(number)))
    onOsc(number + 100, () => void seen.colours.delete(number))
  }
  terminal.parser.registerCsiHandler({ intermediates: ' ', final: 'q' }, ([shape]) => {
    seen.shape = Number(shape)
    return false
  })
  const write = (output: string | Uint8Array) =>
    new Promise<void>((resolve) =>
      terminal.write(typeof output === 'string' ? bytes(output) : output, resolve),
    )
  const cursor = () => {
    const { baseY, cursorX, cursorY } = terminal.buffer.active
    return { x: cursorX, y: baseY + cursorY }
  }
  const look = async () => {
    // The three modes of the one alternate screen are not told apart: `buffer` says whether it is shown.
    const privateModes = modes().privateModes.filter((mode) => ![47, 1047, 1049].includes(mode))
    const state = { ...modes(), ...seen, privateModes, colours: [...seen.colours] }
    await write('\x1b[Hq')
    const cell = terminal.buffer.active.getLine(terminal.buffer.active.baseY)?.getCell(0)
    return { ...state, next: cell && [cell.getChars(), cell.isAttributeDefault()] }
  }
  return { write, cursor, look }
}

async function lookAt(...output: string[]) {
  const terminal = openTerminal()
  for (const piece of output) await terminal.write(piece)
  return terminal.look()
}

const FRESH = await lookAt()

describe('undoModes', () => {
  test('does nothing where nothing was set', () => {
    expect(undoModes(createModes(), { keepScreen: false })).toBe('')
    expect(undoModes(track('text \x1b[2K\x1b[?25h\x1b[?1000l\r\n'), { keepScreen: false })).toBe('')
  })

  test.each(UNDONE)('%s', async (_, set, undo) => {
    expect(undoModes(track(set), { keepScreen: false })).toBe(undo)
    // What the program has undone itself is left alone.
    expect(undoModes(track(set, undo), { keepScreen: false })).toBe('')
    expect(await lookAt(set)).not.toEqual(FRESH)
    expect(await lookAt(set, undo)).toEqual(FRESH)
  })

  test('all at once, in an order in which no step breaks the next', async () => {
    const undo = undoModes(track(ALL), { keepScreen: false })
    expect(undo).toBe(UNDONE.map(([, , step]) => step).join(''))
    expect(await lookAt(ALL, undo)).toEqual(FRESH)
  })

  test.each([1049, 1047, 47])('leaves the alternate screen that %i opened', async (mode) => {
    const output = `\x1b[>1u\x1b[?${mode}h\x1b[?2004h\x1b[>1u\x1b[>5u\x1b[2;5r\x1b[31m`
    const undo = undoModes(track(output), { keepScreen: false })
    expect(undo).toBe(`\x1b[?2004l\x1b[<2u\x1b7\x1b[r\x1b8\x1b[?${mode}l\x1b[<1u\x1b[0m`)
    expect(await lookAt(output, undo)).toEqual(FRESH)
  })

  test('does not leave a screen that has been left, by whichever mode', () => {
    // On the main screen 1049 would put the cursor where it was before the program.
    expect(undoModes(track('\x1b[?1049h\x1b[?1049l'), { keepScreen: false })).toBe('')
    expect(undoModes(track('\x1b[?1049h\x1b[?47l'), { keepScreen: false })).toBe('')
    expect(undoModes(track('\x1b[?1047h\x1b[?1049h'), { keepScreen: false })).toBe('\x1b[?1047l')
  })

  test.each([
    ['a colour', '\x1b[31m', '\x1b[0m'],
    ['line drawing', '\x1b(0', '\x1b(B\x0f'],
  ])('takes back %s that comes back with a saved cursor', async (_, set, undo) => {
    const alternate = `${set}\x1b[?1049h${undo}`
    expect(undoModes(track(alternate), { keepScreen: false })).toBe(`\x1b[?1049l${undo}`)
    expect(await lookAt(alternate, '\x1b[?1049l')).not.toEqual(FRESH)
    const restored = `${set}\x1b7${undo}\x1b8`
    expect(undoModes(track(restored), { keepScreen: false })).toBe(undo)
    expect(await lookAt(restored)).not.toEqual(FRESH)
  })

  test('takes the origin back before it leaves, and after, where it was saved', () => {
    const own = '\x1b[?1049h\x1b[?6h'
    expect(undoModes(track(own), { keepScreen: false })).toBe('\x1b[?6l\x1b[?1049l')
    const saved = '\x1b[?6h\x1b[?1049h'
    expect(undoModes(track(saved), { keepScreen: false })).toBe('\x1b[?6l\x1b[?1049l\x1b[?6l')
  })

  test('keeps the screen, and what belongs to it, for another program', async () => {
    const output = `\x1b[>1u\x1b[22;0t\x1b]0;mine\x07\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[>5u\x1b[31m`
    const modes = track(output)
    const kept = undoModes(modes, { keepScreen: true })
    expect(kept).toBe('\x1b[?1000l\x1b[<1u\x1b[0m')
    expect(onAlternateScreen(modes)).toBe(true)
    expect(await lookAt(output, kept)).toMatchObject({
      buffer: 'alternate',
      cursorVisible: false,
      kittyPushes: { normal: 1, alternate: 0 },
      mouseTrackingMode: 'none',
      title: 'mine',
    })
    // What was kept is undone when the last one ends.
    const undo = undoModes(modes, { keepScreen: false })
    expect(undo).toBe('\x1b[?1049l\x1b[<1u\x1b[?25h\x1b[23;0t')
    expect(await lookAt(output, kept, undo)).toEqual({ ...FRESH, title: '' })
  })

  test('keeps the cursor hidden on the main screen, too', () => {
    expect(undoModes(track('\x1b[?25l\x1b[?2004h'), { keepScreen: true })).toBe('\x1b[?2004l')
  })

  test('takes back each title that was saved', () => {
    const output = '\x1b[22;0t\x1b]0;a\x07\x1b[22;2t\x1b]2;b\x07\x1b[22t\x1b[23t'
    expect(undoModes(track(output), { keepScreen: false })).toBe('\x1b[23;0t\x1b[23;0t')
    // One that was set before it was saved is the program's, too.
    expect(undoModes(track('\x1b]0;a\x07', output), { keepScreen: false })).toBe(
      '\x1b[23;0t\x1b[23;0t\x1b]0;\x1b\\',
    )
  })

  test.each([
    ['a lone ESC', '\x1b'],
    ['half a CSI', '\x1b[?10'],
    ['half a character set', '\x1b('],
    ['half a DCS', '\x1bP+q54'],
    ['half an APC', '\x1b_Gf=32;AAAA'],
    ['a string without its backslash', '\x1b]52;c;AAAA\x1b'],
  ])('ends %s first', async (_, cut) => {
    const modes = track('\x1b[?2004h', cut)
    const undo = undoModes(modes, { keepScreen: false })
    expect(undo).toBe('\x1b\\\x1b[?2004l')
    expect(isBetweenSequences(modes)).toBe(true)
    expect(await lookAt('\x1b[?2004h', cut, undo)).toEqual(FRESH)
  })

  test('takes away what the end of a sequence has set', async () => {
    const undo = undoModes(track('\x1b]0;half a ti'), { keepScreen: false })
    expect(undo).toBe('\x1b\\\x1b]0;\x1b\\')
    expect(await lookAt('\x1b]0;half a ti', undo)).toEqual(FRESH)
  })

  test('does not move the cursor of a program that draws inline', async () => {
    const inline = ALL.replace('\x1b[?6h', '')
    const terminal = openTerminal()
    await terminal.write(`${inline}one\r\ntwo`)
    const before = terminal.cursor()
    await terminal.write(undoModes(track(inline, 'one\r\ntwo'), { keepScreen: false }))
    expect(terminal.cursor()).toEqual(before)
  })
})

describe('the kitty keyboard', () => {
  test.each<[name: string, output: string, undo: string]>([
    ['pushed twice, popped once', '\x1b[>1u\x1b[>5u\x1b[<u', '\x1b[<1u'],
    ['popped more than pushed', '\x1b[>1u\x1b[<9u', ''],
    ['flags changed in place', '\x1b[=5u', '\x1b[=0u'],
    ['flags changed in place, said in full', '\x1b[=5;1u', '\x1b[=0u'],
    ['flags added in place', '\x1b[=1;2u', '\x1b[=0u'],
    ['no flags added', '\x1b[=0;2u', ''],
    ['flags taken away', '\x1b[=1;3u', ''],
    ['flags changed back', '\x1b[=5u\x1b[=0u', ''],
    ['flags changed on a pushed set', '\x1b[>1u\x1b[=5u', '\x1b[<1u'],
    ['a set pushed on changed flags', '\x1b[=5u\x1b[>1u', '\x1b[<1u\x1b[=0u'],
    ['changed flags popped', '\x1b[=5u\x1b[<u', ''],
    ['a question only', '\x1b[?u', ''],
    ['a stack for each screen', '\x1b[>1u\x1b[?1049h\x1b[=5u', '\x1b[=0u\x1b[?1049l\x1b[<1u'],
    ['popped on the other screen', '\x1b[>1u\x1b[?1049h\x1b[<u', '\x1b[?1049l\x1b[<1u'],
  ])('%s', (_, output, undo) => {
    expect(undoModes(track(output), { keepScreen: false })).toBe(undo)
  })
})

describe('trackModes', () => {
  test.each<[name: string, output: string, undo: string]>([
    ['several modes in one sequence', '\x1b[?1000;2004;25h', '\x1b[?1000l\x1b[?2004l'],
    ['a mode it does not undo', '\x1b[?12h\x1b[?1h\x1b[?1l', ''],
    ['SGR with a reset first', '\x1b[0;1m', '\x1b[0m'],
    ['SGR reset without a number', '\x1b[1m\x1b[m', ''],
    ['modifyOtherKeys off', '\x1b[>4;2m\x1b[>4;0m', ''],
    ['all key modifiers off', '\x1b[>4;2m\x1b[>m', ''],
    ['the terminal’s version asked', '\x1b[>0q\x1b[>q', ''],
    ['a mode asked', '\x1b[?2026$p', ''],
    ['colours asked', '\x1b]11;?\x07\x1b]10;?\x1b\\', ''],
    ['rectangles, which share their letters with other sequences', '\x1b[1;1;2;2;22$t\x1b[2;5;1;1;1$r', ''],
    ['left and right margins', '\x1b[?69h\x1b[5;30s', '\x1b[?69l'],
    ['the second character set', '\x1b)0\x0e', '\x1b)B\x0f'],
    ['the second set under a plain first', '\x1b)0\x1b(B\x0e', '\x1b)B\x0f'],
    ['a set of two letters', '\x1b(%5', '\x1b(B\x0f'],
    ['both sets plain again', '\x1b(0\x1b)0\x1b(B\x1b)B', ''],
    ['a screen of E', '\x1b#8', ''],
    ['another encoding', '\x1b%G\x1b F', ''],
    ['a control character inside a sequence', '\x1b[?20\r\n04h', '\x1b[?2004l'],
    ['a sequence cut by another', '\x1b[?20\x1b[?1004h', '\x1b[?1004l'],
    ['a sequence given up by CAN', '\x1b[?2004\x18h', ''],
    ['a sequence given up by SUB', '\x1b[?2004\x1ah', ''],
    ['a string given up', '\x1b]0;a\x18\x07\x1b]2;b\x1a\x07\x1b[?1004h', '\x1b[?1004l'],
    ['an ESC given up', '\x1b[?1004h\x1b\x18c', '\x1b[?1004l'],
    ['the smallest cursor shape', '\x1b[1 q', '\x1b[0 q'],
    ['a string cut by a sequence', '\x1b]0;a\x1b[?2004h', '\x1b[?2004l\x1b]0;\x1b\\'],
    ['BEL inside a DCS', '\x1bPq\x07\x1b\\\x1b[?2004h', '\x1b[?2004l'],
    ['sequences inside a DCS', '\x1bPq[?2004h]0;a\x07[?1000h\x1b\\', ''],
    ['a clipboard of many bytes', `\x1b]52;c;${'A'.repeat(10_000)}\x07\x1b[?2004h`, '\x1b[?2004l'],
    ['a link of many bytes', `\x1b]8;;https://${'a'.repeat(5000)}\x1b\\`, '\x1b]8;;\x1b\\'],
    ['a link with an id', '\x1b]8;id=1;https://a\x07text\x1b]8;;\x07', ''],
    ['a link whose end is cut', '\x1b]8;;https://a\x07text\x1b]8;\x1b\\', '\x1b]8;;\x1b\\'],
    ['a title taken back', '\x1b]2;a\x07\x1b]2;\x07', ''],
    ['an icon name', '\x1b]1;a\x07', ''],
    ['a notification', '\x1b]9;done\x07', ''],
    ['progress taken back', '\x1b]9;4;1;50\x07\x1b]9;4;0;\x07', ''],
    ['a colour taken back', '\x1b]11;#000\x07\x1b]111\x07', ''],
    ['a reset of everything', `${ALL}\x1b[?1049h\x1b[>1u\x1b[22;0t\x1bc`, ''],
    ['a soft reset', '\x1b[?25l\x1b[?7l\x1b[?1;6h\x1b=\x1b[4h\x1b(0\x1b[2;5r\x1b[!p', ''],
    ['what a soft reset leaves', '\x1b[?2004;1000h\x1b[!p', '\x1b[?1000l\x1b[?2004l'],
  ])('%s', (_, output, undo) => {
    expect(undoModes(track(output), { keepScreen: false })).toBe(undo)
  })

  test.each<[output: string, ...damage: ('wiped' | 'region' | 'title')[]]>([
    ['text\r\n\x1b[K\x1b[5;5H\x1b[31m'],
    ['\x1b[2J', 'wiped'],
    ['\x1b[J', 'wiped'],
    ['\x1b[0J', 'wiped'],
    ['\x1b[1J'],
    ['\x1b[2J\x1b[1J', 'wiped'],
    ['\x1b[r', 'region'],
    ['\x1b7\x1b[r\x1b8', 'region'],
    ['\x1b[?1049h', 'wiped', 'region'],
    ['\x1b[?47l', 'wiped', 'region'],
    ['\x1b[!p', 'region'],
    ['\x1bc', 'wiped', 'region'],
    ['\x1b#8', 'wiped', 'region'],
    ['\x1b]0;[2J\x07\x1bP[2J\x07[r\x1b\\', 'title'],
    ['\x1b]2;\x1b\\', 'title'],
    ['\x1b[23;2t', 'title'],
    ['\x1b]1;icon\x07\x1b]8;;\x07\x1b[22t'],
  ])('what %j does to what is ours', (output, ...damage) => {
    const seen = trackModes(createModes(), bytes(output))
    expect(Object.entries(seen).flatMap(([name, isSo]) => (isSo ? [name] : []))).toEqual(damage)
  })

  test('knows the alternate screen', () => {
    expect(onAlternateScreen(track('\x1b[?1049h'))).toBe(true)
    expect(onAlternateScreen(track('\x1b[?1049h\x1b[?1049l'))).toBe(false)
    expect(onAlternateScreen(track('\x1b[?1049h\x1bc'))).toBe(false)
  })

  test.each<[output: string, saved: boolean]>([
    ['\x1b7', true],
    ['\x1b7\x1b8', false],
    ['\x1b[s', true],
    ['\x1b[s\x1b[u', false],
    ['\x1b[5;30s', false],
    ['\x1b7\x1b#8', true],
    ['\x1b7\x1b[!p', false],
  ])('after %j a saved cursor: %j', (output, saved) => {
    expect(track(output).savedCursor).toBe(saved)
  })

  test.each([
    ...UNDONE.map(([, set]) => set),
    ...UNDONE.map(([, , undo]) => undo.split(/(?<=.)(?=\x1b[^\\])/)[0] ?? ''),
  ])('is inside %j until its end', (sequence) => {
    for (let cut = 1; cut < sequence.length; cut++) {
      expect(isBetweenSequences(track(sequence.slice(0, cut))), `cut at ${cut}`).toBe(
        sequence.startsWith('\x1b(B') && cut === 3,
      )
    }
    expect(isBetweenSequences(track(sequence))).toBe(true)
  })
})

/** As Claude Code 2.1.330 opens and draws its screen. */
const SESSION =
  '\x1b[?1049h\x1b[22;0t\x1b[>5u\x1b[>4;2m\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h\x1b[?1004h\x1b[?2004h' +
  '\x1b[?2031h\x1b]11;?\x07\x1b[c\x1b[>0q\x1b[?u\x1b[?25l\x1b]0;\u2733 Claude Code\x07\x1b[2J\x1b[H' +
  '\x1b[?2026h\x1b[38;2;215;119;87m\u256d\u2500\u2500\u256e\x1b[39m \x1b[1mWelcome\x1b[22m\r\n\x1b]8;;https://a.b\x07link\x1b]8;;\x07' +
  '\x1b[?2026l\x1b[4A\x1b[2K\x1b[G\x1b]9;4;3;\x07\x1b7\x1b[r\x1b8\x1b[5 q\x1b(B'

describe('any output', () => {
  const sequences = [
    ...UNDONE.flatMap(([, set, undo]) => [set, undo]),
    '\x1b[?1049h',
    '\x1b[?1049l',
    '\x1b[?47l',
  ]
  const output = fc
    .array(
      fc.constantFrom(
        ...sequences,
        'text',
        '\r\n',
        '\u2733',
        '\x1b[2J',
        '\x1b[=1u',
        '\x1b[<2u',
        '\x1b[22;0t',
      ),
      {
        maxLength: 25,
      },
    )
    .map((pieces) => pieces.join(''))

  test('means the same however it is cut', () => {
    const cuts = fc.array(fc.nat(1000), { maxLength: 10 })
    fc.assert(
      fc.property(fc.oneof(output, fc.constant(SESSION)), cuts, (text, places) => {
        const all = bytes(text)
        const modes = createModes()
        const ends = [...places.map((place) => place % (all.length + 1)), all.length].sort((a, b) => a - b)
        const damage = { wiped: false, region: false, title: false }
        ends.forEach((end, index) => {
          const piece = trackModes(modes, all.subarray(ends[index - 1] ?? 0, end))
          for (const name of ['wiped', 'region', 'title'] as const) damage[name] ||= piece[name]
        })
        const whole = createModes()
        expect(damage).toEqual(trackModes(whole, all))
        expect(modes).toEqual(whole)
      }),
      { numRuns: 500 },
    )
  })

  test('is undone whole, wherever the program was killed', async () => {
    const killed = fc.tuple(fc.oneof(output, fc.constant(SESSION)), fc.nat(1000))
    await fc.assert(
      fc.asyncProperty(killed, fc.boolean(), async ([text, place], isFollowed) => {
        const output = bytes(text)
        const cut = output.subarray(0, (place % output.length) + 1)
        const modes = createModes()
        trackModes(modes, cut)
        const wasAlternate = onAlternateScreen(modes)
        const kept = isFollowed ? undoModes(modes, { keepScreen: true }) : ''
        expect(onAlternateScreen(modes)).toBe(wasAlternate)
        const undo = undoModes(modes, { keepScreen: false })
        expect(undoModes(modes, { keepScreen: false })).toBe('')
        const terminal = openTerminal()
        await terminal.write(cut)
        await terminal.write(kept + undo)
        expect(await terminal.look()).toEqual(FRESH)
      }),
      { numRuns: 300 },
    )
  })
})

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
