import { type Client, type EngineUnderTest, parameter, startEngine } from './engine-under-test';

let engine: EngineUnderTest;
let client: Client;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine.stop());
beforeEach(async () => {
  client = await engine.open();
  await client.rows(
    "IF OBJECT_ID(N'dbo.T') IS NULL CREATE TABLE dbo.T (Id int NOT NULL CONSTRAINT PK_T PRIMARY KEY, N int NULL); DELETE dbo.T",
  );
});
afterEach(() => client.session.close());

const ids = (): Promise<unknown> => client.rows('SELECT Id FROM dbo.T ORDER BY Id');

describe('errors of a statement', () => {
  test('leave the batch and the transaction as they are', async () => {
    const answer = await client.run(
      'BEGIN TRAN; INSERT dbo.T (Id) VALUES (1);\nINSERT dbo.T (Id) VALUES (1);\nINSERT dbo.T (Id) VALUES (2); COMMIT',
    );
    expect(answer.errors).toMatchObject([
      {
        number: 2627,
        severity: 14,
        state: 1,
        line: 2,
        message:
          "Violation of PRIMARY KEY constraint 'PK_T'. Cannot insert duplicate key in object 'dbo.T'. The duplicate key value is (1).",
      },
    ]);
    expect(answer.infos).toMatchObject([{ number: 3621, message: 'The statement has been terminated.' }]);
    expect(await ids()).toEqual([[1], [2]]);
  });

  test('under XACT_ABORT end the batch and roll everything back', async () => {
    const answer = await client.run(
      'SET XACT_ABORT ON; BEGIN TRAN; INSERT dbo.T (Id) VALUES (1), (1); INSERT dbo.T (Id) VALUES (2); COMMIT',
    );
    expect(answer.errors.map((error) => error.number)).toEqual([2627]);
    expect(answer.environment.map(({ kind }) => kind)).toEqual(['beginTransaction', 'rollbackTransaction']);
    expect(await ids()).toEqual([]);
  });

  test('of a conversion end the batch and roll back also without XACT_ABORT', async () => {
    const answer = await client.run(
      "BEGIN TRAN; INSERT dbo.T (Id) VALUES (1); SELECT CAST('abc' AS int); INSERT dbo.T (Id) VALUES (2)",
    );
    expect(answer.errors).toMatchObject([
      { number: 245, message: "Conversion failed when converting the varchar value 'abc' to data type int." },
    ]);
    expect(await ids()).toEqual([]);
    expect(await client.value('SELECT @@TRANCOUNT')).toBe(0);
  });

  test('by RAISERROR do not concern XACT_ABORT, by THROW they do', async () => {
    const raised = await client.run(
      "SET XACT_ABORT ON; BEGIN TRAN; RAISERROR('no %s %d', 16, 3, 'x', 7); INSERT dbo.T (Id) VALUES (1); COMMIT",
    );
    expect(raised.errors).toMatchObject([{ number: 50000, state: 3, message: 'no x 7' }]);
    expect(await ids()).toEqual([[1]]);
    const thrown = await client.run("BEGIN TRAN; INSERT dbo.T (Id) VALUES (2); THROW 50123, N'thrown', 9; COMMIT");
    expect(thrown.errors).toMatchObject([{ number: 50123, state: 9, severity: 16, message: 'thrown' }]);
    expect(await client.value('SELECT @@TRANCOUNT')).toBe(0);
  });
});

