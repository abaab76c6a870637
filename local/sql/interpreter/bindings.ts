import { quote } from '../emitter/typed';
import { type ObjectDefinition } from '../catalog/definitions';
import { sqlError } from '../errors';
import { type Runtime } from './runtime';

const escape = (name: string): string => name.replace(/[^A-Za-z0-9]/g, '\\$&');
const word = (name: string): string => `(^|[^[:alnum:]_@#$])${escape(name)}($|[^[:alnum:]_@#$])`;

/**
 * The module WITH SCHEMABINDING that holds on to an object, or to one of its columns; for a function also a table that
 * computes with it. Null when nothing does.
 */
export async function boundBy(
  object: ObjectDefinition,
  column: string | null,
  runtime: Runtime,
): Promise<string | null> {
  const { database } = runtime.state;
  const modules = `info @> '{"bindings":[${object.id}]}'${column === null ? '' : ` AND source ~* ${quote(word(column))}`}`;
  const calls =
    object.kind === 'scalarFunction'
      ? ` OR (type IN ('U', 'C', 'D') AND info::text ~* ${quote(`${escape(object.schema)}\\]?\\.\\[?${escape(object.name)}\\]?\\s*\\(`)})`
      : '';
  const [result] = await runtime.run(
    `SELECT name FROM catalog.objects WHERE database_id = ${database.id} AND (${modules}${calls}) ORDER BY id LIMIT 1`,
  );
  return result?.rows[0]?.[0] ?? null;
}

/** @throws SqlError 3729 when something holds on to the object. */
export async function refuseBound(
  action: string,
  object: ObjectDefinition,
  name: string,
  runtime: Runtime,
): Promise<void> {
  const binder = await boundBy(object, null, runtime);
  if (binder !== null) throw sqlError(3729, [action, name, binder]);
}

/** @throws SqlError 5074 when something holds on to a column. */
export async function refuseBoundColumn(
  action: 'ALTER' | 'DROP',
  object: ObjectDefinition,
  column: string,
  runtime: Runtime,
): Promise<void> {
  const binder = await boundBy(object, column, runtime);
  if (binder === null) return;
  const message = `ALTER TABLE ${action} COLUMN ${column} failed because one or more objects access this column.`;
  throw sqlError(5074, ['object', binder, column], { followedBy: { number: 4922, message, state: 9 } });
}
