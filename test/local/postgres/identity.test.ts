import { execFile } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findBinaries } from '../../../local/postgres/binaries';
import { chooseIdentity, identitiesForRoot } from '../../../local/postgres/identity';

const asRoot = process.getuid?.() === 0 ? describe : describe.skip;
const { initdb, postgres } = findBinaries();

asRoot('every identity that root can take on', () => {
  for (const [index, identity] of identitiesForRoot.entries()) {
    const name = identity.prefix[0] ?? 'nobody';
    test(`${name} can create a database cluster, or is found unfit beforehand`, async () => {
      // The first two reach what only root can; the last needs a folder that is open to all.
      const folder = mkdtempSync(join(index < 2 ? homedir() : tmpdir(), '.sqlfleet-test-'));
      try {
        const give = (): void => {
          if (identity.owner !== null) chownSync(folder, identity.owner.uid, identity.owner.gid);
        };
        const chosen = await chooseIdentity(postgres, folder, give, [identity]).catch(() => null);
        if (chosen === null) return;
        const [command = initdb, ...args] = [...identity.prefix, initdb, '-D', join(folder, 'data'), '--no-sync'];
        const { stdout } = await promisify(execFile)(command, args, { ...identity.credentials, cwd: folder });
        expect(stdout).toContain('Success');
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }

  test('when none works the reasons are told', async () => {
    const hopeless = { prefix: ['no-such-program'], credentials: {}, owner: null };
    await expect(chooseIdentity(postgres, tmpdir(), () => undefined, [hopeless])).rejects.toThrow(
      /no-such-program[^]*ENOENT/,
    );
  });
});
