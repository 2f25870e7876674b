import { expect, test } from 'vitest'
import { renderLaunchAgent, renderSystemdUnit, type Service } from '../../src/core/service.ts'

const service: Service = {
  description: 'Tells of limits',
  words: ['/usr/bin/node', '/opt/a b/claude-fallback.js', 'start'],
  variables: { CLAUDE_CONFIG_DIR: '/home/me/my "claude" 100%', OTHER: '$HOME\\' },
  without: ['ONE_KEY', 'OTHER_KEY'],
}

test('a systemd unit', () => {
  expect(renderSystemdUnit(service)).toMatchInlineSnapshot(`
    "# Made by claude-fallback for its monitor; \`claude-fallback stop --service\` removes it.
    [Unit]
    Description=Tells of limits

    [Service]
    ExecStart="/usr/bin/node" "/opt/a b/claude-fallback.js" "start"
    ExecReload=/bin/kill -HUP $MAINPID
    Environment="CLAUDE_CONFIG_DIR=/home/me/my \\"claude\\" 100%%"
    Environment="OTHER=$HOME\\\\"
    UnsetEnvironment=ONE_KEY OTHER_KEY
    Restart=on-failure
    RestartSec=10

    [Install]
    WantedBy=default.target
    "
  `)
})

test('a program that systemd would not run by its path is run by a shell', () => {
  const words = [`/opt/it's 100% $HOME "here"\n/node`, 'start']
  expect(renderSystemdUnit({ ...service, words })).toContain(
    `ExecStart="/bin/sh" "-c" "exec \\"$$0\\" \\"$$@\\"" "/opt/it's 100%% $$HOME \\"here\\"\\x0a/node" "start"\n`,
  )
})

test('a launchd agent', () => {
  const variables = { PATH: '/a&b:<c>' }
  expect(renderLaunchAgent({ words: service.words, variables }, 'the.label')).toMatchInlineSnapshot(`
    "<?xml version="1.0" encoding="UTF-8"?>
    <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
    <!-- Made by claude-fallback for its monitor. -->
    <plist version="1.0">
    <dict>
      <key>Label</key>
      <string>the.label</string>
      <key>ProgramArguments</key>
      <array>
        <string>/usr/bin/node</string>
        <string>/opt/a b/claude-fallback.js</string>
        <string>start</string>
      </array>
      <key>EnvironmentVariables</key>
      <dict>
        <key>PATH</key>
        <string>/a&amp;b:&lt;c&gt;</string>
      </dict>
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
    "
  `)
})
