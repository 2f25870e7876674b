import { execFile } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { testKey } from '../src/key-test.ts'
import { askTerminal } from '../src/secret-input.ts'
import { openOuter } from './support/outer.ts'
import { exists, waitUntil } from './support/processes.ts'

const KEY = 'sk-ant-api03-made-up-for-tests-abcd'
const program = fileURLToPath(new URL('../bin/claude-fallback.js', import.meta.url))

let home: string
let file: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'claudef-key-'))
  file = join(home, '.config', 'claude-fallback', 'config.json')
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

type Run = { input?: string; env?: Record<string, string> }

/** There is no D-Bus and so no keyring here: test/system/keyring.test.ts has one. */
function environment(env: Record<string, string> = {}) {
  return { HOME: home, PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, ...env }
}

async function key(args: string[], { input = '', env }: Run = {}) {
  const ran = await new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const options = { env: environment(env), cwd: home }
    const child = execFile(process.execPath, [program, 'key', ...args], options, (error, out, err) =>
      resolve({ code: Number(error?.code ?? 0), out, err }),
    )
    child.stdin?.end(input)
  })
  expect(ran.out + ran.err).not.toContain(KEY.slice(0, -4))
  return ran
}

function saveConfig(text: string, mode = 0o600) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  chmodSync(file, mode)
}

describe('key set --file', () => {
  test('stores what is piped in, for the user alone, and is found', async () => {
    const { code, out } = await key(['set', '--file'], { input: ` ${KEY}\r\n` })
    expect(code).toBe(0)
    expect(out).toContain(`The key …abcd is in '${file}' (mode 600).`)
    expect(readFileSync(file, 'utf8')).toBe(`{\n  "api_key": "${KEY}"\n}\n`)
    expect([statSync(file).mode & 0o777, statSync(dirname(file)).mode & 0o777]).toEqual([0o600, 0o700])
    expect((await key(['show'])).out).toMatch(/^→ config file +…abcd$/m)
  })

  test('keeps every other setting, and leaves nothing else behind', async () => {
    const others = { max_usd: 5, api_key: 'old', mine: [1, { a: null }], continue_prompt: 'ü\n' }
    saveConfig(`\ufeff${JSON.stringify(others)}`, 0o644)
    expect((await key(['set', '--file'], { input: KEY })).code).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(`${JSON.stringify({ ...others, api_key: KEY }, undefined, 2)}\n`)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readdirSync(dirname(file))).toEqual(['config.json'])
  })

  test('says where it went behind a link, which stays', async () => {
    const real = join(home, 'dotfiles.json')
    writeFileSync(real, '{}')
    mkdirSync(dirname(file), { recursive: true })
    symlinkSync(real, file)
    expect((await key(['set', '--file'], { input: KEY })).out).toContain(`'${real}' (mode 600)`)
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ api_key: KEY })
    expect(JSON.parse(readFileSync(real, 'utf8'))).toEqual({ api_key: KEY })
  })

  test.each([
    ['is no JSON', '{ "max_usd": 5,', 0o600, 'is not JSON'],
    ['is empty', '', 0o600, 'is empty'],
    ['says a cap twice', '{ "max_usd": 5, "max_usd": 50 }', 0o600, 'max_usd stands in'],
    ['others can change', '{}', 0o666, 'can be changed by others'],
    ['has no room for it', `{"mine":"${'x'.repeat(65_500)}"}`, 0o600, 'would be larger than 65536 bytes'],
  ])('leaves a file alone that %s', async (_, text, mode, sentence) => {
    saveConfig(text, mode)
    const { code, err } = await key(['set', '--file'], { input: KEY })
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(sentence) })
    expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual([text, mode])
  })

  test('says what goes before it', async () => {
    const env = { CLAUDE_FALLBACK_API_KEY: KEY }
    const { out } = await key(['set', '--file'], { input: 'a-gateway-key-made-up-for-tests', env })
    expect(out).toContain('Note that CLAUDE_FALLBACK_API_KEY is set too, and goes before it.')
    expect(out).toContain('Note that it does not start with sk-ant-')
  })
})

