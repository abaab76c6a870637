import { CosmosClient } from '@azure/cosmos';
import { BlobServiceClient } from '@azure/storage-blob';
import { z } from 'zod';
import topology from '../../infra/topology.json';
import { type Topology } from '../broker/core/topology';

const containersSchema = z.array(
  z.object({
    name: z.string(),
    partitionKey: z.string(),
    /** For queries that sort by more than one property. */
    compositeIndexes: z
      .array(z.array(z.object({ path: z.string(), order: z.enum(['ascending', 'descending']) })))
      .default([]),
    /** For documents that do not say themselves when they end; -1: those do not end. */
    defaultTtlSeconds: z.int().default(-1),
  }),
);

/** What `infra/topology.json` says of Service Bus and Event Hubs, in the broker's words. */
export function brokerTopology(): Topology {
  return {
    topics: topology.serviceBus.topics.map((topic) => ({
      name: topic.name,
      duplicateDetectionWindowMs: topic.requiresDuplicateDetection
        ? topic.duplicateDetectionWindowSeconds * 1_000
        : null,
      subscriptions: topic.subscriptions.map((subscription) => ({
        name: subscription.name,
        requiresSession: subscription.requiresSession,
        lockDurationMs: subscription.lockDurationSeconds * 1_000,
        maxDeliveryCount: subscription.maxDeliveryCount,
        deadLetterOnExpiration: subscription.deadLetteringOnMessageExpiration,
        rules: [
          {
            name: subscription.rule.name,
            filter: {
              kind: 'correlation',
              applicationProperties: { [subscription.rule.property]: subscription.rule.value },
            },
          },
        ],
      })),
    })),
    eventHubs: topology.eventHubs.hubs.map(({ name, partitions, consumerGroups }) => ({
      name,
      partitionCount: partitions,
      consumerGroups: consumerGroups.filter((group) => group !== '$Default'),
    })),
  };
}

/** Creates what the app expects to exist, as a deployment would: through the services' own interfaces. */
export async function createContainers(services: {
  cosmos: { endpoint: string; key: string };
  blobConnectionString: string;
}): Promise<void> {
  const cosmos = new CosmosClient(services.cosmos);
  try {
    const { database } = await cosmos.databases.createIfNotExists({ id: topology.cosmos.database });
    for (const { name, partitionKey, compositeIndexes, defaultTtlSeconds } of containersSchema.parse(
      topology.cosmos.containers,
    )) {
      await database.containers.createIfNotExists({
        id: name,
        partitionKey: { paths: [partitionKey] },
        defaultTtl: defaultTtlSeconds,
        indexingPolicy: {
          automatic: true,
          indexingMode: 'consistent',
          includedPaths: [{ path: '/*' }],
          compositeIndexes,
        },
      });
    }
  } finally {
    cosmos.dispose();
  }
  const blobs = BlobServiceClient.fromConnectionString(services.blobConnectionString);
  for (const name of topology.blobs.containers) await blobs.getContainerClient(name).createIfNotExists();
}
