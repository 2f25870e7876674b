import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ApiFailure, Limit } from '../../src/core/limit.ts'
import {
  type Action,
  type Billing,
  type Input,
  initialState,
  isClockBehind,
  nextLook,
  type Rules,
  type State,
  transition,
} from '../../src/core/policy.ts'

const START = Date.parse('2026-11-22T14:00:00Z')
const VERSION = '2.1.330'

const ASK: Rules = {
  autoRestart: false,
  autoReturn: true,
  noKey: undefined,
  caps: { session: Infinity, day: Infinity },
}
const AUTO: Rules = { ...ASK, autoRestart: true }
const NO_KEY: Rules = { ...AUTO, noKey: 'no API key' }

const LIMIT: Limit = {
  window: 'session',
  scope: { type: 'account' },
  verdict: 'switch',
  resetsAt: START + 3_600_000,
  source: 'structured',
  rowId: undefined,
  at: START + 1000,
  text: "You've hit your 5-hour limit",
}
const WEEKLY: Limit = { ...LIMIT, window: 'weekly' }
const OFFERED: Limit = { ...LIMIT, verdict: 'offer', scope: { type: 'model', name: 'Opus' } }
const TOLD: Limit = {
  ...LIMIT,
  verdict: 'tell',
  scope: { type: 'organization' },
  text: 'Your org is out of usage',
}
const SUBAGENT: Limit = { ...LIMIT, verdict: 'subagent' }

const THROTTLE: ApiFailure = { type: 'rate_limit', text: 'API Error: Request rejected (429)', effect: 'tell' }
const CREDIT: ApiFailure = { type: 'credit', text: 'Credit balance is too low', effect: 'stop' }
const OVERLOAD: ApiFailure = { type: 'overload', text: 'API Error: 529 Overloaded', effect: 'ignore' }

function meet(limit: Limit, version: string | undefined = VERSION): Input {
  return { type: 'limit', limit, version }
}
function fail(failure: ApiFailure, at: number | undefined = START + 2000): Input {
  return { type: 'failure', failure, at }
}
function press(key: Extract<Input, { type: 'key' }>['key']): Input {
  return { type: 'key', key }
}
function end(how: { failed?: boolean; opened?: boolean } = {}): Input {
  return { type: 'ended', end: { failed: false, opened: true, ...how }, now: START + 5000 }
}

function spend(session: number, day: number): Input {
  return { type: 'spent', spent: { session, day, isLowerBound: false } }
}
function look(now: number, isReady = true): Input {
  return { type: 'time', now, isReady }
}
function believe(limit: Limit): Input {
  return { type: 'believed', limit }
}

const RESET = START + 3_600_000
const MINUTE = 60_000

/** All inputs one after the other. Log lines and announcements are left out of the actions. */
function run(inputs: Input[], rules: Rules, billing: Billing = 'subscription') {
  let state = initialState(billing, START)
  const all: Action[] = []
  for (const input of inputs) {
    const step = transition(state, input, rules)
    state = step.state
    all.push(...step.actions)
  }
  const logs = all.filter((action) => action.type === 'log').map(({ message }) => message)
  const actions = all.filter(({ type }) => type !== 'log' && type !== 'announce')
  return {
    state,
    notice: state.notice,
    actions,
    logs,
    announced: all.filter(({ type }) => type === 'announce'),
  }
}

const TO_API = { type: 'start', billing: 'api', prompt: true }
const TO_SUBSCRIPTION = { type: 'start', billing: 'subscription', prompt: false }

describe('a limit of the account', () => {
  test('switches by itself where that is wanted', () => {
    const { state, actions, logs } = run([meet(LIMIT)], AUTO)
    expect(actions).toEqual([{ type: 'stop' }])
    expect(state).toMatchObject({
      billing: 'subscription',
      notice: { type: 'switching', billing: 'api' },
      next: { billing: 'api', prompt: true, limit: LIMIT },
    })
    expect(logs).toEqual([
      "limit met: session, switch (structured): You've hit your 5-hour limit",
      'switching to api billing',
    ])
  })

  test('and the conversation goes on with the key once the child has ended', () => {
    const { state, actions } = run([meet(LIMIT), end({ failed: true })], AUTO)
    expect(actions).toEqual([{ type: 'stop' }, TO_API])
    expect(state).toEqual({
      ...initialState('api', START + 5000),
      notice: { type: 'api', limit: LIMIT, failure: undefined },
    })
  })

  test('is offered where it is not', () => {
    expect(run([meet(LIMIT)], ASK)).toMatchObject({ actions: [], notice: { type: 'offer', limit: LIMIT } })
  })

  test('is told where there is no key, whatever is wanted', () => {
    const unable = {
      type: 'unable',
      limit: LIMIT,
      reason: 'no API key',
      repair: 'give one with `claude-fallback key set`',
    }
    expect(run([meet(LIMIT)], NO_KEY)).toMatchObject({ actions: [], notice: unable })
    expect(run([meet(LIMIT), press('switch'), press('enter')], NO_KEY)).toMatchObject({
      actions: [],
      notice: unable,
    })
  })

  test('acts once, however many rows tell of it', () => {
    const again = meet({ ...LIMIT, text: 'Same limit', resetsAt: START + 3_600_000 + 60_000 })
    const { actions, logs } = run([meet(LIMIT), again, meet(LIMIT)], AUTO)
    expect(actions).toEqual([{ type: 'stop' }])
    expect(logs).toHaveLength(2)
    // An offer that was declined is not made again.
    const declined = run([meet(OFFERED), meet(TOLD), meet(OFFERED)], ASK)
    expect(declined.notice).toEqual({ type: 'told', text: TOLD.text })
  })

  test('counts again for another child', () => {
    const back: Input[] = [meet(LIMIT), end(), press('switch'), press('enter'), end()]
    const { actions } = run([...back, meet({ ...LIMIT, at: START + 6000 })], AUTO)
    expect(actions).toEqual([{ type: 'stop' }, TO_API, { type: 'stop' }, TO_SUBSCRIPTION, { type: 'stop' }])
  })

  test.each<[string, Limit]>([
    ['a row from before the child', { ...LIMIT, at: START - 1 }],
    ['a row of long ago', { ...LIMIT, at: 0 }],
  ])('does nothing in %s', (_, limit) => {
    expect(run([meet(limit)], AUTO)).toMatchObject({
      actions: [],
      state: initialState('subscription', START),
    })
  })

  test.each<[string, Limit]>([
    ['of the child’s first moment', { ...LIMIT, at: START }],
    ['without a time', { ...LIMIT, at: undefined }],
  ])('acts in a row %s', (_, limit) => {
    expect(run([meet(limit)], AUTO).actions).toEqual([{ type: 'stop' }])
  })

  test('of the child before is old for the next one', () => {
    const back: Input[] = [meet(LIMIT), end(), press('switch'), press('enter'), end(), meet(WEEKLY)]
    expect(run(back, AUTO)).toMatchObject({ state: initialState('subscription', START + 5000) })
  })
})

