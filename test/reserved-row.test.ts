import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { initialState } from '../src/core/policy.ts'
import type { Session } from '../src/relay.ts'
import { openReservedRow } from '../src/reserved-row.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A row of its own, and what stands in it. */
function openRow() {
  let text: string | undefined
  const reserveRow = (words: string | undefined) => {
    text = words
  }
  const session = {
    terminal: { rowColumns: () => 120, reserveRow },
    world: { now: Date.now, env: { NO_COLOR: '1' } },
    config: { switchKey: { name: 'Ctrl+]' } },
    key: { type: 'none' },
  } as unknown as Session
  const row = openReservedRow(session, { session: Infinity, day: 10 })
  row.show(initialState('api', Date.now()))
  return { row, text: () => text }
}

test('a note for some time goes after it, and what stood there before does not come back', () => {
  const { row, text } = openRow()
  const plain = text()
  row.note('until 4:13pm')
  row.note('$10.00 a day', 60_000)
  expect(text()).toContain('$10.00 a day')
  vi.advanceTimersByTime(59_999)
  expect(text()).toContain('$10.00 a day')
  vi.advanceTimersByTime(1)
  expect(text()).toBe(plain)
})

test('a note that follows it stays', () => {
  const { row, text } = openRow()
  row.note('$10.00 a day', 60_000)
  row.note('until 4:13pm')
  vi.advanceTimersByTime(120_000)
  expect(text()).toContain('until 4:13pm')
})

test('nothing is painted once it is stopped', () => {
  const { row, text } = openRow()
  row.note('$10.00 a day', 60_000)
  row.stop()
  expect(vi.getTimerCount()).toBe(0)
  expect(text()).toContain('$10.00 a day')
})
