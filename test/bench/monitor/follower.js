// One way to follow all transcripts, in a process of its own: node follower.js NAME CONFIG_DIR. Tells its parent
// when it is ready and when each row came.
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'

const MARKER = '"isApiErrorMessage":true'
const CHUNK_BYTES = 65_536
const [name, configDir = ''] = process.argv.slice(2)

const tell = (message) => process.send?.(message)

/** Rows of the bench carry a number. */
const take = (line) => {
  const at = String(process.hrtime.bigint())
  const id = /"benchRow":(\d+)/.exec(line)?.[1]
  if (id !== undefined) tell({ type: 'row', id: Number(id), at })
}

const FOLLOWERS = {
  ours: async () => {
    const { followProjects } = await import('../../../dist/follow-projects.js')
    const onError = (error) => tell({ type: 'error', message: error.message })
    const follower = followProjects({ configDirs: [configDir], contains: [MARKER], onLine: take, onError })
    await follower.ready
    return follower.stats()
  },
  'tail-file': async () => {
    const { default: Tail } = await import('tail-file')
    const files = listTranscripts(join(configDir, 'projects'))
    await Promise.all(
      files.map(async (file) => {
        const tail = new Tail(file)
        tail.on('error', (error) => tell({ type: 'error', message: error.message }))
        tail.on('line', (line) => {
          if (line.includes(MARKER)) take(line)
        })
        await tail.startP()
      }),
    )
    return { files: files.length, watchers: files.length }
  },
  'poll 2 s': async () => {
    const sizes = new Map()
    const look = (isFirst) => {
      for (const file of listTranscripts(join(configDir, 'projects'))) {
        const { size } = statSync(file)
        const from = sizes.get(file) ?? (isFirst ? size : 0)
        sizes.set(file, from < size ? from + readLines(file, from) : size)
      }
    }
    look(true)
    setInterval(look, 2000)
    return { files: sizes.size, watchers: 0 }
  },
}

function listTranscripts(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? listTranscripts(path) : path
  })
}

/** Returns how many bytes made whole lines. */
function readLines(file, from) {
  const fd = openSync(file)
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - from))
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      readSync(fd, bytes, at, Math.min(CHUNK_BYTES, bytes.length - at), from + at)
    }
    const whole = bytes.subarray(0, bytes.lastIndexOf(10) + 1)
    for (const line of whole.toString().split('\n')) if (line.includes(MARKER)) take(line)
    return whole.length
  } finally {
    closeSync(fd)
  }
}

// Nothing of ours keeps the process alive; it ends with its parent.
setInterval(() => {}, 2 ** 30)
process.on('disconnect', () => process.exit())
tell({ type: 'ready', ...(await FOLLOWERS[name]()) })
