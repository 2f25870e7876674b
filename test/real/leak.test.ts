import { spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { key, type Setup, setUp } from './claudef.ts'
import { processesIn, sessionFolders, watchForLeaks } from './leak.ts'
import { askOnce, openSession } from './limit.ts'
import { MOMENTS } from './moments.ts'

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
  await expect
    .poll(leaks.found)
    .toEqual([expect.stringMatching(/^the environment of process \d+ \(sleep 60\)$/)])
  expect(processesIn(folder).length).toBe(2)
  expect(processesIn(join(folder, 'home'))).toEqual([])

  leaks.checkFiles()
  leaks.checkText(`paid by the key …${key.slice(-4)}`)
  expect(leaks.found().length).toBe(1)
  writeFileSync(join(folder, 'note'), `in the middle: ${Buffer.from(key).toString('base64')}`)
  const large = join(folder, 'core')
  writeFileSync(large, '')
  truncateSync(large, 600 * 2 ** 20)
  appendFileSync(large, key)
  leaks.checkFiles()
  leaks.checkText(`paid by the key …${key.slice(-5)}`)
  expect(leaks.found().slice(1).sort()).toEqual([large, join(folder, 'note'), 'the screen'])
})

/** What anybody of the same user gets from a socket: what it says, or an error's code. */
const askSocket = (path: string) =>
  new Promise<string>((resolve) => {
    const connection = connect(path)
    let answer = ''
    connection.on('data', (data) => {
      answer += data
    })
    connection.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    connection.on('end', () => resolve(answer))
  })

/** What a tool sees of itself, of what started it and of every file that it could be told of; the last line is its finds. */
function lookAround(setup: Setup, seen: string): string {
  const looks = ['env', 'set', 'cat /proc/self/environ /proc/self/cmdline', 'cat /proc/$PPID/environ']
  // Its own words are no find: in brackets a letter stands for itself.
  const words = `${key.slice(0, 16)}[${key[16]}]`
  const folders = [setup.home.root, '/dev/shm', '/proc/[0-9]*/cmdline', '/proc/self/environ'].join(' ')
  const find = `grep -rlsaE '${words}' --exclude-dir=real ${folders} | wc -l`
  return [...looks, find].map((look) => `${look} >>'${seen}' 2>&1`).join('; ')
}

test('through a switch, a tool, a return and the end, with --debug, the key is nowhere but where it must be', async () => {
  const setup = await setUp({ state: { bypassPermissionsModeAccepted: true } })
  const runtime = join(setup.home.root, 'run')
  mkdirSync(runtime, { mode: 0o700 })
  const seen = join(setup.home.root, 'seen-by-a-tool')
  const command = lookAround(setup, seen)
  setup.api.setBehaviour({ api: { type: 'tool', command } })
  const args = ['--debug', '--permission-mode', 'bypassPermissions']
  const env = { CLAUDE_FALLBACK_DEBUG: '1', XDG_RUNTIME_DIR: runtime }
  const screen = await openSession(setup, args, { env })
  await askOnce(screen, 'what is two and two?')
  const socket = join(runtime, sessionFolders(runtime)[0] ?? '', 'key')
  expect(await askSocket(socket)).toBe('ENOENT')
  setup.api.setBehaviour({ subscription: { type: 'limit' }, api: { type: 'tool', command } })
  await screen.submit('remember the number 4711')
  await screen.waitFor('The command ran, via api.')
  // What the tool saw is searched with all other files at the end; it must have seen something, and found nothing.
  expect(readFileSync(seen, 'latin1')).toContain(`HOME=${setup.home.home}`)
  expect(readFileSync(seen, 'latin1')).toMatch(/\0\0?0\n$/)
  expect(await askSocket(socket)).toBe(key)
  expect(memoryInCores(setup)).toBe('00000000')
  screen.type('\x1d')
  await screen.waitFor('Go back to your subscription?')
  screen.key('Enter')
  await screen.waitFor('Claude Max')
  expect(memoryInCores(setup)).toBe(readFileSync('/proc/self/coredump_filter', 'latin1').trim())
  expect(await askSocket(socket)).toMatch(/ENOENT|ECONNREFUSED/)
  await screen.submit('/exit')
  await screen.exit
  expect(await askSocket(socket)).toBe('ENOENT')
  expect(setup.log()).toContain('debug: ')
  expect(readdirSync(join(setup.home.configDir, 'debug')).length).toBeGreaterThan(0)
  expect(sessionFolders(runtime)).toEqual([])
})

