#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { messageOf } from '../lib/platform/errors';
import { startWorker } from './worker/start';

const usage = `sqlfleet worker [options]

Works off the queue of a build cluster until SIGTERM or SIGINT.

  --app URL            where the app is                    SQLFLEET_APP_URL
  --cluster NAME       the cluster as it is registered     SQLFLEET_CLUSTER
  --key-file FILE      its private key, a JWK or PEM       SQLFLEET_WORKER_KEY_FILE, or SQLFLEET_WORKER_KEY
  --key-id ID          where the key has no "kid"          SQLFLEET_WORKER_KEY_ID
  --concurrency N      targets at once                     SQLFLEET_WORKER_CONCURRENCY
  --allow-servers LIST where it may log in: names, or      SQLFLEET_WORKER_ALLOWED_SERVERS
                       .suffixes, separated by commas
  --exit-when-idle MS  end when nothing was to do so long  SQLFLEET_WORKER_EXIT_WHEN_IDLE_MS
  --once               the same, after 10 seconds

Everything else, and how it signs in to databases: docs/workers.md.
`;

const variables = {
  app: 'SQLFLEET_APP_URL',
  cluster: 'SQLFLEET_CLUSTER',
  'key-file': 'SQLFLEET_WORKER_KEY_FILE',
  'key-id': 'SQLFLEET_WORKER_KEY_ID',
  concurrency: 'SQLFLEET_WORKER_CONCURRENCY',
  'allow-servers': 'SQLFLEET_WORKER_ALLOWED_SERVERS',
  'exit-when-idle': 'SQLFLEET_WORKER_EXIT_WHEN_IDLE_MS',
};
/** What `--once` means: what is waiting is worked off, and little patience for more. */
const onceIdleMs = '10000';
const options = Object.fromEntries(Object.keys(variables).map((name) => [name, { type: 'string' as const }]));

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { ...options, once: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  const [command, ...rest] = positionals;
  if (values.help === true || command !== 'worker' || rest.length > 0) {
    process.stderr.write(usage);
    return values.help === true ? 0 : 2;
  }
  const environment = { ...process.env };
  if (values.once === true) environment.SQLFLEET_WORKER_EXIT_WHEN_IDLE_MS = onceIdleMs;
  for (const [name, variable] of Object.entries(variables)) {
    const value: unknown = Reflect.get(values, name);
    if (typeof value === 'string') environment[variable] = value;
  }
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
  return startWorker(environment, stop.signal);
}

main().then(
  // Whatever the SDK still holds must not keep a worker that has stopped.
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`sqlfleet: ${messageOf(error)}\n`);
    process.exit(2);
  },
);
