#!/usr/bin/env node
// The command `sqlfleet` of a clone (`npx sqlfleet`): builds what it runs, so that it is never older than the sources.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

if (existsSync(new URL('../cli/sqlfleet.ts', import.meta.url))) await import('./build.mjs');
createRequire(import.meta.url)('../dist/cli/sqlfleet.js');
