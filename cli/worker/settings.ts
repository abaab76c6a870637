import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { AppError } from '../../lib/platform/errors';
import { list, settingsSchema } from '../../lib/platform/settings';
import { clusterNameSchema } from '../../lib/clusters/schema';

const positive = z.coerce.number().int().positive();

/** What a worker is told, by environment variables; the first ones also as options. SQL settings are those of the app. */
const workerSettingsSchema = z
  .object({
    SQLFLEET_APP_URL: z.url({ protocol: /^https?$/ }),
    SQLFLEET_CLUSTER: clusterNameSchema,
    /** The private key itself: a JWK with its `kid`, or PEM (PKCS 8). */
    SQLFLEET_WORKER_KEY: z.string().optional(),
    /** A file with it. Read again for every token, so a new key is taken up without a restart. */
    SQLFLEET_WORKER_KEY_FILE: z.string().optional(),
    /** The id that the app gave the key, where the key does not say it as `kid`. */
    SQLFLEET_WORKER_KEY_ID: z.string().optional(),
    SQLFLEET_WORKER_ISSUER: z.string().optional(),
    SQLFLEET_WORKER_SUBJECT: z.string().optional(),
    SQLFLEET_WORKER_AUDIENCE: z.string().default('sqlfleet'),
    /** At most what the cluster's sign options allow. */
    SQLFLEET_WORKER_TOKEN_SECONDS: positive.default(60),
    /** Targets that are built at once. */
    SQLFLEET_WORKER_CONCURRENCY: positive.max(1_000).default(8),
    /** How long work may go on after SIGTERM. Less than the platform's patience, after which it kills. */
    SQLFLEET_WORKER_GRACE_MS: positive.default(25_000),
    /** For jobs: end when nothing was to do for so long. Absent: work until stopped. */
    SQLFLEET_WORKER_EXIT_WHEN_IDLE_MS: positive.optional(),
    /** Where this worker logs in, whatever the app sends: `name` or `.suffix`, separated by commas. Absent: everywhere. */
    SQLFLEET_WORKER_ALLOWED_SERVERS: list.optional(),
    SQLFLEET_WORKER_NAME: z
      .string()
      .regex(/^[A-Za-z0-9][\w.-]{0,40}$/, 'letters, digits, ".", "_" and "-"; at most 41')
      .optional(),
    SQLFLEET_SQL_AUTHENTICATION: z.enum(['entra', 'password']).default('entra'),
    SQLFLEET_SQL_USER: z.string().optional(),
    /** The password itself: wherever the worker runs, its platform has a way to keep secrets. */
    SQLFLEET_SQL_PASSWORD: z.string().optional(),
    SQLFLEET_SQL_ENDPOINTS: settingsSchema.shape.SQLFLEET_SQL_ENDPOINTS,
  })
  .superRefine((settings, context) => {
    const missing = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message });
    if ((settings.SQLFLEET_WORKER_KEY === undefined) === (settings.SQLFLEET_WORKER_KEY_FILE === undefined)) {
      missing('SQLFLEET_WORKER_KEY_FILE', 'set this, or SQLFLEET_WORKER_KEY, and not both');
    }
    if (settings.SQLFLEET_SQL_AUTHENTICATION === 'password') {
      for (const name of ['SQLFLEET_SQL_USER', 'SQLFLEET_SQL_PASSWORD'] as const) {
        if (settings[name] === undefined) missing(name, 'needed with SQLFLEET_SQL_AUTHENTICATION=password');
      }
    }
    const { protocol, hostname: host } = new URL(settings.SQLFLEET_APP_URL);
    if (protocol === 'http:' && host !== 'localhost' && host !== '127.0.0.1') {
      missing('SQLFLEET_APP_URL', 'use https: what the app answers is a credential');
    }
  });

export type WorkerSettings = z.infer<typeof workerSettingsSchema>;

/** @throws AppError `settings.invalid` that lists every problem by variable, misspelt names of the worker's own included */
export function readWorkerSettings(environment: Record<string, string | undefined>): WorkerSettings {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const problems = Object.keys(given)
    .filter((name) => name.startsWith('SQLFLEET_WORKER_') && !(name in workerSettingsSchema.shape))
    .map((name) => `${name}: unknown setting; remove it or correct its name`);
  const result = workerSettingsSchema.safeParse(given);
  if (!result.success)
    problems.push(...result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`));
  if (result.success && problems.length === 0) return result.data;
  throw new AppError('settings.invalid', `The worker's settings are not usable:\n  ${problems.join('\n  ')}`, {
    details: { problems },
  });
}

/** Other with every start: the app tells workers apart by it, and what a stopped one reported is not this one's. */
export function workerIdOf({ SQLFLEET_WORKER_NAME: name }: WorkerSettings, newId: () => string): string {
  const place = (name ?? hostname()).replace(/[^\w.-]/g, '-').slice(0, 41);
  return `${/^[A-Za-z0-9]/.test(place) ? '' : 'w'}${place}-${newId().slice(0, 8)}`;
}

export function keyReaderOf(settings: WorkerSettings): () => Promise<string> {
  const { SQLFLEET_WORKER_KEY: key, SQLFLEET_WORKER_KEY_FILE: file } = settings;
  return async () => key ?? readFile(file ?? '', 'utf8');
}
