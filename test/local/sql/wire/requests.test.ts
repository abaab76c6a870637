import { type Connection, ISOLATION_LEVEL, Request, TYPES } from 'tedious';
import { type SqlRequest } from '../../../../local/sql/session';
import { byText, createScriptedEngine, message, one, type ScriptedEngine, statementDone } from './scripted-engine';
import { type ServersUnderTest, startServers } from './servers-under-test';
import { batch, close, connect, send } from './tedious-client';

const select = { rowCount: 1, inProcedure: false, isSelect: true, failed: false };

let engine: ScriptedEngine;
let servers: ServersUnderTest;
let connection: Connection;

beforeAll(async () => {
  engine = createScriptedEngine((request, sink, signal) => {
    if (request.kind === 'batch' && /^(-- |insert bulk)/.test(request.text)) return;
    if (request.kind !== 'transaction') return answers(request, sink, signal);
    const { kind } = request.operation;
    if (kind === 'begin') sink.environment({ kind: 'beginTransaction', descriptor: 7n });
    if (kind === 'commit') sink.environment({ kind: 'commitTransaction', descriptor: 7n });
    if (kind === 'rollback') sink.environment({ kind: 'rollbackTransaction', descriptor: 7n });
    sink.done(statementDone);
  });
  servers = await startServers(engine);
  connection = await connect(servers.port);
});
beforeEach(() => {
  engine.requests.length = 0;
});
afterAll(async () => {
  await close(connection);
  await servers.close();
  expect(servers.defects).toEqual([]);
});

const answers = byText({
  one,
  nothing: () => undefined,
  'two results': (_request, sink) => {
    sink.columns([{ name: 'a', type: { name: 'int' }, nullable: true, identity: true }]);
    void sink.row([1]);
    sink.done(select);
    sink.message(message(0, 'between', 0));
    sink.columns([
      { name: 'b', type: { name: 'nvarchar', length: 5 }, nullable: true },
      { name: 'c', type: { name: 'int' }, nullable: true, computed: true },
    ]);
    void sink.row(['x', null]);
    sink.done(select);
    sink.done({ ...statementDone, rowCount: 3 });
  },
  'twenty columns': (_request, sink) => {
    const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
    sink.columns(names.map((name) => ({ name, type: { name: 'int' }, nullable: true })));
    void sink.row(names.map((_, index) => (index % 3 === 0 ? null : index)));
    sink.done(select);
  },
  'error in the middle': (_request, sink) => {
    sink.message({ ...message(2627, 'Violation of PRIMARY KEY'), procedure: 'dbo.p', line: 12 });
    sink.done({ ...statementDone, failed: true });
    sink.message(message(0, 'goes on', 0));
  },
  'a long message': (_request, sink) => sink.message(message(50000, '😀'.repeat(30_000))),
  'use orders': (_request, sink) => sink.environment({ kind: 'database', from: 'master', to: 'orders' }),
  'exec in a batch': (_request, sink) => {
    sink.done({ ...statementDone, rowCount: 2, inProcedure: true });
    sink.returnStatus(4);
    sink.done(statementDone);
  },
  sp_executesql: one,
  sp_prepexec: (_request, sink) => {
    sink.returnValue({ name: '@handle', type: { name: 'int' }, value: 9, ordinal: 0 });
    sink.returnStatus(0);
  },
  sp_prepare: (_request, sink) => {
    sink.returnValue({ name: 'handle', type: { name: 'int' }, value: 9, ordinal: 0 });
    sink.returnStatus(0);
  },
  sp_execute: one,
  sp_unprepare: (_request, sink) => sink.returnStatus(0),
  'dbo.work': (_request, sink) => {
    sink.done({ ...statementDone, rowCount: 5, inProcedure: true });
    sink.returnStatus(-6);
    sink.returnValue({ name: '@out', type: { name: 'nvarchar', length: 10 }, value: 'done', ordinal: 1 });
  },
  'the engine breaks': () => {
    throw new Error('broken inside');
  },
  'killed by the server': (_request, sink) => sink.message(message(596, 'Cannot continue the execution', 21)),
  'many rows': async (_request, sink) => {
    sink.columns([{ name: 'text', type: { name: 'nvarchar', length: 200 }, nullable: false }]);
    for (let row = 0; row < 5_000; row += 1) await sink.row([`${row} `.repeat(20)]);
    sink.done({ ...select, rowCount: 5_000 });
  },
});

test('results, messages and counts arrive in order', async () => {
  const reply = await batch(connection, 'two results');
  expect(reply.rows).toEqual([[1], ['x', null]]);
  expect(reply.columns.map(({ name }) => name)).toEqual(['b', 'c']);
  expect(reply.information).toEqual(['between']);
  expect(reply.rowCount).toBe(5);
});

test('an empty response ends too', async () => {
  expect(await batch(connection, 'nothing')).toMatchObject({ rows: [], error: null });
});

test('nulls in many columns', async () => {
  const { rows } = await batch(connection, 'twenty columns');
  expect(rows).toEqual([Array.from({ length: 20 }, (_, index) => (index % 3 === 0 ? null : index))]);
});

test('an error carries its number, procedure and line, and what follows is still read', async () => {
  const reply = await batch(connection, 'error in the middle');
  expect(reply.error).toMatchObject({ number: 2627, procName: 'dbo.p', lineNumber: 12, code: 'EREQUEST' });
  expect(reply.information).toEqual(['goes on']);
  expect((await batch(connection, 'one')).rows).toEqual([[1]]);
});

test('a message longer than clients can read is cut, never inside a character', async () => {
  const { error } = await batch(connection, 'a long message');
  expect(error?.message).toBe('😀'.repeat(2000));
});

