import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { claudef, type Setup, setUp } from '../support/claudef.ts'
import { bash, openJob } from '../support/shell.ts'

const repository = fileURLToPath(new URL('../../', import.meta.url))
const switching = {
  CLAUDE_FALLBACK_AUTO_RESTART: '1',
  CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-tests',
}

let setup: Setup
afterEach(() => setup.tearDown())

/** claudef as installed where node-pty could not be: everything else is there. */
const installWithoutPty = () => {
  const folder = setup.file('installed')
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  for (const name of ['bin', 'dist', 'package.json'])
    cpSync(join(repository, name), join(folder, name), { recursive: true })
  for (const name of readdirSync(join(repository, 'node_modules'))) {
    if (name !== 'node-pty' && !name.startsWith('.'))
      symlinkSync(join(repository, 'node_modules', name), join(folder, 'node_modules', name))
  }
  return join(folder, 'bin/claudef.js')
}

describe('without node-pty', () => {
  let installed: string
  beforeEach(() => {
    setup = setUp()
    installed = installWithoutPty()
  })

  const draw = (env: Record<string, string> = {}) =>
    setup.draw([], { file: process.execPath, args: [installed], compareTermios: true, env })

  test('Claude Code is on the terminal itself; the log says so, in one line', async () => {
    const screen = await draw()
    const modes = screen.modes()
    await screen.waitFor('Claude Max')
    screen.resize(90, 20)
    await screen.waitFor(`\n${'─'.repeat(90)}\n`)
    await screen.submit('hello')
    await screen.waitFor('(via subscription)')
    await screen.submit('exit 3')
    expect((await screen.exit).code).toBe(3)
    expect(setup.log().trim().split('\n')).toEqual([
      expect.stringMatching(/ Claude Code is on this terminal itself, .*node-pty/),
    ])
    expect(screen.modes()).toEqual(modes)
    expect(screen.attributes().after).toBe(screen.attributes().before)
  })

  test('the automatic switch works as ever, without a notice', async () => {
    const screen = await draw(switching)
    const modes = screen.modes()
    await screen.waitFor('Claude Max')
    await screen.submit('limit')
    await screen.waitFor('(via API)')
    await screen.submit('/exit')
    expect((await screen.exit).code).toBe(0)
    expect(screen.modes()).toEqual(modes)
    expect(screen.attributes().after).toBe(screen.attributes().before)
    expect(setup.leftovers()).toEqual([])
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s reaches it', async (signal, code) => {
    const screen = await draw()
    await screen.waitFor('Claude Max')
    screen.signal(signal)
    expect((await screen.exit).code).toBe(code)
  })

  test('what a killed one left set is undone', async () => {
    const screen = await draw()
    const modes = screen.modes()
    await screen.waitFor('Claude Max')
    await screen.submit('crash')
    expect((await screen.exit).code).toBe(137)
    expect(screen.modes()).toEqual(modes)
    expect(screen.attributes().after).toBe(screen.attributes().before)
  })

  test('Ctrl+Z and fg are the shell’s own business', async () => {
    const { screen, waitForStop, resume } = await openJob(setup, bash)
    await screen.submit(`${process.execPath} ${installed}`)
    await screen.waitFor('Claude Max')
    screen.key('Ctrl+Z')
    await waitForStop()
    await resume()
    await screen.submit('say back')
    await screen.waitFor(/● .*back/)
  })
})

test('errors that go elsewhere do so in a session, too, and the switch works', async () => {
  setup = setUp()
  const script = `exec "${process.execPath}" "${claudef}" 2> "${setup.file('errors')}"`
  const screen = await setup.draw([], { file: '/bin/sh', args: ['-c', script], env: switching })
  await screen.waitFor('Claude Max')
  await screen.submit('limit')
  await screen.waitFor('(via API)')
  expect(setup.log()).toContain('standard error is not a terminal')
})
