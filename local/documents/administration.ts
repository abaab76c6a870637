import { z } from 'zod';
import { jsonBody, jsonResponse, type ServiceRequest, type ServiceResponse } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { containerRid, databaseRid } from './item';
import { containerDefinitionSchema, type ContainerDefinition } from './records';
import { type Target } from './requests';
import { type DocumentStore, type StoredContainer, type StoredDatabase } from './store';

const databaseSchema = z.object({ id: z.string().regex(/^[^/\\?#]{1,255}$/) });

/** Account, databases and containers. Null: the operation is one on documents. */
export function administer(store: DocumentStore, target: Target, request: ServiceRequest): ServiceResponse | null {
  switch (target.operation) {
    case 'readAccount':
      return jsonResponse(200, accountResource(request.origin));
    case 'createDatabase': {
      const { id } = parsed(databaseSchema, request);
      return jsonResponse(201, databaseResource(store.createDatabase(id)));
    }
    case 'listDatabases':
      return jsonResponse(200, { _rid: '', Databases: [...store.databases()].map(databaseResource) });
    case 'readDatabase':
      return jsonResponse(200, databaseResource(store.database(target.database)));
    case 'deleteDatabase':
      store.deleteDatabase(target.database);
      return { status: 204 };
    case 'createContainer': {
      const definition = parsed(containerDefinitionSchema, request);
      return shown(store, target, store.createContainer(target.database, definition), 201);
    }
    case 'listContainers': {
      const database = store.database(target.database);
      const resources = [...database.containers.values()].map((each) => containerResource(database, each));
      return jsonResponse(200, { _rid: databaseRid(database.number), DocumentCollections: resources });
    }
    case 'readContainer':
      return shown(store, target, store.container(target.database, target.container), 200);
    case 'replaceContainer': {
      const definition = { ...parsed(containerDefinitionSchema, request), id: target.container };
      return shown(store, target, store.replaceContainer(target.database, definition), 200);
    }
    case 'deleteContainer':
      store.deleteContainer(target.database, target.container);
      return { status: 204 };
    case 'readPartitionKeyRanges': {
      const container = store.container(target.database, target.container);
      const database = store.database(target.database);
      // One range for everything: so every query is answered here, and the client never has to merge partial results.
      const range = { id: '0', minInclusive: '', maxExclusive: 'FF', status: 'online', parents: [] };
      const rid = containerRid({ database: database.number, container: container.number });
      return jsonResponse(200, { _rid: rid, PartitionKeyRanges: [range], _count: 1 }, { etag: '"1"' });
    }
    default:
      return null;
  }
}

function accountResource(origin: string): unknown {
  const locations = [{ name: 'Embedded', databaseAccountEndpoint: `${origin}/` }];
  return {
    id: 'sqlfleet',
    _self: '',
    _rid: 'sqlfleet',
    media: '//media/',
    addresses: '//addresses/',
    _dbs: '//dbs/',
    writableLocations: locations,
    readableLocations: locations,
    enableMultipleWriteLocations: false,
    userConsistencyPolicy: { defaultConsistencyLevel: 'Session' },
  };
}

function databaseResource(database: StoredDatabase): unknown {
  const rid = databaseRid(database.number);
  const etag = `"${database.timestamp.toString(16)}"`;
  const links = { _colls: 'colls/', _users: 'users/' };
  return { id: database.id, _rid: rid, _self: `dbs/${rid}/`, _etag: etag, ...links, _ts: database.timestamp };
}

function containerResource(database: StoredDatabase, container: StoredContainer): ContainerDefinition {
  const rid = containerRid({ database: database.number, container: container.number });
  return {
    indexingPolicy: { indexingMode: 'consistent', automatic: true, includedPaths: [{ path: '/*' }], excludedPaths: [] },
    conflictResolutionPolicy: {
      mode: 'LastWriterWins',
      conflictResolutionPath: '/_ts',
      conflictResolutionProcedure: '',
    },
    ...container.definition,
    _rid: rid,
    _ts: container.timestamp,
    _self: `dbs/${databaseRid(database.number)}/colls/${rid}/`,
    _etag: `"${container.timestamp.toString(16)}"`,
    _docs: 'docs/',
    _sprocs: 'sprocs/',
    _triggers: 'triggers/',
    _udfs: 'udfs/',
    _conflicts: 'conflicts/',
  };
}

function shown(store: DocumentStore, target: Target, container: StoredContainer, status: number): ServiceResponse {
  const resource = containerResource(store.database(target.database), container);
  return jsonResponse(status, resource, { etag: `"${container.timestamp.toString(16)}"` });
}

function parsed<T>(schema: z.ZodType<T>, request: ServiceRequest): T {
  const result = schema.safeParse(jsonBody(request));
  if (result.success) return result.data;
  throw new ServiceError(400, 'BadRequest', z.prettifyError(result.error));
}
