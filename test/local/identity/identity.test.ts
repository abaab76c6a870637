import { DefaultAzureCredential, ManagedIdentityCredential } from '@azure/identity';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startIdentity, type Identity } from '../../../local/identity/start';

let folder: string;
let nowMs: number;
const started: Identity[] = [];
const clock = { nowMs: () => nowMs, sleep: () => Promise.resolve() };
const start = async (stateFolder: string | null = folder): Promise<Identity> => {
  const identity = await startIdentity({ port: 0, stateFolder, clock });
  started.push(identity);
  return identity;
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'identity-'));
  nowMs = Date.now();
});
afterEach(async () => {
  delete process.env['IDENTITY_ENDPOINT'];
  delete process.env['IDENTITY_HEADER'];
  await Promise.all(started.splice(0).map((identity) => identity.stop()));
  rmSync(folder, { recursive: true });
});

describe('managed identity', () => {
  // One test for both, because the SDK remembers endpoint and tokens of managed identities for the whole process.
  it('gives the credentials of the SDK tokens for the audiences that they ask for', async () => {
    const identity = await start();
    Object.assign(process.env, identity.environment);
    const vault = await new DefaultAzureCredential().getToken('https://vault.azure.net/.default');
    expect(identity.verifyToken(vault.token, 'https://vault.azure.net')?.objectId).toBe(identity.objectId);
    expect(vault.expiresOnTimestamp).toBeGreaterThan(nowMs);
    const sql = await new ManagedIdentityCredential().getToken('https://database.windows.net/.default');
    expect(identity.verifyToken(sql.token, 'https://database.windows.net')?.objectId).toBe(identity.objectId);
    expect(identity.counters()).toEqual({ tokens: 2 });
  });

  it('gives nothing without the secret header, and nothing for an identity that is not there', async () => {
    const { environment } = await start();
    const url = `${environment.IDENTITY_ENDPOINT}?resource=a&api-version=2019-08-01`;
    expect((await fetch(url)).status).toBe(401);
    const headers = { 'x-identity-header': environment.IDENTITY_HEADER };
    expect((await fetch(url, { headers })).status).toBe(200);
    expect((await fetch(`${url}&client_id=other`, { headers })).status).toBe(400);
  });

  it('stays the same identity after a restart, and still knows its tokens', async () => {
    const before = await start();
    const token = before.issueToken('https://database.windows.net/');
    const after = await start();
    expect(after.objectId).toBe(before.objectId);
    expect(after.verifyToken(token, 'https://database.windows.net')?.objectId).toBe(before.objectId);
  });
});

describe('a token', () => {
  it('is refused for another audience, after its time, when altered, and when somebody else signed it', async () => {
    const identity = await start();
    const token = identity.issueToken('https://vault.azure.net');
    expect(identity.verifyToken(token)).not.toBeNull();
    expect(identity.verifyToken(token, 'https://vault.azure.net.example')).toBeNull();

    const [header, payload, signature] = token.split('.');
    const claims = Buffer.from(payload ?? '', 'base64url').toString();
    const altered = Buffer.from(claims.replace(identity.objectId, 'admin')).toString('base64url');
    expect(identity.verifyToken([header, altered, signature].join('.'))).toBeNull();
    const unsigned = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
    expect(identity.verifyToken([unsigned, payload, ''].join('.'))).toBeNull();
    expect(identity.verifyToken('not a token')).toBeNull();

    const stranger = await start(null);
    expect(identity.verifyToken(stranger.issueToken('https://vault.azure.net'))).toBeNull();

    nowMs += 25 * 60 * 60 * 1000;
    expect(identity.verifyToken(token)).toBeNull();
  });
});
