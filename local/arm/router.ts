import { pathSegments, type ServiceRequest, type ServiceResponse } from '../network/http-service';
import { unsupported } from '../network/service-error';

/** One call of Azure Resource Manager. */
export interface ArmRoute {
  /** The name by which faults find it. */
  name: string;
  method: string;
  /** Fixed segments are compared without case, as ARM does; `{name}` takes any value. */
  path: string;
  handle(parameters: Readonly<Record<string, string>>, request: ServiceRequest): Promise<ServiceResponse>;
}

export interface ArmRouter {
  /** '' for a call that no route takes. */
  nameOf(request: ServiceRequest): string;
  /** @throws ServiceError 501 naming the call when no route takes it. */
  handle(request: ServiceRequest): Promise<ServiceResponse>;
}

export function createArmRouter(routes: readonly ArmRoute[]): ArmRouter {
  const patterns = routes.map((route) => ({ route, pattern: pathSegments(route.path) }));
  const find = (request: ServiceRequest): [route: ArmRoute, parameters: Record<string, string>] | null => {
    const segments = pathSegments(request.path);
    for (const { route, pattern } of patterns) {
      const parameters = route.method === request.method ? matched(pattern, segments) : null;
      if (parameters !== null) return [route, parameters];
    }
    return null;
  };
  return {
    nameOf: (request) => find(request)?.[0].name ?? '',
    async handle(request) {
      const found = find(request);
      if (found === null) throw unsupported(`the ARM call ${request.method} ${request.path}`);
      return found[0].handle(found[1], request);
    },
  };
}

function matched(pattern: readonly string[], segments: readonly string[]): Record<string, string> | null {
  if (pattern.length !== segments.length) return null;
  const parameters: Record<string, string> = {};
  for (const [at, expected] of pattern.entries()) {
    const actual = segments[at] ?? '';
    if (expected.startsWith('{')) parameters[expected.slice(1, -1)] = actual;
    else if (expected.toLowerCase() !== actual.toLowerCase()) return null;
  }
  return parameters;
}
