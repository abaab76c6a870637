import { type Clock } from '../../lib/platform/clock';
import { ServiceError } from '../network/service-error';
import { type Item } from './item';
import { parseObject, type JsonObject } from './json';
import { decide, uniqueValuesOf, type ContainerRules, type Decision, type ItemOperation } from './operations';
import { createOrderedIndex, type OrderedIndex } from './ordered-index';
import { partitionOf, type PartitionKey } from './partition-key';

/** What a write leaves behind, for the journal. */
export type Change = { kind: 'put'; item: Item } | { kind: 'delete'; partition: string; id: string; lsn: number };

export type OperationOutcome = { ok: true; decision: Decision } | { ok: false; error: ServiceError };

interface Indexes {
  /** By order of creation: what a query without ORDER BY reads. */
  bySequence: OrderedIndex<Item>;
  /** By last write: the change feed, latest versions only. */
  byLsn: OrderedIndex<Item>;
}
interface Partition extends Indexes {
  items: Map<string, Item>;
  /** Unique value to the id that holds it; empty where the container has no unique keys. */
  owners: Map<string, string>;
  /** Of the last write or delete in the partition. */
  lsn: number;
}

/** The documents of one container, indexed so that work on one partition never looks at another. */
export interface DocumentContainer {
  readonly lsn: number;
  readonly sequence: number;
  /**
   * Carries out operations on one partition. Atomic: all or nothing, and the ones that did not fail themselves end as
   * 424. Otherwise each stands for itself.
   */
  execute(key: PartitionKey, operations: readonly ItemOperation[], atomic: boolean): OperationOutcome[];
  /** Living items of a partition (null: of all), after a sequence number, in the order of creation. */
  items(partition: string | null, afterSequence: number): Generator<Item>;
  /** Living items of a partition (null: of all) last written after `lsn`, in the order of their writes. */
  changesAfter(partition: string | null, lsn: number): Generator<Item>;
  /** Grows with every write and delete in a partition (null: in any). */
  lsnOf(partition: string | null): number;
  /** Takes over a change from the journal. */
  restore(change: Change): void;
  /** Continues the numbering of a compacted journal. */
  restoreCounters(counters: { lsn: number; sequence: number }): void;
  /** Drops the items whose time to live is over. They are invisible before that already. */
  sweep(): void;
}

