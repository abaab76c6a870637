import { type BoundChange } from '../binder/change';
import { type TableDefinition, type TriggerDefinition } from '../catalog/definitions';
import { notSupported, sqlError } from '../errors';
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
  if (
    change.verb === 'MERGE' &&
    change.events.length > 1 &&
    triggers.some((trigger) => trigger.events.length < change.events.length)
  ) {
    throw notSupported('triggers for single actions of a MERGE with several');
  }
  if (state.triggerNesting >= maximumNesting) throw sqlError(217);
  const { transaction } = state;
  // Inside a trigger there is always a transaction.
  const own = transaction.count === 0;
  if (own) transaction.begin('');
  const before = transaction.count;
  state.triggerNesting++;
  try {
    for (const trigger of triggers) {
      // SQL Server forbids what would call the trigger of a table on itself, unless asked for
      if (state.frames.some((frame) => frame.procedureId === trigger.id)) continue;
      await runTrigger(trigger, change, captured, runtime);
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

async function runTrigger(
  trigger: TriggerDefinition,
  change: BoundChange,
  captured: string,
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
      ['inserted', image(change.table, captured, 'n')],
      ['deleted', image(change.table, captured, 'o')],
    ]),
  });
  await runtime.runModule(module, runtime.syntax(module), frame);
}

/** `inserted` or `deleted`: a table whose columns are the captured ones. */
function image(table: TableDefinition, captured: string, side: 'n' | 'o'): TableDefinition {
  const stored = table.columns.filter((column) => column.computed === null);
  const list = stored.map((column) => `${side}${column.id} AS c${column.id}`).join(', ');
  const has = side === 'n' ? 'has_new' : 'has_old';
  return { ...table, physical: `(SELECT ${list} FROM ${captured} WHERE ${has} = 1)`, triggers: [], temporary: true };
}
