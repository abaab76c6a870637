import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { type Clock } from '../../lib/platform/clock';

/** Whom a token speaks for. */
export interface Principal {
  objectId: string;
  clientId: string;
  tenantId: string;
  /** The resource that the token was issued for, as it was asked for. */
  audience: string;
  expiresAtMs: number;
}

/** Null: the token is not ours, is altered or expired, or was issued for another audience than the given one. */
export type VerifyToken = (token: string, audience?: string) => Principal | null;

const headerSchema = z.object({ alg: z.literal('ES256'), typ: z.literal('JWT') });
const claimsSchema = z.object({
  aud: z.string(),
  iss: z.string(),
  oid: z.string(),
  appid: z.string(),
  tid: z.string(),
  nbf: z.number(),
  exp: z.number(),
});

export interface TokenIssuer {
  /** @returns a signed JWT with the claims that services look at. */
  issue(principal: Omit<Principal, 'expiresAtMs'>, lifetimeMs: number): string;
  verify: VerifyToken;
}

/**
 * JWTs (RFC 7519) signed with ES256, because such a key is made in a millisecond. The algorithm is fixed on both sides:
 * whatever else a token's header asks for is refused.
 */
export function createTokenIssuer(privateKey: KeyObject, clock: Clock): TokenIssuer {
  const publicKey = createPublicKey(privateKey);
  const issuerOf = (tenantId: string): string => `https://sts.windows.net/${tenantId}/`;
  return {
    issue({ objectId, clientId, tenantId, audience }, lifetimeMs) {
      const now = Math.floor(clock.nowMs() / 1000);
      const claims: z.infer<typeof claimsSchema> & Record<string, unknown> = {
        aud: audience,
        iss: issuerOf(tenantId),
        oid: objectId,
        sub: objectId,
        appid: clientId,
        tid: tenantId,
        idtyp: 'app',
        iat: now,
        nbf: now,
        exp: now + Math.floor(lifetimeMs / 1000),
        ver: '1.0',
      };
      const text = `${encode({ alg: 'ES256', typ: 'JWT' })}.${encode(claims)}`;
      const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return `${text}.${signature.toString('base64url')}`;
    },
    verify(token, audience) {
      const [header = '', payload = '', signature = '', ...rest] = token.split('.');
      if (rest.length > 0 || !headerSchema.safeParse(decode(header)).success) return null;
      const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
      if (!verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))) return null;
      const claims = claimsSchema.safeParse(decode(payload));
      if (!claims.success) return null;
      const { aud, iss, oid, appid, tid, nbf, exp } = claims.data;
      const now = clock.nowMs() / 1000;
      if (iss !== issuerOf(tid) || now < nbf || now >= exp) return null;
      if (audience !== undefined && withoutSlash(audience) !== withoutSlash(aud)) return null;
      return { objectId: oid, clientId: appid, tenantId: tid, audience: aud, expiresAtMs: exp * 1000 };
    },
  };
}

/** `https://vault.azure.net` and `https://vault.azure.net/` are one audience; nothing else is treated as equal. */
function withoutSlash(audience: string): string {
  return audience.endsWith('/') ? audience.slice(0, -1) : audience;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return null;
  }
}
