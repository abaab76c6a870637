import { z } from 'zod';
import { AppError } from './errors';

const prefix = 'SQLFLEET_';

const milliseconds = z.coerce.number().int().positive();

/**
 * `name=host,port` pairs separated by `;`: where a server is really reached (private endpoint, tunnel, embedded cloud).
 * `*.suffix` stands for all servers below a domain and `*` for all, as behind a gateway.
 */
const endpointMap = z
  .string()
  .default('')
  .transform((text, context) => {
    const endpoints = new Map<string, { host: string; port: number }>();
    for (const pair of text.split(';').filter((part) => part.trim() !== '')) {
      const match = /^\s*(\*|\*?[^=*\s]+)=([^,\s]+),(\d{1,5})\s*$/.exec(pair);
      const [, name, host, port] = match ?? [];
      if (name === undefined || host === undefined || port === undefined) {
        context.addIssue({ code: 'custom', message: `"${pair}" is not name=host,port` });
        return z.NEVER;
      }
      endpoints.set(name.toLowerCase(), { host, port: Number(port) });
    }
    return endpoints;
  });

/** Words separated by commas, in small letters. */
export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .filter((part) => part !== ''),
);

const shortestSecret = 16;
const secretList = z.string().transform((text, context) => {
  const secrets = text.split(',').map((part) => part.trim());
  if (secrets.some((secret) => secret.length < shortestSecret)) {
    context.addIssue({ code: 'custom', message: `every key needs at least ${shortestSecret} characters` });
    return z.NEVER;
  }
  return secrets;
});

const capacityNeeds = [
  'SQLFLEET_CAPACITY_RESOURCE_GROUP',
  'SQLFLEET_CAPACITY_ENVIRONMENT',
  'SQLFLEET_CAPACITY_TENANT',
  'SQLFLEET_CAPACITY_ADMIN_GROUP',
  'SQLFLEET_CAPACITY_ADMIN_GROUP_ID',
] as const;

/**
 * The app's own settings, one environment variable each. Connections follow the Functions convention, so that the
 * triggers and the clients read the same one: either a connection string, or the name with `__fullyQualifiedNamespace`
 * (`__serviceUri` for blobs) for access by managed identity.
 */
