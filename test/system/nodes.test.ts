import { spawnSync } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { claudef } from '../support/claudef.ts'
import { openOwnScreen, readIfAny, repository, setUp } from './claudef.ts'
import { installNode } from './npm.ts'

/** The first of each line that package.json's `engines` admits, and the last of it that was there to test. */
const versions = ['20.19.0', '22.12.0', '22.23.3', '24.21.0']

describe.each(versions)('Node.js %s', (version) => {
  let node: string
  beforeAll(() => {
    node = installNode(version)
  }, 300_000)

  /** The fake Claude Code, and the helper that fetches the key, run on it as well. */
  const onPath = (env: Record<string, string>) => ({
    ...env,
    PATH: `${dirname(node)}${delimiter}${env.PATH}`,
  })

  test('shows the demo', () => {
    const { env } = setUp()
    const command = [join(repository, 'bin/claude-fallback.js'), 'demo']
    const { status, stdout, stderr } = spawnSync(node, command, {
      env: onPath(env),
      input: '',
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('1. A session on the subscription')
    expect(stdout).toContain('2. The same conversation on the API key')
  })

  test('goes on with the key at a limit, and gives the terminal back', async () => {
    const { root, cwd, env, transcripts } = setUp({
      env: { CLAUDE_FALLBACK_AUTO_RESTART: '1', FAKE_CLAUDE_LIMIT: 'five_hour' },
    })
    const trace = join(root, 'trace')
    const screen = await openOwnScreen({
      file: node,
      args: [claudef, 'hello'],
      cwd,
      env: { ...onPath(env), FAKE_CLAUDE_TRACE: trace },
      compareTermios: true,
    })
    await screen.waitFor('You said: Continue where you left off. (via API)')
    await screen.waitFor('API billing')
    screen.key('Ctrl+C')
    await screen.waitFor('again to exit')
    screen.key('Ctrl+C')
    expect(await screen.exit).toEqual({ code: 0, signal: 0 })
    expect(screen.attributes().after).toBe(screen.attributes().before)
    expect(screen.modes().privateModes).toEqual([])
    expect(transcripts()).toHaveLength(1)
    const starts = readIfAny(trace).match(/"event":"start"/g)
    expect(starts).toHaveLength(2)
  })
})
