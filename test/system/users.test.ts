import { execFileSync } from 'node:child_process'
import { chmodSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { claudef } from '../support/claudef.ts'
import { key, openOwnScreen, sessionFolders, setUp } from './claudef.ts'

/** Says of each of a session's secrets what came of reaching for it: an error's code, or what was found there. */
const probe = `
const fs = require('node:fs')
const net = require('node:net')
const path = require('node:path')
const [folder, pid] = process.argv.slice(1)
const attempt = (reach) => { try { return String(reach()) } catch (error) { return error.code } }
const found = {
  parent: attempt(() => fs.readdirSync(path.dirname(folder)).length > 0),
  list: attempt(() => fs.readdirSync(folder).sort()),
  settings: attempt(() => Object.keys(JSON.parse(fs.readFileSync(folder + '/settings.json')))),
  write: attempt(() => fs.writeFileSync(folder + '/start.1.json.part', '')),
  environment: attempt(() => fs.readFileSync('/proc/' + pid + '/environ', 'utf8').includes('CLAUDE_FALLBACK_API_KEY=')),
}
const connection = net.connect(folder + '/key')
let answer = ''
connection.on('data', (data) => { answer += data })
connection.on('error', (error) => { answer = error.code })
connection.on('close', () => process.stdout.write(JSON.stringify({ ...found, key: answer })))
`

const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups']
const ownGroup = ['--reuid=65534', `--regid=${process.getgid?.()}`, '--clear-groups']

describe.skipIf(process.platform !== 'linux' || process.getuid?.() !== 0)('another user (needs root)', () => {
  test.each([
    ['of no group of ours', nobody],
    ['of our own group', ownGroup],
  ])('%s reaches neither the folder, nor the settings, nor the key', async (_, who) => {
    const { folder, pid } = await startOnApi()
    const forbidden = 'EACCES'
    expect(runProbe('setpriv', [...who, process.execPath], folder, pid)).toEqual({
      // The control: it is the session's folder that is closed, not what is above it.
      parent: 'true',
      list: forbidden,
      settings: forbidden,
      write: forbidden,
      environment: forbidden,
      key: forbidden,
    })
  })

  test('the same look by the session’s own user finds all of it', async () => {
    const { folder, pid } = await startOnApi()
    expect(runProbe(process.execPath, [], folder, pid)).toMatchObject({
      list: 'key,settings.json',
      settings: expect.stringContaining('apiKeyHelper'),
      environment: 'true',
      key,
    })
  })
})

/** A session on API billing, begun with a umask that closes nothing, in a folder that everybody may enter. */
const startOnApi = async () => {
  const { root, cwd, env } = setUp({ env: { CLAUDE_FALLBACK_BILLING: 'api' } })
  const temporary = join(root, 'tmp')
  chmodSync(root, 0o755)
  chmodSync(temporary, 0o1777)
  const args = ['-c', 'umask 0; exec "$@"', 'sh', process.execPath, claudef, 'hello']
  const screen = await openOwnScreen({ file: '/bin/sh', args, cwd, env })
  await screen.waitFor('You said: hello (via API)')
  const [folder = ''] = sessionFolders(temporary)
  expect(modeOf(folder)).toBe('700')
  expect(modeOf(join(folder, 'settings.json'))).toBe('600')
  expect(modeOf(join(folder, 'key'))).toBe('600')
  return { folder, pid: screen.pid() }
}

const runProbe = (file: string, args: string[], folder: string, pid: number) =>
  JSON.parse(execFileSync(file, [...args, '-e', probe, folder, String(pid)], { encoding: 'utf8' }))

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)
