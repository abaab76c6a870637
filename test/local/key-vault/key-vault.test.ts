import { SecretClient } from '@azure/keyvault-secrets';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates, type Certificates } from '../../../local/certificates/certificates';
import { startIdentity, type Identity } from '../../../local/identity/start';
import { startKeyVault, type KeyVault } from '../../../local/key-vault/start';

let folder: string;
let certificates: Certificates;
let identity: Identity;
let vault: KeyVault;

const open = async (audience = 'https://vault.azure.net'): Promise<SecretClient> => {
  vault = await startKeyVault({
    port: 0,
    stateFolder: join(folder, 'vault'),
    tls: certificates,
    verifyToken: identity.verifyToken,
  });
  return clientOf(audience);
};
const clientOf = (audience: string): SecretClient =>
  new SecretClient(
    vault.url,
    { getToken: async () => ({ token: identity.issueToken(audience), expiresOnTimestamp: Date.now() + 3_600_000 }) },
    { disableChallengeResourceVerification: true, tlsOptions: { ca: readFileSync(certificates.caFile, 'utf8') } },
  );

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'key-vault-'));
  certificates = await ensureCertificates(join(folder, 'certificates'), ['localhost'], new Date());
  identity = await startIdentity({ port: 0, stateFolder: null });
});
beforeEach(() => rmSync(join(folder, 'vault'), { recursive: true, force: true }));
afterEach(() => vault.stop());
afterAll(async () => {
  await identity.stop();
  rmSync(folder, { recursive: true });
});

it('keeps every version of a secret and hands out the latest', async () => {
  const client = await open();
  const first = await client.setSecret('sql-password', 'one', { contentType: 'text/plain', tags: { for: 'sql' } });
  await client.setSecret('SQL-Password', 'two');
  expect(await client.getSecret('sql-password')).toMatchObject({ name: 'sql-password', value: 'two' });
  const old = await client.getSecret('sql-password', { version: first.properties.version });
  expect(old).toMatchObject({ value: 'one', properties: { contentType: 'text/plain', tags: { for: 'sql' } } });
  const versions: unknown[] = [];
  for await (const { version } of client.listPropertiesOfSecretVersions('sql-password')) versions.push(version);
  expect(versions).toHaveLength(2);
});

it('does not hand out a disabled version', async () => {
  const client = await open();
  const { properties } = await client.setSecret('a', '1');
  await client.updateSecretProperties('a', properties.version ?? '', { enabled: false });
  await expect(client.getSecret('a')).rejects.toMatchObject({ statusCode: 403 });
});

it('lists all secrets, page by page, without their values', async () => {
  const client = await open();
  const names = Array.from({ length: 30 }, (_, at) => `secret-${String(at).padStart(2, '0')}`);
  for (const name of names) vault.setSecret(name, 'hidden');
  const seen: string[] = [];
  for await (const properties of client.listPropertiesOfSecrets()) {
    seen.push(properties.name);
    expect(JSON.stringify(properties)).not.toContain('hidden');
  }
  expect(seen).toEqual(names);
});

it('deletes softly: recoverable, not reusable, until purged', async () => {
  const client = await open();
  await client.setSecret('a', '1');
  await (await client.beginDeleteSecret('a')).pollUntilDone();
  await expect(client.getSecret('a')).rejects.toMatchObject({ statusCode: 404, code: 'SecretNotFound' });
  await expect(client.setSecret('a', '2')).rejects.toMatchObject({ statusCode: 409 });
  await (await client.beginRecoverDeletedSecret('a')).pollUntilDone();
  expect((await client.getSecret('a')).value).toBe('1');

  await (await client.beginDeleteSecret('a')).pollUntilDone();
  expect((await client.getDeletedSecret('a')).deletedOn).toBeInstanceOf(Date);
  await client.purgeDeletedSecret('a');
  await client.setSecret('a', '3');
  expect((await client.getSecret('a')).value).toBe('3');
});

it('has its secrets again after a restart, in a folder for this user only', async () => {
  await (await open()).setSecret('kept', 'value');
  await vault.stop();
  expect((await (await open()).getSecret('kept')).value).toBe('value');
  if (process.platform !== 'win32') expect(statSync(join(folder, 'vault')).mode & 0o077).toBe(0);
});

it('refuses tokens for another service, and requests without TLS', async () => {
  const client = await open('https://storage.azure.com');
  await expect(client.getSecret('a')).rejects.toMatchObject({ statusCode: 401 });
  const token = identity.issueToken('https://vault.azure.net');
  const plain = await fetch(`http://127.0.0.1:${vault.port}/secrets/a`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(plain.status).toBe(401);
});

it('names the calls that it does not support', async () => {
  const client = await open();
  await client.setSecret('a', '1');
  await expect(client.backupSecret('a')).rejects.toMatchObject({ statusCode: 501, code: 'NotImplemented' });
});
