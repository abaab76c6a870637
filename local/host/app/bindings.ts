import { z } from 'zod';
import { type AppSettings } from '../host-settings';
import { type FunctionApp, type FunctionHandler } from './core-module';

export type AuthLevel = 'anonymous' | 'function' | 'admin';

export interface HttpTrigger {
  kind: 'http';
  /** Template without the route prefix. */
  route: string;
  /** Upper case; empty means every method. */
  methods: readonly string[];
  authLevel: AuthLevel;
}
export interface TimerTrigger {
  kind: 'timer';
  schedule: string;
  runOnStartup: boolean;
  useMonitor: boolean;
}
export interface ServiceBusTrigger {
  kind: 'serviceBus';
  entity: { queue: string } | { topic: string; subscription: string };
  /** Name of the app setting, or of the group of settings `<name>__fullyQualifiedNamespace`. */
  connection: string;
  sessions: boolean;
  cardinality: 'one' | 'many';
  dataType: 'string' | 'binary';
  /** Undefined: as host.json says. */
  autoComplete: boolean | undefined;
}
export interface EventHubTrigger {
  kind: 'eventHub';
  eventHubName: string;
  connection: string;
  consumerGroup: string;
  cardinality: 'one' | 'many';
  dataType: 'string' | 'binary';
}
export type Trigger =
  | HttpTrigger
  | TimerTrigger
  | ServiceBusTrigger
  | EventHubTrigger
  | { kind: 'eventGrid' | 'orchestration' | 'activity' | 'entity' };

/** A function with bindings that were understood in full. */
export interface HostFunction<T extends Trigger = Trigger> {
  name: string;
  /** What the library registered, unchanged: its programming model wants it back. */
  metadata: object;
  handler: FunctionHandler;
  triggerBinding: string;
  trigger: T;
  /** Input bindings of type `durableClient`. */
  clientBindings: readonly string[];
  /** The HTTP output, `$return` or a named one; null without. */
  httpOutput: string | null;
}

const metadataSchema = z.object({
  name: z.string(),
  retryOptions: z.unknown(),
  bindings: z.record(z.string(), z.looseObject({ type: z.string(), direction: z.enum(['in', 'out', 'inout']) })),
});
const cardinality = z.enum(['one', 'many']).default('one');
const dataType = z.enum(['string', 'binary']).default('string');
const optional = z.string().min(1).optional();

const httpSchema = z.object({
  route: z.string().optional(),
  methods: z.array(z.string()).default([]),
  authLevel: z.enum(['anonymous', 'function', 'admin']).default('function'),
});
const timerSchema = z.object({
  schedule: z.string().min(1),
  runOnStartup: z.boolean().default(false),
  useMonitor: z.boolean().default(true),
});
const serviceBusSchema = z.object({
  queueName: optional,
  topicName: optional,
  subscriptionName: optional,
  connection: z.string().min(1),
  isSessionsEnabled: z.boolean().default(false),
  cardinality,
  dataType,
  autoCompleteMessages: z.boolean().optional(),
});
const eventHubSchema = z.object({
  eventHubName: z.string().min(1),
  connection: z.string().min(1),
  consumerGroup: z.string().min(1).default('$Default'),
  cardinality,
  dataType,
});

/**
 * Turns what the app registered into functions that this host can run, in the order in which routes are tried: by name.
 * Functions that the setting `AzureWebJobs.<name>.Disabled` switches off are left out.
 * @throws Error listing every function and binding that is not understood: nothing is skipped in silence.
 */
export function readFunctions(app: FunctionApp, settings: AppSettings): HostFunction[] {
  const problems: string[] = [];
  const functions: HostFunction[] = [];
  for (const [name, { metadata, handler }] of app.functions) {
    if (settings[`AzureWebJobs.${name}.Disabled`]?.toLowerCase() === 'true') continue;
    try {
      functions.push(readFunction(metadata, handler, settings));
    } catch (error) {
      const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
      problems.push(`function "${name}": ${reason}`);
    }
  }
  if (problems.length > 0) throw new Error(`The app cannot be hosted:\n${problems.join('\n')}`);
  return functions.sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
}

