import { type OutcomeView } from '../../lib/builds/view';
import { type FaultyCloud, startFaultyCloud } from './faulty-cloud';
import { countingScripts, effectsOf, expectSound } from './soundness';

jest.setTimeout(120_000);

const perServer = 10;
const first = 'fleet-1.database.localhost';
const second = 'fleet-2.database.localhost';

/** Databases that misbehave in the middle of a build, on the whole embedded cloud. */
describe('a build whose databases misbehave', () => {
  let faulty: FaultyCloud;
  beforeAll(async () => {
    faulty = await startFaultyCloud({ databases: perServer });
  });
  afterEach(() => faulty.clearFaults());
  afterAll(() => faulty.cloud.stop());

  const outcomeOf = (outcomes: OutcomeView[], server: string, database: string) =>
    outcomes.find((outcome) => outcome.server === server && outcome.databases.includes(database));

  it('gives each database the outcome that is true, and the others theirs', async () => {
    const on = (server: string, database: string) => ({ server, database });
    const commit = { kind: 'dropRequest', textMatches: 'COMMIT TRANSACTION' };
    await faulty.setFaults('sql', [
      { ...commit, ...on(first, 'tenant001'), when: 'before' },
      { ...commit, ...on(first, 'tenant002'), when: 'after' },
      { kind: 'refuseLogin', ...on(first, 'tenant003'), number: 40613 },
      { kind: 'refuseLogin', ...on(first, 'tenant004'), number: 18456, severity: 14, times: null },
      { kind: 'refuseLogin', ...on(first, 'tenant005'), number: 4060 },
      { kind: 'dropLogin', ...on(first, 'tenant006') },
      {
        kind: 'failRequest',
        ...on(first, 'tenant007'),
        number: 1205,
        rollback: true,
        textMatches: 'INSERT INTO dbo.Effect',
      },
      { kind: 'dropRequest', ...on(first, 'tenant008'), when: 'after', textMatches: 'INSERT INTO dbo.Effect' },
    ]);
    // Commits by itself on one database, hangs on another, fails on a third.
    const mishaps =
      `IF DB_NAME() = N'tenant001' AND @@SERVERNAME LIKE N'fleet-2%' COMMIT TRANSACTION;\n` +
      `IF DB_NAME() = N'tenant002' AND @@SERVERNAME LIKE N'fleet-2%' WAITFOR DELAY '00:01:00';\n` +
      `IF DB_NAME() = N'tenant003' AND @@SERVERNAME LIKE N'fleet-2%' THROW 50001, N'no', 1;`;
    const { id } = await faulty.cloud.api.startBuild(countingScripts('mishaps', mishaps), faulty.cloud.targets(), {
      concurrencyLimit: perServer,
      defaultScriptTimeoutSeconds: 2,
    });
    const { counts } = await expectSound(faulty, id, 'mishaps', `${second}:tenant001`);
    const outcomes = await faulty.outcomes(id);
    for (const database of ['tenant001', 'tenant002', 'tenant003', 'tenant005', 'tenant006', 'tenant007', 'tenant008'])
      expect([database, outcomeOf(outcomes, first, database)?.status]).toEqual([database, 'committed']);
    expect(outcomeOf(outcomes, first, 'tenant004')).toMatchObject({ status: 'failed', failure: { number: 18456 } });
    expect(outcomeOf(outcomes, second, 'tenant001')?.status).toBe('failed');
    expect(outcomeOf(outcomes, second, 'tenant002')).toMatchObject({
      status: 'rolledBack',
      failure: { code: 'sql.timeout' },
    });
    expect(outcomeOf(outcomes, second, 'tenant003')).toMatchObject({
      status: 'rolledBack',
      failure: { number: 50001 },
    });
    // An account that is refused must not be tried until it is locked.
    expect(
      (await faulty.sqlCounters()).find((each) => each.server === first && each.database === 'tenant004'),
    ).toMatchObject({
      refusedLogins: 1,
    });
    expect(counts).toMatchObject({ committed: 16, failed: 2, rolledBack: 2 });
  });

  it('shrinks the lanes of a server that says "too many requests", while the other one goes on with all of its', async () => {
    await faulty.setFaults('sql', [
      { kind: 'refuseLogin', server: first, number: 10928, times: 2 },
      { kind: 'refuseLogin', server: first, number: 40501, times: 2 },
    ]);
    const { id } = await faulty.cloud.api.startBuild(countingScripts('storm'), faulty.cloud.targets(), {
      concurrencyLimit: 4,
    });
    const { counts } = await expectSound(faulty, id, 'storm');
    expect(counts.committed).toBe(2 * perServer);
    const outcomes = await faulty.outcomes(id);
    expect(outcomes.reduce((sum, { throttled }) => sum + throttled, 0)).toBe(4);
    const endsOf = (server: string) =>
      outcomes.filter((outcome) => outcome.server === server).map(({ finishedAt }) => Date.parse(finishedAt));
    expect(Math.max(...endsOf(second))).toBeLessThan(Math.min(...endsOf(first)));
    const { keys } = await faulty.progress(id);
    expect(keys.find(({ key }) => key.includes(first))?.open).toBeLessThan(4);
    expect(keys.find(({ key }) => key.includes(second))?.open).toBe(4);
  });

  it('has never more databases of a server at work than lanes, however many builds run at once', async () => {
    const lanes = 3;
    const builds = ['one', 'two', 'three'].map((label) =>
      faulty.cloud.api.startBuild(countingScripts(label, `WAITFOR DELAY '00:00:00.1';`), faulty.cloud.targets(), {
        concurrencyLimit: lanes,
      }),
    );
    const ids = (await Promise.all(builds)).map(({ id }) => id);
    const labels = ['one', 'two', 'three'];
    for (const [index, label] of labels.entries()) {
      expect((await expectSound(faulty, ids[index] ?? '', label)).counts.committed).toBe(2 * perServer);
    }
    const work = (await Promise.all(labels.map((label) => effectsOf(faulty, label)))).flat();
    for (const server of [first, second]) {
      const here = work.filter(({ database, script }) => database.server === server && script === 3);
      const atOnce = here.map(
        ({ beganMs }) => here.filter((other) => other.beganMs <= beganMs && beganMs < other.endedMs).length,
      );
      expect(Math.max(...atOnce)).toBe(lanes);
    }
  });
});
