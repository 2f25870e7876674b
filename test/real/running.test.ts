import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  createRunning,
  describeTasks,
  promptForTasks,
  type Running,
  readRunning,
} from '../../src/core/running.ts'
import type { Screen } from '../support/screen.ts'
import { type Setup, setUp } from './claudef.ts'
import { lastWords, openSession } from './limit.ts'

const MANUAL = ['--permission-mode', 'default']
const ALLOWED = { permissions: { allow: ['Bash', 'Monitor', 'TaskStop', 'Agent'] } }
/** A lone `sleep` in the foreground is refused. */
const FOREVER = 'tail -f /dev/null'

type Call = { name: string; input: object }

function bash(command: string, more: object = {}): Call {
  return { name: 'Bash', input: { command, description: 'A command of the test', ...more } }
}

/** Each prompt asks for the calls that stand under its word. */
function answerWith(setup: Setup, calls: Record<string, Call[]>): void {
  setup.api.setBehaviour((request) => {
    if (request.billing === 'none' || !request.stream) return undefined
    const words = lastWords(request)
    const word = Object.keys(calls).find((name) => words.includes(name))
    return word === undefined || words.includes('tool_result')
      ? undefined
      : { type: 'tools', tools: calls[word] ?? [] }
  })
}

/** What runs by the transcript as it stands. */
function runningIn(setup: Setup): Running {
  const running = createRunning()
  for (const row of rowsOf(setup)) readRunning(running, row)
  return running
}

function rowsOf(setup: Setup): Record<string, unknown>[] {
  return setup.home.transcripts().flatMap(({ rows }) => rows)
}

function describe(setup: Setup): string {
  const running = runningIn(setup)
  return [...running.tools.values(), describeTasks(running) ?? '-'].join(' ')
}

function stateOf(setup: Setup): { status?: string; waitingFor?: string } {
  const folder = join(setup.home.configDir, 'sessions')
  const [name = ''] = readdirSync(folder).filter((file) => file.endsWith('.json'))
  return JSON.parse(readFileSync(join(folder, name), 'utf8'))
}

async function expectRunning(setup: Setup, expected: string): Promise<void> {
  await expect.poll(() => describe(setup)).toBe(expected)
}

async function openAsking(setup: Setup, calls: Record<string, Call[]>): Promise<Screen> {
  const screen = await openSession(setup, MANUAL, { bare: true })
  answerWith(setup, calls)
  return screen
}

test('commands in the background are followed to their end, and over the end of the child', async () => {
  const setup = await setUp({ settings: ALLOWED })
  const inBackground = { run_in_background: true }
  const screen = await openAsking(setup, {
    begin: [bash(FOREVER, inBackground), bash('sleep 1', inBackground), bash('echo foreground')],
    move: [bash(`${FOREVER}; true moved`)],
  })
  await screen.submit('begin')
  await expectRunning(setup, `1 background command (${FOREVER})`)
  await expect.poll(() => stateOf(setup).status).toBe('shell')
  await screen.submit('move')
  await expectRunning(setup, `Bash 1 background command (${FOREVER})`)
  await screen.waitFor('ctrl+b to run in background')
  screen.key('Ctrl+B')
  await expectRunning(setup, `2 background commands (${FOREVER}, ${FOREVER}; true moved)`)
  const [id = ''] = runningIn(setup).tasks.keys()
  answerWith(setup, { stop: [{ name: 'TaskStop', input: { task_id: id } }] })
  await expect.poll(() => stateOf(setup).status).toBe('shell')
  await screen.submit('stop')
  await expectRunning(setup, `1 background command (${FOREVER}; true moved)`)
  await expect.poll(() => stateOf(setup).status).toBe('shell')
  expect(promptForTasks(runningIn(setup))).toContain(`the command "${FOREVER}; true moved"`)

  // The ended child says so itself, and its successor again: without the command.
  await screen.close()
  expect(describe(setup)).toBe('-')
  const sessionId = setup.home.transcripts()[0]?.sessionId ?? ''
  const next = await setup.run(['--resume', sessionId, ...MANUAL, 'go on'], { bare: true })
  await next.waitFor("didn't finish before the previous session ended")
  await expect.poll(() => stateOf(setup).status).toBe('idle')
  expect(describe(setup)).toBe('-')
})

test('a tool that is interrupted has ended, and so has one that the user was asked about', async () => {
  const setup = await setUp()
  const screen = await openAsking(setup, { ask: [bash(`touch file; ${FOREVER}`)] })
  await screen.submit('ask')
  await screen.waitFor('Do you want to proceed?')
  await expectRunning(setup, 'Bash -')
  expect(stateOf(setup)).toMatchObject({ status: 'waiting', waitingFor: 'permission prompt' })
  // Keys that come right after the dialog are not taken for an answer.
  await expect
    .poll(
      () => {
        screen.key('Enter')
        return screen.text()
      },
      { interval: 500, timeout: 20_000 },
    )
    .not.toContain('Do you want to proceed?')
  await screen.waitFor('ctrl+b to run in background')
  await expect.poll(() => stateOf(setup).status).toBe('busy')
  screen.key('Escape')
  await expectRunning(setup, '-')
  await expect.poll(() => stateOf(setup).status).toBe('idle')
})

test('a monitor and a background agent are tasks; the agent keeps its session busy', async () => {
  const setup = await setUp({ settings: ALLOWED })
  const input = { description: 'watch', timeout_ms: 300_000, persistent: false }
  const agent = { description: 'my agent', prompt: 'of the agent', subagent_type: 'general-purpose' }
  const screen = await openAsking(setup, {
    watch: [{ name: 'Monitor', input: { ...input, command: FOREVER } }],
    delegate: [{ name: 'Agent', input: { ...agent, run_in_background: true } }],
    'of the agent': [bash(FOREVER)],
  })
  await screen.submit('watch')
  await expectRunning(setup, `1 monitor (${FOREVER})`)
  await expect.poll(() => stateOf(setup).status).toBe('shell')
  await screen.submit('delegate')
  await expectRunning(setup, `1 monitor (${FOREVER}) and 1 agent (my agent)`)
  await screen.waitFor('Waiting for 1 background agent')
  expect(stateOf(setup).status).toBe('busy')
})
