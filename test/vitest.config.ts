import { defineConfig } from 'vitest/config'

/** A busy machine may need long for what takes some ms: a test fails by what it waits for, not by the clock. */
const patience = {
  testTimeout: 180_000,
  hookTimeout: 60_000,
  expect: { poll: { timeout: 40_000, interval: 20 } },
}

/** Three suites: `unit` needs npm alone, `system` Debian packages, `real` the real Claude Code. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/system/**', 'test/real/**'],
          ...patience,
        },
      },
      { test: { name: 'system', include: ['test/system/**/*.test.ts'], ...patience } },
      {
        test: {
          name: 'real',
          include: ['test/real/**/*.test.ts'],
          // Makes the recordings of fixtures/screens anew.
          exclude: process.env.CLAUDEF_RECORD ? [] : ['test/real/screens.test.ts'],
          ...patience,
          maxWorkers: 2,
        },
      },
    ],
  },
})
