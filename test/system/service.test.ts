import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { renderSystemdUnit } from '../../src/core/service.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'claudef-systemd-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** What systemd has to say of a unit that runs this program. */
function verify(program: string) {
  const unit = join(folder, 'claude-fallback.service')
  const variables = { CLAUDE_CONFIG_DIR: program }
  const words = [program, '100% "of" $HOME', 'start']
  writeFileSync(unit, renderSystemdUnit({ description: 'Test', words, variables, without: ['A_KEY'] }))
  const env = { PATH: '/usr/bin:/bin', HOME: folder, XDG_RUNTIME_DIR: folder }
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--user', unit], {
    env,
    encoding: 'utf8',
  })
  return { status, stderr }
}

test.each(['plain', 'with a space', '100%n', '$HOME', `it's "quoted"`, 'back\\slash', 'é'])(
  'systemd takes a program in a folder named %s',
  (name) => {
    const program = join(folder, name, 'node')
    mkdirSync(join(folder, name))
    writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 })
    expect(verify(program)).toEqual({ status: 0, stderr: '' })
  },
)

test('systemd says where it finds no program', () => {
  expect(verify(join(folder, 'nowhere')).stderr).toContain('not executable')
})
