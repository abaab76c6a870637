import { type InputProblem } from '../platform/errors';
import { createProblemList } from '../platform/problems';
import { targetLimits } from './limits';
import { type DatabaseOverride, type Target } from './model';
import { checkDatabase, type Checked } from './names';

/**
 * The database that a script runs in, found as the predecessor does: a script without a database runs in the first
 * override's target; otherwise the first override whose default is that name decides, in any letter case; and where
 * there is none, the script's own name is taken, so that `server:db1` does not redirect a script for `client`.
 *
 * @param scriptDatabase '' when the script names none
 */
export function resolveDatabase(scriptDatabase: string, overrides: readonly DatabaseOverride[]): string {
  if (scriptDatabase === '') return overrides[0]?.target ?? '';
  const wanted = scriptDatabase.toLowerCase();
  return overrides.find((override) => override.default.toLowerCase() === wanted)?.target ?? scriptDatabase;
}

/**
 * Checks the databases that the scripts of a package will really run in. Targets are checked when they are read; but a
 * script whose database no override names runs in a database of that very name, which may be `master`. One problem per
 * database, on the first line concerned.
 */
export function checkResolution(
  scriptDatabases: Iterable<string>,
  targets: Iterable<Pick<Target, 'overrides' | 'line'>>,
): InputProblem[] {
  const wanted = [...new Map([...scriptDatabases].map((name) => [name.toLowerCase(), name])).values()];
  const checked = new Map<string, Checked<string>>();
  const refused = new Map<string, { reason: string; code: string; line: number; count: number }>();
  for (const { overrides, line } of targets) {
    for (const name of wanted) {
      const database = resolveDatabase(name, overrides);
      const verdict = checked.get(database) ?? checkDatabase(database);
      checked.set(database, verdict);
      if (verdict.ok) continue;
      const known = refused.get(database);
      if (known === undefined) refused.set(database, { reason: verdict.reason, code: verdict.code, line, count: 1 });
      else known.count += 1;
    }
  }
  const problems = createProblemList(targetLimits.problems, 'targets.more');
  for (const { reason, code, line, count } of refused.values()) {
    const message = `A script would run there, because no override names it: ${reason} (${count} ${count === 1 ? 'target' : 'targets'})`;
    problems.add(code, message, null, line);
  }
  return problems.list();
}