describe('a limit that is not for us to decide', () => {
  test('is offered where the row cannot tell, or one model is meant', () => {
    expect(run([meet(OFFERED)], AUTO)).toMatchObject({
      actions: [],
      notice: { type: 'offer', limit: OFFERED },
    })
  })

  test('is told where it is somebody else’s, and offers nothing', () => {
    const told = { actions: [], notice: { type: 'told', text: 'Your org is out of usage' } }
    expect(run([meet(TOLD)], AUTO)).toMatchObject(told)
    expect(run([meet(TOLD), press('switch'), press('enter')], AUTO)).toMatchObject(told)
    // Nor does what was offered before stand beside it.
    expect(run([meet(OFFERED), press('switch'), meet(TOLD), press('enter')], ASK)).toMatchObject(told)
  })
})

describe('a limit that a subagent met', () => {
  const remind = { type: 'remind', afterMs: 10_000 }

  test('waits for the row of the main conversation, which decides', () => {
    expect(run([meet(SUBAGENT)], AUTO)).toMatchObject({ actions: [remind], notice: { type: 'none' } })
    expect(run([meet(SUBAGENT), meet(LIMIT)], AUTO).actions).toEqual([remind, { type: 'stop' }])
    expect(run([meet(SUBAGENT), meet(LIMIT), { type: 'reminded' }], ASK).notice).toEqual({
      type: 'offer',
      limit: LIMIT,
    })
  })

  test('is offered where none follows, never more', () => {
    const { actions, notice } = run([meet(SUBAGENT), { type: 'reminded' }], AUTO)
    expect(actions).toEqual([remind])
    expect(notice).toEqual({ type: 'offer', limit: { ...SUBAGENT, verdict: 'offer' } })
  })

  test('is offered once for all the subagents that met it', () => {
    const inputs: Input[] = [
      meet(SUBAGENT),
      meet(SUBAGENT),
      { type: 'reminded' },
      { type: 'reminded' },
      { type: 'reminded' },
    ]
    const { actions, logs, state } = run(inputs, AUTO)
    expect(actions).toEqual([remind, remind])
    expect(logs).toHaveLength(1)
    expect(state.waiting).toEqual([])
  })

  test('says when Claude Code is too old, as any other does', () => {
    const { notice } = run([meet(SUBAGENT, '2.0.50'), { type: 'reminded' }], ASK)
    expect(notice).toMatchObject({ type: 'unable', reason: expect.stringContaining('2.0.50') })
  })

  test('is forgotten with its child', () => {
    const inputs: Input[] = [meet(SUBAGENT), meet(WEEKLY), end(), { type: 'reminded' }]
    expect(run(inputs, AUTO)).toMatchObject({ notice: { type: 'api', limit: WEEKLY } })
  })
})

describe('the version of Claude Code', () => {
  test.each(['0.2.126', '1.0.128', '2.0.0', '2.0.75'])('%s is too old', (version) => {
    const { actions, notice } = run([meet(LIMIT, version), press('switch'), press('enter')], AUTO)
    expect(actions).toEqual([])
    expect(notice).toEqual({
      type: 'unable',
      limit: LIMIT,
      reason: `Claude Code ${version} cannot take a conversation to the key`,
      repair: 'update it with `claude update`',
    })
  })

  test.each(['2.0.76', '2.1.0', '2.1.30', '2.1.330', '3.0.0', '10.0.1', 'unknown', '', undefined])(
    '%s is not',
    (version) => {
      expect(run([{ type: 'limit', limit: LIMIT, version }], AUTO).actions).toEqual([{ type: 'stop' }])
    },
  )
})

describe('Ctrl+]', () => {
  const asked = { type: 'question', billing: 'api', before: { type: 'offer', limit: LIMIT } }

  test('asks once more, and Enter is the yes', () => {
    expect(run([meet(LIMIT), press('switch')], ASK)).toMatchObject({ actions: [], notice: asked })
    const { actions, notice } = run([meet(LIMIT), press('switch'), press('enter'), end()], ASK)
    expect(actions).toEqual([{ type: 'stop' }, TO_API])
    expect(notice).toEqual({ type: 'api', limit: LIMIT, failure: undefined })
  })

  test.each(['escape', 'other'] as const)('and %s is a no', (key) => {
    const offer = { type: 'offer', limit: LIMIT }
    expect(run([meet(LIMIT), press('switch'), press(key)], ASK)).toMatchObject({ actions: [], notice: offer })
    expect(run([meet(LIMIT), press('switch'), press(key), press('enter')], ASK).actions).toEqual([])
  })

  test('twice takes the offer away', () => {
    const twice: Input[] = [meet(LIMIT), press('switch'), press('switch')]
    expect(run(twice, ASK)).toMatchObject({ actions: [], notice: { type: 'none' } })
    // And nothing brings it back.
    const later: Input[] = [...twice, meet(LIMIT), press('switch'), press('enter'), end()]
    expect(run(later, ASK).actions).toEqual([{ type: 'finish' }])
  })

  test('is refused where others have spent what a cap leaves, before the question and after it', () => {
    const capped = { ...ASK, caps: { session: Infinity, day: 10 } }
    const unable = { type: 'unable', limit: LIMIT, reason: expect.stringContaining('daily cap of $10.00') }
    const before = [meet(LIMIT), spend(0, 10), press('switch'), press('enter'), end()]
    expect(run(before, capped)).toMatchObject({ actions: [{ type: 'finish' }], notice: unable })
    const after = [meet(LIMIT), press('switch'), spend(0, 10), press('enter'), end()]
    expect(run(after, capped)).toMatchObject({ actions: [{ type: 'finish' }], notice: unable })
  })

  test('is refused where the key is gone meanwhile', () => {
    const { state } = run([meet(LIMIT), press('switch')], ASK)
    const step = transition(state, press('enter'), NO_KEY)
    expect(step).toMatchObject({ actions: [], state: { notice: { type: 'unable', reason: 'no API key' } } })
  })

  test('pays nothing for a limit that is over by the time of the yes', () => {
    const over: Input[] = [meet(LIMIT), press('switch'), { type: 'cleared', now: START + 2000 }]
    // The question stays, for whoever is about to press Enter.
    expect(run(over, ASK).notice).toMatchObject({ type: 'question' })
    const { actions, notice } = run([...over, press('enter')], ASK)
    expect(actions).toEqual([])
    expect(notice).toMatchObject({ type: 'told', text: expect.stringContaining('the limit is over') })
    expect(run([...over, press('escape')], ASK).notice).toEqual({ type: 'none' })
    const reset = [meet(LIMIT), press('switch'), look(RESET + 60_000), press('enter')]
    expect(run(reset, ASK).actions).toEqual([])
  })

  test.each(['enter', 'escape', 'other'] as const)('%s without a question is nothing', (key) => {
    expect(run([meet(LIMIT), press(key)], ASK)).toMatchObject({ actions: [], notice: { type: 'offer' } })
    expect(run([press(key)], ASK)).toMatchObject({ actions: [], notice: { type: 'none' } })
  })

  test('without a limit is nothing', () => {
    expect(run([press('switch'), press('enter')], AUTO)).toMatchObject({
      actions: [],
      notice: { type: 'none' },
    })
  })

  test('on the key asks to go back, without a prompt of ours', () => {
    const question = { type: 'question', billing: 'subscription' }
    expect(run([press('switch')], AUTO, 'api')).toMatchObject({ actions: [], notice: question })
    const { actions, state } = run([press('switch'), press('enter'), end()], AUTO, 'api')
    expect(actions).toEqual([{ type: 'stop' }, TO_SUBSCRIPTION])
    expect(state).toEqual(initialState('subscription', START + 5000))
  })

  test('is not answered by news: the question stays', () => {
    const news = run([meet(LIMIT), press('switch'), meet({ ...WEEKLY, verdict: 'offer' })], ASK)
    expect(news.notice).toMatchObject({ type: 'question', billing: 'api' })
    const failure = run([press('switch'), fail(CREDIT)], ASK, 'api')
    expect(failure.notice).toMatchObject({ type: 'question', billing: 'subscription' })
    // A no brings the news.
    expect(run([press('switch'), fail(CREDIT), press('escape')], ASK, 'api').notice).toEqual({
      type: 'api',
      limit: undefined,
      failure: CREDIT,
    })
  })
})

