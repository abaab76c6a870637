import { convertForColumn } from '../emitter/convert';
import { bindAssignments } from './assignments';
import {
  columnNamed,
  countMismatch,
  defaultOf,
  findTable,
  fullName,
  nullValue,
  rowversionValue,
  type BoundChange,
  type Of,
} from './change';
import { bindCondition, bindExpression, type Environment } from './environment';
import { bindOutput } from './output';
import { bindPlaces, topText } from './places';
import { bindCommonTables } from './query';
import { emptyScope, type Scope, type Source } from './scope';
import { applyHints, bindSource, columnsOf } from './sources';

const bothImages = ['inserted', 'deleted'] as const;

export function bindDelete(statement: Of<'delete'>, line: number, environment: Environment): BoundChange {
  const places = bindPlaces(statement, line, environment);
  const { table, alias } = places;
  const [prefix = '', from = ''] = places.from.split('\u0003');
  const where = places.where === null ? '' : ` WHERE ${places.where}`;
  const place = `${alias}.${places.scope.sources[0]?.pg === alias && places.scope.sources[0].table === null ? 'place' : 'ctid'}`;
  const output = bindOutput(statement.output, table, places.picked ? emptyScope() : places.scope, environment, line, [
    'deleted',
  ]);
  const sql = places.picked
    ? `${prefix}DELETE FROM ${table.physical} AS del WHERE del.ctid IN (SELECT ${place} FROM ${from}${where}${topText(statement, places.scope, environment)})`
    : `DELETE FROM ${from}${where}`;
  return { table, sql, events: ['delete'], output, identity: null, variables: [], changed: new Set(), verb: 'DELETE' };
}

export function bindUpdate(statement: Of<'update'>, line: number, environment: Environment): BoundChange {
  const places = bindPlaces(statement, line, environment);
  const { table, alias, scope } = places;
  const [prefix = '', from = ''] = places.from.split('\u0003');
  const { columns, variables } = bindAssignments(statement.assignments, table, scope, environment, places.renamed);
  const where = places.where === null ? '' : ` WHERE ${places.where}`;
  const first = columns[0];
  // only variables: still an update of the rows that qualify, changing nothing
  const sets =
    first === undefined
      ? [`c${table.columns[0]?.id ?? 1} = ${places.picked ? 'upd' : alias}.c${table.columns[0]?.id ?? 1}`]
      : columns.map(({ column, sql }) => `c${column.id} = ${sql}`);
  const changed = new Set(columns.filter(({ column }) => !column.rowversion).map(({ column }) => column.id));
  const base = { table, events: ['update' as const], identity: null, changed, verb: 'UPDATE' as const };
  if (!places.picked) {
    const output = bindOutput(statement.output, table, scope, environment, line, bothImages);
    return { ...base, sql: `UPDATE ${from} SET ${sets.join(', ')}${where}`, output, variables };
  }
  const through = scope.sources[0]?.pg === alias && scope.sources[0].table === null;
  const pick = environment.aliases.next();
  const picks = columns.map(({ sql }, index) => `${sql} AS v${index}`);
  const outerVariables = variables.map(({ name, typed }, index) => {
    if (typed.sql.startsWith('n.c')) return { name, typed };
    picks.push(`${typed.sql} AS w${index}`);
    return { name, typed: { ...typed, sql: `${pick}.w${index}` } };
  });
  // OUTPUT may name columns of the other tables: they travel through the pick.
  const exported: string[] = [];
  const outputScope: Scope = {
    ...emptyScope(),
    sources: scope.sources.map((source) => ({
      ...source,
      columns: source.columns.map((column, index) => ({
        ...column,
        sql: `${pick}.${source.pg}_${index}`,
        trimmed: undefined,
      })),
    })),
  };
  const output = bindOutput(statement.output, table, outputScope, environment, line, bothImages);
  for (const source of scope.sources) {
    source.columns.forEach((column, index) => {
      if (output?.sql.some((text) => text.includes(`${pick}.${source.pg}_${index}`)) === true)
        exported.push(`${column.sql} AS ${source.pg}_${index}`);
    });
  }
  const pickedSets =
    first === undefined
      ? sets
      : columns.map(
          ({ column }, index) => `c${column.id} = ${column.rowversion ? rowversionValue : `${pick}.v${index}`}`,
        );
  const place = `${alias}.${through ? 'place' : 'ctid'}`;
  const top = topText(statement, scope, environment);
  const list = [`${place} AS place`, ...picks, ...exported].join(', ');
  const query =
    top === ''
      ? `SELECT DISTINCT ON (${place}) ${list} FROM ${from}${where}`
      : `SELECT ${list} FROM ${from}${where}${top}`;
  return {
    ...base,
    sql: `${prefix}UPDATE ${table.physical} AS upd SET ${pickedSets.join(', ')} FROM (${query}) AS ${pick} WHERE upd.ctid = ${pick}.place`,
    output,
    variables: outerVariables,
  };
}

