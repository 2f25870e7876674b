import { describe, expect, test } from 'vitest'
import { PROMPT_MARKERS, readPrompt } from '../../src/core/prompts.ts'

const TEXT = { role: 'user', content: 'Go on' }

const PROMPTS: [string, string, unknown][] = [
  ['a prompt', 'Go on', { type: 'user', message: TEXT }],
  [
    'one in blocks',
    'Go on',
    { type: 'user', message: { role: 'user', content: [{ type: 'text', text: 'Go on' }] } },
  ],
  [
    'one with a picture',
    'See',
    {
      type: 'user',
      message: {
        role: 'user',
        content: [
          { type: 'image', source: {} },
          { type: 'text', text: 'See' },
        ],
      },
    },
  ],
  [
    'one that says it is no subagent’s',
    'Go on',
    { type: 'user', isSidechain: false, isMeta: false, message: TEXT },
  ],
  [
    'a command of the shell',
    '!ls',
    { type: 'user', message: { role: 'user', content: '<bash-input>ls</bash-input>' } },
  ],
  [
    'a command',
    '/compact the sums',
    {
      type: 'user',
      message: {
        content:
          '<command-name>/compact</command-name>\n <command-message>compact</command-message>\n <command-args>the sums</command-args>',
      },
    },
  ],
  [
    'one of a skill',
    '/review',
    {
      type: 'user',
      message: {
        content: '<command-message>review</command-message>\n<command-name>/review</command-name>',
      },
    },
  ],
  [
    'one put into the queue',
    'And then',
    { type: 'queue-operation', operation: 'enqueue', content: 'And then' },
  ],
]

describe('readPrompt', () => {
  test.each(PROMPTS)('%s', (_, text, row) => {
    expect(readPrompt(row)).toBe(text)
    // A follower hands on only rows with one of these.
    const line = JSON.stringify(row)
    expect(PROMPT_MARKERS.some((marker) => line.includes(marker))).toBe(true)
  })

  test.each<[string, unknown]>([
    [
      'a tool’s result',
      { type: 'user', message: { role: 'user', content: [{ type: 'tool_result', content: 'ok' }] } },
    ],
    ['Claude Code’s own words', { type: 'user', isMeta: true, message: TEXT }],
    ['a subagent’s prompt', { type: 'user', isSidechain: true, message: TEXT }],
    ['one taken from the queue', { type: 'queue-operation', operation: 'dequeue' }],
    ['one removed from it', { type: 'queue-operation', operation: 'remove', content: 'And then' }],
    [
      'the end of a background task, queued',
      { type: 'queue-operation', operation: 'enqueue', content: '<task-notification>\n<task-id>b1' },
    ],
    [
      'the same as a row',
      { type: 'user', message: { role: 'user', content: '<task-notification>\n<task-id>b1' } },
    ],
    [
      'the end of a limit, queued',
      {
        type: 'queue-operation',
        operation: 'enqueue',
        content: 'Your claude.ai usage limit has reset. Continue the task',
      },
    ],
    [
      'an Esc',
      { type: 'user', message: { content: [{ type: 'text', text: '[Request interrupted by user]' }] } },
    ],
    [
      'what a command of the shell printed',
      { type: 'user', message: { content: '<bash-stdout>a</bash-stdout><bash-stderr></bash-stderr>' } },
    ],
    [
      'what a command printed',
      { type: 'user', message: { content: '<local-command-stdout>Compacted</local-command-stdout>' } },
    ],
    [
      'a summary',
      { type: 'user', isCompactSummary: true, message: { content: 'This session is being continued' } },
    ],
    ['an answer', { type: 'assistant', message: { role: 'assistant', content: 'Go on' } }],
    ['no message', { type: 'user' }],
    ['a message that is none', { type: 'user', message: 'Go on' }],
    ['a content that is none', { type: 'user', message: { content: 5 } }],
    ['nothing', undefined],
    ['null', null],
    ['a text', 'user'],
    ['a list', [{ type: 'user', message: TEXT }]],
  ])('is not %s', (_, row) => {
    expect(readPrompt(row)).toBe(undefined)
  })
})
