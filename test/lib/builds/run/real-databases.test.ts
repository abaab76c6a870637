import { createDatabaseBuilder } from '../../../../lib/builds/run/database-builder';
import { createOutcomeResolver } from '../../../../lib/builds/run/outcome-resolver';
import { type DatabaseBuildRequest, type DatabaseBuildResult } from '../../../../lib/builds/model';
import { type Package } from '../../../../lib/packages/model';
import { packageOf, requestOf, script } from './fixtures';
import { execute, type SqlFleet, startSqlFleet } from './sql-fleet';

let fleet: SqlFleet;
beforeAll(async () => {
  fleet = await startSqlFleet();
}, 60_000);
afterAll(() => fleet.close());

let database: string;
beforeEach(async () => {
  database = await fleet.newDatabase();
  fleet.servers.resetCounters();
});
afterEach(() => fleet.servers.faults.clear());

type Given = Parameters<typeof requestOf>[0];

const requestFor = (given: Given = {}): DatabaseBuildRequest =>
  requestOf({
    server: 'server1',
    overrides: [{ default: 'client', target: database }],
    deadlineMs: Date.now() + 60_000,
    ...given,
  });

const build = (pkg: Package, given: Given = {}): Promise<DatabaseBuildResult> =>
  createDatabaseBuilder(fleet.deps)(requestFor(given), pkg);

const values = async (text: string, from = database): Promise<unknown[]> =>
  (await fleet.query(from, text)).map(([value]) => value);
const effects = (): Promise<unknown[]> =>
  values(
    "IF OBJECT_ID(N'dbo.effects', N'U') IS NOT NULL SELECT name FROM dbo.effects ORDER BY id ELSE SELECT NULL AS name WHERE 1 = 0",
  );
const journal = (): Promise<unknown[]> =>
  values(
    "IF OBJECT_ID(N'dbo.Sqlfleet_Journal', N'U') IS NOT NULL SELECT CONCAT(Sequence, ' ', State) FROM dbo.Sqlfleet_Journal ORDER BY Sequence ELSE SELECT NULL AS name WHERE 1 = 0",
  );
const logged = (): Promise<unknown[]> =>
  values(
    "IF OBJECT_ID(N'dbo.SqlBuild_Logging', N'U') IS NOT NULL SELECT ScriptFileName FROM dbo.SqlBuild_Logging ORDER BY Sequence ELSE SELECT NULL AS name WHERE 1 = 0",
  );

const table =
  "CREATE TABLE dbo.effects (id int IDENTITY(1,1) NOT NULL, name varchar(20) NOT NULL CONSTRAINT CK_effects CHECK (name <> 'bad'))";
const insert = (name: string): string => `INSERT INTO dbo.effects (name) VALUES ('${name}')`;
const create = script(table, { fileName: 'create.sql' });

/** The database as it is for the tests that are about scripts and not about the first one. */
async function prepare(): Promise<void> {
  const connection = await fleet.connect(database);
  await execute(connection, table);
  await connection.close();
  fleet.servers.resetCounters();
}

