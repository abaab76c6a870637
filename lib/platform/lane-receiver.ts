import {
  isServiceBusError,
  ServiceBusClient,
  type ServiceBusReceivedMessage,
  type ServiceBusSessionReceiver,
} from '@azure/service-bus';
import { type Clock } from './clock';
import { messageOf } from './errors';
import { type Logger } from './logger';

/** What became of a message. `again`: it comes again, to whoever has the lane then. */
export type Settlement = { kind: 'done' } | { kind: 'again' } | { kind: 'refused'; reason: string };

export interface LaneReceiver {
  /** Works off lane after lane, one message at a time in each; resolves when `stopping` is aborted and nothing is at work. */
  run(slots: number, handle: (body: unknown) => Promise<Settlement>, stopping: AbortSignal): Promise<void>;
  /** Lets go of every lane: what was not settled comes again elsewhere. */
  close(): Promise<void>;
}

export interface LaneReceiverDeps {
  endpoint: string;
  topic: string;
  subscription: string;
  /** A shared access signature that is valid now, and for 45 minutes more. */
  signature(): Promise<string>;
  clock: Clock;
  logger: Logger;
}

/** How long the broker may think about it when no lane has messages; then it is asked again. */
const acceptPatienceMs = 20_000;
/** A lane that is dry for so long is given back: the monitor fills lanes every one to two seconds. */
const dryAfterMs = 2_000;
/** So that many lanes share few slots. */
const laneTurnMs = 30_000;
const longestLockMs = 4 * 3_600_000;
const againAfterMs = 1_000;
const firstPauseMs = 500;
const longestPauseMs = 30_000;

export function createLaneReceiver(deps: LaneReceiverDeps): LaneReceiver {
  const { clock, logger, topic, subscription } = deps;
  const credential = {
    /** By this the SDK knows a signature from a bearer token; it presents it anew every 45 minutes. */
    isSasTokenProvider: true,
    getToken: async (_audience: string | string[]) => ({ token: await deps.signature(), expiresOnTimestamp: 0 }),
  };
  const client = new ServiceBusClient(new URL(deps.endpoint).hostname, credential, {
    customEndpointAddress: deps.endpoint,
    retryOptions: { timeoutInMs: acceptPatienceMs, maxRetries: 0 },
  });
  let closed = false;

  const settle = async (session: ServiceBusSessionReceiver, message: ServiceBusReceivedMessage, how: Settlement) => {
    switch (how.kind) {
      case 'done':
        return session.completeMessage(message);
      case 'refused':
        return session.deadLetterMessage(message, {
          deadLetterReason: 'refused',
          deadLetterErrorDescription: how.reason.slice(0, 1_000),
        });
      case 'again':
        await clock.sleep(againAfterMs);
        return session.abandonMessage(message);
    }
  };

  const workOff = async (
    session: ServiceBusSessionReceiver,
    handle: (body: unknown) => Promise<Settlement>,
    stopping: AbortSignal,
  ): Promise<void> => {
    const untilMs = clock.nowMs() + laneTurnMs;
    while (!stopping.aborted && clock.nowMs() < untilMs) {
      const [message] = await session.receiveMessages(1, { maxWaitTimeInMs: dryAfterMs });
      if (message === undefined) return;
      const body: unknown = message.body;
      await settle(session, message, await handle(body));
    }
  };

  const slot = async (handle: (body: unknown) => Promise<Settlement>, stopping: AbortSignal): Promise<void> => {
    let pauseMs = firstPauseMs;
    while (!stopping.aborted && !closed) {
      let session: ServiceBusSessionReceiver | undefined;
      try {
        const accepted = client.acceptNextSession(topic, subscription, {
          maxAutoLockRenewalDurationInMs: longestLockMs,
          abortSignal: stopping,
        });
        session = await unlessAborted(accepted, stopping, (late) => late.close());
        pauseMs = firstPauseMs;
        await workOff(session, handle, stopping);
      } catch (error) {
        if (stopping.aborted || closed) continue;
        if (isServiceBusError(error) && error.code === 'ServiceTimeout') continue;
        const code = isServiceBusError(error) ? error.code : 'unknown';
        // A lock that was lost costs nothing: the message comes again, and the database knows what it has.
        logger.warn('a lane was lost; going on', { code, error: messageOf(error) });
        await clock.sleep(pauseMs, stopping).catch(() => undefined);
        pauseMs = Math.min(longestPauseMs, pauseMs * 2);
      } finally {
        await session?.close().catch(() => undefined);
      }
    }
  };

  return {
    async run(slots, handle, stopping) {
      await Promise.all(Array.from({ length: slots }, () => slot(handle, stopping)));
    },
    async close() {
      closed = true;
      await client.close();
    },
  };
}

/**
 * The SDK hears an abort only between the steps of accepting, and the broker may think for `acceptPatienceMs`: of the time
 * that a platform gives a process to end, that would be most. What comes all the same is given back.
 */
function unlessAborted<T>(pending: Promise<T>, signal: AbortSignal, giveBack: (late: T) => Promise<void>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abandon = (): void => {
      reject(new Error('stopped'));
      pending.then(giveBack).catch(() => undefined);
    };
    if (signal.aborted) return abandon();
    signal.addEventListener('abort', abandon, { once: true });
    pending.then(resolve, reject).finally(() => signal.removeEventListener('abort', abandon));
  });
}
