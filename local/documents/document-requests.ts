import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type Clock } from '../../lib/platform/clock';
import { jsonBody, jsonResponse, type ServiceRequest, type ServiceResponse } from '../network/http-service';
import { ServiceError, unsupported } from '../network/service-error';
import { type DocumentCounters } from './counters';
import { containerRid, etagOf, render, type Item, type ResourceNumbers } from './item';
import { isJsonObject, type Json, type JsonObject } from './json';
import { type Decision, type ItemOperation } from './operations';
import { parsePartitionKey, partitionOf, partitionPrefix, type PartitionKey } from './partition-key';
import { patchSchema, type Patch } from './patch';
import { runQuery } from './query';
import { type Target } from './requests';
import { createSortedRows } from './sorted-rows';
import { type DocumentStore, type StoredContainer } from './store';

const jsonSchema: z.ZodType<Json> = z.json();
const querySchema = z.object({
  query: z.string(),
  parameters: z.array(z.object({ name: z.string(), value: jsonSchema })).default([]),
});
const batchSchema = z
  .array(
    z.object({
      operationType: z.enum(['Create', 'Upsert', 'Read', 'Replace', 'Patch', 'Delete']),
      id: z.string().optional(),
      partitionKey: z.string().optional(),
      resourceBody: z.unknown().optional(),
      ifMatch: z.string().optional(),
      ifNoneMatch: z.string().optional(),
    }),
  )
  .min(1)
  .max(100);
type BatchOperation = z.infer<typeof batchSchema>[number];

const defaultPageSize = 100;
/** What "as many as fit" (-1) means; pages are limited by their size too. */
const largestPageSize = 1000;
const readCharge = 1;
const writeCharge = 5.5;