describe('trouble on the key', () => {
  test.each([THROTTLE, CREDIT])('is said and ends nothing: $type', (failure) => {
    const { actions, notice, logs } = run([meet(LIMIT), end(), fail(failure, START + 6000)], AUTO)
    expect(actions).toEqual([{ type: 'stop' }, TO_API])
    expect(notice).toEqual({ type: 'api', limit: LIMIT, failure })
    expect(logs.at(-1)).toBe(`on API billing: ${failure.type}: ${failure.text}`)
  })

  test.each([START, undefined])('is said from the child’s first moment on: %s', (at) => {
    expect(run([{ type: 'failure', failure: CREDIT, at }], AUTO, 'api').notice).toMatchObject({
      failure: CREDIT,
    })
  })

  test('that passes is not said', () => {
    expect(run([fail(OVERLOAD)], AUTO, 'api').state).toEqual(initialState('api', START))
  })

  test.each<[string, Input[], Billing]>([
    ['before the child', [fail(CREDIT, START - 1)], 'api'],
    ['on the subscription', [fail(CREDIT)], 'subscription'],
  ])('is nobody’s business %s', (_, inputs, billing) => {
    expect(run(inputs, AUTO, billing).state).toEqual(initialState(billing, START))
  })

  test('keeps the limit that led to the key', () => {
    const inputs = [meet(LIMIT), end(), press('switch'), fail(CREDIT, START + 6000), press('other')]
    expect(run(inputs, AUTO).notice).toEqual({ type: 'api', limit: LIMIT, failure: CREDIT })
  })

  test('a limit of the plan is none there', () => {
    expect(run([meet(LIMIT)], AUTO, 'api').state).toEqual(initialState('api', START))
  })

  test('a key that was refused is not offered again', () => {
    const inputs = [meet(LIMIT), end(), fail(CREDIT, START + 6000), press('switch'), press('enter'), end()]
    const { actions, notice } = run(
      [...inputs, meet({ ...WEEKLY, at: START + 9000 }), press('switch'), press('enter')],
      AUTO,
    )
    expect(actions).toEqual([{ type: 'stop' }, TO_API, { type: 'stop' }, TO_SUBSCRIPTION])
    expect(notice).toMatchObject({ type: 'unable', reason: 'the API refused the key' })
  })

  test('a key that was only slowed down is', () => {
    const inputs = [meet(LIMIT), end(), fail(THROTTLE, START + 6000), press('switch'), press('enter'), end()]
    expect(run([...inputs, meet({ ...WEEKLY, at: START + 9000 })], AUTO).actions).toHaveLength(5)
  })
})

describe('the end of a child', () => {
  test.each<[string, Input[], Billing]>([
    ['by itself', [end()], 'subscription'],
    ['by itself, with an error', [end({ failed: true, opened: false })], 'subscription'],
    ['under an offer', [meet(OFFERED), end()], 'subscription'],
    ['under a question', [meet(OFFERED), press('switch'), end()], 'subscription'],
    ['on the key from the start', [end({ failed: true, opened: false })], 'api'],
    ['on a key that had opened', [meet(LIMIT), end(), end({ failed: true })], 'subscription'],
    ['on a key that was left before it opened', [meet(LIMIT), end(), end({ opened: false })], 'subscription'],
    ['after a signal', [{ type: 'quit' }, end({ failed: true })], 'subscription'],
    ['after a signal, when it was to switch', [meet(LIMIT), { type: 'quit' }, end()], 'subscription'],
  ])('is ours: %s', (_, inputs, billing) => {
    expect(run(inputs, AUTO, billing).actions.at(-1)).toEqual({ type: 'finish' })
  })

  test('that would not start on the key: back to the subscription, once', () => {
    const inputs: Input[] = [meet(LIMIT), end(), end({ failed: true, opened: false })]
    const { actions, state } = run(inputs, AUTO)
    expect(actions).toEqual([{ type: 'stop' }, TO_API, TO_SUBSCRIPTION])
    expect(state).toMatchObject({
      billing: 'subscription',
      keyRefused: true,
      notice: { type: 'told', text: expect.stringContaining('API billing could not start') },
    })
    const again = run(
      [...inputs, meet({ ...LIMIT, at: START + 9000 }), end({ failed: true, opened: false })],
      AUTO,
    )
    expect(again.actions.slice(3)).toEqual([{ type: 'finish' }])
  })

  test('the same with a failure told, or a question open', () => {
    const failed = [fail(CREDIT, START + 6000), end({ failed: true, opened: false })]
    expect(run([meet(LIMIT), end(), ...failed], AUTO).actions.at(-1)).toEqual(TO_SUBSCRIPTION)
    expect(run([meet(LIMIT), end(), press('switch'), ...failed], AUTO).actions.at(-1)).toEqual(
      TO_SUBSCRIPTION,
    )
  })

  test('nothing is begun once it is over', () => {
    const after = [meet(LIMIT), press('switch'), press('enter'), fail(CREDIT), { type: 'reminded' } as const]
    expect(run([{ type: 'quit' }, ...after, end()], AUTO).actions).toEqual([{ type: 'finish' }])
    const asked = [meet(OFFERED), press('switch'), { type: 'quit' } as const, press('enter'), end()]
    expect(run(asked, ASK).actions).toEqual([{ type: 'finish' }])
  })
})

