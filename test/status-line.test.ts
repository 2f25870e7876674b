import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Status } from '../src/core/status-line.ts'
import {
  chainStatusLine,
  findStatusLine,
  followStatusLine,
  replaceStatusLine,
  writeStatusLine,
} from '../src/status-line.ts'
import { findProcesses } from './support/processes.ts'

function makeFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "claudef's status line-"))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** One line, as Claude Code writes it. */
const told = `${JSON.stringify({ session_id: 's', text: `ä'"\\ $HOME %d` })}\n`

type Run = { status: number | null; stdout: string }

/** Runs a command the way Claude Code does: a shell of its own process group, the JSON on its stdin. */
function run(command: unknown, input: string = told): Promise<Run> {
  const child = spawn('/bin/sh', ['-c', String(command)], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let stdout = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  // Of a command that reads nothing.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stdout })))
}

function chained(folder: string, command: string): unknown {
  return chainStatusLine({ folder, users: { type: 'command', command }, own: false, billing: 'subscription' })
    ?.command
}

const ownCommand = (folder: string) =>
  chainStatusLine({ folder, users: undefined, own: true, billing: 'subscription' })?.command

const fail = (error: Error) => {
  throw error
}

describe('findStatusLine', () => {
  const write = (file: string, statusLine: unknown) => {
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, typeof statusLine === 'string' ? statusLine : JSON.stringify({ statusLine }))
  }
  const line = (command: string, more = {}) => ({ type: 'command', command, ...more })
  const setUp = () => {
    const root = makeFolder()
    const options = {
      configDir: path.join(root, 'config'),
      cwd: path.join(root, 'project'),
      userSettings: {},
      managedDir: path.join(root, 'managed'),
    }
    const files = {
      user: path.join(options.configDir, 'settings.json'),
      project: path.join(options.cwd, '.claude/settings.json'),
      local: path.join(options.cwd, '.claude/settings.local.json'),
      managed: path.join(options.managedDir, 'managed-settings.json'),
    }
    return { options, files }
  }

  test('merges what the settings say, the stronger over the weaker', () => {
    const { options, files } = setUp()
    expect(findStatusLine(options)).toBeUndefined()
    write(files.user, line('user', { padding: 6 }))
    expect(findStatusLine(options)).toEqual(line('user', { padding: 6 }))
    write(files.project, line('project'))
    expect(findStatusLine(options)).toEqual(line('project', { padding: 6 }))
    write(files.local, line('local', { padding: 0 }))
    expect(findStatusLine(options)).toEqual(line('local', { padding: 0 }))
    const userSettings = { statusLine: line('flag') }
    expect(findStatusLine({ ...options, userSettings })).toEqual(line('flag', { padding: 0 }))
    write(files.managed, line('managed'))
    expect(findStatusLine({ ...options, userSettings })).toEqual(line('managed', { padding: 0 }))
    const dropIn = (name: string) => path.join(options.managedDir, 'managed-settings.d', name)
    write(dropIn('20-late.json'), line('late'))
    write(dropIn('10-early.json'), line('early', { padding: 2 }))
    write(dropIn('.30-hidden.json'), line('hidden'))
    write(dropIn('40-note.txt'), line('note'))
    expect(findStatusLine({ ...options, userSettings })).toEqual(line('late', { padding: 2 }))
  })

  test.each([
    ['a subfolder', 'sub/deeper'],
    ['a linked worktree', '../worktree'],
  ])('takes the local settings of the repository in %s', (_, folder) => {
    const { options, files } = setUp()
    const git = (...args: string[]) => execFileSync('git', ['-C', options.cwd, ...args], { stdio: 'ignore' })
    fs.mkdirSync(options.cwd)
    git('init')
    git('-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '--allow-empty', '-m', 'first')
    const cwd = path.join(options.cwd, folder)
    if (folder.startsWith('..')) git('worktree', 'add', cwd)
    write(path.join(cwd, '.claude/settings.local.json'), line('own', { padding: 3 }))
    expect(findStatusLine({ ...options, cwd })).toEqual(line('own', { padding: 3 }))
    write(files.local, line('of the repository'))
    write(files.project, line('not looked at'))
    expect(findStatusLine({ ...options, cwd })).toEqual(line('of the repository', { padding: 3 }))
  })

  test('skips the sources that --setting-sources leaves out, and broken files', () => {
    const { options, files } = setUp()
    write(files.user, line('user'))
    write(files.project, line('project'))
    write(files.local, '{"statusLine": {"type"')
    expect(findStatusLine(options)).toEqual(line('project'))
    expect(findStatusLine({ ...options, settingSources: 'user, local' })).toEqual(line('user'))
    expect(findStatusLine({ ...options, settingSources: '' })).toBeUndefined()
  })
})

describe('chainStatusLine', () => {
  test.each([
    ['reads all', 'cat'],
    ['reads nothing', 'echo hello'],
    ['prints several lines and colours', `printf '\\033[31m one \\033[0m\\n\\n  two\\n'; cat | wc -c`],
    ['prints no line feed', `printf '%s' "$(cat)"`],
    ['prints nothing', 'cat >/dev/null'],
    ['fails', 'echo words; exit 3'],
    ['is killed', 'echo words; kill -9 $$'],
    ['is not there', './nothing/here --flag'],
    ['ends in a comment', 'cat # the line'],
    ['ends in a backslash', 'echo a\\'],
    ['has quotes of all kinds', `echo 'it'"'"'s' "\\"$(printf '%s' '$HOME')\\"" \`echo x\``],
    ['has a here document', 'cat <<END\nin $((1 + 1))\nEND'],
    ['has a function and several lines', 'show() {\n  echo "[$(cat)]"\n}\n\nshow'],
    ['is broken', 'if true; then echo x'],
    ['closes what it has not opened', 'echo a; fi; }'],
    ['becomes another program', 'exec cat'],
    ['has a trap', `trap 'echo bye' EXIT; cat`],
    ['looks at its shell', 'echo "$0 $# $-"; set -e; false; echo more'],
    ['closes its input', 'exec <&-; echo closed'],
    ['is a pipeline', 'head -c 10 | tr a-z A-Z'],
  ])('shows what a command shows that %s', async (_, command) => {
    const folder = makeFolder()
    expect(await run(chained(folder, command))).toEqual(await run(command))
    // A shell that was killed does not wait for the copy.
    await expect.poll(() => fs.readdirSync(folder)).toEqual(['status.subscription.json'])
    expect(fs.readFileSync(path.join(folder, 'status.subscription.json'), 'utf8')).toBe(told)
  })

  test('copies an input that no pipe holds, though the command reads none of it', async () => {
    const folder = makeFolder()
    const input = `${'x'.repeat(1_000_000)}\n`
    expect(await run(chained(folder, 'echo hello'), input)).toEqual({ status: 0, stdout: 'hello\n' })
    expect(fs.readFileSync(path.join(folder, 'status.subscription.json'), 'utf8')).toBe(input)
  })

  test('shows the same where the folder is gone', async () => {
    const folder = path.join(makeFolder(), 'gone')
    expect(await run(chained(folder, 'cat; exit 4'))).toEqual({ status: 4, stdout: told })
    expect(await run(ownCommand(folder))).toMatchObject({ stdout: '' })
  })

  test('has whole copies of runs at the same time', async () => {
    const folder = makeFolder()
    const command = chained(folder, 'cat')
    const copy = () => fs.readFileSync(path.join(folder, 'status.subscription.json'), 'utf8')
    const slow = spawn('/bin/sh', ['-c', String(command)], { stdio: ['pipe', 'ignore', 'ignore'] })
    slow.stdin.write('first half, ')
    const parts = () => fs.readdirSync(folder).map((name) => fs.statSync(path.join(folder, name)).size)
    await expect.poll(parts).toEqual([12])
    await run(command, 'another\n')
    expect(copy()).toBe('another\n')
    slow.stdin.end('second half\n')
    await new Promise((resolve) => slow.on('close', resolve))
    expect(copy()).toBe('first half, second half\n')
    expect(fs.readdirSync(folder)).toEqual(['status.subscription.json'])
  })

  test('ends with its process group, as the command alone does', async () => {
    const folder = makeFolder()
    const mark = `CLAUDEF_TEST_STATUS_LINE=${folder}`
    const child = spawn('/bin/sh', ['-c', String(chained(folder, 'echo begun; sleep 1000'))], {
      detached: true,
      env: { ...process.env, CLAUDEF_TEST_STATUS_LINE: folder },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    expect(findProcesses(mark)).toContain(child.pid)
    process.kill(-(child.pid ?? 0), 'SIGTERM')
    await expect.poll(() => findProcesses(mark)).toEqual([])
  })

  test('keeps the other fields, and leaves alone what it does not know', () => {
    const folder = makeFolder()
    const chain = (users: Record<string, unknown> | undefined) =>
      chainStatusLine({ folder, users, own: false, billing: 'subscription' })
    const users = { type: 'command', command: 'date', padding: 0, refreshInterval: 9, later: true }
    expect(chain(users)).toEqual({ ...users, command: expect.stringContaining("'date'") })
    expect(chain({ ...users, type: 'other' })).toBeUndefined()
    expect(chain({ ...users, command: ' ' })).toBeUndefined()
    expect(chain({ ...users, args: [] })).toBeUndefined()
    expect(chain({ ...users, shell: 'powershell' })).toBeUndefined()
    expect(chain(undefined)).toBeUndefined()
  })

  test('shows our own line where it is wanted', async () => {
    const folder = makeFolder()
    expect(await run(ownCommand(folder))).toMatchObject({ stdout: '' })
    writeStatusLine(folder, '5h 93 % · subscription', fail)
    expect(await run(ownCommand(folder))).toEqual({ status: 0, stdout: '5h 93 % · subscription\n' })
    expect(fs.readFileSync(path.join(folder, 'status.subscription.json'), 'utf8')).toBe(told)
  })
})

test.each(['old', undefined])('replaceStatusLine takes over a new command (before: %s)', async (before) => {
  const folder = makeFolder()
  const users = before === undefined ? undefined : { type: 'command', command: `echo ${before}` }
  writeStatusLine(folder, 'old', fail)
  const command = chainStatusLine({ folder, users, own: true, billing: 'subscription' })?.command
  expect(await run(command)).toMatchObject({ stdout: 'old\n' })
  replaceStatusLine({ folder, users: { type: 'command', command: 'cat; exit 5' } }, fail)
  expect(await run(command)).toEqual({ status: 5, stdout: told })
  replaceStatusLine({ folder, users: undefined }, fail)
  expect(await run(command)).toMatchObject({ stdout: 'old\n' })
})

describe('followStatusLine', () => {
  const follow = (folder: string) => {
    const seen: (string | undefined)[] = []
    const errors: Error[] = []
    const onStatus = ({ sessionId }: Status) => void seen.push(sessionId)
    const follower = followStatusLine(folder, onStatus, (error) => void errors.push(error))
    onTestFinished(follower.stop)
    return { seen, errors, stop: follower.stop }
  }
  const tell = (folder: string, id: string) => run(chained(folder, 'cat'), `{"session_id":"${id}"}\n`)

  test('calls back for each change, what came before included', async () => {
    const folder = makeFolder()
    await tell(folder, 'a')
    const { seen, errors } = follow(folder)
    await expect.poll(() => seen).toEqual(['a'])
    await tell(folder, 'b')
    await expect.poll(() => seen).toEqual(['a', 'b'])
    await run(chained(folder, 'cat'), '{"session_id":"b","cost":{"total_duration_ms":9}}\n')
    await run(chained(folder, 'cat'), 'no JSON\n')
    await tell(folder, 'c')
    await expect.poll(() => seen.at(-1)).toBe('c')
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(errors).toEqual([])
  })

  test('tells who pays for what is said, and takes the same words of another child for news', async () => {
    const folder = makeFolder()
    const users = { type: 'command', command: 'cat' }
    const say = (billing: 'subscription' | 'api') =>
      run(chainStatusLine({ folder, users, own: false, billing })?.command, '{"cost":{"total_cost_usd":2}}\n')
    const seen: string[] = []
    const { renew, stop } = followStatusLine(folder, (_, billing) => void seen.push(billing), fail)
    onTestFinished(stop)
    for (const billing of ['subscription', 'api', 'api'] as const) {
      renew()
      const before = seen.length
      await say(billing)
      await expect.poll(() => seen.slice(before)).toEqual([billing])
    }
    await say('api')
    await say('subscription')
    await expect.poll(() => seen).toEqual(['subscription', 'api', 'api', 'subscription'])
  })

  test('removes what killed runs left, not what is being written', async () => {
    const folder = makeFolder()
    const [left, fresh] = [
      path.join(folder, 'status.subscription.json.1'),
      path.join(folder, 'status.subscription.json.2'),
    ]
    for (const file of [left, fresh]) fs.writeFileSync(file, '{')
    fs.utimesSync(left, 1, 1)
    await tell(folder, 'a')
    const { seen } = follow(folder)
    await expect.poll(() => seen).toEqual(['a'])
    expect(fs.existsSync(left)).toBe(false)
    expect(fs.existsSync(fresh)).toBe(true)
  })

  test('says so where there is no folder, and is silent once stopped', async () => {
    const folder = makeFolder()
    expect(follow(path.join(folder, 'gone')).errors.length).toBe(1)
    await tell(folder, 'a')
    const stopped = follow(folder)
    stopped.stop()
    const { seen } = follow(folder)
    await expect.poll(() => seen).toEqual(['a'])
    expect(stopped.seen).toEqual([])
  })
})

test('nothing of a status line throws where the folder is gone', () => {
  const errors: Error[] = []
  const folder = path.join(makeFolder(), 'gone')
  writeStatusLine(folder, 'text', (error) => errors.push(error))
  replaceStatusLine({ folder, users: { type: 'command', command: 'date' } }, (error) => errors.push(error))
  replaceStatusLine({ folder, users: undefined }, (error) => errors.push(error))
  expect(errors.length).toBe(2)
})
