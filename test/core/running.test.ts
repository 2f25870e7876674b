import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  createRunning,
  describeTasks,
  hasAgents,
  isInTool,
  promptForTasks,
  RUNNING_MARKERS,
  type Running,
  readRunning,
} from '../../src/core/running.ts'

/** Rows as 2.1.330 wrote them, cut to what is read. */
const background = readRows('running-background')
const moved = readRows('running-moved')

function readRows(name: string): string[] {
  const file = new URL(`../../fixtures/rows/${name}.jsonl`, import.meta.url)
  return readFileSync(file, 'utf8').trim().split('\n')
}

/** What runs behind each row: tools in the foreground, and tasks. */
function follow(lines: string[], running: Running = createRunning()): string[] {
  const states = lines.map((line) => {
    readRunning(running, JSON.parse(line))
    return [...running.tools.values(), describeTasks(running) ?? '-'].join(' ')
  })
  return states.filter((state, index) => state !== states[index - 1])
}

const use = (id: string, name: string, input: object = {}) => ({
  type: 'assistant',
  message: { content: [{ type: 'tool_use', id, name, input }] },
})
const result = (id: string, toolUseResult: unknown = {}) => ({
  type: 'user',
  message: { content: [{ type: 'tool_result', tool_use_id: id }] },
  toolUseResult,
})
const notify = (body: string) => ({
  type: 'queue-operation',
  operation: 'enqueue',
  content: `<task-notification>\n${body}\n</task-notification>`,
})

function readAll(...rows: unknown[]): Running {
  const running = createRunning()
  for (const row of rows) readRunning(running, row)
  return running
}

const withTask = (id: string, input: object = { command: 'npm run dev' }) => [
  use(`use-${id}`, 'Bash', input),
  result(`use-${id}`, { backgroundTaskId: id }),
]

test('commands in the background, parallel tools, Ctrl+B, TaskStop, the end of the child and Esc', () => {
  expect(follow(background)).toMatchInlineSnapshot(`
    [
      "-",
      "Bash -",
      "Bash Bash -",
      "Bash Bash Bash -",
      "Bash Bash 1 background command (sleep 600)",
      "Bash 2 background commands (sleep 600, sleep 1; echo hi)",
      "2 background commands (sleep 600, sleep 1; echo hi)",
      "1 background command (sleep 600)",
      "Bash 1 background command (sleep 600)",
      "2 background commands (sleep 600, tail -f /dev/null; true 601)",
      "TaskStop 2 background commands (sleep 600, tail -f /dev/null; true 601)",
      "1 background command (tail -f /dev/null; true 601)",
      "-",
      "Bash -",
      "-",
    ]
  `)
})

test('a monitor, an agent and a command that were moved, and one stopped by the user', () => {
  expect(follow(moved)).toMatchInlineSnapshot(`
    [
      "-",
      "Monitor -",
      "1 monitor (tail -f /dev/null)",
      "Agent 1 monitor (tail -f /dev/null)",
      "1 monitor (tail -f /dev/null) and 1 agent (my agent)",
      "Bash 1 monitor (tail -f /dev/null) and 1 agent (my agent)",
      "1 background command (tail -f /dev/null; true 1), 1 monitor (tail -f /dev/null) and 1 agent (my agent)",
      "1 monitor (tail -f /dev/null) and 1 agent (my agent)",
    ]
  `)
})

test('each row that changes something has a marker', () => {
  for (const line of [...background, ...moved]) {
    if (RUNNING_MARKERS.some((marker) => line.includes(marker))) continue
    const running = readAll(use('a', 'Read'), ...withTask('b'))
    readRunning(running, JSON.parse(line))
    expect([running.tools.size, running.tasks.size], line).toEqual([1, 1])
  }
})

test('a subagent is one tool, and its own tools do not count', () => {
  const agent = use('a', 'Agent', { description: 'review', prompt: 'long' })
  const own = { ...use('b', 'Bash', { command: 'ls' }), isSidechain: true }
  expect(readAll(agent, own).tools).toEqual(new Map([['a', 'Agent']]))
  expect(readAll(agent, own, result('a', { status: 'completed', agentId: 'x' })).tasks.size).toBe(0)
})

test('an agent in the cloud goes on without the child', () => {
  const rows = [use('a', 'Agent'), result('a', { status: 'remote_launched', taskId: 'x' })]
  expect(readAll(...rows).tasks.size).toBe(0)
})

