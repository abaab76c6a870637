import { type BoundChange } from '../binder/change';
import { type TableDefinition, type TriggerDefinition } from '../catalog/definitions';
import { sqlError } from '../errors';
import { type ChangedRows } from './compiled';
import { type Runtime } from './runtime';

/** A trigger fires triggers fire triggers: SQL Server stops at 32. */
const maximumNesting = 32;

/** Runs AFTER triggers over the rows of one change. They run once for the statement, also when it changed nothing. */
export async function runTriggers(
  triggers: readonly TriggerDefinition[],
  change: BoundChange,
  rows: ChangedRows,
  runtime: Runtime,
): Promise<void> {
  const { state } = runtime;
  const { captured, count } = rows;
  if (captured === null) return;
  if (state.triggerNesting >= maximumNesting) throw sqlError(217);
  const { transaction } = state;
  // Inside a trigger there is always a transaction.
  const own = transaction.count === 0;
  if (own) transaction.begin('');
  const before = transaction.count;
  state.triggerNesting++;
  try {
    // MERGE fires them once for each of its actions, over that action's rows.
    const actions = change.verb === 'MERGE' ? change.events : [null];
    for (const action of actions)
      for (const trigger of triggers) {
        if (action !== null && !trigger.events.includes(action)) continue;
        // SQL Server forbids what would call the trigger of a table on itself, unless asked for
        if (state.frames.some((frame) => frame.procedureId === trigger.id)) continue;
        await runTrigger(trigger, change, captured, action === null ? '' : ` AND ${rowsOf[action]}`, runtime);
        if (transaction.count < before) {
          throw sqlError(3609);
        }
      }
  } finally {
    state.triggerNesting--;
    if (own && transaction.count > 0) transaction.count = 0;
  }
  await runtime.run(`DROP TABLE IF EXISTS ${captured}`);
  state.rowCount = count;
  runtime.done(count);
}

const rowsOf = {
  insert: 'has_old = 0',
  update: 'has_old = 1 AND has_new = 1',
  delete: 'has_new = 0',
} as const;

async function runTrigger(
  trigger: TriggerDefinition,
  change: BoundChange,
  captured: string,
  filter: string,
  runtime: Runtime,
): Promise<void> {
  const module = await runtime.describe(trigger.id);
  if (module?.kind !== 'trigger') return;
  const frame = runtime.newFrame({
    procedure: trigger.name,
    procedureId: trigger.id,
    updated: change.changed,
    triggerTable: change.table,
    tables: new Map([
      ['inserted', image(change.table, captured, 'n', filter)],
      ['deleted', image(change.table, captured, 'o', filter)],
    ]),
  });
  await runtime.runModule(module, runtime.syntax(module), frame);
}

/** `inserted` or `deleted`: a table whose columns are the captured ones. */
function image(table: TableDefinition, captured: string, side: 'n' | 'o', filter: string): TableDefinition {
  const stored = table.columns.filter((column) => column.computed === null);
  // before an INSTEAD OF trigger no identity was given out
  const read = (id: number, identity: boolean): string => (identity ? `coalesce(${side}${id}, 0)` : `${side}${id}`);
  const list = stored.map(({ id, identity }) => `${read(id, identity !== null)} AS c${id}`).join(', ');
  const has = side === 'n' ? 'has_new' : 'has_old';
  return {
    ...table,
    physical: `(SELECT ${list} FROM ${captured} WHERE ${has} = 1${filter})`,
    triggers: [],
    temporary: true,
  };
}
