import xterm from '@xterm/headless'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BannerContext, isDismissal, renderBanner } from '../../src/core/banner.ts'
import { describeReached } from '../../src/core/budget.ts'
import type { ApiFailure, Limit } from '../../src/core/limit.ts'
import type { Notice } from '../../src/core/policy.ts'

const NOW = Date.parse('2026-11-22T14:00:38Z')
const HOUR = 3_600_000

const CONTEXT: BannerContext = {
  columns: 100,
  now: NOW,
  timeZone: 'UTC',
  key: '…abcd',
  color: false,
  switchKey: 'Ctrl+]',
  spent: { usd: 0, isLowerBound: false, nearCap: undefined },
  estimate: undefined,
  note: undefined,
  frame: 0,
}

const LIMIT: Limit = {
  window: 'session',
  scope: { type: 'account' },
  verdict: 'switch',
  resetsAt: Date.parse('2026-11-22T16:13:00Z'),
  source: 'structured',
  rowId: undefined,
  at: NOW,
  text: "You've hit your 5-hour limit · resets 4:13pm (UTC)",
}
const WEEKLY: Limit = { ...LIMIT, window: 'weekly', resetsAt: Date.parse('2026-11-25T14:13:00Z') }
const OPUS: Limit = { ...LIMIT, scope: { type: 'model', name: 'Opus' } }
const CREDIT: ApiFailure = { type: 'credit', text: 'Credit balance is too low', effect: 'stop' }
const OFFER: Notice = { type: 'offer', limit: LIMIT }
const API: Notice = { type: 'api', limit: LIMIT, failure: undefined }

function render(notice: Notice, context: Partial<BannerContext> = {}): string | undefined {
  return renderBanner(notice, { ...CONTEXT, ...context })
}

/** The whole text, at a hundred columns, and at forty. */
function widths(notice: Notice): (string | undefined)[] {
  return [render(notice, { columns: 1000 }), render(notice), render(notice, { columns: 40 })]
}