describe('a build', () => {
  it('takes one login and two requests besides its batches, as the server counts them', async () => {
    const pkg = packageOf([create, script([insert('a'), insert('b')])]);
    const result = await build(pkg);
    expect(result).toMatchObject({
      status: 'committed',
      failure: null,
      counters: { logins: 1, roundTrips: 2, batches: 3 },
    });
    // One more: the driver sends its session settings after each login.
    expect(fleet.servers.counters()).toMatchObject([{ logins: 1, requests: 6, attentions: 0 }]);
    expect(await effects()).toEqual(['a', 'b']);
    expect(await journal()).toEqual(['1 done', '2 done']);
  });

  it('writes the log that the predecessor reads', async () => {
    const text = "PRINT 'it''s #BuildDescription#\\\r\n'";
    const logEntry = script(text, { fileName: "o'ne.sql", tag: 'v1', allowMultipleRuns: false });
    await build(packageOf([logEntry]));
    const rows = await fleet.query(
      database,
      `SELECT BuildFileName, ScriptFileName, CONVERT(varchar(36), ScriptId), ScriptFileHash, Sequence, UserId, AllowScriptBlock, Tag,
        TargetDatabase, RunWithVersion, BuildProjectHash, BuildRequestedBy, Description, AllowBlockUpdateId, CONVERT(varchar(max), ScriptText)
      FROM dbo.SqlBuild_Logging`,
    );
    expect(rows).toEqual([
      [
        'package.sbm',
        "o'ne.sql",
        logEntry.scriptId.toUpperCase(),
        logEntry.hash,
        1,
        'someone',
        true,
        'v1',
        database,
        'Sqlfleet test',
        'A'.repeat(40),
        'someone',
        'a description',
        null,
        text,
      ],
    ]);
    const indexes = await values(
      "SELECT name FROM sys.indexes WHERE object_id = OBJECT_ID(N'dbo.SqlBuild_Logging') AND name IS NOT NULL ORDER BY name",
    );
    expect(indexes).toEqual([
      'IX_SqlBuild_Logging',
      'IX_SqlBuild_Logging_1',
      'IX_SqlBuild_Logging_2',
      'IX_SqlBuild_Logging_CommitCheck',
    ]);
    expect(
      await values(
        "SELECT name FROM sys.default_constraints WHERE parent_object_id = OBJECT_ID(N'dbo.SqlBuild_Logging')",
      ),
    ).toEqual(['DF_SqlBuildLogging_AllowScriptBlock']);
  });

  it('gets along with a log of an older shape', async () => {
    const connection = await fleet.connect(database);
    await execute(
      connection,
      'CREATE TABLE dbo.SqlBuild_Logging (BuildFileName varchar(300) NOT NULL, ScriptFileName varchar(300) NOT NULL, ScriptId uniqueidentifier NULL, ScriptFileHash varchar(100) NULL, CommitDate datetime NOT NULL, Sequence int NULL, AllowScriptBlock bit NULL)',
    );
    const old = script(insert('x'), { fileName: 'old.sql', allowMultipleRuns: false });
    await execute(
      connection,
      `INSERT INTO dbo.SqlBuild_Logging VALUES ('p', 'old.sql', '${old.scriptId}', '${old.hash}', GETUTCDATE(), 1, 1)`,
    );
    await connection.close();
    expect(await build(packageOf([create, old, script(insert('a'))]))).toMatchObject({
      status: 'committed',
      scripts: [{ status: 'ran' }, { status: 'skippedRunOnce' }, { status: 'ran' }],
    });
    expect(await effects()).toEqual(['a']);
    expect(await logged()).toHaveLength(3);
  });

  it('is alreadyApplied the second time where its scripts run once, and refuses a text that changed', async () => {
    const once = [create, script(insert('a'), { fileName: 'a.sql' })].map((entry) => ({
      ...entry,
      allowMultipleRuns: false,
    }));
    await build(packageOf(once));
    expect(await build(packageOf(once), { buildId: 'build-2' })).toMatchObject({
      status: 'alreadyApplied',
      counters: { logins: 1, roundTrips: 2, batches: 0 },
    });
    const changed = script(insert('z'), { fileName: 'a.sql', allowMultipleRuns: false });
    const drift = await build(packageOf([changed]), { buildId: 'build-3' });
    expect(drift).toMatchObject({ status: 'failed', failure: { code: 'sql.drift', script: 'a.sql' } });
    expect(drift.reason).toContain(changed.sha256);
    expect(await effects()).toEqual(['a']);
  });

  it('leaves nothing behind as a trial, not even its tables', async () => {
    expect(await build(packageOf([create, script(insert('a'))]), { options: { trial: true } })).toMatchObject({
      status: 'trialRolledBack',
    });
    expect(await values('SELECT name FROM sys.tables')).toEqual([]);
  });

  it('shows where in the file a script failed', async () => {
    const broken = script(['SELECT 1', '\nSELECT * FROM dbo.nowhere'], {
      fileName: 'broken.sql',
      batches: [
        { text: 'SELECT 1', line: 1, repeat: 1 },
        { text: '\nSELECT * FROM dbo.nowhere', line: 10, repeat: 1 },
      ],
    });
    expect(await build(packageOf([create, broken]))).toMatchObject({
      status: 'rolledBack',
      failure: { code: 'sql.scriptError', number: 208, severity: 16, line: 11, script: 'broken.sql', database },
      scripts: [{ status: 'rolledBack' }, { status: 'failed' }],
    });
    expect(await values('SELECT name FROM sys.tables')).toEqual([]);
  });

  it('of hundreds of scripts writes all their rows, and knows them again', async () => {
    await prepare();
    const scripts = Array.from({ length: 250 }, (_, index) =>
      script(insert(String(index)), { fileName: `${index}.sql`, allowMultipleRuns: false }),
    );
    expect(await build(packageOf(scripts))).toMatchObject({
      status: 'committed',
      counters: { roundTrips: 2, batches: 250 },
    });
    expect(await journal()).toHaveLength(250);
    expect(await logged()).toHaveLength(250);
    expect(await build(packageOf(scripts), { buildId: 'build-2' })).toMatchObject({ status: 'alreadyApplied' });
  });

  it('takes a database by any name', async () => {
    database = await fleet.newDatabase("]; DROP TABLE x; --'");
    const result = await build(packageOf([create, script(insert('a'))]));
    expect(result).toMatchObject({ status: 'committed', scripts: [{ database }, { database }] });
    expect(await effects()).toEqual(['a']);
    expect(await values('SELECT TargetDatabase FROM dbo.SqlBuild_Logging')).toEqual([database, database]);
  });

  it('of a target with two databases commits in both or, when a script fails, in none', async () => {
    const second = await fleet.newDatabase();
    const overrides = [
      { default: 'client', target: database },
      { default: 'audit', target: second },
    ];
    const pkg = packageOf([
      script(table, { fileName: '1', database: 'client' }),
      script(table, { fileName: '2', database: 'audit' }),
    ]);
    const failing = packageOf([...pkg.scripts, script(insert('bad'), { fileName: '3', database: 'AUDIT' })]);
    expect(await build(failing, { overrides })).toMatchObject({
      status: 'rolledBack',
      failure: { number: 547, database: second },
    });
    expect(await values('SELECT name FROM sys.tables')).toEqual([]);
    expect(await build(pkg, { overrides, attempt: 2 })).toMatchObject({ status: 'committed', counters: { logins: 2 } });
    expect(new Set(await values('SELECT name FROM sys.tables', second))).toEqual(
      new Set(['effects', 'SqlBuild_Logging', 'Sqlfleet_Journal']),
    );
  });
});