/** Everything that is addressed to the documents of one container. */
export function createDocumentRequests(deps: { store: DocumentStore; counters: DocumentCounters; clock: Clock }) {
  const sortedRows = createSortedRows();

  const handle = (target: Target, request: ServiceRequest): ServiceResponse => {
    const container = deps.store.container(target.database, target.container);
    const numbers = { database: deps.store.database(target.database).number, container: container.number };
    const name = `${target.database}/${target.container}`;
    deps.counters.countRequest(name, target.operation);
    const call: Call = { container, numbers, name, request, target };
    switch (target.operation) {
      case 'createItem':
        return single(call, { kind: 'create', document: documentOf(jsonBody(request)) });
      case 'upsertItem':
        return single(call, { kind: 'upsert', document: documentOf(jsonBody(request)) });
      case 'replaceItem':
        return single(call, { kind: 'replace', id: target.item, document: documentOf(jsonBody(request)) });
      case 'patchItem':
        return single(call, { kind: 'patch', id: target.item, patch: patchOf(jsonBody(request)) });
      case 'readItem':
        return single(call, { kind: 'read', id: target.item });
      case 'deleteItem':
        return single(call, { kind: 'delete', id: target.item });
      case 'batch':
      case 'bulk':
        return batch(call, target.operation === 'batch');
      case 'query':
        return query(call);
      case 'queryPlan':
        // The SDK asks for a plan beside every query and needs it only when the query itself is refused for want of one.
        throw unsupported('query plans (the embedded account has one partition key range and needs none)');
      case 'changeFeed':
        return changeFeed(call);
      default:
        throw unsupported(target.operation);
    }
  };

  const single = (call: Call, operation: ItemOperation): ServiceResponse => {
    const { headers } = call.request;
    const conditions = { ifMatch: headers['if-match'], ifNoneMatch: headers['if-none-match'] };
    const [outcome] = execute(call, requiredKey(call.request), [{ ...operation, ...conditions }], false);
    if (outcome === undefined || !outcome.ok) throw outcome?.error ?? new Error('an operation without an outcome');
    const { decision } = outcome;
    const shown =
      decision.kind === 'deleted' || decision.status === 304 ? {} : { body: render(call.numbers, decision.item) };
    const etag: Record<string, string> =
      decision.kind === 'deleted' ? {} : { etag: etagOf(call.numbers, decision.item) };
    return { status: decision.status, headers: { ...standardHeaders(call, chargeOf(decision)), ...etag }, ...shown };
  };

  const batch = (call: Call, atomic: boolean): ServiceResponse => {
    const operations = batchSchema.safeParse(jsonBody(call.request));
    if (!operations.success) throw new ServiceError(400, 'BadRequest', z.prettifyError(operations.error));
    // An atomic batch is one partition by definition; the operations of a bulk request bring their own keys.
    const outcomes = atomic
      ? execute(call, requiredKey(call.request), operations.data.map(toItemOperation), true)
      : operations.data.flatMap((each) =>
          execute(call, parsePartitionKey(each.partitionKey ?? '[]'), [toItemOperation(each)], false),
        );
    const results = outcomes.map((outcome) => {
      if (!outcome.ok)
        return { statusCode: outcome.error.status, requestCharge: readCharge, message: outcome.error.message };
      const { decision } = outcome;
      const result = { statusCode: decision.status, requestCharge: chargeOf(decision) };
      if (decision.kind === 'deleted') return result;
      const resourceBody: unknown = JSON.parse(render(call.numbers, decision.item));
      return { ...result, eTag: etagOf(call.numbers, decision.item), resourceBody };
    });
    const status = outcomes.every((outcome) => outcome.ok) ? 200 : 207;
    const charge = results.reduce((sum, result) => sum + result.requestCharge, 0);
    return jsonResponse(status, results, standardHeaders(call, charge));
  };

  const execute = (call: Call, key: PartitionKey, operations: ItemOperation[], atomic: boolean) => {
    const outcomes = call.container.documents.execute(key, operations, atomic);
    for (const outcome of outcomes) {
      if (!outcome.ok) continue;
      if (outcome.decision.kind === 'unchanged') deps.counters.countRead(call.name);
      else deps.counters.countWrite(call.name);
    }
    return outcomes;
  };

  const query = (call: Call): ServiceResponse => {
    const { headers } = call.request;
    const parsed = querySchema.safeParse(jsonBody(call.request));
    if (!parsed.success) throw new ServiceError(400, 'BadRequest', z.prettifyError(parsed.error));
    const { query: text, parameters } = parsed.data;
    const scope = scopeOf(call);
    const nowMs = deps.clock.nowMs();
    const sortKey = JSON.stringify([call.container.number, scope.partition, scope.prefix, text, parameters]);
    const state = { version: call.container.documents.lsnOf(scope.partition), nowSeconds: Math.floor(nowMs / 1000) };
    const page = runQuery({
      text,
      parameters: new Map(parameters.map(({ name, value }) => [name, value])),
      items: (after) => itemsInScope(call.container, scope, after),
      render: (item) => render(call.numbers, item),
      maxItemCount: pageSize(headers['x-ms-max-item-count']),
      continuation: headers['x-ms-continuation'] ?? null,
      nowMs,
      sorted: (sort) => sortedRows.of(sortKey, state, sort),
    });
    deps.counters.countRead(call.name);
    const continuation: Record<string, string> =
      page.continuation === null ? {} : { 'x-ms-continuation': page.continuation };
    return feed(call, 200, page.results, continuation);
  };

  const changeFeed = (call: Call): ServiceResponse => {
    const { headers } = call.request;
    if (headers['a-im'] !== 'Incremental Feed') throw unsupported(`the change feed mode ${headers['a-im']}`);
    if (headers['x-ms-start-epk'] !== undefined) throw unsupported('a change feed of a part of a partition key range');
    const key = headers['x-ms-documentdb-partitionkey'];
    const partition = key === undefined ? null : partitionOf(parsePartitionKey(key));
    const { documents } = call.container;
    const since = headers['if-modified-since'];
    const sinceSeconds = since === undefined ? 0 : Math.floor(Date.parse(since) / 1000);
    const after = feedPosition(headers['if-none-match'], documents.lsn);

    const results: string[] = [];
    let position = after;
    const wanted = pageSize(headers['x-ms-max-item-count']);
    for (const item of documents.changesAfter(partition, after)) {
      if (results.length >= wanted) break;
      position = item.lsn;
      if (item.timestamp >= sinceSeconds) results.push(render(call.numbers, item, true));
    }
    deps.counters.countRead(call.name);
    const etag = { etag: `"${position}"` };
    return results.length === 0
      ? { status: 304, headers: { ...standardHeaders(call, readCharge), ...etag } }
      : feed(call, 200, results, etag);
  };

  return { handle };
}

interface Call {
  container: StoredContainer;
  numbers: ResourceNumbers;
  name: string;
  request: ServiceRequest;
  target: Target;
}

