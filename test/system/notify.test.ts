import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import pty from 'node-pty'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Notification, type NotifierOptions, openNotifier } from '../../src/notify.ts'
import { waitUntil } from '../support/processes.ts'

let folder: string
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claudef-'))
})
afterAll(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))

const PATH = '/usr/bin:/bin'

/** Notifies; returns what was written to the terminal and to the log, and how long it took in ms. */
async function notify(env: NodeJS.ProcessEnv, words: Notification, terminal?: NotifierOptions['terminal']) {
  const written: string[] = []
  const logged: string[] = []
  const notifier = openNotifier({
    env: { PATH, HOME: folder, ...env },
    platform: 'linux',
    log: (message) => logged.push(message),
    setting: 'on',
    command: undefined,
    terminal: terminal ?? ((sequence) => written.push(sequence)),
  })
  notifier.notify(words)
  await notifier.settled()
  return { written, logged }
}

const LIMIT: Notification = {
  title: '5-hour limit reached',
  text: 'Resets 4:13pm. Run claude-api in ~/proj to go on',
}

describe('on a desktop of D-Bus, an X server and dunst', () => {
  const started: ChildProcess[] = []
  let dunst: number | undefined
  const desktop: NodeJS.ProcessEnv = { PATH, LC_ALL: 'C.UTF-8' }

  /** Starts a program; resolves with the first line that it prints. */
  const start = async (file: string, args: string[]) => {
    const child = spawn(file, args, {
      env: { ...desktop, HOME: folder },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    started.push(child)
    let printed = ''
    child.stdout.on('data', (data) => {
      printed += data
    })
    await waitUntil(() => printed.includes('\n'))
    return printed.split('\n')[0] ?? ''
  }

  const callDunst = (method: string) => {
    const words = ['--session', '--print-reply', '--dest=org.freedesktop.Notifications']
    const call = ['/org/freedesktop/Notifications', `org.dunstproject.cmd0.${method}`]
    return execFileSync('dbus-send', [...words, ...call], { env: desktop, encoding: 'utf8' })
  }

  /** Asked of the bus: a call to dunst itself would start another one, and the first to come would end the second. */
  const isThere = () => {
    const call = ['/org/freedesktop/DBus', 'org.freedesktop.DBus.NameHasOwner']
    const words = ['--session', '--print-reply', '--dest=org.freedesktop.DBus', ...call]
    const options = { env: desktop, encoding: 'utf8' } as const
    return execFileSync('dbus-send', [...words, 'string:org.freedesktop.Notifications'], options).includes(
      'true',
    )
  }

  /** What dunst has shown last. */
  const readLast = () => {
    callDunst('NotificationCloseAll')
    const last = callDunst('NotificationListHistory').split(/^ {6}array \[/m)[1] ?? ''
    const read = (name: string) =>
      new RegExp(`string "${name}"\\s+variant\\s+(?:string|int64) (.*?)\\n +\\)`, 's').exec(last)?.[1]
    const [application, title, text] = ['appname', 'summary', 'body'].map((name) => read(name)?.slice(1, -1))
    return { application, title, text, stays: read('timeout') === '0' }
  }

  beforeAll(async () => {
    desktop.DISPLAY = `:${await start('Xvfb', ['-displayfd', '1', '-screen', '0', '640x480x24'])}`
    const script = 'echo "$$ $DBUS_SESSION_BUS_ADDRESS"; exec dunst'
    const [pid, address = ''] = (await start('dbus-run-session', ['--', 'sh', '-c', script])).split(' ')
    dunst = Number(pid)
    desktop.DBUS_SESSION_BUS_ADDRESS = address
    await waitUntil(isThere)
  })
  afterAll(async () => {
    // The bus ends with its program, and would outlive dbus-run-session.
    if (dunst) process.kill(dunst)
    for (const child of started.reverse()) {
      if (!dunst || child.spawnfile === 'Xvfb') child.kill()
      await waitUntil(() => child.exitCode !== null || child.signalCode !== null)
    }
  })

  test('shows the exact words', async () => {
    const { written, logged } = await notify(desktop, LIMIT)
    expect({ written, logged }).toEqual({ written: [], logged: [] })
    expect(readLast()).toEqual({ application: 'claudef', ...LIMIT, stays: false })
  })

  test('shows words that are options, markup, escapes or of other languages', async () => {
    const title = '--version “<b>ü</b>” & 使用限制 🦊'
    await notify(desktop, { title, text: '-n <i>a</i> && b\\n c:\\x41\\ "$HOME" `id`', urgency: 'critical' })
    expect(readLast()).toEqual({
      application: 'claudef',
      title,
      // As markup, which is what a notification's body is.
      text: '-n &lt;i&gt;a&lt;/i&gt; &amp;&amp; b\\n c:\\x41\\ "$HOME" `id`',
      stays: true,
    })
  })

  test('shows them in a plain locale, too', async () => {
    await notify({ ...desktop, LC_ALL: 'C' }, { title: 'é · ü', text: '…' })
    expect(readLast()).toMatchObject({ title: 'é · ü', text: '…' })
  })
})

describe('without a desktop', () => {
  test('the bell rings, and nothing else is tried', async () => {
    expect(await notify({ DISPLAY: ':0' }, LIMIT)).toEqual({ written: ['\x07'], logged: [] })
  })

  test('nor where the bus is gone, the bell rings', async () => {
    const address = `unix:path=${folder}/none`
    const { written, logged } = await notify({ DBUS_SESSION_BUS_ADDRESS: address }, LIMIT)
    expect(written).toEqual(['\x07'])
    expect(logged).toEqual(['No notification by notify-send: it ended with exit code 1'])
  })
})

describe('in a real tmux', () => {
  /** A pane, and a terminal around it that calls itself `name`, with all that it is sent. */
  const openPane = async (name: string, passthrough: string, seen: (pane: Pane) => Promise<void>) => {
    const socket = path.join(folder, `tmux-${passthrough}`)
    const env = { PATH, HOME: folder, TERM: 'xterm-256color', LC_ALL: 'C.UTF-8' }
    const tmux = (...words: string[]) =>
      execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...words], { env, encoding: 'utf8' }).trim()
    tmux('new-session', '-d', 'sleep 600')
    tmux('set', '-g', 'allow-passthrough', passthrough)
    const outer = pty.spawn('tmux', ['-S', socket, 'attach'], { env, cols: 80, rows: 24 })
    let sent = ''
    outer.onData((data) => {
      if (data.includes('\x1b[>q')) outer.write(`\x1bP>|${name}\x1b\\`)
      sent += data
    })
    const ended = new Promise((resolve) => outer.onExit(resolve))
    try {
      await waitUntil(() => tmux('list-clients', '-F', '#{client_termtype}') === name)
      const [pid, id, tty = ''] = tmux('display-message', '-p', '#{pid} #{pane_id} #{pane_tty}').split(' ')
      const terminal = (sequence: string) => fs.writeFileSync(tty, sequence, { flag: 'a' })
      await seen({ env: { TMUX: `${socket},${pid},0`, TMUX_PANE: id }, terminal, sent: () => sent })
    } finally {
      tmux('kill-server')
      await ended
    }
  }
  type Pane = { env: NodeJS.ProcessEnv; terminal: (sequence: string) => void; sent: () => string }

  test('that passes them on, the terminal around it gets the notification', async () => {
    await openPane('ghostty 1.2.3', 'on', async ({ env, terminal, sent }) => {
      const { logged } = await notify(env, LIMIT, terminal)
      expect(logged).toEqual([])
      await waitUntil(() => sent().includes(`\x1b]777;notify;${LIMIT.title};${LIMIT.text}\x1b\\`))
    })
  })

  test('that does not, the next way is taken', async () => {
    await openPane('ghostty 1.2.3', 'off', async ({ env, terminal, sent }) => {
      const { logged } = await notify(env, LIMIT, terminal)
      expect(logged).toEqual([expect.stringContaining('set -g allow-passthrough on')])
      await waitUntil(() => sent().includes('\x07'))
      expect(sent()).not.toContain('777')
    })
  })
})
