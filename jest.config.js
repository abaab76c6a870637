'use strict';

/** Tests run the TypeScript sources directly; type-checking is its own step (`npm run check:types`). */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  collectCoverageFrom: ['functions/**/*.ts', 'lib/**/*.ts', 'local/**/*.ts', 'cli/**/*.ts', '!**/*.d.ts'],
  coverageReporters: ['text-summary', 'lcov'],
  coverageProvider: 'v8',
  maxWorkers: 2,
  // No test judges by the clock: this only ends what hangs, and a loaded machine is slow.
  testTimeout: 120_000,
};
