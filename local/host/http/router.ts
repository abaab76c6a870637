import { ofKind, type HostFunction } from '../app/bindings';
import { type Invoker } from '../app/invocation';
import { type DurableEngine, type HostRequest } from '../contract';
import { createAdminApi, type AdminDeps } from './admin';
import { createEventGridEndpoint } from './event-grid';
import { createHttpFunctions } from './functions';
import { emptyReply, urlOf, type Reply } from './http-data';
import { isAuthorized, type HostKeys } from './keys';

export interface RouterDeps extends Omit<AdminDeps, 'functions'> {
  functions: readonly HostFunction[];
  routePrefix: string;
  keys: HostKeys;
  invoker: Invoker;
  durable: DurableEngine | undefined;
  /** While false, functions and webhooks answer 503. */
  isRunning: () => boolean;
}

/** Tells the parts of the host's HTTP surface apart. */
export function createRouter(deps: RouterDeps): (request: HostRequest) => Promise<Reply> {
  const { functions, keys, invoker, durable } = deps;
  const serveFunctions = createHttpFunctions(ofKind(functions, 'http'), deps.routePrefix, keys, invoker);
  const serveEventGrid = createEventGridEndpoint(ofKind(functions, 'eventGrid'), invoker);
  const serveAdmin = createAdminApi(deps);
  const serveDurable = async (request: HostRequest): Promise<Reply> => durable?.handle(request) ?? emptyReply(404);

  return async (request) => {
    const { pathname, searchParams } = urlOf(request);
    const path = pathname.toLowerCase();
    const isBelow = (prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`);

    if (isBelow('/admin')) return serveAdmin(request);
    // Open from first to last: functions that are still running talk to the engine through it. The real host serves it
    // on a loopback port of its own, and without a key as well.
    if (isBelow('/durabletask')) return serveDurable(request);
    if (!deps.isRunning()) return emptyReply(503);
    if (!isBelow('/runtime/webhooks')) return serveFunctions(request);
    if (!isAuthorized(keys, 'system', request.headers, searchParams)) return emptyReply(401);
    if (isBelow('/runtime/webhooks/durabletask')) return serveDurable(request);
    if (isBelow('/runtime/webhooks/eventgrid')) return serveEventGrid(request);
    return emptyReply(404);
  };
}
