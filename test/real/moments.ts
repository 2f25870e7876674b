import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Screen } from '../support/screen.ts'
import type { Setup } from './claudef.ts'
import { turnsOf } from './limit.ts'

/** A moment of a switch; resolves when it has come. `isAfterLimit`: the prompt that met the limit is on the disk. */
export type Moment = {
  name: string
  isAfterLimit: boolean
  come: (setup: Setup, screen: Screen) => Promise<unknown>
}

/** The prompt that meets the limit. */
export const LIMITED_PROMPT = 'remember the number 4711'

/** Moments of a switch, ten of them after the start, from the start of the session to the answer that the key has paid. */
export const MOMENTS: Moment[] = [
  {
    name: 'at the start',
    isAfterLimit: false,
    come: (setup) => expect.poll(() => setup.starts().length).toBe(1),
  },
  { name: 'before the limit', isAfterLimit: false, come: (_, screen) => screen.waitFor('Claude Max') },
  afterSwitching(0),
  afterSwitching(30),
  afterSwitching(80),
  afterSwitching(150),
  afterSwitching(300),
  { ...meet('at the second start'), come: async (...where) => meetLimit(where, () => starts(where[0], 2)) },
  {
    ...meet('while the second one starts'),
    come: async (...where) => {
      await meetLimit(where, () => starts(where[0], 2))
      await sleep(300)
    },
  },
  {
    ...meet('at the first request on the key'),
    come: (...where) => meetLimit(where, () => expect.poll(() => turnsOf(where[0], 'api').length).toBe(1)),
  },
  {
    ...meet('after the first answer on the key'),
    come: (...where) => meetLimit(where, () => where[1].waitFor('Mock reply via api.')),
  },
]

function meet(name: string) {
  return { name, isAfterLimit: true }
}

function afterSwitching(ms: number): Moment {
  return {
    ...meet(`${ms} ms into the switch`),
    come: async (...where) => {
      await meetLimit(where, () => expect.poll(() => where[0].log()).toContain('switching to api'))
      await sleep(ms)
    },
  }
}

function starts(setup: Setup, count: number): Promise<void> {
  return expect.poll(() => setup.starts().length).toBe(count) as Promise<void>
}

async function meetLimit([setup, screen]: [Setup, Screen], until: () => Promise<unknown>): Promise<void> {
  await screen.waitFor('Claude Max')
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit(LIMITED_PROMPT)
  await until()
}
