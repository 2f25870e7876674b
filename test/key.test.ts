import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { quoteWord } from '../src/core/words.ts'
import { judgeKey, KEY_VARIABLES, maskKey, serveKey } from '../src/key.ts'

const KEY = 'sk-ant-api03-made-up-for-tests-abcd'

describe('what is taken for a key', () => {
  test('white space around it does not count', () => {
    expect(judgeKey(` ${KEY}\r\n`, 'here')).toEqual({ type: 'key', key: KEY, source: 'here' })
  })

  test.each([
    ['a login token', 'sk-ant-oat01-made-up-for-tests', /login token/],
    ['two lines', `${KEY}\n${KEY}`, /space or another character/],
    ['a space', 'sk-ant api03', /space or another character/],
    ['typographic dashes', 'sk–ant–api03–made–up', /space or another character/],
  ])('refuses %s', (_, key, reason) => {
    const found = judgeKey(key, 'here')
    expect(found).toEqual({ type: 'refused', source: 'here', reason: expect.stringMatching(reason) })
    expect(JSON.stringify(found)).not.toContain(key.slice(0, 8))
  })

  test('every variable it reads is kept from Claude Code', () => {
    expect(KEY_VARIABLES).toEqual(expect.arrayContaining(['CLAUDE_FALLBACK_API_KEY', 'ANTHROPIC_API_KEY']))
    expect(KEY_VARIABLES).toContain('ANTHROPIC_AUTH_TOKEN')
  })
})

describe('judgeKey', () => {
  test.each([KEY, 'a-gateway-s', '!~'])('takes %j, and what is around it', (key) => {
    expect(judgeKey(`\t${key}\r\n`, 'here')).toEqual({ type: 'key', key, source: 'here' })
  })

  test.each([
    ['', 'it is empty.'],
    [' \r\n', 'it is empty.'],
    ['sk-ant-oat01-made-up', expect.stringContaining('a login token of the subscription')],
    ['sk-ant-ort01-made-up', expect.stringContaining('a login token of the subscription')],
    ['sk-ant-admin01-made-up', expect.stringContaining('an admin key')],
    [`${KEY} ${KEY}`, expect.stringContaining('a space or another character')],
    [`${KEY}\u00a0`.replace('-', '\u00a0'), expect.stringContaining('a space or another character')],
    [`${KEY}\0x`, expect.stringContaining('a space or another character')],
    ['sk-ünïcode', expect.stringContaining('a space or another character')],
  ])('refuses %j', (key, reason) => {
    expect(judgeKey(key, 'here')).toEqual({ type: 'refused', source: 'here', reason })
  })
})

test.each([
  [KEY, '…abcd'],
  ['x'.repeat(20), '…xxxx'],
  ['x'.repeat(19), '…'],
  ['', '…'],
])('maskKey(%j) is %j', (key, mask) => {
  expect(maskKey(key)).toBe(mask)
})