describe('TRY', () => {
  test('CATCH sees the error, and dooms the transaction under XACT_ABORT', async () => {
    const rows = await client.rows(`SET XACT_ABORT ON; BEGIN TRAN; INSERT dbo.T (Id) VALUES (1)
BEGIN TRY
  INSERT dbo.T (Id) VALUES (1)
END TRY
BEGIN CATCH
  DECLARE @n int = ERROR_NUMBER(), @l int = ERROR_LINE(), @x int = XACT_STATE(), @second int
  BEGIN TRY INSERT dbo.T (Id) VALUES (5) END TRY BEGIN CATCH SET @second = ERROR_NUMBER() END CATCH
  ROLLBACK
  SELECT @n, @l, @x, @second, XACT_STATE()
END CATCH`);
    expect(rows).toEqual([[2627, 3, -1, 3930, 0]]);
  });

  test('a doomed transaction that the batch leaves open is rolled back with 3998', async () => {
    const answer = await client.run(
      'SET XACT_ABORT ON; BEGIN TRAN; BEGIN TRY SELECT 1/0 END TRY BEGIN CATCH PRINT ERROR_MESSAGE() END CATCH',
    );
    expect(answer.errors.map((error) => error.number)).toEqual([3998]);
    expect(answer.infos.map((info) => info.message)).toEqual(['Divide by zero error encountered.']);
    expect(await client.value('SELECT @@TRANCOUNT')).toBe(0);
  });

  test('does not catch a missing table of its own scope, but one of an inner scope', async () => {
    expect(await client.fails("BEGIN TRY SELECT * FROM dbo.Gone END TRY BEGIN CATCH PRINT 'caught' END CATCH")).toEqual(
      [208],
    );
    const inner = await client.run(
      "BEGIN TRY EXEC('SELECT * FROM dbo.Gone') END TRY BEGIN CATCH PRINT ERROR_MESSAGE() END CATCH",
    );
    expect([inner.errors, inner.infos.map((info) => info.message)]).toEqual([[], ["Invalid object name 'dbo.Gone'."]]);
  });

  test('THROW alone passes on what was caught, with its line and procedure', async () => {
    await client.run('CREATE OR ALTER PROCEDURE dbo.Fails AS\nBEGIN\n  SELECT 1/0\nEND');
    const answer = await client.run('BEGIN TRY EXEC dbo.Fails END TRY BEGIN CATCH THROW END CATCH; PRINT 1');
    expect(answer.errors).toMatchObject([{ number: 8134, line: 3, procedure: 'Fails' }]);
    expect(answer.infos).toEqual([]);
  });
});

describe('transactions', () => {
  test('nest by counting, and roll back as one', async () => {
    const answer = await client.run(
      'BEGIN TRAN a; BEGIN TRAN b; INSERT dbo.T (Id) VALUES (1); COMMIT; SELECT @@TRANCOUNT; ROLLBACK; SELECT @@TRANCOUNT',
    );
    expect(answer.results.map(({ rows }) => rows)).toEqual([[[1]], [[0]]]);
    expect(answer.environment.map(({ kind }) => kind)).toEqual(['beginTransaction', 'rollbackTransaction']);
    expect(await ids()).toEqual([]);
  });

  test('each have a descriptor of their own', async () => {
    const answer = await client.run('BEGIN TRAN; COMMIT; BEGIN TRAN; SELECT CURRENT_TRANSACTION_ID(); COMMIT');
    const descriptors = answer.environment.map((change) => ('descriptor' in change ? change.descriptor : 0n));
    expect(descriptors[0]).toBe(descriptors[1]);
    expect(descriptors[2]).not.toBe(descriptors[0]);
    expect(answer.results[0]?.rows).toEqual([[descriptors[2]]]);
  });

  test('savepoints undo what came after them, definitions too', async () => {
    await client.rows(
      'BEGIN TRAN; INSERT dbo.T (Id) VALUES (1); SAVE TRAN s; CREATE TABLE dbo.U (Id int); INSERT dbo.T (Id) VALUES (2); ROLLBACK TRAN s; COMMIT',
    );
    expect([await ids(), await client.value("SELECT OBJECT_ID(N'dbo.U')")]).toEqual([[[1]], null]);
  });

  test.each([
    ['COMMIT', 3902],
    ['ROLLBACK', 3903],
    ['SAVE TRAN s', 628],
    ['BEGIN TRAN; ROLLBACK TRAN nosuch', 6401],
  ])('%s out of place', async (text, number) => {
    expect(await client.fails(text)).toEqual([number]);
  });

  test('roll back what they defined and renamed', async () => {
    await client.rows(
      "BEGIN TRAN; EXEC sp_rename 'dbo.T.N', 'M', 'COLUMN'; ALTER TABLE dbo.T ADD X int NOT NULL DEFAULT 4; CREATE INDEX IX ON dbo.T (M); ROLLBACK",
    );
    expect(
      await client.rows("SELECT name FROM sys.columns WHERE object_id = OBJECT_ID(N'dbo.T') ORDER BY column_id"),
    ).toEqual([['Id'], ['N']]);
    expect(await client.value("SELECT COUNT(*) FROM sys.indexes WHERE name = 'IX'")).toBe(0);
    expect(await client.fails('SELECT M FROM dbo.T')).toEqual([207]);
  });

  test('do not concern table variables', async () => {
    const rows = await client.rows(
      "DECLARE @t TABLE (Id int IDENTITY, Text varchar(10)); BEGIN TRAN; INSERT @t VALUES ('kept'); ROLLBACK; INSERT @t VALUES ('later'); SELECT * FROM @t ORDER BY Id",
    );
    expect(rows).toEqual([
      [1, 'kept'],
      [2, 'later'],
    ]);
  });

  test('come from the driver as well', async () => {
    await client.send({ kind: 'transaction', operation: { kind: 'begin', isolation: 'serializable', name: '' } });
    await client.rows('INSERT dbo.T (Id) VALUES (1)');
    await client.send({ kind: 'transaction', operation: { kind: 'save', name: 'p' } });
    await client.rows('INSERT dbo.T (Id) VALUES (2)');
    await client.send({ kind: 'transaction', operation: { kind: 'rollback', name: 'p' } });
    const committed = await client.send({ kind: 'transaction', operation: { kind: 'commit', name: '' } });
    expect(committed.environment.map(({ kind }) => kind)).toEqual(['commitTransaction']);
    expect(await ids()).toEqual([[1]]);
  });
});

