import { plainText } from './plain-text.ts'
import { isObject } from './settings.ts'

type TaskKind = 'command' | 'monitor' | 'agent' | 'workflow'

type Task = {
  /** What names it: the first line of a command, the description of an agent; up to 80 characters. */
  command: string
  kind: TaskKind
}

/** What runs in the main conversation of one child: nothing outlives the child. */
export type Running = {
  /** By the id of the tool_use: the tool's name. A tool that the user is asked about counts. */
  tools: Map<string, string>
  /** The ids of the tool_uses of its agents, in the foreground and in the background. */
  agentTools: Set<string>
  /** In the background, by task id. */
  tasks: Map<string, Task>
  /** By the id of the tool_use: what the tool would be as a task. Any tool may be moved to the background. */
  calls: Map<string, Task>
}

/** A line without one of these is of no use to `readRunning`: for `contains` of a follower. */
export const RUNNING_MARKERS: readonly string[] = [
  '"tool_use"',
  '"tool_result"',
  'task-notification>',
  '"turn_duration"',
  '[Request interrupted by user',
]

/** At the start of each child: what its forerunner ran has ended with it, whatever the transcript says. */
export function createRunning(): Running {
  return { tools: new Map(), agentTools: new Set(), tasks: new Map(), calls: new Map() }
}

/** A tool is at work. A call of an agent is none: between two tools of the agent nothing is at work. */
export function isInTool(running: Running): boolean {
  const isTool = [...running.tools.values()].some((name) => !CALLS_MODEL.test(name))
  return isTool || (running.agentTools.size > 0 && hasAgents(running))
}

/** Requests are made though the main conversation waits for a tool. */
export function hasAgents({ tools, tasks }: Running): boolean {
  const isCalled = [...tools.values()].some((name) => CALLS_MODEL.test(name))
  return isCalled || [...tasks.values()].some(({ kind }) => kind === 'agent' || kind === 'workflow')
}

/** Tools that ask the model in their turn, for as long as they like. */
const CALLS_MODEL = /^(?:Agent|Task|Workflow|Skill)$/

/**
 * Takes one row of a transcript, parsed from JSON (measured on 2.1.330). Never throws. Rows that a child writes
 * while it is being ended tell that its tasks were killed: what is to be started again must be asked for before that.
 */
export function readRunning(running: Running, row: unknown): void {
  if (!isObject(row)) return
  if (row.isSidechain === true) return readAgent(running, row)
  if (row.type === 'system' && row.subtype === 'turn_duration') return endTools(running)
  if (row.type === 'assistant') return startTools(running, row)
  const notification = notificationOf(row)
  if (notification !== undefined) return readNotification(running, notification)
  if (row.type !== 'user') return
  for (const block of blocksOf(row)) {
    if (block.type === 'tool_result') endTool(running, String(block.tool_use_id), row.toolUseResult)
    else if (String(block.text).startsWith('[Request interrupted by user')) endTools(running)
  }
}

/** `2 background commands (npm run dev, tail -f log) and 1 agent (review)`; undefined where none runs. */
export function describeTasks({ tasks }: Running): string | undefined {
  const kinds = (['command', 'monitor', 'agent', 'workflow'] as const).flatMap((kind) => {
    const names = [...tasks.values()].filter((task) => task.kind === kind).map(({ command }) => command)
    if (names.length === 0) return []
    const noun = kind === 'command' ? 'background command' : kind
    return [`${names.length} ${noun}${names.length === 1 ? '' : 's'} (${shorten(names)})`]
  })
  if (kinds.length < 2) return kinds[0]
  return `${kinds.slice(0, -1).join(', ')} and ${kinds.at(-1)}`
}

/**
 * A sentence or two for Claude, in one line; '' where none runs. On resume Claude Code itself says that tasks did not
 * finish, but names no command (2.1.330).
 */
export function promptForTasks({ tasks }: Running): string {
  if (tasks.size === 0) return ''
  const each = [...tasks].map(([id, { kind, command }]) => `the ${kind} ${JSON.stringify(command)} (${id})`)
  return `The restart of the session ended what ran in the background: ${each.join(', ')}. Start again what is still needed.`
}

function startTools({ tools, calls }: Running, row: Record<string, unknown>): void {
  for (const { type, id, name, input } of blocksOf(row)) {
    if (type !== 'tool_use' || typeof id !== 'string' || typeof name !== 'string') continue
    tools.set(id, name)
    calls.set(id, describeCall(name, isObject(input) ? input : {}))
  }
}

