import { close, connect, batch, password, user } from './tedious-client';
import { byText, createScriptedEngine, one, type ScriptedEngine } from './scripted-engine';
import { type ServersUnderTest, startServers } from './servers-under-test';

let engine: ScriptedEngine;
let servers: ServersUnderTest;

beforeEach(async () => {
  engine = createScriptedEngine(byText({ 'SELECT 1': one }));
  servers = await startServers(engine, {
    servers: [
      { name: 'server1', port: 0 },
      { name: 'server2', port: 0 },
    ],
    verifyToken: async (token, server) => (token === `token for ${server}` ? 'principal-1' : null),
  });
});
afterEach(async () => {
  await servers.close();
  expect(servers.defects).toEqual([]);
});

async function refusal(overrides: Parameters<typeof connect>[1]): Promise<{ message: string; numbers: number[] }> {
  const numbers: number[] = [];
  const error: unknown = await connect(servers.port, overrides, numbers).then(
    () => null,
    (reason: unknown) => reason,
  );
  return { message: error instanceof Error ? error.message : 'connected', numbers };
}

test('a login in the clear reaches the engine with the server of its port', async () => {
  const connection = await connect(servers.servers[1]?.port ?? 0, { database: 'orders', appName: 'an app' });
  expect((await batch(connection, 'SELECT 1')).rows).toEqual([[1]]);
  await close(connection);
  expect(engine.logins).toMatchObject([{ server: 'server2', database: 'orders', user, applicationName: 'an app' }]);
});

test('TLS inside TDS, with the certificate checked', async () => {
  const connection = await connect(servers.port, {
    encrypt: true,
    trustServerCertificate: false,
    serverName: 'localhost',
    cryptoCredentialsDetails: { ca: servers.ca },
  });
  expect((await batch(connection, 'SELECT 1')).rows).toEqual([[1]]);
  await close(connection);
});

test('TDS 8.0: TLS from the first byte', async () => {
  const connection = await connect(servers.port, {
    encrypt: 'strict',
    serverName: 'localhost',
    cryptoCredentialsDetails: { ca: servers.ca },
  });
  expect((await batch(connection, 'SELECT 1')).rows).toEqual([[1]]);
  await close(connection);
});

test('an access token in the login', async () => {
  const authentication = {
    type: 'azure-active-directory-access-token',
    options: { token: 'token for server1' },
  } as const;
  await close(await connect(servers.port, { encrypt: true, authentication }));
  expect(engine.logins).toMatchObject([{ user: 'principal-1' }]);
  const other = { ...authentication, options: { token: 'stolen' } };
  expect((await refusal({ encrypt: true, authentication: other })).numbers).toEqual([18456]);
});

test('a client that asks where to get its token first', async () => {
  const scopes: unknown[] = [];
  const credential = {
    getToken: async (scope: unknown) => {
      scopes.push(scope);
      return { token: 'token for server1', expiresOnTimestamp: Date.now() + 60_000 };
    },
  };
  const authentication = { type: 'token-credential', options: { credential } } as const;
  await close(await connect(servers.port, { encrypt: true, authentication }));
  expect(scopes).toEqual(['https://database.windows.net/.default']);
  expect(engine.logins).toMatchObject([{ user: 'principal-1' }]);
});

const credentials = (userName: string, secret = password): Parameters<typeof connect>[1] => ({
  authentication: { type: 'default', options: { userName, password: secret } },
});

test('user@server is accepted for this server, and its name in any case', async () => {
  await close(await connect(servers.port, credentials(`${user.toUpperCase()}@SERVER1.database.windows.net`)));
  expect(engine.logins).toMatchObject([{ user }]);
});

test('a wrong password and an unknown user are 18456, another server is 40532', async () => {
  expect(await refusal(credentials(user, 'wrong'))).toEqual({
    message: `Login failed for user '${user}'.`,
    numbers: [18456],
  });
  expect((await refusal(credentials('nobody'))).numbers).toEqual([18456]);
  expect((await refusal(credentials(`${user}@other`))).numbers).toEqual([40532]);
  expect(engine.logins).toEqual([]);
});

test("the engine's refusal of a database is told in its words", async () => {
  expect(await refusal({ database: 'missing' })).toEqual({
    message: 'Cannot open database "missing" requested by the login. The login failed.',
    numbers: [4060],
  });
});

test('Windows authentication is refused by name', async () => {
  const authentication = { type: 'ntlm', options: { userName: 'u', password: 'p', domain: 'd' } } as const;
  expect((await refusal({ authentication })).numbers).toEqual([18452]);
});

test('logins, refused logins and requests are counted per server and database', async () => {
  const connection = await connect(servers.port, { database: 'orders' });
  servers.resetCounters();
  await batch(connection, 'SELECT 1');
  await close(connection);
  await refusal({ database: 'missing' });
  expect(servers.counters()).toEqual([
    { server: 'server1', database: 'orders', logins: 0, refusedLogins: 0, requests: 1, attentions: 0 },
    { server: 'server1', database: 'missing', logins: 0, refusedLogins: 1, requests: 0, attentions: 0 },
  ]);
});

test('when the client goes, its session is closed', async () => {
  const connection = await connect(servers.port);
  expect(engine.openSessions).toBe(1);
  await close(connection);
  while (engine.openSessions > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('closing the servers closes every session first', async () => {
  const ended = Promise.all(
    [await connect(servers.port), await connect(servers.port, { encrypt: true })].map(
      (connection) => new Promise((resolve) => connection.once('end', resolve)),
    ),
  );
  expect(engine.openSessions).toBe(2);
  await servers.close();
  expect(engine.openSessions).toBe(0);
  await ended;
});

test('a port that is taken is named, and nothing is left listening', async () => {
  await expect(startServers(engine, { servers: [{ name: 'server1', port: servers.port }] })).rejects.toThrow(
    `SQL server "server1" cannot listen on port ${servers.port}`,
  );
});