describe('a limit that another session has met', () => {
  const offer = { type: 'offer', limit: OFFERED, isBelieved: true }

  test('is offered and no more, even where switches go by themselves', () => {
    expect(run([believe({ ...LIMIT, verdict: 'switch' })], AUTO)).toMatchObject({
      actions: [],
      announced: [],
      notice: { type: 'offer', isBelieved: true },
    })
    expect(run([believe(OFFERED)], ASK)).toMatchObject({ actions: [], notice: offer })
  })

  test('interrupted nothing here: the yes sends no prompt of ours', () => {
    const { actions } = run([believe(OFFERED), press('switch'), press('enter'), end()], ASK)
    expect(actions).toEqual([{ type: 'stop' }, { type: 'start', billing: 'api', prompt: false }])
  })

  test('is said where there is nothing to offer', () => {
    expect(run([believe(LIMIT)], NO_KEY).notice).toMatchObject({ type: 'unable', reason: 'no API key' })
    const capped = { ...ASK, caps: { session: 0, day: Infinity } }
    expect(run([believe(LIMIT)], capped).notice).toMatchObject({ type: 'unable' })
    const refused = [meet(LIMIT), end(), fail(CREDIT, START + 6000), press('switch'), press('enter'), end()]
    expect(run([...refused, believe(WEEKLY)], AUTO).notice).toMatchObject({
      type: 'unable',
      reason: 'the API refused the key',
    })
  })

  test.each<[string, Input[], Billing]>([
    ['an organization’s', [believe(TOLD)], 'subscription'],
    [
      'one that was met and dismissed here',
      [meet(LIMIT), { type: 'dismiss' }, believe(LIMIT)],
      'subscription',
    ],
    ['anything on the key', [believe(LIMIT)], 'api'],
  ])('is not said of %s', (_, inputs, billing) => {
    expect(run(inputs, ASK, billing).notice).toEqual(initialState(billing, START).notice)
  })

  test('leaves what the row says already', () => {
    expect(run([meet(TOLD), believe(LIMIT)], ASK).notice).toMatchObject({ type: 'told' })
    expect(run([meet(LIMIT), believe(WEEKLY)], ASK).notice).toEqual({ type: 'offer', limit: LIMIT })
    expect(run([meet(LIMIT), press('switch'), believe(WEEKLY)], ASK).notice).toMatchObject({
      type: 'question',
    })
  })

  test('does not hide what is met here', () => {
    expect(run([believe(OFFERED), meet(LIMIT)], ASK).notice).toEqual({ type: 'offer', limit: LIMIT })
    expect(run([believe(LIMIT), meet(LIMIT)], AUTO).actions).toEqual([{ type: 'stop' }])
  })

  const LATER = RESET + 30 * MINUTE

  test('tells of a reset that slid later, and of one that was not known', () => {
    const slid = believe({ ...LIMIT, resetsAt: LATER })
    const onKey = [meet(LIMIT), end()]
    expect(run([...onKey, slid], AUTO).notice).toMatchObject({ limit: { resetsAt: LATER } })
    expect(run([...onKey, press('switch'), slid, press('escape')], AUTO).notice).toMatchObject({
      limit: { resetsAt: LATER },
    })
    expect(run([meet(LIMIT), slid], ASK).notice).toEqual({
      type: 'offer',
      limit: { ...LIMIT, resetsAt: LATER },
    })
    const unknown = { ...LIMIT, resetsAt: undefined }
    expect(run([meet(unknown), end(), slid], AUTO).notice).toMatchObject({ limit: { resetsAt: LATER } })
    // By less than what makes it another limit.
    const little = believe({ ...LIMIT, resetsAt: RESET + MINUTE })
    expect(run([...onKey, little], AUTO).notice).toMatchObject({ limit: { resetsAt: RESET + MINUTE } })
  })

  test.each<[string, Limit]>([
    ['that is earlier', { ...LIMIT, resetsAt: RESET - 30 * MINUTE }],
    ['that is not known', { ...LIMIT, resetsAt: undefined }],
    ['of another window', { ...WEEKLY, resetsAt: LATER }],
    ['of one model', { ...OFFERED, resetsAt: LATER }],
  ])('keeps the reset against one %s', (_, limit) => {
    expect(run([meet(LIMIT), end(), believe(limit)], AUTO).notice).toEqual({
      type: 'api',
      limit: LIMIT,
      failure: undefined,
    })
  })

  test('takes back that the subscription is back, where the reset slid', () => {
    const inputs = [meet(LIMIT), end(), look(RESET + MINUTE, false), believe({ ...LIMIT, resetsAt: LATER })]
    const { state } = run(inputs, AUTO)
    expect(state.notice).not.toHaveProperty('back')
    expect(nextLook(state)).toBe(LATER + MINUTE)
  })
})

describe('a limit that is over', () => {
  const cleared: Input = { type: 'cleared', now: START + 2000 }

  test.each<[string, Input[], Rules]>([
    ['an offer', [meet(LIMIT)], ASK],
    ['a belief', [believe(LIMIT)], ASK],
    ['what could not be had', [meet(LIMIT)], NO_KEY],
  ])('takes back %s', (_, inputs, how) => {
    expect(run([...inputs, cleared], how).notice).toEqual({ type: 'none' })
    const { state } = run(inputs, how)
    expect(nextLook(state)).toBe(RESET + MINUTE)
    expect(run([...inputs, look(RESET + MINUTE - 1)], how).notice).toEqual(state.notice)
    expect(run([...inputs, look(RESET + MINUTE)], how).state).toMatchObject({
      notice: { type: 'none' },
      met: [],
    })
  })

  test('leaves what else is said', () => {
    expect(run([meet(TOLD), cleared], ASK).notice).toMatchObject({ type: 'told' })
    expect(run([cleared], ASK, 'api').notice).toMatchObject({ type: 'api', limit: undefined })
  })

  test('can be met again', () => {
    const again = meet({ ...LIMIT, at: START + 3000 })
    expect(run([meet(LIMIT), cleared, again], ASK).notice).toMatchObject({ type: 'offer' })
    expect(run([meet(LIMIT), cleared, again], AUTO).actions).toEqual([{ type: 'stop' }])
  })

  test('is no reason to pay when its row is read once more', () => {
    const capped = { ...AUTO, caps: { session: 1, day: Infinity } }
    const row: Input = { type: 'limit', limit: LIMIT, version: VERSION, usd: 2 }
    expect(run([row, cleared], capped).actions).toEqual([])
    const again = run([row, cleared, meet(LIMIT)], capped)
    expect(again).toMatchObject({ actions: [], notice: { type: 'offer' } })
  })

  test('forgets what a subagent met', () => {
    const { notice } = run([meet(SUBAGENT), cleared, { type: 'reminded' }], AUTO)
    expect(notice).toEqual({ type: 'none' })
  })

  test('lets a session on the key go back a minute later', () => {
    const { state } = run([meet(LIMIT), end(), cleared], AUTO)
    expect(nextLook(state)).toBe(START + 2000 + MINUTE)
    // Also behind a question.
    expect(nextLook(run([meet(LIMIT), end(), press('switch'), cleared], AUTO).state)).toBe(
      START + 2000 + MINUTE,
    )
  })

  test('is only offered to be tried where nobody knew the reset', () => {
    const unknown = [meet({ ...LIMIT, resetsAt: undefined }), end()]
    expect(nextLook(run(unknown, AUTO).state)).toBeUndefined()
    const { state, announced } = run([...unknown, cleared], AUTO)
    expect(state.notice).toMatchObject({ type: 'api', back: 'offered' })
    expect(announced.at(-1)).toEqual({ type: 'announce', about: 'back' })
    expect(nextLook(state)).toBeUndefined()
  })
})

describe('dismissing', () => {
  test.each<[string, Input[], Rules]>([
    ['an offer', [meet(LIMIT)], ASK],
    ['a question', [meet(LIMIT), press('switch')], ASK],
    ['what could not be had', [meet(LIMIT)], NO_KEY],
    ['what was told', [meet(TOLD)], ASK],
  ])('takes away %s, for good', (_, inputs, how) => {
    const { notice, actions } = run([...inputs, { type: 'dismiss' }, ...inputs.slice(0, 1)], how)
    expect([notice, actions]).toEqual([{ type: 'none' }, []])
  })

  test('leaves in sight who pays, and a switch that is under way', () => {
    expect(run([{ type: 'dismiss' }], ASK, 'api').notice).toMatchObject({ type: 'api' })
    expect(run([press('switch'), { type: 'dismiss' }], ASK, 'api').notice).toMatchObject({ type: 'api' })
    expect(run([meet(LIMIT), { type: 'dismiss' }], AUTO).notice).toMatchObject({ type: 'switching' })
  })
})

