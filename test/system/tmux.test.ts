import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { claudef } from '../support/claudef.ts'
import { readIfAny, setUp } from './claudef.ts'
import { openTmux, openTmuxInTmux, prompt, type Tmux } from './tmux.ts'

const screens = [
  ['on the alternate screen', {}],
  ['inline', { CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN: '1' }],
] as const

describe.each(screens)('in tmux, %s', (_, screenEnv) => {
  test('offers the switch in the bottom row, asks once more, and switches', async () => {
    const { pane } = await open(screenEnv)
    await meetLimit(pane)
    pane.key('C-]')
    await showsRow(pane, /Enter yes · Esc no/)
    pane.key('Escape')
    await showsRow(pane, /^ ⚠ 5-hour limit/)
    await acceptSwitch(pane)
  })

  test('keeps the row at the bottom when the window changes its size', async () => {
    const { pane } = await open(screenEnv)
    await meetLimit(pane)
    await followWindow(pane, /^ ⚠ 5-hour limit/)
    await pane.submit('say all is well')
    await pane.waitFor(includes('● all is well'), 'the answer')
    await showsRow(pane, /^ ⚠ 5-hour limit/)
  })

  test('has the row in the title of a small window, and the title of Claude Code again after it', async () => {
    const { pane } = await open(screenEnv)
    const title = () => expect.poll(() => pane.tell('#{pane_title}'), { timeout: 10_000 })
    await title().toContain('Claude Code')
    const own = pane.tell('#{pane_title}')
    await meetLimit(pane)
    expect(pane.tell('#{pane_title}')).toBe(own)
    pane.resize(60, 7)
    await title().toContain('⚠ 5-hour limit')
    pane.resize(80, 24)
    await title().toBe(own)
    await showsRow(pane, /^ ⚠ 5-hour limit/)
    pane.resize(39, 24)
    await title().toContain('⚠ 5-hour limit')
    await pane.submit('/exit')
    // What Claude Code itself leaves.
    await title().toBe('')
  })

  test('leaves the shell as it was', async () => {
    const { pane, root } = await open(screenEnv)
    await meetLimit(pane)
    await acceptSwitch(pane)
    await leave(pane)
    const rows = pane.rows()
    expect(count(rows, /API billing|Ctrl\+\]/)).toBe(0)
    expect(rows).toContain('Resume this session with:')
    expect(rows.filter((row) => row.startsWith('claude --resume'))).toEqual([
      expect.stringMatching(/^claude --resume \S+$/),
    ])
    expect(pane.tell('#{alternate_on} #{mouse_any_flag} #{cursor_flag} #{scroll_region_upper}')).toBe(
      '0 0 1 0',
    )
    expect(pane.tell('#{scroll_region_lower}')).toBe('23')
    await expectWholeShell(pane, root)
  })

  test('switches by itself without a flash of the shell', async () => {
    const { pane, root } = await open(screenEnv, { CLAUDE_FALLBACK_AUTO_RESTART: '1' })
    pane.record(join(root, 'record'))
    await pane.submit('limit')
    await pane.waitFor(includes('(via API)'), 'the reply on the key')
    await showsRow(pane, /^ API billing\b/)
    const recorded = () => readIfAny(join(root, 'record'))
    await expect.poll(recorded).toContain('(via API)')
    expect(recorded()).toContain('Continue where you left off.')
    expect(recorded()).not.toContain('\x1b[?1049l')
    expect(recorded()).not.toContain('Resume this session with')
    await leave(pane)
    expect(count(pane.rows(), /Resume this session with/)).toBe(1)
  })
})

describe.each(screens)('in tmux inside tmux, %s', (_, screenEnv) => {
  test('offers, asks, switches, follows the window, and leaves the shells as they were', async () => {
    const { root, ...options } = prepare(screenEnv)
    const pane = await openTmuxInTmux({ ...options, folder: root })
    const modes = '#{alternate_on} #{mouse_any_flag} #{cursor_flag} #{scroll_region_upper} #{pane_title}'
    await pane.submit('clear')
    const before = pane.tellInner(modes).replace(/ [^ ]*$/, ' ')
    await startIn(pane, root)
    await meetLimit(pane)
    await followWindow(pane, /^ ⚠ 5-hour limit/)
    pane.key('C-]')
    await showsRow(pane, /Enter yes · Esc no/)
    pane.key('Escape')
    await showsRow(pane, /^ ⚠ 5-hour limit/)
    await acceptSwitch(pane)
    await pane.submit('say all is 漢字')
    await pane.waitFor(includes('● all is 漢字'), 'the answer')
    await followWindow(pane, /^ API billing\b.*return$/)
    await leave(pane)
    expect(count(pane.history(), /API billing|Ctrl\+\]/)).toBe(0)
    expect(pane.tellInner(modes)).toBe(before.trimEnd())
    await expectWholeShell(pane, root)
    await pane.leave()
    expect(pane.tell('#{alternate_on} #{mouse_any_flag} #{cursor_flag}')).toBe('0 0 1')
    await expectWholeShell(pane, root)
  })
})

