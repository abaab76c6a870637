import { type DatabaseBuildRequest, type DatabaseBuildResult } from '../../../lib/builds/model';
import { type Manifest, type Outcome, type TargetMessage } from '../../../lib/builds/schema';
import { createTargetWorker, type WorkOrder } from '../../../lib/builds/work';
import { type Clock } from '../../../lib/platform/clock';
import { AppError } from '../../../lib/platform/errors';
import { sha256 } from '../../../lib/platform/hash';
import { packageOf } from './run/fixtures';

const bytes = Buffer.from('package');
const manifest: Manifest = {
  buildId: 'b',
  run: 1,
  package: { blob: 'p', name: 'p.zip', sha256: sha256(bytes), packageHash: '' },
  deadlineMs: 1_000_000,
  options: {
    trial: false,
    transactional: true,
    timeoutRetryCount: 0,
    defaultScriptTimeoutSeconds: 30,
    description: '',
    buildFileName: 'p.zip',
    requestedBy: 'ann',
  },
};
const message: TargetMessage = {
  version: 1,
  buildId: 'b',
  run: 1,
  attempt: 1,
  lane: 'l#0',
  dispatch: 0,
  target: { id: 't', server: 's', port: null, overrides: [{ default: '', target: 'd' }], tag: '', line: 1 },
};
const by = { actor: 'ann', reason: 'enough', at: '2026-01-01T00:00:00Z' };

function lab(during: (request: DatabaseBuildRequest) => Promise<DatabaseBuildResult['status']>) {
  let nowMs = 0;
  const clock: Clock = { nowMs: () => nowMs, sleep: async (ms) => void (nowMs += ms) };
  const order: WorkOrder = { control: { paused: null, cancelled: null }, state: 'running', dispatch: 0 };
  const state = { order, isAway: false };
  const outcomes: Outcome[] = [];
  const worker = createTargetWorker({
    builds: {
      readManifest: async () => manifest,
      read: async () => {
        if (state.isAway) throw new AppError('store.away', 'The store is away.', { retry: { kind: 'backoff' } });
        return state.order;
      },
    },
    outcomes: { exists: async () => false, create: async (outcome) => (outcomes.push(outcome), 'created') },
    inputs: { get: async () => bytes },
    logs: { put: async () => undefined },
    events: { publish: () => undefined },
    buildDatabase: async (request) => ({
      status: await during(request),
      reason: '',
      failure: null,
      scripts: [],
      startedAt: '2026-01-01T00:00:00Z',
      durationMs: 1,
      counters: { logins: 1, roundTrips: 2, batches: 1, throttled: 0, timeoutRetries: 0 },
      log: '',
    }),
    parsePackage: async () => packageOf([]),
    clock,
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    longestDeliveryMs: 3_600_000,
    random: () => 0,
  });
  return {
    state,
    outcomes,
    advance: (ms: number) => void (nowMs += ms),
    work: () => worker(message, new AbortController().signal),
  };
}

describe('a target at work', () => {
  it('can tell that its build was cancelled meanwhile, within seconds', async () => {
    const asked: unknown[] = [];
    const { state, advance, work } = lab(async ({ isStopped }) => {
      asked.push(await isStopped?.());
      state.order = { ...state.order, control: { paused: null, cancelled: by } };
      advance(2_000);
      asked.push(await isStopped?.());
      return 'skipped';
    });
    await work();
    expect(asked).toEqual([false, true]);
  });

  it('goes on when its build is paused, or when nobody can be asked', async () => {
    const asked: unknown[] = [];
    const { state, advance, outcomes, work } = lab(async ({ isStopped }) => {
      state.order = { ...state.order, state: 'paused', control: { paused: by, cancelled: null } };
      advance(2_000);
      asked.push(await isStopped?.());
      state.isAway = true;
      advance(2_000);
      asked.push(await isStopped?.());
      return 'committed';
    });
    await work();
    expect(asked).toEqual([false, false]);
    expect(outcomes).toMatchObject([{ status: 'committed' }]);
  });
});