describe('the caps', () => {
  const CAPPED: Rules = { ...AUTO, caps: { session: 2, day: 10 } }
  const onKey: Input[] = [meet(LIMIT), end()]

  test('end API billing between two tools, and send nothing', () => {
    const { actions, notice, announced, state } = run([...onKey, spend(2, 2), end()], CAPPED)
    expect(actions.slice(2)).toEqual([{ type: 'stop', afterTool: true }, TO_SUBSCRIPTION])
    expect(announced.at(-1)).toEqual({ type: 'announce', about: 'cap' })
    expect(notice).toEqual({
      type: 'told',
      text: "API billing has ended: the session's cap of $2.00 is reached ($2.00 spent) · raise max_usd and restart claudef",
      shorter: [
        "API billing has ended: session's cap of $2.00 reached · raise max_usd and restart claudef",
        "session's cap of $2.00 reached: raise max_usd and restart claudef",
      ],
    })
    expect(state.spent.session).toBe(2)
  })

  test('end it however it began, and by what others spend', () => {
    const { actions } = run([spend(0.1, 10), end()], CAPPED, 'api')
    expect(actions).toEqual([{ type: 'stop', afterTool: true }, TO_SUBSCRIPTION])
  })

  test('let nothing begin again by itself, nor be offered', () => {
    const again = { ...LIMIT, at: START + 9000 }
    const { actions, notice } = run(
      [...onKey, spend(2, 2), end(), meet(again), press('switch'), press('enter'), end()],
      CAPPED,
    )
    expect(actions.slice(4)).toEqual([{ type: 'finish' }])
    expect(notice).toMatchObject({ type: 'unable', repair: 'raise max_usd and restart claudef' })
  })

  describe('where one has ended API billing', () => {
    const ended: Input[] = [...onKey, spend(1, 10), end()]
    const again = meet({ ...LIMIT, at: START + 9000 })
    const midnight = spend(1, 0)
    const yes: Input[] = [press('switch'), press('enter')]

    test('nothing goes to the key unasked, on the next day neither', () => {
      const { actions, notice } = run([...ended, midnight, again], CAPPED)
      expect(actions.slice(4)).toEqual([])
      expect(notice).toMatchObject({ type: 'offer', why: 'a cap ended API billing before' })
    })

    test('a yes goes there, and is a consent like the first', () => {
      const asked = [...ended, midnight, again, ...yes, end()]
      expect(run(asked, CAPPED).actions.slice(4)).toEqual([{ type: 'stop' }, TO_API])
      const back = [...asked, ...yes, end(), meet({ ...WEEKLY, at: START + 9000 })]
      expect(run(back, CAPPED).actions.slice(6)).toEqual([
        { type: 'stop' },
        TO_SUBSCRIPTION,
        { type: 'stop' },
      ])
    })

    test('a no is none', () => {
      const declined = [...ended, midnight, again, press('switch'), press('escape')]
      expect(run([...declined, meet({ ...WEEKLY, at: START + 9000 })], CAPPED).actions.slice(4)).toEqual([])
    })

    test('the same where the session was about to go back by itself', () => {
      const due = RESET + MINUTE
      const { actions } = run([...onKey, look(due), spend(1, 10), end(), midnight, again], CAPPED)
      expect(actions.slice(2)).toEqual([{ type: 'stop' }, TO_SUBSCRIPTION])
    })

    test('the way there is offered again once it may be gone', () => {
      const met = [...ended, again]
      expect(run([...met, spend(1, 10)], CAPPED).notice).toMatchObject({ type: 'unable' })
      expect(run([...met, midnight], CAPPED)).toMatchObject({ notice: { type: 'offer' } })
      expect(run([...met, midnight, ...yes], CAPPED).actions.slice(4)).toEqual([{ type: 'stop' }])
      // What else stands in the way does not go by the day.
      const refused = [...onKey, fail(CREDIT, START + 6000), spend(1, 10), end(), again, midnight]
      expect(run(refused, CAPPED).notice).toMatchObject({ type: 'unable' })
    })
  })

  test('hold where they are reached while the child ends: the next one is given nothing to do', () => {
    const { actions } = run([meet(LIMIT), spend(0, 10), end(), spend(0, 10), end()], CAPPED)
    const idle = { type: 'start', billing: 'api', prompt: false }
    expect(actions).toEqual([{ type: 'stop' }, idle, { type: 'stop', afterTool: true }, TO_SUBSCRIPTION])
  })

  test('of 0 are no API billing', () => {
    for (const caps of [
      { session: 0, day: Infinity },
      { session: Infinity, day: 0 },
    ]) {
      const { actions, notice } = run([meet(LIMIT), press('switch'), press('enter')], { ...AUTO, caps })
      expect(actions).toEqual([])
      expect(notice).toMatchObject({ reason: expect.stringContaining('is 0, so there is no API billing') })
    }
  })

  test('turn a switch that would reach one into an offer', () => {
    const row = (usd: number | undefined): Input => ({ type: 'limit', limit: LIMIT, version: VERSION, usd })
    const notice = { type: 'offer', why: 'the first request may reach a cap' }
    expect(run([spend(1, 1), row(1)], CAPPED)).toMatchObject({ actions: [], notice })
    expect(run([spend(1, 9.5), row(0.5)], CAPPED)).toMatchObject({ actions: [], notice })
    expect(run([spend(1, 1), row(0.99)], CAPPED).actions).toEqual([{ type: 'stop' }])
    expect(run([row(undefined)], CAPPED).actions).toEqual([{ type: 'stop' }])
    // Whoever says yes has seen the price.
    const yes = [spend(1, 1), row(1), press('switch'), press('enter')]
    expect(run(yes, CAPPED).actions).toEqual([{ type: 'stop' }])
  })

  test('warn once on the way, and again on another day', () => {
    const near = { type: 'announce', about: 'near cap' }
    const announced = (inputs: Input[]) =>
      run([...onKey, ...inputs], CAPPED).announced.filter(
        (action) => action.type === 'announce' && action.about !== 'limit',
      )
    expect(announced([spend(1.5, 7.9)])).toEqual([])
    expect(announced([spend(1.6, 1.6), spend(1.7, 8), spend(1.9, 9)])).toEqual([near])
    expect(announced([spend(1, 8), spend(1.1, 0.1), spend(1.2, 8)])).toEqual([near, near])
    // Not where the key pays nothing.
    expect(run([spend(1.6, 9)], CAPPED).announced).toEqual([])
  })
})

