import { join } from 'node:path';
import { systemClock, type Clock } from '../../lib/platform/clock';
import { type VerifyToken } from '../identity/tokens';
import { type FaultHooks } from '../network/faults';
import { startHttpService } from '../network/http-service';
import { authorize } from './authorization';
import { createContentStore } from './content';
import { createBlobRequests, identify, type BlobOperation, type WrittenBlob } from './requests';
import { openBlobStore } from './store';
import { errorXml } from './xml';

export interface BlobsOptions {
  /** 0 picks a free port. */
  port: number;
  /** Where blobs are kept; null keeps them in memory only. */
  stateFolder: string | null;
  tls?: { key: string; cert: string };
  clock?: Clock;
  /** Accepts or refuses Entra tokens. Default: refuses all. */
  verifyToken?: VerifyToken;
  /** Told of each blob that was written, for whoever delivers events. */
  onWritten?: (written: WrittenBlob) => void;
}

export interface Blobs {
  connectionString: string;
  /** Base URL of the account, for account keys and SAS. Entra tokens need `secureEndpoint`. */
  endpoint: string;
  secureEndpoint: string;
  port: number;
  faults: FaultHooks;
  /** Requests by container and operation since the start or the last `resetCounters`; refused ones too. */
  counters(): Record<string, BlobCounters>;
  resetCounters(): void;
  stop(): Promise<void>;
}

export type BlobCounters = Partial<Record<BlobOperation, number>>;

/** Documented by Microsoft and the same in every storage emulator: they protect nothing, and tools expect them. */
export const emulatorAccount = {
  name: 'devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
};

const maxBodyBytes = 256 * 1024 * 1024;

/** Starts a blob storage account that `@azure/storage-blob` can work with. */
export async function startBlobs(options: BlobsOptions): Promise<Blobs> {
  const { port, stateFolder, tls, clock = systemClock, verifyToken = () => null } = options;
  const account = emulatorAccount;
  const content = createContentStore(stateFolder === null ? null : join(stateFolder, 'content'));
  const journalFile = stateFolder === null ? null : join(stateFolder, 'blobs.jsonl');
  const store = openBlobStore({ journalFile, content, clock });
  const requests = createBlobRequests({ store, content, onWritten: options.onWritten ?? (() => undefined) });
  const counters = new Map<string, BlobCounters>();
  const count = (container: string, operation: BlobOperation): void => {
    const known = counters.get(container) ?? {};
    counters.set(container, { ...known, [operation]: (known[operation] ?? 0) + 1 });
  };

  const service = await startHttpService({
    port,
    tls,
    clock,
    maxBodyBytes,
    operationOf: (request) => {
      try {
        return identify(request, account.name).operation;
      } catch {
        return '';
      }
    },
    handle: (request) => {
      const target = identify(request, account.name);
      count(target.container, target.operation);
      authorize(request, target, { account, verifyToken, nowMs: clock.nowMs() });
      return requests.handle(target, request);
    },
    fail: ({ status, code, message, headers }, { method }) => ({
      status,
      // The SDKs read the code from the header: an answer to HEAD has no body.
      headers: { 'content-type': 'application/xml', 'x-ms-error-code': code, ...headers },
      ...(method === 'HEAD' || status === 304 ? {} : { body: errorXml(code, message) }),
    }),
  });
  const endpoint = `http://127.0.0.1:${service.port}/${account.name}`;
  return {
    connectionString: `DefaultEndpointsProtocol=http;AccountName=${account.name};AccountKey=${account.key};BlobEndpoint=${endpoint};`,
    endpoint,
    secureEndpoint: `https://localhost:${service.port}/${account.name}`,
    port: service.port,
    faults: service.faults,
    counters: () => Object.fromEntries(counters),
    resetCounters: () => counters.clear(),
    async stop() {
      await service.close();
      store.close();
    },
  };
}