/** What a query looks at: one partition, those under the prefix of a hierarchical key, or (both null) everything. */
interface Scope {
  partition: string | null;
  prefix: string | null;
}

function scopeOf({ container, request }: Call): Scope {
  const header = request.headers['x-ms-documentdb-partitionkey'];
  if (header === undefined) return { partition: null, prefix: null };
  const key = parsePartitionKey(header);
  const isWhole = key.length >= (container.definition.partitionKey?.paths.length ?? 0);
  return isWhole ? { partition: partitionOf(key), prefix: null } : { partition: null, prefix: partitionPrefix(key) };
}

function* itemsInScope({ documents }: StoredContainer, { partition, prefix }: Scope, after: number): Generator<Item> {
  for (const item of documents.items(partition, after)) {
    if (prefix === null || item.partition.startsWith(prefix)) yield item;
  }
}

/** Where a change feed goes on: the ETag of the page before, `*` for "from now on", nothing for the beginning. */
function feedPosition(etag: string | undefined, currentLsn: number): number {
  if (etag === undefined) return 0;
  if (etag === '*') return currentLsn;
  const lsn = Number(etag.replaceAll('"', ''));
  if (!Number.isInteger(lsn) || lsn < 0) throw new ServiceError(400, 'BadRequest', `Malformed continuation ${etag}.`);
  return lsn;
}

function feed(
  call: Call,
  status: number,
  results: readonly string[],
  headers: Record<string, string>,
): ServiceResponse {
  const count = String(results.length);
  return {
    status,
    headers: { ...standardHeaders(call, readCharge + results.length / 100), 'x-ms-item-count': count, ...headers },
    body: `{"_rid":"${containerRid(call.numbers)}","Documents":[${results.join(',')}],"_count":${count}}`,
  };
}

function standardHeaders({ numbers, container }: Call, charge: number): Record<string, string> {
  return {
    'content-type': 'application/json',
    'x-ms-activity-id': randomUUID(),
    'x-ms-request-charge': charge.toFixed(2),
    'x-ms-session-token': `0:-1#${container.documents.lsn}`,
    'x-ms-content-path': containerRid(numbers),
    lsn: String(container.documents.lsn),
  };
}

function chargeOf(decision: Decision): number {
  return decision.kind === 'unchanged' ? readCharge : writeCharge;
}

function pageSize(header: string | undefined): number {
  if (header === undefined) return defaultPageSize;
  const size = Number(header);
  if (size === -1) return largestPageSize;
  if (!Number.isInteger(size) || size < 1)
    throw new ServiceError(400, 'BadRequest', `x-ms-max-item-count is ${header}.`);
  return size;
}

function requiredKey(request: ServiceRequest): PartitionKey {
  const header = request.headers['x-ms-documentdb-partitionkey'];
  if (header === undefined) throw new ServiceError(400, 'BadRequest', 'The request has no partition key.');
  return parsePartitionKey(header);
}

function documentOf(body: unknown): JsonObject {
  const parsed = jsonSchema.safeParse(body);
  if (parsed.success && isJsonObject(parsed.data)) return parsed.data;
  throw new ServiceError(400, 'BadRequest', 'A document must be a JSON object.');
}

function patchOf(body: unknown): Patch {
  const parsed = patchSchema.safeParse(Array.isArray(body) ? { operations: body } : body);
  if (parsed.success) return parsed.data;
  throw new ServiceError(400, 'BadRequest', z.prettifyError(parsed.error));
}

function toItemOperation(operation: BatchOperation): ItemOperation {
  const { resourceBody, id = '', ifMatch, ifNoneMatch } = operation;
  const conditions = { ifMatch, ifNoneMatch };
  switch (operation.operationType) {
    case 'Create':
      return { kind: 'create', document: documentOf(resourceBody) };
    case 'Upsert':
      return { kind: 'upsert', document: documentOf(resourceBody), ...conditions };
    case 'Read':
      return { kind: 'read', id, ...conditions };
    case 'Replace':
      return { kind: 'replace', id, document: documentOf(resourceBody), ...conditions };
    case 'Patch':
      return { kind: 'patch', id, patch: patchOf(resourceBody), ...conditions };
    case 'Delete':
      return { kind: 'delete', id, ...conditions };
  }
}
