import { type InvocationContext } from '@azure/functions';
import { ServiceBusClient, type ServiceBusMessage } from '@azure/service-bus';
import { systemClock } from '../../../../lib/platform/clock';
import { startBroker, type Broker } from '../../../../local/broker/broker';
import { type FunctionApp } from '../../../../local/host/app/core-module';
import { registerApp, startSampleHost, type SampleHost } from '../sample-host';

export type Handler = (message: unknown, context: InvocationContext) => unknown;

/** A broker with the entities of these tests, and at most one host that is served by it. */
export interface BusWithHost {
  broker: Broker;
  host(app: FunctionApp, serviceBus?: object): Promise<SampleHost>;
  send(entity: string, messages: ServiceBusMessage[]): Promise<void>;
  /** How many messages a queue, or its dead-letter queue, still has. */
  left(queue: string, part?: 'deadLetter'): Promise<number>;
  close(): Promise<void>;
}

export async function openBusWithHost(): Promise<BusWithHost> {
  const broker = await startBroker({
    port: 0,
    clock: systemClock,
    key: { name: 'RootManageSharedAccessKey', value: 'a2V5' },
    topology: {
      queues: [
        { name: 'work', lockDurationMs: 1_000, maxDeliveryCount: 3 },
        { name: 'batches', lockDurationMs: 30_000 },
        { name: 'lanes', lockDurationMs: 1_000, requiresSession: true },
      ],
      topics: [{ name: 'builds', subscriptions: [{ name: 'managed', requiresSession: true, lockDurationMs: 30_000 }] }],
    },
  });
  let sample: SampleHost | undefined;
  const withClient = async <T>(use: (client: ServiceBusClient) => Promise<T>): Promise<T> => {
    const client = new ServiceBusClient(broker.serviceBusConnectionString);
    return use(client).finally(() => client.close());
  };
  return {
    broker,
    async host(app, serviceBus = {}) {
      const settings = { Bus: broker.serviceBusConnectionString };
      sample = await startSampleHost(app, { extensions: { serviceBus } }, { settings });
      return sample;
    },
    send: (entity, messages) => withClient((client) => client.createSender(entity).sendMessages(messages)),
    left: (queue, subQueueType) =>
      withClient(async (client) => {
        const receiver = client.createReceiver(queue, subQueueType === undefined ? {} : { subQueueType });
        return (await receiver.peekMessages(100)).length;
      }),
    async close() {
      await sample?.close();
      await broker.stop();
    },
  };
}

export const queueApp = (handler: Handler, options: object = {}): Promise<FunctionApp> =>
  registerApp(({ app }) =>
    app.serviceBusQueue('worker', {
      connection: 'Bus',
      queueName: 'work',
      handler: async (message, context) => void (await handler(message, context)),
      ...options,
    }),
  );

export const laneApp = (handler: Handler): Promise<FunctionApp> =>
  queueApp(handler, { queueName: 'lanes', isSessionsEnabled: true });
