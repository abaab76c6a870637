import { type ByWhom, type Failure, type Server } from './schema';
import { type ServerState } from './model';
import { type ObservedServer } from './reconcile';

/** How documents of servers are made and changed. No I/O. */

export function requestedServer(options: {
  name: string;
  region: string;
  resourceGroup: string;
  tags: Record<string, string>;
  templateVersion: number;
  fence: number;
  reason: string;
  at: string;
}): Server {
  const { name, at, ...rest } = options;
  return {
    ...rest,
    id: name,
    kind: 'server',
    name,
    state: 'requested',
    stateSince: at,
    origin: 'provisioned',
    fullyQualifiedDomainName: null,
    creation: {
      requestedAt: at,
      startedAt: null,
      readyAt: null,
      poller: null,
      failures: 0,
      failure: null,
      nextTryAtMs: 0,
    },
    security: { verifiedAt: null, steps: {}, openings: [] },
    numbers: { databases: null, serverDtus: null },
    numbersAt: null,
    usagesAt: null,
    reservations: [],
    refusedAt: null,
    load: 1,
    retirement: null,
  };
}

/** For a server that exists and has no (readable) document. */
export function adoptedServer(
  server: ObservedServer,
  options: { templateVersion: number; fence: number; reason: string; at: string },
): Server {
  const { name, region, resourceGroup, tags, fullyQualifiedDomainName } = server;
  const requested = requestedServer({ name, region, resourceGroup, tags: { ...tags }, ...options });
  return { ...requested, state: 'quarantined', origin: 'adopted', fullyQualifiedDomainName };
}

/** Into another state, with the fields that belong to it. */
export function inState(
  server: Server,
  state: ServerState,
  reason: string,
  at: string,
  fields: Partial<Server> = {},
): Server {
  const moved = server.state !== state;
  return {
    ...server,
    ...fields,
    state,
    reason,
    stateSince: moved ? at : server.stateSince,
    // Whatever it was before, a server that is secured anew proves it anew, and begins without old failures.
    ...(moved && state === 'securing'
      ? {
          security: { ...server.security, verifiedAt: null },
          creation: { ...server.creation, poller: null, failures: 0, failure: null, nextTryAtMs: 0 },
        }
      : {}),
  };
}

export function withFailure(server: Server, failure: Failure, nextTryAtMs: number, keepPoller: boolean): Server {
  const { creation } = server;
  return {
    ...server,
    creation: {
      ...creation,
      failures: creation.failures + 1,
      failure,
      nextTryAtMs,
      poller: keepPoller ? creation.poller : null,
    },
  };
}

/** What a person asked for: nothing is placed on it any more, and its end is believed. */
export function withRetirement(server: Server, state: 'draining' | 'retired', by: ByWhom): Server {
  return { ...inState(server, state, `${by.actor}: ${by.reason}`, by.at), retirement: by };
}

const longestRetryDelayMs = 600_000;

/** Seconds at first, ten minutes at most. */
export function retryDelayMs(failures: number): number {
  return Math.min(longestRetryDelayMs, 15_000 * 2 ** Math.min(failures, 6));
}

/** A time further away than any pause was not written by us, and would be waited for in vain. */
export function isTimeToTry({ creation }: Server, nowMs: number): boolean {
  return creation.nextTryAtMs <= nowMs || creation.nextTryAtMs > nowMs + longestRetryDelayMs;
}
