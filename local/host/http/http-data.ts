import { type HostRequest } from '../contract';
import { type RpcCookie, type RpcHttpRequest, type RpcHttpResponse } from '../app/rpc';

/** A response as the HTTP front writes it; a list writes its header once per value. */
export interface Reply {
  status: number;
  headers: Record<string, string | string[]>;
  body: string | Uint8Array;
}

export function emptyReply(status: number): Reply {
  return { status, headers: {}, body: '' };
}

export function jsonReply(status: number, value: unknown): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

/** The whole URL. Put together and not resolved: a path that begins with `//` would be taken for a host. */
export function urlOf(request: HostRequest): URL {
  return new URL(`http://${request.headers['host'] ?? 'localhost'}${request.url}`);
}

/** The request as an HTTP function gets it. Values of a repeated query parameter are joined by a comma, as in Azure. */
export function toRpcRequest(request: HostRequest, params: Record<string, string>): RpcHttpRequest {
  const url = urlOf(request);
  const query: Record<string, string> = {};
  for (const [name, value] of url.searchParams) query[name] = name in query ? `${query[name]},${value}` : value;
  return {
    method: request.method,
    url: url.href,
    nullableHeaders: wrap(request.headers),
    nullableQuery: wrap(query),
    nullableParams: wrap(params),
    ...(request.body.length > 0 && { body: { bytes: request.body } }),
  };
}

export function fromRpcResponse(response: RpcHttpResponse): Reply {
  const status = Number(response.statusCode);
  const headers: Reply['headers'] = { ...response.headers };
  if (response.cookies.length > 0) {
    const own = response.headers['set-cookie'];
    headers['set-cookie'] = [...(own === undefined ? [] : [own]), ...response.cookies.map(cookieHeader)];
  }
  return { status, headers, body: response.body?.bytes ?? '' };
}

function wrap(values: Readonly<Record<string, string>>): Record<string, { value: string }> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
}

/** RFC 6265 §4.1.1, with the attribute order of ASP.NET. */
function cookieHeader(cookie: RpcCookie): string {
  const sameSite = { none: undefined, lax: 'lax', strict: 'strict', explicitNone: 'none' }[cookie.sameSite];
  const expires = cookie.expires && new Date(cookie.expires.value.seconds * 1000).toUTCString();
  return [
    `${encodeURIComponent(cookie.name)}=${encodeURIComponent(cookie.value)}`,
    expires && `expires=${expires}`,
    cookie.maxAge && `max-age=${cookie.maxAge.value}`,
    cookie.domain && `domain=${cookie.domain.value}`,
    cookie.path && `path=${cookie.path.value}`,
    cookie.secure?.value === true && 'secure',
    sameSite !== undefined && `samesite=${sameSite}`,
    cookie.httpOnly?.value === true && 'httponly',
  ]
    .filter((part) => typeof part === 'string')
    .join('; ');
}
