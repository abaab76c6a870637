import { ISOLATION_LEVEL, type Connection, TYPES } from 'tedious';
import { createSqlFaults, type SqlFaultInput, sqlFaultSchema } from '../../../../local/sql/faults';
import { byText, createScriptedEngine, one, type ScriptedEngine, statementDone } from './scripted-engine';
import { type ServersUnderTest, startServers } from './servers-under-test';
import { batch, close, connect, send } from './tedious-client';

let engine: ScriptedEngine;
let servers: ServersUnderTest;
let slept: number[];

beforeEach(async () => {
  slept = [];
  engine = createScriptedEngine((request, sink, signal) => {
    if (request.kind !== 'transaction') {
      return byText({
        one,
        COMMIT: () => undefined,
        sp_executesql: one,
        forever: () => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
      })(request, sink, signal);
    }
    if (request.operation.kind === 'begin') sink.environment({ kind: 'beginTransaction', descriptor: 3n });
    if (request.operation.kind === 'rollback') sink.environment({ kind: 'rollbackTransaction', descriptor: 3n });
    sink.done(statementDone);
  });
  servers = await startServers(engine, {
    servers: [
      { name: 'server1', port: 0 },
      { name: 'server2', port: 0 },
    ],
    clock: {
      nowMs: () => 0,
      sleep: async (ms) => {
        slept.push(ms);
      },
    },
  });
});
afterEach(async () => {
  await servers.close();
  expect(servers.defects).toEqual([]);
});

async function numbersOf(overrides: Parameters<typeof connect>[1], port = servers.port): Promise<number[]> {
  const numbers: number[] = [];
  await connect(port, overrides, numbers).then(close, () => undefined);
  return numbers;
}

describe('logins', () => {
  test('one database of one server is refused so often, and then no more', async () => {
    servers.faults.add({ kind: 'refuseLogin', server: 'server1', database: 'orders', number: 40613, times: 2 });
    expect(await numbersOf({ database: 'orders' }, servers.servers[1]?.port)).toEqual([]);
    expect(await numbersOf({})).toEqual([]);
    expect(await numbersOf({ database: 'orders' })).toEqual([40613]);
    expect(await numbersOf({ database: 'orders' })).toEqual([40613]);
    expect(await numbersOf({ database: 'orders' })).toEqual([]);
    expect(servers.faults.list()).toEqual([]);
  });

  test('the driver sees a transient error and gets in at its own second attempt', async () => {
    servers.faults.add({ kind: 'refuseLogin', number: 40613, message: 'Database is not currently available.' });
    const numbers: number[] = [];
    await close(await connect(servers.port, { maxRetriesOnTransientErrors: 3, connectionRetryInterval: 1 }, numbers));
    expect(numbers).toEqual([40613]);
  });

  test('a dropped login never reaches the engine', async () => {
    servers.faults.add({ kind: 'dropLogin' });
    await expect(connect(servers.port)).rejects.toMatchObject({ code: 'ESOCKET' });
    expect(engine.logins).toEqual([]);
    await close(await connect(servers.port));
  });

  test('delays add up before what else happens', async () => {
    servers.faults.add({ kind: 'delayLogin', delayMs: 20, times: null });
    servers.faults.add({ kind: 'delayLogin', delayMs: 3 });
    servers.faults.add({ kind: 'refuseLogin', number: 18456 });
    expect(await numbersOf({})).toEqual([18456]);
    expect(await numbersOf({})).toEqual([]);
    expect(slept).toEqual([23, 20]);
  });
});

test('a delay ends with the connection that it holds up', async () => {
  const patient = await startServers(engine);
  patient.faults.add({ kind: 'delayLogin', delayMs: 3_600_000 });
  await expect(connect(patient.port, { connectTimeout: 50 })).rejects.toMatchObject({ code: 'ETIMEOUT' });
  await patient.close();
  expect(engine.logins).toEqual([]);
});

