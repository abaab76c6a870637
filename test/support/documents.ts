import { CosmosClient } from '@azure/cosmos';
import { systemClock } from '../../lib/platform/clock';
import { createDocumentStore, type DocumentStore } from '../../lib/platform/documents';
import topology from '../../infra/topology.json';
import { startDocuments, type Documents } from '../../local/documents/start';

export interface TestDocuments {
  service: Documents;
  store(container: string): DocumentStore;
  stop(): Promise<void>;
}

/** The product's containers on the documents stand-in, reached through the real SDK. */
export async function startTestDocuments(): Promise<TestDocuments> {
  const service = await startDocuments({ port: 0, stateFolder: null });
  const client = new CosmosClient({ endpoint: service.endpoint, key: service.key });
  const { database } = await client.databases.createIfNotExists({ id: topology.cosmos.database });
  for (const { name, partitionKey } of topology.cosmos.containers) {
    // -1: documents may say themselves when they end, and no others do.
    await database.containers.createIfNotExists({ id: name, partitionKey: { paths: [partitionKey] }, defaultTtl: -1 });
  }
  return {
    service,
    store: (name) => createDocumentStore(database.container(name), { clock: systemClock, random: Math.random }),
    async stop() {
      client.dispose();
      await service.stop();
    },
  };
}
