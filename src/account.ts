import fs from 'node:fs'
import path from 'node:path'
import { isObject } from './core/settings.ts'
import type { Account } from './core/shared-state.ts'

/**
 * Whose login a config folder has: `oauthAccount.accountUuid` of its `.claude.json`, which for `~/.claude` lies beside
 * it, unless `CLAUDE_CONFIG_DIR` names that folder. The login itself is not looked at. Never throws.
 * @param home the user's home folder
 */
export function readAccount(
  configDir: string,
  { env, home }: { env: NodeJS.ProcessEnv; home: string },
): Account {
  const isDefault = configDir === path.join(home, '.claude') && configDir !== env.CLAUDE_CONFIG_DIR
  const file = path.join(isDefault ? home : configDir, '.claude.json')
  try {
    const value: unknown = JSON.parse(fs.readFileSync(file, 'utf8'))
    const login = isObject(value) && isObject(value.oauthAccount) ? value.oauthAccount : {}
    return { configDir, account: typeof login.accountUuid === 'string' ? login.accountUuid : '' }
  } catch {
    return { configDir, account: '' }
  }
}