export function bindMerge(statement: Of<'merge'>, line: number, environment: Environment): BoundChange {
  const { scope: outer, prefix } = bindCommonTables(statement.with, null, environment);
  const table = findTable(statement.target, line, environment);
  applyHints(statement.hints, table, environment);
  const pg = environment.aliases.next();
  const target: Source = {
    name: statement.alias ?? statement.target.at(-1) ?? '',
    path: statement.alias === null ? statement.target : null,
    pg,
    columns: columnsOf(table, pg, environment),
    table,
  };
  const sourceScope = emptyScope(outer);
  const source = bindSource(statement.source, sourceScope, environment);
  const both: Scope = { ...emptyScope(outer), sources: [target, ...sourceScope.sources] };
  const on = bindCondition(statement.on, both, environment);
  const name = fullName(table, environment);
  const events = new Set<'insert' | 'update' | 'delete'>();
  const changed = new Set<number>();
  const branches = statement.branches.map(({ when, condition, action }) => {
    const scope: Scope =
      when === 'notMatched'
        ? { ...both, sources: sourceScope.sources }
        : when === 'notMatchedBySource'
          ? { ...both, sources: [target] }
          : both;
    const head = {
      matched: 'WHEN MATCHED',
      notMatched: 'WHEN NOT MATCHED BY TARGET',
      notMatchedBySource: 'WHEN NOT MATCHED BY SOURCE',
    }[when];
    const and = condition === null ? '' : ` AND ${bindCondition(condition, scope, environment)}`;
    events.add(action.kind);
    if (action.kind === 'delete') return `${head}${and} THEN DELETE`;
    if (action.kind === 'update') {
      const { columns } = bindAssignments(action.assignments, table, scope, environment);
      for (const { column } of columns) changed.add(column.id);
      return `${head}${and} THEN UPDATE SET ${columns.map(({ column, sql }) => `c${column.id} = ${sql}`).join(', ')}`;
    }
    const insertable = table.columns.filter(
      (column) => column.computed === null && column.identity === null && !column.rowversion,
    );
    const targets =
      action.columns.length > 0
        ? action.columns.map((columnName) => columnNamed(table, columnName, line))
        : action.values === null
          ? []
          : insertable;
    if (action.values !== null && targets.length !== action.values.length)
      throw countMismatch(
        action.values.length,
        targets.length,
        action.columns.length > 0 ? 'values' : 'implicit',
        line,
      );
    const given = targets.map((column, index) => {
      const expression = action.values?.[index];
      const typed =
        expression === undefined || expression.kind === 'default'
          ? (defaultOf(table, column, environment) ?? nullValue)
          : bindExpression(expression, scope, environment);
      return convertForColumn(typed, column.type, name, column.name, line);
    });
    const rest = table.columns.filter(
      (column) => column.computed === null && column.identity === null && !targets.includes(column),
    );
    const defaults = rest.map((column) =>
      column.rowversion
        ? rowversionValue
        : convertForColumn(defaultOf(table, column, environment) ?? nullValue, column.type, name, column.name, line),
    );
    for (const column of table.columns) changed.add(column.id);
    return `${head}${and} THEN INSERT (${[...targets, ...rest].map((column) => `c${column.id}`).join(', ')}) VALUES (${[...given, ...defaults].join(', ')})`;
  });
  return {
    table,
    sql: `${prefix}MERGE INTO ${table.physical} AS ${pg} USING ${source} ON ${on} ${branches.join(' ')}`,
    events: [...events],
    output: bindOutput(statement.output, table, sourceScope, environment, line, bothImages, true),
    identity: table.columns.find((column) => column.identity !== null) ?? null,
    variables: [],
    changed,
    verb: 'MERGE',
  };
}
