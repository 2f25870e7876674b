import fs from 'node:fs'
import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'

/** A text as bytes, one character each: what is not ours comes back as it was, in whatever encoding. */
export function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** @throws with a sentence where the file is there and cannot be read; undefined where there is none */
export function readBytes(file: string): string | undefined {
  try {
    const stats = fs.statSync(file, { throwIfNoEntry: false })
    if (stats === undefined) return undefined
    // `.zshrc -> /dev/null` is how some turn it off: nothing could be kept there, and root would replace the device.
    if (!stats.isFile()) throw new Error(stats.isDirectory() ? 'it is a folder' : 'it is no file')
    return fs.readFileSync(file, 'latin1')
  } catch (error) {
    throw new Error(`${file} cannot be read: ${reasonOf(error)}`)
  }
}

/** A folder or a device holds nothing of ours. */
export function isFile(file: string): boolean {
  try {
    return fs.statSync(file).isFile()
  } catch {
    return false
  }
}

/** @throws with a sentence where `saveBytes` is bound to fail */
export function demandWritable(file: string): void {
  let place = resolveLinks(file)
  try {
    while (!fs.existsSync(place)) place = path.dirname(place)
    fs.accessSync(place, fs.constants.W_OK)
    if (place !== resolveLinks(file) && !fs.statSync(place).isDirectory())
      throw new Error(`${place} is no folder`)
  } catch (error) {
    throw new Error(`${file} cannot be written: ${reasonOf(error)}`)
  }
}

/**
 * Saves the file, whole or not at all; mode, owner and links stay. A new one is the user's to change alone (mode 644).
 * @throws with a sentence; the file is as it was
 */
export function saveBytes(file: string, bytes: string): void {
  const target = resolveLinks(file)
  const content = Buffer.from(bytes, 'latin1')
  try {
    fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 })
    const stats = fs.statSync(target, { throwIfNoEntry: false })
    if (stats === undefined) {
      return writeFileAtomic.sync(target, content, { mode: 0o644 & ~process.umask() })
    }
    if (!isReplaceable(stats)) return overwrite(target, content)
    try {
      writeFileAtomic.sync(target, content)
    } catch {
      // A folder that takes no new file, or a mount of this one file (containers).
      overwrite(target, content)
    }
  } catch (error) {
    throw new Error(`${file} cannot be written: ${reasonOf(error)}`)
  }
}

/** Removes what a link leads to and keeps the link; then the folder, where it is empty and `ownFolder` says that it is ours. */
export function removeFile(file: string, { ownFolder }: { ownFolder: boolean }): void {
  try {
    fs.rmSync(resolveLinks(file), { force: true })
  } catch (error) {
    throw new Error(`${file} cannot be removed: ${reasonOf(error)}`)
  }
  if (!ownFolder) return
  try {
    fs.rmdirSync(path.dirname(file))
  } catch {
    // Somebody has put something of theirs there.
  }
}

/** Another file in its place would lose its other names, or its owner. */
function isReplaceable({ nlink, uid }: fs.Stats): boolean {
  const self = process.geteuid?.()
  return nlink === 1 && (self === 0 || self === uid)
}

/** In place; what was there is put back where the disk is full. */
function overwrite(file: string, content: Buffer): void {
  const before = fs.readFileSync(file)
  const descriptor = fs.openSync(file, 'r+')
  try {
    writeAll(descriptor, content)
  } catch (error) {
    writeAll(descriptor, before)
    throw error
  } finally {
    fs.closeSync(descriptor)
  }
}

function writeAll(descriptor: number, content: Buffer): void {
  for (let done = 0; done < content.length; ) {
    done += fs.writeSync(descriptor, content, done, content.length - done, done)
  }
  fs.ftruncateSync(descriptor, content.length)
}

/** Where the file is or would be, through links that lead nowhere yet, too. */
function resolveLinks(file: string): string {
  try {
    return fs.realpathSync(file)
  } catch {
    const stats = fs.lstatSync(file, { throwIfNoEntry: false })
    if (!stats?.isSymbolicLink()) return file
    return resolveLinks(path.resolve(path.dirname(file), fs.readlinkSync(file)))
  }
}

/** `EACCES: permission denied, open '/etc/x'` without what a sentence says already. */
function reasonOf(error: unknown): string {
  const { message } = error as Error
  return /^E[A-Z]+: ([^,]+)/.exec(message)?.[1] ?? message
}
