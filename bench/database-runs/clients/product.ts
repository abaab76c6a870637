import { createDatabaseBuilder } from '../../../lib/builds/run/database-builder';
import { systemClock } from '../../../lib/platform/clock';
import { createConnector } from '../../../lib/sql/connector';
import { login, serverName } from '../model';
import { type BuildOneDatabase, type ClientDeps } from './client';

/** The product's own path: transaction, lock, journal, log, transaction watch, error classes, runnable log text. */
export function createProductClient({ port, certificateAuthority, pkg }: ClientDeps): BuildOneDatabase {
  const buildDatabase = createDatabaseBuilder({
    connect: createConnector({
      authentication: async () => ({ kind: 'password', ...login }),
      resolveEndpoint: () => ({ host: '127.0.0.1', port, serverName }),
      encrypt: true,
      certificateAuthority,
      applicationName: 'benchmark',
      loginTimeoutMs: 30_000,
      cancelTimeoutMs: 5_000,
    }),
    clock: systemClock,
    random: Math.random,
    version: 'benchmark',
  });
  return async (index) => {
    const result = await buildDatabase(
      {
        buildId: 'benchmark',
        attempt: 1,
        target: {
          id: `t${index}`,
          server: serverName,
          port: null,
          overrides: [{ default: '', target: `tenant${index}` }],
          tag: '',
          line: index + 1,
        },
        options: {
          trial: false,
          transactional: true,
          timeoutRetryCount: 0,
          defaultScriptTimeoutSeconds: 60,
          description: '',
          buildFileName: pkg.name,
          requestedBy: 'benchmark',
        },
        deadlineMs: Number.MAX_SAFE_INTEGER,
        signal: new AbortController().signal,
      },
      pkg,
    );
    if (result.status !== 'committed') throw new Error(`database ${index} ended as ${result.status}: ${result.reason}`);
  };
}
