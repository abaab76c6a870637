import { type HostFunction, type HttpTrigger } from '../app/bindings';
import { type Invoker } from '../app/invocation';
import { type RpcResponse } from '../app/rpc';
import { type HostRequest } from '../contract';
import { emptyReply, fromRpcResponse, toRpcRequest, urlOf, type Reply } from './http-data';
import { isAuthorized, type HostKeys } from './keys';
import { parseRouteTemplate } from './route-template';

/**
 * Serves the HTTP functions. Routes are tried in the given order (by name). A method that no route takes is 404 and not
 * 405, and HEAD is not answered by a GET route: the real host matches methods as route constraints.
 *
 * @throws Error when a route template cannot be read.
 */
export function createHttpFunctions(
  functions: readonly HostFunction<HttpTrigger>[],
  routePrefix: string,
  keys: HostKeys,
  invoker: Invoker,
): (request: HostRequest) => Promise<Reply> {
  const routes = functions.map((target) => ({
    target,
    template: parseRouteTemplate(`${routePrefix}/${target.trigger.route}`),
    methods: target.trigger.methods,
  }));

  return async (request) => {
    const { pathname, searchParams } = urlOf(request);
    for (const { target, template, methods } of routes) {
      if (methods.length > 0 && !methods.includes(request.method)) continue;
      const params = template.match(pathname);
      if (params === null) continue;
      if (!isAuthorized(keys, target.trigger.authLevel, request.headers, searchParams)) return emptyReply(401);
      try {
        return toReply(await invoker.invoke(target, { http: toRpcRequest(request, params) }), target.httpOutput);
      } catch {
        // Logged by the invoker; the caller learns no more than that it failed.
        return emptyReply(500);
      }
    }
    return emptyReply(404);
  };
}

function toReply(response: RpcResponse, httpOutput: string | null): Reply {
  const named = response.outputData.find((output) => output.name === httpOutput);
  const data = response.returnValue ?? named?.data;
  return data !== undefined && 'http' in data ? fromRpcResponse(data.http) : emptyReply(204);
}
