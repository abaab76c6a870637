import { type Journal } from '../storage/journal';
import { completedTaskId, eventFrame, eventType, type HistoryEvent, type ScheduledEvent } from './protocol';
import {
  type CreatedRecord,
  type EntityRecord,
  type EpisodeRecord,
  type InstanceRecord,
  journalRecord,
  type JournalRecord,
  type MessageRecord,
  type OperationRecord,
} from './records';

/** An orchestration instance in memory. Only the store changes it. */
export type Instance = Omit<InstanceRecord, 'open' | 'type'> & { open: Map<number, ScheduledEvent> };
export type Entity = Omit<EntityRecord, 'type'>;

export interface StoreOptions {
  /** Journal bytes after which the live state is written anew; more when the live state is larger. */
  compactAfterBytes: number;
  /** How many bytes of the histories of finished instances stay readable; the oldest are dropped first. */
  finishedHistoryBytes: number;
}

/**
 * The state of the task hub: a fold over journal records. The same function takes a record when it happens and when it
 * is read back after a restart, so there is no second way to reach a state.
 */
export interface Store {
  readonly instances: ReadonlyMap<string, Instance>;
  readonly entities: ReadonlyMap<string, Entity>;
  /** Writes the record, then applies it. */
  commit(record: JournalRecord): void;
  close(): void;
}

/** @param open opens the journal and hands what it holds to its argument, record by record. */
export function openStore(open: (replay: (record: unknown) => void) => Journal, options: StoreOptions): Store {
  const instances = new Map<string, Instance>();
  const entities = new Map<string, Entity>();
  /** Finished instances whose history is still there, the oldest first, with its bytes. */
  const finished = new Map<Instance, number>();
  let finishedBytes = 0;

  const journal = open((record) => apply(journalRecord.parse(record)));
  let compactAtBytes = options.compactAfterBytes;

  function apply(record: JournalRecord): void {
    switch (record.type) {
      case 'created':
        return create(record);
      case 'message':
        return deliver(record);
      case 'operation':
        return operate(record);
      case 'episode':
        return applyEpisode(record);
      case 'suspension': {
        const instance = instances.get(record.instanceId);
        if (instance === undefined) return;
        instance.isSuspended = record.isSuspended;
        touch(instance, record.atMs);
        return;
      }
      case 'entityBatch': {
        const entity = entityOf(record.entityId);
        entity.inbox.splice(0, record.consumed);
        entity.exists = record.exists;
        entity.state = record.state;
        record.messages.forEach(deliver);
        record.operations.forEach(operate);
        if (!entity.exists && entity.inbox.length === 0) entities.delete(record.entityId);
        return;
      }
      case 'purged':
        for (const id of record.instanceIds) remove(id);
        return;
      case 'instance': {
        const { type: _, open, ...rest } = record;
        const instance = { ...rest, open: new Map(open.map((event) => [event.EventId, event])) };
        instances.set(record.instanceId, instance);
        if (isFinished(instance)) retain(instance);
        return;
      }
      case 'entity': {
        const { type: _, ...entity } = record;
        entities.set(record.entityId, entity);
        return;
      }
    }
  }

  function create(record: CreatedRecord): void {
    remove(record.instanceId);
    const instance: Instance = {
      instanceId: record.instanceId,
      executionId: record.executionId,
      name: record.name,
      input: record.input,
      ...(record.version === undefined ? {} : { version: record.version }),
      parent: record.parent,
      createdAtMs: record.atMs,
      updatedAtMs: record.atMs,
      status: 'Pending',
      isSuspended: false,
      customStatus: null,
      output: null,
      history: [],
      inbox: [],
      open: new Map(),
      counters: {
        generations: 1,
        replays: 0,
        historyEvents: 0,
        historyBytes: 0,
        maximumHistoryEvents: 0,
        maximumHistoryBytes: 0,
      },
    };
    start(instance, record.atMs);
    instances.set(record.instanceId, instance);
  }

  function deliver(record: MessageRecord): void {
    const instance = instances.get(record.instanceId);
    if (instance === undefined || !isWanted(instance, record)) return;
    instance.inbox.push(record.event);
    // Also when the clock was put back: no episode may be older than an event in it.
    touch(instance, Date.parse(record.event.Timestamp));
    const taskId = completedTaskId(record.event);
    if (taskId !== undefined) instance.open.delete(taskId);
  }

  function operate(record: OperationRecord): void {
    entityOf(record.entityId).inbox.push(record.operation);
  }

  function entityOf(entityId: string): Entity {
    const known = entities.get(entityId);
    if (known !== undefined) return known;
    const entity: Entity = { entityId, exists: false, state: null, inbox: [] };
    entities.set(entityId, entity);
    return entity;
  }

  function applyEpisode(record: EpisodeRecord): void {
    const instance = instances.get(record.instanceId);
    if (instance === undefined) return;
    touch(instance, record.atMs);
    instance.status = 'Running';
    if (record.customStatus !== undefined) instance.customStatus = record.customStatus;
    if (record.replayed) instance.counters.replays += 1;

    const frame = eventFrame(record.atMs);
    remember(instance, { EventType: eventType.orchestratorStarted, ...frame });
    for (const event of instance.inbox.splice(0, record.consumed)) remember(instance, event);
    for (const event of record.scheduled) {
      remember(instance, event);
      if (event.EventType !== eventType.eventSent) instance.open.set(event.EventId, event);
    }
    for (const taskId of record.cancelledTimers) instance.open.delete(taskId);

    if (record.outcome !== undefined) end(instance, record, record.outcome);
    remember(instance, { EventType: eventType.orchestratorCompleted, ...frame });
    if (record.outcome?.kind === 'continuedAsNew') startAnew(instance, record.outcome, record.atMs);
    else if (record.outcome !== undefined) retain(instance);

    record.started.forEach(create);
    record.messages.forEach(deliver);
    record.operations.forEach(operate);
  }

  function end(instance: Instance, record: EpisodeRecord, outcome: NonNullable<EpisodeRecord['outcome']>): void {
    const frame = eventFrame(record.atMs);
    if (outcome.kind === 'continuedAsNew') return;
    if (outcome.kind === 'completed') {
      instance.status = 'Completed';
      instance.output = outcome.output;
      remember(instance, { EventType: eventType.executionCompleted, ...frame, Result: outcome.output });
    } else if (outcome.kind === 'failed') {
      instance.status = 'Failed';
      instance.output = JSON.stringify(outcome.reason);
      const { reason: Reason, details: Details } = outcome;
      remember(instance, { EventType: eventType.executionFailed, ...frame, Reason, Details });
    } else {
      instance.status = 'Terminated';
      instance.output = JSON.stringify(outcome.reason);
    }
    instance.isSuspended = false;
    instance.inbox = [];
    instance.open.clear();
  }

  /** What the last generation received and did not wait for is gone with it; what has arrived since goes over. */
  function startAnew(instance: Instance, next: { input: string; executionId: string }, atMs: number): void {
    const { counters } = instance;
    const carriedOver = instance.inbox.filter((event) => completedTaskId(event) === undefined);
    counters.generations += 1;
    counters.historyEvents = 0;
    counters.historyBytes = 0;
    Object.assign(instance, { executionId: next.executionId, input: next.input, history: [], inbox: [] });
    instance.open.clear();
    start(instance, atMs);
    instance.inbox.push(...carriedOver);
  }

  function retain(instance: Instance): void {
    if (instance.history === null) return;
    finished.set(instance, instance.counters.historyBytes);
    finishedBytes += instance.counters.historyBytes;
    for (const [oldest, bytes] of finished) {
      if (finishedBytes <= options.finishedHistoryBytes) break;
      oldest.history = null;
      finished.delete(oldest);
      finishedBytes -= bytes;
    }
  }

  function remove(instanceId: string): void {
    const instance = instances.get(instanceId);
    if (instance === undefined) return;
    instances.delete(instanceId);
    finishedBytes -= finished.get(instance) ?? 0;
    finished.delete(instance);
  }

  function compact(): void {
    let bytes = 0;
    function* live(): Iterable<JournalRecord> {
      for (const { open, ...rest } of instances.values()) {
        bytes += 500 + rest.input.length + rest.counters.historyBytes;
        yield { type: 'instance', ...rest, open: [...open.values()] };
      }
      for (const entity of entities.values()) {
        bytes += 200 + (entity.state?.length ?? 0);
        yield { type: 'entity', ...entity };
      }
    }
    journal.compact(live());
    compactAtBytes = Math.max(options.compactAfterBytes, bytes);
  }

  return {
    instances,
    entities,
    commit(record) {
      journal.append(record);
      apply(record);
      if (journal.bytesAppended > compactAtBytes) compact();
    },
    close: () => journal.close(),
  };
}

