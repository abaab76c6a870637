import { createHash } from 'node:crypto';
import { conversionFunctions } from './conversion-functions';
import { jsonFunctions } from './json-functions';
import { lookupFunctions } from './lookup-functions';

/**
 * The catalog of one logical server. Everything that T-SQL calls an object is a row here, changed in the transaction of
 * the statement that changes it, so that ROLLBACK takes it back. Physical PostgreSQL objects carry ids for names and
 * never need to be renamed.
 */
const tables = `
-- functions call one another in any order
SET check_function_bodies = off;
CREATE SCHEMA catalog;
CREATE SCHEMA tsql;
CREATE EXTENSION pgcrypto SCHEMA tsql;
CREATE COLLATION tsql.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION tsql.ai (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
CREATE COLLATION tsql.cs (provider = icu, locale = 'und');
CREATE TYPE tsql.datetimeoffset AS (utc timestamp, minutes int);

CREATE SEQUENCE catalog.object_ids START 1000001;
CREATE SEQUENCE catalog.database_ids START 5;
CREATE SEQUENCE catalog.rowversions START 2001;

CREATE TABLE catalog.databases (
  id int PRIMARY KEY,
  name text NOT NULL,
  created timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);
CREATE UNIQUE INDEX databases_name ON catalog.databases (lower(name));

CREATE TABLE catalog.schemas (database_id int, id int, name text NOT NULL, owner_id int NOT NULL DEFAULT 1, PRIMARY KEY (database_id, id));
CREATE UNIQUE INDEX schemas_name ON catalog.schemas (database_id, lower(name));

-- type: as sys.objects names them; TT and AT for types, which have names of their own (space 't')
CREATE TABLE catalog.objects (
  database_id int NOT NULL,
  id int PRIMARY KEY DEFAULT nextval('catalog.object_ids'),
  schema_id int NOT NULL,
  space char(1) NOT NULL DEFAULT 'o',
  name text NOT NULL,
  type text NOT NULL,
  parent_id int NOT NULL DEFAULT 0,
  info jsonb,
  source text,
  version int NOT NULL DEFAULT 1,
  created timestamp NOT NULL DEFAULT (statement_timestamp() AT TIME ZONE 'UTC'),
  modified timestamp NOT NULL DEFAULT (statement_timestamp() AT TIME ZONE 'UTC')
);
CREATE UNIQUE INDEX objects_name ON catalog.objects (database_id, schema_id, space, lower(name));
CREATE INDEX objects_parent ON catalog.objects (parent_id) WHERE parent_id <> 0;
CREATE INDEX objects_referenced ON catalog.objects (((info ->> 'referencedId')::int)) WHERE type = 'F';

CREATE TABLE catalog.principals (database_id int, id int, name text NOT NULL, type char(1) NOT NULL, options text NOT NULL DEFAULT '', PRIMARY KEY (database_id, id));
CREATE UNIQUE INDEX principals_name ON catalog.principals (database_id, lower(name));
CREATE TABLE catalog.role_members (database_id int, role_id int, member_id int, PRIMARY KEY (database_id, role_id, member_id));
CREATE TABLE catalog.permissions (database_id int, class text, major_id int, grantee_id int, permission text, state char(1), PRIMARY KEY (database_id, class, major_id, grantee_id, permission));
CREATE TABLE catalog.extended_properties (database_id int, class int, major_id int, minor_id int, name text, value text, PRIMARY KEY (database_id, class, major_id, minor_id, name));

CREATE FUNCTION catalog.create_database(new_name text, fixed_id int DEFAULT NULL) RETURNS int LANGUAGE plpgsql AS $$
DECLARE new_id int;
BEGIN
  SELECT id INTO new_id FROM catalog.databases WHERE lower(name) = lower(new_name);
  IF FOUND THEN RETURN new_id; END IF;
  new_id := coalesce(fixed_id, nextval('catalog.database_ids'));
  INSERT INTO catalog.databases (id, name) VALUES (new_id, new_name);
  INSERT INTO catalog.schemas (database_id, id, name, owner_id) VALUES
    (new_id, 1, 'dbo', 1), (new_id, 2, 'guest', 2), (new_id, 3, 'INFORMATION_SCHEMA', 3), (new_id, 4, 'sys', 4);
  INSERT INTO catalog.principals (database_id, id, name, type) VALUES
    (new_id, 0, 'public', 'R'), (new_id, 1, 'dbo', 'S'), (new_id, 2, 'guest', 'S'), (new_id, 3, 'INFORMATION_SCHEMA', 'S'),
    (new_id, 4, 'sys', 'S'), (new_id, 16384, 'db_owner', 'R'), (new_id, 16385, 'db_accessadmin', 'R'),
    (new_id, 16386, 'db_securityadmin', 'R'), (new_id, 16387, 'db_ddladmin', 'R'), (new_id, 16389, 'db_backupoperator', 'R'),
    (new_id, 16390, 'db_datareader', 'R'), (new_id, 16391, 'db_datawriter', 'R'), (new_id, 16392, 'db_denydatareader', 'R'),
    (new_id, 16393, 'db_denydatawriter', 'R');
  EXECUTE format('CREATE SCHEMA d%s', new_id);
  RETURN new_id;
EXCEPTION WHEN unique_violation THEN
  SELECT id INTO new_id FROM catalog.databases WHERE lower(name) = lower(new_name);
  RETURN new_id;
END $$;

CREATE FUNCTION catalog.drop_database(old_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE old_id int;
BEGIN
  SELECT id INTO old_id FROM catalog.databases WHERE lower(name) = lower(old_name) FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  EXECUTE format('DROP SCHEMA d%s CASCADE', old_id);
  DELETE FROM catalog.objects WHERE database_id = old_id;
  DELETE FROM catalog.schemas WHERE database_id = old_id;
  DELETE FROM catalog.principals WHERE database_id = old_id;
  DELETE FROM catalog.role_members WHERE database_id = old_id;
  DELETE FROM catalog.permissions WHERE database_id = old_id;
  DELETE FROM catalog.extended_properties WHERE database_id = old_id;
  DELETE FROM catalog.databases WHERE id = old_id;
END $$;

SELECT catalog.create_database('master', 1);
SELECT catalog.create_database('tempdb', 2);
`;

/** Runs once, in the template that every logical server is copied from. */
export const bootstrapSql = `${tables}${conversionFunctions}${jsonFunctions}${lookupFunctions}`;

/** Names the template: state that an older version of this code left behind is not mistaken for ours. */
export const bootstrapVersion = createHash('sha256').update(bootstrapSql).digest('hex').slice(0, 12);
