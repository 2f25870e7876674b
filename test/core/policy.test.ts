import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ApiFailure, Limit } from '../../src/core/limit.ts'
import {
  type Action,
  type Billing,
  type Input,
  initialState,
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
  return { state, notice: state.notice, actions, logs, announced: all.filter(({ type }) => type === 'announce') }
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

  test('twice is no answer', () => {
    expect(run([meet(LIMIT), press('switch'), press('switch')], ASK)).toMatchObject({
      actions: [],
      notice: asked,
    })
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

const limit: fc.Arbitrary<Limit> = fc.record({
  window: fc.constantFrom('session', 'weekly', 'credits', 'unknown'),
  scope: fc.constantFrom<Limit['scope']>(
    { type: 'account' },
    { type: 'model', name: 'Opus' },
    { type: 'organization' },
  ),
  verdict: fc.constantFrom('switch', 'offer', 'tell', 'subagent'),
  resetsAt: fc.constantFrom(undefined, START + 3_600_000, START + 7_200_000),
  source: fc.constantFrom('structured', 'text'),
  rowId: fc.constant(undefined),
  at: fc.constantFrom(undefined, START - 1, START + 1000, START + 100_000),
  text: fc.constant('A limit'),
})

const input: fc.Arbitrary<Input> = fc.oneof(
  {
    arbitrary: fc
      .record({ limit, version: fc.constantFrom(VERSION, '2.0.50', undefined) })
      .map((row) => ({ type: 'limit' as const, ...row })),
    weight: 4,
  },
  { arbitrary: fc.constantFrom('switch', 'enter', 'escape', 'other').map((key) => press(key)), weight: 6 },
  {
    arbitrary: fc
      .tuple(
        fc.constantFrom(THROTTLE, CREDIT, OVERLOAD),
        fc.constantFrom(undefined, START - 1, START + 100_000),
      )
      .map(([failure, at]): Input => ({ type: 'failure', failure, at })),
    weight: 2,
  },
  { arbitrary: fc.record({ failed: fc.boolean(), opened: fc.boolean() }).map((how) => end(how)), weight: 3 },
  { arbitrary: fc.constant<Input>({ type: 'reminded' }), weight: 1 },
  { arbitrary: fc.constant<Input>({ type: 'quit' }), weight: 1 },
)

const rules: fc.Arbitrary<Rules> = fc.record({
  autoRestart: fc.boolean(),
  noKey: fc.constantFrom(undefined, undefined, 'no API key'),
})

type Moment = { before: State; input: Input; actions: Action[] }

/** A session of any length and in any order, up to its end. */
function live(inputs: Input[], how: Rules, billing: Billing): Moment[] {
  const moments: Moment[] = []
  let state = initialState(billing, START)
  for (const each of inputs) {
    const step = transition(state, each, how)
    moments.push({ before: state, input: each, actions: step.actions })
    if (step.actions.some(({ type }) => type === 'finish')) break
    state = step.state
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

describe('in any order of things', () => {
  const session = fc.tuple(
    fc.array(input, { maxLength: 40 }),
    rules,
    fc.constantFrom<Billing>('subscription', 'api'),
  )

  function always(check: (moments: Moment[], how: Rules) => void) {
    fc.assert(
      fc.property(session, ([inputs, how, billing]) => check(live(inputs, how, billing), how)),
      { numRuns: 2000 },
    )
  }

  test('money is spent on a clear word only', () => {
    always((moments, how) => {
      for (const child of children(moments)) {
        const started = child.at(-1)?.actions.find((action) => action.type === 'start')
        if (started?.billing !== 'api') continue
        expect(how.noKey).toBeUndefined()
        expect(started.prompt).toBe(true)
        const cause = child.find(({ actions }) => actions.some(({ type }) => type === 'stop'))
        const isYes =
          cause?.input.type === 'key' &&
          cause.input.key === 'enter' &&
          cause.before.notice.type === 'question' &&
          cause.before.notice.billing === 'api'
        const isWanted =
          how.autoRestart && cause?.input.type === 'limit' && cause.input.limit.verdict === 'switch'
        expect(isYes || isWanted).toBe(true)
      }
    })
  })

  test('a child is ended once at most, and then another follows', () => {
    always((moments) => {
      for (const child of children(moments)) {
        const stops = child.filter(({ actions }) => actions.some(({ type }) => type === 'stop'))
        expect(stops.length).toBeLessThanOrEqual(1)
        const last = child.at(-1)
        if (last?.input.type !== 'ended') continue
        const [first, ...others] = last.actions.filter(({ type }) => type !== 'log')
        expect(others).toEqual([])
        const isQuit = child.some((moment) => moment.input.type === 'quit')
        if (isQuit) expect(first).toEqual({ type: 'finish' })
        else if (stops.length === 1) expect(first?.type).toBe('start')
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
      for (const { before, input: cause, actions } of moments) {
        if (!actions.some(({ type }) => type === 'stop')) continue
        expect(before.quitting).toBe(false)
        expect(cause.type === 'limit' || cause.type === 'key').toBe(true)
        if (cause.type !== 'limit') continue
        expect(before.billing).toBe('subscription')
        expect(cause.limit.at ?? before.startedAt).toBeGreaterThanOrEqual(before.startedAt)
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

  test('the notice tells the truth about who pays', () => {
    always((moments) => {
      for (const { before } of moments) {
        const { notice, billing, next } = before
        if (notice.type === 'api') expect(billing).toBe('api')
        if (notice.type === 'offer' || notice.type === 'unable') expect(billing).toBe('subscription')
        if (notice.type === 'question') expect(notice.billing).not.toBe(billing)
        expect(notice.type === 'switching').toBe(next !== undefined)
      }
    })
  })
})
