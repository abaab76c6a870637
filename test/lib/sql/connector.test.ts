import { createServer, type Server, type Socket } from 'node:net';
import { createConnector, type ConnectorOptions } from '../../../lib/sql/connector';
import { createEndpointResolver } from '../../../lib/sql/endpoints';
import { type BatchAnswer, type SqlConnection } from '../../../lib/sql/model';
import { type ResponseSink } from '../../../local/sql/session';
import { createScriptedEngine, message, one, statementDone } from '../../local/sql/wire/scripted-engine';
import { type ServersUnderTest, startServers } from '../../local/sql/wire/servers-under-test';
import { password, user } from '../../local/sql/wire/tedious-client';

/** What a batch makes the engine do; several, separated by `;`, one after the other. */
const verbs: Record<string, (sink: ResponseSink, signal: AbortSignal) => void | Promise<void>> = {
  rows: (sink) => {
    sink.columns([{ name: 'n', type: { name: 'int' }, nullable: false }]);
    for (let n = 1; n <= 5; n += 1) void sink.row([n]);
    sink.done({ rowCount: 5, inProcedure: false, isSelect: true, failed: false });
  },
  print: (sink) => sink.message({ ...message(0, 'hello', 0), line: 1 }),
  insert: (sink) => sink.done({ ...statementDone, rowCount: 3 }),
  fail: (sink) => {
    sink.message({ ...message(1770, 'no such column'), line: 7, procedure: 'dbo.p' });
    sink.message(message(1750, 'could not create the constraint'));
    sink.done({ ...statementDone, failed: true });
  },
  failSilently: (sink) => sink.done({ ...statementDone, failed: true }),
  begin: (sink) => sink.environment({ kind: 'beginTransaction', descriptor: nextDescriptor++ }),
  commit: (sink) => sink.environment({ kind: 'commitTransaction', descriptor: nextDescriptor - 1n }),
  rollback: (sink) => sink.environment({ kind: 'rollbackTransaction', descriptor: nextDescriptor - 1n }),
  hang: (_sink, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
};
let nextDescriptor = 1n;

const engine = createScriptedEngine(async (request, sink, signal) => {
  if (request.kind !== 'batch') throw new Error('only batches are sent');
  if (request.text === 'one') return one(request, sink, signal);
  for (const word of request.text.split(';')) await verbs[word.trim()]?.(sink, signal);
});
let servers: ServersUnderTest;
beforeAll(async () => {
  servers = await startServers(engine, {
    verifyToken: async (token) => (token === 'good token' ? 'principal' : null),
  });
});
afterAll(() => servers.close());
afterEach(() => {
  servers.faults.clear();
  servers.resetCounters();
});

function connector(given: Partial<ConnectorOptions> = {}) {
  return createConnector({
    authentication: async () => ({ kind: 'password', user, password }),
    resolveEndpoint: createEndpointResolver(new Map([['localhost', { host: '127.0.0.1', port: servers.port }]])),
    encrypt: false,
    applicationName: 'sqlfleet',
    loginTimeoutMs: 5_000,
    cancelTimeoutMs: 100,
    ...given,
  });
}

const target = { server: 'localhost', port: null, database: 'orders' };

async function open(given: Partial<ConnectorOptions> = {}): Promise<SqlConnection> {
  const answer = await connector(given)(target);
  if (!answer.ok) throw new Error(answer.error.message);
  return answer.connection;
}

const run = (connection: SqlConnection, text: string, given: Partial<Parameters<SqlConnection['execute']>[1]> = {}) =>
  connection.execute(text, { timeoutMs: 5_000, maximumRows: 100, ...given });

describe('a login', () => {
  it('is exactly one, to the database, under the name of the application', async () => {
    const connection = await open();
    expect(engine.logins.at(-1)).toMatchObject({ database: 'orders', user, applicationName: 'sqlfleet' });
    await connection.close();
    expect(servers.counters()).toMatchObject([{ logins: 1, refusedLogins: 0 }]);
  });

  it('goes through TLS to a server whose certificate is trusted, and checks its name', async () => {
    const connection = await open({ encrypt: true, certificateAuthority: servers.ca });
    expect((await run(connection, 'one')).error).toBeNull();
    await connection.close();

    const resolveEndpoint = (): ReturnType<ConnectorOptions['resolveEndpoint']> => ({
      host: '127.0.0.1',
      port: servers.port,
      serverName: 'somebody-else.example',
    });
    const answer = await connector({ encrypt: true, certificateAuthority: servers.ca, resolveEndpoint })(target);
    expect(answer).toMatchObject({ ok: false, error: { kind: 'certificate' } });
    expect(await connector({ encrypt: true })(target)).toMatchObject({ ok: false, error: { kind: 'certificate' } });
  });

  it('takes an access token', async () => {
    const connection = await open({
      encrypt: true,
      certificateAuthority: servers.ca,
      authentication: async () => ({ kind: 'token', token: 'good token' }),
    });
    expect(engine.logins.at(-1)).toMatchObject({ user: 'principal' });
    await connection.close();
  });

  it('without credentials is never tried', async () => {
    const answer = await connector({ authentication: () => Promise.reject(new Error('no vault')) })(target);
    expect(answer).toMatchObject({ ok: false, error: { kind: 'token' } });
    expect(servers.counters()).toEqual([]);
  });

  it.each([4060, 10928, 40197, 40501, 40613, 18456])(
    'refused with %s keeps its number, and is tried once',
    async (number) => {
      servers.faults.add({ kind: 'refuseLogin', number, severity: 14, times: null });
      expect(await connector()(target)).toMatchObject({
        ok: false,
        error: { kind: 'server', number, numbers: [number] },
      });
      expect(servers.counters()).toMatchObject([{ logins: 0, refusedLogins: 1 }]);
    },
  );

  it('that is cut off, or finds nobody, is a matter of the network', async () => {
    servers.faults.add({ kind: 'dropLogin' });
    expect(await connector()(target)).toMatchObject({ ok: false, error: { kind: 'network' } });
    const nobody = createEndpointResolver(new Map([['localhost', { host: '127.0.0.1', port: await freePort() }]]));
    const answer = await connector({ resolveEndpoint: nobody })(target);
    expect(answer).toMatchObject({ ok: false, error: { kind: 'network', driverCode: 'ECONNREFUSED' } });
  });

  it('to a server that says nothing ends at its limit, or with the signal', async () => {
    const silent = await listenSilently();
    const resolveEndpoint = createEndpointResolver(new Map([['localhost', { host: '127.0.0.1', port: silent.port }]]));
    const timedOut = await connector({ resolveEndpoint, loginTimeoutMs: 50 })(target);
    expect(timedOut).toMatchObject({ ok: false, error: { kind: 'timeout' } });

    const cancel = new AbortController();
    const pending = connector({ resolveEndpoint })({ ...target, signal: cancel.signal });
    cancel.abort();
    expect(await pending).toMatchObject({ ok: false, error: { kind: 'cancelled' } });
    expect(await connector()({ ...target, signal: cancel.signal })).toMatchObject({
      ok: false,
      error: { kind: 'cancelled' },
    });
    await silent.close();
  });
});

describe('a batch', () => {
  let connection: SqlConnection;
  beforeEach(async () => {
    connection = await open();
  });
  afterEach(() => connection.close());

  it('answers rows, counts and notices, and keeps no more rows than wanted', async () => {
    const answer = await run(connection, 'print; rows; insert; rows', { maximumRows: 7 });
    expect(answer).toMatchObject({
      error: null,
      resultSets: [
        { columns: ['n'], rows: [[1], [2], [3], [4], [5]], rowCount: 5 },
        { columns: ['n'], rows: [[1], [2]], rowCount: 5 },
      ],
      rowsAffected: [5, 3, 5],
      notices: [{ number: 0, message: 'hello' }],
    });
  });

  it('answers what the server said about an error, the first one leading', async () => {
    expect((await run(connection, 'fail')).error).toMatchObject({
      kind: 'server',
      number: 1770,
      severity: 16,
      state: 1,
      line: 7,
      procedure: 'dbo.p',
      numbers: [1770, 1750],
    });
    expect((await run(connection, 'one')).error).toBeNull();
  });

  it('is not taken for a lost connection when the server fails it without a word', async () => {
    expect((await run(connection, 'failSilently')).error).toMatchObject({ kind: 'server', number: 0 });
    expect(connection.open).toBe(true);
  });

  it('tells what became of the transaction, also in the middle', async () => {
    expect((await run(connection, 'begin')).transactionEvents).toMatchObject([{ kind: 'began' }]);
    const mine = connection.transaction;
    expect(mine).not.toBeNull();
    const answer = await run(connection, 'commit; begin; fail; rollback');
    expect(answer.transactionEvents).toMatchObject([
      { kind: 'ended', by: 'commit' },
      { kind: 'began' },
      { kind: 'ended', by: 'rollback' },
    ]);
    expect(connection.transaction).toBeNull();
    expect((await run(connection, 'one')).transactionEvents).toEqual([]);
  });

  it('tells when rows were changed after the transaction had ended', async () => {
    await run(connection, 'begin');
    expect((await run(connection, 'insert; rollback')).countedOutsideTransaction).toBe(false);
    await run(connection, 'begin');
    expect((await run(connection, 'rollback; insert')).countedOutsideTransaction).toBe(true);
  });

  it('is cancelled at its time limit, and the session goes on', async () => {
    const answer = await run(connection, 'hang', { timeoutMs: 30 });
    expect(answer.error).toMatchObject({ kind: 'timeout', driverCode: null });
    expect(connection.open).toBe(true);
    expect((await run(connection, 'one')).error).toBeNull();
    expect(servers.counters()).toMatchObject([{ logins: 1, attentions: 1 }]);
  });

  it('is cancelled at its time limit also after the first part of its answer', async () => {
    expect((await run(connection, 'rows; hang', { timeoutMs: 30 })).error).toMatchObject({ kind: 'timeout' });
  });

  it('is cancelled by the signal, before or while it runs', async () => {
    const cancel = new AbortController();
    const pending = run(connection, 'hang', { signal: cancel.signal });
    cancel.abort();
    expect((await pending).error).toMatchObject({ kind: 'cancelled' });
    expect((await run(connection, 'rows', { signal: cancel.signal })).error).toMatchObject({ kind: 'cancelled' });
  });

  it('ends with its connection when the server does not acknowledge the cancel', async () => {
    servers.faults.add({ kind: 'holdAttention', holdMs: null });
    const answer = await run(connection, 'hang', { timeoutMs: 30 });
    expect(answer.error).toMatchObject({ kind: 'timeout', driverCode: 'ETIMEOUT' });
    expect(connection.open).toBe(false);
  });

  it.each(['before', 'after'] as const)('whose connection is cut %s it is answered by the network', async (when) => {
    servers.faults.add({ kind: 'dropRequest', textMatches: 'insert', when });
    expect((await run(connection, 'insert')).error).toMatchObject({ kind: 'network' });
    expect(connection.open).toBe(false);
  });

  it('on a connection that was cut while nothing ran is answered by the network', async () => {
    servers.dropConnections();
    const deadline = Date.now() + 5_000;
    while (connection.open && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(connection.open).toBe(false);
    expect((await run(connection, 'one')).error).toMatchObject({ kind: 'network' });
  });

  it('is refused while another one runs', async () => {
    const first: Promise<BatchAnswer> = run(connection, 'one');
    await expect(run(connection, 'one')).rejects.toThrow('one batch at a time');
    expect((await first).error).toBeNull();
  });
});

async function freePort(): Promise<number> {
  const silent = await listenSilently();
  await silent.close();
  return silent.port;
}

/** Takes connections and never says a word. */
function listenSilently(): Promise<{ port: number; close: () => Promise<void> }> {
  const sockets: Socket[] = [];
  return new Promise((resolve, reject) => {
    const server: Server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') return reject(new Error('no port'));
      resolve({
        port: address.port,
        close: () =>
          new Promise((closed) => {
            for (const socket of sockets) socket.destroy();
            server.close(() => closed());
          }),
      });
    });
  });
}
