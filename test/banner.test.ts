import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { claudef, fakeClaude, setUp } from './support/claudef.ts'
import { makeHome } from './support/home.ts'
import { openScreen } from './support/screen.ts'

const limited = { FAKE_CLAUDE_LIMIT: 'five_hour' }

/** claudef on a screen, at a limit that it offers to pass. */
async function meetLimit(more: Record<string, string> = {}) {
  const home = makeHome({ apiUrl: 'http://127.0.0.1:9' })
  const trace = join(home.root, 'trace')
  const input = join(home.root, 'input')
  const screen = await openScreen({
    file: process.execPath,
    args: [claudef, 'name a prime'],
    cwd: home.cwd,
    env: {
      ...home.env,
      ...limited,
      CLAUDE_FALLBACK_CLAUDE: fakeClaude,
      CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-tests-wxyz',
      FAKE_CLAUDE_TRACE: trace,
      FAKE_CLAUDE_INPUT: input,
      ...more,
    },
    cols: 100,
    rows: 24,
  })
  onTestFinished(async () => {
    await screen.close()
    home.cleanup()
  })
  await screen.waitFor('API billing')
  const starts = () => readFileSync(trace, 'utf8').split('"event":"start"').length - 1
  /** What Claude Code has read so far, a character for each byte. */
  const read = () => (existsSync(input) ? readFileSync(input, 'latin1') : '')
  return { screen, starts, read }
}

const OFFER = 'continue on API billing'
const QUESTION = 'paid by the key …wxyz?'

test('comes and goes with the room for it, and says it by the title where there is none', async () => {
  const { screen } = await meetLimit()
  for (const [columns, rows] of [
    [60, 12],
    [40, 8],
  ] as const) {
    screen.resize(columns, rows)
    await screen.waitFor((text) => text.includes('─'.repeat(columns)) && /API billing( · ×)?$/.test(text))
  }
  screen.resize(20, 5)
  await screen.waitFor((text) => !text.includes('API billing') && text.includes('─'.repeat(20)))
  await expect.poll(() => screen.title()).toContain('5-hour limit')
  screen.resize(100, 24)
  await screen.waitFor((text) => text.split('\n')[23]?.includes(OFFER) === true)
  await screen.waitFor((text) => text.split(OFFER).length === 2)
})

test('has no colour where the user wants none', async () => {
  const { screen } = await meetLimit({ NO_COLOR: '1' })
  const row = screen
    .raw()
    .toString()
    .split('5-hour limit ·')
    .map((part) => part.slice(-12))
  expect(row.some((before) => before.includes('\x1b[0m ⚠'))).toBe(true)
  const { screen: colored } = await meetLimit()
  expect(colored.raw().toString()).toContain('\x1b[33m ⚠ 5-hour limit')
  expect(screen.raw().toString()).not.toContain('\x1b[33m ⚠')
})

test.each([
  ['a plain byte', '\x1d'],
  ['kitty’s coding', '\x1b[93;5u'],
  ['modifyOtherKeys', '\x1b[27;5;93~'],
  ['a click on the row', '\x1b[<0;3;24M'],
])('asks on %s, also where it comes in pieces', async (_, bytes) => {
  const { screen, starts } = await meetLimit()
  for (const piece of [[bytes], [...bytes]]) {
    for (const part of piece) screen.type(part)
    await screen.waitFor(QUESTION)
    screen.key('Escape')
    await screen.waitFor(OFFER)
  }
  expect(starts()).toBe(1)
})

test('takes another key where one is chosen, and leaves its own to the child', async () => {
  const { screen } = await meetLimit({ CLAUDE_FALLBACK_SWITCH_KEY: 'ctrl+g' })
  await screen.waitFor('Ctrl+G')
  screen.type('\x1d')
  await screen.submit('still here')
  await screen.waitFor('Ctrl+G')
  screen.type('\x07')
  await screen.waitFor(QUESTION)
})

type Mouse = { button: number; isRelease?: boolean; column: number; row: number }

const x10 = (...values: number[]) =>
  `\x1b[M${values.map((value) => String.fromCharCode(value + 32)).join('')}`
