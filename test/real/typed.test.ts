import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { waitUntil } from '../support/processes.ts'
import type { Screen } from '../support/screen.ts'
import { bytesOf, createRandom, makeSteps, replay, type Step, type Typed } from '../support/typed.ts'
import { type Setup, setUp } from './claudef.ts'
import { bottomRow, CONTINUE_PROMPT, openSession } from './limit.ts'

/** It shows where the cursor stands. */
const MARKER = '¦'

const RUNS = Number(process.env.CLAUDEF_TYPED_RUNS ?? 20)
const FIRST_SEED = Number(process.env.CLAUDEF_TYPED_SEED ?? 1)
const seeds = Array.from({ length: RUNS }, (_, index) => FIRST_SEED + index)

test.each(seeds)(
  'all that is typed around a switch arrives, in the real input box (seed %i)',
  // A machine that is so busy that Claude Code takes several keys of this test in one read loses some, without claudef, too.
  { retry: 2 },
  async (seed) => {
    const setup = await setUp()
    const random = createRandom(seed)
    const screen = await openSession(setup)
    const steps: Step[] = []
    const state: Typed = replay([])
    const type = async (next: Step[], waitMs: number) => {
      for (const step of next) {
        const sentAt = steps.findLastIndex(({ type }) => type === 'enter')
        const hasPaste = steps.slice(sentAt + 1).some(({ type }) => type === 'paste')
        if (step.type === 'enter' && hasPaste) await settle(screen, replay(steps))
        steps.push(step)
        screen.type(bytesOf(step))
        // An Enter at once after a paste does not send it, with or without claudef.
        await sleep(step.type === 'paste' ? 400 : 30 + random() * waitMs)
      }
    }
    const how = { isWide: random() < 0.3, mayDoubt: false, from: state, small: true }
    const more = (count: number, name: string) => makeSteps(random, { ...how, count, name })
    await type(more(5, 'a'), 60)
    if (random() < 0.5) await type(send(state, 'first'), 60)
    setup.api.setBehaviour({ subscription: { type: 'limit', claim: 'five_hour' } })
    await type(send(state, 'limited'), 60)
    // Through the refused request, the end of the child and the start of the next.
    await type(more(25, 'c'), 60)
    if (random() < 0.3) screen.resize(80 + Math.floor(random() * 30), 40)
    await screen.waitFor(() => /^ API billing/.test(bottomRow(screen)))
    await type(more(5, 'e'), 60)
    screen.type(MARKER)
    await expectArrived(setup, screen, replay(steps))
  },
)

/** Types a prompt on a line of its own and sends it. */
function send(state: Typed, text: string): Step[] {
  const steps: Step[] = [...(state.cells.length === 0 ? [] : [{ type: 'enter' as const }])]
  steps.push({ type: 'text', text }, { type: 'enter' })
  replay(steps, state)
  return steps
}

/**
 * A child that has not taken in a paste puts an Enter off, with or without claudef, and sends what comes behind it, too.
 * While there is no child, claudef sees to that.
 */
async function settle(screen: Screen, typed: Typed): Promise<void> {
  const box = boxOf(typed)
  const isSettled = () => readBox(screen) === box || bottomRow(screen).includes('Going on with')
  await screen.waitFor(isSettled, 10_000).catch(() => {})
}

function boxOf({ cells }: Typed): string {
  return tidy(cells.map(showCell).join(''))
}

async function expectArrived(setup: Setup, screen: Screen, typed: Typed): Promise<void> {
  const shown = replay([{ type: 'text', text: MARKER }], { ...typed, cells: [...typed.cells] })
  const box = boxOf(shown)
  await screen
    .waitFor(() => readBox(screen) === box, 15_000)
    .catch(() => {
      expect(readBox(screen), screen.text()).toBe(box)
    })
  const prompts = () => promptsOf(setup).filter((text) => text !== CONTINUE_PROMPT)
  const isThere = () => prompts().length >= typed.prompts.length && promptsOf(setup).includes(CONTINUE_PROMPT)
  await waitUntil(isThere).catch(() => {})
  expect(prompts().map(tidy), screen.text()).toEqual(typed.prompts.map(tidy))
  expect(promptsOf(setup).filter((text) => text === CONTINUE_PROMPT)).toHaveLength(1)
  expect(setup.starts()).toHaveLength(2)
}

/** What the user has sent, in order. */
function promptsOf({ home }: Setup): string[] {
  const rows = home.transcripts().flatMap((transcript) => transcript.rows)
  return rows
    .filter((row) => row.type === 'user' && row.isMeta !== true && row.isSidechain !== true)
    .map((row) => (row.message as { content: string | { text?: string }[] }).content)
    .map((content) =>
      typeof content === 'string' ? content : content.map(({ text }) => text ?? '').join(''),
    )
}

function showCell(cell: string): string {
  const lines = cell.split('\n').length - 1
  if (cell.length <= 2) return cell
  return `[Pasted text${lines === 0 ? '' : ` +${lines} lines`}]`
}

/** What stands between the two lines of the box, as one line: where it wraps depends on the width. */
function readBox(screen: Screen): string {
  const rows = screen.text().split('\n')
  const edges = rows.flatMap((row, index) => (/^─{20}/.test(row) ? [index] : []))
  const shown = rows.slice((edges.at(-2) ?? 0) + 1, edges.at(-1) ?? 0).map((row) => row.slice(2))
  return tidy(shown.join('\n')).replace(/\[Pastedtext#\d+/g, '[Pastedtext')
}

/**
 * Without blanks: a row’s last are not seen. A paste that was collapsed stands between tags of Claude Code's.
 */
function tidy(text: string): string {
  return text.normalize().replace(/<\/?pasted_content id="[\da-f]+">|\s/g, '')
}
