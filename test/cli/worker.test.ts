import { generateKeyPairSync } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { onAllowedServers } from '../../cli/worker/allowed-servers';
import { createAppClient } from '../../cli/worker/app-client';
import { readWorkerSettings, workerIdOf } from '../../cli/worker/settings';
import { signToken } from '../../cli/worker/sign';
import { runWorker } from '../../cli/worker/worker';
import { AppError } from '../../lib/platform/errors';
import { createLogger } from '../../lib/platform/logger';
import { newKey } from '../support/clusters';

const required = {
  SQLFLEET_APP_URL: 'https://app.example',
  SQLFLEET_CLUSTER: 'east',
  SQLFLEET_WORKER_KEY_FILE: '/key/key.json',
};
const signing = { issuer: 'east', subject: 'east', audience: 'sqlfleet', lifetimeSeconds: 60, keyId: null };
const deps = { nowMs: 1_700_000_000_000, newId: () => 'id-1' };

describe('the settings of a worker', () => {
  it('are enough with three', () => {
    const settings = readWorkerSettings(required);
    expect(settings).toMatchObject({ SQLFLEET_WORKER_CONCURRENCY: 8 });
    expect(settings.SQLFLEET_WORKER_ALLOWED_SERVERS).toBeUndefined();
  });

  it.each([
    ['no app', { ...required, SQLFLEET_APP_URL: undefined }, 'SQLFLEET_APP_URL'],
    ['an app without TLS', { ...required, SQLFLEET_APP_URL: 'http://app.example' }, 'use https'],
    ['two keys', { ...required, SQLFLEET_WORKER_KEY: 'x' }, 'not both'],
    ['a misspelt name', { ...required, SQLFLEET_WORKER_CONCURENCY: '2' }, 'SQLFLEET_WORKER_CONCURENCY: unknown'],
    ['a user without a password', { ...required, SQLFLEET_SQL_AUTHENTICATION: 'password' }, 'SQLFLEET_SQL_PASSWORD'],
  ])('are refused with %s', (_what, environment, message) => {
    expect(() => readWorkerSettings(environment)).toThrow(message);
  });

  it('give every start an id of its own', () => {
    const settings = readWorkerSettings({ ...required, SQLFLEET_WORKER_NAME: 'w' });
    expect(workerIdOf(settings, () => '12345678-90')).toBe('w-12345678');
  });
});

describe('the servers that a worker may reach', () => {
  const built: string[] = [];
  const result = (status: 'committed') => ({
    ...{ status, reason: '', failure: null, scripts: [], startedAt: '', durationMs: 1, log: '' },
    counters: { logins: 1, roundTrips: 1, batches: 1, throttled: 0, timeoutRetries: 0 },
  });
  const pkg = { kind: 'folder' as const, name: 'p', scripts: [], packageHash: '', sha256: '' };
  const outcomeOn = async (server: string, allowed: string) => {
    const settings = readWorkerSettings({ ...required, SQLFLEET_WORKER_ALLOWED_SERVERS: allowed });
    const build = onAllowedServers(
      settings.SQLFLEET_WORKER_ALLOWED_SERVERS ?? [],
      async ({ target }) => (built.push(target.server), result('committed')),
      { nowMs: () => 0 },
    );
    const target = { id: 't', server, port: null, overrides: [], tag: '', line: 1 };
    const options = {
      ...{ trial: false, transactional: true, timeoutRetryCount: 0, defaultScriptTimeoutSeconds: 1 },
      ...{ description: '', buildFileName: '', requestedBy: '' },
    };
    const signal = new AbortController().signal;
    return build({ buildId: 'b', attempt: 1, target, options, deadlineMs: 1, signal }, pkg);
  };

  it.each([
    ['sql-1.contoso.example', 'sql-1.contoso.example'],
    ['SQL-1.contoso.example', ' sql-1.CONTOSO.example , other'],
    ['sql-2.contoso.example', '.contoso.example'],
  ])('are those on the list: %s by %j', async (server, allowed) => {
    expect(await outcomeOn(server, allowed)).toMatchObject({ status: 'committed' });
    expect(built.pop()).toBe(server);
  });

  it.each([
    ['evil.example', '.contoso.example'],
    ['contoso.example', '.contoso.example'],
    ['evilcontoso.example', '.contoso.example'],
    ['sql-1.contoso.example.evil.example', 'sql-1.contoso.example'],
    ['10.0.0.1', '.1'],
    ['sql-1.contoso.example', ','],
  ])('are no others: %s by %j; nothing is tried there, and the outcome says so', async (server, allowed) => {
    const { status, reason, counters } = await outcomeOn(server, allowed);
    expect([status, counters.logins, built]).toEqual(['rejected', 0, []]);
    expect(reason).toContain(`${server} is not among the servers that this worker may reach`);
  });
});

