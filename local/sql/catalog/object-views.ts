import { type SystemView } from './system-view';

const typeDescriptions = `CASE o.type WHEN 'U' THEN 'USER_TABLE' WHEN 'V' THEN 'VIEW' WHEN 'P' THEN 'SQL_STORED_PROCEDURE' WHEN 'FN' THEN 'SQL_SCALAR_FUNCTION'
  WHEN 'IF' THEN 'SQL_INLINE_TABLE_VALUED_FUNCTION' WHEN 'TF' THEN 'SQL_TABLE_VALUED_FUNCTION' WHEN 'TR' THEN 'SQL_TRIGGER' WHEN 'PK' THEN 'PRIMARY_KEY_CONSTRAINT' WHEN 'UQ' THEN 'UNIQUE_CONSTRAINT'
  WHEN 'F' THEN 'FOREIGN_KEY_CONSTRAINT' WHEN 'C' THEN 'CHECK_CONSTRAINT' WHEN 'D' THEN 'DEFAULT_CONSTRAINT' WHEN 'SO' THEN 'SEQUENCE_OBJECT' WHEN 'SN' THEN 'SYNONYM' WHEN 'TT' THEN 'TYPE_TABLE' END`;

/** Objects of the database; temporary tables are seen by the session that owns them. */
const objects = `catalog.objects o WHERE o.database_id = $db AND o.space = 'o' AND ($db <> 2 OR o.schema_id = 100000 + $spid)`;
const schemaId = 'CASE WHEN o.schema_id > 100000 THEN 1 ELSE o.schema_id END';
const base = `o.name, o.id, NULL::int, ${schemaId}, o.parent_id, o.type, ${typeDescriptions}, o.created, o.modified, 0::int2, 0::int2, 0::int2`;
const baseColumns =
  'name:sysname object_id:int principal_id:int schema_id:int parent_object_id:int type:type type_desc:name60 create_date:datetime modify_date:datetime is_ms_shipped:bit is_published:bit is_schema_published:bit';

const select = (extra: string, type: string): string =>
  `SELECT ${base}${extra} FROM ${objects} AND o.type IN (${type})`;
const flag = (sql: string): string => `(${sql})::int::int2`;

/** o: the owner, c: one column as JSON. Computed columns and views included. */
const columnRows = `FROM catalog.objects o CROSS JOIN LATERAL jsonb_array_elements(o.info -> 'columns') c
  LEFT JOIN catalog.types t ON t.name = CASE WHEN (c ->> 'rowversion')::boolean THEN 'timestamp' ELSE c #>> '{type,name}' END
  LEFT JOIN catalog.objects ut ON ut.database_id = o.database_id AND ut.space = 't' AND lower(ut.name) = lower(c ->> 'userType')
  WHERE o.database_id = $db AND ($db <> 2 OR o.schema_id = 100000 + $spid)`;
const columnBase = `o.id, c ->> 'name', (c ->> 'id')::int, t.id, coalesce(ut.id, t.user_id), tsql.type_size(c -> 'type')::int2, tsql.type_precision(c -> 'type')::int2, tsql.type_scale(c -> 'type')::int2,
  CASE WHEN c #>> '{type,name}' IN ('char','varchar','nchar','nvarchar','text','ntext') THEN coalesce(c ->> 'collation', 'SQL_Latin1_General_CP1_CI_AS') END,
  ${flag("(c ->> 'nullable')::boolean")}, 1::int2, ${flag("(c ->> 'rowguid')::boolean")}, ${flag("c -> 'identity' <> 'null'")}, ${flag("c -> 'computed' <> 'null'")}, ${flag("(c ->> 'sparse')::boolean")},
  coalesce((SELECT d.id FROM catalog.objects d WHERE d.parent_id = o.id AND d.type = 'D' AND d.info ->> 'columnId' = c ->> 'id'), 0)`;
