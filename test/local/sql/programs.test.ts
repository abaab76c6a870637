import { type Client, type EngineUnderTest, startEngine } from './engine-under-test';

/** Changes of data, modules and flow. */

let engine: EngineUnderTest;
let client: Client;
let database = 0;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine.stop());
beforeEach(async () => {
  client = await engine.open(`programs${++database}`);
  await client.rows(`CREATE TABLE dbo.P (Id int NOT NULL CONSTRAINT PK_P PRIMARY KEY, Q int NULL, N nvarchar(20) NULL);
    INSERT dbo.P VALUES (1, 10, N'a'), (2, 20, N'b'), (3, NULL, N'c')`);
});
afterEach(() => client.session.close());

const prints = async (text: string): Promise<string[]> => {
  const answer = await client.run(text);
  expect(answer.errors).toEqual([]);
  return answer.infos.map((info) => info.message);
};

describe('changes', () => {
  test('count their rows and return them by OUTPUT', async () => {
    expect(
      await client.rows('UPDATE dbo.P SET Q = ISNULL(Q, 0) + 1 OUTPUT deleted.Q, inserted.Q WHERE Id > 1'),
    ).toEqual([
      [20, 21],
      [null, 1],
    ]);
    expect(await client.rows('DELETE TOP (1) FROM dbo.P; SELECT @@ROWCOUNT')).toEqual([[1]]);
    expect((await client.run('INSERT dbo.P (Id) SELECT Id + 10 FROM dbo.P')).rowCounts).toEqual([2]);
    expect((await client.run('SET NOCOUNT ON; DELETE dbo.P')).rowCounts).toEqual([null]);
  });

  test('join other tables', async () => {
    await client.rows('CREATE TABLE dbo.R (PId int, V int); INSERT dbo.R VALUES (1, 5), (3, 7)');
    await client.rows(
      'UPDATE p SET Q = r.V FROM dbo.P AS p INNER JOIN dbo.R AS r ON r.PId = p.Id; DELETE p FROM dbo.P p LEFT JOIN dbo.R r ON r.PId = p.Id WHERE r.PId IS NULL',
    );
    expect(await client.rows('SELECT Id, Q FROM dbo.P')).toEqual([
      [1, 5],
      [3, 7],
    ]);
  });

  test('merge', async () => {
    const answer = await client.run(`MERGE dbo.P AS t USING (VALUES (1, N'x'), (9, N'y')) AS s (Id, N) ON t.Id = s.Id
      WHEN MATCHED THEN UPDATE SET N = s.N WHEN NOT MATCHED THEN INSERT (Id, N) VALUES (s.Id, s.N) WHEN NOT MATCHED BY SOURCE AND t.Id = 3 THEN DELETE
      OUTPUT $action, ISNULL(inserted.Id, deleted.Id);`);
    expect(answer.results[0]?.rows.sort()).toEqual([
      ['DELETE', 3],
      ['INSERT', 9],
      ['UPDATE', 1],
    ]);
    expect(await client.rows('SELECT Id, N FROM dbo.P')).toEqual([
      [1, 'x'],
      [2, 'b'],
      [9, 'y'],
    ]);
    expect(await client.fails('MERGE dbo.P AS t USING dbo.P AS s ON t.Id = s.Id WHEN MATCHED THEN DELETE')).toEqual([
      10713,
    ]);
    expect(
      await client.fails(
        'MERGE dbo.P AS t USING (VALUES (1), (1)) AS s (Id) ON t.Id = s.Id WHEN MATCHED THEN UPDATE SET Q = 1;',
      ),
    ).toEqual([8672]);
  });

  test('go through views and common table expressions over one table', async () => {
    await client.rows('CREATE VIEW dbo.V AS SELECT Id AS Num, N AS Label FROM dbo.P WHERE Id < 5');
    await client.rows(
      "UPDATE dbo.V SET Label = N'z' WHERE Num = 1; DELETE dbo.V WHERE Num = 2; INSERT dbo.V (Num, Label) VALUES (4, N'd')",
    );
    await client.rows(
      'WITH d AS (SELECT *, ROW_NUMBER() OVER (ORDER BY Id DESC) AS rn FROM dbo.P) DELETE FROM d WHERE rn = 2',
    );
    expect(await client.rows('SELECT Num, Label FROM dbo.V')).toEqual([
      [1, 'z'],
      [4, 'd'],
    ]);
  });

  test('two sessions that add to the same row both count', async () => {
    const other = await engine.open(client.session.database);
    await client.rows('BEGIN TRAN; UPDATE dbo.P SET Q = Q + 1 WHERE Id = 1');
    const waiting = other.rows('UPDATE dbo.P SET Q = Q + 1 WHERE Id = 1');
    await client.rows('COMMIT');
    await waiting;
    expect(await client.value('SELECT Q FROM dbo.P WHERE Id = 1')).toBe(12);
    await other.session.close();
  });
});

