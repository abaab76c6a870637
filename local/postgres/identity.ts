import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** How to run a program as somebody whom PostgreSQL accepts: it refuses to run as root. */
export interface Identity {
  /** Program and arguments to put before the command; empty: run it directly. */
  prefix: readonly string[];
  /** For `spawn`. */
  credentials: { uid?: number; gid?: number };
  /** Who has to own the data directory, as this process sees user ids; null: whoever creates it. */
  owner: { uid: number; gid: number } | null;
}

const run = promisify(execFile);

/** `nobody` has an entry in every user database; initdb fails for a user id without one. */
const nobody = 65534;

const asIs: Identity = { prefix: [], credentials: {}, owner: null };

/** Tried in this order by root. The first two leave files that only root can reach (a project below /root) usable. */
export const identitiesForRoot: readonly Identity[] = [
  {
    // A namespace in which root is called nobody. Containers often forbid it.
    prefix: ['unshare', '--user', `--map-user=${nobody}`, `--map-group=${nobody}`],
    credentials: {},
    owner: { uid: 0, gid: 0 },
  },
  {
    // A real change of user that keeps the right to reach files. Without the secure bit access(2), with which
    // PostgreSQL looks for its own programs, would ignore that right.
    prefix: [
      'setpriv',
      '--securebits=+no_setuid_fixup',
      `--reuid=${nobody}`,
      `--regid=${nobody}`,
      '--clear-groups',
      '--inh-caps=+dac_override',
      '--ambient-caps=+dac_override',
    ],
    credentials: {},
    owner: { uid: nobody, gid: nobody },
  },
  { prefix: [], credentials: { uid: nobody, gid: nobody }, owner: { uid: nobody, gid: nobody } },
];

/**
 * The identity under which `program` can be run and write into `folder`. Whatever is tried, `prepare` is called first, to
 * give the folder to the identity's owner.
 *
 * @throws Error when this process is root and no other identity works.
 */
export async function chooseIdentity(
  program: string,
  folder: string,
  prepare: (identity: Identity) => void,
  candidates: readonly Identity[] = process.getuid?.() === 0 ? identitiesForRoot : [asIs],
): Promise<Identity> {
  if (candidates.includes(asIs)) return asIs;
  const reasons: string[] = [];
  for (const identity of candidates) {
    prepare(identity);
    const probe = 'set -e; "$1" --version; : > "$2/.probe"; rm "$2/.probe"';
    const [command = 'sh', ...args] = [...identity.prefix, 'sh', '-c', probe, 'probe', program, folder];
    try {
      await run(command, args, { ...identity.credentials, timeout: 10_000 });
      return identity;
    } catch (error) {
      reasons.push(error instanceof Error ? error.message.trim() : String(error));
    }
  }
  throw new Error(
    'PostgreSQL does not run as root, and no other identity could be taken on here. Run as an ordinary user, or keep the ' +
      `project in a folder that the user "nobody" can reach. Tried:\n${reasons.join('\n')}`,
  );
}
