import { CosmosClient } from '@azure/cosmos';
import { BlobServiceClient } from '@azure/storage-blob';
import topology from '../../infra/topology.json';
import { createBlobStore } from '../../lib/platform/blobs';
import { systemClock } from '../../lib/platform/clock';
import { createDocumentStore } from '../../lib/platform/documents';
import { startBlobs } from '../../local/blobs/start';
import { startDocuments } from '../../local/documents/start';
import { createContainers } from '../../local/launcher/infrastructure';
import { type Stores } from './model';
import { type SimulatedBuildDeps } from './simulated-build';

/** The stand-ins for documents and blobs, in this process and in memory. */
export async function startStores() {
  const documents = await startDocuments({ port: 0, stateFolder: null });
  const blobs = await startBlobs({ port: 0, stateFolder: null });
  const stores: Stores = {
    cosmos: { endpoint: documents.endpoint, key: documents.key },
    blobConnectionString: blobs.connectionString,
  };
  await createContainers(stores);
  return {
    stores,
    /** Requests since the last reset. */
    counters: () => ({ documents: documents.counters(), blobs: blobs.counters() }),
    reset() {
      documents.resetCounters();
      blobs.resetCounters();
    },
    async stop() {
      await blobs.stop();
      await documents.stop();
    },
  };
}

/** Reaches stores through the product's own adapters and the real SDKs, wherever they run. */
export function connectStores({ cosmos, blobConnectionString }: Stores): SimulatedBuildDeps & { close(): void } {
  const client = new CosmosClient(cosmos);
  const database = client.database(topology.cosmos.database);
  const blobs = BlobServiceClient.fromConnectionString(blobConnectionString);
  return {
    documents: (name) => createDocumentStore(database.container(name), { clock: systemClock, random: Math.random }),
    blobs: (name) => createBlobStore(blobs.getContainerClient(name)),
    close: () => client.dispose(),
  };
}
