import { defineConfig } from 'vitest/config'

/** Three suites: `unit` needs npm alone, `system` Debian packages, `real` the real Claude Code. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/system/**', 'test/real/**'],
          testTimeout: 30_000,
        },
      },
      { test: { name: 'system', include: ['test/system/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'real',
          include: ['test/real/**/*.test.ts'],
          // Makes the recordings of fixtures/screens anew.
          exclude: process.env.CLAUDEF_RECORD ? [] : ['test/real/screens.test.ts'],
          testTimeout: 90_000,
          maxWorkers: 2,
        },
      },
    ],
  },
})
