import { readArguments } from './arguments';
import { type Command, refuseAny } from './command';

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

/** `sqlfleet worker`. What it is made of is loaded only for it: the other commands need no SDK, and start sooner. */
export const workerCommand: Command = {
  summary: 'work off the queue of a build cluster',
  usage: `sqlfleet worker [options]

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
`,
  async run(args, context) {
    const given = readArguments(args, { texts: Object.keys(variables), flags: ['once'] });
    refuseAny(given.problems);
    const environment = { ...context.environment };
    if (given.flag('once')) environment.SQLFLEET_WORKER_EXIT_WHEN_IDLE_MS = onceIdleMs;
    for (const [name, variable] of Object.entries(variables)) {
      const value = given.text(name);
      if (value !== undefined) environment[variable] = value;
    }
    const { startWorker } = await import('../worker/start.js');
    return startWorker(environment, context.stop);
  },
};
