import { type Environment } from '../binder/environment';
import { type ForeignKeyDefinition, type TableDefinition } from './definitions';

type Edge = Pick<ForeignKeyDefinition, 'referencedId' | 'onDelete' | 'onUpdate'>;

/**
 * Whether a new foreign key would let one DELETE or one UPDATE reach a table twice. SQL Server refuses that (1785), even
 * where no row ever takes both ways; PostgreSQL does not mind.
 */
export function repeatsCascade(table: TableDefinition, key: Edge, environment: Environment): boolean {
  return (['onDelete', 'onUpdate'] as const).some((event) => {
    if (key[event] === 'NO_ACTION') return false;
    const tableOf = (id: number): TableDefinition | null => {
      const found = id === table.id ? table : environment.findById(id);
      return found?.kind === 'table' ? found : null;
    };
    /** Tables that a change of this one reaches; `up`: tables whose change reaches this one. */
    const reach = (from: number, up: boolean, seen = new Set<number>()): Set<number> => {
      if (seen.has(from)) return seen;
      seen.add(from);
      const next = up
        ? (tableOf(from)?.foreignKeys ?? [])
            .filter((other) => other[event] !== 'NO_ACTION')
            .map((other) => other.referencedId)
        : [...(tableOf(from)?.referencedBy ?? []), { tableId: table.id }].flatMap(({ tableId }) => {
            const keys = tableOf(tableId)?.foreignKeys ?? [];
            return keys.some((other) => other.referencedId === from && other[event] !== 'NO_ACTION') ? [tableId] : [];
          });
      for (const id of next) reach(id, up, seen);
      return seen;
    };
    const below = reach(table.id, false);
    return [...reach(key.referencedId, true)].some((ancestor) => {
      if (below.has(ancestor)) return true;
      return [...reach(ancestor, false)].some((id) => id !== ancestor && below.has(id));
    });
  });
}
