import xterm from '@xterm/headless'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  cleanNotification,
  readTerminal,
  readTmux,
  renderNotifySend,
  renderTerminalNotification,
  type TerminalProtocol,
  TOAST_SCRIPT,
  wrapForTmux,
} from '../../src/core/notification.ts'

const LIMIT = { title: '5-hour limit reached', text: 'Resets 4:13pm. Run claude-api in ~/proj to go on' }

describe('what may be shown', () => {
  test('is one line, without control characters, marks of direction and halves of characters', () => {
    const title = '\x1b]0;owned\x07 a\u0000b\r\nc\u009bd \u202eevil\ud800'
    expect(cleanNotification({ title, text: '\ttwo\u2028lines ' })).toEqual({
      title: ']0;owned a b c d evil',
      text: 'two lines',
    })
  })

  test('is cut between characters', () => {
    const { title, text } = cleanNotification({ title: '🦊'.repeat(101), text: 'x'.repeat(400) })
    expect(title).toBe(`${'🦊'.repeat(99)}…`)
    expect(text).toBe('x'.repeat(400))
  })

  test('has a title in any case', () => {
    expect(cleanNotification({ title: '\x07', text: 'a', urgency: 'critical' })).toEqual({
      title: 'claudef',
      text: 'a',
      urgency: 'critical',
    })
  })
})

describe('the terminal', () => {
  test.each<[string, Record<string, string>, TerminalProtocol]>([
    ['iTerm2', { TERM: 'xterm-256color', TERM_PROGRAM: 'iTerm.app' }, 'OSC 9'],
    ['iTerm2 over SSH', { TERM: 'xterm-256color', LC_TERMINAL: 'iTerm2' }, 'OSC 9'],
    ['WezTerm', { TERM: 'xterm-256color', TERM_PROGRAM: 'WezTerm' }, 'OSC 777'],
    ['kitty', { TERM: 'xterm-kitty' }, 'OSC 99'],
    ['kitty, started from GNOME Terminal', { TERM: 'xterm-kitty', VTE_VERSION: '7600' }, 'OSC 99'],
    ['Ghostty', { TERM: 'xterm-ghostty', TERM_PROGRAM: 'ghostty' }, 'OSC 777'],
    ['Ghostty over SSH', { TERM: 'xterm-ghostty' }, 'OSC 777'],
    ['foot', { TERM: 'foot-extra' }, 'OSC 777'],
    ['Warp', { TERM: 'xterm-256color', TERM_PROGRAM: 'WarpTerminal' }, 'OSC 777'],
  ])('%s takes notifications', (_, env, protocol) => {
    expect(readTerminal(env)).toEqual({ protocol })
  })

  test.each<[string, Record<string, string>]>([
    ['no terminal', {}],
    ['a plain xterm', { TERM: 'xterm-256color' }],
    ['xterm, started from WezTerm', { TERM: 'xterm', TERM_PROGRAM: 'WezTerm', XTERM_VERSION: 'XTerm(390)' }],
    ['Alacritty, started from iTerm2', { TERM: 'alacritty', TERM_PROGRAM: 'iTerm.app' }],
    ['the terminal of VS Code', { TERM: 'xterm-256color', TERM_PROGRAM: 'vscode' }],
    ['Windows Terminal', { TERM: 'xterm-256color', WT_SESSION: 'made-up' }],
    ['GNU screen in kitty', { TERM: 'xterm-kitty', STY: '1.a' }],
    ['tmux in GNU screen', { TERM: 'screen', STY: '1.a', TMUX: '/tmp/a,1,0' }],
    ['Zellij in kitty', { TERM: 'xterm-kitty', ZELLIJ: '0' }],
    ['Neovim in Ghostty', { TERM: 'xterm-256color', TERM_PROGRAM: 'ghostty', NVIM: '/tmp/nvim' }],
    ['a tmux on another machine', { TERM: 'tmux-256color', LC_TERMINAL: 'iTerm2' }],
    ['a program of a strange name', { TERM: 'xterm', TERM_PROGRAM: 'constructor' }],
  ])('%s takes none', (_, env) => {
    expect(readTerminal(env)).toEqual({ reason: expect.stringMatching(/./) })
  })

  test('inside tmux is for tmux to tell', () => {
    expect(readTerminal({ TERM: 'tmux-256color', TERM_PROGRAM: 'tmux', TMUX: '/tmp/a,1,0' })).toBe('tmux')
  })
})

