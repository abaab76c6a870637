import { type SystemView } from './system-view';

const database = '(SELECT d.name FROM catalog.databases d WHERE d.id = $db)';
const joined = 'catalog.objects o JOIN catalog.schemas s ON s.database_id = o.database_id AND s.id = o.schema_id';
const own = "o.database_id = $db AND o.space = 'o'";

const isText = "c #>> '{type,name}' IN ('char','varchar','nchar','nvarchar','text','ntext')";
const isSized =
  "c #>> '{type,name}' IN ('char','varchar','nchar','nvarchar','text','ntext','binary','varbinary','image','xml')";
const characters = `CASE WHEN c #>> '{type,length}' = 'max' OR c #>> '{type,name}' = 'xml' THEN -1 WHEN c #>> '{type,name}' IN ('text','image') THEN 2147483647 WHEN c #>> '{type,name}' = 'ntext' THEN 1073741823 WHEN ${isSized} THEN (c #>> '{type,length}')::int END`;
const isExact = "c #>> '{type,name}' IN ('tinyint','smallint','int','bigint','decimal','numeric','money','smallmoney')";

export const informationSchemaViews: Record<string, SystemView> = {
  'information_schema.tables': {
    columns: 'TABLE_CATALOG:sysname TABLE_SCHEMA:sysname TABLE_NAME:sysname TABLE_TYPE:sysname',
    sql: `SELECT ${database}, s.name, o.name, CASE o.type WHEN 'U' THEN 'BASE TABLE' ELSE 'VIEW' END FROM ${joined} WHERE ${own} AND o.type IN ('U','V')`,
  },
  'information_schema.columns': {
    columns:
      'TABLE_CATALOG:sysname TABLE_SCHEMA:sysname TABLE_NAME:sysname COLUMN_NAME:sysname ORDINAL_POSITION:int COLUMN_DEFAULT:text IS_NULLABLE:sysname DATA_TYPE:sysname CHARACTER_MAXIMUM_LENGTH:int CHARACTER_OCTET_LENGTH:int NUMERIC_PRECISION:tinyint NUMERIC_PRECISION_RADIX:smallint NUMERIC_SCALE:int DATETIME_PRECISION:smallint CHARACTER_SET_NAME:sysname COLLATION_NAME:sysname DOMAIN_NAME:sysname',
    sql: `SELECT ${database}, s.name, o.name, c ->> 'name', x.n::int, (SELECT d.info ->> 'text' FROM catalog.objects d WHERE d.parent_id = o.id AND d.type = 'D' AND d.info ->> 'columnId' = c ->> 'id'),
      CASE WHEN (c ->> 'nullable')::boolean THEN 'YES' ELSE 'NO' END, CASE WHEN (c ->> 'rowversion')::boolean THEN 'timestamp' ELSE c #>> '{type,name}' END, ${characters},
      CASE WHEN c #>> '{type,length}' = 'max' THEN -1 WHEN ${isSized} THEN tsql.type_size(c -> 'type') END,
      CASE WHEN ${isExact} OR c #>> '{type,name}' IN ('float','real') THEN tsql.type_precision(c -> 'type')::int2 END, CASE WHEN ${isExact} THEN 10::int2 WHEN c #>> '{type,name}' IN ('float','real') THEN 2::int2 END,
      CASE WHEN ${isExact} THEN tsql.type_scale(c -> 'type') END,
      CASE c #>> '{type,name}' WHEN 'date' THEN 0 WHEN 'datetime' THEN 3 WHEN 'smalldatetime' THEN 0 WHEN 'datetime2' THEN (c #>> '{type,scale}')::int WHEN 'time' THEN (c #>> '{type,scale}')::int WHEN 'datetimeoffset' THEN (c #>> '{type,scale}')::int END::int2,
      CASE WHEN ${isText} THEN CASE WHEN c #>> '{type,name}' LIKE 'n%' THEN 'UNICODE' ELSE 'iso_1' END END, CASE WHEN ${isText} THEN coalesce(c ->> 'collation', 'SQL_Latin1_General_CP1_CI_AS') END, c ->> 'userType'
      FROM ${joined} CROSS JOIN LATERAL jsonb_array_elements(o.info -> 'columns') WITH ORDINALITY AS x(c, n) WHERE ${own} AND o.type IN ('U','V')`,
  },
  'information_schema.table_constraints': {
    columns:
      'CONSTRAINT_CATALOG:sysname CONSTRAINT_SCHEMA:sysname CONSTRAINT_NAME:sysname TABLE_CATALOG:sysname TABLE_SCHEMA:sysname TABLE_NAME:sysname CONSTRAINT_TYPE:sysname IS_DEFERRABLE:sysname INITIALLY_DEFERRED:sysname',
    sql: `SELECT ${database}, s.name, o.name, ${database}, s.name, p.name, CASE o.type WHEN 'PK' THEN 'PRIMARY KEY' WHEN 'UQ' THEN 'UNIQUE' WHEN 'F' THEN 'FOREIGN KEY' ELSE 'CHECK' END, 'NO', 'NO'
      FROM ${joined} JOIN catalog.objects p ON p.id = o.parent_id WHERE ${own} AND o.type IN ('PK','UQ','F','C')`,
  },
  'information_schema.key_column_usage': {
    columns:
      'CONSTRAINT_CATALOG:sysname CONSTRAINT_SCHEMA:sysname CONSTRAINT_NAME:sysname TABLE_CATALOG:sysname TABLE_SCHEMA:sysname TABLE_NAME:sysname COLUMN_NAME:sysname ORDINAL_POSITION:int',
    sql: `SELECT ${database}, s.name, o.name, ${database}, s.name, p.name, tsql.col_name(p.id, k.id), k.n::int FROM ${joined} JOIN catalog.objects p ON p.id = o.parent_id CROSS JOIN LATERAL (
        SELECT (x.c ->> 'id')::int AS id, x.n FROM jsonb_array_elements(p.info -> 'indexes') i CROSS JOIN LATERAL jsonb_array_elements(i -> 'columns') WITH ORDINALITY AS x(c, n) WHERE (i ->> 'constraintId')::int = o.id
        UNION ALL SELECT y.c::int, y.n FROM jsonb_array_elements_text(CASE WHEN o.type = 'F' THEN o.info -> 'columns' ELSE '[]' END) WITH ORDINALITY AS y(c, n)) k
      WHERE ${own} AND o.type IN ('PK','UQ','F')`,
  },
  'information_schema.constraint_column_usage': {
    columns:
      'TABLE_CATALOG:sysname TABLE_SCHEMA:sysname TABLE_NAME:sysname COLUMN_NAME:sysname CONSTRAINT_CATALOG:sysname CONSTRAINT_SCHEMA:sysname CONSTRAINT_NAME:sysname',
    sql: `SELECT ${database}, s.name, p.name, tsql.col_name(p.id, k.id), ${database}, s.name, o.name FROM ${joined} JOIN catalog.objects p ON p.id = o.parent_id CROSS JOIN LATERAL (
        SELECT (c ->> 'id')::int AS id FROM jsonb_array_elements(p.info -> 'indexes') i CROSS JOIN LATERAL jsonb_array_elements(i -> 'columns') c WHERE (i ->> 'constraintId')::int = o.id
        UNION ALL SELECT y.c::int FROM jsonb_array_elements_text(CASE WHEN o.type = 'F' THEN o.info -> 'columns' ELSE '[]' END) AS y(c)
        UNION ALL SELECT (o.info ->> 'columnId')::int WHERE o.type = 'C' AND o.info ->> 'columnId' IS NOT NULL) k
      WHERE ${own} AND o.type IN ('PK','UQ','F','C')`,
  },
  'information_schema.referential_constraints': {
    columns:
      'CONSTRAINT_CATALOG:sysname CONSTRAINT_SCHEMA:sysname CONSTRAINT_NAME:sysname UNIQUE_CONSTRAINT_CATALOG:sysname UNIQUE_CONSTRAINT_SCHEMA:sysname UNIQUE_CONSTRAINT_NAME:sysname MATCH_OPTION:sysname UPDATE_RULE:sysname DELETE_RULE:sysname',
    sql: `SELECT ${database}, s.name, o.name, ${database}, s.name, (SELECT k.name FROM catalog.objects k WHERE k.parent_id = (o.info ->> 'referencedId')::int AND k.type IN ('PK','UQ') ORDER BY k.type LIMIT 1), 'SIMPLE',
      replace(o.info ->> 'onUpdate', '_', ' '), replace(o.info ->> 'onDelete', '_', ' ') FROM ${joined} WHERE ${own} AND o.type = 'F'`,
  },
  'information_schema.check_constraints': {
    columns: 'CONSTRAINT_CATALOG:sysname CONSTRAINT_SCHEMA:sysname CONSTRAINT_NAME:sysname CHECK_CLAUSE:text',
    sql: `SELECT ${database}, s.name, o.name, '(' || (o.info ->> 'text') || ')' FROM ${joined} WHERE ${own} AND o.type = 'C'`,
  },
  'information_schema.views': {
    columns:
      'TABLE_CATALOG:sysname TABLE_SCHEMA:sysname TABLE_NAME:sysname VIEW_DEFINITION:text CHECK_OPTION:sysname IS_UPDATABLE:sysname',
    sql: `SELECT ${database}, s.name, o.name, o.source, 'NONE', 'NO' FROM ${joined} WHERE ${own} AND o.type = 'V'`,
  },
  'information_schema.routines': {
    columns:
      'SPECIFIC_CATALOG:sysname SPECIFIC_SCHEMA:sysname SPECIFIC_NAME:sysname ROUTINE_CATALOG:sysname ROUTINE_SCHEMA:sysname ROUTINE_NAME:sysname ROUTINE_TYPE:sysname ROUTINE_DEFINITION:text CREATED:datetime LAST_ALTERED:datetime',
    sql: `SELECT ${database}, s.name, o.name, ${database}, s.name, o.name, CASE o.type WHEN 'P' THEN 'PROCEDURE' ELSE 'FUNCTION' END, o.source, o.created, o.modified FROM ${joined} WHERE ${own} AND o.type IN ('P','FN','IF','TF')`,
  },
  'information_schema.schemata': {
    columns: 'CATALOG_NAME:sysname SCHEMA_NAME:sysname SCHEMA_OWNER:sysname',
    sql: `SELECT ${database}, s.name, tsql.principal_name($db, s.owner_id) FROM catalog.schemas s WHERE s.database_id = $db`,
  },
};
