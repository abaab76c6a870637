import { join } from 'node:path';
import { systemClock, type Clock } from '../../lib/platform/clock';
import { type VerifyToken } from '../identity/tokens';
import { type FaultHooks } from '../network/faults';
import { jsonResponse, startHttpService } from '../network/http-service';
import { type ServiceError } from '../network/service-error';
import { administer } from './administration';
import { authorize } from './authorization';
import { createCounters, type ContainerCounters } from './counters';
import { createDocumentRequests } from './document-requests';
import { satisfiesCondition } from './query';
import { identify, signedResource } from './requests';
import { openDocumentStore } from './store';

export interface DocumentsOptions {
  /** 0 picks a free port. */
  port: number;
  /** Where documents are kept; null keeps them in memory only. */
  stateFolder: string | null;
  tls?: { key: string; cert: string };
  clock?: Clock;
  /** Base64. Default: the well-known key of the Cosmos DB emulator. */
  key?: string;
  /** Accepts or refuses Entra tokens. Default: refuses all. */
  verifyToken?: VerifyToken;
}

export interface Documents {
  /** For keys. Entra tokens need `secureEndpoint`. */
  endpoint: string;
  secureEndpoint: string;
  key: string;
  port: number;
  connectionString: string;
  faults: FaultHooks;
  /** By `<database>/<container>`, since the start or the last `resetCounters`. */
  counters(): Record<string, ContainerCounters>;
  resetCounters(): void;
  stop(): Promise<void>;
}

/** Documented by Microsoft and the same everywhere: it protects nothing, and tools expect it. */
const emulatorKey = 'C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==';

/** Starts a Cosmos DB account that `@azure/cosmos` can work with. */
export async function startDocuments(options: DocumentsOptions): Promise<Documents> {
  const { port, stateFolder, tls, clock = systemClock, key = emulatorKey, verifyToken = () => null } = options;
  const store = openDocumentStore({
    journalFile: stateFolder === null ? null : join(stateFolder, 'documents.jsonl'),
    clock,
    satisfies: (document, condition) => satisfiesCondition(document, condition, clock.nowMs()),
  });
  const counters = createCounters();
  const requests = createDocumentRequests({ store, counters, clock });
  const service = await startHttpService({
    port,
    tls,
    clock,
    operationOf: (request) => {
      try {
        return identify(request).operation;
      } catch {
        return '';
      }
    },
    handle: (request) => {
      authorize(request, signedResource(request.path), { key, verifyToken });
      const target = identify(request);
      return administer(store, target, request) ?? requests.handle(target, request);
    },
    fail: (error: ServiceError) =>
      jsonResponse(error.status, { code: error.code, message: error.message }, error.headers),
  });
  const endpoint = `http://127.0.0.1:${service.port}/`;
  return {
    endpoint,
    secureEndpoint: `https://localhost:${service.port}/`,
    key,
    port: service.port,
    connectionString: `AccountEndpoint=${endpoint};AccountKey=${key};`,
    faults: service.faults,
    counters: () => counters.snapshot(),
    resetCounters: () => counters.reset(),
    async stop() {
      await service.close();
      store.close();
    },
  };
}
