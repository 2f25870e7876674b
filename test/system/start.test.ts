import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { claudef, fakeClaude } from '../support/claudef.ts'
import { openOwnScreen, repository, setUp } from './claudef.ts'

/** What watches over a session once Claude Code is starting: none of it may make Claude Code wait. */
const late = ['followTranscript', 'parseLimit', 'transition', 'renderBanner', 'parseReset', 'runFallback']

describe.skipIf(process.platform !== 'linux')('before Claude Code is started (needs strace)', () => {
  test('a session loads its own few modules and the PTY’s addon', async () => {
    const { root, cwd, env } = setUp({ env: { CLAUDE_FALLBACK_AUTO_RESTART: '1' } })
    const trace = join(root, 'trace')
    const screen = await openOwnScreen({ ...traced(trace, ['hello']), cwd, env })
    await screen.waitFor('You said: hello')
    await screen.submit('exit 3')
    expect((await screen.exit).code).toBe(3)
    const { before, after } = readLoads(trace)
    expect(packagesOf(before)).toEqual(['node-pty'])
    expect(functionsOf(before)).toContain('launch')
    expect(functionsOf(before).filter((name) => late.includes(name))).toEqual([])
    // The door, and what it shares with the code that comes later: each more costs a millisecond.
    expect(modulesOf(before).length).toBeLessThan(4)
    // Not the package's main module, which brings its terminal classes.
    expect(before.filter((path) => /\/node-pty\/lib\/(index|\w*[tT]erminal)\.js$/.test(path))).toEqual([])
    // The control: these are the functions' names, and the trace sees them.
    expect(functionsOf(after)).toEqual(expect.arrayContaining(late))
    expect(packagesOf(after)).toContain('tail-file')
  })

  test('where claudef only passes through, it loads no package at all', () => {
    const { root, cwd, env } = setUp()
    const trace = join(root, 'trace')
    const { file, args } = traced(trace, ['--version'])
    const { stdout } = spawnSync(file, args, { cwd, env, encoding: 'utf8' })
    expect(stdout).toBe('2.1.330 (Claude Code)\n')
    const { before, after } = readLoads(trace)
    expect(packagesOf([...before, ...after])).toEqual([])
    expect(functionsOf([...before, ...after]).filter((name) => late.includes(name))).toEqual([])
    expect(functionsOf(before)).toContain('runInherited')
  })
})

/** claudef under strace, which writes down each file that is opened and each program that is started. */
const traced = (trace: string, args: string[]) => ({
  file: 'strace',
  args: [
    ...[
      '-f',
      '-qq',
      '-s',
      '4096',
      '--signal=none',
      '--trace=openat,execve,clone,clone3,fork,vfork',
      '-o',
      trace,
    ],
    ...[process.execPath, claudef, ...args],
  ],
})

/** The files that claudef opened before it made the first child that became Claude Code, and those after. */
const readLoads = (trace: string) => {
  const lines = readFileSync(trace, 'utf8').split('\n')
  const start = lines.find((line) => line.includes(`execve("${fakeClaude}"`))
  const child = start?.split(' ')[0]
  expect(child).toMatch(/^\d+$/)
  // Its making: the parent's line tells the number as the result, or the child's own lines come first.
  const made = lines.findIndex((line) => line.startsWith(`${child} `) || line.endsWith(` = ${child}`))
  return { before: lines.slice(0, made).flatMap(openedBy), after: lines.slice(made).flatMap(openedBy) }
}

/** A file that was opened; whether it is there is told later, where the call was interrupted by another thread's. */
const openedBy = (line: string) => {
  const [, path, rest = ''] = /openat\(AT_FDCWD, "([^"]+)"(.*)/.exec(line) ?? []
  return path === undefined || rest.includes(' = -1 ') ? [] : [path]
}

const packagesOf = (paths: string[]) =>
  unique(paths.map((path) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]))

/** The functions that the modules which were opened define. */
const functionsOf = (paths: string[]) =>
  modulesOf(paths).flatMap((module) => {
    const text = readFileSync(join(repository, 'dist', module), 'utf8')
    return [...text.matchAll(/^(?:export )?(?:async )?function (\w+)/gm)].map(([, name]) => name ?? '')
  })

const modulesOf = (paths: string[]) => {
  const dist = join(repository, 'dist/')
  // Node also looks for a package.json in each folder, and need not find one.
  const modules = paths.filter((path) => path.startsWith(dist) && path.endsWith('.js'))
  return unique(modules.map((path) => path.slice(dist.length)))
}

const unique = (names: (string | undefined)[]) =>
  [...new Set(names)].filter((name) => name !== undefined).sort()
