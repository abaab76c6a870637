import { setMaxListeners } from 'node:events';
import { Socket } from 'node:net';
import {
  isServiceBusError,
  ServiceBusClient,
  type ServiceBusReceivedMessage,
  type ServiceBusReceiver,
  type ServiceBusReceiverOptions,
  type ServiceBusSessionReceiver,
} from '@azure/service-bus';
import { z } from 'zod';
import { type Clock } from '../../../lib/platform/clock';
import { messageOf } from '../../../lib/platform/errors';
import { type HostFunction, type ServiceBusTrigger } from '../app/bindings';
import { type Invoker } from '../app/invocation';
import { resolveConnection, retryOptions, type Connection } from '../connections';
import { type AppSettings, type ServiceBusSettings } from '../host-settings';
import { type TriggerListener } from '../listener';
import { createFaultReporter, type HostLog } from '../log';
import { keepLock, type RenewableLock } from './lock-renewal';
import { messageData, messageMetadata } from './trigger-data';

export interface ServiceBusDeps {
  clock: Clock;
  invoker: Invoker;
  settings: AppSettings;
  serviceBus: ServiceBusSettings;
  log: HostLog;
}

const pauseAfterFaultMs = 500;
/** How long one receive waits on a link. Any value will do: an empty answer is asked again. */
const receiveWaitMs = 30_000;
const peekLock: ServiceBusReceiverOptions & { receiveMode: 'peekLock' } = {
  receiveMode: 'peekLock',
  skipParsingBodyAsJson: true,
  // Locks are renewed here, see `keepLock`.
  maxAutoLockRenewalDurationInMs: 0,
};

/**
 * Serves a Service Bus trigger: `maxConcurrentCalls` receivers, each with one message (or batch) at a time, or
 * `maxConcurrentSessions` receivers, each with one session at a time. A message is completed after its function, and
 * abandoned when the function throws; until then it stays locked, so whatever dies meanwhile, it is delivered again.
 *
 * Receivers ask in a loop instead of subscribing: a settlement after a reconnect then goes the right way, and each
 * receiver that breaks is simply replaced.
 *
 * @throws Error naming the app setting when the connection is not configured.
 */
