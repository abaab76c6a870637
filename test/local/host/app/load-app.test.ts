import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { buildSync } from 'esbuild';

/** Jest has a `require` of its own, so what replaces the one of Node is tried in processes of their own. */
let folder: string;
const children: ChildProcess[] = [];

const app = `
const { app } = require('@azure/functions');
app.get('hello', async (request) => ({ body: 'hello ' + request.query.get('name') }));
app.timer('tick', { schedule: '0 0 0 1 1 *', runOnStartup: true, handler: (timer) => console.log('tick ' + timer.scheduleStatus?.last) });
`;
const main = `
import { randomUUID } from 'node:crypto';
import { loadApp } from './local/host/app/load-app';
import { createFunctionsHost } from './local/host/functions-host';
import { systemClock } from './lib/platform/clock';

async function main() {
  const [folder, entry] = process.argv.slice(2);
  const app = await loadApp({ folder, entry });
  const host = createFunctionsHost({
    app, hostJsonFile: folder + '/host.json', settings: process.env, stateFolder: folder + '/state', port: 0,
    keys: { master: 'm', function: 'f', system: 's' }, clock: systemClock, newId: randomUUID, log: () => undefined,
  });
  const { baseUrl } = await host.start();
  console.log(baseUrl);
  await loadApp({ folder, entry }).catch((error) => console.log(error.message));
}
main().catch((error) => { console.log(error.message); process.exit(1); });
`;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sqlfleet-app-'));
  mkdirSync(join(folder, 'dist'));
  writeFileSync(join(folder, 'package.json'), '{"main":"dist/index.js"}');
  writeFileSync(join(folder, 'host.json'), '{"version":"2.0"}');
  writeFileSync(join(folder, 'dist/index.js'), app);
  writeFileSync(join(folder, 'dist/empty.js'), '');
  buildSync({
    stdin: { contents: main, resolveDir: resolve('.'), loader: 'ts' },
    outfile: join(folder, 'host.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    packages: 'external',
  });
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** Starts the host and gives its output, line by line. */
function run(...entry: string[]): { child: ChildProcess; line: () => Promise<string> } {
  const env = { ...process.env, NODE_PATH: resolve('node_modules') };
  const child = spawn(process.execPath, [join(folder, 'host.js'), folder, ...entry], { env });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, line: async () => String((await lines.next()).value) };
}

test('a compiled app runs in a process, survives that it is killed, and is the only one there', async () => {
  const first = run();
  expect(await first.line()).toMatch(/^tick 0001-01-01/);
  const baseUrl = await first.line();
  expect(await (await fetch(`${baseUrl}/api/hello?name=you`)).text()).toBe('hello you');
  expect(await first.line()).toMatch(/^This process has loaded the app .*index\.js already/);
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');

  const second = run();
  expect(await second.line()).toMatch(/^tick /);
  expect(await (await fetch(`${await second.line()}/api/hello?name=you`)).text()).toBe('hello you');
});

test('an app that is missing, or registers nothing, is told apart', async () => {
  expect(await run('dist/nothing.js').line()).toMatch(/entry .*dist\/nothing\.js does not exist\. Is it built\?/);
  expect(await run('dist/empty.js').line()).toBe(
    'The app registered no function through @azure/functions (programming model v4).',
  );
});
