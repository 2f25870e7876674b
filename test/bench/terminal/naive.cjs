// What a first attempt at a wrapper around a terminal program looks like.
const pty = require('node-pty')

const [file, ...args] = process.argv.slice(2)
const { stdin, stdout } = process
const child = pty.spawn(file, args, {
  name: process.env.TERM,
  cols: stdout.columns,
  rows: stdout.rows,
  cwd: process.cwd(),
  env: process.env,
})

stdin.setRawMode(true)
stdin.on('data', (data) => child.write(data))
child.onData((data) => stdout.write(data))
stdout.on('resize', () => child.resize(stdout.columns, stdout.rows))
child.onExit(({ exitCode }) => {
  stdin.setRawMode(false)
  process.exit(exitCode)
})
