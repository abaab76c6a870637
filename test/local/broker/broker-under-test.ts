import { randomUUID } from 'node:crypto';
import { type CorrelationRuleFilter, ServiceBusAdministrationClient, ServiceBusClient } from '@azure/service-bus';
import { systemClock } from '../../../lib/platform/clock';
import { type Broker, type BrokerOptions, startBroker } from '../../../local/broker/broker';
import { type RuleFilter, type Topology } from '../../../local/broker/core/topology';

/**
 * Contract tests run against the stand-in, or against the official emulator or Azure when its connection string is given.
 * The emulator has its management API on a port of its own, hence the second variable.
 */
const external = process.env.SQLFLEET_TEST_SERVICEBUS;
const externalAdmin = process.env.SQLFLEET_TEST_SERVICEBUS_ADMIN ?? external;

type CorrelationFilter = Extract<RuleFilter, { kind: 'correlation' }>;

/** For what only the stand-in can show: a clock to turn, faults, counters. */
export const onlyStandIn = external === undefined ? it : it.skip;

export const testKey = { name: 'RootManageSharedAccessKey', value: 'c3FsZmxlZXQtdGVzdC1rZXk=' };

/** Retries that a test can wait for: the defaults of the SDKs are a minute and half a minute. */
export const retryOptions = { timeoutInMs: 5_000, maxRetries: 3, retryDelayInMs: 50, maxRetryDelayInMs: 200 };

/** A name that no other run uses, since several may share one namespace. */
export const unique = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`;

export function startTestBroker(topology: Topology, options: Partial<BrokerOptions> = {}): Promise<Broker> {
  return startBroker({ port: 0, clock: systemClock, key: testKey, topology, ...options });
}

export interface TestNamespace {
  client: ServiceBusClient;
  connectionString: string;
  /** @throws Error when the tests run against something else. */
  broker(): Broker;
  close(): Promise<void>;
}

/** A namespace that has these queues and topics, and a client of it. */
export async function openNamespace(topology: Topology, options: Partial<BrokerOptions> = {}): Promise<TestNamespace> {
  if (external !== undefined && externalAdmin !== undefined) return openExternal(external, externalAdmin, topology);
  const broker = await startTestBroker(topology, options);
  const client = new ServiceBusClient(broker.serviceBusConnectionString, { retryOptions });
  return {
    client,
    connectionString: broker.serviceBusConnectionString,
    broker: () => broker,
    async close() {
      await client.close();
      await broker.stop();
    },
  };
}

async function openExternal(
  connectionString: string,
  adminConnectionString: string,
  topology: Topology,
): Promise<TestNamespace> {
  const admin = new ServiceBusAdministrationClient(adminConnectionString);
  for (const { name, duplicateDetectionWindowMs, ...rest } of topology.queues ?? []) {
    await admin.createQueue(name, { ...toSdk(rest), ...duplicateDetection(duplicateDetectionWindowMs) });
  }
  for (const { name, duplicateDetectionWindowMs, subscriptions } of topology.topics ?? []) {
    await admin.createTopic(name, duplicateDetection(duplicateDetectionWindowMs));
    for (const { name: subscription, rules, ...rest } of subscriptions ?? []) {
      await admin.createSubscription(name, subscription, toSdk(rest));
      if (rules === undefined) continue;
      await admin.deleteRule(name, subscription, '$Default');
      for (const { name: rule, filter } of rules) {
        const sdkFilter = filter.kind === 'sql' ? { sqlExpression: filter.expression } : correlationOf(filter);
        await admin.createRule(name, subscription, rule, sdkFilter);
      }
    }
  }
  const client = new ServiceBusClient(connectionString, { retryOptions });
  return {
    client,
    connectionString,
    broker() {
      throw new Error('this case needs the stand-in');
    },
    async close() {
      await client.close();
      for (const { name } of topology.queues ?? []) await admin.deleteQueue(name);
      for (const { name } of topology.topics ?? []) await admin.deleteTopic(name);
    },
  };
}

function correlationOf({
  kind: _kind,
  applicationProperties = {},
  ...filter
}: CorrelationFilter): CorrelationRuleFilter {
  const properties: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(applicationProperties)) if (value !== null) properties[name] = value;
  return { ...filter, applicationProperties: properties };
}

const iso = (ms: number | null | undefined): string | undefined => (ms == null ? undefined : `PT${ms / 1_000}S`);

function toSdk(settings: {
  lockDurationMs?: number;
  maxDeliveryCount?: number;
  requiresSession?: boolean;
  defaultTimeToLiveMs?: number | null;
  deadLetterOnExpiration?: boolean;
}): object {
  return {
    lockDuration: iso(settings.lockDurationMs),
    maxDeliveryCount: settings.maxDeliveryCount,
    requiresSession: settings.requiresSession,
    defaultMessageTimeToLive: iso(settings.defaultTimeToLiveMs),
    deadLetteringOnMessageExpiration: settings.deadLetterOnExpiration,
  };
}

function duplicateDetection(windowMs: number | null | undefined): object {
  return windowMs == null
    ? {}
    : { requiresDuplicateDetection: true, duplicateDetectionHistoryTimeWindow: iso(windowMs) };
}
