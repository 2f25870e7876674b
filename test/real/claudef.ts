import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { startApi } from '../../fixtures/api/server.js'
import { noonZone } from '../support/clock.ts'
import { type Home, type HomeOptions, makeHome } from '../support/home.ts'
import { findRealClaude } from '../support/real-claude.ts'
import { openScreen, type Screen } from '../support/screen.ts'
import { processesIn, sessionFolders, watchForLeaks } from './leak.ts'

const claudef = fileURLToPath(new URL('../../bin/claudef.js', import.meta.url))

/** No program but the shell itself: claudef's environment is nobody else's business. */
const coresScript = 'ulimit -c unlimited; exec "$@"'
const afterLinesScript =
  'line=0; while [ $line -lt "$0" ]; do line=$((line + 1)); echo $line; done; exec "$@"'

/** A made-up API key as long as real ones are, each end of it found nowhere else. */
export const key = `sk-ant-api03-${makeUnique()}-made-up-for-tests-${'0'.repeat(53)}-${makeUnique()}`

export type SetupOptions = Omit<HomeOptions, 'apiUrl'> & {
  /** CLAUDE_FALLBACK_AUTO_RESTART; true by default. */
  auto?: boolean
  /** CLAUDE_FALLBACK_API_KEY; `key` by default. */
  fallbackKey?: string | false
  /** A small disk for what claudef alone writes: state, ledger and log, and its session folders as well. */
  disk?: 'home' | 'home and temporary'
}

export type RunOptions = {
  env?: Record<string, string>
  /** The project's folder by default. */
  cwd?: string
  compareTermios?: boolean
  /** Columns, 100 by default. */
  cols?: number
  /** The shell's screen is full, the cursor in its last row. */
  afterLines?: number
  /** Whoever crashes writes a core file into its folder (where the kernel does not send it elsewhere). */
  cores?: boolean
  /** The real Claude Code without claudef, to compare with. */
  bare?: boolean
}

/** One start of Claude Code by claudef. */
type Start = { pid: number; args: string[] }

export type Setup = Awaited<ReturnType<typeof setUp>>

/**
 * A home with a made-up subscription, the loopback API, and claudef around the real Claude Code. When the test has
 * finished all of it is ended, and it fails where a process or a folder of claudef's stays, or where the key has
 * been seen in any place but claudef's own memory and environment.
 */
export async function setUp(options: SetupOptions = {}) {
  const screens: Screen[] = []
  const onRequest = () => {
    leaks.checkProcesses()
    leaks.checkFiles()
  }
  const api = await startApi({ onRequest })
  // No day ends while a test runs.
  const home = makeHome({ ...options, apiUrl: api.url, env: { TZ: noonZone(), ...options.env } })
  const owners = () => screens.flatMap((screen) => pidOf(screen) ?? [])
  const leaks = watchForLeaks({ secret: key, folder: home.root, owners })
  const disk = options.disk && makeDisk(home, options.disk)
  onTestFinished(() => tearDown({ api, home, screens, leaks, disk }))
  const claude = recordStarts(join(home.root, 'bin'))
  const env = claudefEnvironment(home, claude.path, options)
  return {
    api,
    home,
    env,
    disk,
    /** The folder of claudef's log, state and ledger. */
    ownHome: ownHomeOf(home),
    starts: claude.starts,
    /** Runs claudef with these arguments on a screen of its own. */
    run: async (args: string[] = [], more: RunOptions = {}) => {
      const program = more.bare ? [claude.path] : [process.execPath, claudef]
      const screen = await openScreenOf([...program, ...args], more.bare ? home.env : env, {
        cwd: home.cwd,
        ...more,
      })
      screens.push(screen)
      return screen
    },
    /** Answers the trust dialog of one more folder in advance. */
    trust: (folder: string) => trustFolder(join(home.home, '.claude.json'), folder),
    /** What claudef has written to its log; empty where it has said nothing. */
    log: () => readIfAny(join(ownHomeOf(home), '.claude_fallback_error.log')),
    /** The conversation that a running Claude Code says it is in. */
    sessionOf: (pid: number): string | undefined => {
      const state = readIfAny(join(home.configDir, 'sessions', `${pid}.json`))
      return state === '' ? undefined : JSON.parse(state).sessionId
    },
  }
}

type Parts = {
  api: Awaited<ReturnType<typeof startApi>>
  home: Home
  screens: Screen[]
  leaks: ReturnType<typeof watchForLeaks>
  disk: Disk | undefined
}

