import { z } from 'zod';
import { bindExpression, bindQuery, resolveType, type Environment } from '../binder/environment';
import { emptyScope, same } from '../binder/scope';
import { convert } from '../emitter/convert';
import { quote } from '../emitter/typed';
import { sqlError } from '../errors';
import { type ModuleDefinition } from '../parser/ast';
import { isKind, isQuery, pathOf, someNode } from '../parser/walk';
import { type ColumnDefinition, type ObjectDefinition } from './definitions';
import { blankColumn } from './table-plan';

export interface ModuleRequest {
  definition: ModuleDefinition;
  mode: 'create' | 'alter' | 'createOrAlter';
  /** The statement's text: modules live as their source. */
  source: string;
  schema: { id: number; name: string };
  existing: ObjectDefinition | null;
  id: number;
  databaseId: number;
  line: number;
}

/** PostgreSQL text that records a view, procedure, function or trigger. */
export function planModule(request: ModuleRequest, environment: Environment): string {
  const { definition, mode, existing, line, schema } = request;
  const name = definition.path.at(-1) ?? '';
  const full = `${schema.name}.${name}`;
  const fits =
    existing !== null &&
    (definition.returns === null
      ? definition.kind === existing.kind
      : `${definition.returns.kind}Function` === existing.kind);
  if (existing === null && mode === 'alter') throw sqlError(208, [definition.path.join('.')], { state: 6, line });
  if (existing !== null && mode === 'create') throw sqlError(2714, [name], { state: 3, line });
  if (existing !== null && !fits) {
    throw sqlError(2010, [full], { line });
  }
  // SQL Server keeps the batch's text, comments before it included, and always as CREATE.
  const source = quote(
    request.source.replace(/^((?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*)(?:CREATE\s+OR\s+ALTER|ALTER)\b/i, '$1CREATE'),
  );
  const type = objectType(definition);
  const info = quote(JSON.stringify(moduleInfo(definition, full, environment, line)));
  const parent = definition.trigger === null ? 0 : triggerTable(definition.trigger, full, existing, environment, line);
  if (existing !== null) {
    return `UPDATE catalog.objects SET source = ${source}, type = '${type}', info = ${definition.kind === 'trigger' ? `info || ${info}::jsonb` : info}, version = version + 1, modified = statement_timestamp() AT TIME ZONE 'UTC' WHERE id = ${existing.id}`;
  }
  return `INSERT INTO catalog.objects (database_id, id, schema_id, name, type, parent_id, info, source) VALUES (${request.databaseId}, ${request.id}, ${schema.id}, ${quote(name)}, '${type}', ${parent}, ${info}, ${source})`;
}

function objectType(definition: ModuleDefinition): string {
  switch (definition.kind) {
    case 'view':
      return 'V';
    case 'procedure':
      return 'P';
    case 'trigger':
      return 'TR';
    case 'function':
      return { inline: 'IF', table: 'TF', scalar: 'FN' }[definition.returns?.kind ?? 'scalar'];
  }
}

/** The table or view of a trigger; only INSTEAD OF goes with views, and once for each event. */
function triggerTable(
  { table: path, timing, events }: NonNullable<ModuleDefinition['trigger']>,
  trigger: string,
  existing: ObjectDefinition | null,
  environment: Environment,
  line: number,
): number {
  const found = environment.find(path, line);
  const procedure = trigger.split('.')[1];
  if (found?.kind !== 'table' && (found?.kind !== 'view' || timing === 'after'))
    throw sqlError(8197, [path.join('.')], { line, procedure });
  if (existing !== null && 'parentId' in existing && existing.parentId !== found.id)
    throw sqlError(2110, [trigger, path.join('.')], { line, procedure });
  if (timing === 'after') return found.id;
  const taken = found.triggers
    .filter((other) => other.timing === 'insteadOf' && other.id !== existing?.id)
    .flatMap((other) => other.events)
    .find((event) => events.includes(event));
  if (taken !== undefined)
    throw sqlError(2111, [trigger, found.kind, path.join('.'), taken.toUpperCase()], { line, procedure });
  const cascades = found.kind === 'table' ? found.foreignKeys : [];
  for (const [event, action] of [
    ['delete', 'onDelete'],
    ['update', 'onUpdate'],
  ] as const)
    if (events.includes(event) && cascades.some((key) => key[action] === 'CASCADE'))
      throw sqlError(2113, [trigger, path.join('.')], { line, procedure });
  return found.id;
}

function moduleInfo(definition: ModuleDefinition, full: string, environment: Environment, line: number): object {
  switch (definition.kind) {
    case 'trigger':
      return {
        events: definition.trigger?.events ?? [],
        timing: definition.trigger?.timing ?? 'after',
        disabled: false,
      };
    case 'view': {
      if (definition.view === null) return { columns: [] };
      if (JSON.stringify(definition.view).includes('"path":["#')) {
        throw sqlError(4508, [], { line });
      }
      const bindings = bindingsOf(definition, 'view', full, environment, line);
      return { columns: outputColumns(definition, definition.view, environment, line), bindings };
    }
    default:
      return {
        columns: signature(definition, environment, line),
        bindings: definition.kind === 'function' ? bindingsOf(definition, 'function', full, environment, line) : [],
      };
  }
}

/** WITH SCHEMABINDING: every object by schema and name, no star; the ids of those objects. @throws SqlError 1054 or 4512. */
function bindingsOf(
  definition: ModuleDefinition,
  kind: string,
  name: string,
  environment: Environment,
  line: number,
): number[] {
  if (!definition.schemaBinding) return [];
  const ids = new Set<number>();
  const common = new Set<string>();
  const invalid = (node: object): boolean => {
    if (isKind(node, 'star')) throw sqlError(1054, [], { line });
    if (isQuery(node) && 'with' in node && Array.isArray(node.with))
      for (const table of node.with) common.add(z.object({ name: z.string() }).parse(table).name.toLowerCase());
    const path = isKind(node, 'table', 'call', 'function') ? pathOf(node) : null;
    if (path?.length === 2) {
      const found = environment.find(path, line);
      if (found !== null) ids.add(found.id);
    } else if (isKind(node, 'table') && path !== null && !common.has(path.join('.').toLowerCase()))
      throw sqlError(4512, [kind, name, path.join('.')], { line });
    return false;
  };
  someNode([definition.view ?? [], definition.returns ?? [], definition.body], invalid);
  return [...ids];
}

function outputColumns(
  definition: ModuleDefinition,
  query: NonNullable<ModuleDefinition['view']>,
  environment: Environment,
  line: number,
): ColumnDefinition[] {
  const view = definition.path.at(-1) ?? '';
  const bound = bindQuery(query, null, { ...environment, tables: new Map() });
  if (definition.columns.length > 0 && definition.columns.length !== bound.columns.length)
    throw definition.columns.length > bound.columns.length
      ? sqlError(4502, [definition.path.join('.')], { line })
      : sqlError(8158, [view], { line });
  const seen: string[] = [];
  return bound.columns.map((column, index) => {
    const name = definition.columns[index] ?? column.name;
    if (name === '') throw sqlError(4511, [index + 1], { line });
    if (seen.some((other) => same(other, name))) {
      throw sqlError(4506, [name, view], { line });
    }
    seen.push(name);
    return { ...blankColumn(index + 1, name, column.type), nullable: column.nullable };
  });
}

/** Parameters, then the result of a scalar function. A parameter's default is kept as PostgreSQL text in `computed`. */
function signature(definition: ModuleDefinition, environment: Environment, line: number): ColumnDefinition[] {
  const parameters = definition.parameters.map((parameter, index): ColumnDefinition => {
    const type = parameter.readonly ? ({ name: 'int' } as const) : resolveType(environment, parameter.type, index + 1);
    const fallback =
      parameter.default === null
        ? null
        : convert(bindExpression(parameter.default, emptyScope(), environment), type, { explicit: true });
    return {
      ...blankColumn(index + 1, parameter.name, type),
      computed: fallback === null ? null : { text: fallback, persisted: false },
      rowguid: parameter.output,
    };
  });
  if (definition.returns?.kind === 'inline') {
    const variables = new Map(parameters.map(({ name, type }) => [name, type]));
    outputColumns(definition, definition.returns.query, { ...environment, variables }, line);
  }
  if (definition.returns?.kind !== 'scalar') return parameters;
  return [...parameters, blankColumn(0, '', resolveType(environment, definition.returns.type))];
}
