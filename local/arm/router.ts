import { pathSegments, type ServiceRequest, type ServiceResponse } from '../network/http-service';
import { unsupported } from '../network/service-error';

export type PathParameters = Readonly<Record<string, string>>;

/** One call of Azure Resource Manager. */
export interface ArmRoute {
  /** The name by which faults find it. */
  name: string;
  method: string;
  /**
   * Fixed segments are compared without case, as ARM does; `{name}` takes any value. A path that begins with `{*name}`
   * takes any resource id there, for calls that are below every kind of resource.
   */
  path: string;
  handle(parameters: PathParameters, request: ServiceRequest): Promise<ServiceResponse> | ServiceResponse;
}

export interface ArmRouter {
  /** '' for a call that no route takes. */
  nameOf(request: ServiceRequest): string;
  /** @throws ServiceError 501 naming the call when no route takes it. */
  handle(request: ServiceRequest): Promise<ServiceResponse>;
}

/** The first route that fits takes the call. HEAD asks what GET would find. */
export function createArmRouter(routes: readonly ArmRoute[]): ArmRouter {
  const patterns = routes.map((route) => ({ route, pattern: pathSegments(route.path) }));
  const find = (request: ServiceRequest): [route: ArmRoute, parameters: PathParameters] | null => {
    const segments = pathSegments(request.path);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    for (const { route, pattern } of patterns) {
      const parameters = route.method === method ? matched(pattern, segments) : null;
      if (parameters !== null) return [route, parameters];
    }
    return null;
  };
  return {
    nameOf: (request) => find(request)?.[0].name ?? '',
    async handle(request) {
      const found = find(request);
      if (found === null) throw unsupported(`the ARM call ${request.method} ${request.path}`);
      const response = await found[0].handle(found[1], request);
      return request.method === 'HEAD' ? { status: 204 } : response;
    },
  };
}

function matched(pattern: readonly string[], segments: readonly string[]): PathParameters | null {
  const anyResource = /^\{\*(\w+)\}$/.exec(pattern[0] ?? '')?.[1];
  if (anyResource === undefined) return matchedExactly(pattern, segments, {});
  const rest = pattern.slice(1);
  const head = segments.slice(0, segments.length - rest.length);
  if (head.length === 0) return null;
  return matchedExactly(rest, segments.slice(head.length), { [anyResource]: `/${head.join('/')}` });
}

function matchedExactly(
  pattern: readonly string[],
  segments: readonly string[],
  parameters: Record<string, string>,
): PathParameters | null {
  if (pattern.length !== segments.length) return null;
  for (const [at, expected] of pattern.entries()) {
    const actual = segments[at] ?? '';
    if (expected.startsWith('{')) parameters[expected.slice(1, -1)] = actual;
    else if (expected.toLowerCase() !== actual.toLowerCase()) return null;
  }
  return parameters;
}
