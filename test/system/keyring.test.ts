import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { describeKeySources, lookUpKey } from '../../src/key-sources.ts'
import { readKeyring, removeFromKeyring, saveToKeyring } from '../../src/keyring.ts'
import { childrenOf, commandOf, exists, waitUntil } from '../support/processes.ts'

const KEY = 'sk-ant-api03-made-up-for-tests-abcd'
const program = fileURLToPath(new URL('../../bin/claude-fallback.js', import.meta.url))

let home: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'claudef-'))
  mkdirSync(join(home, 'run'), { mode: 0o700 })
})
afterAll(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }))

const environment = (address?: string): NodeJS.ProcessEnv => ({
  HOME: home,
  PATH: '/usr/bin:/bin',
  XDG_RUNTIME_DIR: join(home, 'run'),
  ...(address === undefined ? {} : { DBUS_SESSION_BUS_ADDRESS: address }),
})

async function lookUp(env: NodeJS.ProcessEnv) {
  const logged: string[] = []
  const log = (message: string) => void logged.push(message)
  const found = await lookUpKey({ config: readConfig(env).config, env, log })
  return { found, logged }
}

/** Starts a bus with gnome-keyring on it, unlocked or not; returns the environment that leads there. */
async function openBus(start: string) {
  const script = `${start} --components=secrets >/dev/null 2>&1; echo "$DBUS_SESSION_BUS_ADDRESS"; exec cat`
  const bus = spawn('dbus-run-session', ['--', 'sh', '-c', script], {
    env: environment(),
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const [line] = await once(bus.stdout, 'data')
  const env = environment(String(line).trim())
  const close = async () => {
    // dbus-run-session ends the bus with its program, and the keyring ends with the bus.
    bus.stdin.end()
    await once(bus, 'exit')
  }
  return { env, close }
}

const UNLOCKED = 'printf made-up | gnome-keyring-daemon --unlock'
const LOCKED = 'gnome-keyring-daemon --start'

describe('the keyring of gnome-keyring', () => {
  let bus: Awaited<ReturnType<typeof openBus>>
  beforeAll(async () => {
    bus = await openBus(UNLOCKED)
  })
  afterAll(() => bus.close())

  const key = (args: string[], input = '') =>
    execFileSync(process.execPath, [program, 'key', ...args], { env: bus.env, input, encoding: 'utf8' })

  test('has no key before one is set', async () => {
    expect(await readKeyring(bus.env)).toEqual({ type: 'none' })
    expect(await lookUp(bus.env)).toMatchObject({ found: { type: 'none' }, logged: [] })
  })

  test('keeps the key of `key set`', async () => {
    expect(key(['set'], `${KEY}\n`)).toContain('The key …abcd is in the keyring.')
    expect(await lookUp(bus.env)).toMatchObject({
      found: { type: 'key', key: KEY, source: 'keyring' },
      logged: [],
    })
    expect(key(['show'])).toMatch(/^→ keyring +…abcd$/m)
  })

  test('goes before the config file and after the variable', async () => {
    const env = { ...bus.env, CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-tests-wxyz' }
    expect((await lookUp(env)).found).toMatchObject({ source: 'CLAUDE_FALLBACK_API_KEY' })
    const { config } = readConfig(env)
    const rows = await describeKeySources({ config, env })
    expect(rows.filter(({ isSet }) => isSet)).toEqual([
      { source: 'CLAUDE_FALLBACK_API_KEY', isSet: true, isUsed: true, shown: '…wxyz' },
      { source: 'keyring', isSet: true, isUsed: false, shown: '…abcd' },
    ])
    expect((await lookUp({ ...bus.env, ANTHROPIC_API_KEY: 'x' })).found).toMatchObject({ source: 'keyring' })
  })

  test('takes another in its place, and gives it up', async () => {
    expect(await saveToKeyring('another-made-up-for-tests', bus.env)).toEqual({ type: 'done' })
    expect(await readKeyring(bus.env)).toEqual({ type: 'key', key: 'another-made-up-for-tests' })
    expect(key(['remove'])).toBe('Removed from the keyring.\nNo key is set.\n')
    expect(key(['remove'])).toContain('There is none in the keyring.')
    expect(await removeFromKeyring(bus.env)).toEqual({ type: 'none' })
    await saveToKeyring(KEY, bus.env)
  })
})

test('a locked keyring that nobody unlocks counts as empty', async () => {
  const bus = await openBus(LOCKED)
  try {
    const { found, logged } = await lookUp(bus.env)
    expect(found).toEqual({ type: 'none' })
    expect(logged).toEqual([expect.stringMatching(/^The keyring cannot be used: .+/)])
    expect(await saveToKeyring(KEY, bus.env)).toMatchObject({ type: 'unavailable' })
  } finally {
    await bus.close()
  }
})

test('a bus without a keyring, and none at all, count as empty', async () => {
  const bus = await openBus('true')
  const env = { ...bus.env, ANTHROPIC_API_KEY: KEY }
  try {
    for (const place of [env, { ...env, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere' }]) {
      const { found, logged } = await lookUp(place)
      expect(found).toEqual({ type: 'key', key: KEY, source: 'ANTHROPIC_API_KEY' })
      expect(logged).toEqual([expect.stringMatching(/^The keyring cannot be used: .+/)])
    }
  } finally {
    await bus.close()
  }
})

describe('a bus that never answers', () => {
  let server: net.Server
  let env: NodeJS.ProcessEnv
  const connections: net.Socket[] = []
  beforeAll(async () => {
    const socket = join(home, 'bus')
    server = net.createServer((connection) => connections.push(connection.on('error', () => {}).resume()))
    server.listen(socket)
    await once(server, 'listening')
    env = environment(`unix:path=${socket}`)
  })
  afterAll(() => {
    for (const connection of connections) connection.destroy()
    server.close()
  })

  test('counts as empty after 3 s, and holds up nothing meanwhile', async () => {
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 10)
    const { found, logged } = await lookUp(env)
    clearInterval(timer)
    expect(found).toEqual({ type: 'none' })
    expect(logged).toEqual(['The keyring cannot be used: it did not answer within 3 s'])
    // Of some 300 that fit in.
    expect(turns).toBeGreaterThan(10)
    await waitUntil(() => helpersOf(process.pid).length === 0)
  })

  test('leaves nothing behind of a process that is killed', async () => {
    const before = connections.length
    const child: ChildProcess = spawn(process.execPath, [program, 'key', 'remove'], { env, stdio: 'ignore' })
    const pid = child.pid ?? 0
    // At work once it has connected, and so blocked.
    await waitUntil(() => connections.length > before)
    const helpers = helpersOf(pid)
    expect(helpers).toHaveLength(1)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await waitUntil(() => !helpers.some(exists))
  })
})

function helpersOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => commandOf(child).includes('keyring-helper.js') && exists(child))
}