/** The functions of one kind of trigger. */
export function ofKind<K extends Trigger['kind']>(
  functions: readonly HostFunction[],
  kind: K,
): HostFunction<Extract<Trigger, { kind: K }>>[] {
  return functions.filter((candidate): candidate is HostFunction<Extract<Trigger, { kind: K }>> =>
    isOfKind(candidate.trigger, kind),
  );
}

function isOfKind(trigger: Trigger, kind: Trigger['kind']): boolean {
  return trigger.kind === kind;
}

function readFunction(metadata: unknown, handler: FunctionHandler, settings: AppSettings): HostFunction {
  const { name, bindings, retryOptions } = metadataSchema.parse(metadata);
  if (retryOptions !== undefined) throw new Error('retry policies are not supported');
  let trigger: { binding: string; trigger: Trigger } | undefined;
  const clientBindings: string[] = [];
  let httpOutput: string | null = null;

  for (const [binding, properties] of Object.entries(bindings)) {
    const type = properties.type.toLowerCase();
    if (type.endsWith('trigger')) {
      const expanded = expandSettings(properties, settings);
      trigger = { binding, trigger: readTrigger(type, name, expanded) };
    } else if (type === 'durableclient' && properties.direction === 'in') {
      clientBindings.push(binding);
    } else if (type === 'http' && properties.direction === 'out') {
      httpOutput ??= binding;
    } else {
      const side = properties.direction === 'in' ? 'input' : 'output';
      throw new Error(`the ${side} binding "${binding}" of type ${properties.type} is not supported`);
    }
  }
  if (trigger === undefined) throw new Error('it has no trigger');
  if (httpOutput !== null && trigger.trigger.kind !== 'http') throw new Error('only HTTP triggers have an HTTP output');
  if (typeof metadata !== 'object' || metadata === null) throw new Error('its metadata is no object');
  return {
    name,
    metadata,
    handler,
    triggerBinding: trigger.binding,
    trigger: trigger.trigger,
    clientBindings,
    httpOutput,
  };
}

function readTrigger(type: string, functionName: string, properties: Record<string, unknown>): Trigger {
  switch (type) {
    case 'httptrigger': {
      const { route, methods, authLevel } = httpSchema.parse(properties);
      const upperCase = methods.map((method) => method.toUpperCase());
      return { kind: 'http', route: route ?? functionName, methods: upperCase, authLevel };
    }
    case 'timertrigger':
      return { kind: 'timer', ...timerSchema.parse(properties) };
    case 'servicebustrigger': {
      const { queueName, topicName, subscriptionName, isSessionsEnabled, autoCompleteMessages, ...rest } =
        serviceBusSchema.parse(properties);
      const common = { kind: 'serviceBus', sessions: isSessionsEnabled, autoComplete: autoCompleteMessages } as const;
      if (queueName !== undefined) return { ...rest, ...common, entity: { queue: queueName } };
      if (topicName === undefined || subscriptionName === undefined) {
        throw new Error('a Service Bus trigger needs queueName, or topicName and subscriptionName');
      }
      return { ...rest, ...common, entity: { topic: topicName, subscription: subscriptionName } };
    }
    case 'eventhubtrigger':
      return { kind: 'eventHub', ...eventHubSchema.parse(properties) };
    case 'eventgridtrigger':
      return { kind: 'eventGrid' };
    case 'orchestrationtrigger':
      return { kind: 'orchestration' };
    case 'activitytrigger':
      return { kind: 'activity' };
    case 'entitytrigger':
      return { kind: 'entity' };
    default:
      throw new Error(`the trigger type ${type} is not supported`);
  }
}

/** Replaces `%NAME%` in every text property by the app setting of that name; `connection` is a setting's name itself. */
function expandSettings(properties: Record<string, unknown>, settings: AppSettings): Record<string, unknown> {
  const expand = (property: string, text: string): string =>
    text.replace(/%([^%]+)%/g, (_, name: string) => {
      const value = settings[name];
      if (value === undefined) throw new Error(`${property} names the app setting ${name}, which is not set`);
      return value;
    });
  return Object.fromEntries(
    Object.entries(properties).map(([property, value]) =>
      typeof value === 'string' && property !== 'connection' ? [property, expand(property, value)] : [property, value],
    ),
  );
}
