import { sqlError } from '../errors';
import { type Path } from '../parser/ast';
import { type ObjectDefinition } from './definitions';
import { readDefinition } from './read';

/** What to read from the catalog before compiling can go on. */
export interface DefinitionKey {
  space: 'o' | 't';
  schema: string;
  name: string;
}

/** Thrown by a lookup that memory cannot answer; the compiler's caller loads it and compiles again. */
export class NeedsDefinition extends Error {
  constructor(readonly key: DefinitionKey | number) {
    super('a definition has to be read from the catalog');
  }
}

/** Definitions of one database by name and id. `null`: known not to exist. */
export interface DefinitionCache {
  byName: Map<string, ObjectDefinition | null>;
  byId: Map<number, ObjectDefinition | null>;
  /** Grows with every change of the database's catalog; what was compiled under another one is stale. */
  generation: number;
}

export const emptyCache = (generation = 0): DefinitionCache => ({ byName: new Map(), byId: new Map(), generation });

/** A bound that no migration's working set reaches; beyond it the cache starts over. */
const maximumDefinitions = 2_000;

/** Temporary tables share the cache with everybody, but not their names. */
const nameKey = (key: DefinitionKey, spid: number): string =>
  `${key.space}:${key.name.startsWith('#') ? spid : key.schema.toLowerCase()}.${key.name.toLowerCase()}`;

export interface Names {
  find(path: Path, line?: number): ObjectDefinition | null;
  findType(path: Path): ObjectDefinition | null;
  findById(id: number): ObjectDefinition | null;
  /** Reads what a NeedsDefinition asked for. */
  load(key: DefinitionKey | number): Promise<void>;
}

export interface NamesDeps {
  databaseId: number;
  databaseName: string;
  spid: number;
  cache: DefinitionCache;
  /** One row, one column; null for none. */
  queryValue: (sql: string) => Promise<string | null>;
}

/**
 * Turns names into definitions: dbo by default, this database only.
 *
 * @throws SqlError 40515 for a name in another database, as Azure SQL has it.
 */
export function createNames(deps: NamesDeps): Names {
  const { cache, databaseId, spid } = deps;

  const lookup = (key: DefinitionKey): ObjectDefinition | null => {
    const found = cache.byName.get(nameKey(key, spid));
    if (found === undefined) throw new NeedsDefinition(key);
    return found;
  };
  const keyOf = (path: Path, space: 'o' | 't', line?: number): DefinitionKey => {
    const name = path.at(-1) ?? '';
    const database = path.at(-3)?.toLowerCase() ?? '';
    const own =
      database === '' ||
      database === deps.databaseName.toLowerCase() ||
      (database === 'tempdb' && name.startsWith('#'));
    if (!own || path.length > 3) throw sqlError(40515, [path.join('.')], { line });
    const schema = path.at(-2) ?? '';
    return { space, schema: schema === '' || name.startsWith('#') ? 'dbo' : schema, name };
  };

  return {
    find: (path, line) => {
      const found = lookup(keyOf(path, 'o', line));
      return found?.kind === 'synonym' ? lookup(keyOf(found.target, 'o', line)) : found;
    },
    findType: (path) => lookup(keyOf(path, 't')),
    findById: (id) => {
      const found = cache.byId.get(id);
      if (found === undefined) throw new NeedsDefinition(id);
      return found;
    },
    load: async (key) => {
      const { generation } = cache;
      const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
      const json = await deps.queryValue(
        typeof key === 'number'
          ? `SELECT catalog.describe(${key})`
          : `SELECT catalog.find(${databaseId}, ${spid}, ${quoted(key.schema)}, ${quoted(key.name)}, '${key.space}')`,
      );
      const definition = json === null ? null : readDefinition(json);
      // Somebody changed the catalog meanwhile: what was read may be older than the change. The caller asks again.
      if (generation !== cache.generation) return;
      if (cache.byName.size > maximumDefinitions) forget(cache);
      if (typeof key === 'number') cache.byId.set(key, definition);
      else cache.byName.set(nameKey(key, spid), definition);
      if (definition !== null) cache.byId.set(definition.id, definition);
    },
  };
}

/** Drops everything that is known, because the catalog changed. */
export function forget(cache: DefinitionCache): void {
  cache.byName.clear();
  cache.byId.clear();
  cache.generation++;
}