describe('renderBanner', () => {
  test('has nothing to say', () => {
    expect(render({ type: 'none' })).toBeUndefined()
  })

  test('offers', () => {
    expect(widths(OFFER)).toMatchInlineSnapshot(`
      [
        " ⚠ 5-hour limit · resets 4:13pm, in 2h 13m · Ctrl+] continue on API billing · × dismiss",
        " ⚠ 5-hour limit · resets 4:13pm, in 2h 13m · Ctrl+] continue on API billing · × dismiss",
        " ⚠ 5-hour limit · Ctrl+] API billing",
      ]
    `)
    expect(widths({ type: 'offer', limit: WEEKLY })).toMatchInlineSnapshot(`
      [
        " ⚠ Weekly limit · resets Nov 25, 2:13pm · Ctrl+] continue on API billing · × dismiss",
        " ⚠ Weekly limit · resets Nov 25, 2:13pm · Ctrl+] continue on API billing · × dismiss",
        " ⚠ Weekly limit · Ctrl+] API billing",
      ]
    `)
  })

  test('offers at one model’s limit, which leaves the others', () => {
    expect(widths({ type: 'offer', limit: OPUS })).toMatchInlineSnapshot(`
      [
        " ⚠ Opus limit · /model to another model stays on your plan · Ctrl+] continue on API billing · × dismiss",
        " ⚠ Opus limit · /model to another model stays on your plan · Ctrl+] API billing · ×",
        " ⚠ Opus limit · Ctrl+] API billing · ×",
      ]
    `)
  })

  test('asks', () => {
    expect(widths({ type: 'question', billing: 'api', before: OFFER })).toMatchInlineSnapshot(`
      [
        " Go on with API billing, paid by the key …abcd? · Enter yes · Esc no",
        " Go on with API billing, paid by the key …abcd? · Enter yes · Esc no",
        " Go on with API billing? · Enter · Esc",
      ]
    `)
    expect(widths({ type: 'question', billing: 'subscription', before: API })).toMatchInlineSnapshot(`
      [
        " Go back to your subscription? · Enter yes · Esc no",
        " Go back to your subscription? · Enter yes · Esc no",
        " Go back to your subscri… · Enter · Esc",
      ]
    `)
  })

  test('says why it cannot, and what to do', () => {
    const repair = 'set CLAUDE_FALLBACK_API_KEY and start claudef again'
    expect(widths({ type: 'unable', limit: LIMIT, reason: 'no API key', repair })).toMatchInlineSnapshot(`
      [
        " ⚠ 5-hour limit · resets 4:13pm, in 2h 13m · no API key: set CLAUDE_FALLBACK_API_KEY and start claudef again · × dismiss",
        " ⚠ 5-hour limit · no API key: set CLAUDE_FALLBACK_API_KEY and start claudef again · × dismiss",
        " ⚠ no API key: set CLAUDE_FALLBACK… · ×",
      ]
    `)
  })

  test.each([
    { session: 12.34, day: 100 },
    { session: 20, day: 10 },
  ])('says at 80 columns that a cap is reached, and what raises it: %j', (caps) => {
    const reached = describeReached({ session: 12.34, day: 12.34, isLowerBound: true }, caps)
    const { brief, repair } = reached
    const text = `${reached.reason} · ${repair}`
    const told: Notice = { type: 'told', text, shorter: [`${brief}: ${repair}`] }
    for (const notice of [told, { type: 'unable', limit: LIMIT, ...reached } satisfies Notice])
      expect(render(notice, { columns: 80 })).toBe(` ⚠ ${brief}: ${repair} · ×`)
  })

  test('tells', () => {
    expect(
      widths({ type: 'told', text: 'Your org is out of usage · contact an admin' }),
    ).toMatchInlineSnapshot(`
      [
        " ⚠ Your org is out of usage · contact an admin · × dismiss",
        " ⚠ Your org is out of usage · contact an admin · × dismiss",
        " ⚠ Your org is out of usage · cont… · ×",
      ]
    `)
  })

  test('says that it switches', () => {
    expect(widths({ type: 'switching', billing: 'api' })).toMatchInlineSnapshot(`
      [
        " ⠋ Going on with API billing…",
        " ⠋ Going on with API billing…",
        " ⠋ Going on with API billing…",
      ]
    `)
    expect(widths({ type: 'switching', billing: 'subscription' })).toMatchInlineSnapshot(`
      [
        " ⠋ Going on with your subscription…",
        " ⠋ Going on with your subscription…",
        " ⠋ Going on with your subscription…",
      ]
    `)
  })

  test('says who pays', () => {
    expect(widths(API)).toMatchInlineSnapshot(`
      [
        " API billing (key …abcd) · subscription back at 4:13pm · Ctrl+] return",
        " API billing (key …abcd) · subscription back at 4:13pm · Ctrl+] return",
        " API billing · Ctrl+] return",
      ]
    `)
    expect(widths({ type: 'api', limit: undefined, failure: undefined })).toMatchInlineSnapshot(`
      [
        " API billing (key …abcd) · Ctrl+] return",
        " API billing (key …abcd) · Ctrl+] return",
        " API billing · Ctrl+] return",
      ]
    `)
  })

  test('says first what helps against stale thinking signatures', () => {
    const text = 'API Error: 400 messages.1.content.0: Invalid `signature` in `thinking` block'
    const failure: ApiFailure = { type: 'thinking', text, effect: 'tell' }
    expect(widths({ type: 'api', limit: LIMIT, failure })).toMatchInlineSnapshot(`
      [
        " ⚠ API billing: update Claude Code (2.1.152 or later): API Error: 400 messages.1.content.0: Invalid \`signature\` in \`thinking\` block · Ctrl+] return",
        " ⚠ API billing: update Claude Code (2.1.152 or later): API Error: 400 messages.1.c… · Ctrl+] return",
        " ⚠ API billing: update… · Ctrl+] return",
      ]
    `)
  })

  test('says what went wrong on the key', () => {
    expect(widths({ type: 'api', limit: LIMIT, failure: CREDIT })).toMatchInlineSnapshot(`
      [
        " ⚠ API billing: Credit balance is too low · Ctrl+] return",
        " ⚠ API billing: Credit balance is too low · Ctrl+] return",
        " ⚠ API billing: Credit… · Ctrl+] return",
      ]
    `)
  })

  test('says of an offer why nothing goes by itself', () => {
    const why = 'what today has cost cannot be read'
    expect(widths({ type: 'offer', limit: LIMIT, why })).toMatchInlineSnapshot(`
      [
        " ⚠ 5-hour limit · resets 4:13pm, in 2h 13m · what today has cost cannot be read · Ctrl+] continue on API billing · × dismiss",
        " ⚠ 5-hour limit · what today has cost cannot be read · Ctrl+] continue on API billing · × dismiss",
        " ⚠ 5-hour limit · Ctrl+] API billing",
      ]
    `)
    expect(render({ type: 'offer', limit: LIMIT, why }, { columns: 80 })).toMatchInlineSnapshot(
      `" ⚠ 5-hour limit · what today has cost cannot be read · Ctrl+] API billing · ×"`,
    )
  })

  test('offers what another session met', () => {
    expect(widths({ type: 'offer', limit: LIMIT, isBelieved: true })).toMatchInlineSnapshot(`
      [
        " ⚠ 5-hour limit · resets 4:13pm, in 2h 13m (met in another session) · Ctrl+] continue on API billing · × dismiss",
        " ⚠ 5-hour limit · resets 4:13pm, in 2h 13m (met in another session) · Ctrl+] API billing · ×",
        " ⚠ 5-hour limit · Ctrl+] API billing",
      ]
    `)
    expect(render({ type: 'offer', limit: LIMIT, isBelieved: true }, { columns: 80 })).toMatchInlineSnapshot(
      `" ⚠ 5-hour limit · resets 4:13pm, in 2h 13m (elsewhere) · Ctrl+] API billing · ×"`,
    )
  })

  test.each([undefined, 0.31])('names the price in every window that has a row: %s', (usd) => {
    const question: Notice = { type: 'question', billing: 'api', before: OFFER }
    const price = usd === undefined ? 'rice not known' : 'bout $0.31'
    for (let columns = 40; columns < 140; columns++) {
      const row = render(question, { columns, estimate: { tokens: 48_213, usd } }) ?? ''
      expect(row, `${columns} columns`).toContain(price)
      expect(row).toMatch(/Enter( yes)? · Esc( no)?$/)
      expect(row.length).toBeLessThan(columns)
    }
  })

  test('asks with the price', () => {
    const question: Notice = { type: 'question', billing: 'api', before: OFFER }
    const shown = (tokens: number, usd: number | undefined) =>
      [140, 100, 80, 60, 40].map((columns) => render(question, { columns, estimate: { tokens, usd } }))
    expect(shown(48_213, 0.31)).toMatchInlineSnapshot(`
      [
        " Go on with API billing, paid by the key …abcd? First request about 48k tokens, about $0.31 · Enter yes · Esc no",
        " Go on with API billing? First request about 48k tokens, about $0.31 · Enter yes · Esc no",
        " Go on with API billing (key …abcd)? About $0.31 · Enter yes · Esc no",
        " Go on with API billing? About $0.31 · Enter yes · Esc no",
        " API billing? About $0.31 · Enter · Esc",
      ]
    `)
    expect(shown(999, undefined)).toMatchInlineSnapshot(`
      [
        " Go on with API billing, paid by the key …abcd? First request about 999 tokens, price not known · Enter yes · Esc no",
        " Go on with API billing? First request about 999 tokens, price not known · Enter yes · Esc no",
        " Go on with API billing (key …abcd)? Price not known · Enter yes · Esc no",
        " Go on with API billing? Price not known · Enter · Esc",
        " API? Price not known · Enter · Esc",
      ]
    `)
    expect(shown(12, 0.0004)[0]).toContain('about 12 tokens, about <$0.01')
    // The way back costs nothing.
    const back: Notice = { type: 'question', billing: 'subscription', before: API }
    expect(render(back, { estimate: { tokens: 5, usd: 1 } })).not.toContain('$')
  })

  test('is a meter while the key pays', () => {
    const shown = (notice: Notice, context: Partial<BannerContext> = {}) =>
      [120, 80, 40].map((columns) =>
        render(notice, {
          spent: { usd: 0.42, isLowerBound: false, nearCap: undefined },
          ...context,
          columns,
        }),
      )
    expect(shown(API)).toMatchInlineSnapshot(`
      [
        " API billing (key …abcd) · $0.42 this session · subscription back at 4:13pm · Ctrl+] return",
        " API billing · $0.42 this session · subscription back at 4:13pm · Ctrl+] return",
        " API billing · $0.42 · Ctrl+] return",
      ]
    `)
    expect(shown(API, { note: 'mode api until 5:00pm' })).toMatchInlineSnapshot(`
      [
        " API billing (key …abcd) · $0.42 this session · subscription back at 4:13pm · mode api until 5:00pm · Ctrl+] return",
        " API billing · $0.42 this session · mode api until 5:00pm · Ctrl+] return",
        " API billing · $0.42 · Ctrl+] return",
      ]
    `)
    expect(shown({ ...API, back: 'offered' })).toMatchInlineSnapshot(`
      [
        " API billing (key …abcd) · $0.42 this session · your subscription is back · Ctrl+] return",
        " API billing · $0.42 this session · your subscription is back · Ctrl+] return",
        " API billing · $0.42 · Ctrl+] return",
      ]
    `)
    expect(shown({ ...API, back: 'waiting' })).toMatchInlineSnapshot(`
      [
        " API billing (key …abcd) · $0.42 this session · subscription is back, waits until idle · Ctrl+] return",
        " API billing · $0.42 · subscription is back, waits until idle · Ctrl+] return",
        " API billing · $0.42 · Ctrl+] return",
      ]
    `)
    expect(shown({ ...API, triesAt: Date.parse('2026-11-22T16:28:00Z') })).toMatchInlineSnapshot(`
      [
        " API billing (key …abcd) · $0.42 this session · limited again, next return at 4:28pm · Ctrl+] return",
        " API billing · $0.42 · limited again, next return at 4:28pm · Ctrl+] return",
        " API billing · $0.42 · Ctrl+] return",
      ]
    `)
    expect(shown({ ...API, failure: CREDIT, back: 'offered' })).toMatchInlineSnapshot(`
      [
        " ⚠ API billing: Credit balance is too low · $0.42 this session · your subscription is back · Ctrl+] return",
        " ⚠ API billing: Credit balance is too low · $0.42 · Ctrl+] return",
        " ⚠ API billing: Credit… · Ctrl+] return",
      ]
    `)
    const unknown = { usd: 1.2, isLowerBound: true, nearCap: undefined }
    expect(render(API, { spent: unknown })).toContain('≥$1.20 this session')
  })

  test('keeps the sum in sight in every window that has a row', () => {
    const spent = { usd: 12.34, isLowerBound: true, nearCap: 'cap $15.00' }
    for (const notice of [API, { ...API, back: 'offered' }, { ...API, failure: CREDIT }] as const) {
      for (let columns = 50; columns < 140; columns++) {
        const row = render(notice, { columns, spent })
        expect(row, `${columns} columns`).toContain(notice.failure ? 'Credit' : '$12.34')
        expect(row).toMatch(/ · Ctrl\+\] return$/)
      }
    }
  })

  test('says where a draft is kept rather than when the way back opens', () => {
    const note = 'your draft: claude-fallback draft'
    const spent = { usd: 0.42, isLowerBound: false, nearCap: undefined }
    const shown = (notice: Notice, nearCap?: string) =>
      [100, 80].map((columns) => render(notice, { columns, note, spent: { ...spent, nearCap } }))
    expect([
      ...shown(API),
      ...shown(API, 'cap $0.50'),
      ...shown({ ...API, back: 'offered' }),
      ...shown({ type: 'returned', until: NOW }),
    ]).toMatchInlineSnapshot(`
      [
        " API billing · $0.42 this session · your draft: claude-fallback draft · Ctrl+] return",
        " API billing · $0.42 · your draft: claude-fallback draft · Ctrl+] return",
        " API billing · $0.42 this session · cap $0.50 · your draft: claude-fallback draft · Ctrl+] return",
        " API billing · $0.42 this session · cap $0.50 · Ctrl+] return",
        " API billing (key …abcd) · $0.42 this session · your subscription is back · Ctrl+] return",
        " API billing · $0.42 this session · your subscription is back · Ctrl+] return",
        " Back on your subscription · $0.42 spent · your draft: claude-fallback draft",
        " Back on your subscription · $0.42 spent · your draft: claude-fallback draft",
      ]
    `)
    expect(render({ type: 'returned', until: NOW }, { columns: 50, note, spent })).toBe(
      ' Back on your subscription · $0.42 spent',
    )
  })

  test('a reset that slid past the next return is what it says', () => {
    expect(render({ ...API, triesAt: NOW })).toContain('subscription back at 4:13pm')
  })

  test('turns yellow near a cap, and says which', () => {
    const near = { usd: 9, isLowerBound: false, nearCap: 'cap $15.00' }
    expect(render(API, { color: true, spent: near })).toMatch(/^\x1b\[33m/)
    expect(render(API, { color: true, spent: { ...near, nearCap: undefined } })).toMatch(/^\x1b\[36m/)
    expect(render(API, { color: false, spent: near })).not.toContain('\x1b')
    expect(
      [1000, 100, 80, 60].map((columns) => render(API, { columns, spent: near })),
    ).toMatchInlineSnapshot(`
      [
        " API billing (key …abcd) · $9.00 this session · cap $15.00 · subscription back at 4:13pm · Ctrl+] return",
        " API billing · $9.00 this session · cap $15.00 · subscription back at 4:13pm · Ctrl+] return",
        " API billing · $9.00 this session · cap $15.00 · Ctrl+] return",
        " API billing · $9.00 · cap $15.00 · Ctrl+] return",
      ]
    `)
  })

  test('tells of the return', () => {
    const spent = { usd: 1.2, isLowerBound: false, nearCap: undefined }
    expect(render({ type: 'returned', until: NOW }, { spent })).toBe(
      ' Back on your subscription · $1.20 spent',
    )
  })

  test('says what a switch waits for, with a spinner that turns', () => {
    const frames = [0, 1, 10].map((frame) =>
      render({ type: 'switching', billing: 'api', waitsFor: 'your draft' }, { frame }),
    )
    expect(frames).toEqual([
      ' ⠋ Going on with API billing · waits for your draft',
      ' ⠙ Going on with API billing · waits for your draft',
      ' ⠋ Going on with API billing · waits for your draft',
    ])
  })

  test('names the key that was chosen', () => {
    const switchKey = 'Ctrl+\\'
    expect(render(OFFER, { switchKey })).toContain('Ctrl+\\ continue on API billing')
    expect(render(API, { switchKey })).toMatch(/Ctrl\+\\ return$/)
    expect(render(OFFER, { switchKey, columns: 40 })).toContain('Ctrl+\\ API billing')
    expect(JSON.stringify([render(OFFER, { switchKey }), render(API, { switchKey })])).not.toContain('Ctrl+]')
  })

  test('is coloured by what it means, and ends its colour', () => {
    const colors = [OFFER, { type: 'question', billing: 'api', before: OFFER } as const, API].map((notice) =>
      render(notice, { color: true })?.replace(/ .* /, ' … '),
    )
    expect(colors).toEqual([
      '\x1b[33m … dismiss\x1b[0m',
      '\x1b[1;33m … no\x1b[0m',
      '\x1b[36m … return\x1b[0m',
    ])
    expect(render({ type: 'switching', billing: 'api' }, { color: true })).toBe(
      ' ⠋ Going on with API billing…\x1b[0m',
    )
  })

  test.each<[Limit['window'], string]>([
    ['session', '5-hour limit'],
    ['weekly', 'Weekly limit'],
    ['monthly', 'Monthly limit'],
    ['credits', 'Out of usage credits'],
    ['spend', 'Spend limit'],
    ['unknown', 'Usage limit'],
  ])('calls the limit %s "%s", with no reset where none is known', (window, name) => {
    const limit: Limit = { ...LIMIT, window, resetsAt: undefined }
    expect(render({ type: 'offer', limit })).toBe(` ⚠ ${name} · Ctrl+] continue on API billing · × dismiss`)
  })
})

describe('the time of the reset', () => {
  function reset(resetsAt: number, timeZone = 'UTC', now = NOW): string | undefined {
    const row = render({ type: 'offer', limit: { ...LIMIT, resetsAt } }, { timeZone, now })
    return /resets (.*?) · Ctrl/.exec(row ?? '')?.[1]
  }

  test.each([
    ['2026-11-22T14:01:00Z', '2:01pm, in 1m'],
    ['2026-11-22T14:00:39Z', '2:00pm, in 1m'],
    ['2026-11-22T15:00:00Z', '3:00pm, in 1h 0m'],
    ['2026-11-22T15:00:38Z', '3:00pm, in 1h 0m'],
    ['2026-11-22T16:00:00Z', '4:00pm, in 2h 0m'],
    ['2026-11-23T00:00:00Z', '12:00am, in 10h 0m'],
    ['2026-11-23T12:00:00Z', '12:00pm, in 22h 0m'],
    ['2026-11-23T14:00:37Z', '2:00pm, in 24h 0m'],
    ['2026-11-23T14:00:38Z', 'Nov 23, 2:00pm'],
    ['2026-12-01T09:05:00Z', 'Dec 1, 9:05am'],
    // Over, and the screen says so no more.
    ['2026-11-22T14:00:38Z', '2:00pm'],
    ['2026-11-22T13:00:00Z', '1:00pm'],
  ])('%s is shown as %j', (resetsAt, shown) => {
    expect(reset(Date.parse(resetsAt))).toBe(shown)
  })

  test.each([
    ['America/New_York', '11:13am, in 2h 13m'],
    ['Europe/Berlin', '5:13pm, in 2h 13m'],
    ['Asia/Kolkata', '9:43pm, in 2h 13m'],
    ['Asia/Kathmandu', '9:58pm, in 2h 13m'],
    ['Asia/Tokyo', '1:13am, in 2h 13m'],
    ['Pacific/Auckland', '5:13am, in 2h 13m'],
  ])('in %s it is %j', (timeZone, shown) => {
    expect(reset(LIMIT.resetsAt ?? 0, timeZone)).toBe(shown)
  })

  test('is the clock’s, and the span the real one, over a change of the clock', () => {
    const now = Date.parse('2026-10-25T00:30:00Z')
    expect(reset(now + 2 * HOUR, 'Europe/Berlin', now)).toBe('3:30am, in 2h 0m')
    expect(reset(now + 30 * HOUR, 'Europe/Berlin', now)).toBe('Oct 26, 7:30am')
  })
})

describe('isDismissal', () => {
  const JAPANESE: Notice = { type: 'told', text: '組織の上限です × まだ' }

  test.each<[string, Notice, Partial<BannerContext>]>([
    ['an offer', OFFER, {}],
    ['a coloured one', OFFER, { color: true }],
    ['a text', { type: 'told', text: 'Out of usage' }, {}],
    ['a text that is cut', { type: 'told', text: 'Out of usage '.repeat(20) }, {}],
    ['what cannot be had', { type: 'unable', limit: LIMIT, reason: 'no key', repair: 'set one' }, {}],
    ['wide characters, and a × of theirs', JAPANESE, {}],
  ])('is the × of %s on a real terminal, and what follows it', async (_, notice, context) => {
    const columns = 100
    const row = render(notice, { ...context, columns }) ?? ''
    const terminal = new xterm.Terminal({ cols: columns, rows: 2, allowProposedApi: true })
    await new Promise<void>((resolve) => terminal.write(row, resolve))
    const line = terminal.buffer.active.getLine(0)
    const cells = Array.from({ length: columns }, (_, at) => line?.getCell(at)?.getChars() ?? '')
    const cross = cells.lastIndexOf('×') + 1
    expect(cross).toBeGreaterThan(1)
    for (let column = 1; column <= columns; column++) {
      expect(isDismissal(row, column), `column ${column}`).toBe(column >= cross)
    }
  })

  test.each<[string, Notice, Partial<BannerContext>]>([
    ['who pays', API, {}],
    ['a question', { type: 'question', billing: 'api', before: OFFER }, {}],
    ['an offer without room for it', OFFER, { columns: 40 }],
    ['a failure whose words have a ×', { ...API, failure: { ...CREDIT, text: 'Max 5× is out' } }, {}],
  ])('is nowhere in %s', (_, notice, context) => {
    const row = render(notice, context) ?? ''
    for (let column = 1; column <= 100; column++) expect(isDismissal(row, column)).toBe(false)
  })
})

const HOSTILE = '\x1b[2J\x1b]0;title\x07\r\n\u009b31m\u202eevil\u2066\u2028x\ud800y\x00'

describe('texts from elsewhere', () => {
  test.each<[string, Notice]>([
    ['a limit of somebody else’s', { type: 'told', text: HOSTILE }],
    ['a failure', { type: 'api', limit: undefined, failure: { ...CREDIT, text: HOSTILE } }],
    ['a model', { type: 'offer', limit: { ...LIMIT, scope: { type: 'model', name: HOSTILE } } }],
    ['a reason', { type: 'unable', limit: LIMIT, reason: HOSTILE, repair: HOSTILE }],
  ])('do nothing to the terminal: %s', (_, notice) => {
    const row = render(notice, { columns: 1000 })
    expect(row).toContain('[2J ]0;title 31m evil x y')
    expect(row).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Surrogate}]/u)
  })
})

