/** What claudef hands over by `--settings`, beside what the user said there. */
export type OurSettings = {
  /** Shell command that gets the SessionStart hook's JSON on its stdin. */
  onSessionStart: string
  /** Folders that Claude may use, absolute; added to the user's own. */
  directories?: readonly string[]
  /** Shell command that prints the API key; with it Claude Code bills the API and not the login. */
  apiKeyHelper?: string
  /** The user's own status line, read along, or claudef's. */
  statusLine?: Record<string, unknown> | undefined
}

/** The user's own `--settings` with ours added: their hooks stay and run first. */
export function mergeSettings(user: Record<string, unknown>, ours: OurSettings): Record<string, unknown> {
  const hooks = isObject(user.hooks) ? user.hooks : {}
  const theirs = Array.isArray(hooks.SessionStart) ? hooks.SessionStart : []
  const hook = { hooks: [{ type: 'command', command: ours.onSessionStart }] }
  const { directories = [] } = ours
  return {
    ...user,
    hooks: { ...hooks, SessionStart: [...theirs, hook] },
    ...(directories.length === 0 ? {} : { permissions: addDirectories(user.permissions, directories) }),
    ...(ours.apiKeyHelper === undefined ? {} : { apiKeyHelper: ours.apiKeyHelper }),
    ...(ours.statusLine === undefined ? {} : { statusLine: ours.statusLine }),
  }
}

function addDirectories(permissions: unknown, directories: readonly string[]): Record<string, unknown> {
  const theirs = isObject(permissions) ? permissions : {}
  const before = Array.isArray(theirs.additionalDirectories) ? theirs.additionalDirectories : []
  return { ...theirs, additionalDirectories: [...before, ...directories] }
}

/** A `--settings` value that is JSON itself, not the path of a file (as Claude Code tells them apart). */
export function isInlineJson(value: string): boolean {
  const text = value.trim()
  return text.startsWith('{') && text.endsWith('}')
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
