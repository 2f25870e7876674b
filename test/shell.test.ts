import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Companion } from '../src/companion.ts'
import { findInstalled, runInit, runInstall, runUninstall } from '../src/shell.ts'

let home = ''
beforeEach(() => {
  home = fs.mkdtempSync(join(tmpdir(), "claudef shell's-"))
})
afterEach(() => fs.rmSync(home, { recursive: true }))

const commands = { install: runInstall, uninstall: runUninstall, init: runInit }

type Options = { env?: NodeJS.ProcessEnv; platform?: NodeJS.Platform }

async function run(line: string, { env = {}, platform = 'linux' }: Options = {}) {
  const [name = '', ...args] = line.split(' ')
  const said = { stdout: '', stderr: '' }
  const into = (stream: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      said[stream] += text
      return true
    },
  })
  const world = {
    ...{ args, cwd: home, now: Date.now, stdin: process.stdin, platform },
    env: { HOME: home, SHELL: '/bin/bash', ...env },
    stdout: into('stdout') as Companion['stdout'],
    stderr: into('stderr'),
  }
  return { code: await commands[name as keyof typeof commands](world), ...said }
}

const at = (name: string) => join(home, name)
const functions = '.local/share/claude-fallback/functions.bash'

function write(name: string, text: string, mode = 0o644) {
  fs.mkdirSync(dirname(at(name)), { recursive: true })
  fs.writeFileSync(at(name), text, { mode })
}

/** Every file below the home, with all that a careless writer would change. */
function readAll(): Record<string, unknown> {
  const files = fs.readdirSync(home, { recursive: true, encoding: 'utf8' }).sort()
  return Object.fromEntries(
    files.flatMap((name) => {
      const { mode, uid, gid, ino, mtimeNs } = fs.lstatSync(at(name), { bigint: true })
      if (fs.lstatSync(at(name)).isDirectory()) return []
      const text = fs.lstatSync(at(name)).isSymbolicLink()
        ? fs.readlinkSync(at(name))
        : fs.readFileSync(at(name), 'latin1')
      return [[name, { text, mode, uid, gid, ino, mtimeNs }]]
    }),
  )
}

const texts = () => Object.entries(readAll()).map(([name, file]) => [name, (file as { text: string }).text])

describe.each([
  ['bash', '.bashrc', functions],
  ['zsh', '.zshrc', '.local/share/claude-fallback/functions.zsh'],
] as const)('install for %s', (shell, rc, file) => {
  test('writes a file and a block, twice changes nothing, and goes away whole', async () => {
    write(rc, 'export A=1')
    const before = texts()
    const first = await run(`install --shell ${shell}`)
    expect(first).toMatchObject({ code: 0, stderr: '' })
    for (const name of [rc, file]) expect(first.stdout).toContain(at(name))
    expect(first.stdout).toContain('API billing stops at 10 USD a day')
    expect(fs.readFileSync(at(file), 'utf8')).toContain('function ')
    expect(fs.readFileSync(at(rc), 'utf8')).toContain('functions.')
    const after = readAll()
    const again = await run(`install --shell ${shell}`)
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to do') })
    expect(readAll()).toEqual(after)
    expect((await run('uninstall')).code).toBe(0)
    expect(texts()).toEqual(before)
    expect(fs.existsSync(dirname(at(file)))).toBe(false)
    expect(await run('uninstall')).toMatchObject({ code: 0, stdout: 'Nothing is installed.\n' })
  })
})

test('fish reads our file by itself; XDG folders are honoured, relative ones are not', async () => {
  await run('install --shell fish', { env: { XDG_CONFIG_HOME: at('config') } })
  await run('install --shell bash', { env: { XDG_DATA_HOME: at('data') } })
  await run('install --shell zsh', { env: { XDG_DATA_HOME: 'data', ZDOTDIR: at('zsh') } })
  expect(texts().map(([name]) => name)).toEqual([
    '.bashrc',
    '.local/share/claude-fallback/functions.zsh',
    'config/fish/conf.d/claude-fallback.fish',
    'data/claude-fallback/functions.bash',
    'zsh/.zshrc',
  ])
})

test('uninstall takes one shell away where one is named', async () => {
  await run('install --shell zsh')
  await run('install --shell bash')
  expect((await run('uninstall --shell zsh')).code).toBe(0)
  expect(texts().map(([name]) => name)).toEqual(['.bashrc', functions])
})

