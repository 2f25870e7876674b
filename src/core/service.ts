/** A program that the system starts at every login of the user. */
export type Service = {
  /** One sentence. */
  description: string
  /** Absolute path of the program, and its arguments. */
  words: readonly string[]
  /** Variables that it gets beside those of the system. */
  variables: Readonly<Record<string, string>>
  /** Variables that it must not get. */
  without: readonly string[]
}

/** In every file that we write, so that no other is replaced or removed. */
export const SERVICE_MARK = 'Made by claude-fallback for its monitor'

/**
 * A systemd user unit.
 * @see https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines
 */
export function renderSystemdUnit({ description, words, variables, without }: Service): string {
  const [program = ''] = words
  // systemd runs no program with such a character in its path, whatever the quotes.
  const isPlain = /^[^"'\\$\p{Cc}]+$/u.test(program)
  const command = isPlain ? words : ['/bin/sh', '-c', 'exec "$0" "$@"', ...words]
  const environment = Object.entries(variables).map(
    ([name, value]) => `Environment=${quoteForSystemd(`${name}=${value}`)}\n`,
  )
  return `# ${SERVICE_MARK}; \`claude-fallback stop --service\` removes it.
[Unit]
Description=${description}

[Service]
ExecStart=${command.map((word) => quoteForSystemd(word).replaceAll('$', '$$$$')).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
${environment.join('')}UnsetEnvironment=${without.join(' ')}
Restart=on-failure
RestartSec=10

[Install]
WantedBy=default.target
`
}

/** One word for systemd: C's escapes within double quotes, and a `%` of its own. */
function quoteForSystemd(word: string): string {
  const escaped = word
    .replace(/["\\]/g, '\\$&')
    .replace(/[\u0000-\u001f\u007f]/g, (character) => {
      return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
    })
    .replaceAll('%', '%%')
  return `"${escaped}"`
}

/** A launchd agent. `label`: its name, by which launchctl knows it. */
export function renderLaunchAgent(
  { words, variables }: Pick<Service, 'words' | 'variables'>,
  label: string,
): string {
  const args = words.map((word) => `    <string>${escapeXml(word)}</string>\n`)
  const entries = Object.entries(variables).map(
    ([name, value]) => `    <key>${escapeXml(name)}</key>\n    <string>${escapeXml(value)}</string>\n`,
  )
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- ${SERVICE_MARK}. -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${escapeXml(label)}</string>
  <key>ProgramArguments</key>
  <array>
${args.join('')}  </array>
  <key>EnvironmentVariables</key>
  <dict>
${entries.join('')}  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ProcessType</key>
  <string>Background</string>
</dict>
</plist>
`
}

/** XML has no way to write most control characters: they are left out. */
function escapeXml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '')
    .replace(/[&<>"]/g, (character) => entities[character] ?? '')
}