describe('requests', () => {
  let connection: Connection;
  beforeEach(async () => {
    connection = await connect(servers.port);
  });
  afterEach(() => close(connection));

  test.each<['before' | 'after', number]>([
    ['before', 0],
    ['after', 1],
  ])('dropped %s the engine ran it: the client hears nothing, the engine saw it %i times', async (when, seen) => {
    servers.faults.add({ kind: 'dropRequest', textMatches: '^commit', when });
    expect((await batch(connection, 'one')).rows).toEqual([[1]]);
    expect((await batch(connection, 'COMMIT')).error).toMatchObject({ code: 'ECONNRESET' });
    expect(engine.requests.filter((request) => request.kind === 'batch' && request.text === 'COMMIT')).toHaveLength(
      seen,
    );
    while (engine.openSessions > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  test.each([true, 'strict'] as const)('dropped inside TLS too (encrypt: %s)', async (encrypt) => {
    servers.faults.add({ kind: 'dropRequest', textMatches: '^commit', when: 'after' });
    const own = await connect(servers.port, {
      encrypt,
      serverName: 'localhost',
      cryptoCredentialsDetails: { ca: servers.ca },
    });
    const { error } = await batch(own, 'COMMIT');
    expect(['ECONNRESET', 'ESOCKET']).toContain(error?.code);
    expect(engine.requests).toHaveLength(1);
  });

  test('the transaction requests of the driver have a text to match too', async () => {
    servers.faults.add({ kind: 'dropRequest', textMatches: '^commit transaction$', when: 'after' });
    await new Promise((resolve) => connection.beginTransaction(resolve, '', ISOLATION_LEVEL.READ_COMMITTED));
    const error = await new Promise<unknown>((resolve) => connection.commitTransaction(resolve));
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    expect(engine.requests.at(-1)).toMatchObject({ operation: { kind: 'commit' } });
  });

  test('only the k-th request of a connection', async () => {
    // The first one is the driver's own, with which it sets up its session.
    servers.faults.add({ kind: 'failRequest', onRequest: 3, number: 1205, severity: 13 });
    expect((await batch(connection, 'one')).error).toBeNull();
    expect((await batch(connection, 'one')).error).toMatchObject({ number: 1205, class: 13 });
    expect((await batch(connection, 'one')).error).toBeNull();
  });

  test('parameters of a procedure call are part of its text', async () => {
    servers.faults.add({ kind: 'failRequest', textMatches: 'sp_executesql\nSELECT @p[^]*secret', number: 8152 });
    const call = (value: string): ReturnType<typeof send> =>
      send(
        connection,
        'SELECT @p',
        (request) => connection.execSql(request),
        (request) => request.addParameter('p', TYPES.NVarChar, value),
      );
    expect((await call('public')).error).toBeNull();
    expect((await call('secret')).error).toMatchObject({ number: 8152 });
  });

  test('a failure that rolls back tells the driver so', async () => {
    servers.faults.add({ kind: 'failRequest', textMatches: '^one$', number: 1205, rollback: true });
    await new Promise((resolve) => connection.beginTransaction(resolve, '', ISOLATION_LEVEL.READ_COMMITTED));
    const rolledBack = new Promise((resolve) => connection.once('rollbackTransaction', () => resolve('rolled back')));
    expect((await batch(connection, 'one')).error).toMatchObject({ number: 1205 });
    expect(await rolledBack).toBe('rolled back');
    expect(engine.requests.map(({ kind }) => kind)).toEqual(['transaction', 'transaction']);
  });

  test('delays before and after', async () => {
    servers.faults.add({ kind: 'delayRequest', textMatches: 'one', delayMs: 5 });
    servers.faults.add({ kind: 'delayRequest', textMatches: 'one', delayMs: 7, when: 'after' });
    expect((await batch(connection, 'one')).rows).toEqual([[1]]);
    expect(slept).toEqual([5, 7]);
  });

  test('an answer to attention that is held for ever makes the driver give up', async () => {
    servers.faults.add({ kind: 'holdAttention', holdMs: null });
    const own = await connect(servers.port, { requestTimeout: 20, cancelTimeout: 50 });
    expect((await batch(own, 'forever')).error).toMatchObject({ message: 'Failed to cancel request in 50ms' });
    await close(own);
  });

  test('an answer to attention that is held for a while only comes later', async () => {
    servers.faults.add({ kind: 'holdAttention', holdMs: 11 });
    // Long enough for the second request on any machine, because it is the limit of both.
    const own = await connect(servers.port, { requestTimeout: 2_000 });
    expect((await batch(own, 'forever')).error).toMatchObject({ code: 'ETIMEOUT' });
    expect(slept).toEqual([11]);
    expect((await batch(own, 'one')).rows).toEqual([[1]]);
    await close(own);
  });

  test('dropping all connections of a server leaves those of the other', async () => {
    const other = await connect(servers.servers[1]?.port ?? 0);
    const ended = new Promise((resolve) => connection.once('end', () => resolve('ended')));
    servers.dropConnections('server1');
    expect(await ended).toBe('ended');
    expect((await batch(other, 'one')).rows).toEqual([[1]]);
    await close(other);
  });
});

describe('as data', () => {
  test('faults survive a round trip through JSON', () => {
    const faults = createSqlFaults([{ kind: 'dropRequest', textMatches: 'COMMIT', when: 'after', times: 3 }]);
    const again: unknown = JSON.parse(JSON.stringify(faults.list()));
    expect(sqlFaultSchema.array().parse(again)).toEqual(faults.list());
  });

  test.each<[string, unknown]>([
    ['an unknown kind', { kind: 'explode' }],
    ['a pattern that is no regular expression', { kind: 'dropRequest', when: 'before', textMatches: '(' }],
    ['a login refused without a number', { kind: 'refuseLogin' }],
    ['a request dropped at no stated time', { kind: 'dropRequest' }],
    ['a fault that strikes zero times', { kind: 'dropLogin', times: 0 }],
  ])('%s is refused', (_name, fault) => {
    expect(sqlFaultSchema.safeParse(fault).success).toBe(false);
  });

  test('what is listed is a copy', () => {
    const fault: SqlFaultInput = { kind: 'dropLogin' };
    const faults = createSqlFaults([fault]);
    for (const listed of faults.list()) listed.times = 99;
    expect(faults.list()).toEqual([{ kind: 'dropLogin', times: 1 }]);
  });
});
