import { sign as signBytes } from 'node:crypto';
import { CompactSign, importJWK as importKey, type JWK } from 'jose';
import { isAppError } from '../../lib/platform/errors';
import { createTestClusters, newKey, type TestClustersOptions } from './clusters';
import { type TestDocuments } from './documents';

export type Algorithm = 'RS256' | 'ES256' | 'EdDSA';
const kinds: Record<Algorithm, 'rsa' | 'ec' | 'ed25519'> = { RS256: 'rsa', ES256: 'ec', EdDSA: 'ed25519' };

export const by = { actor: 'ann', reason: 'test' };
export const external = { managedBy: 'external' as const, scmOrganizations: ['contoso'] };

export const importJwk = (jwk: Record<string, unknown>, algorithm: string) =>
  importKey({ ...jwk, kty: String(jwk.kty) } satisfies JWK, algorithm);
export const base64url = (text: string | Buffer): string => Buffer.from(text).toString('base64url');

let number = 0;

/** A cluster with one key, what its worker needs to sign, and what the app answers to it. */
export async function clusterWithWorker(
  documents: TestDocuments,
  algorithm: Algorithm = 'ES256',
  options: Partial<TestClustersOptions> = {},
) {
  number += 1;
  const name = `Cluster${number}`;
  const clusters = createTestClusters({ documents, ...options });
  const { registry, handshake } = clusters.services;
  const key = newKey(kinds[algorithm]);
  const { value } = await registry.register(name, { ...external, key: key.publicJwk }, by);
  const kid = value.keys[0]?.id ?? '';
  const now = (): number => Math.floor(clusters.time.nowMs / 1_000);
  const claims = (): Record<string, unknown> => ({
    iss: name,
    sub: name,
    aud: 'sqlfleet',
    iat: now(),
    exp: now() + 60,
    jti: `token-${(number += 1)}`,
  });
  const signText = async (
    payload: string,
    header: Record<string, unknown> = {},
    jwk: Record<string, unknown> = key.privateJwk,
  ) =>
    new CompactSign(new TextEncoder().encode(payload))
      .setProtectedHeader({ alg: algorithm, kid, ...header })
      .sign(await importJwk(jwk, algorithm));
  const sign = (changes: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
    signText(JSON.stringify({ ...claims(), ...changes }), header);
  /** By the right key, whatever stands there: what no library would sign. */
  const signRaw = (headerPart: string, payloadPart = base64url(JSON.stringify(claims()))): string => {
    const text = `${headerPart}.${payloadPart}`;
    const hash = algorithm === 'EdDSA' ? null : 'sha256';
    const signature = signBytes(hash, Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
    return `${text}.${base64url(signature)}`;
  };
  const admit = (token: string, to = name) => handshake.admit(to, token, 'w1');
  /** @returns why it was refused @throws Error when it was not */
  const refusal = async (token: string, to = name): Promise<string> => {
    try {
      await admit(token, to);
    } catch (error) {
      if (!isAppError(error)) throw error;
      expect([error.code, error.status]).toEqual(['clusters.handshake.refused', 401]);
      return error.message;
    }
    throw new Error('it was admitted');
  };
  return { ...clusters, name, key, kid, claims, now, sign, signText, signRaw, admit, refusal, handshake, registry };
}
