import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { claudef, fakeClaude } from '../support/claudef.ts'
import { openOwnScreen, readIfAny, setUp } from './claudef.ts'

type Place = 'home' | 'tmp' | 'everything'
type Trouble = 'full' | 'read-only' | 'without a free inode'

/** What makes a small disk of its own, with what was in the folder before, into trouble. */
const troubles: Record<Trouble, string> = {
  full: 'dd if=/dev/zero of="$place/filler" bs=1k 2>/dev/null || :',
  // Busy while a hook writes its message.
  'read-only': 'until mount -o remount,ro "$place" 2>/dev/null; do sleep 0.02; done',
  'without a free inode': 'while mkdir "$place/$((n += 1))" 2>/dev/null; do :; done',
}

const cases: [Place[], Trouble][] = [
  [['tmp'], 'full'],
  [['tmp'], 'read-only'],
  [['tmp'], 'without a free inode'],
  [['home'], 'full'],
  [['home'], 'read-only'],
  [['home', 'tmp'], 'full'],
  [['home', 'tmp'], 'read-only'],
  // The system's folder for temporary files as well, should claudef fall back to it.
  [['everything'], 'read-only'],
]

describe.skipIf(process.platform !== 'linux' || process.getuid?.() !== 0)('on a disk (needs root)', () => {
  test.each(cases)('with %s %s, Claude Code works as without claudef', async (places, trouble) => {
    const home = setUp({ env: { CLAUDE_FALLBACK_AUTO_RESTART: '1' } })
    const seen: string[] = []
    for (const program of [[fakeClaude], [process.execPath, claudef]]) {
      const screen = await openOnDisk(home, { places, trouble, program })
      await screen.waitFor('auto mode on')
      await screen.submit('say hello there')
      await screen.waitFor('● hello there')
      await screen.waitFor((text) => text.includes('Worked for') && !text.includes('esc to interrupt'))
      seen.push(screen.text())
      await screen.submit('exit 7')
      const { code } = await screen.exit
      expect(code).toBe(7)
      expect(screen.attributes().after).toBe(screen.attributes().before)
      seen.push(screen.text())
    }
    const [bare, bareAtTheEnd, wrapped, wrappedAtTheEnd] = seen
    expect(wrapped).toBe(bare)
    expect(withoutIds(wrappedAtTheEnd)).toBe(withoutIds(bareAtTheEnd))
  })

  test.each(['full', 'read-only'] as const)(
    'that has become %s, claudef ends with Claude Code',
    async (trouble) => {
      const { screen } = await openAndTrouble(trouble)
      await screen.submit('exit 7')
      expect((await screen.exit).code).toBe(7)
      expect(screen.modes().buffer).toBe('normal')
    },
  )

  test('that is full when the limit is met, the session goes on with the key', async () => {
    const { screen } = await openAndTrouble('full')
    await screen.submit('limit')
    await screen.waitFor('Continue where you left off. (via API)')
  })

  test('that is read-only when the limit is met, the session goes on, and the log says why without the key', async () => {
    const { screen, home } = await openAndTrouble('read-only')
    await screen.submit('limit')
    await expect.poll(() => readIfAny(join(home, '.claude_fallback_error.log'))).toContain('EROFS')
    await screen.submit('say still here')
    await screen.waitFor('● still here')
    await screen.waitFor('❯ limit')
    await screen.submit('exit 7')
    expect((await screen.exit).code).toBe(7)
  })
})

/** A session whose disk for temporary files comes into trouble once it has begun. */
const openAndTrouble = async (trouble: Trouble) => {
  const setup = setUp({ env: { CLAUDE_FALLBACK_AUTO_RESTART: '1' } })
  const program = [process.execPath, claudef]
  const screen = await openOnDisk(setup, { places: ['tmp'], trouble: undefined, program })
  await screen.waitFor('auto mode on')
  const inside = ['-t', String(screen.pid()), '-m', 'sh', '-c', `place=$1\n${troubles[trouble]}`, 'sh']
  execFileSync('nsenter', [...inside, setup.env.TMPDIR ?? ''], { timeout: 10_000 })
  return { screen, home: setup.home }
}

type Disk = { places: Place[]; trouble: Trouble | undefined; program: string[] }

/** Runs a program where the home, or the folder for temporary files, is a disk of 64 KiB that nobody else sees. */
const openOnDisk = ({ root, cwd, env }: ReturnType<typeof setUp>, { places, trouble, program }: Disk) => {
  const script = `
if [ ${places[0]} = everything ]; then
  place='${tmpdir()}'
  mount --bind "$place" "$place"
  mount -o remount,bind,ro "$place"
else for place in ${places.map((place) => `'${root}/${place}'`).join(' ')}; do
  cp -a "$place" "$place.before"
  mount -t tmpfs -o size=64k,nr_inodes=64 none "$place"
  cp -a "$place.before/." "$place"
  rm -r "$place.before"
  ${trouble === undefined ? '' : troubles[trouble]}
done; fi
cd "$PWD"
exec "$@"`
  const args = ['-m', 'sh', '-c', script, 'sh', ...program]
  return openOwnScreen({ file: 'unshare', args, cwd, env, compareTermios: true })
}

const withoutIds = (text: string | undefined) => text?.replace(/--resume \S+/, '--resume <id>')