describe('the answer of tmux', () => {
  test.each<[string, string, TerminalProtocol]>([
    ['on, in sight', 'on|1|0|1|xterm-256color|iTerm2 3.5.4\n', 'OSC 9'],
    ['3.3', '1|1|0|1|xterm-ghostty|', 'OSC 777'],
    ['before 3.3', '|1|0|1|xterm-kitty|', 'OSC 99'],
    ['all, out of sight', 'all|0|0|0|foot|foot(1.16.2)', 'OSC 777'],
    ['one of two panes in sight', 'on|1|0|0|xterm-256color|WezTerm 20240203', 'OSC 777'],
  ])('%s: passes on', (_, answer, protocol) => {
    expect(readTmux(answer)).toEqual({ protocol })
  })

  test.each([
    ['off', 'off|1|0|1|xterm-kitty|kitty(0.35)', 'set -g allow-passthrough on'],
    ['3.3, off', '0|1|0|1|xterm-kitty|', 'set -g allow-passthrough on'],
    ['another window in sight', 'on|0|0|1|xterm-kitty|', 'out of sight'],
    ['behind a zoomed pane', 'on|1|1|0|xterm-kitty|', 'out of sight'],
    ['detached', 'on|1|0|1||', 'no terminal is attached'],
    ['tmux in tmux', 'on|1|0|1|tmux-256color|tmux 3.4', 'tmux 3.4'],
    ['nothing', '', 'no terminal is attached'],
  ])('%s: does not', (_, answer, words) => {
    expect(readTmux(answer)).toEqual({ reason: expect.stringContaining(words) })
  })
})

/** What a real parser of terminal output makes of it: the OSC strings, and what is left on the screen. */
async function show(output: string) {
  const terminal = new xterm.Terminal({ cols: 80, rows: 5, allowProposedApi: true })
  const strings: string[] = []
  for (const code of [9, 99, 777]) {
    terminal.parser.registerOscHandler(code, (data) => strings.push(`${code};${data}`) > 0)
  }
  await new Promise<void>((resolve) => terminal.write(output, resolve))
  const { active } = terminal.buffer
  const screen = Array.from({ length: 5 }, (_, y) => active.getLine(y)?.translateToString(true)).join('')
  terminal.dispose()
  return { strings, screen }
}

function decode(osc: string | undefined) {
  return Buffer.from(osc?.split(';')[2] ?? '', 'base64').toString()
}

describe('the sequence', () => {
  test('OSC 9 is one line, that is no command of ConEmu', async () => {
    const { strings } = await show(renderTerminalNotification('OSC 9', LIMIT))
    expect(strings).toEqual(['9; 5-hour limit reached: Resets 4:13pm. Run claude-api in ~/proj to go on'])
    const bare = await show(renderTerminalNotification('OSC 9', { title: 'Back', text: '' }))
    expect(bare.strings).toEqual(['9;Back'])
  })

  test('OSC 777 has three fields, whatever is in them', async () => {
    const { strings } = await show(renderTerminalNotification('OSC 777', { title: 'a;b', text: 'c; d' }))
    expect(strings).toEqual(['777;notify;a,b;c, d'])
  })

  test('OSC 99 has title and text as pieces of one notification', async () => {
    const text = 'Paris · 4:13pm; 🦊'
    const { strings } = await show(
      renderTerminalNotification('OSC 99', { ...LIMIT, text, urgency: 'critical' }),
    )
    expect(strings.map((string) => string.split(';')[1])).toEqual([
      expect.stringMatching(/^i=claudef-[a-z0-9]+:e=1:u=2:d=0$/),
      expect.stringMatching(/^i=claudef-[a-z0-9]+:e=1:u=2:p=body$/),
    ])
    expect(strings.map(decode)).toEqual([LIMIT.title, text])
    expect(strings[0]?.split(':')[0]).toBe(strings[1]?.split(':')[0])
  })

  test('OSC 99 without a text is done with the title', async () => {
    const { strings } = await show(renderTerminalNotification('OSC 99', { title: 'Back', text: '' }))
    expect(strings).toEqual([expect.stringMatching(/^99;i=claudef-[a-z0-9]+:e=1:u=1;QmFjaw==$/)])
  })

  const protocols: TerminalProtocol[] = ['OSC 9', 'OSC 777', 'OSC 99']
  test.each(protocols)('%s: no words get out of it', async (protocol) => {
    const words = fc.string({ unit: 'binary' })
    await fc.assert(
      fc.asyncProperty(words, words, async (title, text) => {
        const clean = cleanNotification({ title, text })
        const { strings, screen } = await show(renderTerminalNotification(protocol, clean))
        expect(strings).toHaveLength(protocol === 'OSC 99' && clean.text !== '' ? 2 : 1)
        expect(screen).toBe('')
      }),
    )
  })

  test('goes through tmux with its escapes doubled', () => {
    expect(wrapForTmux('\x1b]9;a\x1b\\')).toBe('\x1bPtmux;\x1b\x1b]9;a\x1b\x1b\\\x1b\\')
  })
})

test('notify-send gets the words behind `--`, the text without markup and escapes', () => {
  expect(renderNotifySend({ title: '--help <b>', text: 'a < b & c \\n', urgency: 'critical' })).toEqual([
    '--app-name=claudef',
    '--urgency=critical',
    '--',
    '--help <b>',
    'a &lt; b &amp; c \\\\n',
  ])
})

test('the toast is one line that any quoting leaves alone', () => {
  expect(TOAST_SCRIPT).not.toMatch(/["\n`]/)
})
