import { expect, onTestFinished, test } from 'vitest'
import { readState, waitUntil } from '../support/processes.ts'
import { openScreen, type ScreenOptions } from '../support/screen.ts'
import { bash, openJob } from '../support/shell.ts'
import { setUp } from './claudef.ts'
import { askOnce, CONTINUE_PROMPT, lastWords, turnsOf } from './limit.ts'

/** claudef around the real Claude Code, as a job of bash. `variables` are for claudef alone, none of the shell's. */
async function start(variables = '') {
  const setup = await setUp({ auto: false, fallbackKey: false })
  const draw = async (args: string[], more: Partial<ScreenOptions>) => {
    const env = { ...setup.env, ...more.env }
    const screen = await openScreen({ file: 'bash', args, cwd: setup.home.cwd, ...more, env })
    // Interactive shells do not end by SIGTERM. Finished before the set-up is, which finds nothing left then.
    onTestFinished(async () => {
      void screen.end('SIGHUP')
      await screen.close()
    })
    return screen
  }
  const job = await openJob({ draw, home: setup.home }, bash)
  const before = { attributes: await job.attributes(), modes: await job.modes() }
  await job.screen.submit(`${variables} ${job.command}`)
  await job.screen.waitFor('Claude Max')
  await askOnce(job.screen, 'what is two and two?')
  const expectAsBefore = async () => {
    expect(await job.attributes()).toBe(before.attributes)
    await expect.poll(() => job.screen.modes()).toEqual(before.modes)
  }
  /** Nothing is left behind, in any of the tests. */
  const exit = async () => {
    await job.screen.submit('/exit')
    await job.screen.waitFor(/--resume [0-9a-f-]+\s+prompt>/)
    await expectAsBefore()
  }
  return { ...job, setup, expectAsBefore, exit }
}

test('Ctrl+Z and fg, again and again: whole again, and the shell finds its terminal as it was', async () => {
  const { screen, expectAsBefore, waitForStop, resume, exit } = await start()
  for (const question of ['what is three and three?', 'what is four and four?']) {
    screen.key('Ctrl+Z')
    await waitForStop()
    await expectAsBefore()
    await resume()
    await screen.waitFor('what is two and two?')
    expect(screen.modes().buffer).toBe('alternate')
    await askOnce(screen, question)
  }
  await exit()
})

test('bg and kill -CONT: it stops again, since it wants the terminal', async () => {
  const { screen, claudefPid, expectAsBefore, waitForStop, resume, exit } = await start()
  screen.key('Ctrl+Z')
  await waitForStop()
  await screen.submit('bg')
  await waitForStop()
  await expectAsBefore()
  process.kill(claudefPid(), 'SIGCONT')
  await waitForStop()
  await expectAsBefore()
  await resume()
  await askOnce(screen, 'what is three and three?')
  await exit()
})

test('pressed twice, also in the coding of the kitty keyboard: it stops, and comes back whole', async () => {
  const { screen, expectAsBefore, waitForStop, resume, exit } = await start()
  for (const keys of ['\x1a\x1a', '\x1b[122;5u\x1b[122;5u']) {
    screen.type(keys)
    await waitForStop()
    await expectAsBefore()
    await resume()
    await askOnce(screen, 'what is three and three?')
  }
  await exit()
})

test('stopped and continued by signals from elsewhere', async () => {
  const { screen, claudefPid, waitForStop, resume, exit } = await start()
  for (const signal of ['SIGTSTP', 'SIGSTOP'] as const) {
    process.kill(claudefPid(), signal)
    await waitForStop()
    await resume()
    await askOnce(screen, `what is the number of ${signal}?`)
  }
  await exit()
})

test('during a switch: it stops, and fg goes on with the switch', async () => {
  const { screen, setup, claudefPid, expectAsBefore, waitForStop, exit } = await start(
    'CLAUDE_FALLBACK_AUTO_RESTART=1 CLAUDE_FALLBACK_API_KEY=sk-ant-api03-made-up-for-tests',
  )
  const pid = claudefPid()
  setup.api.setBehaviour({ subscription: { type: 'limit', claim: 'five_hour' } })
  await screen.submit('remember the number 4711')
  await waitUntil(() => setup.log().includes('switching to api'))
  screen.key('Ctrl+Z')
  await waitForStop()
  expect(readState(pid)).toBe('T')
  await expectAsBefore()
  await screen.submit('fg')
  await screen.waitFor('Mock reply via api.')
  expect(lastWords(turnsOf(setup, 'api')[0])).toContain(CONTINUE_PROMPT)
  await exit()
})