describe('the way back', () => {
  const onKey: Input[] = [meet(LIMIT), end()]
  const due = RESET + MINUTE
  const BACK = { type: 'announce', about: 'back' }

  test('is gone by itself a minute after the reset, without a prompt', () => {
    const { state } = run(onKey, AUTO)
    expect(nextLook(state)).toBe(due)
    expect(run([...onKey, look(due - 1)], AUTO).state).toEqual(state)
    const { actions, notice } = run([...onKey, look(due), end()], AUTO)
    expect(actions.slice(2)).toEqual([{ type: 'stop' }, TO_SUBSCRIPTION])
    // Counted from when there is a child to return to.
    expect(notice).toEqual({ type: 'returned', until: START + 5000 + 10_000 })
  })

  test('waits until nothing is under way', () => {
    const busy = [...onKey, look(due, false), look(due + 1000, false)]
    expect(run(busy, AUTO)).toMatchObject({ notice: { type: 'api', back: 'waiting' } })
    expect(run(busy, AUTO).actions).toHaveLength(2)
    expect(run([...busy, look(due + 2000)], AUTO).actions).toHaveLength(3)
  })

  test.each<[string, Rules]>([
    ['auto_restart is off', ASK],
    ['auto_return is off', { ...AUTO, autoReturn: false }],
  ])('is offered once where %s', (_, how) => {
    const yes = how.autoRestart ? [] : [press('switch'), press('enter')]
    const key = [meet(LIMIT), ...yes, end()]
    const { state, actions, announced } = run([...key, look(due), look(due + MINUTE)], how)
    expect(actions).toHaveLength(2)
    expect(announced.slice(1)).toEqual([BACK])
    expect(state.notice).toMatchObject({ type: 'api', back: 'offered' })
    expect(nextLook(state)).toBeUndefined()
  })

  test('behind a question it is noted, and goes on after the answer', () => {
    const asked = run([...onKey, press('switch'), look(due)], AUTO)
    expect(asked.actions).toHaveLength(2)
    expect(nextLook(asked.state)).toBeUndefined()
    const no = run([...onKey, press('switch'), look(due), press('escape')], AUTO)
    expect(no.notice).toMatchObject({ type: 'api', back: 'waiting' })
    expect(nextLook(no.state)).toBe(due)
    const offered = run(
      [meet(LIMIT), press('switch'), press('enter'), end(), press('switch'), look(due)],
      ASK,
    )
    expect(offered.announced.slice(1)).toEqual([BACK])
  })

  test('is never gone by itself from API billing by choice', () => {
    const { state, actions } = run([look(due), { type: 'cleared', now: due }, look(2 * due)], AUTO, 'api')
    expect([nextLook(state), actions]).toEqual([undefined, []])
    expect(state).toEqual(initialState('api', START))
  })

  test('leads on to the key where the limit still holds, and then not back for 15 minutes', () => {
    const still = { ...LIMIT, at: due + 9000 }
    const again: Input[] = [...onKey, look(due), end(), meet(still), end()]
    const { state, actions } = run(again, AUTO)
    expect(actions.slice(4)).toEqual([{ type: 'stop' }, TO_API])
    expect(state.notice).toMatchObject({ type: 'api', triesAt: due + 15 * MINUTE })
    expect(nextLook(state)).toBe(due + 15 * MINUTE)
    expect(run([...again, look(due + 15 * MINUTE - 1)], AUTO).actions).toHaveLength(6)
    expect(run([...again, look(due + 15 * MINUTE)], AUTO).actions).toHaveLength(7)
    // A reset that lies further ahead needs no explanation.
    const slid = run([...again.slice(0, -2), meet({ ...still, resetsAt: due + 5 * 3_600_000 }), end()], AUTO)
    expect(slid.notice).not.toHaveProperty('triesAt')
  })

  test('is not waited for where the key is refused: no turn is left to lose', () => {
    const again: Input[] = [...onKey, look(due), end(), meet({ ...LIMIT, at: due + 9000 }), end()]
    const refused = [...again, fail(CREDIT, due + 10_000)]
    expect(nextLook(run(refused, AUTO).state)).toBe(due)
    const { actions } = run([...refused, look(due + 11_000), end()], AUTO)
    expect(actions.slice(6)).toEqual([{ type: 'stop' }, TO_SUBSCRIPTION])
  })

  test('a clock that was ahead and was set back holds nobody on the key', () => {
    const day = 24 * 3_600_000
    const ahead: Input[] = [...onKey, look(due + day), end(), meet({ ...LIMIT, at: START + 9000 }), end()]
    const { state } = run([...ahead, look(START + MINUTE)], AUTO)
    expect(nextLook(state)).toBe(due)
  })

  test('the row that tells of it goes after ten seconds, whatever the clock does', () => {
    const returned = [...onKey, look(due), end()]
    const until = START + 15_000
    expect(nextLook(run(returned, AUTO).state)).toBe(until)
    expect(run([...returned, look(until - 1)], AUTO).notice).toMatchObject({ type: 'returned' })
    expect(run([...returned, look(until)], AUTO).notice).toEqual({ type: 'none' })
    const set = run([...returned, look(START - 3_600_000)], AUTO).state
    expect(nextLook(set)).toBe(START - 3_600_000 + 10_000)
  })

  test('a clock that was set back makes nothing of what happens now the past', () => {
    const hour = 3_600_000
    const set: Input = { type: 'clock', now: START - hour }
    const now: Limit = { ...LIMIT, at: START - hour }
    const isBehind = (inputs: Input[]) => isClockBehind(run(inputs, AUTO).state, START - hour)
    expect([isBehind([]), isBehind([set])]).toEqual([true, false])
    expect([run([meet(now)], AUTO).actions, run([set, meet(now)], AUTO).actions]).toEqual([
      [],
      [{ type: 'stop' }],
    ])
    // What was known to be over then may hold again.
    const cleared: Input[] = [{ type: 'cleared', now: START + hour }]
    const later: Limit = { ...LIMIT, at: START + 2000 }
    expect(isClockBehind(run(cleared, AUTO).state, START + 1000)).toBe(true)
    expect(run([...cleared, meet(later)], AUTO).notice).toMatchObject({ type: 'offer' })
    expect(run([...cleared, { ...set, now: START + 1000 }, meet(later)], AUTO).actions).toHaveLength(1)
    const failed = run([...onKey, set, fail(CREDIT, START - hour)], AUTO)
    expect(failed.notice).toMatchObject({ failure: CREDIT })
  })

  test('stays open beside trouble on the key', () => {
    const inputs = [...onKey, look(due, false), fail(CREDIT, due + 5000)]
    expect(run(inputs, AUTO).notice).toMatchObject({ back: 'waiting', failure: CREDIT, limit: LIMIT })
    expect(run([...inputs, look(due + 6000)], AUTO).actions).toHaveLength(3)
  })
})

