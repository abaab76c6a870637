import { type Clock } from '../../lib/platform/clock';
import { type HostRequest, type HostResponse } from '../host/contract';
import { managementLinks, rpcPath, webhookPath } from './client-binding';
import { type CommandResult, type Commands, type StartResult } from './commands';
import { entityIdOf } from './entity-protocol';
import { runtimeStatusOf, statusOf, type StatusOptions } from './status';
import { type Instance, isFinished, type Store } from './store';

export interface ManagementApiDeps {
  taskHubName: string;
  systemKey: string;
  clock: Clock;
  store: Store;
  commands: Commands;
}

/** A request, taken apart. */
interface Call {
  method: string;
  segments: string[];
  query: URLSearchParams;
  headers: Record<string, string>;
  body: string;
  /** Scheme and authority that the client used. */
  baseUrl: string;
}

const defaultPageSize = 100;
const continuationHeader = 'x-ms-continuation-token';

/** The HTTP management API, with a key under `/runtime/webhooks/durabletask` and without one under `/durabletask`. */
export function createManagementApi(deps: ManagementApiDeps): (request: HostRequest) => Promise<HostResponse> {
  const { clock, commands, store, taskHubName, systemKey } = deps;

  return async (request) => {
    const call = takeApart(request);
    if (call === null) return empty(404);
    const key = call.headers['x-functions-key'] ?? call.query.get('code');
    if (call.needsKey && key !== systemKey) return empty(401);
    const taskHub = call.query.get('taskHub');
    if (taskHub !== null && taskHub !== taskHubName) {
      return message(400, `This engine serves the task hub '${taskHubName}' only, not '${taskHub}'.`);
    }
    const [collection, ...rest] = call.segments;
    if (collection === 'orchestrators') return onOrchestrators(call, rest);
    if (collection === 'instances') return onInstances(call, rest);
    if (collection === 'entities') return onEntity(call, rest);
    return empty(404);
  };

  async function onOrchestrators(call: Call, [name, instanceId, ...more]: string[]): Promise<HostResponse> {
    if (call.method !== 'POST' || name === undefined || more.length > 0) return empty(404);
    const input = call.body === '' ? 'null' : call.body;
    if (!isJson(input)) return message(400, 'Invalid JSON content');
    const version = call.query.get('version');
    const started = commands.start({
      name,
      instanceId: instanceId ?? null,
      input,
      ...(version === null ? {} : { version }),
    });
    return answerStart(call, started);
  }

  async function answerStart(call: Call, result: StartResult): Promise<HostResponse> {
    if (result.kind === 'refused') return message(400, result.message);
    if (result.kind === 'conflict') return message(409, result.message);
    const timeoutS = Number(call.query.get('timeout') ?? NaN);
    const pollingS = Number(call.query.get('pollingInterval') ?? NaN);
    if (timeoutS >= 0 && pollingS > 0) {
      const done = await waitFor(result.instanceId, timeoutS * 1000, pollingS * 1000);
      if (done?.status === 'Completed') return json(200, JSON.parse(done.output ?? 'null'));
      if (done !== null) return statusResponse(call, done, true);
    }
    const links = managementLinks({ baseUrl: call.baseUrl, taskHubName, systemKey }, result.instanceId);
    return json(202, links, { location: links.statusQueryGetUri ?? '', 'retry-after': '10' });
  }

  async function waitFor(instanceId: string, timeoutMs: number, pollingMs: number): Promise<Instance | null> {
    for (const deadlineMs = clock.nowMs() + timeoutMs; ;) {
      const instance = store.instances.get(instanceId);
      if (instance !== undefined && isFinished(instance)) return instance;
      const leftMs = deadlineMs - clock.nowMs();
      if (leftMs <= 0) return null;
      await clock.sleep(Math.min(pollingMs, leftMs));
    }
  }

  async function onInstances(call: Call, [instanceId, operation, ...more]: string[]): Promise<HostResponse> {
    const { method } = call;
    if (instanceId === undefined) {
      return method === 'GET' ? list(call) : method === 'DELETE' ? purgeByFilter(call) : empty(404);
    }
    if (operation === undefined) {
      const instance = store.instances.get(instanceId);
      if (instance === undefined || (method !== 'GET' && method !== 'DELETE')) return empty(404);
      return method === 'GET' ? statusResponse(call, instance, false) : purge(instance);
    }
    if (method !== 'POST') return empty(404);
    const [eventName, ...beyond] = more;
    if (operation.toLowerCase() === 'raiseevent' && eventName !== undefined && beyond.length === 0) {
      return raiseEvent(call, instanceId, eventName);
    }
    return more.length > 0 ? empty(404) : operate(call, instanceId, operation.toLowerCase());
  }

  async function operate(call: Call, instanceId: string, operation: string): Promise<HostResponse> {
    switch (operation) {
      case 'terminate':
        return answer(commands.terminate(instanceId, call.query.get('reason') ?? ''));
      case 'suspend':
      case 'resume':
        return answer(commands.setSuspended(instanceId, operation === 'suspend'));
      case 'restart': {
        const withNewId = call.query.get('restartWithNewInstanceId')?.toLowerCase() !== 'false';
        const result = commands.restart(instanceId, withNewId);
        if (result.kind === 'notFound') {
          return message(400, 'InstanceId does not match a valid orchestration instance.');
        }
        return answerStart(call, result);
      }
      case 'rewind':
        return message(501, 'Rewind is not supported by this Durable engine: start the orchestration again.');
      default:
        return empty(404);
    }
  }

  function raiseEvent(call: Call, instanceId: string, eventName: string): HostResponse {
    const instance = store.instances.get(instanceId);
    if (instance === undefined) return empty(404);
    if (isFinished(instance)) return empty(410);
    if (!(call.headers['content-type'] ?? '').toLowerCase().startsWith('application/json')) {
      return message(400, 'Only application/json request content is supported');
    }
    if (!isJson(call.body)) return message(400, 'Invalid JSON content');
    return answer(commands.raiseEvent(instanceId, eventName, call.body));
  }

  function statusResponse(call: Call, instance: Instance, failureIs500: boolean): HostResponse {
    const options = statusOptions(call.query);
    const body = statusOf(instance, options);
    const dropped = options.showHistory && instance.history === null;
    const headers: Record<string, string> = dropped
      ? { warning: '199 - "The history of this finished instance was dropped."' }
      : {};
    if (!isFinished(instance)) {
      return json(202, body, { ...headers, location: `${call.baseUrl}${urlOf(call)}`, 'retry-after': '5' });
    }
    const asks500 = call.query.get('returnInternalServerErrorOnFailure')?.toLowerCase() === 'true';
    return json(instance.status === 'Failed' && (failureIs500 || asks500) ? 500 : 200, body, headers);
  }

  function purge(instance: Instance): HostResponse {
    if (!isFinished(instance)) {
      const status = runtimeStatusOf(instance);
      return message(
        412,
        `Only orchestrations in a terminal state can be purged; ${instance.instanceId} is ${status}.`,
      );
    }
    commands.purge([instance.instanceId]);
    return json(200, { instancesDeleted: 1 });
  }

  function purgeByFilter(call: Call): HostResponse {
    if (call.query.get('createdTimeFrom') === null) {
      return message(400, "Please provide value for 'createdTimeFrom' parameter.");
    }
    const matching = matches(call.query);
    if (typeof matching === 'string') return message(400, matching);
    const ids = [...store.instances.values()]
      .filter((instance) => isFinished(instance) && matching(instance))
      .map((instance) => instance.instanceId);
    commands.purge(ids);
    return ids.length === 0 ? empty(404) : json(200, { instancesDeleted: ids.length });
  }

  /** Pages in the order of instance ids, so that a page does not shift when instances come and go between two. */
  function list(call: Call): HostResponse {
    const matching = matches(call.query);
    if (typeof matching === 'string') return message(400, matching);
    const top = Number(call.query.get('top') ?? defaultPageSize);
    if (!Number.isInteger(top) || top < 1) return message(400, "'top' must be a positive whole number.");
    const token = call.headers[continuationHeader];
    const after = token === undefined ? '' : Buffer.from(token, 'base64url').toString();
    const found = [...store.instances.values()]
      .filter((instance) => instance.instanceId > after && matching(instance))
      .sort((left, right) => (left.instanceId < right.instanceId ? -1 : 1));
    const page = found.slice(0, top);
    const options = statusOptions(call.query);
    const last = page.at(-1);
    const hasMore = found.length > page.length && last !== undefined;
    return json(
      200,
      page.map((instance) => statusOf(instance, { ...options, showHistory: false })),
      hasMore ? { [continuationHeader]: Buffer.from(last.instanceId).toString('base64url') } : {},
    );
  }

  function onEntity(call: Call, [name, key, ...more]: string[]): HostResponse {
    if (name === undefined || more.length > 0) return empty(404);
    if (key === undefined) return message(501, 'Listing entities is not supported by this Durable engine.');
    const entityId = entityIdOf(name, key);
    if (call.method === 'GET') {
      const entity = store.entities.get(entityId);
      return entity?.exists === true ? json(200, JSON.parse(entity.state ?? 'null')) : empty(404);
    }
    if (call.method !== 'POST' && call.method !== 'DELETE') return empty(404);
    const operation = call.method === 'DELETE' ? 'delete' : (call.query.get('op') ?? '');
    const isJsonBody = (call.headers['content-type'] ?? '').toLowerCase().startsWith('application/json');
    if (call.body !== '' && isJsonBody && !isJson(call.body)) return message(400, 'Could not parse JSON content');
    const input = call.body === '' ? undefined : isJsonBody ? call.body : JSON.stringify(call.body);
    const result = commands.signalEntity(entityId, operation, input);
    return result.kind === 'refused' ? message(400, result.message) : empty(202);
  }
}

