import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const lockSchema = z.object({
  packages: z.record(z.string(), z.object({ optionalDependencies: z.record(z.string(), z.string()).optional() })),
});

/** As Node looks for a package: beside the one that wants it, then one level up, and so on. */
function isLocked(packages: Record<string, unknown>, from: string, name: string): boolean {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (`${folder === '' ? '' : `${folder}/`}node_modules/${name}` in packages) return true;
    if (folder === '') return false;
  }
}

describe('the lock file', () => {
  it('names the binaries of every platform, without which `npm ci` refuses a clean clone', () => {
    const { packages } = lockSchema.parse(JSON.parse(readFileSync(join(__dirname, '..', 'package-lock.json'), 'utf8')));
    const missing = Object.entries(packages).flatMap(([from, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => !isLocked(packages, from, name))
        .map((name) => `${from} needs ${name}`),
    );
    expect(missing).toEqual([]);
  });
});