test('a change of the database reaches the driver', async () => {
  const changed = new Promise((resolve) => connection.once('databaseChange', resolve));
  await batch(connection, 'use orders');
  expect(await changed).toBe('orders');
});

test('a batch of many packets arrives whole', async () => {
  const text = `-- ${'é日😀'.repeat(40_000)}`;
  await batch(connection, text);
  expect(engine.requests).toEqual([{ kind: 'batch', text }]);
});

test('a result of many packets arrives whole, with any packet size', async () => {
  for (const packetSize of [512, 4096, 32_767]) {
    const own = await connect(servers.port, { packetSize });
    const { rows } = await batch(own, 'many rows');
    expect(rows).toHaveLength(5_000);
    expect(rows[4_999]).toEqual(['4999 '.repeat(20)]);
    await close(own);
  }
});

test('a return status inside a batch ends the procedure, and its rows count', async () => {
  const reply = await batch(connection, 'exec in a batch');
  expect(reply).toMatchObject({ rowCount: 2, returnStatus: 4, error: null });
});

test('sp_executesql goes by its number, with positional parameters', async () => {
  const reply = await send(
    connection,
    'SELECT @p',
    (request) => connection.execSql(request),
    (request) => request.addParameter('p', TYPES.Int, 3),
  );
  expect(reply.rows).toEqual([[1]]);
  const [request] = engine.requests;
  expect(request).toMatchObject({
    kind: 'procedure',
    name: 'sp_executesql',
    parameters: [
      { name: '@statement', value: 'SELECT @p' },
      { name: '@params', value: '@p int' },
      { name: '@p', value: 3 },
    ],
  });
});

test('a named procedure returns its status and its output parameters', async () => {
  const reply = await send(
    connection,
    'dbo.work',
    (request) => connection.callProcedure(request),
    (request) => request.addOutputParameter('out', TYPES.NVarChar, null, { length: 10 }),
  );
  expect(reply).toMatchObject({ rowCount: 5, returnStatus: -6, outputs: { out: 'done' }, error: null });
});

test('prepare, execute, unprepare', async () => {
  const request = new Request('SELECT @p', () => undefined);
  request.addParameter('p', TYPES.Int);
  const prepared = new Promise((resolve) => request.once('prepared', () => resolve(undefined)));
  connection.prepare(request);
  await prepared;
  const executed = new Promise((resolve) => (request.userCallback = resolve));
  connection.execute(request, { p: 4 });
  await executed;
  const done = new Promise((resolve) => (request.userCallback = resolve));
  connection.unprepare(request);
  await done;
  expect(engine.requests.map((each) => (each.kind === 'procedure' ? each.name : each.kind))).toEqual([
    'sp_prepare',
    'sp_execute',
    'sp_unprepare',
  ]);
  expect(engine.requests[1]).toMatchObject({
    parameters: [
      { name: '', value: 9 },
      { name: '@p', value: 4 },
    ],
  });
});

describe('transaction requests', () => {
  const operations = (): SqlRequest[] => engine.requests.filter(({ kind }) => kind === 'transaction');

  const step = (run: (done: (error?: Error | null) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => run((error) => (error ? reject(error) : resolve())));

  test('begin, save, roll back to the savepoint, commit', async () => {
    await step((done) => connection.beginTransaction(done, 'tx', ISOLATION_LEVEL.SERIALIZABLE));
    await step((done) => connection.saveTransaction(done, 'here'));
    await step((done) => connection.rollbackTransaction(done, 'here'));
    await step((done) => connection.beginTransaction(done, 'again', ISOLATION_LEVEL.SNAPSHOT));
    await step((done) => connection.commitTransaction(done, 'tx'));
    expect(operations().map((request) => (request.kind === 'transaction' ? request.operation : null))).toEqual([
      { kind: 'begin', isolation: 'serializable', name: 'tx' },
      { kind: 'save', name: 'here' },
      { kind: 'rollback', name: 'here' },
      { kind: 'begin', isolation: 'snapshot', name: 'again' },
      { kind: 'commit', name: 'tx' },
    ]);
  });
});

test('the reset of a pooled connection is done before its next request, and confirmed', async () => {
  const confirmed = new Promise((resolve) => connection.once('resetConnection', () => resolve('confirmed')));
  await new Promise<void>((resolve, reject) => connection.reset((error) => (error ? reject(error) : resolve())));
  expect(await confirmed).toBe('confirmed');
  expect(engine.resets).toBe(1);
  await batch(connection, 'one');
  expect(engine.resets).toBe(1);
});

test('bulk load is refused, and the connection goes on', async () => {
  const error = await new Promise<unknown>((resolve) => {
    const load = connection.newBulkLoad('dbo.t', (reason) => resolve(reason));
    load.addColumn('id', TYPES.Int, { nullable: true });
    connection.execBulkLoad(load, [{ id: 1 }]);
  });
  expect(error).toMatchObject({ number: 49999 });
  expect((await batch(connection, 'one')).rows).toEqual([[1]]);
});

test('an error of severity 20 and up ends the connection after its response', async () => {
  const own = await connect(servers.port);
  const ended = new Promise((resolve) => own.once('end', () => resolve('ended')));
  expect((await batch(own, 'killed by the server')).error).toMatchObject({ number: 596 });
  expect(await ended).toBe('ended');
});

test('an engine that breaks is a defect of the stand-in: told to the client, whose connection ends', async () => {
  const own = await connect(servers.port);
  const ended = new Promise((resolve) => own.once('end', () => resolve('ended')));
  expect((await batch(own, 'the engine breaks')).error).toMatchObject({ number: 3624 });
  expect(await ended).toBe('ended');
  expect(servers.defects.splice(0)).toMatchObject([{ message: 'broken inside' }]);
});
