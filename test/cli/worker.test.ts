import { generateKeyPairSync } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { createAppClient } from '../../cli/worker/app-client';
import { readWorkerSettings, workerIdOf } from '../../cli/worker/settings';
import { signToken } from '../../cli/worker/sign';
import { newKey } from '../support/clusters';

const required = {
  SQLFLEET_APP_URL: 'https://app.example',
  SQLFLEET_CLUSTER: 'east',
  SQLFLEET_WORKER_KEY_FILE: '/key/key.json',
};
const signing = { issuer: 'east', subject: 'east', audience: 'sqlfleet', lifetimeSeconds: 60, keyId: null };
const deps = { nowMs: 1_700_000_000_000, newId: () => 'id-1' };

describe('the settings of a worker', () => {
  it('are enough with three', () => {
    expect(readWorkerSettings(required)).toMatchObject({ SQLFLEET_WORKER_CONCURRENCY: 8 });
  });

  it.each([
    ['no app', { ...required, SQLFLEET_APP_URL: undefined }, 'SQLFLEET_APP_URL'],
    ['an app without TLS', { ...required, SQLFLEET_APP_URL: 'http://app.example' }, 'use https'],
    ['two keys', { ...required, SQLFLEET_WORKER_KEY: 'x' }, 'not both'],
    ['a misspelt name', { ...required, SQLFLEET_WORKER_CONCURENCY: '2' }, 'SQLFLEET_WORKER_CONCURENCY: unknown'],
    ['a user without a password', { ...required, SQLFLEET_SQL_AUTHENTICATION: 'password' }, 'SQLFLEET_SQL_PASSWORD'],
  ])('are refused with %s', (_what, environment, message) => {
    expect(() => readWorkerSettings(environment)).toThrow(message);
  });

  it('give every start an id of its own', () => {
    const settings = readWorkerSettings({ ...required, SQLFLEET_WORKER_NAME: 'w' });
    expect(workerIdOf(settings, () => '12345678-90')).toBe('w-12345678');
  });
});

describe('a worker’s key', () => {
  it.each([
    ['rsa', 'RS256'],
    ['ec', 'ES256'],
    ['ed25519', 'EdDSA'],
  ] as const)('of kind %s signs with %s', async (kind, alg) => {
    const key = JSON.stringify({ ...newKey(kind).privateJwk, kid: 'k1' });
    expect(decodeProtectedHeader(await signToken(key, signing, deps))).toEqual({ alg, kid: 'k1', typ: 'JWT' });
  });

  it('may be PEM, and then needs its id', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await expect(signToken(pem, signing, deps)).rejects.toThrow('SQLFLEET_WORKER_KEY_ID');
    const token = await signToken(pem, { ...signing, keyId: 'k2' }, deps);
    expect(decodeProtectedHeader(token).kid).toBe('k2');
  });

  it('is not shown when it cannot be read', async () => {
    const error: unknown = await signToken('{"kty":"EC","d":"very secret"}', signing, deps).catch((e: unknown) => e);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('very secret');
  });
});

describe('an app that does not answer', () => {
  it('may answer later', async () => {
    const app = createAppClient({
      appUrl: 'http://127.0.0.1:1',
      cluster: 'east',
      workerId: 'w',
      sign: async () => 'token',
      clock: { nowMs: () => 0, sleep: async () => undefined },
    });
    await expect(app.admission()).rejects.toMatchObject({ code: 'app.unavailable', retry: { kind: 'backoff' } });
  });
});
