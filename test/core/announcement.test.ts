import { describe, expect, test } from 'vitest'
import { describeAnnouncement } from '../../src/core/announcement.ts'
import type { Limit } from '../../src/core/limit.ts'

const NOW = Date.parse('2026-11-22T14:00:00Z')

const LIMIT: Limit = {
  window: 'session',
  scope: { type: 'account' },
  verdict: 'switch',
  resetsAt: Date.parse('2026-11-22T16:13:00Z'),
  source: 'structured',
  rowId: undefined,
  at: NOW,
  text: "You've hit your 5-hour limit",
}
const OPUS: Limit = { ...LIMIT, scope: { type: 'model', name: 'Opus' } }

type Given = Parameters<typeof describeAnnouncement>

function tell(announced: Omit<Given[0], 'type'>, context: Partial<Given[1]> = {}) {
  return describeAnnouncement({ type: 'announce', ...announced } as Given[0], {
    now: NOW,
    timeZone: 'UTC',
    spent: { session: 1.62, day: 8.1, isLowerBound: false },
    caps: { session: 2, day: 10 },
    next: undefined,
    switchKey: 'Ctrl+]',
    ...context,
  })
}

describe('a limit', () => {
  const limit = { about: 'limit', limit: LIMIT } as const

  test('says what the user can do', () => {
    expect(tell(limit)).toEqual({
      title: '5-hour limit reached, resets at 4:13pm',
      text: 'Ctrl+] in its terminal goes on with API billing.',
    })
    expect(tell(limit, { switchKey: 'Ctrl+\\' }).text).toContain('Ctrl+\\ in its terminal')
  })

  test('says that it goes on by itself', () => {
    expect(tell(limit, { next: 'api' }).text).toBe('claudef goes on with API billing.')
  })

  test('promises no key where there is none', () => {
    const obstacle = { reason: 'no API key', repair: 'give one with `claude-fallback key set`' }
    expect(tell({ ...limit, obstacle } as Omit<Given[0], 'type'>).text).toBe(
      'no API key: give one with `claude-fallback key set`.',
    )
  })

  test('of one model says what is cheaper first', () => {
    expect(tell({ about: 'limit', limit: OPUS } as Omit<Given[0], 'type'>)).toEqual({
      title: 'Opus limit reached, resets at 4:13pm',
      text: '/model to another model stays on your plan. Ctrl+] in its terminal goes on with API billing.',
    })
  })

  test.each<[Partial<Limit>, string]>([
    [
      { window: 'weekly', resetsAt: Date.parse('2026-11-25T14:13:00Z') },
      'Weekly limit reached, resets Nov 25, 2:13pm',
    ],
    [{ resetsAt: undefined }, '5-hour limit reached'],
    [{ window: 'credits' }, 'Out of usage credits, resets at 4:13pm'],
  ])('%o is titled %j', (what, title) => {
    expect(tell({ about: 'limit', limit: { ...LIMIT, ...what } } as Omit<Given[0], 'type'>).title).toBe(title)
  })
})

test('the caps are told with what was spent', () => {
  expect(tell({ about: 'near cap' })).toEqual({
    title: 'API billing nears a cap',
    text: '$1.62 in this session, $8.10 today; $2.00 a session and $10.00 a day at most.',
  })
  const over = { session: 0.2, day: 10.4, isLowerBound: true }
  expect(tell({ about: 'cap' }, { spent: over, caps: { session: Infinity, day: 10 } })).toEqual({
    title: 'API billing has ended at a cap',
    text: '≥$0.20 in this session, ≥$10.40 today; $10.00 a day at most. The conversation waits on your subscription.',
    urgency: 'critical',
  })
})

test('the way back is told with the key that takes it', () => {
  expect(tell({ about: 'back' }, { switchKey: 'Ctrl+G' })).toEqual({
    title: 'Your subscription is back',
    text: 'Ctrl+G in its terminal takes the conversation back to it.',
  })
})
