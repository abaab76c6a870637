import { setMaxListeners } from 'node:events';
import { Socket } from 'node:net';
import { isServiceBusError, ServiceBusClient } from '@azure/service-bus';
import { z } from 'zod';
import { type Clock } from '../../../lib/platform/clock';
import { retryOptions, type Connection } from '../connections';
import { within } from '../within';

/** One connection to the broker, for as long as it is sound. */
export interface ClientLease {
  client: ServiceBusClient;
  /** Aborted when the connection is given up, or when everything stops: leave, and ask for a new lease. */
  leave: AbortSignal;
  /** Aborted when the connection is given up: what it has not answered by now, it never will. */
  broken: AbortSignal;
}

export interface RenewableClient {
  /** Runs `work` over the connection of the moment. An error that may come from the connection ends it for everybody. */
  use(work: (lease: ClientLease) => Promise<void>): Promise<void>;
  /** No new work; whoever waits for the broker is told to leave, whoever runs a function may finish and settle. */
  stop(): void;
  close(): Promise<void>;
}

const closeLimitMs = 1_000;
/** Errors that say something about a message, a session or an entity, and nothing about the connection. */
const harmless = new Set([
  'MessageLockLost',
  'MessageNotFound',
  'MessagingEntityDisabled',
  'MessagingEntityNotFound',
  'QuotaExceeded',
  'ServiceBusy',
  'SessionCannotBeLocked',
  'UnauthorizedAccess',
]);

/**
 * A Service Bus client that is replaced when its connection failed. The SDK reconnects by itself, but not in every state:
 * a connection that breaks while it is being opened, or that the broker closes in an orderly way while a session is
 * awaited, leaves operations behind that are answered after a minute only.
 */
export function createRenewableClient(connection: Connection, clock: Clock): RenewableClient {
  interface Generation extends ClientLease {
    leaving: AbortController;
    breaking: AbortController;
    users: number;
  }
  let current: Generation | undefined;
  const open = new Set<Generation>();

  function openGeneration(): Generation {
    const leaving = new AbortController();
    const breaking = new AbortController();
    // One signal for all receivers: Node would take so many listeners for a leak.
    setMaxListeners(0, leaving.signal, breaking.signal);
    const client = createClient(connection);
    const generation = { client, leaving, breaking, leave: leaving.signal, broken: breaking.signal, users: 0 };
    open.add(generation);
    return generation;
  }

  function retire(generation: Generation): void {
    if (current === generation) current = undefined;
    generation.leaving.abort();
    generation.breaking.abort();
  }

  async function close(generation: Generation): Promise<void> {
    open.delete(generation);
    await cutConnection(generation.client);
    await within(clock, closeLimitMs, generation.client.close(), () => new Error('not closed')).catch(() => undefined);
  }

  return {
    async use(work) {
      const generation = (current ??= openGeneration());
      generation.users += 1;
      try {
        await work(generation);
      } catch (error) {
        if (!(isServiceBusError(error) && harmless.has(error.code))) retire(generation);
        throw error;
      } finally {
        generation.users -= 1;
        if (generation.users === 0 && generation !== current && open.has(generation)) void close(generation);
      }
    },
    stop() {
      for (const { leaving } of open) leaving.abort();
    },
    async close() {
      await Promise.all([...open].map(close));
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
  socket.destroy(new Error('the connection is given up'));
  await closed;
}
