import { expect, test } from 'vitest'
import { modeEnd, startBilling } from '../../src/core/mode.ts'
import { addLimit, emptyState, modeInForce } from '../../src/core/shared-state.ts'

const HOUR = 3600 * 1000
const DAY = 24 * HOUR
const now = Date.UTC(2026, 10, 22, 14)

const withResets = (...resets: (number | undefined)[]) =>
  resets.reduce(
    (state, resetsAt, index) =>
      addLimit(state, {
        ...{
          configDir: '/c',
          account: '',
          key: String(index),
          window: 'unknown',
          scope: { type: 'account' },
        },
        ...{ text: '', resetsAt, seenAt: now, cwd: undefined, sessionId: undefined },
      }),
    emptyState(),
  )

test.each([
  ['no limit', withResets(), DAY],
  ['a limit without a reset', withResets(undefined), DAY],
  ['the latest of several', withResets(now + HOUR, now + 6 * DAY, undefined), 6 * DAY],
  ['a limit that is over', withResets(now - 1), DAY],
  ['a reset of a clock that was wrong', withResets(now + 400 * DAY), DAY],
])('mode api ends by %s', (_, state, after) => {
  expect(modeEnd(state, now)).toBe(now + after)
  const mode = { billing: 'api' as const, until: modeEnd(state, now) }
  expect(modeInForce({ ...state, mode }, now)).toBe('api')
})

test('what is written down goes before the mode, and an end that has come ends it', () => {
  const state = { ...emptyState(), mode: { billing: 'api' as const, until: now + HOUR } }
  const start = (chosen: 'api' | 'subscription' | undefined, at = now) =>
    startBilling(state, { now: at, chosen, source: chosen === undefined ? 'default' : 'file' })
  expect(start(undefined)).toEqual({ billing: 'api', source: 'mode', until: now + HOUR })
  expect(start('subscription')).toEqual({ billing: 'subscription', source: 'file', until: undefined })
  expect(start(undefined, now + HOUR)).toMatchObject({ billing: 'subscription', source: 'default' })
})