export function createContainer(deps: {
  rules: () => ContainerRules;
  clock: Clock;
  satisfies: (document: JsonObject, condition: string) => boolean;
  /** Called once per set of changes that belong together. */
  record: (changes: readonly Change[]) => void;
}): DocumentContainer {
  const partitions = new Map<string, Partition>();
  const all: Indexes = { bySequence: createOrderedIndex(), byLsn: createOrderedIndex() };
  let lsn = 0;
  let sequence = 0;

  const nowSeconds = (): number => Math.floor(deps.clock.nowMs() / 1000);
  const alive = (item: Item): boolean => item.expiresAt === null || item.expiresAt > nowSeconds();

  const uniqueValues = (item: Item): string[] => {
    const { uniqueKeys } = deps.rules();
    return uniqueKeys.length === 0 ? [] : uniqueValuesOf(parseObject(item.body), uniqueKeys);
  };
  const remove = (item: Item): void => {
    const partition = partitions.get(item.partition);
    if (partition === undefined) return;
    for (const indexes of [all, partition]) {
      indexes.bySequence.remove(item.sequence);
      indexes.byLsn.remove(item.lsn);
    }
    partition.items.delete(item.id);
    for (const value of uniqueValues(item)) partition.owners.delete(value);
    if (partition.items.size === 0) partitions.delete(item.partition);
  };
  const put = (item: Item): void => {
    let partition = partitions.get(item.partition);
    const previous = partition?.items.get(item.id);
    if (partition === undefined) {
      partition = {
        items: new Map(),
        owners: new Map(),
        bySequence: createOrderedIndex(),
        byLsn: createOrderedIndex(),
        lsn: 0,
      };
      partitions.set(item.partition, partition);
    }
    for (const indexes of [all, partition]) {
      if (previous !== undefined) indexes.byLsn.remove(previous.lsn);
      indexes.byLsn.insert(item.lsn, item);
      if (previous === undefined) indexes.bySequence.insert(item.sequence, item);
      else indexes.bySequence.replace(item.sequence, item);
    }
    partition.items.set(item.id, item);
    partition.lsn = item.lsn;
    if (previous !== undefined) for (const value of uniqueValues(previous)) partition.owners.delete(value);
    for (const value of uniqueValues(item)) partition.owners.set(value, item.id);
  };
  const apply = (change: Change): void => {
    if (change.kind === 'put') {
      put(change.item);
      sequence = Math.max(sequence, change.item.sequence);
      lsn = Math.max(lsn, change.item.lsn);
    } else {
      const item = partitions.get(change.partition)?.items.get(change.id);
      if (item !== undefined) remove(item);
      const partition = partitions.get(change.partition);
      if (partition !== undefined) partition.lsn = change.lsn;
      lsn = Math.max(lsn, change.lsn);
    }
  };

  const runOne = (key: PartitionKey, operation: ItemOperation, staged: Staged | null): Decision => {
    const text = partitionOf(key);
    const partition = partitions.get(text);
    // An expired item is gone for the client; taking it out for good keeps its id and unique values free.
    const living = (id: string): Item | undefined => {
      const item = partition?.items.get(id);
      if (item === undefined || alive(item)) return item;
      remove(item);
      return undefined;
    };
    return decide(operation, {
      item: (id) => (staged?.items.has(id) === true ? staged.items.get(id) : living(id)),
      ownerOf: (value) => {
        if (staged?.owners.has(value) === true) return staged.owners.get(value);
        const owner = partition?.owners.get(value);
        return owner === undefined ? undefined : living(owner)?.id;
      },
      rules: deps.rules(),
      partitionKey: key,
      nextLsn: () => ++lsn,
      nextSequence: () => ++sequence,
      nowSeconds: nowSeconds(),
      satisfies: deps.satisfies,
    });
  };

  const changeOf = (decision: Decision): Change[] => {
    if (decision.kind === 'written') return [{ kind: 'put', item: decision.item }];
    if (decision.kind === 'unchanged') return [];
    const { partition, id } = decision.previous;
    return [{ kind: 'delete', partition, id, lsn: ++lsn }];
  };

  /** What an atomic batch has done so far, seen by its later operations and by nobody else. */
  const stage = (staged: Staged, decision: Decision): void => {
    if (decision.kind === 'unchanged') return;
    if (decision.previous !== undefined) {
      for (const value of uniqueValues(decision.previous)) staged.owners.set(value, undefined);
    }
    if (decision.kind === 'deleted') {
      staged.items.set(decision.previous.id, undefined);
    } else {
      staged.items.set(decision.item.id, decision.item);
      for (const value of uniqueValues(decision.item)) staged.owners.set(value, decision.item.id);
    }
  };

  const executeAtomically = (key: PartitionKey, operations: readonly ItemOperation[]): OperationOutcome[] => {
    const staged: Staged = { items: new Map(), owners: new Map() };
    const decisions: Decision[] = [];
    for (const [at, operation] of operations.entries()) {
      const outcome = attempt(() => runOne(key, operation, staged));
      if (!outcome.ok) {
        const other = new ServiceError(424, 'FailedDependency', 'Another operation of the batch failed.');
        return operations.map((_, each) => (each === at ? outcome : { ok: false, error: other }));
      }
      stage(staged, outcome.decision);
      decisions.push(outcome.decision);
    }
    const changes = decisions.flatMap(changeOf);
    deps.record(changes);
    changes.forEach(apply);
    return decisions.map((decision) => ({ ok: true, decision }));
  };

  return {
    get lsn() {
      return lsn;
    },
    get sequence() {
      return sequence;
    },
    execute(key, operations, atomic) {
      if (atomic) return executeAtomically(key, operations);
      return operations.map((operation) => {
        const outcome = attempt(() => runOne(key, operation, null));
        if (outcome.ok) {
          const changes = changeOf(outcome.decision);
          deps.record(changes);
          changes.forEach(apply);
        }
        return outcome;
      });
    },
    *items(partition, afterSequence) {
      const indexes = partition === null ? all : partitions.get(partition);
      for (const item of indexes?.bySequence.after(afterSequence) ?? []) if (alive(item)) yield item;
    },
    *changesAfter(partition, after) {
      const indexes = partition === null ? all : partitions.get(partition);
      for (const item of indexes?.byLsn.after(after) ?? []) if (alive(item)) yield item;
    },
    lsnOf: (partition) => (partition === null ? lsn : (partitions.get(partition)?.lsn ?? 0)),
    restore: apply,
    restoreCounters(counters) {
      lsn = Math.max(lsn, counters.lsn);
      sequence = Math.max(sequence, counters.sequence);
    },
    sweep() {
      for (const item of [...all.bySequence.after(0)]) if (!alive(item)) remove(item);
    },
  };
}

interface Staged {
  items: Map<string, Item | undefined>;
  owners: Map<string, string | undefined>;
}

function attempt(action: () => Decision): OperationOutcome {
  try {
    return { ok: true, decision: action() };
  } catch (error) {
    if (error instanceof ServiceError) return { ok: false, error };
    throw error;
  }
}
