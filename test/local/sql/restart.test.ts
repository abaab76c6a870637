import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { systemClock } from '../../../lib/platform/clock';
import { startPostgres } from '../../../local/postgres/postgres';
import { createSqlEngine } from '../../../local/sql/engine';
import { type SqlEngine } from '../../../local/sql/session';
import { type Client as SqlClient, createClient } from './engine-under-test';

const identity = { server: 'EAST', database: 'shop', user: 'u', applicationName: '', hostName: '' };

async function login(engine: SqlEngine): Promise<SqlClient> {
  const answer = await engine.login(identity);
  if (!answer.ok) throw new Error(answer.message.message);
  return createClient(answer.session);
}

test('servers, databases and their contents survive a restart; what a session had does not', async () => {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'sql-restart-'));
  const postgres = await startPostgres({ stateDirectory });
  const before = await createSqlEngine({ postgres: postgres.connection, clock: systemClock });
  await before.createServer('East');
  await before.createServer('east');
  await before.createDatabase('east', 'Shop');
  await before.createDatabase('east', 'SHOP');
  const first = await login(before);
  await first.rows("CREATE TABLE dbo.T (Id int IDENTITY, N nvarchar(10)); INSERT dbo.T (N) VALUES (N'kept')");
  await first.rows('CREATE TABLE #t (Id int); BEGIN TRAN; DELETE dbo.T');
  // no farewell: the process was killed
  const after = await createSqlEngine({ postgres: postgres.connection, clock: systemClock });
  expect(await after.listDatabases('east')).toEqual(['master', 'Shop']);
  const second = await login(after);
  expect(second.session.spid).toBe(first.session.spid);
  expect(await second.rows('SELECT Id, N FROM dbo.T')).toEqual([[1, 'kept']]);
  expect(await second.rows('CREATE TABLE #t (Id int); SELECT COUNT(*) FROM #t')).toEqual([[0]]);

  await before.close();
  await after.dropDatabase('east', 'shop'); // ends its sessions first
  expect(await after.login(identity)).toMatchObject({ ok: false, message: { number: 4060 } });
  await after.close();
  await postgres.stop();
  rmSync(stateDirectory, { recursive: true, force: true });
});

test('servers whose long names begin alike are different ones, a dropped one is gone, and half a server is no obstacle', async () => {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'sql-restart-'));
  const postgres = await startPostgres({ stateDirectory });
  const before = await createSqlEngine({ postgres: postgres.connection, clock: systemClock });
  const [one, two] = ['sql-production-westeurope-001', 'sql-production-westeurope-002'];
  for (const server of [one, two]) await before.createServer(server);
  await before.createDatabase(one, 'only-here');
  expect(await before.listDatabases(two)).toEqual(['master']);
  await before.dropServer(one);
  await before.dropServer(one);
  await before.createServer(one);
  expect(await before.listDatabases(one)).toEqual(['master']);
  await before.dropServer(one);
  await before.close();

  // A kill between its creation and its name.
  const client = new Client({ ...postgres.connection, database: 'postgres' });
  await client.connect();
  const { rows } = await client.query<{ datname: string }>(
    "SELECT datname FROM pg_database WHERE datname LIKE 'server%'",
  );
  await client.query(`COMMENT ON DATABASE ${rows[0]?.datname} IS NULL`);
  await client.end();
  const after = await createSqlEngine({ postgres: postgres.connection, clock: systemClock });
  expect(after.listServers()).toEqual([]);
  await after.createServer(two);
  expect(after.listServers()).toEqual([two]);
  await after.close();
  await postgres.stop();
  rmSync(stateDirectory, { recursive: true, force: true });
});
