import { ServiceError, unsupported } from '../network/service-error';
import { bodyOf, etagOf, type Item, type ResourceNumbers } from './item';
import { isJsonObject, memberOf, parseObject, type JsonObject } from './json';
import { extractPartitionKey, partitionOf, valueAt, type PartitionKey } from './partition-key';
import { applyPatch, type Patch } from './patch';

export type ItemOperation = { ifMatch?: string; ifNoneMatch?: string } & (
  | { kind: 'create'; document: JsonObject }
  | { kind: 'upsert'; document: JsonObject }
  | { kind: 'replace'; id: string; document: JsonObject }
  | { kind: 'patch'; id: string; patch: Patch }
  | { kind: 'delete'; id: string }
  | { kind: 'read'; id: string }
);

/** How one operation ends, and what it changes: `item` is the version that is now current. */
export type Decision =
  | { kind: 'unchanged'; status: 200 | 304; item: Item }
  | { kind: 'written'; status: 200 | 201; item: Item; previous: Item | undefined }
  | { kind: 'deleted'; status: 204; previous: Item };

/** What a decision depends on: the items of one partition, and the rules of the container. */
export interface PartitionView {
  item(id: string): Item | undefined;
  /** Id of the item that holds a unique value, if any. */
  ownerOf(uniqueValue: string): string | undefined;
  readonly rules: ContainerRules;
  readonly partitionKey: PartitionKey;
  nextLsn(): number;
  nextSequence(): number;
  nowSeconds: number;
  /** Evaluates the condition of a patch (`FROM c WHERE ...`). */
  satisfies(document: JsonObject, condition: string): boolean;
}

export interface ContainerRules {
  numbers: ResourceNumbers;
  /** Empty for a container without a partition key of its own. */
  partitionKeyPaths: readonly string[];
  uniqueKeys: readonly (readonly string[])[];
  /** Seconds; -1: items live for ever unless they say otherwise; null: no time to live at all. */
  defaultTtl: number | null;
}

const maxItemBytes = 2 * 1024 * 1024;

/** Decides one operation against the state that `view` shows. @throws ServiceError where the service refuses. */
export function decide(operation: ItemOperation, view: PartitionView): Decision {
  if (operation.kind !== 'read' && operation.ifNoneMatch !== undefined) throw unsupported('If-None-Match on a write');
  if (operation.kind === 'create' || operation.kind === 'upsert') {
    const current = view.item(idOf(operation.document));
    if (current === undefined) return write(view, operation.document, undefined);
    if (operation.kind === 'create') {
      throw new ServiceError(409, 'Conflict', `An item with id ${current.id} exists in this partition.`);
    }
    requireMatch(operation, view, current);
    return write(view, operation.document, current);
  }

  const current = view.item(operation.id);
  if (current === undefined) {
    throw new ServiceError(404, 'NotFound', `There is no item with id ${operation.id} in this partition.`);
  }
  switch (operation.kind) {
    case 'read':
      return operation.ifNoneMatch === etagOf(view.rules.numbers, current)
        ? { kind: 'unchanged', status: 304, item: current }
        : { kind: 'unchanged', status: 200, item: current };
    case 'delete':
      requireMatch(operation, view, current);
      return { kind: 'deleted', status: 204, previous: current };
    case 'replace':
      requireMatch(operation, view, current);
      if (idOf(operation.document) !== operation.id) {
        throw new ServiceError(400, 'BadRequest', 'A replacement cannot change the id of an item.');
      }
      return write(view, operation.document, current);
    case 'patch': {
      requireMatch(operation, view, current);
      const { condition, operations } = operation.patch;
      const before = parseObject(current.body);
      if (condition !== undefined && !view.satisfies(before, condition)) {
        throw new ServiceError(412, 'PreconditionFailed', `The item does not satisfy: ${condition}`);
      }
      const after = applyPatch(before, operations);
      if (idOf(after) !== operation.id) throw new ServiceError(400, 'BadRequest', 'A patch cannot change the id.');
      return write(view, after, current);
    }
  }
}

/** The unique values that an item occupies in its partition; documents without any of the properties share one. */
export function uniqueValuesOf(body: JsonObject, uniqueKeys: readonly (readonly string[])[]): string[] {
  return uniqueKeys.map((paths, at) => `${at}:${JSON.stringify(paths.map((path) => valueAt(body, path) ?? null))}`);
}

function write(view: PartitionView, document: JsonObject, previous: Item | undefined): Decision {
  const { rules } = view;
  const partition = partitionOf(view.partitionKey);
  if (partitionOf(extractPartitionKey(document, rules.partitionKeyPaths)) !== partition) {
    throw new ServiceError(400, 'BadRequest', 'The partition key of the document is not the one of the request.', {
      'x-ms-substatus': '1001',
    });
  }
  const id = idOf(document);
  for (const value of uniqueValuesOf(document, rules.uniqueKeys)) {
    const owner = view.ownerOf(value);
    if (owner !== undefined && owner !== id) {
      throw new ServiceError(409, 'Conflict', `Unique index constraint violation: item ${owner} has the same values.`);
    }
  }
  const body = bodyOf(document);
  if (body.length > maxItemBytes) throw new ServiceError(413, 'RequestEntityTooLarge', `Item ${id} exceeds 2 MB.`);
  const item: Item = {
    id,
    partition,
    body,
    sequence: previous?.sequence ?? view.nextSequence(),
    lsn: view.nextLsn(),
    timestamp: view.nowSeconds,
    expiresAt: expiryOf(document, rules.defaultTtl, view.nowSeconds),
  };
  return { kind: 'written', status: previous === undefined ? 201 : 200, item, previous };
}

function requireMatch(operation: ItemOperation, view: PartitionView, current: Item): void {
  const { ifMatch } = operation;
  if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== etagOf(view.rules.numbers, current)) {
    throw new ServiceError(412, 'PreconditionFailed', `Item ${current.id} has another ETag than the one asked for.`);
  }
}

function idOf(document: JsonObject): string {
  const id = isJsonObject(document) ? memberOf(document, 'id') : undefined;
  if (typeof id !== 'string' || id === '' || id.length > 1023 || /[/\\?#]/.test(id)) {
    throw new ServiceError(400, 'BadRequest', `The id must be a text without / \\ ? #, not ${JSON.stringify(id)}.`);
  }
  return id;
}

function expiryOf(document: JsonObject, defaultTtl: number | null, nowSeconds: number): number | null {
  if (defaultTtl === null) return null;
  const ttl = memberOf(document, 'ttl') ?? defaultTtl;
  if (typeof ttl !== 'number' || !Number.isInteger(ttl) || ttl < -1 || ttl === 0) {
    throw new ServiceError(400, 'BadRequest', 'The time to live must be -1 or a positive number of seconds.');
  }
  return ttl === -1 ? null : nowSeconds + ttl;
}
