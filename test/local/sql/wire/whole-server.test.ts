import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connection, TYPES } from 'tedious';
import { systemClock } from '../../../../lib/platform/clock';
import { type Postgres, startPostgres } from '../../../../local/postgres/postgres';
import { createSqlEngine } from '../../../../local/sql/engine';
import { type SqlEngine } from '../../../../local/sql/session';
import { type ServersUnderTest, startServers } from './servers-under-test';
import { batch, close, connect, type Reply, send } from './tedious-client';

/** Wire, engine and PostgreSQL together, through the unmodified driver. */
let folder: string;
let postgres: Postgres;
let engine: SqlEngine;
let servers: ServersUnderTest;
let connection: Connection;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sqlfleet-test-'));
  postgres = await startPostgres({ stateDirectory: join(folder, 'postgres') });
  engine = await createSqlEngine({ postgres: postgres.connection, clock: systemClock });
  await engine.createServer('server1');
  await engine.createDatabase('server1', 'orders');
  servers = await startServers(engine);
  connection = await connect(servers.port, { database: 'orders', useUTC: true });
});
afterAll(async () => {
  await close(connection);
  await servers.close();
  await engine.close();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
  expect(servers.defects).toEqual([]);
});

async function run(text: string, on = connection): Promise<Reply> {
  const reply = await batch(on, text);
  if (reply.error !== null) throw reply.error;
  return reply;
}

test('values of many types come back as they went in', async () => {
  await run(`CREATE TABLE dbo.Everything (
    id int NOT NULL PRIMARY KEY, flag bit, tiny tinyint, big bigint, price decimal(12, 3), amount money, ratio float,
    code varchar(20), title nvarchar(50), notes nvarchar(max), data varbinary(max), key_ uniqueidentifier,
    day_ date, at_ datetime, at2 datetime2(3), at3 datetimeoffset(0))`);
  const guid = '6F9619FF-8B86-D011-B42D-00C04FC964FF';
  const at = new Date('2024-02-29T12:34:56.000Z');
  const insert = await send(
    connection,
    `INSERT INTO dbo.Everything VALUES (@id, @flag, @tiny, @big, @price, @amount, @ratio, @code, @title, @notes, @data,
      @key, @day, @at, @at2, @at3)`,
    (request) => connection.execSql(request),
    (request) => {
      request.addParameter('id', TYPES.Int, 1);
      request.addParameter('flag', TYPES.Bit, true);
      request.addParameter('tiny', TYPES.TinyInt, 255);
      request.addParameter('big', TYPES.BigInt, '9007199254740993');
      request.addParameter('price', TYPES.Decimal, -12.125, { precision: 12, scale: 3 });
      request.addParameter('amount', TYPES.Money, 10.25);
      request.addParameter('ratio', TYPES.Float, 0.1);
      request.addParameter('code', TYPES.VarChar, "O'Brien €");
      request.addParameter('title', TYPES.NVarChar, '日本 😀');
      request.addParameter('notes', TYPES.NVarChar, 'n'.repeat(20_000));
      request.addParameter('data', TYPES.VarBinary, Buffer.alloc(20_000, 1));
      request.addParameter('key', TYPES.UniqueIdentifier, guid);
      request.addParameter('day', TYPES.Date, at);
      request.addParameter('at', TYPES.DateTime, at);
      request.addParameter('at2', TYPES.DateTime2, at, { scale: 3 });
      request.addParameter('at3', TYPES.DateTimeOffset, at, { scale: 0 });
    },
  );
  expect(insert.error).toBeNull();
  expect(insert.rowCount).toBe(1);
  const { rows } = await run('SELECT * FROM dbo.Everything');
  const midnight = new Date('2024-02-29T00:00:00.000Z');
  const expected = [1, true, 255, '9007199254740993', -12.125, 10.25, 0.1, "O'Brien €", '日本 😀', 'n'.repeat(20_000)];
  expect(rows[0]?.slice(0, 10)).toEqual(expected);
  expect(rows[0]?.[10]).toEqual(Buffer.alloc(20_000, 1));
  expect(rows[0]?.slice(11).map((value) => (value instanceof Date ? value.toISOString() : value))).toEqual([
    guid,
    midnight.toISOString(),
    ...Array<string>(3).fill(at.toISOString()),
  ]);
});

test.each<['before' | 'after', number]>([
  ['before', 0],
  ['after', 1],
])('a COMMIT whose connection drops %s the engine ran it leaves %i rows', async (when, expected) => {
  await run(`IF OBJECT_ID('dbo.Lost') IS NOT NULL DROP TABLE dbo.Lost; CREATE TABLE dbo.Lost (id int)`);
  const own = await connect(servers.port, { database: 'orders' });
  servers.faults.add({ kind: 'dropRequest', database: 'orders', textMatches: 'COMMIT', when });
  await run('BEGIN TRANSACTION; INSERT INTO dbo.Lost VALUES (1)', own);
  expect((await batch(own, 'COMMIT')).error).toMatchObject({ code: 'ECONNRESET' });
  expect((await run('SELECT COUNT(*) FROM dbo.Lost')).rows).toEqual([[expected]]);
});

test('a cancelled wait leaves the connection and its transaction usable', async () => {
  const own = await connect(servers.port, { database: 'orders', requestTimeout: 100 });
  await run('SET XACT_ABORT OFF; BEGIN TRANSACTION', own);
  expect((await batch(own, `WAITFOR DELAY '00:01:00'`)).error).toMatchObject({ code: 'ETIMEOUT' });
  expect((await run('SELECT @@TRANCOUNT', own)).rows).toEqual([[1]]);
  await close(own);
});

test('a database that does not exist is 4060, one that is created later is there', async () => {
  const numbers: number[] = [];
  await expect(connect(servers.port, { database: 'later' }, numbers)).rejects.toMatchObject({ code: 'ELOGIN' });
  expect(numbers).toEqual([4060]);
  await engine.createDatabase('server1', 'later');
  const own = await connect(servers.port, { database: 'later' });
  expect((await run('SELECT DB_NAME()', own)).rows).toEqual([['later']]);
  await close(own);
});
