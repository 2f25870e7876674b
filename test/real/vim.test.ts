import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Setup, setUp } from './claudef.ts'
import { bottomRow, CONTINUE_PROMPT, lastWords, openSession, turnsOf } from './limit.ts'

const vim = { editorMode: 'vim' }

const writeProjectSettings = ({ home }: Setup) => {
  const folder = join(home.cwd, '.claude')
  mkdirSync(folder)
  writeFileSync(join(folder, 'settings.json'), JSON.stringify(vim))
}

// Claude Code 2.1.330 goes by each of them.
test.each([
  ['.claude.json', { state: vim }, [], () => {}],
  ['the settings of the project', {}, [], writeProjectSettings],
  ['--settings', {}, ['--settings', JSON.stringify(vim)], () => {}],
])('in vim mode, by %s, a draft is kept where nothing is typed for it', async (_, options, args, prepare) => {
  const setup = await setUp({ ...options, auto: false })
  prepare(setup)
  const screen = await openSession(setup, args)
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit('remember the number 4711')
  await screen.waitFor(() => bottomRow(screen).includes('Ctrl+]'))
  screen.type('half a thought')
  await screen.waitFor(/❯\shalf a thought/)
  await screen.waitFor('-- INSERT --')
  screen.key('Ctrl+]')
  await screen.waitFor(() => bottomRow(screen).includes('Enter yes'))
  screen.key('Enter')
  await screen.waitFor(() => bottomRow(screen).includes('claude-fallback draft'))
  await screen.waitFor('Mock reply via api.')
  expect(readFileSync(join(setup.ownHome, '.claude_fallback_draft'), 'utf8')).toBe('half a thought')
  expect(lastWords(turnsOf(setup, 'api').at(-1))).toContain(CONTINUE_PROMPT)
  screen.type('next')
  await screen.waitFor(/❯\snext\s/)
  expect(screen.text()).not.toContain('half a thought')
})