describe('key set', () => {
  test.each([
    ['nothing', '', 'it is empty.'],
    ['a login token', 'sk-ant-oat01-made-up', 'login token'],
    ['two lines', `${KEY}\n${KEY}`, 'a space or another character'],
    ['a file without a space', 'x'.repeat(100_000), 'it is longer than 8192 characters.'],
  ])('refuses %s, and stores nothing', async (_, input, reason) => {
    const { code, err } = await key(['set', '--file'], { input })
    expect(code).toBe(1)
    expect(err).toContain('The key was refused: ')
    expect(err).toContain(reason)
    expect(readdirSync(home)).toEqual([])
  })

  test.each([
    [['set', KEY]],
    [['set', 'a-gateway-key-made-up']],
    [['set', `--key=${KEY}`]],
    [[KEY]],
    [['test', KEY]],
    [['set', `--${KEY}`]],
  ])('refuses a key in its arguments and does not repeat it: %j', async (args) => {
    const { code, out, err } = await key(args, { input: KEY })
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain("it stays in your\nshell's history")
    expect(err).not.toContain('gateway')
    expect(readdirSync(home)).toEqual([])
  })

  test('without a keyring says so, and names the file', async () => {
    const { code, err } = await key(['set'], { input: KEY })
    expect(code).toBe(1)
    expect(err).toMatch(/^The keyring cannot be used: .+\.\nTo store the key in the config file .*--file\n$/)
    expect(readdirSync(home)).toEqual([])
  })
})

describe('key set on a terminal', () => {
  /** A shell around it, for what it leaves of the terminal. */
  function open(args: string, env?: Record<string, string>) {
    const script = `stty -a >"$HOME/before"; "$NODE" "$PROGRAM" key set ${args}; echo "code $?"; stty -a >"$HOME/after"; echo done`
    const variables = { TERM: 'xterm', NODE: process.execPath, PROGRAM: program, ...env }
    const outer = openOuter({
      file: 'sh',
      args: ['-c', script],
      cwd: home,
      env: environment(variables),
      cols: 200,
    })
    onTestFinished(() => outer.close())
    return outer
  }

  async function expectRestored(outer: ReturnType<typeof open>) {
    await outer.waitFor('done')
    expect(outer.text()).not.toContain(KEY.slice(7, -4))
    expect(readFileSync(join(home, 'after'), 'utf8')).toBe(readFileSync(join(home, 'before'), 'utf8'))
  }

  const saved = () => JSON.parse(readFileSync(file, 'utf8')).api_key

  test.each([
    ['typed', `${KEY}\r`],
    ['with mistakes', `x\u0015${KEY}zz\u007f\b\u001b[D\r`],
    ['pasted with marks and line ends', `\u001b[200~\n${KEY}\r\n\u001b[201~\r`],
    ['ended by Ctrl+D', `${KEY}\u0004`],
  ])('reads it without echo: %s', async (_, input) => {
    const outer = open('--file')
    await outer.waitFor('API key (it is not shown): ')
    await outer.type(input)
    await outer.waitFor('code 0')
    await expectRestored(outer)
    expect(saved()).toBe(KEY)
  })

  test.each([
    ['the marks around a paste', `\u001b[200~${KEY}\u001b[201~\r`],
    ['an arrow', `${KEY}\u001bOD\r`],
    ['a mark behind a line end', `${KEY}\r\n\u001b[201~`],
  ])('takes %s for no text, however they are cut', async (_, input) => {
    const cuts = [...input.matchAll(/\u001b/g)].flatMap(({ index }) => [0, 1, 2, 3, 5].map((n) => index + n))
    for (const at of cuts) {
      const stdin = Object.assign(new PassThrough(), { setRawMode: () => {} })
      const streams = { stdin, stderr: new PassThrough() } as unknown as Parameters<typeof askTerminal>[0]
      const asked = askTerminal(streams, { prompt: '', isShown: false })
      stdin.write(input.slice(0, at))
      await new Promise(setImmediate)
      stdin.write(input.slice(at))
      expect(await asked).toBe(KEY)
    }
  })

  test('takes an Esc by itself for no part of what follows', async () => {
    const stdin = Object.assign(new PassThrough(), { setRawMode: () => {} })
    const streams = { stdin, stderr: new PassThrough() } as unknown as Parameters<typeof askTerminal>[0]
    const asked = askTerminal(streams, { prompt: '', isShown: false })
    for (const chunk of ['\u001b', '\u001b', `${KEY}\r`]) {
      stdin.write(chunk)
      await new Promise(setImmediate)
    }
    expect(await asked).toBe(KEY)
  })

  test('keeps what was pasted behind it from the shell', async () => {
    const outer = open('--file')
    await outer.waitFor('not shown): ')
    await outer.type(`${KEY}\rtouch pwned\r`)
    await outer.waitFor('The key was refused: it has a space')
    await expectRestored(outer)
    expect(readdirSync(home).sort()).toEqual(['after', 'before'])
  })

  test.each([
    ['Ctrl+C', `${KEY}\u0003`],
    ['Ctrl+D', '\u0004'],
  ])('stores nothing on %s', async (_, input) => {
    const outer = open('--file')
    await outer.waitFor('not shown): ')
    await outer.type(input)
    await outer.waitFor(/Nothing was stored\.\s+code 130/)
    await expectRestored(outer)
    expect(readdirSync(home).sort()).toEqual(['after', 'before'])
  })

  test.each(['INT', 'TERM', 'HUP', 'QUIT'])('puts the terminal back on SIG%s', async (signal) => {
    const child = 'ulimit -c 0; echo $$ >"$HOME/pid"; exec "$NODE" "$PROGRAM" key set --file'
    const script = `stty -a >"$HOME/before"; sh -c '${child}'; stty -a >"$HOME/after"; echo done`
    const variables = { TERM: 'xterm', NODE: process.execPath, PROGRAM: program }
    const outer = openOuter({ file: 'sh', args: ['-c', script], cwd: home, env: environment(variables) })
    onTestFinished(() => outer.close())
    await outer.waitFor('not shown): ')
    process.kill(Number(readFileSync(join(home, 'pid'), 'utf8')), `SIG${signal}` as NodeJS.Signals)
    await expectRestored(outer)
  })

  test.each([
    ['y', true],
    ['\r', false],
    ['no', false],
  ])('without a keyring asks about the file: %j', async (reply, isSaved) => {
    const outer = open('')
    await outer.waitFor('not shown): ')
    await outer.type(`${KEY}\r`)
    await outer.waitFor('[y/N] ')
    await outer.type(`${reply}\r`)
    await outer.waitFor(isSaved ? 'code 0' : /Nothing was stored\.\s+code 130/)
    await expectRestored(outer)
    expect(readdirSync(home).includes('.config')).toBe(isSaved)
    if (isSaved) expect(saved()).toBe(KEY)
  })
})

