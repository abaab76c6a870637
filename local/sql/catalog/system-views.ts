import { type Environment } from '../binder/environment';
import { notSupported } from '../errors';
import { isMissingView } from '../missing';
import { type Path } from '../parser/ast';
import { type SqlType } from '../session';
import { informationSchemaViews } from './information-schema';
import { objectViews } from './object-views';
import { type SystemView } from './system-view';

const types: Record<string, SqlType> = {
  int: { name: 'int' },
  bigint: { name: 'bigint' },
  smallint: { name: 'smallint' },
  tinyint: { name: 'tinyint' },
  bit: { name: 'bit' },
  sysname: { name: 'nvarchar', length: 128 },
  text: { name: 'nvarchar', length: 'max' },
  type: { name: 'char', length: 2 },
  name60: { name: 'nvarchar', length: 60 },
  datetime: { name: 'datetime' },
};

const views: ReadonlyMap<string, SystemView> = new Map(Object.entries({ ...objectViews, ...informationSchemaViews }));

/** Names that SQL Server 2000 used, in any schema. */
const legacy = new Set(['sysobjects', 'syscolumns', 'sysindexes', 'sysusers', 'systypes']);

export const systemViewNames: readonly string[] = [...views.keys()];

/** The catalog view that a name means, null when it means none. */
export function systemView(
  path: Path,
  environment: Pick<Environment, 'databaseId' | 'spid'>,
): { columns: { name: string; type: SqlType }[]; sql: string } | null {
  const name = path.at(-1)?.toLowerCase() ?? '';
  const schema = path.at(-2)?.toLowerCase() ?? (legacy.has(name) ? 'sys' : '');
  const key = legacy.has(name) && (schema === 'dbo' || schema === '') ? `sys.${name}` : `${schema}.${name}`;
  const view = views.get(key);
  if (view === undefined && path.length < 3 && isMissingView(schema, name))
    throw notSupported(`the system view ${path.join('.')}`);
  if (view === undefined) return null;
  const database = path.at(-3)?.toLowerCase() === 'tempdb' ? 2 : environment.databaseId;
  const columns = view.columns.split(/\s+/).map((column) => {
    const [columnName = '', type = ''] = column.split(':');
    return { name: columnName, type: types[type] ?? { name: 'nvarchar', length: 128 } };
  });
  const sql = view.sql.replaceAll('$db', String(database)).replaceAll('$spid', String(environment.spid));
  // names compare and sort as all T-SQL strings do
  const list = columns.map(
    ({ type }, index) => `o${index + 1}${'length' in type ? ' COLLATE tsql.ci' : ''} AS o${index + 1}`,
  );
  return {
    columns,
    sql: `SELECT ${list.join(', ')} FROM (${sql}) AS v(${columns.map((_, index) => `o${index + 1}`).join(', ')})`,
  };
}