function takeApart(request: HostRequest): (Call & { needsKey: boolean }) | null {
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const scheme = headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  const url = new URL(request.url, `${scheme}://${headers.host ?? 'localhost'}`);
  const needsKey = url.pathname.startsWith(`${webhookPath}/`);
  if (!needsKey && !url.pathname.startsWith(`${rpcPath}/`)) return null;
  const path = url.pathname.slice((needsKey ? webhookPath : rpcPath).length);
  const segments = path.split('/').filter((segment) => segment !== '');
  const decoded = segments.map(decode);
  if (decoded.includes(null)) return null;
  return {
    method: request.method.toUpperCase(),
    segments: decoded.filter((segment) => segment !== null),
    query: url.searchParams,
    headers,
    body: request.body.toString('utf8'),
    baseUrl: url.origin,
    needsKey,
  };
}

function urlOf(call: Call): string {
  const query = call.query.toString();
  return `${webhookPath}/${call.segments.map(encodeURIComponent).join('/')}${query === '' ? '' : `?${query}`}`;
}

/** A predicate for the query's filters, or what is wrong with them. */
function matches(query: URLSearchParams): ((instance: Instance) => boolean) | string {
  const fromMs = Date.parse(query.get('createdTimeFrom') ?? '1970-01-01T00:00:00Z');
  const toMs = Date.parse(query.get('createdTimeTo') ?? '9999-12-31T00:00:00Z');
  if (Number.isNaN(fromMs) || Number.isNaN(toMs)) return 'createdTimeFrom and createdTimeTo must be times.';
  const statuses = query.getAll('runtimeStatus').flatMap((text) => text.split(','));
  const wanted = new Set(statuses.filter((text) => text !== '').map((text) => text.toLowerCase()));
  const prefix = query.get('instanceIdPrefix') ?? '';
  return (instance) =>
    instance.createdAtMs >= fromMs &&
    instance.createdAtMs <= toMs &&
    instance.instanceId.startsWith(prefix) &&
    (wanted.size === 0 || wanted.has(runtimeStatusOf(instance).toLowerCase()));
}

function statusOptions(query: URLSearchParams): StatusOptions {
  const flag = (name: string, otherwise: boolean): boolean => {
    const text = query.get(name)?.toLowerCase();
    return text === 'true' ? true : text === 'false' ? false : otherwise;
  };
  return {
    showInput: flag('showInput', true),
    showHistory: flag('showHistory', false),
    showHistoryOutput: flag('showHistoryOutput', false),
  };
}

function answer(result: CommandResult): HostResponse {
  return empty(result === 'accepted' ? 202 : result === 'gone' ? 410 : 404);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function decode(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

function empty(status: number): HostResponse {
  return { status, headers: {}, body: '' };
}

function message(status: number, text: string): HostResponse {
  return json(status, { message: text });
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): HostResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(body),
  };
}