/** What the predecessor's own integration tests say about outcomes; `bad` violates a constraint. */
describe('an outcome', () => {
  const mayFail = { causesBuildFailure: false };
  it.each([
    { name: 'ok', scripts: [script(insert('a'))], status: 'committed', data: ['a'], log: 1 },
    { name: 'fail', scripts: [script(insert('bad'))], status: 'rolledBack', data: [], log: 0 },
    {
      name: 'fail without rollback',
      scripts: [script(insert('a')), script(insert('bad'), { rollBackOnError: false })],
      status: 'rolledBack',
      data: [],
      log: 0,
    },
    {
      name: 'ok, then one that may fail and is undone',
      scripts: [script(insert('a')), script([insert('b'), insert('bad'), insert('c')], mayFail)],
      status: 'committed',
      data: ['a'],
      log: 1,
    },
    {
      name: 'ok, then one that may fail and is passed over',
      scripts: [
        script(insert('a')),
        script([insert('b'), insert('bad'), insert('c')], { ...mayFail, rollBackOnError: false }),
      ],
      status: 'committed',
      data: ['a', 'b', 'c'],
      log: 1,
    },
    {
      name: 'ok, then fail, without a transaction',
      scripts: [script(insert('a')), script(insert('bad')), script(insert('c'))],
      options: { transactional: false },
      status: 'failed',
      data: ['a'],
      log: 1,
    },
    {
      name: 'ok and ok, without a transaction',
      scripts: [script(insert('a')), script(insert('b'))],
      options: { transactional: false },
      status: 'committed',
      data: ['a', 'b'],
      log: 2,
    },
  ])('of $name is $status', async ({ scripts, options = {}, status, data, log }) => {
    await prepare();
    expect((await build(packageOf(scripts), { options })).status).toBe(status);
    expect(await effects()).toEqual(data);
    expect(await logged()).toHaveLength(log);
  });

  it('of a script that always takes too long is rolledBack, after the wanted number of tries', async () => {
    await prepare();
    const slow = script([insert('a'), "WAITFOR DELAY '00:00:10'"], { timeoutSeconds: 0.05 });
    const result = await build(packageOf([slow]), { options: { timeoutRetryCount: 2 } });
    expect(result).toMatchObject({
      status: 'rolledBack',
      failure: { code: 'sql.timeout' },
      counters: { timeoutRetries: 2 },
    });
    expect(result.log.match(/Timeout expired/g)?.length).toBeGreaterThanOrEqual(3);
    expect(result.log).toContain('ROLLBACK TRANSACTION');
    expect(result.log).not.toContain('COMMIT TRANSACTION');
    expect(fleet.servers.counters()).toMatchObject([{ logins: 3, attentions: 3 }]);
    expect(await effects()).toEqual([]);
  });

  it('of a script that takes too long and may fail is committed', async () => {
    await prepare();
    const slow = script([insert('a'), "WAITFOR DELAY '00:00:10'"], { timeoutSeconds: 0.05, ...mayFail });
    expect(await build(packageOf([slow, script(insert('b'))]))).toMatchObject({
      status: 'committed',
      scripts: [{ status: 'failedIgnored', failure: { code: 'sql.timeout' } }, { status: 'ran' }],
    });
    expect(await effects()).toEqual(['b']);
  });

  it('of a server that does not acknowledge the cancel is rolledBack, its connection gone', async () => {
    await prepare();
    fleet.servers.faults.add({ kind: 'holdAttention', holdMs: null });
    const slow = script([insert('a'), "WAITFOR DELAY '00:00:10'"], { timeoutSeconds: 0.05 });
    expect(await build(packageOf([slow]))).toMatchObject({ status: 'rolledBack', failure: { code: 'sql.timeout' } });
    expect(await effects()).toEqual([]);
  });

  it('of a script with TRY and CATCH that rolls back and throws is rolledBack', async () => {
    await prepare();
    const careful = `BEGIN TRY ${insert('bad')} END TRY BEGIN CATCH IF @@TRANCOUNT > 0 ROLLBACK; THROW; END CATCH`;
    expect(await build(packageOf([script(insert('a')), script(careful)]))).toMatchObject({
      status: 'rolledBack',
      failure: { number: 547 },
    });
    expect(await effects()).toEqual([]);
  });
});

