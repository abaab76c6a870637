import { type Clock } from '../../lib/platform/clock';
import { ServiceError } from '../network/service-error';
import { noJournal, openJournal, type Journal } from '../storage/journal';
import { createContainer, type DocumentContainer } from './container';
import { type JsonObject } from './json';
import { type ContainerRules } from './operations';
import { type ContainerDefinition, storeRecordSchema, type StoreRecord } from './records';

export interface StoredContainer {
  /** Unique over all databases, and never given out twice. */
  number: number;
  definition: ContainerDefinition;
  documents: DocumentContainer;
  /** Unix seconds of the last change of the definition. */
  timestamp: number;
}
export interface StoredDatabase {
  number: number;
  id: string;
  timestamp: number;
  containers: Map<string, StoredContainer>;
}

/** Databases and containers, kept in a journal. Every method refuses with the service's own 404 and 409. */
export interface DocumentStore {
  databases(): Iterable<StoredDatabase>;
  database(id: string): StoredDatabase;
  createDatabase(id: string): StoredDatabase;
  deleteDatabase(id: string): void;
  container(databaseId: string, id: string): StoredContainer;
  createContainer(databaseId: string, definition: ContainerDefinition): StoredContainer;
  replaceContainer(databaseId: string, definition: ContainerDefinition): StoredContainer;
  deleteContainer(databaseId: string, id: string): void;
  close(): void;
}

/** Compaction starts when the journal has grown by this much, and by as much as the living documents are large. */
const compactFromBytes = 16 * 1024 * 1024;

