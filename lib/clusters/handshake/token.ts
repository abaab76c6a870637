import { compactVerify, importJWK } from 'jose';
import { z } from 'zod';
import { isUsable } from '../keys';
import { type Cluster, algorithmSchema, type ClusterKey } from '../schema';
import { strictJsonObject } from './strict-json';

/**
 * Decides whether a worker's token is to be believed. Everything that is decided on comes from the cluster's own document:
 * which key, which algorithm, which issuer. Nothing in a token says where a key is, and nothing of it becomes a path.
 */

export interface WorkerClaims {
  keyId: string;
  /** Of one token: whoever shows it again is refused. */
  tokenId: string;
  /** When nobody has to remember the token any more. */
  expiresAtMs: number;
}

export type TokenDecision =
  | { ok: true; claims: WorkerClaims }
  /** `signed`: only who has a private key of the cluster can have made it, so that it may be told what is wrong. */
  | { ok: false; reason: string; signed: boolean };

/** Far more than any honest token; what is longer is not even looked at. */
const longestToken = 8_192;
const allowedSkewSeconds = 60;

/** As keys are named here. `crit`, `jku`, `x5u`, `jwk` and whatever else comes is not ignored but refused. */
const headerSchema = z.strictObject({
  alg: algorithmSchema,
  kid: z.string().regex(/^[a-z0-9-]{1,63}$/),
  typ: z.string().regex(/^jwt$/i).optional(),
});

/** From 2001 to 2286: what is outside is no time in seconds. */
const seconds = z.int().min(1_000_000_000).max(9_999_999_999);
const claimsSchema = z.looseObject({
  iss: z.string(),
  sub: z.string(),
  /** One audience. A list would let a token that was made for somebody else as well be shown here. */
  aud: z.string(),
  exp: seconds,
  iat: seconds,
  nbf: seconds.optional(),
  jti: z.string().regex(/^[\x21-\x7e]{1,128}$/),
});

export async function decideToken(token: string, cluster: Cluster | null, nowMs: number): Promise<TokenDecision> {
  const unsigned = (reason: string): TokenDecision => ({ ok: false, reason, signed: false });
  if (token.length > longestToken) return unsigned('it is too long');
  const parts = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(token);
  if (parts === null) return unsigned('it is no signed token');
  const [, headerPart = '', claimsPart = ''] = parts;
  const header = headerSchema.safeParse(decoded(headerPart));
  if (!header.success)
    return unsigned('its header has other members than alg, kid and typ, or a value that is not taken');
  if (cluster === null) return unsigned('there is no such cluster');
  const key = cluster.keys.find(({ id }) => id === header.data.kid);
  if (key === undefined) return unsigned('the cluster has no key of this kid');
  if (!isUsable(key)) return unsigned('the key was revoked');
  const { signOptions } = cluster;
  const algorithm = header.data.alg;
  if (algorithm !== key.algorithm || (signOptions.algorithm !== null && signOptions.algorithm !== algorithm)) {
    return unsigned(`the algorithm is not that of the key`);
  }
  if (!(await isSignedBy(token, key))) return unsigned('the signature does not fit the key');

  const wrong = (reason: string): TokenDecision => ({ ok: false, reason, signed: true });
  const claims = claimsSchema.safeParse(decoded(claimsPart));
  if (!claims.success) {
    const places = claims.error.issues.map(({ path }) => path.join('.')).join(', ');
    return wrong(`a claim is missing, repeated or not in its form: ${places === '' ? 'the claims' : places}`);
  }
  const { iss, sub, aud, exp, iat, nbf, jti } = claims.data;
  if (iss !== signOptions.issuer) return wrong('iss is not the issuer of the cluster');
  if (sub !== signOptions.subject) return wrong('sub is not the subject of the cluster');
  if (aud !== signOptions.audience) return wrong('aud is not the audience of the cluster');
  const now = nowMs / 1_000;
  if (exp <= now - allowedSkewSeconds) return wrong('it has expired');
  if (iat > now + allowedSkewSeconds) return wrong('iat is in the future; look at the clock of the worker');
  if (nbf !== undefined && nbf > now + allowedSkewSeconds) return wrong('nbf is in the future');
  if (exp <= iat || exp - iat > signOptions.expiresSeconds) {
    return wrong(`it may live ${signOptions.expiresSeconds} seconds from iat to exp`);
  }
  return { ok: true, claims: { keyId: key.id, tokenId: jti, expiresAtMs: (exp + allowedSkewSeconds) * 1_000 } };
}

function decoded(part: string): unknown {
  return strictJsonObject(Buffer.from(part, 'base64url').toString('utf8'));
}

/** With the one algorithm that the key is for, whatever the token says. */
async function isSignedBy(token: string, { jwk, algorithm }: ClusterKey): Promise<boolean> {
  try {
    await compactVerify(token, await importJWK({ ...jwk, alg: algorithm }, algorithm), { algorithms: [algorithm] });
    return true;
  } catch {
    return false;
  }
}