describe('key remove', () => {
  test('takes the key out of the file alone where it is told to, and says what is left', async () => {
    saveConfig(JSON.stringify({ api_key: KEY, max_usd: 5 }))
    const env = { ANTHROPIC_API_KEY: 'sk-ant-api03-made-up-for-tests-wxyz' }
    const kept = await key(['remove'], { env })
    expect(kept).toMatchObject({ code: 1, err: expect.stringContaining('The keyring cannot be used') })
    expect(kept.out).toContain('Still set: config file (…abcd), ANTHROPIC_API_KEY (…wxyz).')
    const removed = await key(['remove', '--file'], { env })
    expect(removed).toMatchObject({ code: 0, out: expect.stringContaining(`Removed from '${file}'.`) })
    expect(removed.out).toContain('Still set: ANTHROPIC_API_KEY (…wxyz).')
    expect(readFileSync(file, 'utf8')).toBe('{\n  "max_usd": 5\n}\n')
    const again = await key(['remove', '--file'])
    expect(again).toMatchObject({
      code: 0,
      out: expect.stringContaining(`There is none in '${file}'.\nNo key is set.`),
    })
  })
})

test('key show tells sources, as JSON too, and fails without a key', async () => {
  const { code, out } = await key(['show', '--json'], { env: { CLAUDE_FALLBACK_API_KEY: KEY } })
  expect(code).toBe(0)
  expect(JSON.parse(out)[0]).toEqual({
    source: 'CLAUDE_FALLBACK_API_KEY',
    isSet: true,
    isUsed: true,
    shown: '…abcd',
  })
  expect((await key(['show'])).code).toBe(1)
})

