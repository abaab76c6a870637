import { randomUUID } from 'node:crypto';
import { type Clock } from '../../lib/platform/clock';
import { messageOf } from '../../lib/platform/errors';
import { listen, type Listener } from '../network/listen';
import { createAdminServer } from './admin/server';
import { readFilterable } from './amqp/codec';
import { createEndpoints } from './amqp/endpoints';
import { createAmqpServer } from './amqp/server';
import { openCompactingJournal } from './compacting-journal';
import { type Counters, createCounters } from './core/counters';
import { createDeadlines } from './core/deadlines';
import { createEventHubs } from './core/event-hubs';
import { createNamespace, type Namespace } from './core/namespace';
import { recordSchema } from './core/records';
import { applyRecord, emptyState } from './core/restore';
import { type Topology, topologySchema } from './core/topology';
import { createFaults, type Faults } from './faults';
import { type AccessKey, createTokenChecker } from './tokens';

export interface BrokerOptions {
  /** 0 picks a free one. */
  port: number;
  /** Folder of the journals; absent: a restart begins empty. */
  journalFolder?: string;
  clock: Clock;
  /** With them the port also speaks TLS: needed for bearer tokens and for the management client. */
  certificates?: { key: string; cert: string };
  /** The key of the connection strings, with all rights. */
  key: AccessKey;
  /** Keys besides, for example one that may only listen. */
  moreKeys?: readonly AccessKey[];
  /** Decides on bearer tokens; absent: they are refused. */
  verifyToken?: (token: string) => Promise<boolean>;
  /** Entities to begin with. Those that a journal already has keep their messages. */
  topology: Topology;
  newId?: () => string;
  log?: (line: string) => void;
}

export interface BrokerFaults extends Faults {
  /** Cuts (or closes with an error) every connection; clients may come back at once. */
  dropConnections(how: 'reset' | 'forced'): void;
  /** Takes the port away, with all connections, until `listenerUp`. */
  listenerDown(): Promise<void>;
  listenerUp(): Promise<void>;
}

export interface Broker {
  port: number;
  serviceBusConnectionString: string;
  eventHubsConnectionString: string;
  faults: BrokerFaults;
  counters: Counters;
  /** Closes everything; the journals hold the state. */
  stop(): Promise<void>;
}

/**
 * Starts the stand-in for Service Bus and Event Hubs.
 * @throws Error when the port is taken or a journal is damaged; ZodError when the topology is wrong.
 */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { clock, key, newId = randomUUID, log = () => undefined } = options;
  const topology = topologySchema.parse(options.topology);
  const counters = createCounters();
  const faults = createFaults();
  const deadlines = createDeadlines(clock, (error) => log(`deadline: ${messageOf(error)}`));
  const tokens = createTokenChecker({
    keys: [key, ...(options.moreKeys ?? [])],
    ...(options.verifyToken === undefined ? {} : { verifyToken: options.verifyToken }),
    nowMs: () => clock.nowMs(),
  });

  const eventHubs = createEventHubs(
    { clock, counters, append: (...records) => eventJournal.append(...records) },
    topology.eventHubs,
  );
  const restored = emptyState();
  const journal = openCompactingJournal({
    folder: options.journalFolder,
    name: 'messages.jsonl',
    replay: (record) => applyRecord(restored, recordSchema.parse(record)),
    snapshot: () => namespace.snapshot(),
  });
  const namespace: Namespace = createNamespace({
    clock,
    deadlines,
    append: journal.append,
    counters,
    newLockToken: newId,
    readProperties: ({ payload }) => readFilterable(payload),
    restored,
  });
  declare(namespace, topology);
  journal.compact();

  const eventJournal = openCompactingJournal({
    folder: options.journalFolder,
    name: 'events.jsonl',
    replay: (record) => eventHubs.replay(record),
    snapshot: () => eventHubs.snapshot(),
  });
  eventJournal.compact();

  const server = createAmqpServer({
    clock,
    endpoints: createEndpoints({ namespace, eventHubs, tokens, deadlines, counters, newId }),
    faults,
    log,
  });
  const admin = createAdminServer({ namespace, tokens, faults, clock, log });
  const listenAt = (port: number): Promise<Listener> =>
    listen({
      port,
      http: admin,
      amqp: (socket) => server.accept(socket),
      ...(options.certificates === undefined ? {} : { tls: options.certificates }),
    });
  let listener = await listenAt(options.port);
  const { port } = listener;

  const endpoint = `Endpoint=sb://localhost:${port};SharedAccessKeyName=${key.name};SharedAccessKey=${key.value};UseDevelopmentEmulator=true`;
  return {
    port,
    serviceBusConnectionString: endpoint,
    eventHubsConnectionString: endpoint,
    counters,
    faults: {
      ...faults,
      dropConnections: (how) => server.dropConnections(how),
      listenerDown: () => listener.close(),
      async listenerUp() {
        listener = await listenAt(port);
      },
    },
    async stop() {
      deadlines.stop();
      server.releaseAll();
      await listener.close();
      journal.close();
      eventJournal.close();
    },
  };
}

/** Makes the declared entities exist as declared. */
function declare(namespace: Namespace, topology: ReturnType<typeof topologySchema.parse>): void {
  for (const queue of topology.queues) namespace.putQueue(queue);
  for (const { subscriptions, ...topic } of topology.topics) {
    namespace.putTopic(topic);
    for (const subscription of subscriptions) namespace.putSubscription(topic.name, subscription);
  }
}
