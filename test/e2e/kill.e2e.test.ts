import sql from 'mssql';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type TestCloud, scripts, startTestCloud } from './cloud';

jest.setTimeout(900_000);

/**
 * More of both, and at random moments, on request: `KILL_COUNT=10 KILL_DATABASES=200 npx jest test/e2e/kill`.
 * The suite's own are at fixed ones, so that a failure comes again.
 */
const databasesPerServer = Number(process.env.KILL_DATABASES ?? 40) / 2;
const kills = Number(process.env.KILL_COUNT ?? 4);
const pauseMs = (kill: number): number =>
  process.env.KILL_COUNT === undefined ? 300 + kill * 350 : 50 + Math.random() * 1_000;

/** Effects are counted in the databases themselves: a row per run of the script, which no constraint would keep unique. */
const counting = scripts({
  '1-table.sql': 'CREATE TABLE dbo.Effect (Script int NOT NULL);',
  '2-effect.sql': 'INSERT INTO dbo.Effect (Script) VALUES (2);',
  '3-effect.sql': "WAITFOR DELAY '00:00:00.2';\nGO\nINSERT INTO dbo.Effect (Script) VALUES (3);",
});

describe('a build whose process is killed again and again', () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startTestCloud({ databases: databasesPerServer });
  });
  afterAll(() => cloud.stop());

  it('goes on after each restart, runs every script exactly once, and gives every target one outcome', async () => {
    const { id } = await cloud.api.startBuild(counting, cloud.targets(), { concurrencyLimit: 3 });
    for (let kill = 0; kill < kills; kill += 1) {
      await delay(pauseMs(kill));
      await cloud.kill();
      await cloud.restart();
    }
    const build = await cloud.ended(id);
    expect(build).toMatchObject({ state: 'succeeded', failures: 0 });
    expect(build.counts.committed).toBe(2 * databasesPerServer);
    const { items } = await cloud.api.outcomes(id, '?pageSize=1000&attempts=all');
    expect(items).toHaveLength(2 * databasesPerServer);

    const ca = readFileSync(cloud.endpoints.caFile, 'utf8');
    for (const server of cloud.endpoints.sql) {
      for (const database of server.databases) {
        const pool = new sql.ConnectionPool({
          server: 'localhost',
          port: server.port,
          database,
          user: server.user,
          password: server.password,
          pool: { max: 1 },
          options: { encrypt: true, cryptoCredentialsDetails: { ca } },
        });
        await pool.connect();
        const effects = await pool.request().query<{ Script: number }>('SELECT Script FROM dbo.Effect ORDER BY Script');
        await pool.close();
        expect(effects.recordset).toEqual([{ Script: 2 }, { Script: 3 }]);
      }
    }
  });
});
