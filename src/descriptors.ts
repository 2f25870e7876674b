import fs from 'node:fs'
import path from 'node:path'

/** An argument that ends in the path of a descriptor which our caller has opened for the program it starts. */
export type NamedDescriptor = { descriptor: number; before: string; stat: fs.Stats }

/** Finds `/dev/fd/N` and `/proc/self/fd/N`, as a shell writes them for `<(…)`, alone or after `--option=`. */
export function findDescriptor(arg: string): NamedDescriptor[] {
  const [, before = '', number] = /^(.*?)\/(?:dev|proc\/self)\/fd\/(\d+)$/s.exec(arg) ?? []
  const descriptor = Number(number ?? 0)
  if (descriptor < 3) return []
  try {
    return [{ descriptor, before, stat: fs.fstatSync(descriptor) }]
  } catch {
    return []
  }
}

/**
 * Makes arguments that name descriptors hold for every child of the session, which gets none of ours: what comes
 * through a pipe is copied to a file (mode 600), for it can be read only once; all else is named by way of our own
 * process where the system allows that (Linux).
 * @param folder makes the private folder for the files
 */
export function replaceDescriptors(args: readonly string[], folder: () => string): string[] {
  const copies = new Map<number, string>()
  return args.map((arg) => {
    const [found] = findDescriptor(arg)
    if (found === undefined) return arg
    const { descriptor, before, stat } = found
    const isStream = stat.isFIFO() || stat.isSocket()
    const copy = copies.get(descriptor) ?? (isStream ? copyStream(descriptor, folder) : undefined)
    if (copy !== undefined) {
      copies.set(descriptor, copy)
      return before + copy
    }
    return process.platform === 'linux' ? `${before}/proc/${process.pid}/fd/${descriptor}` : arg
  })
}

/** Reads to the end, as the program itself would have done. `undefined` for the writing end of a pipe. */
function copyStream(descriptor: number, folder: () => string): string | undefined {
  try {
    const content = fs.readFileSync(descriptor)
    const file = path.join(folder(), `fd-${descriptor}`)
    fs.writeFileSync(file, content, { mode: 0o600 })
    return file
  } catch {
    return undefined
  }
}
