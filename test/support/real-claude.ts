import { accessSync, constants } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The version that the real tests run; test/real/run.js installs it. */
const realClaudeVersion = '2.1.330'

const repository = fileURLToPath(new URL('../../', import.meta.url))

/**
 * The path of the real Claude Code in the repository's ignored cache. Throws where it is not installed, and
 * outside the namespace that test/real/run.js makes: it must not reach the network or a real account.
 */
export const findRealClaude = () => {
  requireNamespace()
  const modules = join(repository, '.cache', 'claude-code', realClaudeVersion, 'node_modules')
  const path = join(modules, '@anthropic-ai', `claude-code-${process.platform}-${process.arch}`, 'claude')
  try {
    accessSync(path, constants.X_OK)
  } catch {
    throw new Error(
      `No Claude Code ${realClaudeVersion} at ${path}: run 'npm run test:real', which installs it`,
    )
  }
  return path
}

const requireNamespace = () => {
  const outward = Object.values(networkInterfaces())
    .flat()
    .filter((address) => !address?.internal)
  if (process.env.CLAUDEF_TEST_NAMESPACE === '1' && outward.length === 0) return
  throw new Error(
    "The real Claude Code runs only where nothing can leave the machine: use 'npm run test:real'",
  )
}
