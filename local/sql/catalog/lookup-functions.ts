/** Functions over the catalog tables that T-SQL calls with names in strings: OBJECT_ID and its like. */
export const lookupFunctions = `
-- '[a b].c' -> {a b,c}; null where it is no name
CREATE FUNCTION tsql.parse_name(v text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE result text[] := '{}'; rest text COLLATE pg_catalog.pg_c_utf8 := btrim(v); part text[]; delimiter text;
BEGIN
  LOOP
    part := regexp_match(rest, '^\\s*(?:\\[((?:[^\\]]|\\]\\])*)\\]|"((?:[^"]|"")*)"|([^.\\["\\s]*))\\s*(\\.|$)');
    IF part IS NULL THEN RETURN NULL; END IF;
    result := result || coalesce(replace(part[1], ']]', ']'), replace(part[2], '""', '"'), part[3]);
    delimiter := part[4];
    rest := regexp_replace(rest, '^\\s*(?:\\[((?:[^\\]]|\\]\\])*)\\]|"((?:[^"]|"")*)"|([^.\\["\\s]*))\\s*(\\.|$)', '');
    EXIT WHEN delimiter <> '.';
  END LOOP;
  RETURN CASE WHEN array_length(result, 1) > 4 OR result[array_length(result, 1)] = '' THEN NULL ELSE result END;
END $$;

CREATE FUNCTION tsql.object_id(db int, spid int, v text, wanted text) RETURNS int LANGUAGE plpgsql STABLE AS $$
DECLARE parts text[] := tsql.parse_name(v); size int := array_length(parts, 1); result int; db_name text; schema_name text;
BEGIN
  IF parts IS NULL THEN RETURN NULL; END IF;
  IF left(parts[size], 1) = '#' THEN
    IF size >= 3 AND lower(parts[size - 2]) = 'tempdb' OR size < 3 THEN
      SELECT id INTO result FROM catalog.objects WHERE database_id = 2 AND schema_id = 100000 + spid AND space = 'o' AND lower(name) = lower(parts[size]) AND size >= 3;
    END IF;
    RETURN result;
  END IF;
  db_name := CASE WHEN size >= 3 THEN nullif(parts[size - 2], '') END;
  schema_name := coalesce(CASE WHEN size >= 2 THEN nullif(parts[size - 1], '') END, 'dbo');
  IF db_name IS NOT NULL THEN SELECT id INTO db FROM catalog.databases WHERE lower(name) = lower(db_name); END IF;
  IF lower(schema_name) IN ('sys', 'information_schema') THEN
    RETURN (SELECT -abs(hashtext(lower(schema_name || '.' || parts[size]))) WHERE EXISTS (
      SELECT FROM catalog.system_views s WHERE s.name = lower(schema_name || '.' || parts[size])) AND (wanted IS NULL OR upper(wanted) = 'V'));
  END IF;
  SELECT o.id INTO result FROM catalog.objects o JOIN catalog.schemas s ON s.database_id = o.database_id AND s.id = o.schema_id
  WHERE o.database_id = db AND lower(s.name) = lower(schema_name) AND o.space = 'o' AND lower(o.name) = lower(parts[size])
    AND (wanted IS NULL OR o.type = upper(rtrim(wanted)));
  RETURN result;
END $$;
CREATE TABLE catalog.system_views (name text PRIMARY KEY);

CREATE FUNCTION tsql.object_row(object_id int) RETURNS catalog.objects LANGUAGE sql STABLE AS
$$ SELECT o FROM catalog.objects o WHERE o.id = object_id $$;
CREATE FUNCTION tsql.object_name(db int, object_id int) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT name FROM catalog.objects WHERE id = object_id AND database_id IN (db, 2) AND space = 'o' $$;
CREATE FUNCTION tsql.object_schema_name(db int, object_id int) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT s.name FROM catalog.objects o JOIN catalog.schemas s ON s.database_id = o.database_id AND s.id = o.schema_id WHERE o.id = object_id AND o.database_id = db $$;
CREATE FUNCTION tsql.schema_id(db int, v text) RETURNS int LANGUAGE sql STABLE AS
$$ SELECT id FROM catalog.schemas WHERE database_id = db AND lower(name) = lower(v) $$;
CREATE FUNCTION tsql.schema_name(db int, v int) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT name FROM catalog.schemas WHERE database_id = db AND id = v $$;
CREATE FUNCTION tsql.principal_id(db int, v text) RETURNS int LANGUAGE sql STABLE AS
$$ SELECT id FROM catalog.principals WHERE database_id = db AND lower(name) = lower(v) $$;
CREATE FUNCTION tsql.principal_name(db int, v int) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT name FROM catalog.principals WHERE database_id = db AND id = v $$;
CREATE FUNCTION tsql.database_id(v text) RETURNS int LANGUAGE sql STABLE AS $$ SELECT id FROM catalog.databases WHERE lower(name) = lower(v) $$;
CREATE FUNCTION tsql.database_name(v int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT name FROM catalog.databases WHERE id = v $$;

CREATE FUNCTION tsql.column_of(object_id int, column_name text) RETURNS jsonb LANGUAGE sql STABLE AS $$
SELECT c FROM catalog.objects o, jsonb_array_elements(o.info -> 'columns') c WHERE o.id = object_id AND lower(c ->> 'name') = lower(column_name) $$;
CREATE FUNCTION tsql.col_length(object_id int, column_name text) RETURNS int LANGUAGE sql STABLE AS
$$ SELECT tsql.type_size(c -> 'type') FROM tsql.column_of(object_id, column_name) c $$;
CREATE FUNCTION tsql.col_name(object_id int, column_id int) RETURNS text LANGUAGE sql STABLE AS $$
SELECT c ->> 'name' FROM catalog.objects o, jsonb_array_elements(o.info -> 'columns') c WHERE o.id = object_id AND (c ->> 'id')::int = column_id $$;

-- max_length as sys.columns shows it
CREATE FUNCTION tsql.type_size(t jsonb) RETURNS int LANGUAGE sql IMMUTABLE AS $$
SELECT CASE t ->> 'name'
  WHEN 'bit' THEN 1 WHEN 'tinyint' THEN 1 WHEN 'smallint' THEN 2 WHEN 'int' THEN 4 WHEN 'bigint' THEN 8 WHEN 'real' THEN 4 WHEN 'float' THEN 8
  WHEN 'money' THEN 8 WHEN 'smallmoney' THEN 4 WHEN 'uniqueidentifier' THEN 16 WHEN 'date' THEN 3 WHEN 'datetime' THEN 8 WHEN 'smalldatetime' THEN 4
  WHEN 'text' THEN 16 WHEN 'ntext' THEN 16 WHEN 'image' THEN 16 WHEN 'xml' THEN -1
  WHEN 'time' THEN CASE WHEN (t ->> 'scale')::int <= 2 THEN 3 WHEN (t ->> 'scale')::int <= 4 THEN 4 ELSE 5 END
  WHEN 'datetime2' THEN CASE WHEN (t ->> 'scale')::int <= 2 THEN 6 WHEN (t ->> 'scale')::int <= 4 THEN 7 ELSE 8 END
  WHEN 'datetimeoffset' THEN CASE WHEN (t ->> 'scale')::int <= 2 THEN 8 WHEN (t ->> 'scale')::int <= 4 THEN 9 ELSE 10 END
  WHEN 'decimal' THEN CASE WHEN (t ->> 'precision')::int <= 9 THEN 5 WHEN (t ->> 'precision')::int <= 19 THEN 9 WHEN (t ->> 'precision')::int <= 28 THEN 13 ELSE 17 END
  WHEN 'numeric' THEN CASE WHEN (t ->> 'precision')::int <= 9 THEN 5 WHEN (t ->> 'precision')::int <= 19 THEN 9 WHEN (t ->> 'precision')::int <= 28 THEN 13 ELSE 17 END
  ELSE CASE WHEN t ->> 'length' = 'max' THEN -1 WHEN t ->> 'name' IN ('nchar', 'nvarchar') THEN (t ->> 'length')::int * 2 ELSE (t ->> 'length')::int END
END $$;

-- rows of a table, for sys.partitions; a table that another session just dropped counts none
CREATE FUNCTION tsql.row_count(database_id int, object_id int) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE result bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %s.t%s', CASE WHEN database_id = 2 THEN 'pg_temp' ELSE 'd' || database_id END, object_id) INTO result;
  RETURN result;
EXCEPTION WHEN undefined_table THEN RETURN 0;
END $$;
CREATE FUNCTION tsql.sequence_value(database_id int, object_id int) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE result bigint;
BEGIN
  EXECUTE format('SELECT CASE WHEN is_called THEN last_value END FROM d%s.q%s', database_id, object_id) INTO result;
  RETURN result;
EXCEPTION WHEN undefined_table THEN RETURN NULL;
END $$;

CREATE TABLE catalog.types (name text PRIMARY KEY, id int2 NOT NULL, user_id int NOT NULL, max_length int NOT NULL, precision int NOT NULL, scale int NOT NULL);
INSERT INTO catalog.types SELECT name, id, CASE name WHEN 'sysname' THEN 256 ELSE id END, max_length, precision, scale FROM (VALUES
  ('image',34,16,0,0),('text',35,16,0,0),('uniqueidentifier',36,16,0,0),('date',40,3,10,0),('time',41,5,16,7),('datetime2',42,8,27,7),('datetimeoffset',43,10,34,7),
  ('tinyint',48,1,3,0),('smallint',52,2,5,0),('int',56,4,10,0),('smalldatetime',58,4,16,0),('real',59,4,24,0),('money',60,8,19,4),('datetime',61,8,23,3),('float',62,8,53,0),
  ('ntext',99,16,0,0),('bit',104,1,1,0),('decimal',106,17,38,38),('numeric',108,17,38,38),('smallmoney',122,4,10,4),('bigint',127,8,19,0),('varbinary',165,8000,0,0),
  ('varchar',167,8000,0,0),('binary',173,8000,0,0),('char',175,8000,0,0),('timestamp',189,8,0,0),('nvarchar',231,8000,0,0),('sysname',231,256,0,0),('nchar',239,8000,0,0),('xml',241,-1,0,0)
) AS v(name, id, max_length, precision, scale);

CREATE FUNCTION tsql.type_precision(t jsonb) RETURNS int LANGUAGE sql STABLE AS $$
SELECT CASE WHEN t ? 'precision' THEN (t ->> 'precision')::int
  WHEN t ->> 'name' = 'time' THEN 8 + CASE WHEN (t ->> 'scale')::int > 0 THEN (t ->> 'scale')::int + 1 ELSE 0 END
  WHEN t ->> 'name' = 'datetime2' THEN 19 + CASE WHEN (t ->> 'scale')::int > 0 THEN (t ->> 'scale')::int + 1 ELSE 0 END
  WHEN t ->> 'name' = 'datetimeoffset' THEN 26 + CASE WHEN (t ->> 'scale')::int > 0 THEN (t ->> 'scale')::int + 1 ELSE 0 END
  ELSE (SELECT precision FROM catalog.types WHERE name = t ->> 'name') END $$;
CREATE FUNCTION tsql.type_scale(t jsonb) RETURNS int LANGUAGE sql STABLE AS $$
SELECT CASE WHEN t ? 'scale' THEN (t ->> 'scale')::int ELSE (SELECT scale FROM catalog.types WHERE name = t ->> 'name') END $$;
CREATE FUNCTION tsql.type_id(db int, v text) RETURNS int LANGUAGE sql STABLE AS $$
SELECT coalesce((SELECT user_id FROM catalog.types WHERE name = lower((tsql.parse_name(v))[array_length(tsql.parse_name(v), 1)])),
  (SELECT o.id FROM catalog.objects o JOIN catalog.schemas s ON s.database_id = o.database_id AND s.id = o.schema_id, tsql.parse_name(v) AS p(n)
   WHERE o.database_id = db AND o.space = 't' AND lower(o.name) = lower(n[array_length(n, 1)]) AND lower(s.name) = lower(CASE WHEN array_length(n, 1) > 1 THEN n[array_length(n, 1) - 1] ELSE 'dbo' END))) $$;
CREATE FUNCTION tsql.type_name(db int, v int) RETURNS text LANGUAGE sql STABLE AS $$
SELECT coalesce((SELECT name FROM catalog.types WHERE user_id = v), (SELECT name FROM catalog.objects WHERE database_id = db AND id = v AND space = 't')) $$;

CREATE FUNCTION tsql.object_property(object_id int, property text) RETURNS int LANGUAGE sql STABLE AS $$
SELECT CASE property
  WHEN 'istable' THEN (o.type = 'U')::int WHEN 'isusertable' THEN (o.type = 'U')::int WHEN 'isview' THEN (o.type = 'V')::int WHEN 'isprocedure' THEN (o.type = 'P')::int
  WHEN 'isscalarfunction' THEN (o.type = 'FN')::int WHEN 'isinlinefunction' THEN (o.type = 'IF')::int WHEN 'istablefunction' THEN (o.type IN ('IF','TF'))::int
  WHEN 'istrigger' THEN (o.type = 'TR')::int WHEN 'isprimarykey' THEN (o.type = 'PK')::int WHEN 'isuniquecnst' THEN (o.type = 'UQ')::int
  WHEN 'isforeignkey' THEN (o.type = 'F')::int WHEN 'ischeckcnst' THEN (o.type = 'C')::int WHEN 'isdefaultcnst' THEN (o.type = 'D')::int
  WHEN 'isconstraint' THEN (o.type IN ('PK','UQ','F','C','D'))::int WHEN 'ismsshipped' THEN 0
  WHEN 'tablehasidentity' THEN (EXISTS (SELECT FROM jsonb_array_elements(o.info -> 'columns') c WHERE c -> 'identity' <> 'null'))::int
  WHEN 'tablehasprimarykey' THEN (EXISTS (SELECT FROM catalog.objects k WHERE k.parent_id = o.id AND k.type = 'PK'))::int
  WHEN 'tablehasforeignkey' THEN (EXISTS (SELECT FROM catalog.objects k WHERE k.parent_id = o.id AND k.type = 'F'))::int
  WHEN 'tablehasclustindex' THEN (EXISTS (SELECT FROM jsonb_array_elements(o.info -> 'indexes') i WHERE (i ->> 'clustered')::boolean))::int
  WHEN 'cnstisdisabled' THEN coalesce((o.info ->> 'disabled')::boolean, false)::int WHEN 'cnstisnottrusted' THEN coalesce((o.info ->> 'notTrusted')::boolean, false)::int
  WHEN 'execistriggerdisabled' THEN coalesce((o.info ->> 'disabled')::boolean, false)::int WHEN 'ownerid' THEN 1 WHEN 'schemaid' THEN o.schema_id END
FROM catalog.objects o WHERE o.id = object_id $$;
CREATE FUNCTION tsql.column_property(object_id int, column_name text, property text) RETURNS int LANGUAGE sql STABLE AS $$
SELECT CASE property WHEN 'isidentity' THEN (c -> 'identity' <> 'null')::int WHEN 'iscomputed' THEN (c -> 'computed' <> 'null')::int WHEN 'allowsnull' THEN (c ->> 'nullable')::boolean::int
  WHEN 'columnid' THEN (c ->> 'id')::int WHEN 'precision' THEN CASE WHEN tsql.type_size(c -> 'type') = -1 THEN -1 ELSE coalesce((c #>> '{type,length}')::int, tsql.type_precision(c -> 'type')) END
  WHEN 'scale' THEN tsql.type_scale(c -> 'type') WHEN 'isrowguidcol' THEN (c ->> 'rowguid')::boolean::int WHEN 'charmaxlen' THEN nullif(c #>> '{type,length}', 'max')::int END
FROM tsql.column_of(object_id, column_name) c WHERE c IS NOT NULL $$;
CREATE FUNCTION tsql.index_property(object_id int, index_name text, property text) RETURNS int LANGUAGE sql STABLE AS $$
SELECT CASE property WHEN 'indexid' THEN CASE WHEN (i ->> 'clustered')::boolean THEN 1 ELSE (i ->> 'id')::int + 1 END WHEN 'isunique' THEN (i ->> 'unique')::boolean::int
  WHEN 'isclustered' THEN (i ->> 'clustered')::boolean::int WHEN 'isdisabled' THEN (i ->> 'disabled')::boolean::int WHEN 'indexdepth' THEN 1 END
FROM catalog.objects o, jsonb_array_elements(o.info -> 'indexes') i WHERE o.id = object_id AND lower(i ->> 'name') = lower(index_name) $$;
CREATE FUNCTION tsql.identity_part(object_id int, part text) RETURNS numeric LANGUAGE sql STABLE AS $$
SELECT (c -> 'identity' ->> part)::numeric FROM catalog.objects o, jsonb_array_elements(o.info -> 'columns') c WHERE o.id = object_id AND c -> 'identity' <> 'null' $$;
CREATE FUNCTION tsql.ident_last(database_id int, object_id int) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE result bigint;
BEGIN
  EXECUTE format('SELECT CASE WHEN is_called THEN last_value END FROM %s.s%s', CASE WHEN database_id = 2 THEN 'pg_temp' ELSE 'd' || database_id END, object_id) INTO result;
  RETURN result;
EXCEPTION WHEN undefined_table THEN RETURN NULL;
END $$;
CREATE FUNCTION tsql.ident_current(database_id int, object_id int) RETURNS numeric LANGUAGE sql VOLATILE AS
$$ SELECT coalesce(tsql.ident_last(database_id, object_id), tsql.identity_part(object_id, 'seed')) $$;
CREATE FUNCTION tsql.database_property(v text, property text) RETURNS text LANGUAGE sql STABLE AS $$
SELECT CASE property WHEN 'collation' THEN 'SQL_Latin1_General_CP1_CI_AS' WHEN 'status' THEN 'ONLINE' WHEN 'updateability' THEN 'READ_WRITE' WHEN 'edition' THEN 'Standard'
  WHEN 'serviceobjective' THEN 'S0' WHEN 'recovery' THEN 'FULL' WHEN 'useraccess' THEN 'MULTI_USER' WHEN 'isfulltextenabled' THEN '0' END
FROM catalog.databases WHERE lower(name) = lower(v) $$;
-- each is greater than the one before, in the order of tsql.guid_key
CREATE SEQUENCE catalog.guids;
CREATE FUNCTION tsql.sequential_guid() RETURNS uuid LANGUAGE sql VOLATILE AS $$
SELECT tsql.guid_of_key('\\x0242ac1100028002'::bytea || int8send(((extract(epoch FROM clock_timestamp()) * 1000)::bigint << 20) | (nextval('catalog.guids') & 1048575))) $$;
-- the bytes of a uniqueidentifier as SQL Server compares them: the last group first
CREATE FUNCTION tsql.guid_key(v uuid) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS $$
SELECT substring(b FROM 11 FOR 6) || substring(b FROM 9 FOR 2) || substring(b FROM 7 FOR 2) || substring(b FROM 5 FOR 2) || substring(b FROM 1 FOR 4) FROM tsql.bytes_of_guid(v) b $$;
CREATE FUNCTION tsql.guid_of_key(v bytea) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS $$
SELECT tsql.guid_of_bytes(substring(v FROM 13 FOR 4) || substring(v FROM 11 FOR 2) || substring(v FROM 9 FOR 2) || substring(v FROM 7 FOR 2) || substring(v FROM 1 FOR 6)) $$;
CREATE FUNCTION tsql.bytes_of_guid(v uuid) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS $$
SELECT substring(b FROM 4 FOR 1) || substring(b FROM 3 FOR 1) || substring(b FROM 2 FOR 1) || substring(b FROM 1 FOR 1) || substring(b FROM 6 FOR 1) || substring(b FROM 5 FOR 1)
  || substring(b FROM 8 FOR 1) || substring(b FROM 7 FOR 1) || substring(b FROM 9) FROM (SELECT decode(replace(v::text, '-', ''), 'hex') AS b) x $$;
CREATE FUNCTION tsql.guid_of_bytes(v bytea) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS $$
SELECT encode(substring(b FROM 4 FOR 1) || substring(b FROM 3 FOR 1) || substring(b FROM 2 FOR 1) || substring(b FROM 1 FOR 1) || substring(b FROM 6 FOR 1) || substring(b FROM 5 FOR 1)
  || substring(b FROM 8 FOR 1) || substring(b FROM 7 FOR 1) || substring(b FROM 9), 'hex')::uuid FROM (SELECT substring(v || '\\x00000000000000000000000000000000'::bytea FROM 1 FOR 16) AS b) x $$;

-- all that the front needs to know about an object, in one answer; see definitions.ts
CREATE FUNCTION catalog.describe(object_id int) RETURNS jsonb LANGUAGE sql STABLE AS $$
SELECT jsonb_build_object('id', o.id, 'databaseId', o.database_id, 'schema', CASE WHEN o.schema_id > 100000 THEN 'dbo' ELSE s.name END, 'name', o.name, 'type', o.type, 'info', o.info, 'source', o.source,
  'version', o.version, 'parentId', o.parent_id,
  'children', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'name', c.name, 'type', c.type, 'info', c.info, 'source', c.source, 'schema', cs.name) ORDER BY c.id), '[]')
    FROM catalog.objects c LEFT JOIN catalog.schemas cs ON cs.database_id = c.database_id AND cs.id = c.schema_id WHERE c.parent_id = o.id),
  'referencedBy', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', f.name, 'tableId', f.parent_id) ORDER BY f.id), '[]') FROM catalog.objects f WHERE f.type = 'F' AND (f.info ->> 'referencedId')::int = o.id))
FROM catalog.objects o LEFT JOIN catalog.schemas s ON s.database_id = o.database_id AND s.id = o.schema_id WHERE o.id = object_id $$;
CREATE FUNCTION catalog.find(db int, spid int, schema_name text, object_name text, wanted_space text) RETURNS jsonb LANGUAGE sql STABLE AS $$
SELECT catalog.describe(o.id) FROM catalog.objects o
WHERE CASE WHEN left(object_name, 1) = '#' THEN o.database_id = 2 AND o.schema_id = 100000 + spid ELSE o.database_id = db AND o.schema_id = tsql.schema_id(db, schema_name) END
  AND o.space = wanted_space AND lower(o.name) = lower(object_name) $$;

-- sys.fn_listextendedproperty; '' for default and NULL
CREATE FUNCTION tsql.list_properties(db int, property text, type0 text, name0 text, type1 text, name1 text, type2 text, name2 text)
RETURNS TABLE (objtype text, objname text, name text, value text) LANGUAGE sql STABLE AS $$
SELECT CASE WHEN e.class = 0 THEN NULL WHEN type2 IS NOT NULL THEN upper(type2) WHEN type1 IS NOT NULL THEN upper(type1) ELSE 'SCHEMA' END,
  CASE WHEN e.class = 0 THEN NULL WHEN type2 IS NOT NULL THEN coalesce(tsql.col_name(e.major_id, e.minor_id), o.name) WHEN type1 IS NOT NULL THEN o.name ELSE tsql.schema_name(db, e.major_id) END, e.name, e.value
FROM catalog.extended_properties e LEFT JOIN catalog.objects o ON o.id = e.major_id AND e.class IN (1, 7) LEFT JOIN catalog.objects p ON p.id = o.parent_id
WHERE e.database_id = db AND (property IS NULL OR lower(e.name) = lower(property)) AND CASE
  WHEN type0 IS NULL THEN e.class = 0
  WHEN type1 IS NULL THEN e.class = 3 AND (name0 IS NULL OR e.major_id = tsql.schema_id(db, name0))
  WHEN type2 IS NULL THEN e.class = 1 AND e.minor_id = 0 AND o.parent_id = 0 AND o.schema_id = tsql.schema_id(db, name0) AND (name1 IS NULL OR lower(o.name) = lower(name1))
  WHEN upper(type2) = 'COLUMN' THEN e.class = 1 AND e.minor_id > 0 AND o.schema_id = tsql.schema_id(db, name0) AND lower(o.name) = lower(name1) AND (name2 IS NULL OR lower(tsql.col_name(e.major_id, e.minor_id)) = lower(name2))
  ELSE e.class = 1 AND e.minor_id = 0 AND lower(p.name) = lower(name1) AND (name2 IS NULL OR lower(o.name) = lower(name2)) END $$;
`;
