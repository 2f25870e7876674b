import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { OPTIONS, VARIABLES_ONLY } from '../src/core/options.ts'

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

test('every variable that the program reads stands in its help', () => {
  const folder = fileURLToPath(new URL('../src', import.meta.url))
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  const read = sources.flatMap((file) => [
    ...readFileSync(`${folder}/${file}`, 'utf8').matchAll(/env\.(CLAUDE_FALLBACK_[A-Z_]+)/g),
  ])
  const options = [...Object.values(OPTIONS), ...VARIABLES_ONLY].map(({ variable }) => variable)
  const names = new Set([...read.map(([, name]) => name), ...options])
  expect(names.size).toBe(options.length)
  const lines = run('help').stdout.split('\n')
  for (const name of names) expect(lines.filter((line) => line.startsWith(`  ${name}  `))).toHaveLength(1)
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