export function createServiceBusListener(
  target: HostFunction<ServiceBusTrigger>,
  deps: ServiceBusDeps,
): TriggerListener {
  const { clock, invoker, serviceBus } = deps;
  const { trigger } = target;
  const connection = resolveConnection(trigger.connection, deps.settings);
  const batchSize = trigger.cardinality === 'one' ? 1 : serviceBus.maxMessageBatchSize;
  const autoComplete = trigger.autoComplete ?? serviceBus.autoCompleteMessages;
  const faults = createFaultReporter(deps.log, clock, target.name, 'The Service Bus trigger');
  const report = (error: unknown): void => faults.failed(messageOf(error));
  const stopping = new AbortController();
  const abortSignal = stopping.signal;
  // One signal for all receivers: Node would take so many listeners for a leak.
  setMaxListeners(0, abortSignal);
  /** Whatever is between taking a session or message and giving it back. */
  const busy = new Set<Promise<void>>();
  let client: ServiceBusClient | undefined;

  /** Runs the function and settles; throws only when settling failed. */
  async function handle(
    receiver: ServiceBusReceiver,
    messages: ServiceBusReceivedMessage[],
    lock: RenewableLock,
  ): Promise<void> {
    const done = new AbortController();
    const kept = keepLock(lock, serviceBus.maxAutoLockRenewalDuration, clock, done.signal, report);
    const succeeded = await invoker
      .invoke(target, messageData(messages, trigger), messageMetadata(messages, trigger))
      .then(
        () => true,
        () => false,
      );
    done.abort();
    await kept;
    if (succeeded && autoComplete) await Promise.all(messages.map((message) => receiver.completeMessage(message)));
    if (!succeeded) await Promise.all(messages.map((message) => receiver.abandonMessage(message)));
  }

  async function serveMessages(open: ServiceBusClient): Promise<void> {
    const { entity } = trigger;
    const receiver =
      'queue' in entity
        ? open.createReceiver(entity.queue, peekLock)
        : open.createReceiver(entity.topic, entity.subscription, peekLock);
    try {
      while (!abortSignal.aborted) {
        const messages = await receiver.receiveMessages(batchSize, { maxWaitTimeInMs: receiveWaitMs, abortSignal });
        faults.recovered();
        if (messages.length > 0) await handle(receiver, messages, lockOfMessages(receiver, messages));
      }
    } finally {
      await receiver.close().catch(() => undefined);
    }
  }

  async function serveNextSession(open: ServiceBusClient): Promise<void> {
    const receiver = await acceptSession(open);
    faults.recovered();
    if (receiver !== null) await whileBusy(serveSession(receiver));
  }

  /** Serves a session until it has been empty for `sessionIdleTimeout`. */
  async function serveSession(receiver: ServiceBusSessionReceiver): Promise<void> {
    const lock = lockOfSession(receiver);
    try {
      while (!abortSignal.aborted) {
        const waited = new AbortController();
        const kept = keepLock(lock, Infinity, clock, waited.signal, report);
        const messages = await receiver
          .receiveMessages(batchSize, { maxWaitTimeInMs: serviceBus.sessionIdleTimeout, abortSignal })
          .finally(() => waited.abort());
        await kept;
        if (messages.length === 0) return;
        await handle(receiver, messages, lock);
      }
    } finally {
      await receiver.close().catch(() => undefined);
    }
  }

  /** Null when no session had a message for as long as the broker let us wait. */
  async function acceptSession(open: ServiceBusClient): Promise<ServiceBusSessionReceiver | null> {
    const { entity } = trigger;
    const options = { ...peekLock, abortSignal };
    try {
      return 'queue' in entity
        ? await open.acceptNextSession(entity.queue, options)
        : await open.acceptNextSession(entity.topic, entity.subscription, options);
    } catch (error) {
      if (isServiceBusError(error) && error.code === 'ServiceTimeout') return null;
      throw error;
    }
  }

  async function whileBusy(work: Promise<void>): Promise<void> {
    busy.add(work);
    await work.finally(() => busy.delete(work));
  }

  async function work(serve: () => Promise<void>): Promise<void> {
    while (!abortSignal.aborted) {
      try {
        await serve();
      } catch (error) {
        if (abortSignal.aborted) return;
        report(error);
        await clock.sleep(pauseAfterFaultMs, abortSignal).catch(() => undefined);
      }
    }
  }

  return {
    async start() {
      const open = createClient(connection);
      client = open;
      const serve = trigger.sessions ? () => serveNextSession(open) : () => whileBusy(serveMessages(open));
      const concurrency = trigger.sessions
        ? serviceBus.maxConcurrentSessions
        : trigger.cardinality === 'many'
          ? 1
          : serviceBus.maxConcurrentCalls;
      for (let worker = 0; worker < concurrency; worker += 1) void work(serve);
    },
    async stop() {
      stopping.abort();
      await Promise.allSettled(busy);
    },
    async close() {
      stopping.abort();
      if (client === undefined) return;
      if (trigger.sessions) await cutConnection(client);
      await client.close();
    },
  };
}

function createClient(connection: Connection): ServiceBusClient {
  return 'connectionString' in connection
    ? new ServiceBusClient(connection.connectionString, { retryOptions })
    : new ServiceBusClient(connection.fullyQualifiedNamespace, connection.credential, { retryOptions });
}

const internals = z.object({
  _connectionContext: z.object({ connection: z.object({ _connection: z.object({ socket: z.instanceof(Socket) }) }) }),
});

/**
 * The SDK knows no way to give up the wait for a session: neither its abort signal nor closing the client ends it, and
 * for a minute it would keep the process alive. Only a connection that breaks does.
 */
async function cutConnection(client: ServiceBusClient): Promise<void> {
  const socket = internals.safeParse(client).data?._connectionContext.connection._connection.socket;
  if (socket === undefined || socket.destroyed) return;
  const closed = new Promise((resolve) => socket.once('close', resolve));
  // With an error: the AMQP library under the SDK does not look at a socket that just closes.
  socket.destroy(new Error('the host stops'));
  await closed;
}

function lockOfSession(receiver: ServiceBusSessionReceiver): RenewableLock {
  return {
    lockedUntilMs: () => receiver.sessionLockedUntilUtc.getTime(),
    renew: () => receiver.renewSessionLock(),
  };
}

/** A batch is locked together, so its first message tells the time for all. */
function lockOfMessages(receiver: ServiceBusReceiver, messages: ServiceBusReceivedMessage[]): RenewableLock {
  return {
    lockedUntilMs: () => messages[0]?.lockedUntilUtc?.getTime(),
    renew: () => Promise.all(messages.map((message) => receiver.renewMessageLock(message))),
  };
}
