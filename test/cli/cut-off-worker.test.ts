import { createRemoteStores } from '../../cli/worker/stores';
import { type AppClient } from '../../cli/worker/app-client';
import { createTargetWorker } from '../../lib/builds/work';
import { AppError } from '../../lib/platform/errors';
import { createLogger } from '../../lib/platform/logger';

/** What decision 47 rests on: whoever is cut off, or whose build has moved, begins nothing. */
describe('a worker that takes a message', () => {
  const message = {
    ...{ version: 1, buildId: 'b', run: 1, attempt: 1, lane: 'server:s#0', dispatch: 0 },
    target: { id: 't', server: 's', port: null, overrides: [], tag: '', line: 1 },
  };
  const takenBy = async (answer: (path: string) => unknown) => {
    let nowMs = 0;
    const asked: string[] = [];
    const begun: string[] = [];
    const ask = async <T>(path: string, _query: unknown, schema: { parse(value: unknown): T }): Promise<T> => {
      asked.push(path);
      return schema.parse(answer(path));
    };
    const app: AppClient = {
      admission: () => Promise.reject(new Error('not asked')),
      get: ask,
      post: ask,
      postText: async () => undefined,
      download: async () => Buffer.alloc(0),
    };
    const stores = createRemoteStores(
      app,
      createLogger(() => undefined),
    );
    const take = createTargetWorker({
      ...stores,
      buildDatabase: async ({ target }) => {
        begun.push(target.id);
        throw new Error('it was begun');
      },
      parsePackage: () => Promise.reject(new Error('not read')),
      clock: { nowMs: () => nowMs, sleep: async (ms) => void (nowMs += ms) },
      logger: createLogger(() => undefined),
      longestDeliveryMs: 3_600_000,
      random: () => 0.5,
    });
    const ended = await take(message, new AbortController().signal).then(
      () => 'dropped',
      (error: unknown) => (error instanceof AppError ? error.code : String(error)),
    );
    return { ended, begun, asked: asked.length, waitedMs: nowMs };
  };

  it('begins nothing while the app is out of its reach, and gives the message back after some minutes', async () => {
    const away = (): never => {
      throw new AppError('app.unavailable', 'away', { status: 503, retry: { kind: 'backoff' } });
    };
    const { ended, begun, waitedMs } = await takenBy(away);
    expect([ended, begun]).toEqual(['app.unavailable', []]);
    expect(waitedMs).toBeGreaterThan(5 * 60_000);
  });

  it('begins nothing of a build that has moved, and asks once', async () => {
    const moved = (): never => {
      throw new AppError('builds.notYours', 'moved', { status: 403 });
    };
    expect(await takenBy(moved)).toMatchObject({ ended: 'builds.notYours', begun: [], asked: 1 });
  });

  it('begins nothing that has its outcome already', async () => {
    expect(await takenBy(() => ({ ended: true }))).toMatchObject({ ended: 'dropped', begun: [], asked: 1 });
  });
});
