import { type Client, type EngineUnderTest, startEngine } from './engine-under-test';

/** What install and migration scripts of other products lean on, beyond tables and procedures. */

let engine: EngineUnderTest;
let client: Client;
let database = 0;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine.stop());
beforeEach(async () => {
  client = await engine.open(`install${++database}`);
});
afterEach(() => client.session.close());

const prints = async (text: string): Promise<string[]> => (await client.run(text)).infos.map((info) => info.message);

describe('functions of several statements', () => {
  beforeEach(() =>
    client.rows(`CREATE FUNCTION dbo.Split (@text nvarchar(max), @by nchar(1)) RETURNS @parts TABLE (Id int IDENTITY(1,1) PRIMARY KEY, Part nvarchar(100)) AS
      BEGIN
        DECLARE @at int;
        WHILE LEN(@text) > 0
        BEGIN
          SET @at = CHARINDEX(@by, @text);
          IF @at = 0 BEGIN INSERT @parts (Part) VALUES (@text); BREAK END;
          INSERT INTO @parts (Part) VALUES (LEFT(@text, @at - 1));
          SET @text = SUBSTRING(@text, @at + 1, LEN(@text));
        END;
        RETURN
      END`),
  );

  test('fill the table that they return, anew for each call', async () => {
    expect(await client.rows("SELECT Id, Part FROM dbo.Split(N'a,b', N',') ORDER BY Id")).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
    expect(
      await client.rows(
        "SELECT x.n, s.Id, s.Part FROM (VALUES (1, N'a b'), (2, N'c')) x (n, t) CROSS APPLY dbo.Split(x.t, N' ') s ORDER BY x.n, s.Id",
      ),
    ).toEqual([
      [1, 1, 'a'],
      [1, 2, 'b'],
      [2, 1, 'c'],
    ]);
    expect(await client.rows("SELECT type, type_desc FROM sys.objects WHERE name = 'Split'")).toEqual([
      ['TF', 'SQL_TABLE_VALUED_FUNCTION'],
    ]);
  });

  test('are compiled when they are created, and outlive a rollback', async () => {
    expect(await client.fails("SELECT Nope FROM dbo.Split(N'a', N',')")).toEqual([207]);
    expect(await client.fails("SELECT * FROM dbo.Split(N'a')")).toEqual([313]);
    expect(
      await client.fails(
        'CREATE FUNCTION dbo.Bad () RETURNS @r TABLE (V int) AS BEGIN INSERT @r (Nope) VALUES (1); RETURN END',
      ),
    ).toEqual([207]);
    await client.rows("BEGIN TRAN; SELECT * FROM dbo.Split(N'a', N','); ROLLBACK");
    expect(await client.value("SELECT COUNT(*) FROM dbo.Split(N'a,b', N',')")).toBe(2);
  });

  test('climb a tree by @@ROWCOUNT', async () => {
    await client.rows(
      'CREATE TABLE dbo.Tree (Id int PRIMARY KEY, P int); INSERT dbo.Tree VALUES (1, NULL), (2, 1), (3, 2), (4, NULL)',
    );
    await client.rows(`CREATE FUNCTION dbo.Below (@id int) RETURNS @r TABLE (Id int) AS BEGIN
      INSERT @r VALUES (@id);
      WHILE @@ROWCOUNT > 0 INSERT @r SELECT t.Id FROM dbo.Tree t JOIN @r r ON t.P = r.Id WHERE t.Id NOT IN (SELECT Id FROM @r);
      RETURN END`);
    expect(await client.rows('SELECT Id FROM dbo.Below(1) ORDER BY Id')).toEqual([[1], [2], [3]]);
  });

  test('do not call themselves', async () => {
    await client.rows(
      'CREATE FUNCTION dbo.Own (@n int) RETURNS @r TABLE (V int) AS BEGIN IF @n > 0 INSERT @r SELECT V + 1 FROM dbo.Own(@n - 1); RETURN END',
    );
    expect(await client.fails('SELECT * FROM dbo.Own(2)')).toEqual([49999]);
  });

  test('scalar ones may use table variables, and may not call procedures', async () => {
    await client.rows(
      'CREATE FUNCTION dbo.Total (@n int) RETURNS int AS BEGIN DECLARE @t TABLE (a int); INSERT @t VALUES (@n), (@n * 2); RETURN (SELECT SUM(a) FROM @t) END',
    );
    expect(await client.rows('SELECT dbo.Total(1), dbo.Total(5)')).toEqual([[3, 15]]);
    await client.rows('CREATE PROCEDURE dbo.P AS SELECT 1');
    await client.rows('CREATE FUNCTION dbo.Calls () RETURNS int AS BEGIN EXEC dbo.P; RETURN 1 END');
    expect(await client.fails('SELECT dbo.Calls()')).toEqual([557]);
  });
});