describe('a script that leaves the transaction', () => {
  beforeEach(prepare);

  it.each(['COMMIT', 'COMMIT; BEGIN TRANSACTION', `COMMIT; BEGIN TRANSACTION; ${insert('bad')}`])(
    'by "%s" fails loudly',
    async (text) => {
      const result = await build(packageOf([script(insert('a')), script(text), script(insert('z'))]));
      expect(result).toMatchObject({ status: 'failed', failure: { code: 'sql.transactionLeft', script: '2.sql' } });
      expect(await effects()).toEqual(['a']);
      expect(await journal()).toEqual([]);
    },
  );

  it('by a lone ROLLBACK fails loudly', async () => {
    expect(await build(packageOf([script(insert('a')), script('ROLLBACK')]))).toMatchObject({
      status: 'failed',
      failure: { code: 'sql.transactionLeft' },
    });
  });

  it('open one level deeper is rolled back', async () => {
    expect(await build(packageOf([script(`BEGIN TRANSACTION; ${insert('a')}`)]))).toMatchObject({
      status: 'rolledBack',
      failure: { code: 'sql.transactionLeft', number: 51000 },
    });
    expect(await effects()).toEqual([]);
  });

  it('balanced is fine', async () => {
    const balanced = `BEGIN TRANSACTION; ${insert('a')}; COMMIT`;
    expect(await build(packageOf([script(balanced)]))).toMatchObject({ status: 'committed' });
    expect(await effects()).toEqual(['a']);
  });
});

