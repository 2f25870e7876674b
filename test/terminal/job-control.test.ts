import { afterEach, describe, expect, test } from 'vitest'
import { type Setup, setUp } from '../support/claudef.ts'
import { testJobControl } from '../support/job-control.ts'
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
