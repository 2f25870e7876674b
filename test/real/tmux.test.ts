import { expect, test } from 'vitest'
import { claudef } from '../support/claudef.ts'
import { openTmuxInTmux, prompt } from '../system/tmux.ts'
import { setUp } from './claudef.ts'
import { turnsOf } from './limit.ts'

type Pane = Awaited<ReturnType<typeof openTmuxInTmux>>

const OFFER = /^ ⚠ 5-hour limit .*Ctrl\+\] /
const METER = /^ API billing .*Ctrl\+\] return$/

test.each([
  ['on the alternate screen', {}],
  ['inline', { CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN: '1' }],
])(
  'in a tmux inside a tmux, %s: offers, switches, follows the window, leaves the shell whole',
  async (_, env) => {
    const setup = await setUp({ auto: false, fallbackKey: false })
    const pane = await openTmuxInTmux({
      folder: setup.home.root,
      cwd: setup.home.cwd,
      // The tmux servers have it in their environment, where the key of the other tests must not be.
      env: { ...setup.env, ...env, CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-tmux-wxyz' },
      ...{ cols: 100, rows: 30, profile: `alias claudef="'${process.execPath}' '${claudef}'"` },
    })
    await pane.submit('clear; stty -a | cksum')
    const attributes = (await pane.waitFor((now) => /^\d+ \d+$/.test(now[0] ?? ''), 'a sum'))[0]
    await pane.submit('claudef')
    await pane.waitFor((now) => now.some((row) => row.includes('Claude Max')), 'Claude Code')
    setup.api.setBehaviour({ subscription: { type: 'limit' } })
    await pane.submit('remember the number 4711')
    await showsRow(pane, OFFER, 100)
    await followWindow(pane, OFFER)
    pane.key('C-]')
    await showsRow(pane, /…wxyz.*Enter yes · Esc no$/, 100)
    pane.key('Enter')
    await pane.waitFor((now) => now.some((row) => row.includes('Mock reply via api.')), 'the reply')
    await showsRow(pane, METER, 100)
    await followWindow(pane, METER)
    expect(turnsOf(setup, 'api').length).toBe(1)

    await pane.submit('/exit')
    await pane.waitFor((now) => now.findLast((row) => row !== '') === prompt.trimEnd(), 'the prompt')
    expect(pane.history().filter((row) => /Ctrl\+\]/.test(row))).toEqual([])
    expect(pane.tellInner('#{alternate_on} #{mouse_any_flag} #{cursor_flag} #{scroll_region_lower}')).toBe(
      '0 0 1 29',
    )
    await pane.submit('seq 1 50; stty -a | cksum')
    await pane.waitFor(
      (now) => now[27] === '50' && now[28] === attributes && now[29] === prompt.trimEnd(),
      'the whole window in use, and the attributes of before',
    )
    await pane.leave()
  },
)

/** The window gets other sizes, and in the end its own again. */
async function followWindow(pane: Pane, row: RegExp): Promise<void> {
  for (const [columns, rows] of [
    [120, 20],
    [90, 40],
    [100, 30],
  ] as const) {
    pane.resize(columns, rows)
    await showsRow(pane, row, columns)
  }
}

/** The row at the bottom and nowhere else, and Claude Code's input box above it, as wide as the window. */
async function showsRow(pane: Pane, row: RegExp, columns: number): Promise<void> {
  const isThere = (now: string[]) => {
    const box = now.filter((text) => text === '─'.repeat(columns))
    return row.test(now.at(-1) ?? '') && box.length >= 2 && now.filter((text) => row.test(text)).length === 1
  }
  await pane.waitFor(isThere, `the row ${row} under a box of ${columns} columns`)
}
