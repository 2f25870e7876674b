import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'

/** The door of `claude-fallback`. */
export const companionProgram = fileURLToPath(new URL('../../bin/claude-fallback.js', import.meta.url))

/** A key like no other: no output may hold it. */
export const secretKey = 'sk-ant-api03-made-up-Zq7Lm2Xw9Kc4Vb8N-wxyz'

/** Any part of the key but its last four characters. */
export const secretPart = /Zq7L|Lm2X|w9Kc|c4Vb|Vb8N/

export type CompanionHome = ReturnType<typeof makeCompanionHome>

/** An empty home folder, removed after the test, in which `claude-fallback` runs; no output of it holds the key. */
export function makeCompanionHome() {
  const home = mkdtempSync(join(tmpdir(), 'claudef-'))
  onTestFinished(() => {
    chmodSync(home, 0o755)
    rmSync(home, { recursive: true, force: true })
  })
  const at = (name: string) => join(home, name)
  return {
    home,
    at,
    read: (name: string) => readFileSync(at(name), 'utf8'),
    write: (name: string, content: string | object, mode = 0o600) => {
      mkdirSync(dirname(at(name)), { recursive: true })
      const text = typeof content === 'string' ? content : JSON.stringify(content)
      writeFileSync(at(name), text, { mode })
      chmodSync(at(name), mode)
    },
    run: (args: string[], env: Record<string, string> = {}, options: { uid?: number } = {}) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [companionProgram, ...args], {
        ...{ encoding: 'utf8', cwd: home, ...options },
        env: { HOME: home, PATH: '/usr/bin:/bin', TZ: 'UTC', ...env },
      })
      for (const text of [stdout, stderr]) expect(text).not.toMatch(secretPart)
      return { status, stdout, stderr }
    },
  }
}
