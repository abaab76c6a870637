import { HttpRequest, InvocationContext } from '@azure/functions';
import { z } from 'zod';
import { type Route, routeHandler } from '../../lib/platform/http';

export interface ApiAnswer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

export interface ApiRequest {
  /** Text is sent as it is. */
  body?: unknown;
  headers?: Record<string, string>;
}

/** Calls routes as the host does: by method and path, errors turned into problems. */
export function createRouteApi(routes: readonly Route[]) {
  const known = routes.map((route) => ({
    method: route.method,
    pattern: new RegExp(`^/api/${route.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
    handle: routeHandler(route),
    literal: !route.path.includes('{'),
  }));
  return async (method: string, path: string, { body, headers = {} }: ApiRequest = {}): Promise<ApiAnswer> => {
    const url = new URL(`http://localhost/api/${path}`);
    const [route] = known
      .filter((each) => each.method === method && each.pattern.test(url.pathname))
      .sort((a, b) => Number(b.literal) - Number(a.literal));
    if (route === undefined) throw new Error(`no route for ${method} ${path}`);
    const params = Object.entries(route.pattern.exec(url.pathname)?.groups ?? {}).map(
      ([name, text]) => [name, decodeURIComponent(text)] as const,
    );
    const request = new HttpRequest({
      method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).parse(method),
      url: url.toString(),
      headers: { 'content-type': 'application/json', ...headers },
      params: Object.fromEntries(params),
      ...(body === undefined ? {} : { body: { string: typeof body === 'string' ? body : JSON.stringify(body) } }),
    });
    const answer = await route.handle(request, new InvocationContext({ logHandler: () => undefined }));
    const content: unknown = answer.jsonBody ?? (typeof answer.body === 'string' ? JSON.parse(answer.body) : {});
    return {
      status: answer.status ?? 200,
      headers: new Headers(z.record(z.string(), z.string()).parse(answer.headers ?? {})),
      body: z.record(z.string(), z.unknown()).parse(content),
    };
  };
}
