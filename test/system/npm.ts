import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from './claudef.ts'

/** npm without the words that an `npm run` around the tests has put into the environment; the user's own stay. */
const npmEnvironment = () => {
  const ofTheRun = /^(npm_(package|lifecycle|command|execpath|node_execpath|config_local_prefix)|INIT_CWD)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ofTheRun.test(name)))
}

/**
 * Runs npm in a folder and returns what it printed.
 * @throws {Error} with all that npm said, where it failed
 */
export const runNpm = (args: string[], cwd: string) => {
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--prefer-offline']
  const { status, stdout, stderr, error } = spawnSync('npm', [...args, ...quiet], {
    cwd,
    env: npmEnvironment(),
    encoding: 'utf8',
  })
  if (status !== 0)
    throw new Error(`npm ${args.join(' ')} failed (${status}): ${error}\n${stdout}\n${stderr}`)
  return stdout
}

/** The path of a Node.js of this version, from npm, in the repository's ignored cache. It is fetched once. */
export const installNode = (version: string) => {
  const folder = join(repository, '.cache/nodes', version)
  const name = `node-${process.platform}-${process.arch}`
  const path = join(folder, 'node_modules', name, 'bin/node')
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  runNpm(
    [
      'install',
      '--prefix',
      folder,
      '--ignore-scripts',
      '--no-save',
      '--no-package-lock',
      `${name}@${version}`,
    ],
    folder,
  )
  return path
}
