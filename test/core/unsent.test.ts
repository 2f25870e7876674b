import { describe, expect, test } from 'vitest'
import { createQueue, findUnsent, readQueue } from '../../src/core/unsent.ts'

describe('findUnsent', () => {
  const asked = (...of: Parameters<typeof findUnsent>) => findUnsent(...of).ask
  const enqueue = (content: string) => ({ type: 'queue-operation', operation: 'enqueue', content })
  const dequeue = { type: 'queue-operation', operation: 'dequeue' }
  const leave = (operation: string, content: string) => ({ type: 'queue-operation', operation, content })
  const user = (content: string) => ({ type: 'user', message: { content } })

  const command = (name: string, args = '') =>
    user(
      `<command-name>/${name}</command-name>\n  <command-message>${name}</command-message>\n  <command-args>${args}</command-args>`,
    )

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
      [enqueue('see\n\n<pasted_content id="1f">\n1\n2\n</pasted_content id="1f">')],
      ['see\n1\n2'],
    ],
    [
      'not a paste between tags',
      [enqueue('see\n1\n2'), user('see\n\n<pasted_content id="1f">\n1\n2\n</pasted_content id="1f">')],
      [],
    ],
    ['not what was sent before it was queued', [user('two'), enqueue('two')], ['two']],
    [
      'not a shell command that has run, nor what it printed',
      [
        enqueue('ls >a'),
        enqueue('two'),
        dequeue,
        user('<bash-input>ls >a</bash-input>'),
        user('<bash-stdout></bash-stdout><bash-stderr></bash-stderr>'),
      ],
      ['two'],
    ],
    [
      'not a command that has run',
      [
        enqueue('/compact'),
        enqueue('/compact sums'),
        dequeue,
        command('compact'),
        command('compact', 'sums'),
      ],
      [],
    ],
    ['a command that has not', [enqueue('/compact sums'), dequeue, command('compact')], ['/compact sums']],
    [
      'not what went with the turn that ran, as up to 2.1.183: its leaving is told without its words',
      [
        enqueue('two'),
        { type: 'queue-operation', operation: 'remove' },
        { type: 'attachment', attachment: { type: 'queued_command', prompt: 'two' } },
      ],
      [],
    ],
    ['not the end of a task', [enqueue('<task-notification>')], []],
  ])('%s', (_, rows, unsent) => {
    expect(asked(rows, [])).toEqual(unsent)
  })

  // As 2.1.330 writes what is queued before the conversation's first row.
  test('what was queued without its words, by what was typed', () => {
    const submitted = (...all: string[]) => all.map((words) => ({ words, ifUnread: 'drop' as const }))
    const untold = { type: 'queue-operation', operation: 'enqueue' }
    const rows = [untold, untold, untold, user('one'), dequeue, user('two'), dequeue, user('three')]
    expect(asked(rows, submitted('four'))).toEqual(['four'])
    expect(asked(rows, submitted('a command', 'four'))).toEqual(['four'])
    expect(asked(rows, [])).toEqual([])
    expect(asked([...rows, dequeue], submitted('four'))).toEqual(['four'])
    expect(asked([...rows, dequeue, user('four')], [])).toEqual([])
    expect(asked([untold, user('one'), enqueue('three')], submitted('two'))).toEqual(['two', 'three'])
  })

  test.each<[string, string[], string[]]>([
    ['what was typed shortly before the end, behind the queue', ['two', 'exit it'], ['two', 'exit it']],
    ['not a command: it may be done', ['!ls', 'exit', ':q', '/compact'], []],
    ['not what was typed behind a command: it may be for what that opened', ['/config', 'theme'], []],
    ['what only begins like a command', ['/etc/hosts: why?', '#12 fails'], ['/etc/hosts: why?', '#12 fails']],
  ])('%s', (_, words, unread) => {
    const submitted = words.map((words) => ({ words, ifUnread: 'ask' as const }))
    expect(asked([user('zero'), enqueue('one')], submitted)).toEqual(['one', ...unread])
  })

  test('keeps what is older for the input box', () => {
    const submitted = [
      { words: 'dropped', ifUnread: 'drop' as const },
      { words: 'two', ifUnread: 'keep' as const },
      { words: 'three', ifUnread: 'ask' as const },
    ]
    expect(findUnsent([enqueue('one')], submitted)).toEqual({ ask: ['one', 'three'], keep: ['two'] })
  })
})

describe('readQueue', () => {
  const enqueue = (content?: string) => ({ type: 'queue-operation', operation: 'enqueue', content })
  const dequeue = { type: 'queue-operation', operation: 'dequeue' }
  const user = (content: string) => ({ type: 'user', message: { content } })

  test.each<[string, unknown[], string[]]>([
    [
      'what was queued is told of once',
      [enqueue('two'), dequeue, user('two'), user('three')],
      ['two', 'three'],
    ],
    [
      'also where it is sent with others',
      [enqueue('two'), enqueue('three'), dequeue, user('two\nthree'), user('four')],
      ['two', 'three', 'four'],
    ],
    [
      'also where it went with the turn that ran',
      [enqueue('two'), { ...dequeue, operation: 'remove', content: 'two' }, user('two')],
      ['two', 'two'],
    ],
    [
      'the same words again, where its leaving the queue is told without them',
      [
        enqueue('yes'),
        { type: 'queue-operation', operation: 'remove' },
        { type: 'attachment', attachment: { type: 'queued_command', prompt: 'yes' } },
        user('yes'),
      ],
      ['yes', 'yes'],
    ],
    [
      'what was queued without its words when it is sent',
      [enqueue(), user('one'), dequeue, user('two')],
      ['one', 'two'],
    ],
    [
      'a shell command',
      [enqueue('ls'), dequeue, user('<bash-input>ls</bash-input>'), user('two')],
      ['ls', 'two'],
    ],
  ])('%s', (_, rows, told) => {
    const queue = createQueue()
    expect(rows.flatMap((row) => readQueue(queue, row) ?? [])).toEqual(told)
  })
})
