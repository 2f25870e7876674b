import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { eventually, key } from './claudef.ts'
import { processesIn, watchForLeaks } from './leak.ts'

/** The search that all the other tests lean on must not be blind. */
test('finds the secret in a child of its owner, in a file and on a screen', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'leak-'))
  const env = { PATH: process.env.PATH, HOME: `${folder}/home`, SECRET: key }
  const owner = spawn('sh', ['-c', 'sleep 60 & wait'], { env, detached: true })
  const leaks = watchForLeaks({ secret: key, folder, owners: () => [owner.pid ?? 0] })
  onTestFinished(() => {
    leaks.stop()
    process.kill(-(owner.pid ?? 0))
    rmSync(folder, { recursive: true })
  })
  await eventually(leaks.found).toEqual([
    expect.stringMatching(/^the environment of process \d+ \(sleep 60\)$/),
  ])
  expect(processesIn(folder).length).toBe(2)
  expect(processesIn(join(folder, 'home'))).toEqual([])

  leaks.checkFiles()
  leaks.checkText(`paid by the key …${key.slice(-4)}`)
  expect(leaks.found().length).toBe(1)
  writeFileSync(join(folder, 'note'), `in the middle: ${Buffer.from(key).toString('base64')}`)
  leaks.checkFiles()
  leaks.checkText(`paid by the key …${key.slice(-5)}`)
  expect(leaks.found().slice(1)).toEqual([join(folder, 'note'), 'the screen'])
})
