import { afterEach, expect, test } from 'vitest'
import { type Setup, setUp } from './claudef.ts'
import { commandOf, exists, findProcesses, readState, waitUntil } from './processes.ts'
import { openJob, type Shell } from './shell.ts'

/** What a user does to a job, in a shell of theirs; the same as with plain claude. */
export const testJobControl = (shell: Shell) => {
  let setup: Setup
  afterEach(() => setup.tearDown())

  const start = async (
    options: { command?: (command: string) => string; env?: Record<string, string> } = {},
  ) => {
    const { command = (plain) => plain, env = {} } = options
    setup = setUp()
    const job = await openJob(setup, shell, env)
    const before = { attributes: await job.attributes(), modes: await job.modes() }
    await job.screen.submit(command(job.command))
    await job.screen.waitFor('Claude Max')
    return { ...job, before }
  }

  test('Ctrl+Z gives the terminal back as it was, and fg brings the session back, again and again', async () => {
    const { screen, before, attributes, waitForStop, resume } = await start()
    for (const name of ['one', 'two']) {
      screen.key('Ctrl+Z')
      await waitForStop()
      expect(await attributes()).toBe(before.attributes)
      await expect.poll(() => screen.modes()).toEqual(before.modes)
      await resume()
      await screen.submit(`say ${name} of two`)
      await screen.waitFor(new RegExp(`● .*${name} of two`))
    }
    await screen.submit('/exit')
    await screen.waitFor(/claude --resume.*\n.*>$/)
    expect(await attributes()).toBe(before.attributes)
    await expect.poll(() => screen.modes()).toEqual(before.modes)
  })

  test('a window that changed meanwhile has its new size after fg', async () => {
    const { screen, waitForStop } = await start()
    screen.key('Ctrl+Z')
    await waitForStop()
    screen.resize(100, 30)
    await screen.submit('fg')
    await screen.waitFor((text) => text.includes(`\n${'─'.repeat(100)}\n`) && text.includes('Claude Max'))
  })

  test('bg stops it again, since it wants the terminal; fg brings it back', async () => {
    const { screen, waitForStop, resume, claudefPid } = await start()
    screen.key('Ctrl+Z')
    await waitForStop()
    const pid = claudefPid()
    await screen.submit('bg')
    await waitForStop()
    // From another terminal: the same.
    process.kill(pid, 'SIGCONT')
    await waitForStop()
    await resume()
    await screen.submit('say back')
    await screen.waitFor(/● .*back/)
  })

  test('pressed twice, also in the coding of the kitty keyboard: one stop', async () => {
    const { screen, waitForStop, resume } = await start()
    // The second is the shell's.
    screen.type('\x1a')
    screen.type('\x1a')
    await waitForStop()
    await resume()
    screen.type('\x1b[122;5u\x1b[122;5u')
    await waitForStop()
    await resume()
    await screen.submit('say back')
    await screen.waitFor(/● .*back/)
  })

  test('stopped and continued by signals from elsewhere', async () => {
    const { screen, waitForStop, resume, claudefPid } = await start()
    for (const signal of ['SIGTSTP', 'SIGSTOP'] as const) {
      process.kill(claudefPid(), signal)
      await waitForStop()
      await resume()
      await screen.submit(`say after ${signal}`)
      await screen.waitFor(new RegExp(`● .*after ${signal}`))
    }
  })

  test.each([
    ['before', ['SIGTERM', 'SIGCONT']],
    ['after', ['SIGCONT', 'SIGTERM']],
  ] as const)('a signal from %s it is continued ends it, and nothing stays behind', async (_, signals) => {
    const { screen, before, attributes, waitForStop, claudefPid } = await start()
    screen.key('Ctrl+Z')
    await waitForStop()
    const pid = claudefPid()
    const [first, second] = signals
    process.kill(pid, first)
    if (first === 'SIGCONT') while (readState(pid) === 'T');
    process.kill(pid, second)
    await waitUntil(() => !exists(pid))
    await waitUntil(() => findProcesses(`HOME=${setup.home.home}`).length === 1)
    expect(await attributes()).toBe(before.attributes)
  })

  test.each(['sh', 'bash'])('started by a script of %s, which stops and goes on with it', async (name) => {
    const command = (plain: string) => `${name} -c '${plain}; echo "the script: $?"'`
    const { screen, waitForStop, resume } = await start({ command })
    const [script = 0] = findProcesses(`HOME=${setup.home.home}`).filter((pid) =>
      commandOf(pid).startsWith(`${name}\0-c\0`),
    )
    screen.key('Ctrl+Z')
    await waitForStop()
    expect(readState(script)).toBe('T')
    await resume()
    await screen.submit('exit 3')
    await screen.waitFor('the script: 3')
  })

  test('during a switch: it stops once the next child is there, and the switch is not lost', async () => {
    const { screen, waitForStop } = await start({
      env: {
        CLAUDE_FALLBACK_AUTO_RESTART: '1',
        CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-tests',
      },
    })
    await screen.submit('limit')
    await waitUntil(() => setup.log().includes('switching to api'))
    screen.key('Ctrl+Z')
    await waitForStop()
    await screen.submit('fg')
    await screen.waitFor('(via API)')
    await screen.submit('/exit')
    await screen.waitFor('claude --resume')
  })
}
