import { describe, expect, test } from 'vitest'
import { crossedThresholds, parseStatus, renderStatusLine, type Status } from '../../src/core/status-line.ts'

const now = Date.parse('2026-11-22T14:00:00Z')
const resetsAt = Date.parse('2026-11-22T17:47:00Z')
const clock = { now, timeZone: 'UTC' }

/** What 2.1.330 handed over after the first answer, cut. */
const told = {
  session_id: 'f3cee5f9-1380-4b6e-b3bd-43a609bfcc12',
  transcript_path: '/home/somebody/.claude/projects/-project/f3cee5f9-1380-4b6e-b3bd-43a609bfcc12.jsonl',
  model: { id: 'claude-sonnet-4-5[1m]', display_name: 'Sonnet 4.5 (1M context)' },
  version: '2.1.330',
  cost: { total_cost_usd: 0.013476, total_duration_ms: 1140 },
  context_window: {
    total_input_tokens: 19209,
    context_window_size: 1_000_000,
    current_usage: {
      input_tokens: 9,
      output_tokens: 12,
      cache_creation_input_tokens: 1200,
      cache_read_input_tokens: 18000,
    },
  },
  rate_limits: {
    five_hour: { used_percentage: 93, resets_at: resetsAt / 1000 },
    seven_day: { used_percentage: 21, resets_at: 1795639490 },
  },
}

const nothing: Status = {
  sessionId: undefined,
  transcript: undefined,
  model: undefined,
  costUsd: undefined,
  fiveHour: undefined,
  sevenDay: undefined,
  contextTokens: undefined,
}

const fiveHour = (usedPercent: number, at: number | undefined = resetsAt): Status => ({
  ...nothing,
  fiveHour: { usedPercent, resetsAt: at },
})

describe('parseStatus', () => {
  test('reads what Claude Code hands over', () => {
    expect(parseStatus(`${JSON.stringify(told)}\n`)).toEqual({
      sessionId: told.session_id,
      transcript: told.transcript_path,
      model: 'claude-sonnet-4-5[1m]',
      costUsd: 0.013476,
      fiveHour: { usedPercent: 93, resetsAt },
      sevenDay: { usedPercent: 21, resetsAt: 1795639490_000 },
      contextTokens: 19221,
    })
  })

  test.each([[''], ['{"session_id":"cut'], ['null'], ['[1]'], ['"text"']])('takes %j for none', (json) => {
    expect(parseStatus(json)).toBeUndefined()
  })

  test.each([
    [{}],
    [{ session_id: 1, transcript_path: '', model: 'opus', cost: null, rate_limits: [], context_window: 'x' }],
    [
      {
        cost: { total_cost_usd: -1 },
        rate_limits: { five_hour: { used_percentage: '93' }, seven_day: null },
      },
    ],
    [{ context_window: { current_usage: null } }],
  ])('leaves open what is not said: %j', (fields) => {
    expect(parseStatus(JSON.stringify(fields))).toEqual(nothing)
  })

  test.each([
    [-3, 0],
    [104, 100],
    [93.4, 93.4],
  ])('keeps %d percent within 0 to 100', (used, expected) => {
    const status = parseStatus(JSON.stringify({ rate_limits: { five_hour: { used_percentage: used } } }))
    expect(status?.fiveHour).toEqual({ usedPercent: expected, resetsAt: undefined })
  })
})

describe('renderStatusLine', () => {
  const week = (usedPercent: number) => ({ usedPercent, resetsAt: now + 3 * 86_400_000 })

  test.each([
    [{ ...fiveHour(93), sevenDay: week(21) }, '5h 93 % · resets 5:47pm · week 21 % · subscription'],
    [
      { ...fiveHour(99.9), sevenDay: week(80) },
      '5h 99 % · resets 5:47pm · week 80 % · resets Nov 25, 2:00pm · subscription',
    ],
    [{ ...nothing, sevenDay: week(0.57 * 100) }, 'week 57 % · subscription'],
    [{ ...nothing, fiveHour: { usedPercent: 12, resetsAt: undefined } }, '5h 12 % · subscription'],
    [fiveHour(93, now - 1), 'subscription'],
    [undefined, 'subscription'],
  ])('on the subscription: case %#', (status, line) => {
    expect(renderStatusLine(status, { billing: 'subscription', ...clock })).toBe(line)
  })

  test('on API billing: what it has cost, not what the plan has left', () => {
    const spent = { usd: 0.42, isLowerBound: false }
    const context = { billing: 'api', ...clock } as const
    expect(renderStatusLine(fiveHour(100), context)).toBe('API billing')
    expect(renderStatusLine(fiveHour(100), { ...context, spent, backAt: resetsAt })).toBe(
      'API billing · $0.42 this session · subscription back at 5:47pm',
    )
  })
})

describe('crossedThresholds', () => {
  const crossed = (status: Status, account = 'a') => crossedThresholds(status, { ...clock, account })
  const texts = (status: Status) => crossed(status).map(({ text }) => text)
  const keyOf = (status: Status, account?: string) => crossed(status, account)[0]?.key

  test.each([
    [79.9, []],
    [80, ['80 % of the 5-hour limit, resets 5:47pm']],
    [94.9, ['94 % of the 5-hour limit, resets 5:47pm']],
    [96, ['96 % of the 5-hour limit, resets 5:47pm']],
    [100, []],
  ])('at %d %%', (used, expected) => {
    expect(texts(fiveHour(used))).toEqual(expected)
  })

  test('tells of each window by itself', () => {
    const sevenDay = { usedPercent: 81, resetsAt: undefined }
    expect(texts({ ...fiveHour(95), sevenDay })).toEqual([
      '95 % of the 5-hour limit, resets 5:47pm',
      '81 % of the weekly limit',
    ])
  })

  test('has one key for one threshold of one window, though its reset wavers', () => {
    expect(keyOf(fiveHour(81))).toBe(keyOf(fiveHour(94, resetsAt + 2000)))
    expect(keyOf(fiveHour(81))).not.toBe(keyOf(fiveHour(95)))
    expect(keyOf(fiveHour(81))).not.toBe(keyOf(fiveHour(81), 'another account'))
    expect(keyOf(fiveHour(81))).not.toBe(keyOf(fiveHour(81, resetsAt + 5 * 3_600_000)))
    expect(keyOf(fiveHour(81))).not.toBe(keyOf({ ...nothing, sevenDay: { usedPercent: 81, resetsAt } }))
  })

  test('says nothing of a window that is over', () => {
    expect(texts(fiveHour(96, now))).toEqual([])
  })
})