test('one notification may end several tasks', () => {
  const body = '<task-id>b1</task-id>\n<task-id>b2</task-id>\n<status>stopped</status>\n<summary>x</summary>'
  expect(readAll(...withTask('b1'), ...withTask('b2'), ...withTask('b3'), notify(body)).tasks.size).toBe(1)
})

test.each([
  ['an event of a monitor', notify('<task-id>b1</task-id>\n<summary>Monitor event: "x"</summary>')],
  [
    'an event that quotes an end',
    notify('<task-id>b1</task-id>\n<summary>x</summary>\n<event><status>killed</status></event>'),
  ],
  [
    'a paste',
    {
      type: 'user',
      origin: { kind: 'human' },
      message: {
        content:
          '<task-notification><task-id>b1</task-id><status>killed</status><summary>x</summary></task-notification>',
      },
    },
  ],
  ['another task', notify('<task-id>b2</task-id>\n<status>killed</status>\n<summary>x</summary>')],
  ['a look at it', result('?', { task: { task_id: 'b1', status: 'running' } })],
])('%s ends no task', (_, row) => {
  expect(readAll(...withTask('b1'), row).tasks.size).toBe(1)
})

const failed =
  '<task-notification><task-id>b1</task-id><status>failed</status><summary>x</summary></task-notification>'

test.each([
  ['a prompt of its own, older', { type: 'user', message: { content: failed } }],
  ['in the middle of a turn', { type: 'attachment', attachment: { type: 'queued_command', prompt: failed } }],
])('a task ends by a notification: %s', (_, row) => {
  expect(readAll(...withTask('b1'), row).tasks.size).toBe(0)
})

test.each([
  ['KillShell', { message: 'x', shell_id: 'b1' }],
  ['BashOutput', { shellId: 'b1', status: 'completed' }],
  ['TaskOutput', { retrieval_status: 'success', task: { task_id: 'b1', status: 'failed' } }],
])('a task ends by %s', (tool, toolUseResult) => {
  expect(readAll(...withTask('b1'), use('k', tool), result('k', toolUseResult)).tasks.size).toBe(0)
})

test('a call whose stream broke off is forgotten at the end of the turn', () => {
  expect(readAll(use('a', 'Bash'), { type: 'system', subtype: 'turn_duration' }).tools.size).toBe(0)
})

test('tasks are named in one line, long ones cut', () => {
  const commands = ['npm run dev', '\n  echo "a"\x1b[2J\nrm x', 'x'.repeat(200), 'tail -f log']
  const running = readAll(...commands.flatMap((command, index) => withTask(`b${index}`, { command })))
  expect(describeTasks(running)).toBe(
    `4 background commands (npm run dev, echo "a" [2J, ${'x'.repeat(79)}…, …)`,
  )
  expect(promptForTasks(readAll(...withTask('b0', { command: 'echo "a"\nb' })))).toBe(
    'The restart of the session ended what ran in the background: the command "echo \\"a\\"" (b0). Start again what is still needed.',
  )
  expect([describeTasks(createRunning()), promptForTasks(createRunning())]).toEqual([undefined, ''])
})

test.each([
  undefined,
  null,
  1,
  'x',
  [],
  {},
  { type: 'assistant' },
  { type: 'user', message: { content: [null, {}] } },
])('row %j is nothing', (row) => expect(readAll(row)).toEqual(createRunning()))

test('an agent makes requests, and is no tool itself: its own tools are', () => {
  const ofAgent = (row: object) => ({ ...row, isSidechain: true })
  const states = [
    use('a', 'Bash'),
    result('a'),
    use('b', 'Task'),
    ofAgent(use('c', 'Bash')),
    ofAgent(use('d', 'Agent')),
    ofAgent(result('c')),
    result('b', { status: 'async_launched', agentId: 'x' }),
    ofAgent(use('e', 'Bash')),
    notify('<task-id>x</task-id><status>completed</status>'),
  ]
  const running = createRunning()
  const seen = states.map((row) => {
    readRunning(running, row)
    return [isInTool(running) && 'tool', hasAgents(running) && 'agents'].filter(Boolean).join(' and ')
  })
  const [agents, both] = ['agents', 'tool and agents']
  expect(seen).toEqual(['tool', '', agents, both, both, agents, agents, both, ''])
})
