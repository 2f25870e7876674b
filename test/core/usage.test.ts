import { expect, test } from 'vitest'
import { parseAssistantUsage } from '../../src/core/usage.ts'

const usage = {
  input_tokens: 3,
  cache_read_input_tokens: 50_000,
  cache_creation_input_tokens: 1200,
  output_tokens: 9,
}
const row = {
  type: 'assistant',
  isSidechain: false,
  message: { model: 'claude-opus-4-5', role: 'assistant', usage },
}

test('reads the model, and the tokens that were sent', () => {
  expect(parseAssistantUsage(JSON.stringify(row))).toEqual({
    model: 'claude-opus-4-5',
    contextTokens: 51_203,
  })
})

test.each([
  ['no usage', undefined, 0],
  ['no cache', { input_tokens: 7 }, 7],
  ['nonsense', { input_tokens: '7', cache_read_input_tokens: -1, cache_creation_input_tokens: 5 }, 5],
])('counts what is missing as 0: %s', (_name, given, contextTokens) => {
  const line = JSON.stringify({ ...row, message: { ...row.message, usage: given } })
  expect(parseAssistantUsage(line)).toEqual({ model: 'claude-opus-4-5', contextTokens })
})

test.each([
  ['a subagent', { ...row, isSidechain: true }],
  ['made up by Claude Code', { ...row, message: { ...row.message, model: '<synthetic>' } }],
  ['without a model', { ...row, message: { usage } }],
  ['without a message', { ...row, message: null }],
  ['of the user', { ...row, type: 'user' }],
  ['no object', [row]],
])('is undefined for a row %s', (_name, other) => {
  expect(parseAssistantUsage(JSON.stringify(other))).toBeUndefined()
})

test.each(['', '\r', 'null', '{"type":"assistant"', '{"type":"assistant","mess'])(
  'is undefined for %j',
  (line) => {
    expect(parseAssistantUsage(line)).toBeUndefined()
  },
)