describe('cursors', () => {
  beforeEach(() => client.rows('CREATE TABLE dbo.N (Id int); INSERT dbo.N VALUES (1), (2)'));
  const loop =
    'DECLARE @x int; FETCH NEXT FROM # INTO @x; WHILE @@FETCH_STATUS = 0 BEGIN PRINT @x; FETCH NEXT FROM # INTO @x END; CLOSE #; DEALLOCATE #';

  test('of a variable', async () => {
    const text = `DECLARE @c CURSOR; SET @c = CURSOR FAST_FORWARD FOR SELECT Id FROM dbo.N ORDER BY Id; OPEN @c; ${loop.replaceAll('#', '@c')}`;
    expect(await prints(text)).toEqual(['1', '2']);
    expect(await client.fails('DECLARE @c CURSOR; OPEN @c')).toEqual([16950]);
  });

  test('local ones end with their batch, global ones do not', async () => {
    await client.rows('DECLARE c CURSOR LOCAL FOR SELECT Id FROM dbo.N; OPEN c');
    expect(await client.fails('OPEN c')).toEqual([16916]);
    await client.rows('DECLARE c CURSOR GLOBAL FOR SELECT Id FROM dbo.N ORDER BY Id');
    expect(await prints(`OPEN c; ${loop.replaceAll('#', 'c')}`)).toEqual(['1', '2']);
  });
});

describe('errors of dynamic SQL', () => {
  beforeEach(() => client.rows('CREATE TABLE dbo.T (Id int)'));

  test.each(['SELECT Nope FROM dbo.T', 'SELECT * FROM dbo.Missing', 'SELECT FROM'])(
    'TRY around EXEC catches: %s',
    async (text) => {
      const caught = await client.value(
        `BEGIN TRY EXEC('${text}') END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH`,
      );
      expect([156, 207, 208]).toContain(caught);
    },
  );

  test('without TRY the caller goes on', async () => {
    const answer = await client.run("EXEC('SELECT Nope FROM dbo.T'); PRINT 'goes on'");
    expect(answer.errors.map((error) => error.number)).toEqual([207]);
    expect(answer.infos.map((info) => info.message)).toEqual(['goes on']);
  });
});

test('rows become one string by FOR XML PATH', async () => {
  await client.rows(
    "CREATE TABLE dbo.N (Id int, S nvarchar(20)); INSERT dbo.N VALUES (1, N'a<b'), (2, N'c'), (3, NULL)",
  );
  const list = (more: string): Promise<unknown> =>
    client.value(`SELECT STUFF((SELECT ',' + S FROM dbo.N ORDER BY Id FOR XML PATH('')${more}, 1, 1, '')`);
  expect(await list(')')).toBe('a&lt;b,c');
  expect(await list(", TYPE).value('.', 'nvarchar(max)')")).toBe('a<b,c');
  expect(await client.fails('SELECT S FROM dbo.N FOR XML EXPLICIT')).toEqual([49999]);
});

