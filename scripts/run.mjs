// Builds the project and runs one of its entry points in this very process: `node scripts/run.mjs local/start --fresh`.
// One process, because a shell between npm and the program would hide from it that npm was killed.
import { createRequire } from 'node:module';
import './build.mjs';

const [entry, ...args] = process.argv.slice(2);
const file = new URL(`../dist/${entry}.js`, import.meta.url);
process.argv = [process.argv[0], file.pathname, ...args];
createRequire(import.meta.url)(file.pathname);