describe('queries', () => {
  test('recurse as deep as they may', async () => {
    const recursion = (limit: number): string =>
      `WITH c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < ${limit}) SELECT COUNT(*) FROM c`;
    expect(await client.value(recursion(100))).toBe(100);
    expect(await client.fails(recursion(102))).toEqual([530]);
    expect(await client.value(`${recursion(500)} OPTION (MAXRECURSION 0)`)).toBe(500);
  });

  test('gather values in variables, row by row', async () => {
    expect(
      await client.rows(
        "DECLARE @s nvarchar(100) = N''; SELECT @s = @s + N + N',' FROM dbo.P ORDER BY Id DESC; SELECT @s",
      ),
    ).toEqual([['c,b,a,']]);
    expect(
      await client.rows(
        "DECLARE @s nvarchar(100); SELECT @s = COALESCE(@s + N',', N'') + N FROM dbo.P ORDER BY Id; SELECT @s, @@ROWCOUNT",
      ),
    ).toEqual([['a,b,c', 1]]);
    expect(await client.rows('DECLARE @i int = 7; SELECT @i = Id FROM dbo.P WHERE 1 = 0; SELECT @i')).toEqual([[7]]);
  });

  test('number, sum and look around', async () => {
    expect(
      await client.rows(
        'SELECT Id, ROW_NUMBER() OVER (ORDER BY Id DESC), SUM(Q) OVER (), LAG(Id) OVER (ORDER BY Id) FROM dbo.P ORDER BY Id',
      ),
    ).toEqual([
      [1, 3n, 30, null],
      [2, 2n, 30, 1],
      [3, 1n, 30, 2],
    ]);
    expect(
      await client.rows(
        "SELECT COUNT(*), COUNT(Q), AVG(Q), STRING_AGG(N, N'+') WITHIN GROUP (ORDER BY Id DESC) FROM dbo.P",
      ),
    ).toEqual([[3, 2, 15, 'c+b+a']]);
    expect(
      await client.rows(
        'SELECT p.Id, x.V FROM dbo.P p OUTER APPLY (SELECT TOP 1 r.Id AS V FROM dbo.P r WHERE r.Id > p.Id ORDER BY r.Id) x ORDER BY p.Id',
      ),
    ).toEqual([
      [1, 2],
      [2, 3],
      [3, null],
    ]);
    expect(await client.rows('SELECT Id FROM dbo.P ORDER BY Q')).toEqual([[3], [1], [2]]);
    expect(await client.rows('SELECT TOP 50 PERCENT Id FROM dbo.P ORDER BY Id')).toEqual([[1], [2]]);
  });

  test('views follow their tables', async () => {
    await client.rows('CREATE VIEW dbo.V AS SELECT * FROM dbo.P');
    await client.rows(
      "ALTER TABLE dbo.P ADD X int; EXEC sp_rename 'dbo.P.Q', 'QQ', 'COLUMN'; ALTER TABLE dbo.P ALTER COLUMN N nvarchar(50)",
    );
    expect((await client.run('SELECT * FROM dbo.V')).results[0]?.columns).toHaveLength(3);
    expect(await client.fails('CREATE VIEW dbo.W AS SELECT Id FROM dbo.P ORDER BY Id')).toEqual([1033]);
    expect(await client.fails('CREATE VIEW dbo.W AS SELECT Id + 1 FROM dbo.P')).toEqual([4511]);
  });
});