test('the rc file keeps its mode and its link, also one that leads nowhere yet', async () => {
  write('dotfiles/bashrc', 'export A=1\n', 0o600)
  fs.symlinkSync('dotfiles/bashrc', at('.bashrc'))
  fs.symlinkSync('dotfiles/zshrc', at('.zshrc'))
  const before = texts()
  await run('install --shell bash')
  await run('install --shell zsh')
  expect(fs.lstatSync(at('.bashrc')).isSymbolicLink()).toBe(true)
  expect(fs.lstatSync(at('.zshrc')).isSymbolicLink()).toBe(true)
  expect(fs.statSync(at('dotfiles/bashrc')).mode & 0o777).toBe(0o600)
  expect(fs.readFileSync(at('dotfiles/bashrc'), 'utf8')).toContain('functions.bash')
  expect(fs.readFileSync(at('dotfiles/zshrc'), 'utf8')).toContain('functions.zsh')
  await run('uninstall')
  expect(texts()).toEqual(before)
})

test('an rc file with a second name keeps it', async () => {
  write('repository/bashrc', 'export A=1\n')
  fs.linkSync(at('repository/bashrc'), at('.bashrc'))
  await run('install')
  expect(fs.readFileSync(at('repository/bashrc'), 'utf8')).toContain('functions.bash')
  await run('uninstall')
  expect(fs.readFileSync(at('repository/bashrc'), 'utf8')).toBe('export A=1\n')
})

test('bytes that are no UTF-8, and a path that is, come out as they were', async () => {
  fs.writeFileSync(at('.bashrc'), Buffer.from([0x61, 0xff, 0xfe, 0x0d, 0x0a]))
  const env = { XDG_DATA_HOME: at('données') }
  await run('install', { env })
  expect(fs.readFileSync(at('.bashrc'), 'utf8')).toContain('/données/claude-fallback/functions.bash')
  await run('uninstall', { env })
  expect([...fs.readFileSync(at('.bashrc'))]).toEqual([0x61, 0xff, 0xfe, 0x0d, 0x0a])
})

test('a newer text replaces ours alone', async () => {
  await run('install')
  const now = texts()
  const rc = fs.readFileSync(at('.bashrc'), 'utf8')
  fs.writeFileSync(at('.bashrc'), rc.replace('\nfi\n', '\nfi # older\n'))
  fs.appendFileSync(at(functions), '# older\n')
  expect(findInstalled({ env: { HOME: home } })).toMatchObject([{ shell: 'bash', isCurrent: false }])
  expect((await run('install')).code).toBe(0)
  expect(texts()).toEqual(now)
  expect(findInstalled({ env: { HOME: home } })).toEqual([
    { shell: 'bash', file: at(functions), isCurrent: true },
  ])
})

test('the alias is as the last install said', async () => {
  await run('install --alias')
  expect(fs.readFileSync(at(functions), 'utf8')).toContain('claude=claudef')
  expect(findInstalled({ env: { HOME: home } })).toMatchObject([{ isCurrent: true }])
  expect((await run('install')).stdout).toContain('no alias of claudef any more')
  expect(fs.readFileSync(at(functions), 'utf8')).not.toContain('claude=claudef')
})

test('--dry-run names the files and touches none', async () => {
  write('.bashrc', 'export A=1\n')
  const before = readAll()
  const { code, stdout } = await run('install --dry-run')
  expect({ code, after: readAll() }).toEqual({ code: 0, after: before })
  expect(stdout).toContain(at(functions))
  expect(stdout).toContain(at('.bashrc'))
  expect(fs.readdirSync(home)).toEqual(['.bashrc'])
})

