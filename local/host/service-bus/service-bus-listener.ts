import { setMaxListeners } from 'node:events';
import {
  isServiceBusError,
  type ServiceBusReceivedMessage,
  type ServiceBusReceiver,
  type ServiceBusReceiverOptions,
  type ServiceBusSessionReceiver,
} from '@azure/service-bus';
import { type Clock } from '../../../lib/platform/clock';
import { messageOf } from '../../../lib/platform/errors';
import { type HostFunction, type ServiceBusTrigger } from '../app/bindings';
import { type Invoker } from '../app/invocation';
import { resolveConnection, retryOptions } from '../connections';
import { type AppSettings, type ServiceBusSettings } from '../host-settings';
import { type TriggerListener } from '../listener';
import { createFaultReporter, type HostLog } from '../log';
import { within } from '../within';
import { keepLock, type RenewableLock } from './lock-renewal';
import { createRenewableClient, type ClientLease } from './renewable-client';
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
const receiveWaitMs = 10_000;
/** What the broker, or the SDK, has to answer beyond the time that was asked for; later than that, it never will. */
const marginMs = 3_000;
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
  const { entity } = trigger;
  const bus = createRenewableClient(resolveConnection(trigger.connection, deps.settings), clock);
  const batchSize = trigger.cardinality === 'one' ? 1 : serviceBus.maxMessageBatchSize;
  const autoComplete = trigger.autoComplete ?? serviceBus.autoCompleteMessages;
  const faults = createFaultReporter(deps.log, clock, target.name, 'The Service Bus trigger');
  const report = (error: unknown): void => faults.failed(messageOf(error));
  const stopping = new AbortController();
  // All workers may pause at once: Node would take so many listeners for a leak.
  setMaxListeners(0, stopping.signal);
  let workers: Promise<unknown> = Promise.resolve();

  /** Runs the function and settles; throws only when settling failed. */
  async function handle(
    receiver: ServiceBusReceiver,
    messages: ServiceBusReceivedMessage[],
    lock: RenewableLock,
    { broken }: ClientLease,
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
    if (succeeded && !autoComplete) return;
    const settled = Promise.all(
      messages.map((message) => (succeeded ? receiver.completeMessage(message) : receiver.abandonMessage(message))),
    );
    // Over a connection that broke before, the SDK may still find a way; over one that breaks now, the answer is lost.
    const late = (): Error => new Error('settling did not come to its end');
    await within(clock, retryOptions.timeoutInMs, settled, late, broken.aborted ? undefined : broken);
  }

  async function receive(
    receiver: ServiceBusReceiver,
    maxWaitTimeInMs: number,
    signal: AbortSignal,
  ): Promise<ServiceBusReceivedMessage[]> {
    const received = receiver.receiveMessages(batchSize, { maxWaitTimeInMs, abortSignal: signal });
    const late = (): Error => new Error('the wait for messages did not come to its end');
    return within(clock, maxWaitTimeInMs + marginMs, received, late, signal);
  }

  async function serveMessages(lease: ClientLease): Promise<void> {
    const { client, leave } = lease;
    const receiver =
      'queue' in entity
        ? client.createReceiver(entity.queue, peekLock)
        : client.createReceiver(entity.topic, entity.subscription, peekLock);
    try {
      while (!leave.aborted) {
        const messages = await receive(receiver, receiveWaitMs, leave);
        faults.recovered();
        if (messages.length > 0) await handle(receiver, messages, lockOfMessages(receiver, messages), lease);
      }
    } finally {
      await giveBack(receiver);
    }
  }

  /** Serves the next free session until it has been empty for `sessionIdleTimeout`. */
  async function serveNextSession(lease: ClientLease): Promise<void> {
    const receiver = await acceptSession(lease);
    faults.recovered();
    if (receiver === null) return;
    const lock = lockOfSession(receiver);
    try {
      while (!lease.leave.aborted) {
        const waited = new AbortController();
        const kept = keepLock(lock, Infinity, clock, waited.signal, report);
        const messages = await receive(receiver, serviceBus.sessionIdleTimeout, lease.leave).finally(() =>
          waited.abort(),
        );
        await kept;
        if (messages.length === 0) return;
        await handle(receiver, messages, lock, lease);
      }
    } finally {
      await giveBack(receiver);
    }
  }

  /** Null when no session had a message for as long as the broker let us wait. */
  async function acceptSession({ client, leave }: ClientLease): Promise<ServiceBusSessionReceiver | null> {
    const accepted =
      'queue' in entity
        ? client.acceptNextSession(entity.queue, peekLock)
        : client.acceptNextSession(entity.topic, entity.subscription, peekLock);
    const late = (): Error => new Error('the wait for a session did not come to its end');
    try {
      return await within(clock, retryOptions.timeoutInMs + marginMs, accepted, late, leave);
    } catch (error) {
      if (isServiceBusError(error) && error.code === 'ServiceTimeout') return null;
      // Nobody waits any more for a session that still comes: it must not stay locked.
      accepted.then(giveBack, () => undefined);
      throw error;
    }
  }

  /** Closing over a connection that is gone would take a minute; a lock that stays behind ends by itself. */
  async function giveBack(receiver: ServiceBusReceiver): Promise<void> {
    await within(clock, marginMs, receiver.close(), () => new Error('not closed')).catch(() => undefined);
  }

  async function serve(lease: ClientLease): Promise<void> {
    try {
      await (trigger.sessions ? serveNextSession(lease) : serveMessages(lease));
    } catch (error) {
      // Who leaves because another one found the fault has nothing to tell.
      if (!lease.leave.aborted) report(error);
      throw error;
    }
  }

  async function work(): Promise<void> {
    const { signal } = stopping;
    const pause = (): Promise<void> => clock.sleep(pauseAfterFaultMs, signal).catch(() => undefined);
    while (!signal.aborted) await bus.use(serve).catch(pause);
  }

  return {
    async start() {
      const calls = trigger.cardinality === 'many' ? 1 : serviceBus.maxConcurrentCalls;
      const concurrency = trigger.sessions ? serviceBus.maxConcurrentSessions : calls;
      workers = Promise.all(Array.from({ length: concurrency }, work));
    },
    async stop() {
      stopping.abort();
      bus.stop();
      await workers;
    },
    async close() {
      stopping.abort();
      await bus.close();
    },
  };
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
