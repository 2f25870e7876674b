import { expect, test } from 'vitest'
import { parseModel } from '../../src/core/usage.ts'

const usage = {
  input_tokens: 3,
  cache_read_input_tokens: 50_000,
  cache_creation_input_tokens: 1200,
  output_tokens: 9,
}
const message = { model: 'claude-sonnet-4-5', role: 'assistant', usage }
const answer = { type: 'assistant', isSidechain: false, message }
const named = { type: 'attachment', attachment: { type: 'model', identity: { modelId: 'claude-opus-5-5' } } }

test.each([
  ['an answer', answer, 'claude-sonnet-4-5'],
  [
    'an answer that was asked for by another name',
    { ...answer, requestedModel: 'claude-sonnet-4-5[1m]' },
    'claude-sonnet-4-5[1m]',
  ],
  [
    'an answer to 300k tokens',
    withUsage({ input_tokens: 1, cache_read_input_tokens: 300_000 }),
    'claude-sonnet-4-5[1m]',
  ],
  ['an answer to exactly 200k tokens', withUsage({ input_tokens: 200_000 }), 'claude-sonnet-4-5'],
  [
    'an answer with nonsense for usage',
    withUsage({ input_tokens: '999999', cache_read_input_tokens: -1 }),
    'claude-sonnet-4-5',
  ],
  ['an answer without usage', withUsage(undefined), 'claude-sonnet-4-5'],
  ['the row that names the model', named, 'claude-opus-5-5'],
])('reads the model of %s', (_name, row, model) => {
  expect(parseModel(JSON.stringify(row))).toBe(model)
})

test.each([
  ['a subagent', { ...answer, isSidechain: true }],
  ['made up by Claude Code', { ...answer, message: { ...message, model: '<synthetic>' } }],
  ['without a model', { ...answer, message: { usage } }],
  ['without a message', { ...answer, message: null }],
  ['of the user', { ...answer, type: 'user' }],
  ['of another attachment', { ...named, attachment: { type: 'date', date: '2026-11-22' } }],
  ['of an attachment without identity', { ...named, attachment: { type: 'model', identity: null } }],
  ['no object', [answer]],
])('reads none of a row %s', (_name, row) => {
  expect(parseModel(JSON.stringify(row))).toBeUndefined()
})

test('reads none of a line cut short', () => {
  expect(parseModel(JSON.stringify(answer).slice(0, -5))).toBeUndefined()
})

function withUsage(given: unknown) {
  return { ...answer, message: { ...message, usage: given } }
}
