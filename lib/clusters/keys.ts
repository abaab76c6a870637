import { createPublicKey } from 'node:crypto';
import { calculateJwkThumbprint, importJWK } from 'jose';
import { messageOf } from '../platform/errors';
import { type Algorithm, type ClusterKey, publicJwkSchema } from './schema';

/** Public keys as they are uploaded: only such are taken that are safe to trust a signature with. */

export type PublicJwk = ClusterKey['jwk'];

export type KeyReading =
  | { valid: true; jwk: PublicJwk; algorithm: Algorithm; thumbprint: string }
  | { valid: false; code: string; message: string };

/** Two may overlap while one takes the other's place; more would only be forgotten. */
export const usableKeysAtMost = 2;

/** Whether a token of this key may be believed at all. */
export function isUsable(key: ClusterKey): boolean {
  return key.revoked === null;
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
/** Members that say where a key may be fetched: nothing is ever fetched because a key says so. */
const remoteMembers = ['x5u', 'jku'];
const shortestModulusBits = 2_048;
const longestModulusBits = 8_192;
const smallestExponent = 65_537n;
const largestExponent = 2n ** 32n;
/** A modulus with such a factor was not made of two large primes. */
const smallPrimes = Array.from({ length: 1_000 }, (_, n) => n).filter(
  (n) => n > 1 && Array.from({ length: n - 2 }, (_, index) => index + 2).every((divisor) => n % divisor !== 0),
);
/**
 * Points of Ed25519 of small order (as libsodium lists them, sign bit cleared): with one of them as public key, signatures
 * can be made without a private key.
 */
const smallOrderPoints = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
]);

/** What is uploaded is decided on completely here; nothing of it that is not part of the public key is kept. */
export async function readPublicKey(uploaded: Record<string, unknown>): Promise<KeyReading> {
  const wrong = (code: string, message: string): KeyReading => ({
    valid: false,
    code: `clusters.key.${code}`,
    message,
  });
  if (uploaded.kty === 'oct' || 'k' in uploaded) {
    return wrong('symmetric', 'this is a shared secret; upload the public half of an RSA, P-256 or Ed25519 key');
  }
  if (privateMembers.some((member) => member in uploaded)) {
    const advice = 'make a new key pair, because this one has left its place, and upload only its public half';
    return wrong('private', `this is a private key; ${advice}`);
  }
  const remote = remoteMembers.find((member) => member in uploaded);
  if (remote !== undefined) return wrong('remote', `"${remote}" is not followed; upload the key itself`);
  const parsed = publicJwkSchema.safeParse(uploaded);
  if (!parsed.success) {
    return wrong('malformed', 'this is no JWK with kty RSA, EC or OKP and its members as text (RFC 7517)');
  }
  const algorithm = algorithmOf(parsed.data);
  if (algorithm === null) {
    return wrong('unsupported', 'use RSA (RS256), EC with crv P-256 (ES256) or OKP with crv Ed25519 (EdDSA)');
  }
  if (
    uploaded.alg !== undefined &&
    uploaded.alg !== algorithm &&
    !(algorithm === 'EdDSA' && uploaded.alg === 'Ed25519')
  ) {
    return wrong(
      'algorithm',
      `a key of this kind is used with ${algorithm} here, not with ${JSON.stringify(uploaded.alg)}`,
    );
  }
  if (uploaded.use !== undefined && uploaded.use !== 'sig') return wrong('use', '"use" must be "sig", or absent');
  const operations = uploaded.key_ops;
  if (
    operations !== undefined &&
    !(Array.isArray(operations) && operations.length === 1 && operations[0] === 'verify')
  ) {
    return wrong('use', '"key_ops" must be ["verify"], or absent');
  }
  const jwk = membersOf(parsed.data);
  if (Object.values(jwk).some((text) => !/^[\w-]{1,1500}$/.test(text))) {
    return wrong('malformed', 'the members of the key must be base64url');
  }
  const weakness = jwk.kty === 'RSA' ? rsaWeakness(jwk) : jwk.kty === 'OKP' ? edwardsWeakness(jwk) : null;
  if (weakness !== null) return wrong('weak', weakness);
  try {
    await importJWK({ ...jwk, alg: algorithm }, algorithm);
    // Written in one way only: a revoked key must not come back with a zero before its modulus.
    const { kty, ...members } = createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'jwk' });
    const canonical = membersOf(publicJwkSchema.parse({ kty, ...members }));
    return { valid: true, jwk: canonical, algorithm, thumbprint: await calculateJwkThumbprint(canonical) };
  } catch (error) {
    return wrong('malformed', `this is not a usable key: ${messageOf(error)}`);
  }
}

function algorithmOf({ kty, crv }: PublicJwk): Algorithm | null {
  if (kty === 'RSA') return 'RS256';
  if (kty === 'EC' && crv === 'P-256') return 'ES256';
  return kty === 'OKP' && crv === 'Ed25519' ? 'EdDSA' : null;
}

function membersOf({ kty, n = '', e = '', crv = '', x = '', y = '' }: PublicJwk): PublicJwk {
  switch (kty) {
    case 'RSA':
      return { kty, n, e };
    case 'EC':
      return { kty, crv, x, y };
    case 'OKP':
      return { kty, crv, x };
  }
}

function rsaWeakness({ n = '', e = '' }: PublicJwk): string | null {
  const modulus = integer(n);
  const exponent = integer(e);
  const bits = modulus.toString(2).length;
  if (bits < shortestModulusBits) return `an RSA key has at least ${shortestModulusBits} bits; this one has ${bits}`;
  if (bits > longestModulusBits) return `an RSA key has at most ${longestModulusBits} bits; this one has ${bits}`;
  if (exponent < smallestExponent || exponent > largestExponent || exponent % 2n === 0n) {
    return `the public exponent must be odd, from ${smallestExponent} to ${largestExponent}`;
  }
  const factor = smallPrimes.find((prime) => modulus % BigInt(prime) === 0n);
  return factor === undefined ? null : `the modulus is divisible by ${factor}, so it is no product of two large primes`;
}

function edwardsWeakness({ x = '' }: PublicJwk): string | null {
  const point = Buffer.from(x, 'base64url');
  if (point.length !== 32) return 'an Ed25519 key has 32 bytes';
  point[31] = (point[31] ?? 0) & 0x7f;
  return smallOrderPoints.has(point.toString('hex')) ? 'this point lets anybody make signatures for it' : null;
}

function integer(base64url: string): bigint {
  const hex = Buffer.from(base64url, 'base64url').toString('hex');
  return BigInt(`0x${hex === '' ? '0' : hex}`);
}
