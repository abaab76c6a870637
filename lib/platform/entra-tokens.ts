import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { AppError, messageOf } from './errors';

/** Whether a bearer token was given by Entra to the expected caller, for this app. */
export type TokenCheck = (token: string) => Promise<{ trusted: true } | { trusted: false; why: string }>;

export interface TokenCheckOptions {
  tenantId: string;
  audience: string;
  /** Client ids of who may call. */
  clientIds: readonly string[];
  /** The app role that the caller has to have been given: a client id alone can be had by anybody's copy of a service. */
  role: string;
  /** Default: those that Entra publishes for the tenant. */
  keys?: JWTVerifyGetKey;
  now?: () => Date;
}

/** More than this is no token of Entra's, and nothing to spend signatures on. */
const longestToken = 16_384;
const clockToleranceSeconds = 60;

/**
 * Checks tokens with the tenant's published keys: RS256 only, whatever the token's header asks for; keys only from the
 * tenant, never from where the token says.
 *
 * @throws AppError `entra.unavailable` (503) when the keys cannot be read: then nothing can be said about the token
 */
export function createTokenCheck(options: TokenCheckOptions): TokenCheck {
  const { tenantId, audience, clientIds, role } = options;
  const keys =
    options.keys ?? createRemoteJWKSet(new URL(`https://login.microsoftonline.com/${tenantId}/discovery/v2.0/keys`));
  const issuer = [`https://login.microsoftonline.com/${tenantId}/v2.0`, `https://sts.windows.net/${tenantId}/`];
  return async (token) => {
    if (token.length > longestToken) return { trusted: false, why: 'it is too long' };
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ['RS256'],
        issuer,
        audience,
        clockTolerance: clockToleranceSeconds,
        requiredClaims: ['exp', 'iss', 'aud'],
        ...(options.now === undefined ? {} : { currentDate: options.now() }),
      });
      // Tokens of version 2 say `azp`, those of version 1 `appid`.
      const client = payload.azp ?? payload.appid;
      if (typeof client !== 'string' || !clientIds.includes(client)) {
        return { trusted: false, why: 'it was given to another client' };
      }
      const roles = Array.isArray(payload.roles) ? payload.roles : [];
      return roles.includes(role) ? { trusted: true } : { trusted: false, why: `it has no role ${role}` };
    } catch (error) {
      if (isAboutToken(error)) return { trusted: false, why: messageOf(error) };
      throw new AppError('entra.unavailable', 'The keys of the tenant could not be read. Try again.', {
        status: 503,
        retry: { kind: 'backoff' },
        cause: error,
      });
    }
  };
}

/** Anything else that is thrown is about the keys: a time-out, a network fault, an answer that is no key set. */
function isAboutToken(error: unknown): boolean {
  return (
    error instanceof errors.JWTClaimValidationFailed ||
    error instanceof errors.JWTExpired ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JOSENotSupported ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys
  );
}
