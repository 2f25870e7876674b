// Runs the suite `real`: installs the real Claude Code into the ignored cache, then starts vitest in a
// network namespace that has nothing but loopback, and in a mount namespace of its own, for small disks that are to be
// full. Arguments are file filters; with `--full` the faults that take long are tried too.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const version = '2.1.330'
const repository = fileURLToPath(new URL('../../', import.meta.url))
const cache = `${repository}.cache/claude-code/${version}`
const claude = `${cache}/node_modules/@anthropic-ai/claude-code-${process.platform}-${process.arch}/claude`

const main = (filters) => {
  if (process.platform !== 'linux') return fail('it needs network namespaces, which only Linux has')
  for (const [program, packageName] of [
    ['ip', 'iproute2'],
    ['unshare', 'util-linux'],
    ['tmux', 'tmux'],
    ['strace', 'strace'],
  ]) {
    if (!isInstalled(program))
      return fail(`the program '${program}' is missing: install the package ${packageName}`)
  }
  if (!existsSync(claude) && !installClaude()) {
    return fail(`Claude Code ${version} could not be installed into ${cache}: see npm's words above`)
  }
  return runIsolated(filters)
}

const fail = (reason) => {
  console.error(`The tests on the real Claude Code cannot run: ${reason}.`)
  return 1
}

const isInstalled = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

/** The program is a native binary in an optional package of its own; npm's install scripts are not needed. */
const installClaude = () => {
  console.log(`Installing Claude Code ${version} (380 MB) into .cache, once…`)
  mkdirSync(cache, { recursive: true })
  const options = [
    '--prefix',
    cache,
    '--ignore-scripts',
    '--no-save',
    '--no-package-lock',
    '--no-audit',
    '--no-fund',
  ]
  spawnSync('npm', ['install', ...options, `@anthropic-ai/claude-code@${version}`], {
    cwd: cache,
    stdio: 'inherit',
  })
  return existsSync(claude)
}

const runIsolated = (words) => {
  const isFull = words.includes('--full')
  const filters = words.filter((word) => word !== '--full')
  // Only root may make a namespace; others do it as root of a user namespace of their own.
  const unshareOptions = process.getuid() === 0 ? ['-n', '-m'] : ['-r', '-n', '-m']
  const inside = 'ip link set lo up && exec "$0" "$@"'
  const vitest = [
    `${repository}node_modules/vitest/vitest.mjs`,
    ...['run', '--config', 'test/vitest.config.ts', '--project', 'real', ...filters],
  ]
  const { status, error } = spawnSync(
    'unshare',
    [...unshareOptions, 'sh', '-c', inside, process.execPath, ...vitest],
    {
      cwd: repository,
      stdio: 'inherit',
      env: { ...process.env, CLAUDEF_TEST_NAMESPACE: '1', ...(isFull && { CLAUDEF_TEST_FULL: '1' }) },
    },
  )
  if (error) return fail(error.message)
  return status ?? 1
}

process.exitCode = main(process.argv.slice(2))
