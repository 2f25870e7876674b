/**
 * Claude Code's `apiKeyHelper`: prints the API key that claudef serves on the Unix socket named by the one argument.
 * A program of its own, so that it starts fast.
 */
import net from 'node:net'

const connection = net.connect(process.argv[2] ?? '')
connection.pipe(process.stdout)
connection.on('error', (error: NodeJS.ErrnoException) => {
  process.stderr.write(
    `claudef no longer serves the API key (${error.code}): this session's claudef has ended.\n`,
  )
  process.exitCode = 1
})
