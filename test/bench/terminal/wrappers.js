// The ways to have a program on a terminal, from none to claudef.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const claudef = fileURLToPath(new URL('../../../bin/claudef.js', import.meta.url))
const naive = fileURLToPath(new URL('naive.cjs', import.meta.url))

/**
 * @typedef {object} Wrapper
 * @property {string} name
 * @property {(program: string) => { file: string, args: string[], env: Record<string, string> }} wrap
 */

/**
 * The wrappers that this machine has, and the names of those that it has not.
 * @param {string} folder a private one
 * @returns {{ wrappers: Wrapper[], missing: string[] }}
 */
export function findWrappers(folder) {
  const home = path.join(folder, 'home')
  mkdirSync(home)
  writeFileSync(path.join(home, '.claude.json'), JSON.stringify({ oauthAccount: {} }))
  const env = {
    HOME: home,
    PATH: process.env.PATH ?? '',
    TERM: 'xterm-256color',
    LANG: 'C.UTF-8',
    BENCH: folder,
  }
  const simple = (file, args) => (program) => ({ file, args: args(program), env })
  const configuration = path.join(folder, 'tmux.conf')
  writeFileSync(configuration, 'set -g status off\nset -g escape-time 0\n')
  let session = 0
  const all = [
    { name: 'direct', wrap: (program) => ({ file: program, args: [], env }) },
    { name: 'script', needs: 'script', wrap: simple('script', (program) => ['-qefc', program, '/dev/null']) },
    {
      name: 'tmux',
      needs: 'tmux',
      wrap: simple('tmux', (program) => {
        session += 1
        return ['-S', path.join(folder, `tmux-${session}`), '-f', configuration, 'new-session', program]
      }),
    },
    {
      name: 'asciinema',
      needs: 'asciinema',
      wrap: simple('asciinema', (program) => ['rec', '-q', '--overwrite', '-c', program, `${folder}/cast`]),
    },
    { name: 'naive', wrap: simple(process.execPath, (program) => [naive, program]) },
    {
      name: 'claudef',
      wrap: (program) => ({
        file: process.execPath,
        args: [claudef],
        env: { ...env, CLAUDE_FALLBACK_CLAUDE: program },
      }),
    },
  ]
  const isMissing = ({ needs }) =>
    needs !== undefined && spawnSync('sh', ['-c', `command -v ${needs}`]).status !== 0
  return {
    wrappers: all.filter((wrapper) => !isMissing(wrapper)),
    missing: all.filter(isMissing).map(({ name }) => name),
  }
}