export function openDocumentStore(deps: {
  /** Null keeps nothing. */
  journalFile: string | null;
  clock: Clock;
  satisfies: (document: JsonObject, condition: string) => boolean;
}): DocumentStore {
  const databases = new Map<string, StoredDatabase>();
  const byNumber = new Map<number, StoredContainer>();
  let lastNumber = 0;
  let liveBytes = 0;
  let journal: Journal = noJournal();

  const write = (record: StoreRecord): void => {
    journal.append(record);
    if (journal.bytesAppended > Math.max(compactFromBytes, liveBytes)) compact();
  };
  const compact = (): void => {
    for (const { documents } of byNumber.values()) documents.sweep();
    journal.compact(snapshot(databases.values(), lastNumber));
    liveBytes = 0;
    for (const { documents } of byNumber.values()) {
      for (const item of documents.items(null, 0)) liveBytes += item.body.length;
    }
  };

  const addDatabase = (number: number, id: string, timestamp: number): StoredDatabase => {
    const database = { number, id, timestamp, containers: new Map<string, StoredContainer>() };
    databases.set(id, database);
    lastNumber = Math.max(lastNumber, number);
    return database;
  };
  const addContainer = (
    database: StoredDatabase,
    number: number,
    definition: ContainerDefinition,
    timestamp: number,
  ): StoredContainer => {
    const known = byNumber.get(number);
    if (known !== undefined) return Object.assign(known, { definition, timestamp });
    const container: StoredContainer = {
      number,
      definition,
      timestamp,
      documents: createContainer({
        rules: () => rulesOf(database.number, container),
        clock: deps.clock,
        satisfies: deps.satisfies,
        record: (changes) => {
          if (changes.length > 0) write({ kind: 'changes', container: number, changes: [...changes] });
        },
      }),
    };
    database.containers.set(definition.id, container);
    byNumber.set(number, container);
    lastNumber = Math.max(lastNumber, number);
    return container;
  };
  const removeContainer = (database: StoredDatabase, id: string): void => {
    const container = database.containers.get(id);
    if (container === undefined) return;
    database.containers.delete(id);
    byNumber.delete(container.number);
  };
  const removeDatabase = (database: StoredDatabase): void => {
    for (const id of [...database.containers.keys()]) removeContainer(database, id);
    databases.delete(database.id);
  };

  const replay = (line: unknown): void => {
    const record = storeRecordSchema.parse(line);
    switch (record.kind) {
      case 'changes':
        return record.changes.forEach((change) => byNumber.get(record.container)?.documents.restore(change));
      case 'database':
        return void addDatabase(record.number, record.id, record.timestamp);
      case 'databaseDropped':
        return removeDatabase(found(databases.get(record.id), record.id));
      case 'container': {
        const database = found(databases.get(record.database), record.database);
        addContainer(database, record.number, record.definition, record.timestamp).documents.restoreCounters(record);
        return;
      }
      case 'numbering':
        lastNumber = record.last;
        return;
      case 'containerDropped':
        return removeContainer(found(databases.get(record.database), record.database), record.id);
    }
  };

  if (deps.journalFile !== null) {
    journal = openJournal(deps.journalFile, replay);
    // A long run leaves mostly superseded versions behind; starting is the moment when nobody waits for an answer.
    compact();
  }

  const now = (): number => Math.floor(deps.clock.nowMs() / 1000);
  const database = (id: string): StoredDatabase => found(databases.get(id), id);
  const container = (databaseId: string, id: string): StoredContainer =>
    found(database(databaseId).containers.get(id), id);
  const writeContainer = (databaseId: string, { number, definition, timestamp, documents }: StoredContainer): void => {
    const { lsn, sequence } = documents;
    write({ kind: 'container', database: databaseId, number, definition, timestamp, lsn, sequence });
  };

  return {
    databases: () => databases.values(),
    database,
    createDatabase(id) {
      if (databases.has(id)) throw new ServiceError(409, 'Conflict', `Database ${id} exists.`);
      const created = addDatabase(lastNumber + 1, id, now());
      write({ kind: 'database', number: created.number, id, timestamp: created.timestamp });
      return created;
    },
    deleteDatabase(id) {
      removeDatabase(database(id));
      write({ kind: 'databaseDropped', id });
    },
    container,
    createContainer(databaseId, definition) {
      const parent = database(databaseId);
      if (parent.containers.has(definition.id)) {
        throw new ServiceError(409, 'Conflict', `Container ${definition.id} exists.`);
      }
      const created = addContainer(parent, lastNumber + 1, definition, now());
      writeContainer(databaseId, created);
      return created;
    },
    replaceContainer(databaseId, definition) {
      const current = container(databaseId, definition.id);
      const before = current.definition.partitionKey?.paths ?? [];
      if (JSON.stringify(definition.partitionKey?.paths ?? []) !== JSON.stringify(before)) {
        throw new ServiceError(400, 'BadRequest', 'The partition key of a container cannot be changed.');
      }
      Object.assign(current, { definition, timestamp: now() });
      writeContainer(databaseId, current);
      return current;
    },
    deleteContainer(databaseId, id) {
      container(databaseId, id);
      removeContainer(database(databaseId), id);
      write({ kind: 'containerDropped', database: databaseId, id });
    },
    close: () => journal.close(),
  };
}

function* snapshot(databases: Iterable<StoredDatabase>, lastNumber: number): Generator<StoreRecord> {
  yield { kind: 'numbering', last: lastNumber };
  for (const database of databases) {
    yield { kind: 'database', number: database.number, id: database.id, timestamp: database.timestamp };
    for (const { number, definition, timestamp, documents } of database.containers.values()) {
      const { lsn, sequence } = documents;
      yield { kind: 'container', database: database.id, number, definition, timestamp, lsn, sequence };
      for (const item of documents.items(null, 0)) {
        yield { kind: 'changes', container: number, changes: [{ kind: 'put', item }] };
      }
    }
  }
}

function rulesOf(database: number, { number, definition }: StoredContainer): ContainerRules {
  const { partitionKey, uniqueKeyPolicy, defaultTtl } = definition;
  return {
    numbers: { database, container: number },
    partitionKeyPaths: partitionKey?.systemKey === true ? [] : (partitionKey?.paths ?? []),
    uniqueKeys: (uniqueKeyPolicy?.uniqueKeys ?? []).map((key) => key.paths),
    defaultTtl: defaultTtl ?? null,
  };
}

function found<T>(value: T | undefined, id: string): T {
  if (value === undefined) throw new ServiceError(404, 'NotFound', `Resource ${id} does not exist.`);
  return value;
}
