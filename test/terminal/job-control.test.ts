import { afterEach, describe, expect, test } from 'vitest'
import { type Setup, setUp } from '../support/claudef.ts'
import { testJobControl } from '../support/job-control.ts'
import { waitUntil } from '../support/processes.ts'
import { bash, openJob } from '../support/shell.ts'

describe('in bash', () => testJobControl(bash))

let setup: Setup
afterEach(() => setup?.tearDown())

test('a child in line mode stops by Ctrl+Z, too', async () => {
  setup = setUp({ script: '#!/bin/sh\nprintf "cooked "; read -r line; printf "line: $line"; read -r line\n' })
  const job = await openJob(setup, bash)
  await job.screen.submit(job.command)
  await job.screen.waitFor('cooked')
  job.screen.key('Ctrl+Z')
  await job.waitForStop()
  await job.screen.submit('fg')
  await job.screen.waitFor(/fg\n.*claudef.js$/)
  await job.screen.submit('typed')
  await job.screen.waitFor('line: typed')
})

test('a child that takes two seconds to let go of its terminal stops, too', async () => {
  const read = 'stty raw -echo; printf raw; head -c 1 >/dev/null; sleep 2; stty sane; read -r line'
  setup = setUp({ script: `#!/bin/sh\n${read}; printf "line: $line"; read -r line\n` })
  const job = await openJob(setup, bash)
  await job.screen.submit(job.command)
  await job.screen.waitFor(/^raw/m)
  job.screen.key('Ctrl+Z')
  await job.waitForStop()
  await job.screen.submit('fg')
  await job.screen.waitFor(/fg\n.*claudef.js$/)
  await job.screen.submit('typed')
  await job.screen.waitFor('line: typed')
})

test('a child that starts programs all the time is stopped, too', async () => {
  // dash starts them by vfork, as Claude Code does.
  setup = setUp({ script: '#!/bin/sh\nprintf spawning; while :; do /bin/true; done\n' })
  const job = await openJob(setup, bash)
  await job.screen.submit(job.command)
  await job.screen.waitFor('spawning')
  for (let times = 0; times < 20; times++) {
    process.kill(job.claudefPid(), 'SIGTSTP')
    await job.waitForStop()
    await job.screen.submit('fg')
    await waitUntil(() => job.screen.termios().includes('-isig'))
  }
})

test('where no shell could continue it, it goes on at once', async () => {
  setup = setUp()
  const screen = await setup.draw()
  await screen.waitFor('Claude Max')
  screen.key('Ctrl+Z')
  await screen.waitFor((text) => screen.raw().includes('is suspended') && text.includes('Claude Max'))
  await screen.submit('say back')
  await screen.waitFor(/● .*back/)
  expect(screen.modes().buffer).toBe('alternate')
})
