import { expect, test } from 'vitest'
import { setUp } from './claudef.ts'
import { bottomRow } from './limit.ts'

const inline = { CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN: '1' }

test('without the alternate screen: the switch draws nothing over what was there', async () => {
  const setup = await setUp()
  const screen = await setup.run([], { env: inline })
  await screen.waitFor('Claude Max')
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit('remember the number 4711')
  await screen.waitFor('Mock reply via api.')
  await expect.poll(() => bottomRow(screen)).toMatch(/^ API billing\b/)
  const rows = screen.history().split('\n')
  const headers = rows.filter((row) => row.includes('Claude Code v2.1.330'))
  expect(headers.every((row) => /^ *▐▛\S+ +Claude Code v2\.1\.330$/.test(row.trimEnd()))).toBe(true)
  expect(screen.history()).not.toContain('Resume this session with')
})

test('without the alternate screen: the row costs no line of the conversation', async () => {
  const setup = await setUp({ auto: false })
  const screen = await setup.run([], { env: inline })
  await screen.waitFor('Claude Max')
  for (const number of [1, 2, 3, 4, 5, 6, 7, 8]) {
    await screen.submit(`remember the number ${number}`)
    await screen.waitFor((text) => text.split(`number ${number}`)[1]?.includes('Mock reply') === true)
  }
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit('remember the number 9')
  await screen.waitFor('Ctrl+] continue on API billing')
  await screen.waitFor(/❯ remember the number 9/)
  for (const number of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
    await expect.poll(() => screen.history()).toContain(`❯ remember the number ${number}`)
  }
})