describe('a server with faults', () => {
  beforeEach(prepare);
  const pkg = packageOf([script(insert('a')), script(insert('b'))]);
  const epilogue = 'INSERT INTO dbo.Sqlfleet_Journal';

  it.each(['before', 'after'] as const)(
    'that drops the COMMIT %s it took place ends committed, each effect once',
    async (when) => {
      fleet.servers.faults.add({ kind: 'dropRequest', textMatches: epilogue, when });
      expect(await build(pkg)).toMatchObject({
        status: 'committed',
        counters: { logins: 2, batches: when === 'after' ? 2 : 4 },
      });
      expect(await effects()).toEqual(['a', 'b']);
      expect(await journal()).toEqual(['1 done', '2 done']);
    },
  );

  it('that drops the COMMIT and is gone since leaves it unknown, until it can be asked', async () => {
    fleet.servers.faults.add({ kind: 'dropRequest', textMatches: epilogue, when: 'after' });
    let logins = 0;
    const connect: typeof fleet.deps.connect = async (request) => {
      logins += 1;
      if (logins === 2) fleet.servers.faults.add({ kind: 'refuseLogin', number: 40613, times: null });
      return fleet.deps.connect(request);
    };
    const request = requestFor({ deadlineMs: Date.now() + 6_000 });
    expect(await createDatabaseBuilder({ ...fleet.deps, connect })(request, pkg)).toMatchObject({
      status: 'unknown',
      failure: { code: 'sql.commitUnknown' },
    });
    fleet.servers.faults.clear();
    expect(await createOutcomeResolver(fleet.deps)(requestFor(), pkg)).toMatchObject({
      status: 'committed',
      counters: { batches: 0 },
    });
    expect(await createOutcomeResolver(fleet.deps)(requestFor({ buildId: 'build-2' }), pkg)).toMatchObject({
      status: 'rolledBack',
    });
  });

  it('that refuses logins for a while is waited for, and its throttling counted', async () => {
    fleet.servers.faults.add({ kind: 'refuseLogin', number: 40613, times: 2 });
    fleet.servers.faults.add({ kind: 'refuseLogin', number: 10928, times: 1 });
    expect(await build(pkg)).toMatchObject({ status: 'committed', counters: { logins: 4, throttled: 1 } });
  });

  it('that chooses the build for its deadlock victim gets it again', async () => {
    fleet.servers.faults.add({
      kind: 'failRequest',
      textMatches: "'b'",
      number: 1205,
      severity: 13,
      rollback: true,
      times: 2,
    });
    expect(await build(pkg)).toMatchObject({ status: 'committed', counters: { logins: 3 } });
    expect(await effects()).toEqual(['a', 'b']);
  });

  it('on which another build is at work is waited for', async () => {
    const holder = await fleet.connect(database);
    await execute(
      holder,
      "BEGIN TRANSACTION; EXEC sp_getapplock @Resource = N'sqlfleet', @LockMode = N'Exclusive', @LockOwner = N'Transaction';",
    );
    let looks = 0;
    const connect: typeof fleet.deps.connect = async (request) => {
      looks += 1;
      if (looks === 2) await holder.close();
      return fleet.deps.connect(request);
    };
    expect(await createDatabaseBuilder({ ...fleet.deps, connect })(requestFor(), pkg)).toMatchObject({
      status: 'committed',
      counters: { logins: 2 },
    });
  });

  it('on which another build is at work is not waited for once the build is cancelled', async () => {
    const holder = await fleet.connect(database);
    await execute(
      holder,
      "BEGIN TRANSACTION; EXEC sp_getapplock @Resource = N'sqlfleet', @LockMode = N'Exclusive', @LockOwner = N'Transaction';",
    );
    const cancel = new AbortController();
    const connect: typeof fleet.deps.connect = async (request) => {
      const answer = await fleet.deps.connect(request);
      setTimeout(() => cancel.abort(), 20);
      return answer;
    };
    const limits = { lockTimeoutMs: 60_000 };
    const patient = createDatabaseBuilder({ ...fleet.deps, connect, limits });
    expect(await patient(requestFor({ signal: cancel.signal }), pkg)).toMatchObject({ status: 'skipped' });
    await holder.close();
  });

  it('gets one of two builds at a time, however they start', async () => {
    const results = await Promise.all(Array.from({ length: 3 }, () => build(pkg)));
    expect(results.map(({ status }) => status)).toEqual(['committed', 'committed', 'committed']);
    expect(await effects()).toEqual(['a', 'b']);
  });

  it('that breaks the connection at any request, before or after it, ends committed, each effect once', async () => {
    const everything = packageOf([
      script(insert('a')),
      script([insert('x'), insert('bad')], { causesBuildFailure: false }),
      script(insert('b'), { allowMultipleRuns: false }),
    ]);
    const requests = 9;
    for (let onRequest = 1; onRequest <= requests; onRequest += 1) {
      for (const when of ['before', 'after'] as const) {
        database = await fleet.newDatabase();
        await prepare();
        fleet.servers.faults.add({ kind: 'dropRequest', onRequest, when });
        const result = await build(everything);
        expect({ onRequest, when, status: result.status, left: fleet.servers.faults.list() }).toEqual({
          onRequest,
          when,
          status: 'committed',
          left: [],
        });
        expect(await effects()).toEqual(['a', 'b']);
        expect(await journal()).toEqual(['1 done', '2 ignored', '3 done']);
      }
    }
  });
});