describe('a switch that cannot be made yet, or at all', () => {
  const stuck: Input = { type: 'stuck', reason: 'the disk is full' }

  test('says what it waits for', () => {
    const held: Input = { type: 'held', waitsFor: 'your draft' }
    expect(run([meet(LIMIT), held], AUTO).notice).toEqual({
      type: 'switching',
      billing: 'api',
      waitsFor: 'your draft',
    })
    expect(run([held], AUTO).notice).toEqual({ type: 'none' })
  })

  test('leaves the child where it is, and says so', () => {
    const { state, actions } = run([meet(LIMIT), stuck, end()], AUTO)
    expect(state).toMatchObject({
      next: undefined,
      notice: { type: 'told', text: 'No switch: the disk is full' },
    })
    expect(actions).toEqual([{ type: 'stop' }, { type: 'finish' }])
  })

  test('on the key it keeps who pays in sight, and the way back open', () => {
    const asked = [meet(LIMIT), end(), press('switch'), press('enter'), stuck]
    const { notice } = run(asked, AUTO)
    expect(notice).toMatchObject({
      type: 'api',
      limit: LIMIT,
      failure: { text: 'No switch: the disk is full' },
    })
    expect(run([...asked, press('switch'), press('enter'), end()], AUTO).actions.at(-1)).toEqual(
      TO_SUBSCRIPTION,
    )
    // A return by itself that fails is tried again after its 15 minutes.
    const due = RESET + MINUTE
    const { state } = run([meet(LIMIT), end(), look(due), stuck], AUTO)
    expect(nextLook(state)).toBe(due + 15 * MINUTE)
  })

  test('is no matter once the next child is there', () => {
    expect(run([meet(LIMIT), end(), stuck], AUTO).notice).toMatchObject({ type: 'api', failure: undefined })
  })
})

describe('what is announced', () => {
  test('is the limit, with what stands in the way', () => {
    const announced = run([meet(LIMIT)], NO_KEY).announced
    const obstacle = { reason: 'no API key', repair: 'give one with `claude-fallback key set`' }
    expect(announced).toEqual([{ type: 'announce', about: 'limit', limit: LIMIT, obstacle }])
    expect(run([meet(LIMIT)], ASK).announced).toEqual([{ type: 'announce', about: 'limit', limit: LIMIT }])
  })
})

/** Stands for the moment at which it comes, see `stamp`. */
const NOW = -1

const limit: fc.Arbitrary<Limit> = fc.record({
  window: fc.constantFrom('session', 'weekly', 'credits', 'unknown'),
  scope: fc.constantFrom<Limit['scope']>(
    { type: 'account' },
    { type: 'model', name: 'Opus' },
    { type: 'organization' },
  ),
  verdict: fc.constantFrom('switch', 'switch', 'offer', 'tell', 'subagent'),
  resetsAt: fc.constantFrom(undefined, NOW, START + 3_600_000, START + 7_200_000),
  source: fc.constantFrom('structured', 'text'),
  rowId: fc.constant(undefined),
  at: fc.constantFrom(undefined, START - 1, NOW),
  text: fc.constant('A limit'),
})

const usd = fc.constantFrom(0, 0.5, 1.7, 2, 10)

const input: fc.Arbitrary<Input> = fc.oneof(
  {
    arbitrary: fc
      .record({
        limit,
        version: fc.constantFrom(VERSION, VERSION, '2.0.50', undefined),
        usd: fc.option(usd, { nil: undefined }),
      })
      .map((row) => ({ type: 'limit' as const, ...row })),
    weight: 4,
  },
  { arbitrary: limit.map(believe), weight: 2 },
  { arbitrary: fc.constantFrom('switch', 'enter', 'escape', 'other').map((key) => press(key)), weight: 6 },
  {
    arbitrary: fc
      .tuple(fc.constantFrom(THROTTLE, CREDIT, OVERLOAD), fc.constantFrom(undefined, START - 1, NOW))
      .map(([failure, at]): Input => ({ type: 'failure', failure, at })),
    weight: 1,
  },
  { arbitrary: fc.record({ failed: fc.boolean(), opened: fc.boolean() }).map((how) => end(how)), weight: 4 },
  { arbitrary: fc.boolean().map((isReady) => look(NOW, isReady)), weight: 5 },
  { arbitrary: fc.tuple(usd, usd).map(([session, day]) => spend(session, day)), weight: 2 },
  {
    arbitrary: fc.constantFrom<Input>(
      { type: 'reminded' },
      { type: 'dismiss' },
      { type: 'cleared', now: NOW },
      { type: 'clock', now: START - 3_600_000 },
      { type: 'held', waitsFor: 'your draft' },
      { type: 'stuck', reason: 'the disk is full' },
    ),
    weight: 4,
  },
  { arbitrary: fc.constant<Input>({ type: 'quit' }), weight: 1 },
)

const cap = fc.constantFrom(Infinity, Infinity, Infinity, 10, 2, 0)

const rules: fc.Arbitrary<Rules> = fc.record({
  autoRestart: fc.boolean(),
  autoReturn: fc.boolean(),
  noKey: fc.constantFrom(undefined, undefined, undefined, 'no API key'),
  caps: fc.record({ session: cap, day: cap }),
})

type Moment = { now: number; before: State; input: Input; actions: Action[]; after: State }

function stamp(input: Input, now: number): Input {
  const at = (time: number | undefined) => (time === NOW ? now : time)
  switch (input.type) {
    case 'limit':
    case 'believed': {
      const { limit } = input
      const resetsAt = limit.resetsAt === NOW ? now + 10 * MINUTE : limit.resetsAt
      return { ...input, limit: { ...limit, at: at(limit.at), resetsAt } }
    }
    case 'failure':
      return { ...input, at: at(input.at) }
    case 'time':
    case 'cleared':
    case 'ended':
      return { ...input, now }
    default:
      return input
  }
}

/** A session of any length and in any order, up to its end; each input comes some ms after the one before. */
function live(inputs: [number, Input][], how: Rules, billing: Billing): Moment[] {
  const moments: Moment[] = []
  let state = initialState(billing, START)
  let now = START
  for (const [wait, each] of inputs) {
    now += wait
    const stamped = stamp(each, now)
    const { state: after, actions } = transition(state, stamped, how)
    moments.push({ now, before: state, input: stamped, actions, after })
    if (actions.some(({ type }) => type === 'finish')) break
    state = after
  }
  return moments
}

/** The same for each child on its own: `ended` is the last moment of one. */
function children(moments: Moment[]): Moment[][] {
  const all: Moment[][] = [[]]
  for (const moment of moments) {
    all.at(-1)?.push(moment)
    if (moment.input.type === 'ended') all.push([])
  }
  return all
}

function hasStop({ actions }: Moment): boolean {
  return actions.some(({ type }) => type === 'stop')
}

function isReached({ spent }: State, { caps }: Rules): boolean {
  return spent.session >= caps.session || spent.day >= caps.day
}

/** The limit for which a session is on the key. */
function paidLimit({ notice }: State): Limit | undefined {
  if (notice.type === 'question') return paidLimit({ notice: notice.before } as State)
  return notice.type === 'api' ? notice.limit : undefined
}