export const settingsSchema = z
  .object({
    SQLFLEET_SERVICE_BUS: z.string().optional(),
    SQLFLEET_SERVICE_BUS__fullyQualifiedNamespace: z.string().optional(),
    SQLFLEET_EVENT_HUBS: z.string().optional(),
    SQLFLEET_EVENT_HUBS__fullyQualifiedNamespace: z.string().optional(),
    SQLFLEET_BLOBS: z.string().optional(),
    SQLFLEET_BLOBS__serviceUri: z.url().optional(),
    // Of a user-assigned identity; the Functions host reads them for its triggers, and the clients take AZURE_CLIENT_ID.
    SQLFLEET_SERVICE_BUS__credential: z.string().optional(),
    SQLFLEET_SERVICE_BUS__clientId: z.string().optional(),
    SQLFLEET_EVENT_HUBS__credential: z.string().optional(),
    SQLFLEET_EVENT_HUBS__clientId: z.string().optional(),
    SQLFLEET_COSMOS_ENDPOINT: z.url(),
    SQLFLEET_COSMOS_KEY: z.string().optional(),
    SQLFLEET_COSMOS_DATABASE: z.string().default('sqlfleet'),
    SQLFLEET_KEY_VAULT_URL: z.url().optional(),
    SQLFLEET_SQL_AUTHENTICATION: z.enum(['entra', 'password']).default('entra'),
    SQLFLEET_SQL_USER: z.string().optional(),
    SQLFLEET_SQL_PASSWORD_SECRET: z.string().optional(),
    SQLFLEET_SQL_ALLOWED_SERVERS: list.default(['.database.windows.net']),
    SQLFLEET_SQL_ENDPOINTS: endpointMap,
    /** Events. Topics whose events are taken in: resource ids, each standing for itself and all below it. */
    SQLFLEET_EVENTS_TOPICS: list.default([]),
    /** What the webhook's callers show in `x-sqlfleet-event-key`; two while one replaces the other. */
    SQLFLEET_EVENTS_KEYS: secretList.default([]),
    /** With both, the webhook takes tokens that Entra gave to Event Grid for this app. */
    SQLFLEET_EVENTS_ENTRA_TENANT: z.uuid().optional(),
    SQLFLEET_EVENTS_ENTRA_AUDIENCE: z.string().optional(),
    SQLFLEET_EVENTS_ORIGINS: list.default(['eventgrid.azure.net']),
    /** Object or client ids of this app's identities: what they do in Azure starts nothing here. */
    SQLFLEET_EVENTS_OWN_IDENTITIES: list.default([]),
    /** How long events about one region are collected before it is looked at. */
    SQLFLEET_EVENTS_DEBOUNCE_MS: milliseconds.default(15_000),
    /** The custom topic to which others subscribe, and its key; without the key the app's identity is used. */
    SQLFLEET_EVENTS_PUBLISH_ENDPOINT: z.url().optional(),
    SQLFLEET_EVENTS_PUBLISH_KEY: z.string().optional(),
    SQLFLEET_EVENTS_SOURCE: z.string().default('/sqlfleet'),
    /** How long the monitor waits between two looks while a build runs. */
    SQLFLEET_MONITOR_INTERVAL_MS: milliseconds.default(2_000),
    /** No new outcome for this long, with targets outstanding: the build says what it waits for and looks for lost ones. */
    SQLFLEET_STUCK_AFTER_MS: milliseconds.default(120_000),
    /** Azure Resource Manager; absent: the public cloud. */
    SQLFLEET_ARM_ENDPOINT: z.url().optional(),
    // Capacity. Without a subscription there is none; with one, everything that a server is created with is needed.
    SQLFLEET_CAPACITY_SUBSCRIPTION: z.guid().optional(),
    SQLFLEET_CAPACITY_RESOURCE_GROUP: z.string().optional(),
    SQLFLEET_CAPACITY_REGIONS: list.transform((names) => names.map((name) => name.replaceAll(' ', ''))).default([]),
    /** A short name that is part of every server name: `prod`. */
    SQLFLEET_CAPACITY_ENVIRONMENT: z
      .string()
      .regex(/^[a-z0-9]{1,20}$/, 'up to 20 lower-case letters and digits')
      .optional(),
    SQLFLEET_CAPACITY_TENANT: z.guid().optional(),
    SQLFLEET_CAPACITY_ADMIN_GROUP: z.string().optional(),
    SQLFLEET_CAPACITY_ADMIN_GROUP_ID: z.guid().optional(),
    /** Resource id of the Log Analytics workspace that audit records go to; absent: an Azure Policy sees to it. */
    SQLFLEET_CAPACITY_LOG_ANALYTICS: z.string().optional(),
    /** JSON with whatever differs from the defaults in `lib/capacity/policy.ts`. */
    SQLFLEET_CAPACITY_POLICY: z.string().default('{}'),
    SQLFLEET_CAPACITY_POLL_MS: milliseconds.default(15_000),
    /** NCRONTAB; read where the timers are registered. */
    SQLFLEET_CAPACITY_SCHEDULE: z.string().optional(),
    SQLFLEET_BALANCING_SCHEDULE: z.string().optional(),
    // Workspaces.
    /** Where tokens for Databricks may go: host names, or suffixes that begin with a dot. */
    SQLFLEET_DATABRICKS_ALLOWED_HOSTS: list.default(['.azuredatabricks.net']),
    /** Authority at which the environments' service principals sign in; absent: that of the public cloud. */
    SQLFLEET_ENTRA_AUTHORITY: z.url().optional(),
    /** How long a deployment waits between two looks at clusters, leases and approvals. */
    SQLFLEET_WORKSPACES_LOOK_MS: milliseconds.default(15_000),
    // Build clusters.
    /** Who may change the registry of clusters: names as the platform signs them in, or as callers give them. */
    SQLFLEET_CLUSTER_ADMINS: list.default([]),
    /** Connection string of a rule of the topic that may only listen: with its key the app signs what workers get. */
    SQLFLEET_WORKER_SERVICE_BUS: z.string().optional(),
    /** How often workers report. After three reports that did not come a worker is taken for dead: within a minute. */
    SQLFLEET_WORKER_HEARTBEAT_MS: milliseconds.min(500).max(20_000).default(15_000),
    /** Where instances share their picture of the clusters; without it each follows the documents. */
    REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
  })
  .superRefine((settings, context) => {
    const eitherOf = (a: keyof typeof settings, b: keyof typeof settings): void => {
      if (settings[a] === undefined && settings[b] === undefined) {
        context.addIssue({
          code: 'custom',
          path: [a],
          message: `set ${a} (connection string) or ${b} (managed identity)`,
        });
      }
    };
    eitherOf('SQLFLEET_SERVICE_BUS', 'SQLFLEET_SERVICE_BUS__fullyQualifiedNamespace');
    eitherOf('SQLFLEET_EVENT_HUBS', 'SQLFLEET_EVENT_HUBS__fullyQualifiedNamespace');
    eitherOf('SQLFLEET_BLOBS', 'SQLFLEET_BLOBS__serviceUri');
    if (
      (settings.SQLFLEET_EVENTS_ENTRA_TENANT === undefined) !==
      (settings.SQLFLEET_EVENTS_ENTRA_AUDIENCE === undefined)
    ) {
      const path = ['SQLFLEET_EVENTS_ENTRA_AUDIENCE'];
      context.addIssue({ code: 'custom', path, message: 'set it together with SQLFLEET_EVENTS_ENTRA_TENANT' });
    }
    if (settings.SQLFLEET_CAPACITY_SUBSCRIPTION !== undefined) {
      for (const name of capacityNeeds.filter((each) => settings[each] === undefined)) {
        context.addIssue({ code: 'custom', path: [name], message: 'needed with SQLFLEET_CAPACITY_SUBSCRIPTION' });
      }
      if (settings.SQLFLEET_CAPACITY_REGIONS.length === 0) {
        const message = 'name at least one region, with SQLFLEET_CAPACITY_SUBSCRIPTION';
        context.addIssue({ code: 'custom', path: ['SQLFLEET_CAPACITY_REGIONS'], message });
      }
    }
    if (settings.SQLFLEET_SQL_AUTHENTICATION === 'password') {
      for (const name of ['SQLFLEET_SQL_USER', 'SQLFLEET_SQL_PASSWORD_SECRET', 'SQLFLEET_KEY_VAULT_URL'] as const) {
        if (settings[name] === undefined) {
          context.addIssue({
            code: 'custom',
            path: [name],
            message: 'needed with SQLFLEET_SQL_AUTHENTICATION=password',
          });
        }
      }
    }
  });

export type Settings = z.infer<typeof settingsSchema>;

/**
 * Reads the settings once, at start.
 * @throws AppError `settings.invalid` that lists every problem by variable, unknown `SQLFLEET_` names included, because a
 *   misspelt setting that is silently ignored is found in production.
 */
export function readSettings(environment: Record<string, string | undefined>): Settings {
  const own = Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value]) =>
        (name.startsWith(prefix) || name in settingsSchema.shape) && value !== undefined && value !== '',
    ),
  );
  const problems = Object.keys(own)
    .filter((name) => !(name in settingsSchema.shape))
    .map((name) => `${name}: unknown setting; remove it or correct its name`);
  const result = settingsSchema.safeParse(own);
  if (!result.success) {
    problems.push(...result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
  }
  if (!result.success || problems.length > 0) {
    throw new AppError('settings.invalid', `The app's settings are not usable:\n  ${problems.join('\n  ')}`, {
      details: { problems },
    });
  }
  return result.data;
}
