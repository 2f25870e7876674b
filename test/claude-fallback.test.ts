import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const program = fileURLToPath(new URL('../bin/claude-fallback.js', import.meta.url))

function run(...args: string[]) {
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' })
}

test.each([[[]], [['help']], [['--help']]])('explains itself: %j', (args) => {
  const { status, stdout } = run(...args)
  expect(status).toBe(0)
  expect(stdout).toContain('Usage: claude-fallback <command>')
})

test('tells its version', () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  expect(run('version')).toMatchObject({ status: 0, stdout: `${version}\n` })
})

test('names a command that it does not know', () => {
  const { status, stderr } = run('stopp')
  expect(status).toBe(2)
  expect(stderr).toContain("there is no command 'stopp'")
})

test('every variable that the program reads stands in its help and in the README', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const source = readFileSync(new URL('../src/config.ts', import.meta.url), 'utf8')
  const names = new Set(source.match(/CLAUDE_FALLBACK_[A-Z_]+/g))
  expect(names.size).toBeGreaterThan(4)
  for (const name of names) {
    expect(readme).toContain(name)
    expect(run('help').stdout).toContain(name)
  }
})

test('the demo prints its scenes where there is no terminal', () => {
  const { status, stdout } = run('demo')
  expect(status).toBe(0)
  expect(stdout).toContain("You've hit your 5-hour limit")
  expect(stdout).toContain('Continue where you left off. (via API)')
})

test('the demo takes no argument', () => {
  expect(run('demo', 'fast')).toMatchObject({ status: 2, stderr: expect.stringContaining("'fast'") })
})
