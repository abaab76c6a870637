import { type DatabaseOverride } from './model';

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
