import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { exportJWK } from 'jose';
import { readPublicKey } from '../../../lib/clusters/keys';
import { newKey } from '../../support/clusters';

const base64url = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');
const rsa = newKey('rsa').publicJwk;
const ec = newKey('ec').publicJwk;
const ed25519 = newKey('ed25519').publicJwk;

async function codeFor(jwk: Record<string, unknown>): Promise<string> {
  const reading = await readPublicKey(jwk);
  return reading.valid ? reading.algorithm : reading.code;
}

describe('an uploaded key', () => {
  it.each([
    ['RS256', rsa],
    ['ES256', ec],
    ['EdDSA', ed25519],
  ])('is pinned to one algorithm: %s', async (algorithm, jwk) => {
    expect(await codeFor(jwk)).toBe(algorithm);
    expect(await codeFor({ ...jwk, alg: algorithm, use: 'sig', key_ops: ['verify'] })).toBe(algorithm);
    for (const other of ['RS256', 'ES256', 'EdDSA', 'PS256', 'HS256', 'none'].filter((each) => each !== algorithm)) {
      expect(await codeFor({ ...jwk, alg: other })).toBe('clusters.key.algorithm');
    }
  });

  it('keeps nothing but the public key itself, and is known by its thumbprint whatever it calls itself', async () => {
    const plain = await readPublicKey(rsa);
    const named = await readPublicKey({ ...rsa, kid: '../../etc/passwd', x5t: 'x', note: 'mine' });
    expect(named).toEqual(plain);
    expect(plain.valid && Object.keys(plain.jwk).sort()).toEqual(['e', 'kty', 'n']);
  });

  it('is the same key however its numbers are written', async () => {
    const bytes = (text: unknown): string => Buffer.from(String(text), 'base64url').toString('hex');
    const [plain, padded] = [
      await readPublicKey(rsa),
      await readPublicKey({ ...rsa, n: base64url(`00${bytes(rsa.n)}`) }),
    ];
    expect(padded).toEqual(plain);
    expect(await readPublicKey({ ...rsa, e: base64url(`0000${bytes(rsa.e)}`) })).toEqual(plain);
    // The last character of 32 bytes has two bits that say nothing.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const other = (text: string): string => text.slice(0, -1) + (alphabet[alphabet.indexOf(text.slice(-1)) ^ 1] ?? '');
    expect(await readPublicKey({ ...ec, x: other(String(ec.x)) })).toEqual(await readPublicKey(ec));
    expect(await readPublicKey({ ...ed25519, x: other(String(ed25519.x)) })).toEqual(await readPublicKey(ed25519));
  });

  it.each(['rsa', 'ec', 'ed25519'] as const)('is refused when it is private: %s', async (kind) => {
    const { privateJwk } = newKey(kind);
    const reading = await readPublicKey(privateJwk);
    expect(reading).toMatchObject({ valid: false, code: 'clusters.key.private' });
    // The complaint must not carry what it complains of.
    expect(JSON.stringify(reading)).not.toContain(String(privateJwk.d));
  });

  it.each([
    ['a shared secret', { kty: 'oct', k: 'c2VjcmV0' }, 'symmetric'],
    ['a shared secret in the coat of a public key', { ...ec, k: 'c2VjcmV0' }, 'symmetric'],
    ['an address where a key would be', { ...rsa, x5u: 'https://evil.example/key' }, 'remote'],
    ['an address of a key set', { ...rsa, jku: 'https://evil.example/keys' }, 'remote'],
    ['an RSA key of 1024 bits', newKey('rsa', 1_024).publicJwk, 'weak'],
    ['an RSA key whose exponent is 1', { ...rsa, e: base64url('01') }, 'weak'],
    ['an RSA key whose exponent is 3', { ...rsa, e: base64url('03') }, 'weak'],
    ['an RSA key with an even exponent', { ...rsa, e: base64url('010002') }, 'weak'],
    ['an even modulus', { ...rsa, n: base64url(`ff${'00'.repeat(255)}`) }, 'weak'],
    [
      'a modulus of a small prime',
      { ...rsa, n: base64url(((2n ** 2_047n / 7n) * 7n + 7n * 1_000_002n).toString(16)) },
      'weak',
    ],
    ['no modulus', { kty: 'RSA', e: 'AQAB' }, 'malformed'],
    ['a modulus that is not base64url', { ...rsa, n: `${String(rsa.n)}==` }, 'malformed'],
    ['a modulus that is a number', { ...rsa, n: 17 }, 'malformed'],
    [
      'a curve that no algorithm here uses',
      generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey.export({ format: 'jwk' }),
      'unsupported',
    ],
    [
      'the curve of coins',
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ format: 'jwk' }),
      'unsupported',
    ],
    [
      'a point of P-521',
      generateKeyPairSync('ec', { namedCurve: 'secp521r1' }).publicKey.export({ format: 'jwk' }),
      'unsupported',
    ],
    ['Ed448', generateKeyPairSync('ed448').publicKey.export({ format: 'jwk' }), 'unsupported'],
    ['a prime of a private key without its exponent', { ...rsa, p: 'AQAB' }, 'private'],
    ['an RSA key of 16384 bits', { ...rsa, n: base64url(`ff${'11'.repeat(2_047)}`) }, 'malformed'],
    ['an RSA key of 9000 bits', { ...rsa, n: base64url(`ff${'13'.repeat(1_100)}`) }, 'weak'],
    ['P-256 in another kind of key', { ...ed25519, crv: 'P-256' }, 'unsupported'],
    ['Ed25519 in an EC key', { ...ec, crv: 'Ed25519' }, 'unsupported'],
    ['the point at infinity', { ...ec, x: base64url('00'.repeat(32)), y: base64url('00'.repeat(32)) }, 'malformed'],
    ['a modulus with spaces', { ...rsa, n: ` ${String(rsa.n)}` }, 'malformed'],
    ['a key to derive with', { ...ec, key_ops: ['deriveBits'] }, 'use'],
    ['a key to verify twice', { ...ec, key_ops: ['verify', 'verify'] }, 'use'],
    ['operations as text', { ...ec, key_ops: 'verify' }, 'use'],
    ['a use in a list', { ...ec, use: ['sig'] }, 'use'],
    ['a key for agreement', generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }), 'unsupported'],
    ['a point that is not on the curve', { ...ec, y: ec.x }, 'malformed'],
    ['a point at zero', { kty: 'OKP', crv: 'Ed25519', x: base64url('00'.repeat(32)) }, 'weak'],
    ['the neutral point', { kty: 'OKP', crv: 'Ed25519', x: base64url(`01${'00'.repeat(31)}`) }, 'weak'],
    [
      'a point of order 8',
      { kty: 'OKP', crv: 'Ed25519', x: base64url('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa') },
      'weak',
    ],
    ['a short point', { kty: 'OKP', crv: 'Ed25519', x: base64url('aa'.repeat(31)) }, 'weak'],
    ['a key for encryption', { ...rsa, use: 'enc' }, 'use'],
    ['a key to sign with', { ...rsa, key_ops: ['sign'] }, 'use'],
    ['a key to sign and verify with', { ...rsa, key_ops: ['sign', 'verify'] }, 'use'],
    ['no kind', { n: rsa.n, e: rsa.e }, 'malformed'],
    ['nothing', {}, 'malformed'],
    ['ten thousand characters', { kty: 'RSA', e: 'AQAB', n: 'A'.repeat(10_000) }, 'malformed'],
    ['__proto__', { ...rsa, kty: '__proto__' }, 'malformed'],
  ])('is refused when it is %s', async (_what, jwk, code) => {
    expect(await codeFor({ ...jwk })).toBe(`clusters.key.${code}`);
  });

  it('is usable as it is stored', async () => {
    const { privateKey } = newKey('rsa');
    const reading = await readPublicKey({ ...(await exportJWK(createPublicKey(privateKey))) });
    expect(reading.valid).toBe(true);
  });
});
