import { afterEach, expect, test } from 'vitest'
import { type Setup, setUp } from '../support/claudef.ts'
import { exists, waitUntil } from '../support/processes.ts'

let setup: Setup
afterEach(() => setup.tearDown())

test('the child has the size of the window from the start, and after a burst of 50 changes the last one', async () => {
  setup = setUp({
    script: `#!/bin/sh
      trap 'stty size' WINCH
      stty size
      while :; do sleep 0.05; done\n`,
  })
  const outer = setup.run([], { cols: 123, rows: 45 })
  await outer.waitFor('45 123\r\n')
  for (let change = 1; change <= 50; change++) outer.resize(80 + change, 20 + change)
  await outer.waitFor('70 130\r\n')
})

test('a change of size is no error where the child has closed its terminal', async () => {
  setup = setUp({
    script: `#!/bin/sh
      exec <&- >&- 2>&-
      : > "$GONE"
      until [ -e "$GO" ]; do sleep 0.05; done
      exit 7\n`,
  })
  const outer = setup.run([], { env: { GONE: setup.file('gone'), GO: setup.file('go') } })
  await waitUntil(() => setup.exists('gone'))
  for (let change = 1; change <= 10; change++) outer.resize(80 + change, 20 + change)
  await outer.type('typed to nobody')
  expect(exists(outer.pid)).toBe(true)
  setup.write('go', '')
  expect(await outer.exit).toEqual({ code: 7, signal: 0 })
  expect(setup.log()).toBe('')
})