describe('the width', () => {
  const wide = [...'漢字あカ한。「、Ａ￥ㄅ㊗〈⌚😀🚀🀄𠀀']
  const narrow = [...'aZ·…⚠ é—„']
  const joined = ['⚠\ufe0f', 'e\u0301', '👍🏽', '👨‍👩‍👧', '🇩🇪', '1\ufe0f\u20e3']

  /** Columns on a terminal; joined characters counted one by one, which is the most that any takes. */
  function columnsOf(row: string): number {
    const two = [...wide, ...'👍🏽👨👩👧🇩🇪']
    return [...row].reduce((sum, character) => sum + (two.includes(character) ? 2 : 1), 0)
  }

  test('is a column less than the window’s at most', () => {
    const characters = fc.array(fc.constantFrom(...wide, ...narrow, ...joined), { maxLength: 80 })
    fc.assert(
      fc.property(characters, fc.integer({ min: 0, max: 120 }), (text, columns) => {
        const notice: Notice = { type: 'switching', billing: 'api', waitsFor: text.join('') }
        const whole = render(notice, { columns: 10_000 }) ?? ''
        const row = render(notice, { columns }) ?? ''
        const told = render({ type: 'told', text: text.join('') }, { columns }) ?? ''
        expect(columnsOf(told)).toBeLessThanOrEqual(Math.max(0, columns - 1))
        if (columns > 12) expect(told).toMatch(/ · ×( dismiss)?$/)
        expect(columnsOf(row)).toBeLessThanOrEqual(Math.max(0, columns - 1))
        expect(row).not.toMatch(/\p{Surrogate}/u)
        if (row === whole) return
        if (columns > 1) expect(row.endsWith('…')).toBe(true)
        expect(whole.startsWith(row.slice(0, -1))).toBe(true)
        // Cut no earlier than need be: a wide character may just not fit.
        expect(columnsOf(row)).toBeGreaterThanOrEqual(columns - 2)
      }),
      { numRuns: 1000 },
    )
  })

  test.each([40, 57, 80, 100])('leaves the last of %i columns of a real terminal free', async (columns) => {
    const texts = [wide.join('').repeat(9), 'a漢'.repeat(60), joined.join('').repeat(20), 'x'.repeat(200)]
    for (const text of texts) {
      const terminal = new xterm.Terminal({ cols: columns, rows: 3, allowProposedApi: true })
      const row = render({ type: 'told', text }, { columns, color: true }) ?? ''
      await new Promise<void>((resolve) => terminal.write(row, resolve))
      const { active } = terminal.buffer
      expect(active.cursorY, text).toBe(0)
      expect(
        active
          .getLine(0)
          ?.getCell(columns - 1)
          ?.getChars(),
      ).toBe('')
      expect(active.getLine(1)?.translateToString(true)).toBe('')
    }
  })
})
