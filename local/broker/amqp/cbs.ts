import { BrokerError, conditions } from '../core/errors';
import { type Grant, type TokenChecker } from '../tokens';
import { type RequestHandler } from './request-response';

/** Answers `put-token` requests to `$cbs`: a client presents a token for each entity before it opens a link to it. */
export function createTokenHandler(tokens: TokenChecker, grants: Grant[]): RequestHandler {
  return async ({ operation, body }) => {
    if (operation !== 'put-token') {
      throw new BrokerError(conditions.notImplemented, `$cbs does not understand the operation '${operation}'.`);
    }
    if (typeof body !== 'string') throw new BrokerError(conditions.unauthorized, 'The request carries no token.');
    const grant = await tokens.check(body);
    const renewed = grants.findIndex(
      ({ path, rights }) => path === grant.path && rights.join() === grant.rights.join(),
    );
    if (renewed === -1) grants.push(grant);
    else grants[renewed] = grant;
    return { status: 202, description: 'Accepted' };
  };
}
