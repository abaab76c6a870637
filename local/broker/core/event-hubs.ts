import { z } from 'zod';
import { type Clock } from '../../../lib/platform/clock';
import { type Counters } from './counters';
import { BrokerError, conditions } from './errors';
import { partitionForKey } from './partition-hash';
import { createPartitionLog, type PartitionLog, type StoredEvent } from './partition-log';
import { type EventHubSettings } from './topology';

type NewEvent = Pick<StoredEvent, 'partitionKey' | 'payload'>;

export interface EventHub {
  settings: EventHubSettings;
  partitions: PartitionLog[];
  /** @throws BrokerError when there is no such partition. */
  partition(id: string): PartitionLog;
  /** Stores events together: in the given partition, by their partition key, or in the next one in turn. */
  send(events: readonly NewEvent[], partitionId: string | null): void;
  /**
   * Registers a reader of a consumer group. A reader with an owner level (epoch) disconnects all readers with a lower or
   * the same level; one with a lower level than the present owner's, or with none, is refused.
   * @returns the function that signs the reader off.
   */
  join(group: string, partitionId: string, epoch: number | null, disconnect: () => void): () => void;
}

/** All event hubs. */
export interface EventHubs {
  find(name: string): EventHub | undefined;
  /** The records that add up to the present state. */
  snapshot(): Iterable<EventRecord>;
}

const eventRecord = z.discriminatedUnion('is', [
  z.object({
    is: z.literal('events'),
    hub: z.string(),
    partition: z.string(),
    sequenceNumber: z.number(),
    offset: z.number(),
    atMs: z.number(),
    events: z.array(z.tuple([z.string().nullable(), z.base64()])),
  }),
  /** Written by compaction: where a partition goes on. */
  z.object({
    is: z.literal('next'),
    hub: z.string(),
    partition: z.string(),
    sequenceNumber: z.number(),
    offset: z.number(),
  }),
]);
export type EventRecord = z.infer<typeof eventRecord>;

export interface EventHubsDeps {
  clock: Clock;
  counters: Counters;
  append: (...records: EventRecord[]) => void;
}

/** Most readers without an owner level that one partition has in one consumer group, as in the service. */
const maxReaders = 5;

export function createEventHubs(
  deps: EventHubsDeps,
  settings: readonly EventHubSettings[],
): EventHubs & { replay(record: unknown): void } {
  const hubs = new Map(settings.map((each) => [each.name.toLowerCase(), createEventHub(deps, each)]));
  return {
    find: (name) => hubs.get(name.toLowerCase()),
    replay(record) {
      const { is, ...known } = eventRecord.parse(record);
      const log = hubs.get(known.hub.toLowerCase())?.partitions.find(({ id }) => id === known.partition);
      if (log === undefined) return; // the topology has no such partition any more
      log.moveTo(known.sequenceNumber, known.offset);
      if (is === 'next' || !('events' in known)) return;
      log.append(
        known.events.map(([partitionKey, payload]) => ({ partitionKey, payload: Buffer.from(payload, 'base64') })),
        known.atMs,
      );
    },
    *snapshot() {
      for (const hub of hubs.values()) {
        for (const log of hub.partitions) {
          const place = { hub: hub.settings.name, partition: log.id };
          for (const { partitionKey, payload, enqueuedAtMs, sequenceNumber, offset } of log.events()) {
            const events: [string | null, string][] = [[partitionKey, payload.toString('base64')]];
            yield { is: 'events', ...place, sequenceNumber, offset, atMs: enqueuedAtMs, events };
          }
          yield { is: 'next', ...place, ...log.next };
        }
      }
    },
  };
}

function createEventHub({ clock, counters, append }: EventHubsDeps, settings: EventHubSettings): EventHub {
  const partitions = Array.from({ length: settings.partitionCount }, (_, index) =>
    createPartitionLog(String(index), settings),
  );
  const counter = counters.of(settings.name);
  const groups = new Set(['$default', ...settings.consumerGroups.map((group) => group.toLowerCase())]);
  const readers = new Map<string, Set<{ epoch: number | null; disconnect: () => void }>>();
  let turn = 0;

  const partition = (id: string): PartitionLog => {
    const found = partitions[Number(id)];
    if (found?.id === id) return found;
    throw new BrokerError(
      'com.microsoft:argument-out-of-range',
      `The specified partition '${id}' is invalid for '${settings.name}', which has ${partitions.length} partitions.`,
    );
  };

  return {
    settings,
    partitions,
    partition,
    send(events, partitionId) {
      const key = events[0]?.partitionKey ?? null;
      const chosen =
        partitionId ??
        String(key === null ? (turn = (turn + 1) % partitions.length) : partitionForKey(key, partitions.length));
      const log = partition(chosen);
      const atMs = clock.nowMs();
      append({
        is: 'events',
        hub: settings.name,
        partition: log.id,
        ...log.next,
        atMs,
        events: events.map(({ partitionKey, payload }) => [partitionKey, payload.toString('base64')]),
      });
      log.append(events, atMs);
      counter.sends += 1;
      counter.sentMessages += events.length;
    },
    join(group, partitionId, epoch, disconnect) {
      partition(partitionId);
      if (!groups.has(group.toLowerCase())) {
        throw new BrokerError(
          conditions.notFound,
          `The messaging entity '${settings.name}/ConsumerGroups/${group}' could not be found.`,
        );
      }
      const key = `${group.toLowerCase()}/${partitionId}`;
      const present = readers.get(key) ?? new Set();
      readers.set(key, present);
      const highest = Math.max(...[...present].map((reader) => reader.epoch ?? -1), -1);
      if (highest > (epoch ?? -1)) {
        throw new BrokerError(
          conditions.linkStolen,
          `A receiver with a higher epoch of '${highest}' already exists for partition ${partitionId}.`,
        );
      }
      if (epoch !== null) {
        for (const reader of present) reader.disconnect();
        present.clear();
      } else if (present.size >= maxReaders) {
        throw new BrokerError(
          conditions.resourceLimit,
          `Exceeded the maximum number of ${maxReaders} receivers per partition in a consumer group.`,
        );
      }
      const reader = { epoch, disconnect };
      present.add(reader);
      return () => present.delete(reader);
    },
  };
}