const columnColumns =
  'object_id:int name:sysname column_id:int system_type_id:tinyint user_type_id:int max_length:smallint precision:tinyint scale:tinyint collation_name:sysname is_nullable:bit is_ansi_padded:bit is_rowguidcol:bit is_identity:bit is_computed:bit is_sparse:bit default_object_id:int';

const indexRows = `FROM catalog.objects o CROSS JOIN LATERAL (
    SELECT i FROM jsonb_array_elements(o.info -> 'indexes') i
    UNION ALL SELECT NULL WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(o.info -> 'indexes') e WHERE (e ->> 'clustered')::boolean)) AS x(i)
  WHERE o.database_id = $db AND o.type = 'U' AND ($db <> 2 OR o.schema_id = 100000 + $spid)`;
/** SQL Server's index ids: 0 heap, 1 clustered. */
const indexId = `CASE WHEN i IS NULL THEN 0 WHEN (i ->> 'clustered')::boolean THEN 1 ELSE (i ->> 'id')::int + 1 END`;

export const objectViews: Record<string, SystemView> = {
  'sys.objects': { columns: baseColumns, sql: `SELECT ${base} FROM ${objects}` },
  'sys.all_objects': { columns: baseColumns, sql: `SELECT ${base} FROM ${objects}` },
  'sys.tables': {
    columns: `${baseColumns} max_column_id_used:int lock_escalation_desc:name60 temporal_type:tinyint is_memory_optimized:bit is_external:bit is_filetable:bit is_replicated:bit`,
    sql: select(`, (o.info ->> 'nextColumnId')::int - 1, 'TABLE', 0::int2, 0::int2, 0::int2, 0::int2, 0::int2`, "'U'"),
  },
  'sys.views': { columns: `${baseColumns} with_check_option:bit`, sql: select(', 0::int2', "'V'") },
  'sys.all_views': { columns: baseColumns, sql: select('', "'V'") },
  'sys.procedures': { columns: `${baseColumns} is_auto_executed:bit`, sql: select(', 0::int2', "'P'") },
  'sys.key_constraints': {
    columns: `${baseColumns} unique_index_id:int is_system_named:bit`,
    sql: select(
      `, coalesce((SELECT CASE WHEN (i ->> 'clustered')::boolean THEN 1 ELSE (i ->> 'id')::int + 1 END FROM catalog.objects p, jsonb_array_elements(p.info -> 'indexes') i WHERE p.id = o.parent_id AND (i ->> 'constraintId')::int = o.id), 0), ${flag("coalesce((o.info ->> 'systemNamed')::boolean, false)")}`,
      "'PK','UQ'",
    ),
  },
  'sys.foreign_keys': {
    columns: `${baseColumns} referenced_object_id:int key_index_id:int is_disabled:bit is_not_for_replication:bit is_not_trusted:bit delete_referential_action:tinyint delete_referential_action_desc:name60 update_referential_action:tinyint update_referential_action_desc:name60 is_system_named:bit`,
    sql: select(
      `, (o.info ->> 'referencedId')::int, 1, ${flag("(o.info ->> 'disabled')::boolean")}, 0::int2, ${flag("(o.info ->> 'notTrusted')::boolean")},
      array_position(ARRAY['NO_ACTION','CASCADE','SET_NULL','SET_DEFAULT'], o.info ->> 'onDelete') - 1, o.info ->> 'onDelete',
      array_position(ARRAY['NO_ACTION','CASCADE','SET_NULL','SET_DEFAULT'], o.info ->> 'onUpdate') - 1, o.info ->> 'onUpdate', ${flag("(o.info ->> 'systemNamed')::boolean")}`,
      "'F'",
    ),
  },
  'sys.foreign_key_columns': {
    columns:
      'constraint_object_id:int constraint_column_id:int parent_object_id:int parent_column_id:int referenced_object_id:int referenced_column_id:int',
    sql: `SELECT o.id, x.n::int, o.parent_id, x.c::int, (o.info ->> 'referencedId')::int, (o.info -> 'referencedColumns' ->> (x.n - 1)::int)::int
      FROM catalog.objects o CROSS JOIN LATERAL jsonb_array_elements_text(o.info -> 'columns') WITH ORDINALITY AS x(c, n) WHERE o.database_id = $db AND o.type = 'F'`,
  },
  'sys.check_constraints': {
    columns: `${baseColumns} is_disabled:bit is_not_trusted:bit parent_column_id:int definition:text is_system_named:bit`,
    sql: select(
      `, ${flag("(o.info ->> 'disabled')::boolean")}, ${flag("(o.info ->> 'notTrusted')::boolean")}, coalesce((o.info ->> 'columnId')::int, 0), '(' || (o.info ->> 'text') || ')', ${flag("(o.info ->> 'systemNamed')::boolean")}`,
      "'C'",
    ),
  },
  'sys.default_constraints': {
    columns: `${baseColumns} parent_column_id:int definition:text is_system_named:bit`,
    sql: select(
      `, (o.info ->> 'columnId')::int, o.info ->> 'text', ${flag("(o.info ->> 'systemNamed')::boolean")}`,
      "'D'",
    ),
  },
  'sys.triggers': {
    columns:
      'name:sysname object_id:int parent_class:tinyint parent_class_desc:name60 parent_id:int type:type type_desc:name60 create_date:datetime modify_date:datetime is_ms_shipped:bit is_disabled:bit is_not_for_replication:bit is_instead_of_trigger:bit',
    sql: `SELECT o.name, o.id, 1::int2, 'OBJECT_OR_COLUMN', o.parent_id, o.type, ${typeDescriptions}, o.created, o.modified, 0::int2, ${flag("(o.info ->> 'disabled')::boolean")}, 0::int2, ${flag("o.info ->> 'timing' = 'insteadOf'")} FROM ${objects} AND o.type = 'TR'`,
  },
  'sys.sequences': {
    columns: `${baseColumns} start_value:bigint increment:bigint minimum_value:bigint maximum_value:bigint is_cycling:bit current_value:bigint`,
    sql: select(
      `, (o.info ->> 'start')::bigint, (o.info ->> 'increment')::bigint, (o.info ->> 'minimum')::bigint, (o.info ->> 'maximum')::bigint, ${flag("(o.info ->> 'cycle')::boolean")}, coalesce(tsql.sequence_value($db, o.id), (o.info ->> 'start')::bigint)`,
      "'SO'",
    ),
  },
  'sys.synonyms': {
    columns: `${baseColumns} base_object_name:text`,
    sql: select(
      `, (SELECT string_agg(quote_ident(p), '.') FROM jsonb_array_elements_text(o.info -> 'target') p)`,
      "'SN'",
    ),
  },
  'sys.sql_modules': {
    columns: 'object_id:int definition:text uses_ansi_nulls:bit uses_quoted_identifier:bit is_schema_bound:bit',
    sql: `SELECT o.id, o.source, 1::int2, 1::int2, 0::int2 FROM ${objects} AND o.source IS NOT NULL`,
  },
  'sys.columns': { columns: columnColumns, sql: `SELECT ${columnBase} ${columnRows} AND o.type IN ('U','V')` },
  'sys.all_columns': { columns: columnColumns, sql: `SELECT ${columnBase} ${columnRows} AND o.type IN ('U','V')` },
  'sys.identity_columns': {
    columns: `${columnColumns} seed_value:bigint increment_value:bigint last_value:bigint is_not_for_replication:bit`,
    sql: `SELECT ${columnBase}, (c #>> '{identity,seed}')::bigint, (c #>> '{identity,increment}')::bigint, tsql.ident_last($db, o.id), 0::int2 ${columnRows} AND o.type = 'U' AND c -> 'identity' <> 'null'`,
  },
  'sys.computed_columns': {
    columns: `${columnColumns} definition:text uses_database_collation:bit is_persisted:bit`,
    sql: `SELECT ${columnBase}, '(' || (c #>> '{computed,text}') || ')', 1::int2, ${flag("(c #>> '{computed,persisted}')::boolean")} ${columnRows} AND o.type = 'U' AND c -> 'computed' <> 'null'`,
  },
  'sys.parameters': {
    columns:
      'object_id:int name:sysname parameter_id:int system_type_id:tinyint user_type_id:int max_length:smallint precision:tinyint scale:tinyint is_output:bit has_default_value:bit',
    sql: `SELECT o.id, c ->> 'name', (c ->> 'id')::int, t.id, t.user_id, tsql.type_size(c -> 'type')::int2, tsql.type_precision(c -> 'type')::int2, tsql.type_scale(c -> 'type')::int2, ${flag("(c ->> 'rowguid')::boolean")}, ${flag("c -> 'computed' <> 'null'")} ${columnRows} AND o.type IN ('P','FN','IF','TF')`,
  },
  'sys.types': {
    columns:
      'name:sysname system_type_id:tinyint user_type_id:int schema_id:int max_length:smallint precision:tinyint scale:tinyint is_nullable:bit is_user_defined:bit is_table_type:bit',
    sql: `SELECT t.name, t.id, t.user_id, 4, t.max_length::int2, t.precision::int2, t.scale::int2, 1::int2, 0::int2, 0::int2 FROM catalog.types t
      UNION ALL SELECT o.name, coalesce(b.id, 243), o.id, o.schema_id, coalesce(tsql.type_size(o.info -> 'base'), -1)::int2, coalesce(tsql.type_precision(o.info -> 'base'), 0)::int2, coalesce(tsql.type_scale(o.info -> 'base'), 0)::int2, ${flag("coalesce((o.info ->> 'nullable')::boolean, true)")}, 1::int2, ${flag("o.type = 'TT'")}
      FROM catalog.objects o LEFT JOIN catalog.types b ON b.name = o.info #>> '{base,name}' WHERE o.database_id = $db AND o.space = 't'`,
  },
  'sys.table_types': {
    columns: 'name:sysname user_type_id:int schema_id:int type_table_object_id:int is_table_type:bit',
    sql: `SELECT o.name, o.id, o.schema_id, o.id, 1::int2 FROM catalog.objects o WHERE o.database_id = $db AND o.type = 'TT'`,
  },
  'sys.indexes': {
    columns:
      'object_id:int name:sysname index_id:int type:tinyint type_desc:name60 is_unique:bit data_space_id:int ignore_dup_key:bit is_primary_key:bit is_unique_constraint:bit fill_factor:tinyint is_padded:bit is_disabled:bit is_hypothetical:bit has_filter:bit filter_definition:text',
    sql: `SELECT o.id, i ->> 'name', ${indexId}, CASE WHEN i IS NULL THEN 0 WHEN (i ->> 'clustered')::boolean THEN 1 ELSE 2 END::int2, CASE WHEN i IS NULL THEN 'HEAP' WHEN (i ->> 'clustered')::boolean THEN 'CLUSTERED' ELSE 'NONCLUSTERED' END,
      ${flag("coalesce((i ->> 'unique')::boolean, false)")}, 1, 0::int2, ${flag("coalesce((i ->> 'primary')::boolean, false)")}, ${flag("coalesce(i ->> 'constraintId' IS NOT NULL AND NOT (i ->> 'primary')::boolean, false)")}, 0::int2, 0::int2, ${flag("coalesce((i ->> 'disabled')::boolean, false)")}, 0::int2,
      ${flag("i ->> 'filter' IS NOT NULL")}, '(' || (i ->> 'filter') || ')' ${indexRows}`,
  },
  'sys.index_columns': {
    columns:
      'object_id:int index_id:int index_column_id:int column_id:int key_ordinal:tinyint partition_ordinal:tinyint is_descending_key:bit is_included_column:bit',
    sql: `SELECT o.id, ${indexId}, k.n::int, (k.c ->> 'id')::int, k.n::int2, 0::int2, ${flag("(k.c ->> 'descending')::boolean")}, 0::int2
      FROM catalog.objects o CROSS JOIN LATERAL jsonb_array_elements(o.info -> 'indexes') i CROSS JOIN LATERAL jsonb_array_elements(i -> 'columns') WITH ORDINALITY AS k(c, n) WHERE o.database_id = $db AND o.type = 'U'
      UNION ALL SELECT o.id, ${indexId}, jsonb_array_length(i -> 'columns') + k.n::int, k.c::int, 0::int2, 0::int2, 0::int2, 1::int2
      FROM catalog.objects o CROSS JOIN LATERAL jsonb_array_elements(o.info -> 'indexes') i CROSS JOIN LATERAL jsonb_array_elements_text(i -> 'included') WITH ORDINALITY AS k(c, n) WHERE o.database_id = $db AND o.type = 'U'`,
  },
  'sys.partitions': {
    columns:
      'partition_id:bigint object_id:int index_id:int partition_number:int hobt_id:bigint rows:bigint data_compression:tinyint data_compression_desc:name60',
    sql: `SELECT o.id::bigint * 1000 + ${indexId}, o.id, ${indexId}, 1, o.id::bigint * 1000 + ${indexId}, tsql.row_count($db, o.id), 0::int2, 'NONE' ${indexRows}`,
  },
  'sys.dm_db_partition_stats': {
    columns: 'partition_id:bigint object_id:int index_id:int partition_number:int row_count:bigint',
    sql: `SELECT o.id::bigint * 1000 + ${indexId}, o.id, ${indexId}, 1, tsql.row_count($db, o.id) ${indexRows}`,
  },
  'sys.schemas': {
    columns: 'name:sysname schema_id:int principal_id:int',
    sql: 'SELECT s.name, s.id, s.owner_id FROM catalog.schemas s WHERE s.database_id = $db',
  },
  'sys.databases': {
    columns:
      'name:sysname database_id:int create_date:datetime compatibility_level:tinyint collation_name:sysname state:tinyint state_desc:name60 is_read_only:bit is_read_committed_snapshot_on:bit recovery_model_desc:name60',
    sql: "SELECT d.name, d.id, d.created, 160::int2, 'SQL_Latin1_General_CP1_CI_AS', 0::int2, 'ONLINE', 0::int2, 1::int2, 'FULL' FROM catalog.databases d WHERE d.id IN (1, $db)",
  },
  'sys.database_principals': {
    columns:
      'name:sysname principal_id:int type:type type_desc:name60 default_schema_name:sysname create_date:datetime is_fixed_role:bit authentication_type_desc:name60 sid:text',
    sql: `SELECT p.name, p.id, p.type, CASE p.type WHEN 'R' THEN 'DATABASE_ROLE' WHEN 'E' THEN 'EXTERNAL_USER' ELSE 'SQL_USER' END, CASE WHEN p.type <> 'R' THEN 'dbo' END, now() AT TIME ZONE 'UTC', ${flag('p.id >= 16384')}, 'INSTANCE', NULL FROM catalog.principals p WHERE p.database_id = $db`,
  },
  'sys.database_role_members': {
    columns: 'role_principal_id:int member_principal_id:int',
    sql: 'SELECT m.role_id, m.member_id FROM catalog.role_members m WHERE m.database_id = $db',
  },
  'sys.database_permissions': {
    columns:
      'class:tinyint class_desc:name60 major_id:int minor_id:int grantee_principal_id:int grantor_principal_id:int type:type permission_name:sysname state:type state_desc:name60',
    sql: `SELECT CASE p.class WHEN 'DATABASE' THEN 0 WHEN 'SCHEMA' THEN 3 ELSE 1 END::int2, CASE p.class WHEN 'OBJECT' THEN 'OBJECT_OR_COLUMN' ELSE p.class END, p.major_id, 0, p.grantee_id, 1, left(p.permission, 2), p.permission, p.state, CASE p.state WHEN 'G' THEN 'GRANT' ELSE 'DENY' END FROM catalog.permissions p WHERE p.database_id = $db`,
  },
  'sys.extended_properties': {
    columns: 'class:tinyint class_desc:name60 major_id:int minor_id:int name:sysname value:text',
    sql: `SELECT e.class::int2, CASE e.class WHEN 0 THEN 'DATABASE' WHEN 1 THEN 'OBJECT_OR_COLUMN' WHEN 3 THEN 'SCHEMA' END, e.major_id, e.minor_id, e.name, e.value FROM catalog.extended_properties e WHERE e.database_id = $db`,
  },
  'sys.dm_exec_sessions': {
    columns: 'session_id:smallint login_name:sysname status:name60',
    sql: "SELECT $spid::int2, 'sqlfleet', 'running'",
  },
  'sys.dm_exec_connections': { columns: 'session_id:int net_transport:name60', sql: "SELECT $spid, 'TCP'" },
  'sys.configurations': {
    columns: 'configuration_id:int name:sysname value:int value_in_use:int',
    sql: "SELECT 0, ''::text, 0, 0 WHERE false",
  },
  'sys.filegroups': {
    columns: 'name:sysname data_space_id:int type:type is_default:bit',
    sql: "SELECT 'PRIMARY', 1, 'FG', 1::int2",
  },
  'sys.data_spaces': {
    columns: 'name:sysname data_space_id:int type:type is_default:bit',
    sql: "SELECT 'PRIMARY', 1, 'FG', 1::int2",
  },
  'sys.fulltext_catalogs': { columns: 'fulltext_catalog_id:int name:sysname', sql: "SELECT 0, ''::text WHERE false" },
  'sys.fulltext_indexes': { columns: 'object_id:int fulltext_catalog_id:int', sql: 'SELECT 0, 0 WHERE false' },
  'sys.sysobjects': {
    columns: 'name:sysname id:int xtype:type uid:int parent_obj:int type:type crdate:datetime',
    sql: `SELECT o.name, o.id, o.type, o.schema_id, o.parent_id, o.type, o.created FROM ${objects}`,
  },
  'sys.syscolumns': {
    columns:
      'name:sysname id:int xtype:tinyint xusertype:int length:smallint colid:int isnullable:int prec:smallint scale:int iscomputed:int cdefault:int',
    sql: `SELECT c ->> 'name', o.id, t.id, t.user_id, tsql.type_size(c -> 'type')::int2, (c ->> 'id')::int, ((c ->> 'nullable')::boolean)::int, tsql.type_precision(c -> 'type')::int2, tsql.type_scale(c -> 'type'), (c -> 'computed' <> 'null')::int,
      coalesce((SELECT d.id FROM catalog.objects d WHERE d.parent_id = o.id AND d.type = 'D' AND d.info ->> 'columnId' = c ->> 'id'), 0) ${columnRows} AND o.type IN ('U','V')`,
  },
  'sys.sysindexes': {
    columns: 'id:int name:sysname indid:int rows:bigint status:int',
    sql: `SELECT o.id, i ->> 'name', ${indexId}, tsql.row_count($db, o.id), 0 ${indexRows}`,
  },
  'sys.sysusers': {
    columns: 'uid:int name:sysname issqlrole:int',
    sql: "SELECT p.id, p.name, (p.type = 'R')::int FROM catalog.principals p WHERE p.database_id = $db",
  },
  'sys.systypes': {
    columns: 'name:sysname xtype:tinyint xusertype:int',
    sql: 'SELECT t.name, t.id, t.user_id FROM catalog.types t',
  },
};
