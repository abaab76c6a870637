import { BrokerError, conditions } from '../core/errors';
import { covers, type Grant, type TokenChecker } from '../tokens';
import { type RequestHandler } from './request-response';

/**
 * Answers `put-token` requests to `$cbs`: a client presents a token for each entity before it opens a link to it.
 * @param granted is told of each grant, which may end while links that it allowed are open
 */
export function createTokenHandler(
  tokens: TokenChecker,
  grants: Grant[],
  granted: (grant: Grant) => void,
): RequestHandler {
  return async ({ operation, applicationProperties, body }) => {
    if (operation !== 'put-token') {
      throw new BrokerError(conditions.notImplemented, `$cbs does not understand the operation '${operation}'.`);
    }
    if (typeof body !== 'string') throw new BrokerError(conditions.unauthorized, 'The request carries no token.');
    const grant = await tokens.check(body);
    const audience = applicationProperties.name;
    if (typeof audience === 'string' && !covers(grant, audience)) {
      throw new BrokerError(conditions.unauthorized, `The token is not for '${audience}'.`);
    }
    const renewed = grants.findIndex(
      ({ path, rights }) => path === grant.path && rights.join() === grant.rights.join(),
    );
    if (renewed === -1) grants.push(grant);
    else grants[renewed] = grant;
    granted(grant);
    return { status: 202, description: 'Accepted' };
  };
}