async function tearDown({ api, home, screens, leaks, disk }: Parts): Promise<void> {
  try {
    leaks.checkProcesses()
    for (const screen of screens) leaks.checkText(screen.history())
    for (const screen of screens) await screen.close()
    for (const screen of screens) leaks.checkText(screen.raw().toString('latin1'))
    leaks.checkFiles()
    await expect.poll(() => processesIn(home.root)).toEqual([])
    expect(leaks.found(), 'places where the key was seen').toEqual([])
    expect(sessionFolders(home.env.TMPDIR ?? ''), 'session folders that stay').toEqual([])
  } finally {
    leaks.stop()
    await api.close()
    disk?.remove()
    home.cleanup()
  }
}

type Disk = ReturnType<typeof makeDisk>

/** It is mounted for this suite alone: `run.js` gives it a mount namespace. */
function makeDisk(home: Home, what: 'home' | 'home and temporary') {
  const path = join(home.root, 'disk')
  const mount = (...args: string[]) => execFileSync('mount', [...args, path], { stdio: 'pipe' })
  mkdirSync(path)
  mount('-t', 'tmpfs', '-o', 'size=256k,mode=700', 'none')
  for (const name of ['home', 'tmp']) mkdirSync(join(path, name))
  home.env.CLAUDE_FALLBACK_HOME = join(path, 'home')
  // Claude Code's own scratch files stay where they were: CLAUDE_CODE_TMPDIR.
  if (what === 'home and temporary') home.env.TMPDIR = join(path, 'tmp')
  return {
    fill: () => fillDisk(join(path, 'filler')),
    /** A file that is being written holds it up. */
    lock: () => expect.poll(() => attempt(() => mount('-o', 'remount,ro'))).toBe(true),
    unlock: () => mount('-o', 'remount,rw'),
    remove: () => execFileSync('umount', ['--lazy', path]),
  }
}

function fillDisk(file: string): void {
  for (const size of [4096, 1]) while (attempt(() => appendFileSync(file, Buffer.alloc(size))));
}

function attempt(work: () => unknown): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}

function ownHomeOf(home: Home): string {
  return home.env.CLAUDE_FALLBACK_HOME ?? home.home
}

function claudefEnvironment(home: Home, claude: string, { auto = true, fallbackKey = key }: SetupOptions) {
  const env: Record<string, string> = {
    ...home.env,
    CLAUDE_FALLBACK_CLAUDE: claude,
    ...(auto && { CLAUDE_FALLBACK_AUTO_RESTART: '1' }),
    ...(fallbackKey !== false && { CLAUDE_FALLBACK_API_KEY: fallbackKey }),
  }
  return env
}

function openScreenOf(command: string[], env: Record<string, string>, options: RunOptions & { cwd: string }) {
  const { cwd, compareTermios = false, cols = 100, afterLines = 0, cores = false } = options
  const shell = cores ? ['/bin/sh', '-c', coresScript, 'sh'] : []
  return openScreen({
    file: '/bin/sh',
    args: ['-c', afterLinesScript, String(afterLines), ...shell, ...command],
    cwd,
    env: { ...env, ...options.env },
    cols,
    rows: 40,
    compareTermios,
  })
}

function trustFolder(file: string, folder: string): void {
  const state = JSON.parse(readFileSync(file, 'utf8'))
  state.projects[folder] = { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true }
  writeFileSync(file, JSON.stringify(state))
}

/** A `claude` that writes down how it was started and becomes the real one, under the same process id. */
function recordStarts(folder: string) {
  const path = join(folder, 'claude')
  const record = join(folder, 'starts')
  mkdirSync(join(folder, 'real'), { recursive: true })
  symlinkSync(findRealClaude(), join(folder, 'real', 'claude'))
  const script = `#!/bin/sh
printf '%s\\037' "$$" "$@" "$(printf '\\036')" >>"\${0%/*}/starts"
exec "\${0%/*}/real/claude" "$@"
`
  writeFileSync(path, script)
  chmodSync(path, 0o755)
  const starts = (): Start[] =>
    readIfAny(record)
      .split('\x1e\x1f')
      .slice(0, -1)
      .map((words) => words.split('\x1f').slice(0, -1))
      .map(([pid, ...args]) => ({ pid: Number(pid), args }))
  return { path, starts }
}

function makeUnique(): string {
  return randomBytes(18).toString('base64url').replace(/[-_]/g, 'x')
}

/** Under a shell the id is not known at once, and after the end no more. */
function pidOf(screen: Screen): number | undefined {
  try {
    return screen.pid()
  } catch {
    return undefined
  }
}

function readIfAny(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