const conversations = [
  ['shorter than the window', []],
  ['longer than the window', ['one', 'two', 'three', 'four']],
] as const

describe.each(conversations)('in tmux, inline, a conversation %s', (_, said) => {
  test('leaves every line of the shell and of its own in the scrollback', async () => {
    const { pane } = await open({ CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN: '1' })
    for (const word of said) {
      await pane.submit(`say ${word}`)
      await pane.waitFor((now) => now.includes(`● ${word}`), `the answer ${word}`)
    }
    const lines = [
      ...['first', 'second', 'third'],
      ...said.flatMap((word) => [`❯ say ${word}`, `● ${word}`]),
      '❯ limit',
    ]
    const shown = () => inOrder(pane.history(), lines)
    await meetLimit(pane)
    await expect.poll(shown).toEqual(lines)
    await acceptSwitch(pane)
    await expect.poll(shown).toEqual(lines)
    await leave(pane)
    expect(shown()).toEqual(lines)
    // What the second Claude Code drew stands under what the first one left, not over it.
    const headers = pane.history().filter((row) => row.includes('Claude Code v'))
    expect([...new Set(headers)]).toEqual([' ✻  Claude Code v2.1.330 (fake)'])
    expect(count(pane.rows(), /Ctrl\+\]/)).toBe(0)
  })
})

const prepare = (env: Record<string, string>) => ({
  ...setUp({ env }),
  ...{ cols: 80, rows: 24, profile: `alias claudef="'${process.execPath}' '${claudef}'"` },
})

/** A shell that has said something, and claudef in it. */
const open = async (screenEnv: Record<string, string>, more: Record<string, string> = {}) => {
  const { root, ...options } = prepare({ ...screenEnv, ...more })
  const pane = await openTmux({ ...options, folder: root })
  await startIn(pane, root)
  return { pane, root }
}

const startIn = async (pane: Tmux, root: string) => {
  await pane.submit(`stty -a >'${root}/before'; printf 'first\\nsecond\\nthird\\n'`)
  await pane.waitFor((now) => now.includes('third'), 'the shell’s words')
  await pane.submit('claudef')
  await pane.waitFor(includes('auto mode on'), 'Claude Code')
}

/** The window gets other sizes, and in the end its own again. */
const followWindow = async (pane: Tmux, row: RegExp) => {
  for (const [columns, rows] of [
    [100, 15],
    [60, 30],
    [120, 24],
    [80, 24],
  ] as const) {
    pane.resize(columns, rows)
    await pane.waitFor(includes('─'.repeat(columns)), `a box ${columns} columns wide`)
    await showsRow(pane, row)
    await pane.waitFor((now) => count(now, row) === 1, 'the row once')
  }
}

/** The terminal is as it was before, and all of the window is the shell's. */
const expectWholeShell = async (pane: Tmux, root: string) => {
  await pane.submit(`stty -a >'${root}/after'; seq 1 50`)
  await pane.waitFor((now) => now[22] === '50' && now[23] === prompt.trimEnd(), 'the whole window in use')
  expect(readFileSync(join(root, 'after'), 'utf8')).toBe(readFileSync(join(root, 'before'), 'utf8'))
}

const meetLimit = async (pane: Tmux) => {
  await pane.submit('limit')
  await showsRow(pane, /^ ⚠ 5-hour limit · resets .* · Ctrl\+\] /)
}

const acceptSwitch = async (pane: Tmux) => {
  pane.key('C-]')
  await showsRow(pane, /Enter yes · Esc no/)
  pane.key('Enter')
  await pane.waitFor(includes('(via API)'), 'the reply on the key')
  await showsRow(pane, /^ API billing\b/)
}

const leave = async (pane: Tmux) => {
  pane.key('C-c')
  await pane.waitFor(includes('again to exit'), 'the question whether to exit')
  pane.key('C-c')
  await pane.waitFor((now) => now.findLast((row) => row !== '') === prompt.trimEnd(), 'the prompt')
}

/** Claude Code's input box and status lines, whole and right above claudef's row at the bottom of the window. */
const showsRow = (pane: Tmux, row: RegExp) =>
  pane.waitFor((now) => {
    const above = now.slice(0, -1).filter((text) => text !== '')
    const bottomRule = above.findLastIndex((text) => /^─+$/.test(text))
    const hasBox = /^❯/.test(above[bottomRule - 1] ?? '') && /^─+$/.test(above[bottomRule - 2] ?? '')
    return row.test(now.at(-1) ?? '') && hasBox && /auto mode on/.test(above.at(-1) ?? '')
  }, `the row ${row} under Claude Code’s own`)

const includes = (text: string) => (rows: string[]) => rows.some((row) => row.includes(text))

const count = (rows: string[], pattern: RegExp) => rows.filter((row) => pattern.test(row)).length

/** Those of the lines that stand in the rows, in their order. */
const inOrder = (rows: string[], lines: string[]) => {
  let at = -1
  return lines.filter((line) => {
    const next = rows.indexOf(line, at + 1)
    if (next >= 0) at = next
    return next >= 0
  })
}
