import xterm from '@xterm/headless'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { truncate, widthOf } from '../../src/core/text-width.ts'

describe('widthOf', () => {
  test.each([
    ['', 0],
    ['API billing · $0.42', 19],
    ['⚠ × … ⠋', 7],
    ['漢字', 4],
    ['ｱｲ', 2],
    ['한글', 4],
    ['Ａ￥', 4],
    ['🚀', 2],
    ['𠀀', 2],
    ['a漢b', 4],
  ])('%j takes %i columns', (text, columns) => {
    expect(widthOf(text)).toBe(columns)
  })

  test('is what a real terminal takes at most', async () => {
    const characters = fc.array(fc.constantFrom(...'aé·…⚠×⠋漢あｱ한Ａ⌚🚀𠀀￥'), {
      minLength: 1,
      maxLength: 30,
    })
    await fc.assert(
      fc.asyncProperty(characters, async (all) => {
        const text = all.join('')
        const terminal = new xterm.Terminal({ cols: 200, rows: 2, allowProposedApi: true })
        await new Promise<void>((resolve) => terminal.write(text, resolve))
        expect(terminal.buffer.active.cursorX).toBeLessThanOrEqual(widthOf(text))
        terminal.dispose()
      }),
      { numRuns: 50 },
    )
  })
})

describe('truncate', () => {
  test.each([
    ['resets 4:13pm', 13, 'resets 4:13pm'],
    ['resets 4:13pm', 12, 'resets 4:13…'],
    ['resets', 2, 'r…'],
    ['resets', 1, '…'],
    ['resets', 0, ''],
    ['resets', -5, ''],
    ['', 0, ''],
    ['漢字', 4, '漢字'],
    // The wide one does not fit beside the ellipsis.
    ['漢字', 3, '漢…'],
    ['漢字', 2, '…'],
    ['a🚀b', 3, 'a…'],
  ])('%j to %i columns is %j', (text, columns, cut) => {
    expect(truncate(text, columns)).toBe(cut)
  })

  test('is never wider, and cuts nothing that fits', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.integer({ min: 0, max: 60 }),
        (text, columns) => {
          const cut = truncate(text, columns)
          expect(widthOf(cut)).toBeLessThanOrEqual(columns)
          expect(cut === text).toBe(widthOf(text) <= columns)
          if (cut !== text) expect(text.startsWith(cut.replace(/…$/, ''))).toBe(true)
        },
      ),
    )
  })
})