describe('two sessions', () => {
  let other: Client;
  beforeEach(async () => {
    other = await engine.open();
  });
  afterEach(() => other.session.close());

  test('see of each other only what is committed', async () => {
    await client.rows('BEGIN TRAN; INSERT dbo.T (Id) VALUES (1); CREATE TABLE dbo.Hidden (Id int)');
    expect(await other.rows("SELECT COUNT(*), OBJECT_ID(N'dbo.Hidden') FROM dbo.T")).toEqual([[0, null]]);
    await client.rows('COMMIT');
    expect(await other.rows('SELECT * FROM dbo.Hidden; SELECT Id FROM dbo.T')).toEqual([[1]]);
    await client.rows('DROP TABLE dbo.Hidden');
    expect(await other.fails('SELECT * FROM dbo.Hidden')).toEqual([208]);
  });

  test('wait for locks as long as LOCK_TIMEOUT says', async () => {
    await client.rows('INSERT dbo.T (Id) VALUES (1); BEGIN TRAN; UPDATE dbo.T SET N = 1');
    const answer = await other.run('SET LOCK_TIMEOUT 30; BEGIN TRAN; UPDATE dbo.T SET N = 2; SELECT @@TRANCOUNT');
    expect(answer.errors).toMatchObject([{ number: 1222 }]);
    expect(answer.results[0]?.rows).toEqual([[1]]);
    await client.rows('ROLLBACK');
    await other.rows('UPDATE dbo.T SET N = 2; COMMIT');
  });

  test('that wait for each other lose one: 1205', async () => {
    await client.rows('INSERT dbo.T (Id) VALUES (1), (2); BEGIN TRAN; UPDATE dbo.T SET N = 1 WHERE Id = 1');
    await other.rows('BEGIN TRAN; UPDATE dbo.T SET N = 2 WHERE Id = 2');
    const both = await Promise.all([
      client.run('UPDATE dbo.T SET N = 1 WHERE Id = 2; SELECT @@TRANCOUNT'),
      other.run('UPDATE dbo.T SET N = 2 WHERE Id = 1; SELECT @@TRANCOUNT'),
    ]);
    const errors = both.flatMap((answer) => answer.errors);
    expect(errors).toMatchObject([{ number: 1205, severity: 13 }]);
    const [victim, survivor] = both[0].errors.length > 0 ? [client, other] : [other, client];
    expect([await victim.value('SELECT @@TRANCOUNT'), await survivor.value('SELECT @@TRANCOUNT')]).toEqual([0, 1]);
    await survivor.rows('COMMIT');
  });

  test('share and exclude each other by application locks', async () => {
    const lock = (mode: string, owner: string, timeoutMs: number): string =>
      `DECLARE @r int; EXEC @r = sp_getapplock N'res', '${mode}', '${owner}', ${timeoutMs}; SELECT @r`;
    expect(await client.value(lock('Exclusive', 'Transaction', 0))).toBe(-999);
    expect(await client.value(lock('Shared', 'Session', 0))).toBe(0);
    expect(await other.value(lock('Shared', 'Session', 0))).toBe(0);
    expect(await other.value(lock('Exclusive', 'Session', 20))).toBe(-1);
    await client.rows("EXEC sp_releaseapplock N'res', 'Session'");
    expect(await other.value(lock('Exclusive', 'Session', 1000))).toBe(0);
    expect(await client.fails("EXEC sp_releaseapplock N'res', 'Session'")).toEqual([1223]);
    const waiting = client.value(lock('Exclusive', 'Session', 10_000));
    await other.session.close();
    expect(Number(await waiting)).toBeGreaterThanOrEqual(0);
  });
});

