import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { ApiRequest } from '../../fixtures/api/server.js'
import type { Screen } from '../support/screen.ts'
import { key, type Setup } from './claudef.ts'

/** Where a conversation is kept. */
export type Conversation = { sessionId: string; transcript: string | undefined }

export const CONTINUE_PROMPT = 'Continue where you left off.'

/** The bottom row of a screen that is full. */
export function bottomRow(screen: Screen): string {
  return screen.text().split('\n').at(-1) ?? ''
}

/** Starts claudef and waits until Claude Code stands there, billed to the subscription. */
export async function openSession(setup: Setup, ...how: Parameters<Setup['run']>): Promise<Screen> {
  const screen = await setup.run(...how)
  await screen.waitFor('Claude Max')
  return screen
}

/** A turn that the subscription pays. */
export async function askOnce(screen: Screen, prompt: string): Promise<void> {
  await screen.submit(prompt)
  await screen.waitFor((text) => text.split(prompt).at(-1)?.includes('Mock reply via subscription.') === true)
}

/** The conversation that the last Claude Code to be started is in, by its own account. */
export async function currentConversation(setup: Setup): Promise<Conversation> {
  const pid = setup.starts().at(-1)?.pid ?? 0
  let sessionId: string | undefined
  await expect
    .poll(() => {
      sessionId = setup.sessionOf(pid)
      return sessionId
    })
    .toBeDefined()
  const transcripts = setup.home.transcripts().filter((transcript) => transcript.sessionId === sessionId)
  expect(transcripts.length, 'transcripts of one session').toBeLessThanOrEqual(1)
  return { sessionId: sessionId ?? '', transcript: transcripts[0]?.path }
}

/** The requests of turns, oldest first; Claude Code also sends some without a stream, to try a model out. */
export function turnsOf(setup: Setup, billing: ApiRequest['billing']): ApiRequest[] {
  return setup.api.requests.filter((request) => request.billing === billing && request.stream)
}

/** What the user said in a request: all texts of its last message, and tool results as `tool_result`. */
export function lastWords(request: ApiRequest | undefined): string[] {
  const messages: Message[] = request?.body.messages ?? []
  return messages
    .filter(({ role }) => role === 'user')
    .slice(-1)
    .flatMap(describeBlocks)
}

type Message = { role: string; content: string | { type: string; text?: string }[] }

function textsOf(request: ApiRequest, role: string): string[] {
  const messages: Message[] = request.body.messages
  return messages.filter((message) => message.role === role).flatMap(describeBlocks)
}

function describeBlocks({ content }: Message): string[] {
  return typeof content === 'string' ? [content] : content.map(({ type, text }) => text ?? type)
}

export type LimitOptions = {
  claim?: string
  /** The prompt that meets the limit. */
  prompt?: string
  /** What Claude Code is asked on the key; claudef's own default by default. */
  continuePrompt?: string
}

/**
 * Meets a limit of the subscription and proves the switch: once, in the same conversation, on the key, with nothing
 * lost that was said. Returns the first request that the key paid for.
 */
export async function switchAtLimit(
  setup: Setup,
  screen: Screen,
  options: LimitOptions = {},
): Promise<ApiRequest> {
  const {
    claim = 'five_hour',
    prompt = 'remember the number 4711',
    continuePrompt = CONTINUE_PROMPT,
  } = options
  const before = await currentConversation(setup)
  const started = setup.starts().length
  setup.api.setBehaviour({ subscription: { type: 'limit', claim } })
  await screen.submit(prompt)
  await screen.waitFor('Mock reply via api.')
  expect(setup.starts().length, 'starts of Claude Code').toBe(started + 1)
  await expectSameConversation(setup, before)
  expectNoFlash(screen)
  await expectBilledRow(screen)
  expect(countIn(setup.log(), 'switching to api billing')).toBe(1)
  return expectPaidByKey(setup, { prompt, continuePrompt })
}

/** The same session id and the same file: the limit stands in it, and behind it the answer that the key paid. */
export async function expectSameConversation(setup: Setup, before: Conversation): Promise<void> {
  const after = await currentConversation(setup)
  const last = setup.starts().at(-1)?.args ?? []
  expect(after.sessionId).toBe(before.sessionId)
  expect(last[last.indexOf('--resume') + 1]).toBe(before.sessionId)
  if (before.transcript !== undefined) expect(after.transcript).toBe(before.transcript)
  const { rows } = setup.home.transcripts().find(({ path }) => path === after.transcript) ?? { rows: [] }
  const limit = rows.findIndex((row) => row.apiError === 'usage_limit_reached')
  expect(limit).toBeGreaterThan(-1)
  expect(rows.every((row) => row.sessionId === undefined || row.sessionId === before.sessionId)).toBe(true)
  await expect
    .poll(() => {
      const now = setup.home.transcripts().find(({ path }) => path === after.transcript)
      return JSON.stringify(now?.rows.slice(limit + 1))
    })
    .toContain('Mock reply via api.')
}

/** The user sees the old picture, then the new one: never the shell behind them, never a farewell. */
export function expectNoFlash(screen: Screen): void {
  const bytes = screen.raw().toString('latin1')
  expect(bytes).toContain('\x1b[?1049h')
  expect(bytes).not.toContain('\x1b[?1049l')
  expect(bytes).not.toContain('Resume this session with')
  expect(screen.modes().buffer).toBe('alternate')
}

async function expectBilledRow(screen: Screen): Promise<void> {
  await screen.waitFor('API Usage Billing')
  // The caps are said at the first automatic switch of a user.
  await expect.poll(() => bottomRow(screen)).toMatch(/^ API billing .*\$10\.00 a day: max_usd_per_day/)
}

/** Every turn since the limit is the key's alone, and the first one has what was refused and what goes on. */
export function expectPaidByKey(setup: Setup, said: { prompt: string; continuePrompt: string }): ApiRequest {
  const paid = setup.api.requests.filter((request) => request.billing === 'api')
  const [first] = turnsOf(setup, 'api')
  if (first === undefined) throw new Error('the key paid for no turn')
  for (const { headers } of paid) {
    expect(headers['x-api-key']).toBe(key)
    expect(headers.authorization ?? '').not.toContain('sk-ant-oat')
  }
  expect(setup.api.requests.filter(({ at, billing }) => at >= first.at && billing !== 'api')).toEqual([])
  const refused = turnsOf(setup, 'subscription').at(-1)
  expect(lastWords(refused).join()).toContain(said.prompt)
  const words = lastWords(first)
  expect(words).toContain(said.prompt)
  expect(words).toContain(said.continuePrompt)
  expect(words.indexOf(said.prompt)).toBeLessThan(words.indexOf(said.continuePrompt))
  // Claude Code keeps its own words about the limit from the model.
  expect(textsOf(first, 'assistant').filter((text) => text.startsWith("You've hit your"))).toEqual([])
  expect(first.model).toBe(refused?.model)
  return first
}

function countIn(text: string, part: string): number {
  return text.split(part).length - 1
}

/** How many errors of the API the conversation shows. */
export function errorRows(setup: Setup): number {
  const rows = setup.home.transcripts().flatMap((transcript) => transcript.rows)
  return rows.filter((row) => row.isApiErrorMessage === true).length
}

export function readLines(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1)
}
