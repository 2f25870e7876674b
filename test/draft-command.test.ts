import { statSync } from 'node:fs'
import { expect, test } from 'vitest'
import { saveDraft } from '../src/draft-file.ts'
import { makeCompanionHome } from './support/companion.ts'

const FILE = '.claude_fallback_draft'

function unexpected(message: string): never {
  throw new Error(message)
}

test('prints the draft that was kept, whole', () => {
  const { home, run } = makeCompanionHome()
  saveDraft(home, 'half a\n  thought å😀', unexpected)
  expect(run(['draft'])).toEqual({ status: 0, stdout: 'half a\n  thought å😀\n', stderr: '' })
})

test('keeps it from others, also where the file was open to them', () => {
  const { home, at, write } = makeCompanionHome()
  write(FILE, 'older', 0o644)
  saveDraft(home, 'half a thought', unexpected)
  expect(statSync(at(FILE)).mode & 0o777).toBe(0o600)
})

test('takes its own draft away, and nobody else’s', () => {
  const { home, run } = makeCompanionHome()
  const forget = saveDraft(home, 'half a thought', unexpected)
  const forgetOther = saveDraft(home, 'of another session', unexpected)
  forget()
  expect(run(['draft']).stdout).toBe('of another session\n')
  forgetOther()
  expect(run(['draft'])).toEqual({ status: 1, stdout: '', stderr: 'There is no draft.\n' })
})

test('goes on where it cannot be kept', () => {
  const said: string[] = []
  saveDraft('/proc/none', 'half a thought', (message) => said.push(message))()
  expect(said).toEqual(['a draft could not be kept: ENOENT'])
})

test('helps, and takes no arguments', () => {
  const { run } = makeCompanionHome()
  expect(run(['draft', '--help']).stdout).toContain('Usage: claude-fallback draft')
  expect(run(['draft', 'all'])).toMatchObject({ status: 2, stdout: '' })
  expect(run(['help']).stdout).toMatch(/^ {2}draft /m)
})
