import { createScriptedEngine, type ScriptedEngine } from './scripted-engine';
import { type ServersUnderTest, startServers } from './servers-under-test';
import { close, connect, password, user } from './tedious-client';

let engine: ScriptedEngine;
let servers: ServersUnderTest;
let names: string[];

beforeEach(async () => {
  names = ['one.database.example', 'two.database.example'];
  engine = createScriptedEngine(() => undefined);
  servers = await startServers(engine, {
    servers: [],
    gateway: { port: 0, servers: () => names },
    hostNames: ['localhost', '*.database.example'],
  });
});
afterEach(async () => {
  await servers.close();
  expect(servers.defects).toEqual([]);
});

const login = (overrides: Parameters<typeof connect>[1], numbers: number[] = []) =>
  connect(servers.gatewayPort, { trustServerCertificate: true, ...overrides }, numbers);
const as = (userName: string) => ({ type: 'default', options: { userName, password } }) as const;

test('routes by the name of the TLS handshake, whichever way TLS is used', async () => {
  await close(await login({ encrypt: true, serverName: 'TWO.database.example' }));
  await close(
    await login({
      encrypt: 'strict',
      serverName: 'one.database.example',
      cryptoCredentialsDetails: { ca: servers.ca },
    }),
  );
  expect(engine.logins.map(({ server }) => server)).toEqual(['two.database.example', 'one.database.example']);
});

test('routes by user@server where the connection names an address', async () => {
  await close(await login({ encrypt: false, authentication: as(`${user}@two`) }));
  await close(await login({ encrypt: true, authentication: as(`${user}@one.database.example`) }));
  expect(engine.logins.map(({ server }) => server)).toEqual(['two.database.example', 'one.database.example']);
});

test('knows servers as soon as they exist, and forgets them as soon as they do not', async () => {
  const options = { encrypt: true, serverName: 'three.database.example' };
  const numbers: number[] = [];
  await expect(login(options, numbers)).rejects.toThrow('Cannot open server "three" requested by the login');
  expect(numbers).toEqual([40532]);
  names.push('three.database.example');
  await close(await login(options));
  names = [];
  await expect(login(options)).rejects.toThrow('Cannot open server "three"');
  expect(engine.logins).toHaveLength(1);
});
