/**
 * Asks the system's keyring: `read`, `save` (the key on the first line of stdin) or `remove`. Prints the answer as
 * JSON. Its stdin stays open for as long as somebody waits for it.
 *
 * The library blocks the thread it is called on, so that is a second one: the first sees its caller go, even by
 * SIGKILL, and ends what a thread that is blocked could not end.
 */
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { KeyringAnswer } from './keyring.ts'

type Question = { verb: string | undefined; key: string }

if (isMainThread) await askOnThread(process.argv[2])
else parentPort?.postMessage(await askKeyring(workerData as Question))

async function askOnThread(verb: string | undefined): Promise<void> {
  let input = ''
  process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL'))
  for (process.stdin.setEncoding('utf8'); !input.includes('\n'); )
    input += (await once(process.stdin, 'data'))[0]
  const question: Question = { verb, key: input.trim() }
  const worker = new Worker(new URL(import.meta.url), { workerData: question })
  const [answer] = await once(worker, 'message')
  process.stdout.write(JSON.stringify(answer))
  process.stdin.destroy()
}

async function askKeyring({ verb, key }: Question): Promise<KeyringAnswer> {
  try {
    // Fails where there is no native module for the system.
    const { AsyncEntry } = await import('@napi-rs/keyring')
    // On Linux it would else take the kernel's keyring, which forgets when the user leaves.
    const entry = new AsyncEntry('claude-fallback', 'api_key', { linux: { store: 'secret-service' } })
    if (verb === 'save') {
      await entry.setPassword(key)
      return { type: 'done' }
    }
    if (verb === 'remove') return { type: (await entry.deleteCredential()) ? 'done' : 'none' }
    const found = await entry.getPassword()
    return found === null ? { type: 'none' } : { type: 'key', key: found }
  } catch (error) {
    return { type: 'unavailable', reason: String((error as Error).message).split('\n', 1)[0] ?? '' }
  }
}