describe('modules', () => {
  test('procedures take arguments by name and position, with defaults and outputs', async () => {
    await client.rows(
      "CREATE PROCEDURE dbo.Add1 @a int, @b nvarchar(10) = N'x', @c int = 0 OUTPUT AS BEGIN SET NOCOUNT ON; SET @c = @a + @c; SELECT @a, @b; RETURN @a * 2 END",
    );
    expect(
      await client.rows('DECLARE @r int, @o int = 5; EXEC @r = dbo.Add1 @a = 3, @c = @o OUTPUT; SELECT @r, @o'),
    ).toEqual([[6, 8]]);
    expect(await client.rows("EXEC Add1 4, N'y'")).toEqual([[4, 'y']]);
    expect(await client.fails('EXEC dbo.Add1')).toEqual([201]);
    expect(await client.fails('EXEC dbo.Add1 @z = 1')).toEqual([8145]);
    expect(await client.fails("EXEC dbo.Add1 1, N'x', 1, 2")).toEqual([8144]);
    expect(await client.fails('EXEC dbo.Nope')).toEqual([2812]);
    expect(
      await client.rows(
        "SELECT name, is_output, has_default_value FROM sys.parameters WHERE object_id = OBJECT_ID('dbo.Add1') ORDER BY parameter_id",
      ),
    ).toEqual([
      ['@a', false, false],
      ['@b', false, true],
      ['@c', true, true],
    ]);
  });

  test('procedures read tables that are passed to them', async () => {
    await client.rows('CREATE TYPE dbo.IdList AS TABLE (Id int NOT NULL PRIMARY KEY)');
    await client.rows(
      'CREATE PROCEDURE dbo.Total @ids dbo.IdList READONLY, @plus int = 1 AS SELECT SUM(Id) + @plus FROM @ids',
    );
    expect(
      await client.rows(
        'DECLARE @l dbo.IdList; INSERT @l VALUES (1), (2); EXEC dbo.Total @l; EXEC dbo.Total @plus = 5, @ids = @l',
      ),
    ).toEqual([[8]]);
    expect(
      await client.rows('DECLARE @l dbo.IdList; INSERT @l VALUES (4); EXEC dbo.Total @l; SELECT Id FROM @l'),
    ).toEqual([[4]]);
    expect(await client.fails('CREATE PROCEDURE dbo.Bad @ids dbo.IdList READONLY AS DELETE @ids')).toEqual([10700]);
    expect(await client.fails('CREATE PROCEDURE dbo.Bad @ids dbo.IdList AS SELECT 1')).toEqual([352]);
    expect(await client.fails('EXEC dbo.Total 5')).toEqual([206]);
  });

  test('a procedure that changes the number of transactions is reported with 266', async () => {
    await client.rows('CREATE PROCEDURE dbo.Leaves AS BEGIN TRAN');
    expect(await client.fails('EXEC dbo.Leaves')).toEqual([266]);
    expect(await client.rows('SELECT @@TRANCOUNT')).toEqual([[1]]);
    await client.rows('ROLLBACK');
  });

  test('functions compute in queries', async () => {
    await client.rows(
      "CREATE FUNCTION dbo.Rep (@n int, @s nvarchar(10)) RETURNS nvarchar(50) AS BEGIN DECLARE @r nvarchar(50) = N''; WHILE @n > 0 BEGIN SET @r += @s; SET @n -= 1; IF @n > 5 BREAK END; IF EXISTS (SELECT 1 FROM dbo.P WHERE N = @s) SET @r = @r + N'!'; RETURN @r END",
    );
    await client.rows(
      'CREATE FUNCTION dbo.Above (@id int) RETURNS TABLE AS RETURN (SELECT Id, N FROM dbo.P WHERE Id > @id)',
    );
    expect(await client.rows("SELECT Id, dbo.Rep(Id, N) FROM dbo.P WHERE dbo.Rep(1, N) <> N'b!' ORDER BY Id")).toEqual([
      [1, 'a!'],
      [3, 'ccc!'],
    ]);
    expect(await client.rows('SELECT p.Id, f.Id FROM dbo.P p CROSS APPLY dbo.Above(p.Id) f ORDER BY 1, 2')).toEqual([
      [1, 2],
      [1, 3],
      [2, 3],
    ]);
    await client.rows(
      "ALTER FUNCTION dbo.Rep (@n int, @s nvarchar(10)) RETURNS nvarchar(50) AS BEGIN RETURN N'new' END",
    );
    expect(await client.value("SELECT dbo.Rep(1, N'a')")).toBe('new');
  });

  test('triggers see what changed, once for each statement', async () => {
    await client.rows('CREATE TABLE dbo.Log (Id int IDENTITY, Text nvarchar(50))');
    await client.rows(`CREATE TRIGGER dbo.T ON dbo.P AFTER INSERT, UPDATE, DELETE AS BEGIN SET NOCOUNT ON
      INSERT dbo.Log (Text) SELECT CONCAT('+', i.Id) FROM inserted i UNION ALL SELECT CONCAT('-', d.Id) FROM deleted d
      IF UPDATE(Q) INSERT dbo.Log (Text) VALUES (N'Q') END`);
    await client.rows('UPDATE dbo.P SET N = N WHERE Id < 3');
    await client.rows('UPDATE dbo.P SET Q = 1 WHERE Id = 99');
    await client.rows("INSERT dbo.P VALUES (7, 1, N'x'); DELETE dbo.P WHERE Id = 7");
    expect((await client.rows('SELECT Text FROM dbo.Log')).flat()).toEqual([
      '+1',
      '+2',
      '-1',
      '-2',
      'Q',
      '+7',
      'Q',
      '-7',
    ]);
    expect(await client.rows('DISABLE TRIGGER dbo.T ON dbo.P; DELETE dbo.P; SELECT COUNT(*) FROM dbo.Log')).toEqual([
      [8],
    ]);
  });

  test('a trigger that fails undoes the statement, one that rolls back ends the batch', async () => {
    await client.rows(
      "CREATE TRIGGER dbo.T ON dbo.P AFTER INSERT AS IF EXISTS (SELECT 1 FROM inserted WHERE Q < 0) BEGIN ROLLBACK; THROW 50005, N'no', 1 END ELSE IF EXISTS (SELECT 1 FROM inserted WHERE Q = 0) INSERT dbo.P (Id) VALUES (1)",
    );
    expect((await client.fails('INSERT dbo.P VALUES (8, -1, NULL)'))[0]).toBe(50005);
    expect(await client.fails('INSERT dbo.P VALUES (8, 0, NULL)')).toContain(2627);
    expect(await client.rows('SELECT COUNT(*), @@TRANCOUNT FROM dbo.P')).toEqual([[3, 0]]);
  });

  test('keep their text', async () => {
    await client.rows('-- what it is\nCREATE OR ALTER VIEW dbo.V AS SELECT 1 AS A');
    expect(await client.value("SELECT definition FROM sys.sql_modules WHERE object_id = OBJECT_ID('dbo.V')")).toBe(
      '-- what it is\nCREATE VIEW dbo.V AS SELECT 1 AS A',
    );
    await client.rows('DROP VIEW dbo.V; DROP VIEW IF EXISTS dbo.V');
    expect(await client.fails('DROP VIEW dbo.V')).toEqual([3701]);
  });
});

