import { z } from 'zod';
import { workInputsSchema, workOrderSchema } from '../../lib/builds/remote-work';
import { type WorkerDeps } from '../../lib/builds/work';
import { type Logger } from '../../lib/platform/logger';
import { messageOf } from '../../lib/platform/errors';
import { type AppClient } from './app-client';

const flushAfterMs = 200;
const eventsPerCall = 500;
const eventsKept = 5_000;

type RemoteStores = Pick<WorkerDeps, 'builds' | 'outcomes' | 'inputs' | 'logs' | 'events'>;

/** The stores of `createTargetWorker`, behind the app's HTTP API: the worker has the key of none. */
export function createRemoteStores(app: AppClient, logger: Logger): RemoteStores & { flush(): Promise<void> } {
  /** Blob of a package -> whose it is: links end, so each read asks for a new one. */
  const packages = new Map<string, { buildId: string; run: number }>();
  const buffered: Record<string, unknown>[] = [];
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> = Promise.resolve();

  const send = async (): Promise<void> => {
    while (buffered.length > 0) await app.post('events', { events: buffered.splice(0, eventsPerCall) }, z.undefined());
  };
  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    sending = sending
      .then(send)
      .catch((error: unknown) => logger.warn('progress events could not be sent', { error: messageOf(error) }));
    return sending;
  };
  const inputsOf = (buildId: string, run: number) => app.get('inputs', { buildId, run }, workInputsSchema);

  return {
    builds: {
      read: (buildId) => app.get('orders', { buildId }, workOrderSchema),
      async readManifest(buildId, run) {
        const { manifest } = await inputsOf(buildId, run);
        packages.set(manifest.package.blob, { buildId, run });
        return manifest;
      },
    },
    outcomes: {
      async exists(buildId, targetId, attempt) {
        const { ended } = await app.get('outcomes', { buildId, targetId, attempt }, z.object({ ended: z.boolean() }));
        return ended;
      },
      async create(outcome) {
        const answer = await app.post('outcomes', outcome, z.object({ outcome: z.enum(['created', 'exists']) }));
        return answer.outcome;
      },
    },
    inputs: {
      async get(blob) {
        const whose = packages.get(blob);
        if (whose === undefined) return null;
        return app.download((await inputsOf(whose.buildId, whose.run)).packageUrl);
      },
    },
    logs: {
      async put(path, data) {
        const [buildId = '', , name = ''] = path.split('/');
        await app.postText('logs', { buildId, name }, String(data));
      },
    },
    events: {
      publish(_key, event) {
        if (buffered.length >= eventsKept) buffered.shift();
        buffered.push(event);
        timer ??= setTimeout(() => void flush(), flushAfterMs);
      },
    },
    flush,
  };
}
