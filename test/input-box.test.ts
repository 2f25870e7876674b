import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Status } from '../src/core/input-box.ts'
import { findUnsent } from '../src/core/unsent.ts'
import { followInputBox } from '../src/input-box.ts'
import type { Session } from '../src/relay.ts'

function setUp(status: Status) {
  let now = 0
  const home = mkdtempSync(join(tmpdir(), 'input-box-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const session = {
    config: { home },
    world: { now: () => now, env: { CLAUDE_CONFIG_DIR: home }, cwd: home },
    tokens: [],
    log: () => {},
    terminal: { size: () => ({ columns: 80, rows: 24 }) },
  } as unknown as Session
  const box = followInputBox(session, () => status)
  const type = (...keys: string[]) => {
    for (const key of keys) box.read(Buffer.from(key))
  }
  const save = (name: string, value: unknown) => writeFileSync(join(home, name), JSON.stringify(value))
  const pass = (ms: number) => {
    now += ms
  }
  return { box, type, save, pass }
}

test.each([
  ['busy', ['use postgres']],
  // Up to 2.1.329: it may have been the answer to a question.
  [undefined, []],
] as const)('what was typed shortly before the end of a child that says it is %s', (status, asked) => {
  const { box, type } = setUp(status)
  type('use postgres', '\r')
  box.take()
  expect(findUnsent([], box.submitted()).ask).toEqual(asked)
})

test('what was typed before is kept for the input box, for ten minutes', () => {
  const { box, type, pass } = setUp('busy')
  for (const words of ['zero', 'one', 'two']) {
    type(words, '\r')
    pass(words === 'zero' ? 599_000 : 4000)
  }
  box.take()
  expect(findUnsent([], box.submitted())).toEqual({ ask: ['two'], keep: ['one'] })
})

test.each([
  ['vim mode', '.claude.json', { editorMode: 'vim' }],
  ['vim mode', 'settings.json', { editorMode: 'vim' }],
  ['key bindings', 'keybindings.json', { bindings: [] }],
])('what is typed is not sure with %s (%s)', (_, name, value) => {
  const { box, type, save } = setUp('busy')
  save(name, value)
  type('first', '\r', 'second')
  expect(box.take()).toEqual({ input: [], note: expect.stringContaining('claude-fallback draft') })
  expect(box.submitted()).toEqual([])
  // Known from the start of the next child.
  type('third')
  expect(box.isKnown()).toBe(false)
})