test.each(['plain', "it's", `'`, `''"`, '$HOME `a` \\ !', 'a\nb', '', '-n', 'ü✳'])(
  'quote(%j) is one word to a shell',
  async (word) => {
    const shell = spawn('sh', ['-c', `printf '<%s>' ${quoteWord(word)}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    expect(await text(shell.stdout)).toBe(`<${word}>`)
  },
)

describe('serveKey', () => {
  let root: string
  let children: ChildProcess[] = []
  const closers: (() => void)[] = []
  beforeEach(() => {
    root = fs.mkdtempSync(path.join(os.tmpdir(), 'claudef-'))
  })
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL')
    children = []
    for (const close of closers.splice(0)) close()
    fs.rmSync(root, { recursive: true, force: true })
  })

  async function serve(folder = root) {
    fs.mkdirSync(folder, { recursive: true })
    const served = await serveKey(KEY, folder)
    closers.push(served.close)
    served.open()
    return { ...served, socket: path.join(folder, 'key') }
  }

  /** The helper is there only where it was compiled to, beside the compiled `key.js`. */
  function compiled(helper: string): string {
    const source = fileURLToPath(new URL('../src/key-helper.js', import.meta.url))
    expect(helper).toContain(`'${source}'`)
    return helper.replace(source, fileURLToPath(new URL('../dist/key-helper.js', import.meta.url)))
  }

  /** Runs the helper's command as Claude Code does. */
  async function runHelper(helper: string, env: Record<string, string> = {}) {
    const child = spawn('sh', ['-c', compiled(helper)], { env: { PATH: process.env.PATH, ...env } })
    children.push(child)
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ])
    return { stdout, stderr, code }
  }

  test('gives the key to the helper, as often as it asks', async () => {
    const { helper } = await serve()
    const given = { stdout: KEY, stderr: '', code: 0 }
    expect(await Promise.all([runHelper(helper), runHelper(helper)])).toEqual([given, given])
    expect(await runHelper(helper)).toEqual(given)
  })

  test('not before it is opened', async () => {
    const served = await serveKey(KEY, root)
    closers.push(served.close)
    expect(await runHelper(served.helper)).toMatchObject({ stdout: '' })
    served.open()
    expect(await runHelper(served.helper)).toMatchObject({ stdout: KEY, code: 0 })
  })

  test('whatever the folder is called, and whatever Node is told by others', async () => {
    const { helper } = await serve(path.join(root, `it's "a" $HOME`))
    const env = { NODE_OPTIONS: `--require ${root}/missing.js` }
    expect(await runHelper(helper, env)).toEqual({ stdout: KEY, stderr: '', code: 0 })
  })

  test('on a socket that is nobody else’s, and in no argument and no file', async () => {
    const before = process.umask(0)
    try {
      const { helper, socket } = await serve()
      expect(fs.statSync(socket).mode & 0o777).toBe(0o600)
      expect(helper).not.toContain(KEY.slice(-8))
      expect(fs.readdirSync(root)).toEqual(['key'])
    } finally {
      process.umask(before)
    }
  })

  test('no longer once it is closed, and the helper says so', async () => {
    const { helper, close, socket } = await serve()
    close()
    expect(fs.existsSync(socket)).toBe(false)
    expect(await runHelper(helper)).toEqual({
      stdout: '',
      stderr: "claudef no longer serves the API key (ENOENT): this session's claudef has ended.\n",
      code: 1,
    })
  })

  test('no longer once its process was killed, and the helper says so', async () => {
    const socket = path.join(root, 'key')
    const program = `require('node:net').createServer(() => {}).listen(process.argv[1], () => console.log('ready'))`
    const server = spawn(process.execPath, ['-e', program, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(server)
    await once(server.stdout, 'data')
    server.kill('SIGKILL')
    await once(server, 'exit')
    const helper = `NODE_OPTIONS= ${[process.execPath, fileURLToPath(new URL('../src/key-helper.js', import.meta.url)), socket].map(quoteWord).join(' ')}`
    expect(await runHelper(helper)).toEqual({
      stdout: '',
      stderr: "claudef no longer serves the API key (ECONNREFUSED): this session's claudef has ended.\n",
      code: 1,
    })
  })

  test('survives a client that goes away, and one that sends what it likes', async () => {
    const { helper, socket } = await serve()
    const rude = net.connect(socket)
    rude.on('error', () => {})
    await once(rude, 'connect')
    rude.write('GET / HTTP/1.1\r\n\r\n'.repeat(1000))
    rude.destroy()
    expect((await runHelper(helper)).stdout).toBe(KEY)
  })

  test('serves again in the same folder after it was closed', async () => {
    const first = await serve()
    first.close()
    const second = await serve()
    expect(second.helper).toBe(first.helper)
    expect((await runHelper(second.helper)).stdout).toBe(KEY)
  })

  test.each([
    ['is not there', 'missing', /ENOENT|EACCES/],
    ['has too long a path', 'x'.repeat(100), /too long for a socket: set XDG_RUNTIME_DIR or TMPDIR/],
  ])('fails where the folder %s', async (_, name, sentence) => {
    const folder = path.join(root, name)
    if (name !== 'missing') fs.mkdirSync(folder)
    await expect(serveKey(KEY, folder)).rejects.toThrow(sentence)
    expect(fs.readdirSync(root)).toEqual(name === 'missing' ? [] : [name])
  })

  test('keeps no process alive, not even with a client that holds on', async () => {
    const program = `
      const { serveKey } = await import(process.argv[1])
      const { open } = await serveKey('made-up', process.argv[2])
      open()
      console.log('ready')
      process.stdin.once('data', () => process.stdin.destroy())`
    const module = new URL('../dist/key.js', import.meta.url).href
    const server = spawn(process.execPath, ['--input-type=module', '-e', program, module, root], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    children.push(server)
    await once(server.stdout, 'data')
    const client = net.connect({ path: path.join(root, 'key'), allowHalfOpen: true })
    await once(client, 'data')
    server.stdin.write('end\n')
    expect(await once(server, 'exit')).toEqual([0, null])
    client.destroy()
  })
})
