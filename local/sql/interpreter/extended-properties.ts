import { same } from '../binder/scope';
import { quote } from '../emitter/typed';
import { notSupported, type SqlError, sqlError } from '../errors';
import { type ProcedureCall } from './calls';

const objectLevels = new Set(['TABLE', 'VIEW', 'PROCEDURE', 'FUNCTION', 'SEQUENCE', 'SYNONYM']);

/** sp_addextendedproperty and its siblings: descriptions that scripting tools keep. */
export async function extendedProperty(action: 'add' | 'update' | 'drop', call: ProcedureCall): Promise<number> {
  const { runtime } = call;
  const names = [
    '@name',
    ...(action === 'drop' ? [] : ['@value']),
    '@level0type',
    '@level0name',
    '@level1type',
    '@level1name',
    '@level2type',
    '@level2name',
  ];
  const values = new Map(
    names.map((name, index) => {
      const arg =
        call.args.find((candidate) => candidate.name !== null && same(candidate.name, name)) ??
        (call.args[index]?.name === null ? call.args[index] : undefined);
      return [name, arg?.value ?? null];
    }),
  );
  const name = values.get('@name') ?? '';
  const { classId, majorId, minorId, text } = await target(values, call);
  const databaseId = runtime.state.database.id;
  const where = `database_id = ${databaseId} AND class = ${classId} AND major_id = ${majorId} AND minor_id = ${minorId} AND lower(name) = lower(${quote(name)})`;
  const [found] = await runtime.run(`SELECT 1 FROM catalog.extended_properties WHERE ${where}`);
  const exists = (found?.rows.length ?? 0) > 0;
  if (action === 'add') {
    if (exists) throw sqlError(15233, [name, text], { procedure: 'sp_addextendedproperty' });
    const value = values.get('@value') ?? null;
    await runtime.run(
      `INSERT INTO catalog.extended_properties VALUES (${databaseId}, ${classId}, ${majorId}, ${minorId}, ${quote(name)}, ${value === null ? 'NULL' : quote(value)})`,
    );
    return 0;
  }
  if (!exists) throw sqlError(15217, [name, text], { procedure: `sp_${action}extendedproperty` });
  const value = values.get('@value') ?? null;
  await runtime.run(
    action === 'drop'
      ? `DELETE FROM catalog.extended_properties WHERE ${where}`
      : `UPDATE catalog.extended_properties SET value = ${value === null ? 'NULL' : quote(value)} WHERE ${where}`,
  );
  return 0;
}

async function target(
  values: ReadonlyMap<string, string | null>,
  call: ProcedureCall,
): Promise<{ classId: number; majorId: number; minorId: number; text: string }> {
  const { runtime } = call;
  const [schema, type1, name1, type2, name2] = [
    '@level0name',
    '@level1type',
    '@level1name',
    '@level2type',
    '@level2name',
  ].map((key) => values.get(key) ?? null);
  const text = [schema, name1, name2].filter((part) => part !== null).join('.');
  const missing = (): SqlError => sqlError(15135, [text], { line: call.line });
  if (schema == null) return { classId: 0, majorId: 0, minorId: 0, text: 'object specified' };
  if ((values.get('@level0type') ?? '').toUpperCase() !== 'SCHEMA')
    throw notSupported(`extended properties on ${values.get('@level0type') ?? ''}`, call.line);
  if (name1 == null || type1 == null) {
    const [result] = await runtime.run(`SELECT tsql.schema_id(${runtime.state.database.id}, ${quote(schema)})`);
    const id = result?.rows[0]?.[0];
    if (id == null) throw missing();
    return { classId: 3, majorId: Number(id), minorId: 0, text };
  }
  if (!objectLevels.has(type1.toUpperCase())) throw notSupported(`extended properties on ${type1}`, call.line);
  const object = await runtime.find([schema, name1], call.line);
  if (object === null) throw missing();
  if (type2 == null || name2 == null) return { classId: 1, majorId: object.id, minorId: 0, text };
  if (object.kind !== 'table' && object.kind !== 'view') throw missing();
  switch (type2.toUpperCase()) {
    case 'COLUMN': {
      const column = object.columns.find((candidate) => same(candidate.name, name2));
      if (column === undefined) throw missing();
      return { classId: 1, majorId: object.id, minorId: column.id, text };
    }
    case 'CONSTRAINT':
    case 'TRIGGER': {
      const child = await runtime.find([schema, name2], call.line);
      if (child === null) throw missing();
      return { classId: 1, majorId: child.id, minorId: 0, text };
    }
    case 'INDEX': {
      const index =
        object.kind === 'table' ? object.indexes.find((candidate) => same(candidate.name, name2)) : undefined;
      if (index === undefined) throw missing();
      return { classId: 7, majorId: object.id, minorId: index.id, text };
    }
    default:
      throw notSupported(`extended properties on ${type2}`, call.line);
  }
}