describe('key test', () => {
  async function serve(answer: http.RequestListener) {
    const server = http.createServer(answer)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return `http://127.0.0.1:${(server.address() as { port: number }).port}`
  }

  const error = (type: string, message: string) => JSON.stringify({ type: 'error', error: { type, message } })

  test('asks once, with the key in the header alone', async () => {
    const requests: unknown[][] = []
    const base = await serve(({ method, url, headers }, response) => {
      requests.push([method, url, headers])
      response.end('{"data":[{"id":"claude-made-up"}]}')
    })
    const env = { CLAUDE_FALLBACK_API_KEY: KEY, ANTHROPIC_BASE_URL: `${base}/gateway/` }
    const { code, out, err } = await key(['test'], { env })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^…abcd \(CLAUDE_FALLBACK_API_KEY\): The key is valid: 127\.0\.0\.1:\d+ took it\./)
    expect(requests).toEqual([
      [
        'GET',
        '/gateway/v1/models?limit=1',
        expect.objectContaining({ 'x-api-key': KEY, 'anthropic-version': '2023-06-01' }),
      ],
    ])
  })

  test.each([
    [401, error('authentication_error', `invalid x-api-key ${KEY}`), 'invalid', 1],
    [403, error('permission_error', 'no'), 'invalid', 1],
    [400, error('invalid_request_error', 'Your credit balance is too low to access'), 'no credit', 1],
    [402, error('billing_error', 'pay'), 'no credit', 1],
    [429, error('rate_limit_error', 'slow'), 'rate limited', 0],
    [529, error('overloaded_error', 'busy'), 'unreachable', 1],
    [404, 'no', 'unclear', 1],
    [302, '', 'unclear', 1],
    [200, '<html>Sign in to the Wi-Fi</html>', 'unclear', 1],
    [200, 'null', 'unclear', 1],
    [200, `{"data":[${'1,'.repeat(100_000)}1]}`, 'unclear', 1],
  ])('%i %.40s: %s', async (status, body, type, code) => {
    let count = 0
    const base = await serve((request, response) => {
      count++
      response.writeHead(status, status === 302 ? { location: `/elsewhere${request.url}` } : {}).end(body)
    })
    const result = await testKey(KEY, { ANTHROPIC_BASE_URL: base })
    expect(result).toEqual({ type, sentence: expect.stringContaining(base.slice('http://'.length)) })
    expect(result.sentence).not.toContain(KEY.slice(0, 12))
    expect(count).toBe(1)
    const env = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: base }
    if ([401, 429].includes(status)) expect((await key(['test'], { env })).code).toBe(code)
  })

  test.each([
    ['http://127.0.0.1:1', /^127\.0\.0\.1:1 cannot be reached \(.+\)\.$/],
    ['http://me:made-up-password@127.0.0.1:1', /^127\.0\.0\.1:1 cannot be reached/],
    ['nonsense', /^ANTHROPIC_BASE_URL is no URL/],
    ['file:///etc', /^ANTHROPIC_BASE_URL is no URL/],
  ])('is unreachable at %s', async (base, sentence) => {
    expect(await testKey(KEY, { ANTHROPIC_BASE_URL: base })).toEqual({
      type: 'unreachable',
      sentence: expect.stringMatching(sentence),
    })
  })

  test('waits no longer for an answer than its time, not for the rest of one either', async () => {
    const base = await serve((_, response) => response.write('{"data":['))
    const { sentence } = await testKey(KEY, { ANTHROPIC_BASE_URL: base, HTTPS_PROXY: 'http://proxy' }, 300)
    expect(sentence).toMatch(
      /cannot be reached \(no answer within 0\.3 s\)\. This test does not go by HTTPS_PROXY\.$/,
    )
  })

  test.each(['SIGINT', 'SIGKILL'] as const)('leaves no api_key_command behind on %s', async (signal) => {
    const pids = join(home, 'pids')
    const script = `trap '' TERM INT HUP; sleep 600 & echo $! $$ >${pids}.part; mv ${pids}.part ${pids}; wait; sleep 600`
    saveConfig(JSON.stringify({ api_key_command: ['sh', '-c', script] }))
    const child = execFile(process.execPath, [program, 'key', 'test'], { env: environment(), cwd: home })
    await waitUntil(() => existsSync(pids))
    child.kill(signal)
    await once(child, 'exit')
    const started = readFileSync(pids, 'utf8').trim().split(' ').map(Number)
    onTestFinished(() => {
      for (const pid of started.filter(exists)) process.kill(pid, 'SIGKILL')
    })
    expect(started).toHaveLength(2)
    await waitUntil(() => !started.some(exists))
  })

  test('says that there is no key, and why one was refused', async () => {
    expect(await key(['test'])).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('There is no key.'),
    })
    const env = { CLAUDE_FALLBACK_API_KEY: 'sk-ant-oat01-made-up' }
    const { code, err } = await key(['test'], { env })
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringContaining('The key of CLAUDE_FALLBACK_API_KEY was refused: it is a login token'),
    })
  })
})
