import { describe, expect, test } from 'vitest'
import { findUnsent, PROMPT_MARKERS, readPrompt } from '../../src/core/prompts.ts'

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
      'an Esc',
      { type: 'user', message: { content: [{ type: 'text', text: '[Request interrupted by user]' }] } },
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

describe('findUnsent', () => {
  const enqueue = (content: string) => ({ type: 'queue-operation', operation: 'enqueue', content })
  const dequeue = { type: 'queue-operation', operation: 'dequeue' }
  const leave = (operation: string, content: string) => ({ type: 'queue-operation', operation, content })
  const user = (content: string) => ({ type: 'user', message: { content } })

  test.each<[string, unknown[], string[]]>([
    ['nothing was queued', [user('one')], []],
    [
      'what was never taken from the queue',
      [user('one'), enqueue('two'), enqueue('three')],
      ['two', 'three'],
    ],
    [
      'what was taken from it and never sent',
      [enqueue('two'), enqueue('three'), dequeue, dequeue],
      ['two', 'three'],
    ],
    [
      'not what was sent',
      [enqueue('two'), enqueue('three'), dequeue, dequeue, user('two'), user('three')],
      [],
    ],
    ['the rest', [enqueue('two'), enqueue('three'), dequeue, dequeue, user('two')], ['three']],
    ['not what was sent as one prompt', [enqueue('two'), enqueue('three'), dequeue, user('two\nthree')], []],
    ['the same words twice', [enqueue('yes'), enqueue('yes'), dequeue, user('yes')], ['yes']],
    ['not words that are only a part', [enqueue('y'), dequeue, user('yes')], ['y']],
    ['not what went with the turn that ran', [enqueue('two'), leave('remove', 'two')], []],
    [
      'not what went back into the box',
      [enqueue('two'), enqueue('three'), leave('popAll', 'two\nthree')],
      [],
    ],
    [
      'a paste without its tags',
      [enqueue('see\n\n<pasted_content id="1f">\n1\n2\n</pasted_content>')],
      ['see\n1\n2'],
    ],
    [
      'not a paste between tags',
      [enqueue('see\n1\n2'), user('see\n\n<pasted_content id="1f">\n1\n2\n</pasted_content>')],
      [],
    ],
    ['not what was sent before it was queued', [user('two'), enqueue('two')], ['two']],
    ['not the end of a task', [enqueue('<task-notification>')], []],
  ])('%s', (_, rows, unsent) => {
    expect(findUnsent(rows)).toEqual(unsent)
  })
})
