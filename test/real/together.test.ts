import { expect, test } from 'vitest'
import { setUp } from './claudef.ts'
import { askOnce, openSession, turnsOf } from './limit.ts'

test('two sessions in one folder: the limit of one is none of the other', async () => {
  const setup = await setUp()
  const [one, other] = [await openSession(setup), await openSession(setup)]
  await askOnce(one, 'I am number one')
  await askOnce(other, 'I am the other')
  const before = setup.starts().map(({ pid }) => [pid, setup.sessionOf(pid)])
  setup.api.setBehaviour((request) => {
    const isOne = JSON.stringify(request.body).includes('number one')
    return request.billing === 'subscription' && isOne ? { type: 'limit' } : undefined
  })
  await one.submit('remember the number 4711')
  await one.waitFor('Mock reply via api.')
  await askOnce(other, 'what is two and two?')
  const starts = setup.starts()
  expect(starts.length).toBe(3)
  const [, untouched] = starts
  expect([untouched?.pid, setup.sessionOf(untouched?.pid ?? 0)]).toEqual(before[1])
  expect(setup.sessionOf(starts[2]?.pid ?? 0)).toBe(before[0]?.[1])
  await other.waitFor('Claude Max')
  expect(other.text()).not.toContain('API Usage Billing')
  // It is told of, and nothing is done about it.
  await other.waitFor('5-hour limit')
  await other.waitFor('met in another session')
  expect(turnsOf(setup, 'api').every(({ body }) => !JSON.stringify(body).includes('I am the other'))).toBe(
    true,
  )
})
