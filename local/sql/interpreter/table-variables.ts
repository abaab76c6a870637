import { type TableDefinition } from '../catalog/definitions';
import { literal } from '../emitter/typed';
import { type Runtime } from './runtime';
import { type Text } from './values';

/** How a table variable was made, to make it again. */
const recipes = new WeakMap<TableDefinition, readonly string[]>();

export function rememberTableVariable(table: TableDefinition, create: readonly string[]): void {
  recipes.set(table, create);
}

/**
 * ROLLBACK does not touch table variables, which scripts rely on to carry error reports out of a transaction. In PostgreSQL
 * they are temporary tables and would be rolled back: so their rows are read before, and written again after.
 *
 * @returns what to do after the rollback.
 */
export async function keepTableVariables(runtime: Pick<Runtime, 'state' | 'run'>): Promise<() => Promise<void>> {
  const kept: { table: TableDefinition; create: readonly string[]; rows: Text[][] }[] = [];
  for (const frame of runtime.state.frames) {
    for (const table of frame.tables.values()) {
      const create = recipes.get(table);
      if (create === undefined) continue;
      const [result] = await runtime.run(
        `SELECT ${storedColumns(table)
          .map((column) => `c${column.id}`)
          .join(', ')} FROM ${table.physical}`,
      );
      kept.push({ table, create, rows: result?.rows ?? [] });
    }
  }
  return async () => {
    for (const { table, create, rows } of kept) {
      const columns = storedColumns(table);
      const values = rows.map(
        (row) => `(${row.map((value, index) => literal(value, columns[index]?.type ?? { name: 'int' })).join(', ')})`,
      );
      const fill =
        rows.length === 0
          ? []
          : [
              `INSERT INTO ${table.physical} (${columns.map((column) => `c${column.id}`).join(', ')}) VALUES ${values.join(', ')}`,
            ];
      const identity = columns.find((column) => column.identity !== null);
      const sequence =
        identity === undefined || rows.length === 0
          ? []
          : [`SELECT setval('${table.physical.replace('.v', '.s')}', max(c${identity.id})) FROM ${table.physical}`];
      await runtime.run([`DROP TABLE IF EXISTS ${table.physical}`, ...create, ...fill, ...sequence].join(';'));
    }
  };
}

const storedColumns = (table: TableDefinition): TableDefinition['columns'] =>
  table.columns.filter((column) => column.computed === null);
