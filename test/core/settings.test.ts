import { describe, expect, test } from 'vitest'
import { isInlineJson, isObject, mergeSettings } from '../../src/core/settings.ts'

const OURS = { onSessionStart: 'cat >/run/claudef/start' }
const HOOK = { hooks: [{ type: 'command', command: OURS.onSessionStart }] }

describe('mergeSettings', () => {
  test('adds our hook to none', () => {
    expect(mergeSettings({}, OURS)).toEqual({ hooks: { SessionStart: [HOOK] } })
  })

  test('leaves the user’s own, whose hooks run first', () => {
    const theirs = { matcher: 'startup', hooks: [{ type: 'command', command: 'theirs' }] }
    const user = {
      model: 'opus',
      permissions: { allow: ['Bash(git *)'] },
      statusLine: { type: 'command', command: 'date' },
      hooks: { SessionStart: [theirs], Stop: [theirs] },
    }
    const before = structuredClone(user)
    expect(mergeSettings(user, OURS)).toEqual({
      ...user,
      hooks: { SessionStart: [theirs, HOOK], Stop: [theirs] },
    })
    expect(user).toEqual(before)
  })

  test('names the helper of the key where there is one, and takes that of the user’s away', () => {
    expect(mergeSettings({}, { ...OURS, apiKeyHelper: 'ours' })).toMatchObject({ apiKeyHelper: 'ours' })
    expect(mergeSettings({ apiKeyHelper: 'theirs' }, { ...OURS, apiKeyHelper: 'ours' })).toMatchObject({
      apiKeyHelper: 'ours',
    })
    expect(mergeSettings({ apiKeyHelper: 'theirs' }, OURS)).toMatchObject({ apiKeyHelper: 'theirs' })
    expect(mergeSettings({}, OURS)).not.toHaveProperty('apiKeyHelper')
  })

  test('adds our folders to the user’s own', () => {
    const directories = ['/a', '/b']
    expect(mergeSettings({}, { ...OURS, directories })).toMatchObject({
      permissions: { additionalDirectories: directories },
    })
    const permissions = { allow: ['Read'], additionalDirectories: ['/theirs'] }
    expect(mergeSettings({ permissions }, { ...OURS, directories })).toMatchObject({
      permissions: { allow: ['Read'], additionalDirectories: ['/theirs', '/a', '/b'] },
    })
    expect(permissions.additionalDirectories).toEqual(['/theirs'])
    expect(
      mergeSettings({ permissions: { additionalDirectories: '/x' } }, { ...OURS, directories }),
    ).toMatchObject({
      permissions: { additionalDirectories: directories },
    })
    expect(mergeSettings({ permissions }, { ...OURS, directories: [] })).toMatchObject({ permissions })
    expect(mergeSettings({}, { ...OURS, directories: [] })).not.toHaveProperty('permissions')
  })

  test('does not turn on what the user turned off', () => {
    expect(mergeSettings({ disableAllHooks: true }, OURS)).toMatchObject({ disableAllHooks: true })
  })

  test.each([null, 'none', [], 1])('survives hooks that are %j', (hooks) => {
    expect(mergeSettings({ hooks }, OURS)).toEqual({ hooks: { SessionStart: [HOOK] } })
    expect(mergeSettings({ hooks: { SessionStart: hooks } }, OURS)).toEqual({
      hooks: { SessionStart: [HOOK] },
    })
  })
})

test.each([
  ['{}', true],
  [' {"a":1}\n', true],
  ['{broken}', true],
  ['settings.json', false],
  ['{a}.json', false],
  ['./{a}', false],
  ['[]', false],
  ['', false],
])('isInlineJson(%j) is %j', (value, isInline) => {
  expect(isInlineJson(value)).toBe(isInline)
})

test.each([
  [{}, true],
  [[], false],
  [null, false],
  [undefined, false],
  ['{}', false],
])('isObject(%j) is %j', (value, is) => {
  expect(isObject(value)).toBe(is)
})
