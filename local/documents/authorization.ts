import { createHmac, timingSafeEqual } from 'node:crypto';
import { type ServiceRequest } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { type VerifyToken } from '../identity/tokens';

/** The resource that a signature covers, see `signedResource`. */
export interface SignedResource {
  type: string;
  link: string;
}

/**
 * Checks the `authorization` header: a signature with the account key, or an Entra token inside TLS. The age of the
 * signature is not checked, so that the account's clock may be a test's.
 *
 * Protocol: https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources
 * @throws ServiceError 401 when neither holds.
 */
export function authorize(
  request: ServiceRequest,
  resource: SignedResource,
  deps: { key: string; verifyToken: VerifyToken },
): void {
  const token = decodeToken(request.headers['authorization']);
  if (token.get('type') === 'master') {
    const date = (request.headers['x-ms-date'] ?? request.headers['date'] ?? '').toLowerCase();
    const text = `${request.method.toLowerCase()}\n${resource.type}\n${resource.link}\n${date}\n\n`;
    const expected = createHmac('sha256', Buffer.from(deps.key, 'base64')).update(text).digest();
    const given = Buffer.from(token.get('sig') ?? '', 'base64');
    if (given.length === expected.length && timingSafeEqual(given, expected)) return;
    throw unauthorized('The signature does not match: the key is another one.');
  }
  if (token.get('type') === 'aad') {
    if (!request.secure) throw unauthorized('Entra tokens are accepted over https only.');
    const audiences = [request.origin, 'https://cosmos.azure.com'];
    if (audiences.some((audience) => deps.verifyToken(token.get('sig') ?? '', audience) !== null)) return;
    throw unauthorized('The Entra token is not valid for this account.');
  }
  throw unauthorized('The authorization header is missing or of an unknown type.');
}

function decodeToken(header: string | undefined): Map<string, string> {
  let text = '';
  try {
    text = decodeURIComponent(header ?? '');
  } catch {
    // Falls through to "missing": an undecodable header authorizes nothing.
  }
  // The signature is base64 and may itself contain '=': only the first one separates.
  return new Map(text.split('&').map((part) => [part.split('=', 1)[0] ?? '', part.slice(part.indexOf('=') + 1)]));
}

function unauthorized(message: string): ServiceError {
  return new ServiceError(401, 'Unauthorized', message);
}