describe('in any order of things', () => {
  const wait = fc.constantFrom(0, 0, 1000, MINUTE, 14 * MINUTE, 15 * MINUTE, 3_600_000)
  const session = fc.tuple(
    fc.array(fc.tuple(wait, input), { maxLength: 50 }),
    rules,
    fc.constantFrom<Billing>('subscription', 'subscription', 'api'),
  )

  function always(check: (moments: Moment[], how: Rules) => void) {
    fc.assert(
      fc.property(session, ([inputs, how, billing]) => check(live(inputs, how, billing), how)),
      { numRuns: 3000 },
    )
  }

  test('money is spent on a clear word only', () => {
    always((moments, how) => {
      for (const child of children(moments)) {
        const last = child.at(-1)
        const started = last?.actions.find((action) => action.type === 'start')
        if (last === undefined || started?.billing !== 'api') continue
        expect(how.noKey).toBeUndefined()
        const cause = child.findLast(hasStop)
        const { notice } = cause?.before ?? {}
        const isYes =
          cause?.input.type === 'key' &&
          cause.input.key === 'enter' &&
          notice?.type === 'question' &&
          notice.billing === 'api' &&
          notice.before.type === 'offer'
        const isWanted =
          how.autoRestart && cause?.input.type === 'limit' && cause.input.limit.verdict === 'switch'
        expect(isYes || isWanted).toBe(true)
        // Whoever asked for it, no cap was reached; by itself none would be, as far as is known.
        if (cause === undefined) continue
        expect(isReached(cause.before, how)).toBe(false)
        if (isYes) {
          const isBelieved = notice.before.type === 'offer' && notice.before.isBelieved === true
          expect(started.prompt).toBe(!isBelieved && !isReached(last.before, how))
        } else if (cause.input.type === 'limit') {
          const { session, day } = cause.before.spent
          const more = cause.input.usd ?? 0
          expect(
            isReached(
              { ...cause.before, spent: { session: session + more, day: day + more, isLowerBound: false } },
              how,
            ),
          ).toBe(false)
        }
      }
    })
  })

  test('where a cap is reached, nothing is sent on the key, and what runs there ends', () => {
    always((moments, how) => {
      for (const moment of moments) {
        const { before, input: cause, actions, after } = moment
        const sends = actions.some(
          (action) => action.type === 'start' && action.billing === 'api' && action.prompt,
        )
        if (isReached(before, how)) expect(sends).toBe(false)
        if (cause.type !== 'spent' || before.billing !== 'api' || before.quitting) continue
        if (before.next === undefined && isReached(after, how)) {
          expect(actions[0]).toEqual({ type: 'stop', afterTool: true })
          expect(after.next).toMatchObject({ billing: 'subscription', prompt: false })
        }
      }
    })
  })

  test('after a cap nothing goes to the key until the user says so', () => {
    const how: Rules = { ...AUTO, caps: { session: 10, day: 10 } }
    const before = [spend(10, 10), end(), spend(0, 0)].map((each): [number, Input] => [0, each])
    const later = fc.array(fc.tuple(wait, input), { maxLength: 20 })
    const check = (inputs: [number, Input][]) => {
      const first = live([...before, ...inputs], how, 'api').find(
        (moment) => hasStop(moment) && moment.after.next?.billing === 'api',
      )
      expect(first?.input ?? press('enter')).toEqual(press('enter'))
    }
    fc.assert(fc.property(later, check), { numRuns: 3000 })
  })

  test('a session goes back by itself only where that is wanted, once it is due, and not too often', () => {
    always((moments, how) => {
      let last: number | undefined
      for (const moment of moments) {
        const { now, before, input: cause } = moment
        if (cause.type !== 'time' || !hasStop(moment)) continue
        expect(how.autoRestart && how.autoReturn && cause.isReady).toBe(true)
        expect(before.billing).toBe('api')
        expect(before.notice.type).toBe('api')
        // Never from API billing by choice, nor where nobody knows when.
        const resetsAt = paidLimit(before)?.resetsAt ?? Infinity
        expect(now).toBeGreaterThanOrEqual(resetsAt + MINUTE)
        // But for a key that was refused, which is left for good.
        if (last !== undefined && !before.keyRefused) expect(now - last).toBeGreaterThanOrEqual(15 * MINUTE)
        last = now
      }
    })
  })

  test('a look at the clock has an end: the next one lies ahead, or the session waits to be ready', () => {
    always((moments, how) => {
      for (const { after } of moments) {
        const due = nextLook(after)
        if (due === undefined || after.quitting) continue
        for (const isReady of [true, false]) {
          const { state } = transition(after, look(due, isReady), how)
          const next = nextLook(state)
          const waits = !isReady && state.notice.type === 'api' && state.notice.back === 'waiting'
          expect(next === undefined || next > due || waits).toBe(true)
          // Too early nothing is done.
          expect(transition(after, look(due - 1, isReady), how).actions).toEqual([])
        }
      }
    })
  })

  test('a child is ended once at most unless that fails, and then another follows', () => {
    always((moments) => {
      for (const child of children(moments)) {
        const stops = child.filter(hasStop).length
        const stuck = child.filter(
          (moment) => moment.input.type === 'stuck' && moment.before.next !== undefined,
        )
        expect(stops).toBeLessThanOrEqual(1 + stuck.length)
        const last = child.at(-1)
        if (last?.input.type !== 'ended') continue
        const [first, ...others] = last.actions.filter(({ type }) => type !== 'log')
        expect(others).toEqual([])
        const isQuit = child.some((moment) => moment.input.type === 'quit')
        if (isQuit) expect(first).toEqual({ type: 'finish' })
        else if (last.before.next !== undefined) expect(first?.type).toBe('start')
      }
    })
  })

  test('only the end of a child starts another, or ends it all', () => {
    always((moments) => {
      for (const { input: cause, actions } of moments) {
        if (cause.type === 'ended') continue
        expect(actions.map(({ type }) => type)).not.toContain('start')
        expect(actions.map(({ type }) => type)).not.toContain('finish')
      }
    })
  })

  test('no row ends a child on the key, no old row ends any, and nothing does after the end was asked for', () => {
    always((moments) => {
      for (const moment of moments) {
        const { before, input: cause } = moment
        if (!hasStop(moment)) continue
        expect(before.quitting).toBe(false)
        expect(['limit', 'key', 'spent', 'time']).toContain(cause.type)
        if (cause.type === 'spent') expect(before.billing).toBe('api')
        if (cause.type !== 'limit') continue
        expect(before.billing).toBe('subscription')
        expect(cause.limit.at ?? before.startedAt).toBeGreaterThanOrEqual(before.startedAt)
        expect(cause.limit.at ?? Infinity).toBeGreaterThanOrEqual(before.clearedAt ?? 0)
      }
    })
  })

  test('a key that was refused is never gone to again', () => {
    always((moments) => {
      const refused = moments.findIndex(
        ({ before, input: cause }) =>
          before.billing === 'api' &&
          !before.quitting &&
          before.next === undefined &&
          cause.type === 'failure' &&
          cause.failure === CREDIT &&
          (cause.at ?? before.startedAt) >= before.startedAt,
      )
      if (refused === -1) return
      const later = moments.slice(refused).flatMap(({ actions }) => actions)
      expect(later.filter((action) => action.type === 'start' && action.billing === 'api')).toEqual([])
    })
  })

  test('the notice tells the truth about who pays, and that the key does is always in sight', () => {
    always((moments) => {
      for (const { after } of moments) {
        const { notice, billing, next } = after
        const types =
          billing === 'api'
            ? ['api', 'question', 'switching']
            : ['none', 'offer', 'unable', 'told', 'question', 'switching', 'returned']
        expect(types).toContain(notice.type)
        if (notice.type === 'question') {
          expect(notice.billing).not.toBe(billing)
          expect(types).toContain(notice.before.type)
        }
        expect(notice.type === 'switching').toBe(next !== undefined)
      }
    })
  })
})
