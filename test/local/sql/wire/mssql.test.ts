import { ConnectionPool, ISOLATION_LEVEL, type config, PreparedStatement, Int, NVarChar, Transaction } from 'mssql';
import { byText, createScriptedEngine, one, type ScriptedEngine, statementDone } from './scripted-engine';
import { type ServersUnderTest, startServers } from './servers-under-test';
import { password, user } from './tedious-client';

let engine: ScriptedEngine;
let servers: ServersUnderTest;
let pool: ConnectionPool;

const answerBatches = byText({
  one,

  sp_executesql: one,
  sp_prepare: (_request, sink) => {
    sink.returnValue({ name: 'handle', type: { name: 'int' }, value: 1, ordinal: 0 });
    sink.returnStatus(0);
  },
  sp_execute: one,
  sp_unprepare: (_request, sink) => sink.returnStatus(0),
  'dbo.work': (request, sink) => {
    sink.returnStatus(3);
    sink.returnValue({ name: '@out', type: { name: 'nvarchar', length: 9 }, value: 'out', ordinal: 1 });
  },
});

beforeAll(async () => {
  engine = createScriptedEngine((request, sink, signal) => {
    if (request.kind !== 'transaction') return answerBatches(request, sink, signal);
    const kinds = { begin: 'beginTransaction', commit: 'commitTransaction', rollback: 'rollbackTransaction' } as const;
    if (request.operation.kind !== 'save') {
      sink.environment({ kind: kinds[request.operation.kind], descriptor: 11n });
    }
    sink.done(statementDone);
  });
  servers = await startServers(engine);
  pool = await new ConnectionPool(configuration()).connect();
});
beforeEach(() => {
  engine.requests.length = 0;
});
afterAll(async () => {
  await pool.close();
  await servers.close();
  expect(servers.defects).toEqual([]);
});

function configuration(overrides: Partial<config> = {}): config & { validateConnection: boolean } {
  return {
    server: 'localhost',
    port: servers.port,
    user,
    password,
    database: 'orders',
    options: { encrypt: true, trustServerCertificate: true },
    pool: { min: 0, max: 4 },
    validateConnection: false,
    ...overrides,
  };
}

const rows = (result: { recordset?: unknown }): unknown => JSON.parse(JSON.stringify(result.recordset));

test('queries and batches on a pool, many at a time', async () => {
  const results = await Promise.all(Array.from({ length: 20 }, () => pool.request().query('SELECT @@VERSION')));
  expect(results.map(rows)).toEqual(Array<unknown>(20).fill([{ one: 1 }]));
  expect(rows(await pool.request().batch('one'))).toEqual([{ one: 1 }]);
});

test('a transaction keeps its connection to the end', async () => {
  const transaction = new Transaction(pool);
  await transaction.begin(ISOLATION_LEVEL.SERIALIZABLE);
  await transaction.request().batch('one');
  await transaction.commit();
  const kinds = engine.requests.map((request) =>
    request.kind === 'transaction' ? request.operation.kind : request.kind === 'batch' ? request.text : request.name,
  );
  expect(kinds).toEqual(['begin', 'one', 'commit']);
});

test('a prepared statement is prepared once and executed by its handle', async () => {
  const statement = new PreparedStatement(pool);
  statement.input('p', Int);
  await statement.prepare('SELECT @p');
  expect(rows(await statement.execute({ p: 1 }))).toEqual([{ one: 1 }]);
  expect(rows(await statement.execute({ p: 2 }))).toEqual([{ one: 1 }]);
  await statement.unprepare();
  const names = engine.requests.map((request) => (request.kind === 'procedure' ? request.name : ''));
  expect(names).toEqual(['sp_prepare', 'sp_execute', 'sp_execute', 'sp_unprepare']);
});

test('a procedure with its return value and an output parameter', async () => {
  const result = await pool.request().input('a', NVarChar(20), 'x').output('out', NVarChar(9)).execute('dbo.work');
  expect(result).toMatchObject({ returnValue: 3, output: { out: 'out' } });
});

test('the number of a refused login is there for who listens to the driver', async () => {
  const numbers: number[] = [];
  const refused = new ConnectionPool({
    ...configuration({ database: 'missing' }),
    beforeConnect: (connection) => connection.on('errorMessage', ({ number }) => numbers.push(number)),
    options: { encrypt: false, maxRetriesOnTransientErrors: 0 },
  });
  await expect(refused.connect()).rejects.toMatchObject({ code: 'ELOGIN' });
  expect(numbers).toEqual([4060]);
});
