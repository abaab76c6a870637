import { z } from 'zod';
import { type HostFunction } from '../app/bindings';
import { type Invoker } from '../app/invocation';
import { type RpcInput } from '../app/rpc';
import { type HostRequest } from '../contract';
import { emptyReply, jsonReply, urlOf, type Reply } from './http-data';
import { isAuthorized, type HostKeys } from './keys';

const inputSchema = z.object({ input: z.string().nullish() });
/** Started by their own means only: over HTTP, or by the Durable engine. */
const notStartable = new Set(['http', 'orchestration', 'activity', 'entity']);

export interface AdminDeps {
  keys: HostKeys;
  functions: readonly HostFunction[];
  invoker: Invoker;
  status: () => { state: string; uptimeMs: number };
  /** Trigger data for a run by hand: timers need a timer object, the others take the given text. */
  triggerData: (target: HostFunction, input: string) => RpcInput;
}

/** The part of the admin API that tools use: status, the list of functions, and running one by hand. Master key only. */
export function createAdminApi(deps: AdminDeps): (request: HostRequest) => Promise<Reply> {
  return async (request) => {
    const { pathname, searchParams } = urlOf(request);
    const path = pathname.toLowerCase().replace(/\/$/, '');
    if (path === '/admin/host/ping') return emptyReply(200);
    if (!isAuthorized(deps.keys, 'admin', request.headers, searchParams)) return emptyReply(401);

    if (request.method === 'GET' && path === '/admin/host/status') {
      const { state, uptimeMs } = deps.status();
      return jsonReply(200, { id: 'local', state, version: '4.0.0-local', processUptime: uptimeMs });
    }
    if (request.method === 'GET' && path === '/admin/functions') {
      return jsonReply(
        200,
        deps.functions.map(({ name, trigger }) => ({ name, trigger })),
      );
    }
    const name = /^\/admin\/functions\/([^/]+)$/.exec(path)?.[1];
    const target = deps.functions.find((candidate) => candidate.name.toLowerCase() === name);
    if (request.method !== 'POST' || target === undefined) return emptyReply(404);
    return startByHand(deps, target, request.body.toString('utf8'));
  };
}

/** 202 at once, as the real host: the run goes on by itself, its end is in the log. */
function startByHand({ invoker, triggerData }: AdminDeps, target: HostFunction, body: string): Reply {
  const parsed = parseInput(body);
  if (parsed === null || notStartable.has(target.trigger.kind)) return emptyReply(400);
  invoker.invoke(target, triggerData(target, parsed)).catch(() => undefined);
  return emptyReply(202);
}

function parseInput(body: string): string | null {
  if (body.trim() === '') return '';
  try {
    return inputSchema.parse(JSON.parse(body)).input ?? '';
  } catch {
    return null;
  }
}