test('SET NOEXEC ON: batches are compiled and not run', async () => {
  await client.rows('CREATE TABLE dbo.T (Id int)');
  expect(await prints("SET NOEXEC ON; PRINT 'no'")).toEqual([]);
  await client.rows('DROP TABLE dbo.T');
  expect(await client.fails('SELECT Nope FROM dbo.T')).toEqual([207]);
  expect(
    await prints("DECLARE @done bit; SET @done = 1; SET NOEXEC OFF; IF @done = 1 PRINT 'yes' ELSE PRINT 'no'"),
  ).toEqual(['no']);
  expect(await client.value("SELECT COUNT(*) FROM sys.tables WHERE name = 'T'")).toBe(1);
});

test('temporary procedures belong to their session', async () => {
  await client.rows('CREATE PROC #p @a int AS SELECT @a * 2');
  expect(await client.value('EXEC #p 4')).toBe(8);
  const other = await engine.open(`install${database}`);
  expect(await other.fails('EXEC #p 4')).toEqual([2812]);
  await other.session.close();
  await client.rows('DROP PROC #p');
  expect(await client.fails('EXEC #p 4')).toEqual([2812]);
});

test('SET ROWCOUNT limits changes', async () => {
  await client.rows(
    'CREATE TABLE dbo.R (a int); INSERT dbo.R VALUES (1), (2), (3); SET ROWCOUNT 2; DELETE dbo.R; SET ROWCOUNT 0',
  );
  expect(await client.value('SELECT COUNT(*) FROM dbo.R')).toBe(1);
});

test('procedures from before SQL Server 2005', async () => {
  await client.rows(
    "EXEC sp_addrole 'readers'; EXEC sp_addtype 'birthday', 'datetime', 'NOT NULL'; CREATE TABLE dbo.People (b birthday)",
  );
  expect(await client.value("SELECT name FROM sys.database_principals WHERE name = 'readers' AND type = 'R'")).toBe(
    'readers',
  );
  await client.rows('GRANT SELECT ON dbo.People TO readers; CREATE TABLE dbo.Numbers (a int CHECK (a > 0))');
  expect((await client.rows('EXEC sp_helprotect'))[0]?.slice(1, 6)).toEqual([
    'People',
    'readers',
    'dbo',
    'Grant',
    'Select',
  ]);
  await client.rows("EXEC sp_MSforeachtable 'ALTER TABLE ? NOCHECK CONSTRAINT ALL'; INSERT dbo.Numbers VALUES (-1)");
});

test('sp_helpindex describes the indexes of a table', async () => {
  await client.rows(
    'CREATE TABLE dbo.T (Id int CONSTRAINT PK_T PRIMARY KEY, A int); CREATE INDEX IX_T ON dbo.T (A DESC, Id)',
  );
  expect(await client.rows("EXEC sp_helpindex 'dbo.T'")).toEqual([
    ['IX_T', 'nonclustered located on PRIMARY', 'A(-), Id'],
    ['PK_T', 'clustered, unique, primary key located on PRIMARY', 'Id'],
  ]);
});

test.each([
  ['the function COMPRESS', "SELECT COMPRESS('a')"],
  ['the system view sys.sysprocesses', 'SELECT * FROM sys.sysprocesses'],
  ['the system procedure sp_spaceused', 'EXEC sp_spaceused'],
])('what SQL Server has and the stand-in has not is named: %s', async (name, text) => {
  const answer = await client.run(text);
  expect(answer.errors[0]?.number).toBe(49999);
  expect(answer.errors[0]?.message).toContain(name);
});

test('a violated key of a table variable is an error of its statement alone', async () => {
  const answer = await client.run(
    'DECLARE @t TABLE (a int PRIMARY KEY); INSERT @t VALUES (1); INSERT @t VALUES (1); SELECT COUNT(*) FROM @t',
  );
  expect(answer.errors.map((error) => error.number)).toEqual([2627]);
  expect(answer.results[0]?.rows).toEqual([[1]]);
});
