import { type Script } from '../../packages/model';
import { type DatabaseOverride } from '../../targets/model';
import { resolveDatabase } from '../../targets/resolve';
import { type NumberedScript } from './plan';

/** The scripts of a package that go to one database of the target. */
export interface DatabaseScripts {
  database: string;
  scripts: NumberedScript[];
}

/**
 * Which database each script goes to, grouped by database in the order in which locks are taken. That order is by name, so
 * that two builds of the same databases cannot wait for each other in a circle.
 */
export function groupByDatabase(scripts: readonly Script[], overrides: readonly DatabaseOverride[]): DatabaseScripts[] {
  const groups = new Map<string, DatabaseScripts>();
  for (const [index, script] of scripts.entries()) {
    const database = resolveDatabase(script.database, overrides);
    const group = groups.get(database.toLowerCase()) ?? { database, scripts: [] };
    groups.set(database.toLowerCase(), group);
    group.scripts.push({ script, sequence: index + 1 });
  }
  return [...groups.values()].sort((left, right) => compare(left.database.toLowerCase(), right.database.toLowerCase()));
}

/** By code unit: the same on every machine, whatever its locale. */
function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