const CODINGS: [string, (mouse: Mouse) => string][] = [
  ['SGR', ({ button, isRelease, column, row }) => `\x1b[<${button};${column};${row}${isRelease ? 'm' : 'M'}`],
  [
    'urxvt',
    ({ button, isRelease, column, row }) => `\x1b[${(isRelease ? 3 : button) + 32};${column};${row}M`,
  ],
  ['X10', ({ button, isRelease, column, row }) => x10(isRelease ? 3 : button, column, row)],
]
/** Released, moved, dragged, the wheel: all but a button that goes down. */
const MOVES = [{ button: 0, isRelease: true }, { button: 35 }, { button: 32 }, { button: 64 }, { button: 65 }]
const CLICK = [{ button: 0 }, { button: 0, isRelease: true }]

test.each(CODINGS)('the mouse (%s) above the row is the child’s, on the row it never is', async (_, code) => {
  const { screen, starts, read } = await meetLimit()
  const reports = (events: object[], row: number) =>
    [1, 42, 100].flatMap((column) => events.map((event) => code({ button: 0, ...event, column, row })))
  let letters = 0
  /** Each report in one read, then byte by byte; what the child gets of it. */
  const sent = async (list: string[]) => {
    const from = read().length
    const bytes = Buffer.from(list.join(''), 'latin1')
    for (const report of list) screen.type(Buffer.from(report, 'latin1'))
    for (const byte of bytes) screen.type(Buffer.from([byte]))
    const mark = `mark${letters++}`
    for (const letter of mark) screen.type(letter)
    await expect.poll(() => read().slice(from), { timeout: 10_000 }).toMatch(new RegExp(`${mark}$`))
    return read().slice(from, -mark.length)
  }
  await sent([])
  for (const row of [1, 12, 23]) {
    const above = reports([...CLICK, ...MOVES, { button: 2 }, { button: 2, isRelease: true }], row)
    expect(await sent(above)).toBe([...above, ...above].join(''))
  }
  expect(await sent(reports(MOVES, 24))).toBe('')
  await screen.waitFor(OFFER)
  for (const event of CLICK) screen.type(Buffer.from(code({ ...event, column: 3, row: 24 }), 'latin1'))
  await screen.waitFor(QUESTION)
  expect(await sent(reports(MOVES, 24))).toBe('')
  await screen.waitFor(OFFER)
  const column = (screen.text().split('\n')[23] ?? '').indexOf('×') + 1
  for (const event of CLICK) screen.type(Buffer.from(code({ ...event, column, row: 24 }), 'latin1'))
  await screen.waitFor((text) => !text.includes(OFFER) && !text.includes(QUESTION))
  // Now it is a row of the child's.
  const below = reports([...CLICK, ...MOVES], 24)
  expect(await sent(below)).toBe([...below, ...below].join(''))
  expect(starts()).toBe(1)
})

test('goes away by a click on its ×', async () => {
  const { screen, starts } = await meetLimit()
  const row = screen.text().split('\n')[23] ?? ''
  screen.type(`\x1b[<0;${row.indexOf('×') + 1};24M`)
  await screen.waitFor((text) => !text.includes(OFFER))
  expect(starts()).toBe(1)
})

test('takes nothing inside a paste for a command', async () => {
  const { screen, starts } = await meetLimit()
  screen.type('\x1b[200~one \x1d\r\x1b[93;5u two\x1b[201~')
  await screen.waitFor('two')
  await screen.waitFor(OFFER)
  expect(screen.text()).not.toContain(QUESTION)
  expect(starts()).toBe(1)
})

/** A child with the mouse on that says in hex what it has read. */
const READER = `#!/usr/bin/env node
process.stdin.setRawMode(true)
process.stdout.write('\\x1b[?1049h\\x1b[?1000h\\x1b[?1006h\\x1b[?2004hready\\r\\n')
process.stdin.on('data', (input) => process.stdout.write('<' + input.toString('hex') + '>\\r\\n'))
`

test('while no row is up every byte passes as it came', async () => {
  const setup = setUp({ script: READER })
  onTestFinished(setup.tearDown)
  const outer = setup.run()
  await outer.waitFor('ready')
  const input = Buffer.from(
    '\x1d\r\x1b[93;5u\x1b[27;5;93~\x1b[<0;3;24M\x1b[<0;3;24m\x1b[200~\x1d\x1b[201~\x1b[',
    'latin1',
  )
  await outer.type(input)
  const seen = (text: string) => [...text.matchAll(/<([0-9a-f]+)>/g)].map(([, hex]) => hex).join('')
  await outer.waitFor((text) => seen(text).length >= input.length * 2)
  expect(seen(outer.text())).toBe(input.toString('hex'))
})