function readAgent({ agentTools }: Running, row: Record<string, unknown>): void {
  for (const { type, id, name, tool_use_id: used } of blocksOf(row)) {
    if (type === 'tool_use' && !CALLS_MODEL.test(String(name))) agentTools.add(String(id))
    else if (type === 'tool_result') agentTools.delete(String(used))
  }
}

function describeCall(tool: string, input: Record<string, unknown>): Task {
  const words = [input.command, input.description, input.name, input.prompt, tool]
  const name = words.find((value) => typeof value === 'string' && value.trim() !== '') as string
  const kind = /^(?:Agent|Task)$/.test(tool) ? 'agent' : tool === 'Workflow' ? 'workflow' : 'command'
  return { command: firstLine(name), kind: tool === 'Monitor' ? 'monitor' : kind }
}

/** A tool's result may tell that the tool goes on in the background, or that it stopped another task. */
function endTool({ tools, tasks, calls }: Running, id: string, result: unknown): void {
  const tool = tools.get(id)
  const call = calls.get(id)
  tools.delete(id)
  calls.delete(id)
  if (!isObject(result)) return
  const started = startedTask(tool, result)
  if (started !== undefined && call !== undefined) tasks.set(started, call)
  const stopped = stoppedTask(tool, result)
  if (stopped !== undefined) tasks.delete(stopped)
}

/**
 * A command has `backgroundTaskId`, whether it was asked for, moved by Ctrl+B or by its time limit; an agent, also one
 * moved by Ctrl+B, and a workflow are `async_launched`. What is `remote_launched` does not end with the child.
 */
function startedTask(tool: string | undefined, result: Record<string, unknown>): string | undefined {
  if (typeof result.backgroundTaskId === 'string') return result.backgroundTaskId
  const id = result.agentId ?? result.taskId
  const isStarted = tool === 'Monitor' || result.status === 'async_launched'
  return isStarted && typeof id === 'string' ? id : undefined
}

/** TaskStop has `task_id`, its older name KillShell `shell_id`; TaskOutput and BashOutput tell of an end in passing. */
function stoppedTask(tool: string | undefined, result: Record<string, unknown>): string | undefined {
  const seen = isObject(result.task) ? result.task : result
  const id = seen.task_id ?? seen.shell_id ?? seen.shellId
  if (typeof id !== 'string') return undefined
  return tool === 'TaskStop' || tool === 'KillShell' || hasEnded(seen.status) ? id : undefined
}

function hasEnded(status: unknown): boolean {
  return typeof status === 'string' && /^(?:completed|failed|killed|stopped|blocked)$/.test(status)
}

/** Nothing runs in the foreground behind a turn's end; a call may stay without a result where its stream broke off. */
function endTools({ tools, calls }: Running): void {
  tools.clear()
  calls.clear()
}

/** Queued first, then said to the model, as a prompt of its own or in the middle of a turn. */
function notificationOf(row: Record<string, unknown>): string | undefined {
  const text = notificationText(row)
  return typeof text === 'string' && text.startsWith('<task-notification>') ? text : undefined
}

function notificationText(row: Record<string, unknown>): unknown {
  if (row.type === 'queue-operation') return row.operation === 'enqueue' ? row.content : undefined
  if (row.type === 'attachment') return isObject(row.attachment) ? row.attachment.prompt : undefined
  const isTyped = isObject(row.origin) && row.origin.kind !== 'task-notification'
  if (row.type !== 'user' || isTyped || !isObject(row.message)) return undefined
  return typeof row.message.content === 'string' ? row.message.content : blocksOf(row)[0]?.text
}

/** One without a status is an event of a monitor. An agent may stop, and go on once its own background work is done. */
function readNotification({ tasks }: Running, text: string): void {
  const [head = '', rest = ''] = text.split('<summary>', 2)
  if (!hasEnded(head.match(/<status>(.*?)<\/status>/)?.[1])) return
  if (/^.*is waiting on its own background work<\/summary>/.test(rest)) return
  for (const [, id = ''] of head.matchAll(/<task-id>(.*?)<\/task-id>/g)) tasks.delete(id)
}

function blocksOf({ message }: Record<string, unknown>): Record<string, unknown>[] {
  const content = isObject(message) ? message.content : undefined
  return Array.isArray(content) ? content.filter(isObject) : []
}

function firstLine(text: string): string {
  const characters = [...plainText(text.trim().split('\n')[0] ?? '')]
  return characters.length > 80 ? `${characters.slice(0, 79).join('')}…` : characters.join('')
}

function shorten(names: string[]): string {
  const shown = names.slice(0, 3).join(', ')
  return names.length > 3 ? `${shown}, …` : shown
}