test('with the Claude Code that it pays for goes the socket, however that ends', async () => {
  const setup = await setUp()
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  const screen = await openSession(setup)
  await screen.submit('remember the number 4711')
  await screen.waitFor('Mock reply via api.')
  const temporary = setup.home.env.TMPDIR ?? ''
  const socket = join(temporary, sessionFolders(temporary)[0] ?? '', 'key')
  expect(await askSocket(socket)).toBe(key)
  process.kill(setup.starts().at(-1)?.pid ?? 0, 'SIGKILL')
  await screen.exit
  expect(await askSocket(socket)).toBe('ENOENT')
})

test('a helper that fails in the middle, with --debug, tells nothing of the key', async () => {
  const setup = await setUp()
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  const screen = await openSession(setup, ['--debug'], { env: { CLAUDE_FALLBACK_DEBUG: '1' } })
  await screen.submit('remember the number 4711')
  await screen.waitFor('Mock reply via api.')
  const temporary = setup.home.env.TMPDIR ?? ''
  rmSync(join(temporary, sessionFolders(temporary)[0] ?? '', 'key'))
  setup.api.setBehaviour({ api: { type: 'badKey' } })
  await screen.submit('and the number 4712')
  await screen.waitFor(/API billing: .*(?:apiKeyHelper|API key|\/login)/)
  const debug = join(setup.home.configDir, 'debug')
  const said = () => readdirSync(debug).map((name) => readFileSync(join(debug, name), 'utf8'))
  await expect.poll(() => said().join()).toContain('no longer serves the API key')
})

test('a helper that is asked when claudef is no more says so without the key', async () => {
  const setup = await setUp()
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  const screen = await openSession(setup)
  await screen.submit('remember the number 4711')
  await screen.waitFor('Mock reply via api.')
  const args = setup.starts().at(-1)?.args ?? []
  const { apiKeyHelper } = JSON.parse(readFileSync(args[args.indexOf('--settings') + 1] ?? '', 'utf8'))
  expect(apiKeyHelper).not.toContain(key.slice(0, 24))
  screen.signal('SIGTERM')
  await screen.exit
  const { status, stdout, stderr } = spawnSync('sh', ['-c', apiKeyHelper], { env: setup.home.env })
  expect([status === 0, stdout.toString()]).toEqual([false, ''])
  expect(stderr.toString()).toContain('no longer serves the API key')
})

test.each(MOMENTS)('SIGKILL to claudef $name leaves the key nowhere', async ({ come }) => {
  const setup = await setUp()
  const screen = await setup.run([], { cores: true })
  await come(setup, screen)
  screen.signal('SIGKILL')
  await screen.exit
  await expect.poll(() => processesIn(setup.home.root)).toEqual([])
  const temporary = setup.home.env.TMPDIR ?? ''
  for (const folder of sessionFolders(temporary))
    expect(await askSocket(join(temporary, folder, 'key'))).toMatch(/ENOENT|ECONNREFUSED/)
  expect(readdirSync(setup.home.cwd)).toEqual([])
  // The next session takes away what is left; the search through all files follows.
  await openSession(setup)
})

test.each(['SIGTERM', 'SIGHUP'] as const)(
  '%s to claudef on the key writes no core file, though they are on',
  async (signal) => {
    const { setup, screen } = await openOnKey()
    screen.signal(signal)
    await screen.exit
    await expect.poll(() => processesIn(setup.home.root)).toEqual([])
    expect(readdirSync(setup.home.cwd)).toEqual([])
  },
)

// The search through all files follows.
test.each([
  ['SIGQUIT', 'claudef'],
  ['SIGABRT', 'claudef'],
  ['SIGSEGV', 'claude'],
] as const)('a core file that %s to %s leaves has no key in it', async (signal, whom) => {
  const { setup, screen } = await openOnKey()
  const claude = setup.starts().at(-1)?.pid ?? 0
  if (whom === 'claudef') screen.signal(signal)
  else process.kill(claude, signal)
  await screen.exit
  await expect.poll(() => processesIn(setup.home.root)).toEqual([])
  // Where the kernel hands them to a program there is no file.
  const isFile = !/^[|/]/.test(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'))
  expect(readdirSync(setup.home.cwd)).toEqual(isFile ? [expect.stringMatching(/^core/)] : [])
  // The next session takes away the folder of one that crashed.
  if (signal === 'SIGABRT') await openSession(setup)
})

/** What of its memory the Claude Code that was started last would write into a core file (core(5)). */
const memoryInCores = (setup: Setup) =>
  readFileSync(`/proc/${setup.starts().at(-1)?.pid}/coredump_filter`, 'latin1').trim()

/** A session on the key, whose processes write core files when they crash. */
async function openOnKey() {
  const setup = await setUp()
  const screen = await openSession(setup, [], { cores: true })
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit('remember the number 4711')
  await screen.waitFor('Mock reply via api.')
  return { setup, screen }
}
