// npm run bench -- NAME […]: runs one bench, a module of this folder that exports `run(args)`.
import { readdirSync } from 'node:fs'

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.js'))
  .map((file) => file.replace(/\.js$/, ''))
  .filter((name) => name !== 'run' && !name.includes('.'))
const [name, ...args] = process.argv.slice(2)
if (name === undefined || !names.includes(name)) {
  console.error(`Usage: npm run bench -- ${names.join('|')}`)
  process.exitCode = 2
} else {
  const bench = await import(`./${name}.js`)
  await bench.run(args)
}
