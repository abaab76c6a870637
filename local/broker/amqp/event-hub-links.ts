import { BrokerError, conditions } from '../core/errors';
import { type EventHub, type EventHubs } from '../core/event-hubs';
import { type EventPosition } from '../core/partition-log';
import { type EntityCounters } from '../core/counters';
import { encodeDelivery, long, readFacts, recordOf, splitBatch } from './codec';
import { type IncomingHandler, type OutgoingHandler } from './links';
import { accepted } from './outcomes';
import { ok, type RequestHandler } from './request-response';
import { creditLeft, type OutgoingLink } from './rhea-internals';
import { type ClientConnection } from './server';

/** A client sends events, to one partition (`hub/Partitions/0`) or to wherever they belong. */
export function createEventSendLink(path: string, hub: EventHub, partitionId: string | null): IncomingHandler {
  if (partitionId !== null) hub.partition(partitionId);
  return {
    path,
    receive: (bytes, isBatch) => ({
      operation: 'send',
      perform() {
        const { partitionKey } = readFacts(bytes); // of the envelope: all events of a batch go to one partition
        const events = (isBatch ? splitBatch(bytes) : [bytes]).map((encoded) => ({
          partitionKey,
          payload: Buffer.from(encoded),
        }));
        hub.send(events, partitionId);
      },
    }),
  };
}

/** A client reads a partition from some position on. Events are sent settled: reading takes nothing away. */
export function createEventReceiveLink(
  path: string,
  hub: EventHub,
  group: string,
  partitionId: string,
  link: OutgoingLink,
  counters: EntityCounters,
): OutgoingHandler {
  const log = hub.partition(partitionId);
  const epoch: unknown = recordOf(link.properties)['com.microsoft:epoch'];
  const selector = recordOf(link.source.filter)['apache.org:selector-filter:string'];
  let nextSequenceNumber = log.resolve(readPosition(selector));
  link.local.attach.snd_settle_mode = 1;

  const flow = (): void => {
    while (link.is_open() && creditLeft(link) > 0) {
      const event = log.at(nextSequenceNumber);
      if (event === undefined) return;
      nextSequenceNumber = event.sequenceNumber + 1;
      counters.deliveries += 1;
      const annotations = {
        'x-opt-sequence-number': long(event.sequenceNumber),
        'x-opt-offset': String(event.offset),
        'x-opt-enqueued-time': new Date(event.enqueuedAtMs),
        ...(event.partitionKey === null ? {} : { 'x-opt-partition-key': event.partitionKey }),
      };
      link.send(encodeDelivery(event.payload, { annotations }), undefined, 0);
    }
  };
  const leave = hub.join(group, partitionId, typeof epoch === 'number' ? epoch : null, () =>
    link.close({
      condition: conditions.linkStolen,
      description: 'A new receiver with a higher or the same epoch was created, hence this receiver is disconnected.',
    }),
  );
  const ignore = log.onAppend(flow);
  return {
    path,
    flow,
    settle: () => accepted(),
    closed() {
      ignore();
      leave();
    },
  };
}

/** A selector of the form `amqp.annotation.x-opt-offset > '123'`. */
function readPosition(selector: unknown): EventPosition {
  if (selector === undefined) return { from: 'earliest' };
  const { value } = recordOf(selector);
  const text = typeof value === 'string' ? value : '';
  const parts = /^amqp\.annotation\.x-opt-(offset|sequence-number|enqueued-time)\s*(>=?)\s*'([^']*)'$/.exec(text);
  const [, annotation = '', operator, literal = ''] = parts ?? [];
  const kinds: Record<string, 'offset' | 'sequenceNumber' | 'enqueuedTime'> = {
    offset: 'offset',
    'sequence-number': 'sequenceNumber',
    'enqueued-time': 'enqueuedTime',
  };
  if (annotation === 'offset' && literal === '@latest') return { from: 'latest' };
  const from = kinds[annotation];
  const number = Number(literal);
  if (from === undefined || literal === '' || Number.isNaN(number)) {
    throw new BrokerError(conditions.argument, `The position filter is not understood: ${text}`);
  }
  return number < 0 ? { from: 'earliest' } : { from, value: number, inclusive: operator === '>=' };
}

/** Answers what clients ask about event hubs and partitions. */
export function createEventHubManagementHandler(eventHubs: EventHubs, connection: ClientConnection): RequestHandler {
  return ({ operation, applicationProperties: { name, type, partition } }) => {
    if (operation !== 'READ' || typeof name !== 'string') {
      throw new BrokerError(conditions.notImplemented, `The operation '${operation}' is not supported.`);
    }
    const hub = eventHubs.find(name);
    if (hub === undefined) {
      throw new BrokerError(conditions.notFound, `The messaging entity '${name}' could not be found.`);
    }
    connection.authorize(`${name}/$management`, 'Listen', 'Send');
    if (type === 'com.microsoft:eventhub') {
      return ok({
        name: hub.settings.name,
        type,
        created_at: new Date(0),
        partition_count: hub.partitions.length,
        partition_ids: hub.partitions.map(({ id }) => id),
      });
    }
    if (type !== 'com.microsoft:partition' || typeof partition !== 'string') {
      throw new BrokerError(conditions.notImplemented, 'Only event hubs and partitions can be read.');
    }
    const log = hub.partition(partition);
    return ok({
      name: hub.settings.name,
      type,
      partition,
      begin_sequence_number: long(log.first?.sequenceNumber ?? log.next.sequenceNumber),
      last_enqueued_sequence_number: long(log.next.sequenceNumber - 1),
      last_enqueued_offset: String(log.last?.offset ?? -1),
      last_enqueued_time_utc: new Date(log.last?.enqueuedAtMs ?? 0),
      is_partition_empty: log.last === undefined,
    });
  };
}
