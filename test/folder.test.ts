import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  createSessionFolder,
  type SessionFolder,
  type SessionStart,
  sweepSessionFolders,
} from '../src/folder.ts'

let root: string
let folders: SessionFolder[] = []
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'claudef-'))
  // What is swept here must never be the machine's own folder: a bug would empty it.
  fs.mkdirSync(path.join(root, 'tmp'))
  vi.stubEnv('TMPDIR', path.join(root, 'tmp'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  for (const folder of folders) folder.remove()
  folders = []
  fs.rmSync(root, { recursive: true, force: true })
})

/** A claudef's folder under a parent of this name. */
function create(parent = 'runtime') {
  const runtime = path.join(root, parent)
  fs.mkdirSync(runtime, { recursive: true })
  const folder = createSessionFolder({ XDG_RUNTIME_DIR: runtime })
  folders.push(folder)
  const starts: SessionStart[] = []
  const watch = () =>
    folder.watch(
      (start) => void starts.push(start),
      (error) => {
        throw error
      },
    )
  return { folder, runtime, starts, watch }
}

const MESSAGE = {
  session_id: '11111111-1111-4111-8111-111111111111',
  transcript_path: '/home/somebody/.claude/projects/-project/11111111-1111-4111-8111-111111111111.jsonl',
  cwd: '/project',
  hook_event_name: 'SessionStart',
  source: 'startup',
  model: 'claude-opus-5-5',
}
const START: SessionStart = {
  sessionId: MESSAGE.session_id,
  transcript: MESSAGE.transcript_path,
  cwd: '/project',
  source: 'startup',
  model: 'claude-opus-5-5',
}

/** Runs the hook as Claude Code does. */
function runHook(
  folder: SessionFolder,
  message: unknown,
  options: { shell?: string; attended?: string } = {},
) {
  const { shell = 'sh', attended = '1' } = options
  const input = typeof message === 'string' ? message : JSON.stringify(message)
  // Not the machine's own HOME: bash reads its .bashrc where it is started as here, on a socket.
  const env = {
    PATH: process.env.PATH,
    HOME: root,
    ...(attended && { CLAUDE_CODE_SESSION_ATTENDED: attended }),
  }
  const { status, stdout, stderr } = spawnSync(shell, ['-c', folder.hookCommand], { input, env })
  return { status, stdout: stdout.toString(), stderr: stderr.toString() }
}

function eventually(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 5 })
}

const SILENT = { status: 0, stdout: '', stderr: '' }
const SHELLS = ['sh', 'dash', 'bash'].filter((shell) => spawnSync(shell, ['-c', ':']).status === 0)

describe('the folder', () => {
  test('is private, whatever the umask', () => {
    const before = process.umask(0)
    try {
      const { folder } = create()
      const settings = folder.writeSettings({ model: 'opus' })
      expect(fs.statSync(folder.path).mode & 0o777).toBe(0o700)
      expect(fs.statSync(settings).mode & 0o777).toBe(0o600)
    } finally {
      process.umask(before)
    }
  })

  test('holds the settings as they were said last', () => {
    const { folder } = create()
    const first = folder.writeSettings({ apiKeyHelper: 'a long command that is gone afterwards' })
    expect(folder.writeSettings({ model: '"' })).toBe(first)
    expect(JSON.parse(fs.readFileSync(first, 'utf8'))).toEqual({ model: '"' })
  })

  test('is in the runtime folder', () => {
    const { folder, runtime } = create()
    expect(path.dirname(folder.path)).toBe(runtime)
  })

  test.each([
    ['is not there', 'missing'],
    ['has a path too long for a socket', 'x'.repeat(100)],
  ])('is elsewhere where the runtime folder %s', (_, name) => {
    const runtime = path.join(root, name)
    if (name !== 'missing') fs.mkdirSync(runtime)
    const folder = createSessionFolder({ XDG_RUNTIME_DIR: runtime })
    folders.push(folder)
    expect(path.dirname(folder.path)).toBe(path.join(root, 'tmp'))
    expect(Buffer.byteLength(path.join(folder.path, 'key'))).toBeLessThanOrEqual(103)
  })

  test('is in /tmp where every other path is too long', () => {
    vi.stubEnv('TMPDIR', path.join(root, 'x'.repeat(100)))
    const folder = createSessionFolder({})
    folders.push(folder)
    expect(path.dirname(folder.path)).toBe('/tmp')
  })

  test('goes with all that is in it, twice if need be', () => {
    const { folder, runtime, watch } = create()
    watch()
    folder.writeSettings({})
    folder.remove()
    folder.remove()
    expect(fs.readdirSync(runtime)).toEqual([])
  })
})

