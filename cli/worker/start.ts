import { randomUUID } from 'node:crypto';
import { DefaultAzureCredential } from '@azure/identity';
import { type DatabaseBuilderDeps } from '../../lib/builds/run/context';
import { createDatabaseBuilder } from '../../lib/builds/run/database-builder';
import { systemClock } from '../../lib/platform/clock';
import { cancelTimeoutMs, loginTimeoutMs, parsePackage, versionText } from '../../lib/platform/compose-builds';
import { processLogger } from '../../lib/platform/logger';
import { type AuthenticationSource, createTokenSource } from '../../lib/sql/authentication';
import { createConnector } from '../../lib/sql/connector';
import { createEndpointResolver } from '../../lib/sql/endpoints';
import { onAllowedServers } from './allowed-servers';
import { createAppClient } from './app-client';
import { keyReaderOf, readWorkerSettings, workerIdOf, type WorkerSettings } from './settings';
import { signToken } from './sign';
import { runWorker } from './worker';

/** As long as a session's lock is renewed. */
const longestDeliveryMs = 225 * 60_000;

/** Puts a worker together from its settings, and runs it. @returns the exit code */
export async function startWorker(environment: Record<string, string | undefined>, stop: AbortSignal): Promise<number> {
  const settings = readWorkerSettings(environment);
  const readKey = keyReaderOf(settings);
  const cluster = settings.SQLFLEET_CLUSTER;
  const signing = {
    issuer: settings.SQLFLEET_WORKER_ISSUER ?? cluster,
    subject: settings.SQLFLEET_WORKER_SUBJECT ?? cluster,
    audience: settings.SQLFLEET_WORKER_AUDIENCE,
    lifetimeSeconds: settings.SQLFLEET_WORKER_TOKEN_SECONDS,
    keyId: settings.SQLFLEET_WORKER_KEY_ID ?? null,
  };
  const clock = systemClock;
  const app = createAppClient({
    appUrl: settings.SQLFLEET_APP_URL,
    cluster,
    workerId: workerIdOf(settings, randomUUID),
    sign: async () => signToken(await readKey(), signing, { nowMs: clock.nowMs(), newId: randomUUID }),
    clock,
  });
  const builder: DatabaseBuilderDeps = {
    connect: createConnector({
      authentication: authenticationOf(settings),
      resolveEndpoint: createEndpointResolver(settings.SQLFLEET_SQL_ENDPOINTS),
      encrypt: true,
      applicationName: 'sqlfleet',
      loginTimeoutMs,
      cancelTimeoutMs,
    }),
    clock,
    random: Math.random,
    version: versionText,
  };
  const allowed = settings.SQLFLEET_WORKER_ALLOWED_SERVERS;
  const anywhere = createDatabaseBuilder(builder);
  const buildDatabase = allowed === undefined ? anywhere : onAllowedServers(allowed, anywhere, clock);
  const work = { buildDatabase, parsePackage, longestDeliveryMs };
  const complete = await runWorker(
    { app, work, clock, random: Math.random, logger: processLogger },
    {
      concurrency: settings.SQLFLEET_WORKER_CONCURRENCY,
      graceMs: settings.SQLFLEET_WORKER_GRACE_MS,
      exitWhenIdleMs: settings.SQLFLEET_WORKER_EXIT_WHEN_IDLE_MS ?? null,
      version: versionText,
    },
    stop,
  );
  return complete ? 0 : 1;
}

function authenticationOf(settings: WorkerSettings): AuthenticationSource {
  if (settings.SQLFLEET_SQL_AUTHENTICATION === 'entra') {
    return createTokenSource({ credential: new DefaultAzureCredential(), nowMs: () => systemClock.nowMs() });
  }
  const user = settings.SQLFLEET_SQL_USER ?? '';
  const password = settings.SQLFLEET_SQL_PASSWORD ?? '';
  return async () => ({ kind: 'password', user, password });
}