/** Whether the message still has somebody to go to. */
export function isWanted(instance: Instance, message: MessageRecord): boolean {
  if (isFinished(instance)) return false;
  if (message.executionId !== null && message.executionId !== instance.executionId) return false;
  const taskId = completedTaskId(message.event);
  return taskId === undefined || instance.open.has(taskId);
}

export function isFinished(instance: Pick<Instance, 'status'>): boolean {
  return instance.status !== 'Pending' && instance.status !== 'Running';
}

function start(instance: Instance, atMs: number): void {
  instance.inbox.push({
    EventType: eventType.executionStarted,
    ...eventFrame(atMs),
    Name: instance.name,
    Input: instance.input,
    ...(instance.version === undefined ? {} : { Version: instance.version }),
  });
}

function touch(instance: Instance, atMs: number): void {
  instance.updatedAtMs = Math.max(instance.updatedAtMs, atMs);
}

function remember(instance: Instance, event: HistoryEvent): void {
  const { counters } = instance;
  instance.history?.push(event);
  counters.historyEvents += 1;
  counters.historyBytes += Buffer.byteLength(JSON.stringify(event));
  counters.maximumHistoryEvents = Math.max(counters.maximumHistoryEvents, counters.historyEvents);
  counters.maximumHistoryBytes = Math.max(counters.maximumHistoryBytes, counters.historyBytes);
}
