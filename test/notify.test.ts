import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { describeNotifiers, type NotifierOptions, openNotifier } from '../src/notify.ts'
import { exists, waitUntil } from './support/processes.ts'

const WORDS = { title: '5-hour limit "$(touch pwned)"', text: "it's back; `id` \\n & <b>" }
const KEY = 'sk-ant-api03-made-up-for-tests'

let folder: string
let bin: string
let logged: string[]
let written: string[]
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claudef-'))
  bin = path.join(folder, 'bin')
  fs.mkdirSync(bin)
  logged = []
  written = []
})
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

function options(more: Partial<NotifierOptions> & { env?: NodeJS.ProcessEnv } = {}): NotifierOptions {
  return {
    platform: 'linux',
    log: (message) => logged.push(message),
    setting: 'on',
    command: undefined,
    terminal: (sequence) => written.push(sequence),
    ...more,
    env: { PATH: `${bin}:/usr/bin:/bin`, ...more.env },
  }
}

function shell(lines: string): string[] {
  return ['/bin/sh', '-c', lines]
}

/** A program on PATH; `$OUT` in its lines is a file of its own. */
function addProgram(name: string, lines: string) {
  const file = path.join(bin, name)
  fs.writeFileSync(file, `#!/bin/sh\nOUT='${outOf(name)}'\n${lines}\n`, { mode: 0o755 })
}

function outOf(name: string) {
  return path.join(folder, `${name}.out`)
}

function read(name: string) {
  return fs.readFileSync(outOf(name), 'utf8')
}

/** Notifies once; returns how long all of it took, in ms. */
async function notify(more: Parameters<typeof options>[0] = {}) {
  const notifier = openNotifier(options(more))
  const start = performance.now()
  notifier.notify(WORDS)
  await notifier.settled()
  return performance.now() - start
}

