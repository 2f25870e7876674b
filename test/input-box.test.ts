import { expect, test } from 'vitest'
import { findUnsent } from '../src/core/unsent.ts'
import { followInputBox } from '../src/input-box.ts'
import type { Session } from '../src/relay.ts'

test.each([
  ['busy', ['use postgres']],
  // Up to 2.1.329: it may have been the answer to a question.
  [undefined, []],
] as const)('what was typed shortly before the end of a child that says it is %s', (status, asked) => {
  const session = {
    ...{ config: { home: '/nowhere' }, world: { now: Date.now }, log: () => {} },
    terminal: { size: () => ({ columns: 80, rows: 24 }) },
  } as unknown as Session
  const box = followInputBox(session, () => status)
  for (const keys of ['use postgres', '\r']) box.read(Buffer.from(keys))
  box.take()
  expect(findUnsent([], box.submitted())).toEqual(asked)
})