describe('the hook', () => {
  test.each(SHELLS)('tells where the conversation is, run by %s', async (shell) => {
    const { folder, starts, watch } = create()
    watch()
    expect(runHook(folder, MESSAGE, { shell })).toEqual(SILENT)
    await eventually(() => expect(starts).toEqual([START]))
    expect(fs.readdirSync(folder.path)).toEqual([])
  })

  test.each(SHELLS)('in a folder whose path has quotes, spaces and dollars, run by %s', async (shell) => {
    const { folder, starts, watch } = create(`it's "a" $HOME \`b\` \\ ü`)
    watch()
    expect(runHook(folder, MESSAGE, { shell })).toEqual(SILENT)
    await eventually(() => expect(starts).toEqual([START]))
  })

  test('tells it to one who was late', async () => {
    const { folder, starts, watch } = create()
    runHook(folder, MESSAGE)
    watch()
    await eventually(() => expect(starts).toEqual([START]))
  })

  test('tells every conversation once', async () => {
    const { folder, starts, watch } = create()
    watch()
    const sources = ['startup', 'clear', 'resume', 'compact']
    for (const source of sources) runHook(folder, { ...MESSAGE, source })
    await eventually(() => expect(starts.map((start) => start.source)).toEqual(sources))
  })

  test('tells it with what later versions leave out, and whatever they add', async () => {
    const { folder, starts, watch } = create()
    watch()
    const { session_id, transcript_path } = MESSAGE
    runHook(folder, { session_id, transcript_path, added: { line: 'a\nb' } }, { attended: '' })
    await eventually(() => expect(starts).toEqual([{ ...START, cwd: '', source: '', model: undefined }]))
  })

  test('takes JSON of many lines', async () => {
    const { folder, starts, watch } = create()
    watch()
    runHook(folder, JSON.stringify(MESSAGE, null, 2))
    await eventually(() => expect(starts).toEqual([START]))
  })

  test.each<[string, unknown, string]>([
    ['a background session', MESSAGE, '0'],
    ['no JSON', 'not JSON', '1'],
    ['nothing', '', '1'],
    ['no object', 'null', '1'],
    ['no session id', { ...MESSAGE, session_id: undefined }, '1'],
    ['a path that is no text', { ...MESSAGE, transcript_path: 1 }, '1'],
  ])('passes over %s', async (_, message, attended) => {
    const { folder, starts, watch } = create()
    watch()
    expect(runHook(folder, message, { attended })).toEqual(SILENT)
    runHook(folder, { ...MESSAGE, source: 'clear' })
    await eventually(() => expect(starts.map((start) => start.source)).toEqual(['clear']))
    expect(fs.readdirSync(folder.path)).toEqual([])
  })

  test.each(SHELLS)('is silent when the folder has gone, run by %s', (shell) => {
    const { folder } = create()
    folder.remove()
    expect(runHook(folder, MESSAGE, { shell })).toEqual(SILENT)
    expect(fs.existsSync(folder.path)).toBe(false)
  })

  test('is silent when nothing of the system can be found', () => {
    const { folder } = create()
    const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', folder.hookCommand], {
      input: JSON.stringify(MESSAGE),
      env: { PATH: '/nowhere' },
    })
    expect({ status, stdout: stdout.toString(), stderr: stderr.toString() }).toEqual(SILENT)
  })

  test('is told of no more once the folder is removed', async () => {
    const { folder, starts, watch } = create()
    watch()
    runHook(folder, MESSAGE)
    folder.remove()
    // Events that were on their way have come by now.
    const other = create('other')
    other.watch()
    runHook(other.folder, MESSAGE)
    await eventually(() => expect(other.starts).toHaveLength(1))
    expect(starts).toEqual([])
  })
})

describe('sweepSessionFolders', () => {
  test('removes the folders of processes that are no more, and only those', async () => {
    const { runtime, folder } = create()
    const dead = spawn('true', { stdio: 'ignore' })
    await once(dead, 'exit')
    const removed = [`claudef-${dead.pid}-abcdef`, `claudef-${dead.pid}-ABC012`]
    const kept = [
      path.basename(folder.path),
      // Somebody else's process, and init.
      `claudef-${process.ppid}-abcdef`,
      'claudef-1-abcdef',
      // Not of our making.
      `claudef-${dead.pid}`,
      `claudef-${dead.pid}-abcdefg`,
      `claudef-${dead.pid}-abcde.`,
      `xclaudef-${dead.pid}-abcdef`,
      'claudef-abcdef',
    ]
    for (const name of [...removed, ...kept]) {
      fs.mkdirSync(path.join(runtime, name), { recursive: true })
      fs.writeFileSync(path.join(runtime, name, 'settings.json'), '{}')
    }
    sweepSessionFolders({ XDG_RUNTIME_DIR: runtime })
    expect(fs.readdirSync(runtime).sort()).toEqual(kept.sort())
  })

  test('does nothing where the runtime folder is not there', () => {
    expect(() => sweepSessionFolders({ XDG_RUNTIME_DIR: path.join(root, 'missing') })).not.toThrow()
  })
})
