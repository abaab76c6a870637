import { isIP } from 'node:net';
import { type InputProblem } from '../platform/errors';
import { createProblemList } from '../platform/problems';
import { targetLimits } from './limits';
import { type Target } from './model';

/**
 * Checks that every target is on a server that builds may log in to. A login hands over credentials or a token, so a
 * server that somebody else runs must never be reached. One problem per server, on its first line.
 *
 * @param allowedSuffixes `host` allows exactly that host, `.suffix` every host that ends in it; letter case is ignored.
 *   An IP address is allowed only by its own entry.
 */
export function checkServers(
  targets: Iterable<Pick<Target, 'server' | 'line'>>,
  allowedSuffixes: readonly string[],
): InputProblem[] {
  const allowed = allowedSuffixes
    .map((entry) =>
      entry
        .trim()
        .toLowerCase()
        .replace(/^\[(.*)\]$/, '$1'),
    )
    .filter((entry) => entry !== '' && entry !== '.');
  const refused = new Map<string, { line: number; count: number }>();
  const accepted = new Set<string>();
  for (const { server, line } of targets) {
    const known = refused.get(server);
    if (known !== undefined) known.count += 1;
    else if (!accepted.has(server)) {
      if (isAllowed(server, allowed)) accepted.add(server);
      else refused.set(server, { line, count: 1 });
    }
  }
  const problems = createProblemList(targetLimits.problems, 'targets.more');
  for (const [server, { line, count }] of refused) {
    const message = `${server} is not among the servers that builds may reach, which the setting SQLFLEET_SQL_ALLOWED_SERVERS lists (${count} ${count === 1 ? 'target' : 'targets'}).`;
    problems.add('targets.server.notAllowed', message, null, line);
  }
  return problems.list();
}

function isAllowed(server: string, allowed: readonly string[]): boolean {
  const name = server.toLowerCase();
  if (!/^[a-z0-9._:-]+$/.test(name)) return false;
  return allowed.some((entry) =>
    entry.startsWith('.') && isIP(name) === 0 ? name.endsWith(entry) && name.length > entry.length : name === entry,
  );
}
