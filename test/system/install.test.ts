import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { beforeAll, describe, expect, test } from 'vitest'
import { makeFolder, openOwnScreen, repository, setUp } from './claudef.ts'
import { runNpm } from './npm.ts'

type Demo = ChildProcessByStdio<null, Readable, null>

/** What a checkout of this tree has: committed or not, but never what git ignores. */
const copyTree = (to: string) => {
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: repository })
  for (const file of list
    .toString()
    .split('\0')
    .filter((name) => existsSync(join(repository, name)) && name)) {
    mkdirSync(dirname(join(to, file)), { recursive: true })
    cpSync(join(repository, file), join(to, file))
  }
}

const modulesOf = (folder: string, extension: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension) && !name.endsWith('.d.ts') && !name.startsWith('bundle-'))
    .map((name) => name.slice(0, -extension.length))
    .sort()

/** All files below, by their paths. */
const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))

const run = (file: string, args: string[], env: Record<string, string>, cwd: string) => {
  const { status, stdout, stderr } = spawnSync(file, args, { cwd, env, input: '', encoding: 'utf8' })
  return { status, stdout, stderr }
}

describe('a clone', () => {
  const clone = makeFolder('clone')
  beforeAll(() => copyTree(clone), 60_000)

  test('is built by npm ci alone', { timeout: 180_000 }, () => {
    runNpm(['ci'], clone)
    expect(modulesOf(join(clone, 'dist'), '.js')).toEqual(modulesOf(join(clone, 'src'), '.ts'))
  })

  test('is built where install scripts are blocked, too', { timeout: 180_000 }, () => {
    rmSync(join(clone, 'dist'), { recursive: true, force: true })
    rmSync(join(clone, 'node_modules'), { recursive: true, force: true })
    runNpm(['ci', '--ignore-scripts'], clone)
    expect(existsSync(join(clone, 'dist'))).toBe(false)
    runNpm(['run', 'build'], clone)
    expect(modulesOf(join(clone, 'dist'), '.js')).toEqual(modulesOf(join(clone, 'src'), '.ts'))
    const { env, cwd } = setUp()
    const { status, stdout } = run(
      process.execPath,
      [join(clone, 'bin/claude-fallback.js'), 'demo'],
      env,
      cwd,
    )
    expect(status, stdout).toBe(0)
  })

  describe('packed and installed in an empty project without install scripts', () => {
    const project = makeFolder('project')
    const bin = (name: string) => join(project, 'node_modules/.bin', name)
    const installed = join(project, 'node_modules/claudef')
    let packed: { path: string; mode: number }[]
    beforeAll(() => {
      const report = runNpm(['pack', '--json', '--ignore-scripts', '--pack-destination', project], clone)
      const [{ filename, files }] = JSON.parse(report)
      packed = files
      writeFileSync(join(project, 'package.json'), '{ "private": true }')
      runNpm(['install', '--ignore-scripts', `./${filename}`], project)
    }, 180_000)

    test('has what runs, and nothing else', () => {
      const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
      const needed = [
        ...['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'],
        ...['bin/claude-fallback.js', 'bin/claudef.js', 'fixtures/bin/claude'],
        ...filesOf(join(clone, 'fixtures/bin/fake')).map((name) => `fixtures/bin/fake/${name}`),
        ...modulesOf(join(clone, 'src'), '.ts').map((name) => `dist/${name}.js`),
        ...filesOf(join(clone, 'dist')).flatMap((name) => (/^bundle-/.test(name) ? [`dist/${name}`] : [])),
      ]
      expect(packed.map((file) => file.path).sort()).toEqual(needed.sort())
      expect(packed.map((file) => file.path)).toContain('dist/key-helper.js')
      const runnable = packed.filter((file) => (file.mode & 0o111) !== 0).map((file) => file.path)
      expect(runnable.sort()).toEqual(['bin/claude-fallback.js', 'bin/claudef.js', 'fixtures/bin/claude'])
      expect(
        run(bin('claude-fallback'), ['version'], process.env as Record<string, string>, project),
      ).toEqual({
        status: 0,
        stdout: `${version}\n`,
        stderr: '',
      })
    })

    test('passes through to the claude on PATH', () => {
      const { CLAUDE_FALLBACK_CLAUDE: _, ...env } = setUp().env
      const path = `${join(installed, 'fixtures/bin')}:${env.PATH}`
      expect(run(bin('claudef'), ['--version'], { ...env, PATH: path }, project)).toEqual({
        status: 0,
        stdout: '2.1.330 (Claude Code)\n',
        stderr: '',
      })
      const printed = run(bin('claudef'), ['-p', 'say hello'], { ...env, PATH: path }, project)
      expect(printed).toEqual({ status: 0, stdout: 'hello\n', stderr: '' })
    })

    test('says what claude-fallback can do, and what it cannot', () => {
      const { env } = setUp()
      const help = run(bin('claude-fallback'), ['help'], env, project)
      expect(help).toMatchObject({ status: 0, stderr: '' })
      expect(help.stdout).toMatch(/^Usage: claude-fallback <command>$/m)
      expect(run(bin('claude-fallback'), ['frobnicate'], env, project)).toEqual({
        status: 2,
        stdout: '',
        stderr: expect.stringContaining("'frobnicate'"),
      })
    })

    test('shows both scenes of the demo without a terminal', () => {
      const { env } = setUp()
      const { status, stdout, stderr } = run(bin('claude-fallback'), ['demo'], env, project)
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(stdout).toMatch(/^1\. A session on the subscription/m)
      expect(stdout).toMatch(/^2\. The same conversation on the API key/m)
      expect(stdout.indexOf('Claude Max')).toBeLessThan(stdout.indexOf('(via API)'))
      expect(readdirSync(env.TMPDIR ?? '')).toEqual([])
    })

    test.each([
      ['ended by a signal', (demo: Demo) => demo.kill('SIGTERM'), 1],
      ['no longer read', (demo: Demo) => demo.stdout.destroy(), 0],
    ] as const)('leaves nothing of the demo behind when it is %s', async (_, disturb, expected) => {
      const { env } = setUp()
      const demo = spawn(bin('claude-fallback'), ['demo'], {
        cwd: project,
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(demo.stdout, 'data')
      disturb(demo)
      const [status] = await once(demo, 'exit')
      expect(status).toBe(expected)
      expect(readdirSync(env.TMPDIR ?? '')).toEqual([])
    })

    test('shows the demo live in a terminal', async () => {
      const { env, cwd } = setUp()
      const screen = await openOwnScreen({ file: bin('claude-fallback'), args: ['demo'], cwd, env })
      await screen.waitFor('(via API)')
      screen.key('Ctrl+C')
      await screen.waitFor('again to exit')
      screen.key('Ctrl+C')
      expect((await screen.exit).code).toBe(0)
      expect(screen.text()).toContain('That was a stand-in.')
    })
  })
})
