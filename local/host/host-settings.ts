import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { parseTimeSpanMs } from './time-span';

/** App settings: in Azure the environment variables of the worker. */
export type AppSettings = Readonly<Record<string, string | undefined>>;

const overridePrefix = 'AzureFunctionsJobHost__';
const defaultFunctionTimeout = '00:30:00';
const defaultMaxBodyBytes = 104_857_600;

const timeSpan = z.string().transform((text, context) => {
  const ms = parseTimeSpanMs(text);
  if (ms !== null && ms >= 0) return ms;
  context.addIssue({ code: 'custom', message: `"${text}" is not a time span such as 00:05:00` });
  return z.NEVER;
});
const count = z.coerce.number().int().positive();

const httpSchema = z.object({ routePrefix: z.string().default('api') });

const serviceBusSchema = z.object({
  autoCompleteMessages: z.stringbool().or(z.boolean()).default(true),
  maxAutoLockRenewalDuration: timeSpan.prefault('00:05:00'),
  maxConcurrentCalls: count.default(16),
  maxConcurrentSessions: count.default(8),
  maxMessageBatchSize: count.default(1000),
  /** How long a session without messages is kept before the next one is taken. */
  sessionIdleTimeout: timeSpan.prefault('00:01:00'),
});

const eventHubsSchema = z.object({
  maxEventBatchSize: count.default(100),
  prefetchCount: count.default(300),
  initialOffsetOptions: z.object({ type: z.enum(['fromStart', 'fromEnd']).default('fromStart') }).prefault({}),
});

const hostSchema = z.object({
  version: z.literal('2.0'),
  /** Null: functions may run for ever (`-1` in host.json). */
  functionTimeout: z
    .literal('-1')
    .transform(() => null)
    .or(timeSpan)
    .prefault(defaultFunctionTimeout),
  extensions: z
    .object({
      http: httpSchema.prefault({}),
      serviceBus: serviceBusSchema.prefault({}),
      eventHubs: eventHubsSchema.prefault({}),
    })
    .prefault({}),
});

export type HostJson = z.infer<typeof hostSchema>;
export type ServiceBusSettings = z.infer<typeof serviceBusSchema>;
export type EventHubsSettings = z.infer<typeof eventHubsSchema>;

export interface HostSettings {
  json: HostJson;
  /** Settings of host.json that mean something in Azure and nothing here, as dotted paths. */
  ignored: readonly string[];
  /** The app setting `FUNCTIONS_REQUEST_BODY_SIZE_LIMIT`; 100 MB without it. */
  maxBodyBytes: number;
}

/**
 * Reads host.json and lays the app settings `AzureFunctionsJobHost__a__b` over it, as the real host does.
 * @throws Error naming the file and every bad setting.
 */
export function readHostSettings(file: string, settings: AppSettings): HostSettings {
  const json = z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(file, 'utf8')));
  for (const [name, value] of Object.entries(settings)) {
    if (value !== undefined && name.toLowerCase().startsWith(overridePrefix.toLowerCase())) {
      setPath(json, name.slice(overridePrefix.length).split('__'), value);
    }
  }
  const parsed = hostSchema.safeParse(json);
  if (!parsed.success) throw new Error(`${file} cannot be used:\n${z.prettifyError(parsed.error)}`);
  const maxBodyBytes = Number(settings.FUNCTIONS_REQUEST_BODY_SIZE_LIMIT ?? defaultMaxBodyBytes);
  if (!(maxBodyBytes > 0)) throw new Error('FUNCTIONS_REQUEST_BODY_SIZE_LIMIT is no number of bytes.');
  return { json: parsed.data, ignored: ignoredSettings(json), maxBodyBytes };
}

/** Keys are compared without case, as configuration of .NET is; a new one is written as host.json would. */
function setPath(target: Record<string, unknown>, path: readonly string[], value: string): void {
  const [head, ...rest] = path;
  if (head === undefined) return;
  const key = Object.keys(target).find((name) => name.toLowerCase() === head.toLowerCase()) ?? camelCase(head);
  const next = target[key];
  if (rest.length === 0) target[key] = value;
  else if (isRecord(next)) setPath(next, rest, value);
  else setPath((target[key] = {}), rest, value);
}

function camelCase(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

/** `durableTask` belongs to the engine, the other sections to parts of Azure that do not exist here. */
function ignoredSettings(json: Record<string, unknown>): string[] {
  const extensions = isRecord(json.extensions) ? json.extensions : {};
  const known = { http: httpSchema, serviceBus: serviceBusSchema, eventHubs: eventHubsSchema };
  return Object.entries(known).flatMap(([section, schema]) => {
    const values = extensions[section];
    const names = isRecord(values) ? Object.keys(values) : [];
    return names.filter((name) => !(name in schema.shape)).map((name) => `extensions.${section}.${name}`);
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
