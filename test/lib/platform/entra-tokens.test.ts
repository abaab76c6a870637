import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { createHmac } from 'node:crypto';
import { createTokenCheck } from '../../../lib/platform/entra-tokens';

const tenantId = '72f988bf-86f1-41af-91ab-2d7cd011db47';
const audience = 'api://sqlfleet';
const client = '4962773b-9cdb-44cf-a8bf-237846a00ab7';
const role = 'AzureEventGridSecureWebhookSubscriber';
const nowSeconds = Date.parse('2026-03-06T17:00:00Z') / 1_000;

const newPair = () => generateKeyPair('RS256', { extractable: true });
let ownPair: ReturnType<typeof newPair>;
beforeAll(() => void (ownPair = newPair()));

async function setUp(pair = ownPair) {
  const { publicKey, privateKey } = await pair;
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' };
  const check = createTokenCheck({
    tenantId,
    audience,
    clientIds: [client],
    role,
    keys: createLocalJWKSet({ keys: [jwk] }),
    now: () => new Date(nowSeconds * 1_000),
  });
  const claims: JWTPayload = {
    iss: `https://login.microsoftonline.com/${tenantId}/v2.0`,
    aud: audience,
    azp: client,
    roles: [role],
    nbf: nowSeconds - 10,
    exp: nowSeconds + 3_600,
  };
  const token = (changes: JWTPayload = {}, header: object = {}) =>
    new SignJWT({ ...claims, ...changes }).setProtectedHeader({ alg: 'RS256', kid: 'k1', ...header }).sign(privateKey);
  return { check, token, claims, jwk };
}

test('a token that Entra gave to Event Grid for this app is trusted, in both versions', async () => {
  const { check, token } = await setUp();
  expect(await check(await token())).toEqual({ trusted: true });
  const version1 = { iss: `https://sts.windows.net/${tenantId}/`, azp: undefined, appid: client };
  expect(await check(await token(version1))).toEqual({ trusted: true });
});

test.each([
  ['of another tenant', { iss: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0' }],
  ['whose issuer has a slash more', { iss: `https://login.microsoftonline.com/${tenantId}/v2.0/` }],
  ['for another app', { aud: `${audience}.evil` }],
  ['of another client', { azp: 'c44b4083-3bb0-49c1-b47d-974e53cbdf3c' }],
  ['without the role', { roles: [] }],
  ['whose role is a text', { roles: role }],
  ['that expired', { exp: nowSeconds - 61 }],
  ['that never expires', { exp: undefined }],
  ['that is not valid yet', { nbf: nowSeconds + 61 }],
])('a token %s is not', async (_what, changes) => {
  const { check, token } = await setUp();
  expect(await check(await token(changes))).toMatchObject({ trusted: false });
});

test('a token that is not signed with a key of the tenant is not, whatever its header says', async () => {
  const { check, claims, jwk, token } = await setUp();
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const none = `${encode({ alg: 'none' })}.${encode(claims)}.`;
  const body = `${encode({ alg: 'HS256', kid: 'k1' })}.${encode(claims)}`;
  const symmetric = `${body}.${createHmac('sha256', JSON.stringify(jwk)).update(body).digest('base64url')}`;
  const foreign = await setUp(newPair());
  const [head = '', , signature = ''] = (await token()).split('.');
  const altered = `${head}.${encode({ ...claims, azp: 'x' })}.${signature}`;
  const forged = [
    none,
    symmetric,
    await foreign.token(),
    await token({}, { kid: '../k1' }),
    altered,
    '',
    'a.b',
    'x'.repeat(20_000),
  ];
  for (const each of forged) expect(await check(each)).toMatchObject({ trusted: false });
});

test('while the keys cannot be read nothing is said about a token', async () => {
  const { token } = await setUp();
  const check = createTokenCheck({
    tenantId,
    audience,
    clientIds: [client],
    role,
    keys: async () => {
      throw new Error('getaddrinfo ENOTFOUND');
    },
  });
  await expect(check(await token())).rejects.toMatchObject({ status: 503, code: 'entra.unavailable' });
});