describe('attention', () => {
  test.each([
    ['WAITFOR', "WAITFOR DELAY '00:01:00'"],
    ['a loop that never asks PostgreSQL', 'DECLARE @i int = 0; WHILE 1 = 1 SET @i = @i'],
    [
      'a query that takes long',
      `SELECT COUNT(*) FROM ${'abcdefghij'
        .split('')
        .map((name) => `(VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)) AS ${name}(n)`)
        .join(' CROSS JOIN ')}`,
    ],
  ])('stops %s and keeps the transaction', async (_what, text) => {
    await client.rows('BEGIN TRAN; INSERT dbo.T (Id) VALUES (1)');
    const attention = new AbortController();
    setTimeout(() => attention.abort(), 40);
    const answer = await client.run(`${text}; INSERT dbo.T (Id) VALUES (2)`, attention.signal);
    expect(answer.errors).toEqual([]);
    expect(await client.rows('SELECT @@TRANCOUNT, COUNT(*) FROM dbo.T')).toEqual([[1, 1]]);
    await client.rows('ROLLBACK');
  });

  test('rolls back under XACT_ABORT', async () => {
    const attention = new AbortController();
    setTimeout(() => attention.abort(), 40);
    const answer = await client.run(
      "SET XACT_ABORT ON; BEGIN TRAN; INSERT dbo.T (Id) VALUES (1); WAITFOR DELAY '00:01:00'",
      attention.signal,
    );
    expect(answer.environment.map(({ kind }) => kind)).toEqual(['beginTransaction', 'rollbackTransaction']);
    expect(await ids()).toEqual([]);
  });
});

describe('calls over the wire', () => {
  test('sp_executesql takes and returns values', async () => {
    const answer = await client.send({
      kind: 'procedure',
      name: 'sp_executesql',
      parameters: [
        parameter('', "SELECT @a + 1 AS r; SET @b = N'out' + @b"),
        parameter('', '@a int, @b nvarchar(20) OUTPUT'),
        parameter('@a', 41),
        parameter('@b', 'x', true),
      ],
    });
    expect([answer.results[0]?.rows, answer.outputs, answer.status]).toEqual([[[42]], { '@b': 'outx' }, 0]);
  });

  test('statements are prepared, executed and forgotten', async () => {
    const prepared = await client.send({
      kind: 'procedure',
      name: 'sp_prepare',
      parameters: [
        parameter('@handle', null, true),
        parameter('@params', '@a int'),
        parameter('@stmt', 'SELECT @a * 2'),
      ],
    });
    const handle = prepared.outputs['@handle'] ?? null;
    expect(
      (
        await client.send({
          kind: 'procedure',
          name: 'sp_execute',
          parameters: [parameter('', Number(handle)), parameter('@a', 4)],
        })
      ).results[0]?.rows,
    ).toEqual([[8]]);
    await client.send({ kind: 'procedure', name: 'sp_unprepare', parameters: [parameter('', Number(handle))] });
    expect(
      (
        await client.send({
          kind: 'procedure',
          name: 'sp_execute',
          parameters: [parameter('', Number(handle)), parameter('@a', 4)],
        })
      ).errors,
    ).toMatchObject([{ number: 8179 }]);
  });

  test('a procedure returns its status and its outputs', async () => {
    await client.run('CREATE OR ALTER PROCEDURE dbo.Twice @a int, @b int = 5 OUTPUT AS SET @b = @a * 2; RETURN 7');
    const answer = await client.send({
      kind: 'procedure',
      name: 'dbo.Twice',
      parameters: [parameter('@a', 4), parameter('@b', 0, true)],
    });
    expect([answer.outputs, answer.status]).toEqual([{ '@b': 8 }, 7]);
  });

  test('a reset forgets options, temporary tables and the open transaction', async () => {
    await client.rows('SET XACT_ABORT ON; CREATE TABLE #t (Id int); BEGIN TRAN; INSERT dbo.T (Id) VALUES (1)');
    await client.session.reset();
    expect(
      await client.rows("SELECT @@TRANCOUNT, OBJECT_ID(N'tempdb..#t'), @@OPTIONS & 16384 FROM (SELECT 1 AS x) AS one"),
    ).toEqual([[0, null, 0]]);
    expect(await ids()).toEqual([]);
  });
});

test('more sessions than backends: idle ones hold none', async () => {
  const small = await startEngine(3);
  const clients = await Promise.all(Array.from({ length: 20 }, () => small.open('many')));
  await Promise.all(clients.map((one, index) => one.rows(`SELECT ${index}`)));
  expect(await Promise.all(clients.map((one) => one.value('SELECT 1')))).toEqual(clients.map(() => 1));
  await small.stop();
});
