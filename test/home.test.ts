import os from 'node:os'
import { expect, test } from 'vitest'
import { claudeHome, homeFolder } from '../src/home.ts'

const known = os.userInfo().homedir

test.each([
  ['absolute', '/made/up', { ours: '/made/up', claudes: '/made/up' }],
  ['relative', 'made/up', { ours: known, claudes: '/project/made/up' }],
  ['empty', '', { ours: known, claudes: known }],
  ['not set', undefined, { ours: known, claudes: known }],
])('a HOME that is %s', (_, home, { ours, claudes }) => {
  // Where claudef keeps its own files says nothing of where Claude Code keeps its.
  const env = { HOME: home, CLAUDE_FALLBACK_HOME: '/elsewhere' }
  expect(homeFolder(env)).toBe(ours)
  expect(claudeHome({ env, cwd: '/project' })).toBe(claudes)
})
