import { createPrivateKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { z } from 'zod';
import { AppError } from '../../lib/platform/errors';

export interface SigningOptions {
  issuer: string;
  subject: string;
  audience: string;
  lifetimeSeconds: number;
  /** Null: the key says it. */
  keyId: string | null;
}

const jwkSchema = z.looseObject({ kty: z.string(), kid: z.string().optional() });

/**
 * A token for one call of the handshake. The algorithm follows from the key, as the app's does.
 * @param keyText a private JWK or PEM
 * @throws AppError `worker.key` that never shows the key
 */
export async function signToken(
  keyText: string,
  options: SigningOptions,
  { nowMs, newId }: { nowMs: number; newId: () => string },
): Promise<string> {
  const { key, keyId } = readKey(keyText);
  const kid = options.keyId ?? keyId;
  if (kid === null) throw badKey('no key id: set SQLFLEET_WORKER_KEY_ID to the id that the app gave the key');
  const issuedAt = Math.floor(nowMs / 1_000);
  return new SignJWT({})
    .setProtectedHeader({ alg: algorithmOf(key), kid, typ: 'JWT' })
    .setIssuer(options.issuer)
    .setSubject(options.subject)
    .setAudience(options.audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + options.lifetimeSeconds)
    .setJti(newId())
    .sign(key);
}

function readKey(text: string): { key: KeyObject; keyId: string | null } {
  try {
    if (!text.trimStart().startsWith('{')) return { key: createPrivateKey(text), keyId: null };
    const { kid, ...jwk } = jwkSchema.parse(JSON.parse(text));
    return { key: createPrivateKey({ key: jwk, format: 'jwk' }), keyId: kid ?? null };
  } catch {
    // Not even the cause: it may quote what it could not read.
    throw badKey('it is no private key in PEM (PKCS 8) or as a JWK');
  }
}

function algorithmOf(key: KeyObject): string {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return 'RS256';
    case 'ec':
      return 'ES256';
    case 'ed25519':
      return 'EdDSA';
    default:
      throw badKey('use an RSA, P-256 or Ed25519 key');
  }
}

function badKey(why: string): AppError {
  return new AppError('worker.key', `The worker's key cannot be used: ${why}.`);
}
