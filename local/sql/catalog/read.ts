import { z } from 'zod';
import {
  checkInfoSchema,
  columnSchema,
  defaultInfoSchema,
  foreignKeyInfoSchema,
  sequenceInfoSchema,
  sqlTypeSchema,
  tableInfoSchema,
  triggerInfoSchema,
  type ModuleDefinition,
  type ObjectDefinition,
  type TriggerDefinition,
} from './definitions';

const childSchema = z.object({
  id: z.number(),
  name: z.string(),
  type: z.string(),
  info: z.unknown(),
  source: z.string().nullable(),
  schema: z.string().nullable(),
});
const describedSchema = z.object({
  id: z.number(),
  databaseId: z.number(),
  schema: z.string(),
  name: z.string(),
  type: z.string(),
  info: z.unknown(),
  source: z.string().nullable(),
  version: z.number(),
  parentId: z.number(),
  children: z.array(childSchema),
  referencedBy: z.array(z.object({ name: z.string(), tableId: z.number() })),
});
const columnsSchema = z.object({ columns: z.array(columnSchema) });
const typeSchema = z.object({ base: sqlTypeSchema.nullable(), nullable: z.boolean(), body: z.string().nullable() });

const moduleKinds: Readonly<Record<string, ModuleDefinition['kind']>> = {
  V: 'view',
  P: 'procedure',
  FN: 'scalarFunction',
  IF: 'inlineFunction',
  TF: 'tableFunction',
  TR: 'trigger',
};

/** What `catalog.describe` answered, as a definition. */
export function readDefinition(json: string): ObjectDefinition {
  const parsed: unknown = JSON.parse(json);
  const object = describedSchema.parse(parsed);
  const { id, schema, name } = object;
  const triggers = object.children
    .filter((child) => child.type === 'TR')
    .map((child): TriggerDefinition => ({
      id: child.id,
      name: child.name,
      schema: child.schema ?? 'dbo',
      source: child.source ?? '',
      ...triggerInfoSchema.parse(child.info),
    }));
  const moduleKind = moduleKinds[object.type];
  if (moduleKind !== undefined) {
    const columns = moduleKind === 'trigger' ? [] : columnsSchema.parse(object.info).columns;
    return {
      kind: moduleKind,
      id,
      schema,
      name,
      source: object.source ?? '',
      parentId: object.parentId,
      version: object.version,
      columns,
      triggers,
    };
  }
  const ofType = <T>(type: string, infoSchema: z.ZodType<T>): ({ id: number; name: string } & T)[] =>
    object.children
      .filter((child) => child.type === type)
      .map((child) => ({ id: child.id, name: child.name, ...infoSchema.parse(child.info) }));
  switch (object.type) {
    case 'U': {
      const temporary = object.databaseId === 2;
      return {
        kind: 'table',
        id,
        schema,
        name,
        physical: temporary ? `pg_temp.t${id}` : `d${object.databaseId}.t${id}`,
        temporary,
        version: object.version,
        ...tableInfoSchema.parse(object.info),
        defaults: ofType('D', defaultInfoSchema),
        checks: ofType('C', checkInfoSchema),
        foreignKeys: ofType('F', foreignKeyInfoSchema),
        referencedBy: object.referencedBy,
        triggers,
      };
    }
    case 'SO':
      return { kind: 'sequence', id, schema, name, ...sequenceInfoSchema.parse(object.info) };
    case 'SN':
      return {
        kind: 'synonym',
        id,
        schema,
        name,
        target: z.object({ target: z.array(z.string()) }).parse(object.info).target,
      };
    case 'AT':
    case 'TT':
      return { kind: 'type', id, schema, name, ...typeSchema.parse(object.info) };
    default:
      return { kind: 'constraint', id, schema, name, type: object.type, parentId: object.parentId };
  }
}