describe('flow', () => {
  test('branches, loops and jumps', async () => {
    expect(
      await prints(
        "DECLARE @i int = 0; WHILE 1 = 1 BEGIN SET @i += 1; IF @i = 2 CONTINUE; IF @i > 3 BREAK; PRINT @i END; GOTO done; PRINT 'never'; done: PRINT 'end'",
      ),
    ).toEqual(['1', '3', 'end']);
    expect(
      await prints(
        "IF NOT EXISTS (SELECT 1 FROM dbo.P WHERE Id = 1) PRINT 'no' ELSE IF (SELECT COUNT(*) FROM dbo.P) = 3 PRINT 'three'",
      ),
    ).toEqual(['three']);
    expect(await prints("DECLARE @a int, @b int = 2; IF @a IS NULL AND @b > 1 PRINT CONCAT(@a, '|', @b)")).toEqual([
      '|2',
    ]);
  });

  test('walks cursors', async () => {
    expect(
      await prints(
        'DECLARE c CURSOR LOCAL FAST_FORWARD FOR SELECT Id, N FROM dbo.P ORDER BY Id; DECLARE @i bigint, @n varchar(5); OPEN c; FETCH NEXT FROM c INTO @i, @n; WHILE @@FETCH_STATUS = 0 BEGIN PRINT @n + CAST(@i AS varchar(5)); FETCH NEXT FROM c INTO @i, @n END; CLOSE c; DEALLOCATE c',
      ),
    ).toEqual(['a1', 'b2', 'c3']);
    expect(await client.fails('FETCH NEXT FROM nosuch')).toEqual([16916]);
  });

  test('runs text, with values in and out', async () => {
    expect(
      await client.rows(
        "DECLARE @n int, @sql nvarchar(200) = N'SELECT @n = COUNT(*) FROM ' + QUOTENAME('P') + N' WHERE Id > @min'; EXEC sp_executesql @sql, N'@min int, @n int OUTPUT', @min = 1, @n = @n OUTPUT; SELECT @n",
      ),
    ).toEqual([[2]]);
    expect(
      await client.rows(
        "CREATE TABLE #r (A int, B nvarchar(20)); INSERT #r EXEC('SELECT Id, N FROM dbo.P'); SELECT * FROM #r ORDER BY A",
      ),
    ).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
    expect((await client.run("EXEC('SELECT FROM x'); PRINT 'goes on'")).infos.map((info) => info.message)).toEqual([
      'goes on',
    ]);
  });

  test('writes messages as printf does', async () => {
    expect(await prints("RAISERROR('%5d|%-5s|%05d|%x|%%', 0, 1, 42, 'ab', 7, 255) WITH NOWAIT")).toEqual([
      '   42|ab   |00007|ff|%',
    ]);
    expect(await prints("PRINT N'a' + CHAR(9) + CAST(1.50 AS varchar(10)); PRINT NULL")).toEqual(['a\t1.50', ' ']);
  });
});