describe('what cannot be changed is told, and nothing is touched', () => {
  test.each([
    ['an rc file that is a folder', () => fs.mkdirSync(at('.bashrc')), 'it is a folder'],
    ['an rc file that is a device', () => fs.symlinkSync('/dev/null', at('.bashrc')), 'it is no file'],
    ['a link in a circle', () => fs.symlinkSync('.bashrc', at('.bashrc')), 'cannot be'],
    ['half a block', () => write('.bashrc', 'a\n# >>> claude-fallback >>>\nb\n'), 'line 2'],
    ['a file in the folder’s place', () => write('.local/share', ''), 'cannot be'],
    [
      'a folder in the functions’ place',
      () => fs.mkdirSync(at(functions), { recursive: true }),
      'it is a folder',
    ],
    ['somebody else’s file there', () => write(functions, 'echo mine\n'), 'is not ours'],
  ])('%s', async (_, spoil, words) => {
    spoil()
    const before = fs.readdirSync(home, { recursive: true })
    const beforeText = fs.existsSync(at('.bashrc')) && fs.statSync(at('.bashrc')).isFile() && texts()
    const { code, stdout, stderr } = await run('install')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(words)
    expect(fs.readdirSync(home, { recursive: true })).toEqual(before)
    if (beforeText) expect(texts()).toEqual(beforeText)
  })

  test('half a block at uninstall, while the other shells are cleaned', async () => {
    await run('install --shell zsh')
    write('.bashrc', 'a\n# <<< claude-fallback <<<\n')
    const { code, stderr } = await run('uninstall')
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(`${at('.bashrc')}: line 2`) })
    expect(texts()).toEqual([['.bashrc', 'a\n# <<< claude-fallback <<<\n']])
  })
})

test('uninstall does not mind what an rc file is that holds nothing of ours', async () => {
  fs.symlinkSync('/dev/null', at('.zshrc'))
  fs.mkdirSync(at('.profile'))
  fs.symlinkSync('.bash_login', at('.bash_login'))
  await run('install')
  expect(findInstalled({ env: { HOME: home } })).toMatchObject([{ shell: 'bash', isCurrent: true }])
  expect(await run('uninstall')).toMatchObject({ code: 0, stderr: '' })
  expect(fs.readdirSync(home).sort()).toEqual(['.bash_login', '.local', '.profile', '.zshrc'])
})

test.each([
  ['ZDOTDIR=~/.config/zsh\n', undefined, true],
  ['export ZDOTDIR=/elsewhere\n', '/elsewhere', false],
  ['# ZDOTDIR=~/.config/zsh\n', undefined, false],
])('tells of a ZDOTDIR that zsh keeps to itself: %j', async (text, exported, isTold) => {
  write('.zshenv', text)
  const ZDOTDIR = exported && at('zsh')
  const { stdout } = await run('install --shell zsh', { env: { ...(ZDOTDIR && { ZDOTDIR }) } })
  expect(stdout.includes('does not export it')).toBe(isTold)
})

describe('on macOS, where terminals run login shells', () => {
  test.each([
    ['no login file', {}, ['.bash_profile', '.bashrc']],
    ['one that sources .bashrc', { '.bash_profile': '. ~/.bashrc\n' }, ['.bashrc']],
    ['one that only speaks of it', { '.bash_profile': '# . ~/.bashrc\n' }, ['.bash_profile', '.bashrc']],
    // A new .bash_profile would hide it.
    ['a .profile', { '.profile': 'export A=1\n' }, ['.bashrc', '.profile']],
  ])('%s', async (_, files: Record<string, string>, expected) => {
    for (const [name, text] of Object.entries(files)) write(name, text)
    const before = texts()
    await run('install', { platform: 'darwin' })
    const withBlock = texts().filter(([, text = '']) => text.includes('>>> claude-fallback >>>'))
    expect(withBlock.map(([name]) => name)).toEqual(expected)
    const again = await run('install', { platform: 'darwin' })
    expect(again.stdout).toContain('nothing to do')
    await run('uninstall', { platform: 'darwin' })
    expect(texts()).toEqual(before)
  })
})

test.each([
  ['install', { SHELL: '/bin/ksh' }, "SHELL is '/bin/ksh'"],
  ['install', { SHELL: undefined }, '--shell'],
  ['install --shell nu', {}, "'nu' is none of bash, zsh, fish"],
  ['uninstall --shell nu', {}, "'nu' is none of"],
  ['init nu', {}, "'nu' is none of"],
  ['init', {}, 'a word is missing'],
  ['install --aliass', {}, '--aliass'],
])('%s is refused with 2', async (line, env, words) => {
  const { code, stdout, stderr } = await run(line, { env })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(words)
  expect(fs.readdirSync(home)).toEqual([])
})

test('init prints what install writes', async () => {
  await run('install --alias')
  expect(await run('init bash --alias')).toEqual({
    code: 0,
    stdout: fs.readFileSync(at(functions), 'utf8'),
    stderr: '',
  })
})
