import { z } from 'zod';
import { type SqlType } from '../session';

/** What the catalog tables hold as JSON, and what the binder works with. Ids are the physical names: table 7 is `t7`, its column 2 `c2`. */

const length = z.union([z.number(), z.literal('max')]);
export const sqlTypeSchema: z.ZodType<SqlType> = z.union([
  z.object({
    name: z.enum(['bit', 'tinyint', 'smallint', 'int', 'bigint', 'real', 'float', 'money', 'smallmoney']),
  }),
  z.object({ name: z.enum(['decimal', 'numeric']), precision: z.number(), scale: z.number() }),
  z.object({ name: z.enum(['char', 'varchar', 'nchar', 'nvarchar', 'binary', 'varbinary']), length }),
  z.object({
    name: z.enum(['text', 'ntext', 'image', 'xml', 'uniqueidentifier', 'date', 'datetime', 'smalldatetime']),
  }),
  z.object({ name: z.enum(['time', 'datetime2', 'datetimeoffset']), scale: z.number() }),
]);

export const columnSchema = z.object({
  id: z.number(),
  name: z.string(),
  type: sqlTypeSchema,
  /** Name of the alias type that the column was declared with. */
  userType: z.string().nullable(),
  nullable: z.boolean(),
  identity: z.object({ seed: z.string(), increment: z.string() }).nullable(),
  computed: z.object({ text: z.string(), persisted: z.boolean() }).nullable(),
  rowversion: z.boolean(),
  rowguid: z.boolean(),
  sparse: z.boolean(),
  collation: z.string().nullable(),
});
export type ColumnDefinition = z.infer<typeof columnSchema>;

export const indexSchema = z.object({
  id: z.number(),
  name: z.string(),
  unique: z.boolean(),
  clustered: z.boolean(),
  primary: z.boolean(),
  /** Object id of the PRIMARY KEY or UNIQUE constraint that this index belongs to. */
  constraintId: z.number().nullable(),
  columns: z.array(z.object({ id: z.number(), descending: z.boolean() })),
  included: z.array(z.number()),
  filter: z.string().nullable(),
  disabled: z.boolean(),
});
export type IndexDefinition = z.infer<typeof indexSchema>;

export const tableInfoSchema = z.object({
  columns: z.array(columnSchema),
  indexes: z.array(indexSchema),
  nextColumnId: z.number(),
  nextIndexId: z.number(),
});
export type TableInfo = z.infer<typeof tableInfoSchema>;

const named = { systemNamed: z.boolean() };
export const defaultInfoSchema = z.object({ columnId: z.number(), text: z.string(), ...named });
export const checkInfoSchema = z.object({
  text: z.string(),
  columnId: z.number().nullable(),
  disabled: z.boolean(),
  notTrusted: z.boolean(),
  ...named,
});
export const foreignKeyInfoSchema = z.object({
  columns: z.array(z.number()),
  referencedId: z.number(),
  referencedColumns: z.array(z.number()),
  onDelete: z.enum(['NO_ACTION', 'CASCADE', 'SET_NULL', 'SET_DEFAULT']),
  onUpdate: z.enum(['NO_ACTION', 'CASCADE', 'SET_NULL', 'SET_DEFAULT']),
  disabled: z.boolean(),
  notTrusted: z.boolean(),
  ...named,
});
export const triggerInfoSchema = z.object({
  events: z.array(z.enum(['insert', 'update', 'delete'])),
  timing: z.enum(['after', 'insteadOf']),
  disabled: z.boolean(),
});
export const viewInfoSchema = z.object({ columns: z.array(columnSchema) });
export const sequenceInfoSchema = z.object({
  type: sqlTypeSchema,
  start: z.string(),
  increment: z.string(),
  minimum: z.string(),
  maximum: z.string(),
  cycle: z.boolean(),
});

type Child<Info> = { id: number; name: string } & Info;
export type DefaultDefinition = Child<z.infer<typeof defaultInfoSchema>>;
export type CheckDefinition = Child<z.infer<typeof checkInfoSchema>>;
export type ForeignKeyDefinition = Child<z.infer<typeof foreignKeyInfoSchema>>;
export type TriggerDefinition = Child<z.infer<typeof triggerInfoSchema>> & { source: string; schema: string };

interface Named {
  id: number;
  schema: string;
  name: string;
}

export interface TableDefinition extends Named, TableInfo {
  kind: 'table';
  /** PostgreSQL's schema-qualified name. */
  physical: string;
  temporary: boolean;
  /** A table-valued parameter. */
  readOnly?: boolean;
  version: number;
  defaults: DefaultDefinition[];
  checks: CheckDefinition[];
  foreignKeys: ForeignKeyDefinition[];
  /** Foreign keys of other tables that reference this one: [constraint name, table id]. */
  referencedBy: { name: string; tableId: number }[];
  triggers: TriggerDefinition[];
}

export interface ModuleDefinition extends Named {
  kind: 'view' | 'procedure' | 'scalarFunction' | 'inlineFunction' | 'tableFunction' | 'trigger';
  source: string;
  parentId: number;
  /** Changes whenever the module is altered. */
  version: number;
  /** Columns of a view as they were when it was created. */
  columns: ColumnDefinition[];
  triggers: TriggerDefinition[];
}

export interface SequenceDefinition extends Named, z.infer<typeof sequenceInfoSchema> {
  kind: 'sequence';
}
export interface SynonymDefinition extends Named {
  kind: 'synonym';
  target: string[];
}
export interface TypeDefinition extends Named {
  kind: 'type';
  base: SqlType | null;
  nullable: boolean;
  /** T-SQL text of a table type's body. */
  body: string | null;
}
/** A constraint found by name: it occupies a name among objects. */
export interface ConstraintObject extends Named {
  kind: 'constraint';
  type: string;
  parentId: number;
}

export type ObjectDefinition =
  TableDefinition | ModuleDefinition | SequenceDefinition | SynonymDefinition | TypeDefinition | ConstraintObject;
