import { type Audit } from '../platform/audit';
import { type Clock } from '../platform/clock';
import { AppError } from '../platform/errors';
import { inState, withRetirement } from './documents';
import { type ServerState } from './model';
import { type ByWhom, type RegionState, type Server } from './schema';
import { type ServerStore } from './server-store';
import { type CapacityStore } from './store';

/** What a person does to a server or a region. Every action has an actor and a reason in the audit log. */

export const serverActions = ['drain', 'undrain', 'retire', 'adopt', 'retry'] as const;
export type ServerAction = (typeof serverActions)[number];

const allowedStates: Record<ServerAction, readonly ServerState[]> = {
  drain: ['ready'],
  undrain: ['draining'],
  /** A server that is gone, or that was drained before. */
  retire: ['draining', 'missing', 'failed'],
  adopt: ['quarantined'],
  retry: ['failed', 'securing'],
};

export function createCapacityControl(deps: {
  servers: ServerStore;
  store: CapacityStore;
  audit: Audit;
  clock: Clock;
  regions: readonly string[];
}) {
  const { servers, store, audit } = deps;
  const requireRegion = (region: string): void => {
    if (deps.regions.includes(region)) return;
    const message = `The region "${region}" is not looked after. Possible: ${deps.regions.join(', ') || 'none'}.`;
    throw new AppError('capacity.regionNotFound', message, { status: 404 });
  };
  const requireServer = async (name: string): Promise<Server> => {
    const server = await servers.find(name);
    if (server !== null) return server;
    throw new AppError('capacity.serverNotFound', `There is no server "${name}".`, { status: 404 });
  };
  return {
    requireRegion,
    requireServer,
    /** @throws AppError `capacity.serverNotFound` (404), `capacity.forbiddenByState` (409) */
    async server(name: string, action: ServerAction, by: Omit<ByWhom, 'at'>): Promise<Server> {
      const at = new Date(deps.clock.nowMs()).toISOString();
      const { region } = await requireServer(name);
      const changed = await servers.update(region, name, (current) => {
        if (!allowedStates[action].includes(current.state)) {
          const message = `${name} is ${current.state}; ${action} is only possible while it is ${allowedStates[action].join(' or ')}.`;
          throw new AppError('capacity.forbiddenByState', message, { status: 409, details: { state: current.state } });
        }
        return acted(current, action, { ...by, at });
      });
      if (changed === 'missing' || changed === 'fenced') return requireServer(name);
      await audit.record({ subject: `sqlServers/${name}`, action, ...by, details: { region, state: changed.state } });
      return changed;
    },
    /** The kill switch: `stop` lets nothing be created, secured or moved until `resume`, which also forgets what blocked. */
    async region(region: string, action: 'stop' | 'resume', by: Omit<ByWhom, 'at'>): Promise<RegionState> {
      requireRegion(region);
      const at = new Date(deps.clock.nowMs()).toISOString();
      const changed = await store.updateState(region, (state) =>
        action === 'stop'
          ? { ...state, stopped: { ...by, at } }
          : { ...state, stopped: null, blocked: null, failuresInARow: 0 },
      );
      await audit.record({ subject: `capacity/${region}`, action, ...by });
      if (changed === 'fenced') throw new AppError('internal', 'A change without a fence cannot be fenced off.');
      return changed;
    },
  };
}

function acted(server: Server, action: ServerAction, by: ByWhom): Server {
  const because = `${by.actor}: ${by.reason}`;
  switch (action) {
    case 'drain':
      return withRetirement(server, 'draining', by);
    case 'retire':
      return withRetirement(server, 'retired', by);
    case 'undrain':
      return { ...inState(server, 'securing', because, by.at), retirement: null };
    case 'adopt':
      return inState(server, 'securing', because, by.at);
    case 'retry': {
      const { creation } = server;
      const anew = { ...creation, failures: 0, failure: null, nextTryAtMs: 0, poller: null };
      if (server.state === 'securing') return { ...server, creation: anew };
      // Its time begins now: by that of the first try it would be given up at the next look.
      const creationAgain = { ...anew, requestedAt: by.at, startedAt: null };
      return inState({ ...server, creation: creationAgain }, 'requested', because, by.at);
    }
  }
}