describe('a worker’s key', () => {
  it.each([
    ['rsa', 'RS256'],
    ['ec', 'ES256'],
    ['ed25519', 'EdDSA'],
  ] as const)('of kind %s signs with %s', async (kind, alg) => {
    const key = JSON.stringify({ ...newKey(kind).privateJwk, kid: 'k1' });
    expect(decodeProtectedHeader(await signToken(key, signing, deps))).toEqual({ alg, kid: 'k1', typ: 'JWT' });
  });

  it('may be PEM, and then needs its id', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await expect(signToken(pem, signing, deps)).rejects.toThrow('SQLFLEET_WORKER_KEY_ID');
    const token = await signToken(pem, { ...signing, keyId: 'k2' }, deps);
    expect(decodeProtectedHeader(token).kid).toBe('k2');
  });

  it('is not shown when it cannot be read', async () => {
    const error: unknown = await signToken('{"kty":"EC","d":"very secret"}', signing, deps).catch((e: unknown) => e);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('very secret');
  });
});

describe('a worker that is not needed yet', () => {
  const refused = (code: string) => async (): Promise<never> => {
    throw new AppError(code, 'not now', { status: 403 });
  };
  const worker = (admission: () => Promise<never>, exitWhenIdleMs: number | null, stop: AbortSignal) => {
    let nowMs = 0;
    const none = async (): Promise<never> => {
      throw new Error('nothing is asked before it was let in');
    };
    return runWorker(
      {
        app: { admission, get: none, post: none, postText: none, download: none },
        work: { buildDatabase: none, parsePackage: none, longestDeliveryMs: 1_000 },
        clock: { nowMs: () => nowMs, sleep: async (ms, signal) => (signal?.throwIfAborted(), void (nowMs += ms)) },
        random: () => 0.5,
        logger: createLogger(() => undefined),
      },
      { concurrency: 1, graceMs: 1_000, exitWhenIdleMs, version: 'test' },
      stop,
    );
  };

  it('waits while its cluster is switched off, until it is told to stop', async () => {
    const stop = new AbortController();
    let asked = 0;
    const inactive = (): Promise<never> => {
      asked += 1;
      if (asked === 5) stop.abort();
      return refused('clusters.handshake.inactive')();
    };
    await expect(worker(inactive, null, stop.signal)).resolves.toBe(true);
    expect(asked).toBe(5);
  });

  it('ends of itself where it is a job', async () => {
    const inactive = refused('clusters.handshake.inactive');
    await expect(worker(inactive, 60_000, new AbortController().signal)).resolves.toBe(true);
  });

  it('can be told to stop while the app is away', async () => {
    const stop = new AbortController();
    const away = async (): Promise<never> => {
      stop.abort();
      throw new AppError('app.unavailable', 'away', { status: 503, retry: { kind: 'backoff' } });
    };
    await expect(worker(away, null, stop.signal)).resolves.toBe(true);
  });

  it('gives up where its key is not believed', async () => {
    const { signal } = new AbortController();
    await expect(worker(refused('clusters.handshake.refused'), null, signal)).rejects.toThrow('not now');
  });
});

describe('an app that does not answer', () => {
  it('may answer later', async () => {
    const app = createAppClient({
      appUrl: 'http://127.0.0.1:1',
      cluster: 'east',
      workerId: 'w',
      sign: async () => 'token',
      clock: { nowMs: () => 0, sleep: async () => undefined },
    });
    await expect(app.admission()).rejects.toMatchObject({ code: 'app.unavailable', retry: { kind: 'backoff' } });
  });
});
