import os from 'node:os'
import path from 'node:path'

/** The folder of the user's own files: HOME, else what the system knows (also for a relative one), else the root. */
export function homeFolder(env: NodeJS.ProcessEnv): string {
  if (env.HOME && path.isAbsolute(env.HOME)) return env.HOME
  try {
    return os.userInfo().homedir
  } catch {
    // A container's user who stands in no list.
    return '/'
  }
}

/** The home that Claude Code goes by: HOME, also a relative one; for an empty one what the system knows (2.1.330). */
export function claudeHome({ env, cwd }: { env: NodeJS.ProcessEnv; cwd: string }): string {
  return env.HOME ? path.resolve(cwd, env.HOME) : homeFolder(env)
}
