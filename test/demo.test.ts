import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, type TestContext, test } from 'vitest'
import { DEMO_NAMES } from '../src/demo-scenes.ts'
import { companionProgram } from './support/companion.ts'
import { openScreen } from './support/screen.ts'

function setUp({ onTestFinished }: Pick<TestContext, 'onTestFinished'>) {
  const temporary = mkdtempSync(join(tmpdir(), 'claudef-'))
  onTestFinished(() => rmSync(temporary, { recursive: true, force: true }))
  const env = {
    ...{ PATH: process.env.PATH ?? '', HOME: '/nowhere', TMPDIR: temporary, TERM: 'xterm-256color' },
    // Nothing of the user's own reaches a demo.
    ...{ CLAUDE_FALLBACK_BILLING: 'api', ANTHROPIC_API_KEY: 'sk-ant-api03-made-up-for-tests' },
  }
  return { env, left: () => readdirSync(temporary).filter((name) => name.startsWith('claudef')) }
}

function print(name: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [companionProgram, 'demo', name], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      printed += data
    })
  }
  return new Promise<{ code: number | null; printed: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, printed })),
  )
}

test.concurrent.for(DEMO_NAMES)(
  'prints the scenes of %s where there is no terminal',
  async (name, context) => {
    const { env, left } = setUp(context)
    const { code, printed } = await print(name, env)
    expect({ code, printed: code === 0 ? '' : printed }).toEqual({ code: 0, printed: '' })
    expect(printed).toContain(LAST_WORDS[name])
    expect(printed).not.toContain('made-up')
    expect(left()).toEqual([])
  },
)

const LAST_WORDS = {
  switch: 'Continue where you left off. (via API)',
  banner: 'First request about',
  return: 'Back on your subscription · $',
  draft: '❯ and then one about half a dr ',
  budget: 'API billing has ended',
  monitor: 'Run claude-api in',
}

test('runs live in a terminal, and leaves nothing behind', async (context) => {
  const { env, left } = setUp(context)
  const args = [companionProgram, 'demo', 'monitor']
  const screen = await openScreen({ file: process.execPath, args, cwd: env.TMPDIR, env })
  context.onTestFinished(() => screen.close())
  await screen.waitFor("You've hit your 5-hour limit")
  await screen.submit('/exit')
  await screen.waitFor('5-hour limit reached, resets')
  expect((await screen.exit).code).toBe(0)
  expect(left()).toEqual([])
})

test('names a demo that it does not know', async (context) => {
  const { code, printed } = await print('fast', setUp(context).env)
  expect(code).toBe(2)
  expect(printed).toContain("Invalid demo 'fast': use one of switch, banner,")
})