const BUS = { DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere' }
const HANG = `echo $$ >"$OUT"; trap '' TERM INT HUP; sleep 60 & echo $! >>"$OUT"; wait; sleep 60`

describe('your own command', () => {
  const command = shell(
    `printf '%s\\n' "$CLAUDE_FALLBACK_NOTIFY_TITLE" "$CLAUDE_FALLBACK_NOTIFY_TEXT" >"$OUT"`,
  )

  test('gets the words in its environment, and comes before all else', async () => {
    addProgram('notify-send', 'echo >"$OUT"')
    await notify({ command, env: { OUT: outOf('own'), TERM: 'xterm-kitty', ...BUS } })
    expect(read('own')).toBe(`${WORDS.title}\n${WORDS.text}\n`)
    expect({ written, logged, files: fs.readdirSync(folder).sort() }).toEqual({
      written: [],
      logged: [],
      files: ['bin', 'own.out'],
    })
  })

  test('gets no key, no terminal and no folder of yours', async () => {
    const keys = { CLAUDE_FALLBACK_API_KEY: KEY, ANTHROPIC_API_KEY: KEY, ANTHROPIC_AUTH_TOKEN: KEY }
    // The leader of a session of its own has no terminal.
    const lines =
      'env >"$OUT"; pwd >>"$OUT"; [ "$(ps -o sid= -p $$ | tr -d " ")" = $$ ] && echo alone >>"$OUT"'
    await notify({ command: shell(lines), env: { OUT: outOf('own'), ...keys } })
    expect(read('own')).toContain('CLAUDE_FALLBACK_NOTIFY_TITLE=')
    expect(read('own')).not.toMatch(/made-up-for-tests|_API_KEY|AUTH_TOKEN/)
    expect(read('own')).toMatch(/^\/\nalone$/m)
  })

  test('that fails is followed by the next way; the log does not tell what it was', async () => {
    await notify({ command: shell(`exit 3 # ${KEY}`), env: {} })
    expect(written).toEqual(['\x07'])
    expect(logged).toEqual(['No notification by your own command: it ended with exit code 3'])
  })

  test('may print what it likes', async () => {
    const printed = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')]
    await notify({
      command: shell('head -c 30000000 /dev/zero; head -c 30000000 /dev/zero >&2; echo >"$OUT"'),
      env: { OUT: outOf('own') },
    })
    expect(read('own')).toBe('\n')
    expect({ written, logged }).toEqual({ written: [], logged: [] })
    for (const spy of printed) expect(spy).not.toHaveBeenCalled()
    vi.restoreAllMocks()
  })
})

describe('the terminal', () => {
  test('gets the sequence that it takes', async () => {
    addProgram('notify-send', 'echo >"$OUT"')
    await notify({ env: { TERM: 'foot', ...BUS } })
    expect(written).toEqual([`\x1b]777;notify;${WORDS.title};it's back, \`id\` \\n & <b>\x1b\\`])
    expect(fs.existsSync(outOf('notify-send'))).toBe(false)
  })

  test('through tmux gets it wrapped, where tmux passes it on', async () => {
    addProgram('tmux', `printf '%s\\n' "$@" >"$OUT"; echo 'on|1|0|1|xterm-256color|iTerm2 3.5'`)
    await notify({ env: { TMUX: '/tmp/a,1,0', TMUX_PANE: '%3' } })
    expect(read('tmux')).toMatch(/^display-message\n-p\n-t\n%3\n#\{allow-passthrough\}/)
    expect(written).toEqual([
      expect.stringMatching(/^\x1bPtmux;\x1b\x1b\]9; 5-hour limit.*\x1b\x1b\\\x1b\\$/),
    ])
  })

  test.each([
    [
      'passes none on',
      "echo 'off|1|0|1|xterm-kitty|'",
      /^No notification by the terminal: tmux passes none on/,
    ],
    ['fails', 'exit 1', /exit code 1$/],
    ['prints too much', 'head -c 30000000 /dev/zero', /over 4096 bytes$/],
  ])('is passed over where tmux %s', async (_, lines, sentence) => {
    addProgram('tmux', lines)
    await notify({ env: { TMUX: '/tmp/a,1,0' } })
    expect(written).toEqual(['\x07'])
    expect(logged).toEqual([expect.stringMatching(sentence)])
  })

  test('that cannot be written to is no reason to fail', async () => {
    const terminal = () => {
      throw new Error('EIO')
    }
    await notify({ terminal, env: { TERM: 'foot' } })
    expect(logged).toEqual([
      'No notification by the terminal: EIO',
      'No notification by the bell: EIO',
      expect.stringMatching(/^No way to notify: 5-hour limit/),
    ])
  })
})

describe('the programs', () => {
  test('notify-send gets the words as arguments', async () => {
    addProgram('notify-send', `printf '%s\\n' "$@" >"$OUT"`)
    await notify({ env: BUS })
    expect(read('notify-send').split('\n')).toEqual([
      '--app-name=claudef',
      '--urgency=normal',
      '--',
      WORDS.title,
      "it's back; `id` \\\\n &amp; &lt;b&gt;",
      '',
    ])
    expect({ written, logged }).toEqual({ written: [], logged: [] })
  })

  test('notify-send without a D-Bus session is not tried', async () => {
    addProgram('notify-send', 'echo >"$OUT"')
    await notify({ env: { XDG_RUNTIME_DIR: folder, DISPLAY: ':0' } })
    expect({ written, logged, tried: fs.existsSync(outOf('notify-send')) }).toEqual({
      written: ['\x07'],
      logged: [],
      tried: false,
    })
  })

  test('osascript gets a script that never changes, and the words as arguments', async () => {
    addProgram('osascript', `printf '%s\\n' "$@" >"$OUT"; cat >>"$OUT"`)
    await notify({ platform: 'darwin', env: BUS })
    expect(read('osascript')).toBe(
      `-\n${WORDS.title}\n${WORDS.text}\non run argv\n` +
        '  display notification (item 2 of argv) with title (item 1 of argv)\nend run\n',
    )
  })

  test('powershell.exe gets the words through WSLENV, beside what is shared already', async () => {
    addProgram('powershell.exe', `printf '%s\\n' "$WSLENV" "$CLAUDE_FALLBACK_NOTIFY_TEXT" "$@" >"$OUT"`)
    await notify({ env: { WSL_DISTRO_NAME: 'Debian', WSLENV: 'A/p:B' } })
    const [shared, text, ...args] = read('powershell.exe').split('\n')
    expect(shared).toBe('A/p:B:CLAUDE_FALLBACK_NOTIFY_TITLE/w:CLAUDE_FALLBACK_NOTIFY_TEXT/w')
    expect(text).toBe(WORDS.text)
    expect(args.slice(0, 3)).toEqual(['-NoProfile', '-NonInteractive', '-Command'])
    expect(args.join('\n')).not.toContain('limit')
  })

  test('that are missing or fail are passed over, each with a line in the log', async () => {
    addProgram('notify-send', 'kill -9 $$')
    await notify({ env: { ...BUS, WSL_INTEROP: '/run/WSL/1_interop' } })
    expect(written).toEqual(['\x07'])
    expect(logged).toEqual([
      'No notification by notify-send: it was ended by SIGKILL',
      'No notification by powershell.exe: it is not on PATH',
    ])
  })

  test('that hang are killed after 5 s, with all that they started', async () => {
    addProgram('notify-send', HANG)
    const took = await notify({ env: BUS })
    expect(took).toBeGreaterThan(4900)
    expect(written).toEqual(['\x07'])
    expect(logged).toEqual(['No notification by notify-send: no end after 5 s'])
    const pids = read('notify-send').trim().split('\n').map(Number)
    expect(pids).toHaveLength(2)
    await waitUntil(() => !pids.some(exists))
  })
})

describe('the caller', () => {
  test('is not delayed, and is told in order', async () => {
    const command = shell('sleep 0.2; echo "$CLAUDE_FALLBACK_NOTIFY_TITLE" >>"$OUT"')
    const notifier = openNotifier(options({ command, env: { OUT: outOf('own') } }))
    for (const title of ['one', 'two']) notifier.notify({ title, text: '' })
    expect(fs.existsSync(outOf('own'))).toBe(false)
    await notifier.settled()
    expect(read('own')).toBe('one\ntwo\n')
  })

  test('may ask for too much', async () => {
    const notifier = openNotifier(options())
    for (let count = 0; count < 25; count += 1) notifier.notify({ title: `n${count}`, text: '' })
    await notifier.settled()
    expect(written).toHaveLength(20)
    expect(logged).toEqual([20, 21, 22, 23, 24].map((n) => `Notification 'n${n}' dropped: too many`))
    notifier.notify(WORDS)
    await notifier.settled()
    expect(written).toHaveLength(21)
  })

  test('may have turned it off', async () => {
    await notify({ setting: 'off', command: shell('echo >"$OUT"'), env: { OUT: outOf('own'), TERM: 'foot' } })
    expect({ written, logged, files: fs.readdirSync(folder) }).toEqual({
      written: [],
      logged: [],
      files: ['bin'],
    })
  })

  test('may have neither terminal nor desktop', async () => {
    const { terminal: _, ...daemon } = options()
    const notifier = openNotifier(daemon)
    notifier.notify(WORDS)
    await notifier.settled()
    expect(logged).toEqual([`No way to notify: ${WORDS.title}: ${WORDS.text}`])
  })

  test('may exit at once, which ends what still hangs', async () => {
    addProgram('notify-send', HANG)
    const script = path.join(folder, 'caller.mjs')
    const module = path.resolve(import.meta.dirname, '../dist/notify.js')
    fs.writeFileSync(
      script,
      `import fs from 'node:fs'
       import { openNotifier } from ${JSON.stringify(module)}
       const options = { platform: 'linux', log: console.log, setting: 'on', command: undefined, env: process.env }
       openNotifier(options).notify({ title: 'a', text: 'b' })
       // Held only until the program runs.
       const timer = setInterval(() => fs.existsSync(${JSON.stringify(outOf('notify-send'))}) && clearInterval(timer), 5)`,
    )
    const caller = spawn(process.execPath, [script], { env: { PATH: `${bin}:/usr/bin:/bin`, ...BUS } })
    let printed = ''
    for (const stream of [caller.stdout, caller.stderr]) stream.on('data', (data) => (printed += data))
    const code = await new Promise((resolve) => caller.once('close', resolve))
    expect({ code, printed }).toEqual({ code: 0, printed: '' })
    const pids = read('notify-send').trim().split('\n').map(Number)
    await waitUntil(() => !pids.some(exists))
  })
})

describe('the description', () => {
  function names(list: ReturnType<typeof describeNotifiers>) {
    return list.filter(({ usable }) => usable).map(({ name }) => name)
  }

  test('names the ways in order, with a reason each', () => {
    addProgram('notify-send', 'echo >"$OUT"')
    const list = describeNotifiers(options({ command: ['true'], env: { TERM: 'xterm-kitty', ...BUS } }))
    expect(list).toMatchInlineSnapshot(`
      [
        {
          "name": "your own command",
          "reason": "CLAUDE_FALLBACK_NOTIFY_COMMAND is set",
          "usable": true,
        },
        {
          "name": "the terminal",
          "reason": "takes OSC 99",
          "usable": true,
        },
        {
          "name": "notify-send",
          "reason": "there is a D-Bus session",
          "usable": true,
        },
        {
          "name": "osascript",
          "reason": "this is not macOS",
          "usable": false,
        },
        {
          "name": "powershell.exe",
          "reason": "this is not WSL",
          "usable": false,
        },
        {
          "name": "the bell",
          "reason": "every terminal has one",
          "usable": true,
        },
      ]
    `)
    expect(fs.existsSync(outOf('notify-send'))).toBe(false)
  })

  test('looks for the programs, and asks tmux', () => {
    addProgram('tmux', "echo 'off|1|0|1|xterm-kitty|'")
    const env = { PATH: bin, TMUX: '/tmp/a,1,0', WSL_DISTRO_NAME: 'Debian', ...BUS }
    const list = describeNotifiers(options({ env }))
    expect(names(list)).toEqual(['the bell'])
    expect(list.map(({ reason }) => reason)).toEqual([
      'CLAUDE_FALLBACK_NOTIFY_COMMAND is not set',
      expect.stringContaining('set -g allow-passthrough on'),
      'notify-send is not on PATH',
      'this is not macOS',
      'powershell.exe is not on PATH',
      'every terminal has one',
    ])
    addProgram('tmux', "echo 'on|1|0|1|xterm-kitty|'")
    expect(names(describeNotifiers(options({ env })))).toEqual(['the terminal', 'the bell'])
  })

  test('says that all of it is off', () => {
    const list = describeNotifiers(options({ setting: 'off', command: ['true'] }))
    expect(names(list)).toEqual([])
    expect(new Set(list.map(({ reason }) => reason))).toEqual(new Set(['CLAUDE_FALLBACK_NOTIFY is off']))
  })
})
