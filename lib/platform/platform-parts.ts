import { type Database } from '@azure/cosmos';
import { randomUUID } from 'node:crypto';
import { type Audit, createAudit } from './audit';
import { type BlobStore, createBlobStore } from './blobs';
import { createAzureClients, type AzureClients } from './clients';
import { type Clock, systemClock } from './clock';
import { type FleetEvents, unpublishedEvents } from './cloud-events';
import { createEventOutbox } from './event-outbox';
import { createFleetEvents, type FleetEventsPublisher, topicSender } from './fleet-events';
import { createDocumentStore, type DocumentStore } from './documents';
import { createLeases, type Leases } from './leases';
import { type Logger, processLogger } from './logger';
import { type BuildQueue, createBuildQueue } from './messages';
import { type Settings } from './settings';
import { createSubscriptions, type Subscriptions } from './subscriptions';

/** What every capability is put together from. */
export interface PlatformParts {
  settings: Settings;
  clients: AzureClients;
  clock: Clock;
  random: () => number;
  newId: () => string;
  logger: Logger;
  documents(container: string): DocumentStore;
  blobs(container: string): BlobStore;
  queue: BuildQueue;
  subscriptions: Subscriptions;
  audit: Audit;
  leases: Leases;
  fleetEvents: FleetEvents;
  /** Tells what could not be told when it happened. */
  sendWaitingEvents(): Promise<void>;
  close(): Promise<void>;
}

/** Name of what `infra/` creates. */
export const topicName = 'database-builds';

export function createPlatformParts(settings: Settings): PlatformParts {
  const clients = createAzureClients(settings);
  const clock = systemClock;
  const random = Math.random;
  const database: Database = clients.cosmos.database(settings.SQLFLEET_COSMOS_DATABASE);
  const documents = (name: string): DocumentStore => createDocumentStore(database.container(name), { clock, random });
  const queue = createBuildQueue(clients.serviceBus, clients.serviceBusAdministration, topicName);
  const publisher = publisherOf(settings, clients, clock, documents('seenEvents'));
  return {
    settings,
    clients,
    clock,
    random,
    newId: randomUUID,
    logger: processLogger,
    documents,
    blobs: (name) => createBlobStore(clients.blobs.getContainerClient(name)),
    queue,
    subscriptions: createSubscriptions(clients.serviceBusAdministration, topicName),
    audit: createAudit(documents('audit'), { clock, newId: randomUUID }),
    leases: createLeases(documents('leases'), { clock }),
    fleetEvents: publisher ?? unpublishedEvents,
    sendWaitingEvents: async () => publisher?.sendWaiting(),
    async close() {
      await publisher?.close();
      await queue.close();
      await clients.serviceBus.close();
      clients.cosmos.dispose();
    },
  };
}

/** undefined: nobody outside is told anything. */
function publisherOf(
  settings: Settings,
  clients: AzureClients,
  clock: Clock,
  documents: DocumentStore,
): FleetEventsPublisher | undefined {
  const { SQLFLEET_EVENTS_PUBLISH_ENDPOINT: endpoint, SQLFLEET_EVENTS_PUBLISH_KEY: key } = settings;
  if (endpoint === undefined) return undefined;
  const send = topicSender({ endpoint, key, credential: clients.credential });
  const outbox = createEventOutbox(documents, { clock });
  return createFleetEvents({ send, outbox, source: settings.SQLFLEET_EVENTS_SOURCE, clock, logger: processLogger });
}
