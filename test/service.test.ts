import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Companion } from '../src/companion.ts'
import { pidFilePath } from '../src/pid-file.ts'
import { readProcessStart } from '../src/process-start.ts'
import { runStartService, runStopService } from '../src/service.ts'

const KEY = 'sk-ant-api03-made-up-for-tests'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'claudef-service-'))
  mkdirSync(join(home, 'bin'))
})
afterEach(() => rmSync(home, { recursive: true }))

const calls = () => (existsSync(join(home, 'calls')) ? readFileSync(join(home, 'calls'), 'utf8') : '')
const unit = () => join(home, '.config/systemd/user/claude-fallback.service')
const agent = () => join(home, 'Library/LaunchAgents/claude-fallback.monitor.plist')

/** A systemctl or launchctl that notes what it is told, and the keys that it gets. */
function addManager(name: string, end = 'exit 0') {
  const script = `#!/bin/sh\necho "${name} $*$ANTHROPIC_API_KEY" >>'${join(home, 'calls')}'\n${end}\n`
  writeFileSync(join(home, 'bin', name), script, { mode: 0o755 })
}

async function run(
  command: typeof runStartService,
  {
    platform = 'linux',
    isDryRun = false,
    env = {},
  }: {
    platform?: NodeJS.Platform
    isDryRun?: boolean
    env?: NodeJS.ProcessEnv
  } = {},
) {
  const said = { stdout: '', stderr: '' }
  const writer = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      said[name] += text
      return true
    },
  })
  const companion = {
    args: [],
    env: { HOME: home, PATH: `${join(home, 'bin')}:/usr/bin:/bin`, ANTHROPIC_API_KEY: KEY, ...env },
    cwd: home,
    stdin: process.stdin,
    stdout: writer('stdout') as unknown as NodeJS.WriteStream,
    stderr: writer('stderr'),
    now: Date.now,
  } satisfies Companion
  const status = await command({ ...companion, platform }, { isDryRun })
  return { status, ...said }
}

describe('with systemd', () => {
  test('writes the unit, enables and starts it, and takes it all away', async () => {
    addManager('systemctl')
    const env = { CLAUDE_CONFIG_DIR: 'mine', CLAUDE_FALLBACK_API_KEY: KEY }
    expect(await run(runStartService, { env })).toMatchObject({ status: 0, stderr: '' })
    const text = readFileSync(unit(), 'utf8')
    expect(text).toContain(`ExecStart="${process.execPath}" "`)
    expect(text).toContain('/bin/claude-fallback.js" "start"\n')
    expect(text).toContain(`Environment="CLAUDE_CONFIG_DIR=${join(home, 'mine')}"`)
    expect(text).not.toContain(KEY)
    expect(statSync(unit()).mode & 0o777).toBe(0o600)
    expect((await run(runStartService, { env })).stdout).toContain('Nothing to change')
    expect(await run(runStopService)).toMatchObject({ status: 0, stdout: `Removed ${unit()}.\n` })
    expect(existsSync(unit())).toBe(false)
    const enabling = [
      'systemctl --user daemon-reload',
      'systemctl --user enable claude-fallback.service',
      'systemctl --user restart claude-fallback.service',
    ]
    const disabling = [
      'systemctl --user disable --now claude-fallback.service',
      'systemctl --user daemon-reload',
    ]
    expect(calls().trim().split('\n')).toEqual([...enabling, ...enabling, ...disabling])
    expect((await run(runStopService)).stdout).toContain('There is no service')
  })

  test('says what to type where it does not answer, and leaves nothing behind', async () => {
    addManager('systemctl', 'echo "Failed to connect to bus" >&2; exit 1')
    const result = await run(runStartService)
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('Failed to connect to bus')
    expect(result.stderr).toContain('  systemctl --user enable claude-fallback.service\n')
    const link = join(dirname(unit()), 'default.target.wants/claude-fallback.service')
    mkdirSync(dirname(link))
    symlinkSync(unit(), link)
    expect((await run(runStopService)).status).toBe(0)
    expect(existsSync(unit())).toBe(false)
    expect(() => statSync(link)).toThrow('ENOENT')
  })

  test('is told of where there is none', async () => {
    const result = await run(runStartService, { env: { PATH: join(home, 'bin') } })
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('systemctl')
  })

  test('goes by XDG_CONFIG_HOME', async () => {
    addManager('systemctl')
    await run(runStartService, { env: { XDG_CONFIG_HOME: join(home, 'xdg') } })
    const file = join(home, 'xdg/systemd/user/claude-fallback.service')
    expect(readFileSync(file, 'utf8')).toContain(`Environment="XDG_CONFIG_HOME=${join(home, 'xdg')}"`)
  })
})

describe('with launchd', () => {
  test('writes the agent, loads it, and takes it away', async () => {
    addManager('launchctl')
    expect(await run(runStartService, { platform: 'darwin' })).toMatchObject({ status: 0, stderr: '' })
    const text = readFileSync(agent(), 'utf8')
    expect(text).toContain(`<string>${process.execPath}</string>`)
    expect(text).not.toContain(KEY)
    await run(runStartService, { platform: 'darwin' })
    await run(runStopService, { platform: 'darwin' })
    expect(existsSync(agent())).toBe(false)
    const domain = `gui/${process.getuid?.()}`
    const load = `launchctl bootstrap ${domain} ${agent()}`
    const unload = `launchctl bootout ${domain}/claude-fallback.monitor`
    // launchctl loads nothing twice.
    expect(calls().trim().split('\n')).toEqual([load, unload, load, unload])
  })
})

test.each<[string, NodeJS.Platform, () => string]>([
  ['systemd', 'linux', unit],
  ['launchd', 'darwin', agent],
])('--dry-run changes nothing (%s)', async (_, platform, file) => {
  addManager('systemctl')
  addManager('launchctl')
  const start = await run(runStartService, { platform, isDryRun: true })
  expect(start).toMatchObject({ status: 0, stderr: '' })
  expect(start.stdout).toContain(`Would write ${file()}`)
  expect(existsSync(file())).toBe(false)
  expect(calls()).toBe('')
  await run(runStartService, { platform })
  const before = calls()
  const stop = await run(runStopService, { platform, isDryRun: true })
  expect(stop.stdout).toContain(`remove ${file()}`)
  expect(existsSync(file())).toBe(true)
  expect(calls()).toBe(before)
})

test("somebody else's unit of that name is left alone", async () => {
  addManager('systemctl')
  mkdirSync(dirname(unit()), { recursive: true })
  writeFileSync(unit(), '[Service]\n')
  for (const command of [runStartService, runStopService]) {
    const result = await run(command)
    expect(result).toMatchObject({ status: 1, stderr: expect.stringContaining('left alone') })
  }
  expect(readFileSync(unit(), 'utf8')).toBe('[Service]\n')
  expect(calls()).toBe('')
})

test('a monitor that runs already comes first', async () => {
  addManager('systemctl')
  const processStart = readProcessStart(process.pid)
  writeFileSync(pidFilePath(home), JSON.stringify({ pid: process.pid, processStart, startedAt: 1 }))
  const result = await run(runStartService)
  expect(result).toMatchObject({ status: 1, stderr: expect.stringContaining('`claude-fallback stop`') })
  expect(existsSync(unit())).toBe(false)
})
