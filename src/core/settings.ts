/** What claudef hands over by `--settings`, beside what the user said there. */
export type OurSettings = {
  /** Shell command that gets the SessionStart hook's JSON on its stdin. */
  onSessionStart: string
  /** Shell command that prints the API key; with it Claude Code bills the API and not the login. */
  apiKeyHelper?: string
}

/** The user's own `--settings` with ours added: their hooks stay and run first. */
export function mergeSettings(user: Record<string, unknown>, ours: OurSettings): Record<string, unknown> {
  const hooks = isObject(user.hooks) ? user.hooks : {}
  const theirs = Array.isArray(hooks.SessionStart) ? hooks.SessionStart : []
  const hook = { hooks: [{ type: 'command', command: ours.onSessionStart }] }
  return {
    ...user,
    hooks: { ...hooks, SessionStart: [...theirs, hook] },
    ...(ours.apiKeyHelper === undefined ? {} : { apiKeyHelper: ours.apiKeyHelper }),
  }
}

/** A `--settings` value that is JSON itself, not the path of a file (as Claude Code tells them apart). */
export function isInlineJson(value: string): boolean {
  const text = value.trim()
  return text.startsWith('{') && text.endsWith('}')
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