describe('a package without a transaction', () => {
  beforeEach(prepare);
  const options = { transactional: false };
  const pkg = packageOf([script(insert('a')), script(insert('b'))]);

  it('is unknown when its connection breaks in a script, and is not run again by itself', async () => {
    fleet.servers.faults.add({ kind: 'dropRequest', textMatches: "'b'", when: 'after' });
    expect(await build(pkg, { options })).toMatchObject({ status: 'unknown' });
    expect(await build(pkg, { options })).toMatchObject({ status: 'unknown', failure: { code: 'sql.interrupted' } });
    expect(await effects()).toEqual(['a', 'b']);
    expect(await journal()).toEqual(['1 done', '2 started']);
  });

  it('gives its lock back', async () => {
    await build(pkg, { options });
    expect(await build(pkg, { options, buildId: 'build-2' })).toMatchObject({
      status: 'committed',
      counters: { logins: 1 },
    });
  });
});

describe('the log of a build', () => {
  it('does the same to another database when it is run', async () => {
    const result = await build(
      packageOf([
        create,
        script([insert('a'), insert("#BuildFileName#''*/")]),
        script(insert('bad'), { causesBuildFailure: false }),
      ]),
    );
    const original = await effects();
    const other = await fleet.newDatabase();
    const connection = await fleet.connect(other);
    for (const batch of result.log.replaceAll(`USE [${database}];`, '').split(/^GO$/m)) {
      await connection.execute(batch, { timeoutMs: 5_000, maximumRows: 10 });
    }
    expect(connection.transaction).toBeNull();
    await connection.close();
    expect(await values('SELECT name FROM dbo.effects ORDER BY id', other)).toEqual(original);
    expect(original).toEqual(['a', "package.sbm'*/"]);
  });
});
