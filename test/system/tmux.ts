import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { processesIn } from '../real/leak.ts'

export type Tmux = Awaited<ReturnType<typeof openTmux>>

export type TmuxOptions = {
  /** The folder of the test's home, for the socket and the shell's start-up file as well. */
  folder: string
  cwd: string
  env: Record<string, string>
  cols: number
  rows: number
  /** Lines for the shell to read when it starts. */
  profile?: string
}

/** What the shell in the pane says when it waits for a command. */
export const prompt = 'ready> '

/** How long a pane may take to show something, ms. */
const patience = 15_000

/**
 * A pane with an interactive `sh` in a tmux server that nobody else knows: a socket of its own, no configuration.
 * The server is ended when the test has finished, and everything in it must have ended with it.
 */
export const openTmux = async (options: TmuxOptions) => {
  const { folder, cwd, env, cols, rows } = options
  const profile = join(folder, 'profile')
  writeFileSync(profile, `PS1='${prompt}'\n${options.profile ?? ''}\n`)
  const tmux = (...words: string[]) =>
    execFileSync('tmux', ['-S', join(folder, 'tmux'), '-f', '/dev/null', ...words], {
      cwd,
      env: { ...env, ENV: profile },
      encoding: 'utf8',
    })
  tmux('new-session', '-d', '-x', String(cols), '-y', String(rows), '/bin/sh')
  onTestFinished(async () => {
    tmux('kill-server')
    const message = 'what outlives its terminal'
    await expect.poll(() => processesIn(folder), { message, timeout: 5000 }).toEqual([])
  })
  const capture = (...words: string[]) =>
    tmux('capture-pane', '-p', ...words)
      .replace(/\n$/, '')
      .split('\n')
      .map((row) => row.trimEnd())
  const pane = {
    /** The visible rows, each without its trailing blanks. */
    rows: () => capture(),
    /** The rows that were scrolled away, and the visible ones. */
    history: () => capture('-S', '-'),
    /** A format of tmux's, such as `#{alternate_on}`. */
    tell: (format: string) => tmux('display-message', '-p', format).trim(),
    key: (name: string) => void tmux('send-keys', name),
    resize: (columns: number, lines: number) =>
      void tmux('resize-window', '-x', String(columns), '-y', String(lines)),
    /** Writes all that the pane's programs print from now on into this file. */
    record: (file: string) => void tmux('pipe-pane', `exec cat >'${file}'`),
    waitFor: (isThere: (rows: string[]) => boolean, what: string) => waitForRows(pane.rows, isThere, what),
    /** Types one line, waits until it stands on the screen, then sends Enter. */
    submit: async (text: string) => {
      const before = count(pane.rows(), text)
      tmux('send-keys', '-l', text)
      await pane.waitFor((now) => count(now, text) > before, `'${text}' typed`)
      tmux('send-keys', 'Enter')
    },
  }
  await pane.waitFor((now) => now[0] === prompt.trimEnd(), 'the shell')
  return pane
}

/**
 * The same with a second tmux in the pane, which has the whole of it to itself: a server of its own, too. What is seen
 * is what the outer one shows. `leave` ends the inner shell, and with it the inner tmux.
 */
export const openTmuxInTmux = async (options: TmuxOptions) => {
  const { folder, cwd, env } = options
  const [socket, settings] = [join(folder, 'inner'), join(folder, 'inner.conf')]
  writeFileSync(settings, 'set -g status off\n')
  const inner = `alias inner="TMUX= tmux -S '${socket}' -f '${settings}' new-session /bin/sh"`
  const pane = await openTmux({ ...options, profile: `${inner}\n${options.profile ?? ''}` })
  const tmux = (...words: string[]) =>
    spawnSync('tmux', ['-S', socket, ...words], { cwd, env, encoding: 'utf8' }).stdout
  onTestFinished(() => void tmux('kill-server'))
  await pane.submit('inner')
  await pane.waitFor((now) => now[0] === prompt.trimEnd(), 'the inner shell')
  return {
    ...pane,
    /** A format of the inner tmux's. */
    tellInner: (format: string) => tmux('display-message', '-p', format).trim(),
    leave: async () => {
      await pane.submit('exit')
      await pane.waitFor(
        (now) => now.includes('[exited]') && now.findLast((row) => row !== '') === prompt.trimEnd(),
        'the outer shell',
      )
    },
  }
}

const waitForRows = async (read: () => string[], isThere: (rows: string[]) => boolean, what: string) => {
  for (const end = Date.now() + patience; Date.now() < end; await sleep(25)) {
    const rows = read()
    if (isThere(rows)) return rows
  }
  const frame = read().map((row) => `  | ${row}`)
  throw new Error(`${patience} ms passed while waiting for: ${what}. The pane:\n${frame.join('\n')}`)
}

const count = (rows: string[], text: string) => rows.filter((row) => row.includes(text)).length
