import { type Client, type EngineUnderTest, startEngine, transcript } from '../engine-under-test';

/** Errors on their way, transactions, procedures, triggers and cursors. Each batch runs behind those above it. */

let engine: EngineUnderTest;
let client: Client;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine.stop());
afterEach(() => transcript(client, 'IF @@TRANCOUNT > 0 ROLLBACK; SET XACT_ABORT OFF; SET NOCOUNT OFF'));

describe('flow', () => {
  beforeAll(async () => {
    client = await engine.open('t1');
    const fixture = [
      'CREATE TABLE dbo.T (Id int NOT NULL PRIMARY KEY, N nvarchar(5) NULL, Q int NOT NULL DEFAULT 0 CHECK (Q >= 0))',
      'CREATE TABLE dbo.L (Id int IDENTITY, M nvarchar(100))',
      'CREATE TABLE dbo.Ch (Id int NOT NULL PRIMARY KEY, TId int NULL REFERENCES dbo.T(Id) ON DELETE CASCADE)',
      "INSERT dbo.T (Id, N, Q) VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ['INSERT dbo.T (Id) VALUES (1); SELECT @@ERROR; SELECT @@ERROR', '!2627 ; i3621 ; 2627 ; 0'],
    ["INSERT dbo.T (Id, Q) VALUES (9, -1); PRINT 'on'; SELECT @@ROWCOUNT", '!547 ; i3621 ; >on ; 0'],
    ["SET XACT_ABORT ON; INSERT dbo.T (Id) VALUES (1); PRINT 'never'", '!2627'],
    ['BEGIN TRY INSERT dbo.T (Id) VALUES (1) END TRY BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_SEVERITY(), ERROR_STATE(), ERROR_LINE(), ERROR_PROCEDURE(), XACT_STATE(), @@TRANCOUNT END CATCH', '2627,14,1,1,NULL,0,0'],
    ['BEGIN TRAN; BEGIN TRY SELECT 1/0 END TRY BEGIN CATCH SELECT XACT_STATE(), @@TRANCOUNT END CATCH; ROLLBACK', '(none) ; 1,1'],
    ['SET XACT_ABORT ON; BEGIN TRAN; BEGIN TRY SELECT 1/0 END TRY BEGIN CATCH SELECT XACT_STATE(); COMMIT END CATCH', '(none) ; -1 ; !3930'],
    ["BEGIN TRAN; BEGIN TRY SELECT CAST('x' AS int) END TRY BEGIN CATCH PRINT 'c' END CATCH", '(none) ; >c ; !3998'],
    ["BEGIN TRY THROW 50001, 'boom', 7 END TRY BEGIN CATCH PRINT ERROR_MESSAGE(); THROW END CATCH; PRINT 'never'", '>boom ; !50001'],
    ["BEGIN TRY RAISERROR('x%d', 16, 3, 5) END TRY BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_MESSAGE(), ERROR_STATE() END CATCH; SELECT ERROR_NUMBER()", '50000,x5,3 ; NULL'],
    ["BEGIN TRY RAISERROR('x', 10, 1); PRINT 'on' END TRY BEGIN CATCH PRINT 'c' END CATCH", '>x ; >on'],
    ["RAISERROR('x', 16, 1); PRINT 'after'; SELECT @@ERROR", '!50000 ; >after ; 0'],
    ["THROW 50001, 'x', 1; PRINT 'after'", '!50001'],
    ["SELECT 1/0; PRINT 'after'; SELECT @@ERROR", '!8134 ; >after ; 0'],
    ["SELECT CAST('x' AS int); PRINT 'after'", '!245'],
    ["SELECT * FROM dbo.Missing; PRINT 'after'", '!208'],
    ["EXEC('SELECT * FROM dbo.Missing; PRINT ''in'''); PRINT 'after'", '!208 ; >after'],
    ["EXEC('SELECT FROM'); PRINT 'after'; SELECT @@ERROR", '!156 ; >after ; 0'],
    ["DECLARE @e int; EXEC('SELECT FROM'); SET @e = @@ERROR; SELECT @e", '!156 ; 156'],
    ["BEGIN TRY EXEC('SELECT * FROM dbo.Missing') END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH", '208'],
    ['BEGIN TRY SELECT * FROM dbo.Missing END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH', '!208'],
    ['BEGIN TRAN; BEGIN TRAN; COMMIT; SELECT @@TRANCOUNT; ROLLBACK; SELECT @@TRANCOUNT', '1 ; 0'],
    ["BEGIN TRAN a; SAVE TRAN s; INSERT dbo.L VALUES ('q'); ROLLBACK TRAN s; SELECT COUNT(*), @@TRANCOUNT FROM dbo.L WHERE M = 'q'; ROLLBACK TRAN a", '0,1'],
    ['BEGIN TRAN a; BEGIN TRAN b; ROLLBACK TRAN b', '!6401'],
    ['ROLLBACK TRAN nope', '!3903'],
    ['BEGIN TRAN; ROLLBACK TRAN nope', '!6401'],
    ['COMMIT TRAN nope', '!3902'],
    [`CREATE PROCEDURE dbo.P1 AS BEGIN TRAN; INSERT dbo.L VALUES ('p1')
GO
EXEC dbo.P1; SELECT @@TRANCOUNT; ROLLBACK`, '!266 ; 1'],
    [`CREATE PROCEDURE dbo.P2 AS ROLLBACK
GO
BEGIN TRAN; EXEC dbo.P2; SELECT @@TRANCOUNT`, '!266 ; 0'],
    [`CREATE PROCEDURE dbo.P4 AS SELECT 1/0
GO
DECLARE @r int; EXEC @r = dbo.P4; SELECT @r`, '!8134 ; -6'],
    [`CREATE PROCEDURE dbo.P5 AS INSERT dbo.T (Id) VALUES (1)
GO
DECLARE @r int; EXEC @r = dbo.P5; SELECT @r`, '!2627 ; i3621 ; -4'],
    [`CREATE PROCEDURE dbo.P6 AS SELECT * FROM dbo.Missing; PRINT 'never'
GO
EXEC dbo.P6; PRINT 'after'`, '!208 ; >after'],
    [`CREATE PROCEDURE dbo.P7 @n int AS SET @n -= 1; IF @n >= 0 EXEC dbo.P7 @n
GO
EXEC dbo.P7 40; PRINT 'after'`, '!217'],
    [`CREATE PROCEDURE dbo.P8 AS SELECT @@NESTLEVEL, OBJECT_NAME(@@PROCID)
GO
EXEC dbo.P8`, '1,P8'],
    [`CREATE PROCEDURE dbo.P9 @a int = 5, @b varchar(10) OUTPUT AS SET @b = CAST(@a AS varchar(10)) + '!'
GO
DECLARE @x varchar(10); EXEC dbo.P9 DEFAULT, @x OUT; SELECT @x; EXEC dbo.P9 @b = @x OUTPUT, @a = 7; SELECT @x`, '5! ; 7!'],
    [`CREATE TRIGGER dbo.TrA ON dbo.L AFTER INSERT AS IF EXISTS (SELECT 1 FROM inserted WHERE M = 'bad') BEGIN RAISERROR('no', 16, 1); ROLLBACK TRANSACTION END
GO
INSERT dbo.L VALUES ('bad'); PRINT 'never'`, '!50000 ; !3609'],
    [`BEGIN TRAN; INSERT dbo.L VALUES ('bad')
GO
SELECT @@TRANCOUNT`, '!50000 ; !3609 ; 0'],
    [`DROP TRIGGER dbo.TrA
GO
CREATE TRIGGER dbo.TrB ON dbo.T AFTER UPDATE AS BEGIN IF UPDATE(N) INSERT dbo.L SELECT 'N:' + d.N + '>' + i.N FROM inserted i JOIN deleted d ON d.Id = i.Id; IF UPDATE(Q) INSERT dbo.L VALUES ('Q') END
GO
TRUNCATE TABLE dbo.L; UPDATE dbo.T SET N = N + 'x' WHERE Id < 3; UPDATE dbo.T SET Q = Q; SELECT M FROM dbo.L ORDER BY Id`, 'N:a>ax|N:b>bx|Q'],
    ['SELECT TRIGGER_NESTLEVEL()', '0'],
    [`CREATE TRIGGER dbo.TrC ON dbo.Ch INSTEAD OF INSERT AS INSERT dbo.Ch SELECT Id + 100, TId FROM inserted
GO
INSERT dbo.Ch VALUES (1, 1); SELECT Id FROM dbo.Ch`, '101'],
    ['DELETE dbo.T WHERE Id = 1; SELECT COUNT(*) FROM dbo.Ch', '0'],
    ["DECLARE c CURSOR FOR SELECT Id FROM dbo.T ORDER BY Id; OPEN c; DECLARE @i int; FETCH NEXT FROM c INTO @i; SELECT @i, @@FETCH_STATUS, CURSOR_STATUS('global', 'c'); CLOSE c; SELECT CURSOR_STATUS('global', 'c'); DEALLOCATE c; SELECT CURSOR_STATUS('global', 'c')", '2,0,1 ; -1 ; -3'],
    ['DECLARE c SCROLL CURSOR FOR SELECT Id FROM dbo.T ORDER BY Id; OPEN c; FETCH LAST FROM c; FETCH FIRST FROM c; FETCH ABSOLUTE 2 FROM c; FETCH RELATIVE -1 FROM c; FETCH PRIOR FROM c; SELECT @@FETCH_STATUS, @@CURSOR_ROWS; CLOSE c; DEALLOCATE c', '3 ; 2 ; 3 ; 2 ; (none) ; -1,2'],
    ['DECLARE c CURSOR FORWARD_ONLY FOR SELECT Id FROM dbo.T; OPEN c; FETCH LAST FROM c; CLOSE c; DEALLOCATE c', '!16911'],
    ['DECLARE c CURSOR FOR SELECT Id, N FROM dbo.T; OPEN c; DECLARE @i int; FETCH c INTO @i; DEALLOCATE c', '!16924'],
    ['DECLARE c CURSOR FOR SELECT Id FROM dbo.T; DECLARE c CURSOR FOR SELECT Id FROM dbo.T; DEALLOCATE c', '!16915'],
    ['DECLARE c CURSOR FOR SELECT Id FROM dbo.T; FETCH c; DEALLOCATE c', '!16917'],
    ['DECLARE c CURSOR FOR SELECT Id FROM dbo.T; OPEN c; OPEN c; DEALLOCATE c', '!16905'],
    ['DECLARE c CURSOR FOR SELECT Id FROM dbo.T; CLOSE c; DEALLOCATE c', '!16917'],
    ["CREATE TABLE #a (x int); INSERT #a VALUES (1); EXEC('SELECT x FROM #a; CREATE TABLE #b (y int)'); SELECT * FROM #b", '1 ; !208'],
    ['DECLARE @t TABLE (Id int IDENTITY PRIMARY KEY, V int UNIQUE); INSERT @t (V) VALUES (5), (6); UPDATE @t SET V = V + 1 OUTPUT inserted.V WHERE Id = 2; DELETE @t WHERE Id = 1; SELECT * FROM @t', '7 ; 2,7'],
    ['DECLARE @i int = 0; a: SET @i += 1; IF @i < 3 GOTO a; SELECT @i', '3'],
    ["WHILE (SELECT COUNT(*) FROM dbo.L) < 5 BEGIN INSERT dbo.L VALUES ('z') IF (SELECT COUNT(*) FROM dbo.L) = 4 BREAK ELSE CONTINUE END; SELECT COUNT(*) FROM dbo.L", '4'],
    ['DECLARE @x int = 1; IF @x = 1 BEGIN DECLARE @y int = 5 END; SELECT @y', '5'],
    ["EXEC sp_executesql N'SELECT @a', N'@a int'", '!8178'],
    ["EXEC sp_executesql N'SELECT @a', N'@a int', 1, 2", '!8144'],
    ["EXEC sp_executesql N'SET @o = 5', N'@o int OUTPUT', @o = 1", ''],
    ["MERGE INTO dbo.T t USING dbo.T s ON 1 = 1 WHEN MATCHED THEN UPDATE SET N = 'q';", '!8672'],
    ['SELECT TOP 1 WITH TIES Id % 2 FROM dbo.T ORDER BY Id % 2 DESC', '1'],
    ['SELECT Id FROM dbo.T ORDER BY Id OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY', '3'],
    ['WITH r AS (SELECT 1 n UNION ALL SELECT n+1 FROM r) SELECT COUNT(*) FROM r', '!530'],
    ['WITH r AS (SELECT 1 n UNION ALL SELECT n+1 FROM r WHERE n < 5) SELECT SUM(n) FROM r OPTION (MAXRECURSION 3)', '!530'],
    ["DECLARE @o TABLE (Id int, A nvarchar(10)); INSERT dbo.L OUTPUT inserted.Id, inserted.M INTO @o VALUES ('o1'), ('o2'); SELECT COUNT(*) FROM @o", '2'],
    ["INSERT dbo.T (Id, N) SELECT 60, 'toolong'", '!2628 ; i3621'],
    ["UPDATE dbo.T SET N = 'toolong'", '!2628 ; i3621'],
    ["DECLARE @v varchar(3) = 'abcdef'; SELECT @v", 'abc'],
    ["INSERT dbo.T (Id, N) VALUES (61, CAST('abcdefgh' AS varchar(3)))", ''],
    ["DBCC CHECKIDENT('dbo.L', RESEED, 100)", 'i7998 ; i2528'],
    ["DBCC CHECKIDENT('dbo.L', NORESEED) WITH NO_INFOMSGS", ''],
    ["DBCC CHECKIDENT('dbo.T')", '!7997'],
    ["DBCC CHECKIDENT('dbo.Nope')", '!2501'],
    ["INSERT dbo.L VALUES ('i'); SELECT SCOPE_IDENTITY(), @@IDENTITY, IDENT_CURRENT('dbo.L'), IDENT_SEED('dbo.L'), IDENT_INCR('dbo.L')", '101,101,101,1,1'],
    ['SELECT IDENTITY(int, 1, 1) AS Rn, Id INTO #x FROM dbo.T; SELECT MAX(Rn) FROM #x; SELECT IDENTITY(int) FROM dbo.T', '!177'],
    [`CREATE SYNONYM dbo.Syn FOR dbo.T
GO
SELECT COUNT(*) FROM dbo.Syn WHERE Id = 2; INSERT dbo.Syn (Id) VALUES (70); DROP SYNONYM dbo.Syn`, '1'],
    ['CREATE SYNONYM dbo.T FOR dbo.L', '!2714'],
    [`CREATE SEQUENCE dbo.Sq AS tinyint START WITH 254 MAXVALUE 255 CYCLE MINVALUE 1
GO
SELECT NEXT VALUE FOR dbo.Sq; SELECT NEXT VALUE FOR dbo.Sq; SELECT NEXT VALUE FOR dbo.Sq; ALTER SEQUENCE dbo.Sq RESTART WITH 10; SELECT NEXT VALUE FOR dbo.Sq, NEXT VALUE FOR dbo.Sq; SELECT current_value FROM sys.sequences`, '254 ; 255 ; 1 ; 10,10 ; 10'],
    ['SET ROWCOUNT 1; SELECT Id FROM dbo.T ORDER BY Id; SET ROWCOUNT 0', '2'],
    ["SET DATEFIRST 1; SELECT DATEPART(weekday, '2024-01-01'), @@DATEFIRST; SET DATEFIRST 7", '1,1'],
    ['SET LANGUAGE us_english', 'i5703'],
    ['SELECT @@OPTIONS & 512, @@LANGUAGE, @@SERVERNAME WHERE 1 = 0; SELECT @@MAX_PRECISION, @@TEXTSIZE, @@LOCK_TIMEOUT', '(none) ; 38,2147483647,-1'],
    ['SET NOCOUNT ON; DECLARE @n int; SELECT @n = Id FROM dbo.T ORDER BY Id; SELECT @n, @@ROWCOUNT', '70,4'],
    ["WAITFOR DELAY '00:00:00.01'; PRINT 'w'", '>w'],
    ['SELECT CASE WHEN EXISTS (SELECT NULL) THEN 1 END', '1'],
    ['DECLARE @d decimal(5,2); SET @d = 999.999', '!8115'],
    ['DECLARE @tbl dbo.NopeType', '!2715'],
    ['CREATE TABLE dbo.Big (a char(8000), b char(100))', '!1701'],
    ['GRANT SELECT ON dbo.T TO public; DENY INSERT ON dbo.T TO public; REVOKE SELECT ON dbo.T FROM public', ''],
    ["SELECT HAS_PERMS_BY_NAME('dbo.T', 'OBJECT', 'SELECT'), IS_MEMBER('db_owner'), USER_NAME(), SUSER_SNAME() WHERE 1 = 0; SELECT USER_NAME(), SCHEMA_NAME(), CURRENT_USER", '(none) ; dbo,dbo,dbo'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('INSTEAD OF triggers and the triggers of MERGE', () => {
  beforeAll(async () => {
    client = await engine.open('t2');
    const fixture = [
      'CREATE TABLE dbo.P (Id int IDENTITY PRIMARY KEY, N nvarchar(20) NOT NULL)',
      'CREATE TABLE dbo.C (Id int PRIMARY KEY REFERENCES dbo.P(Id), E nvarchar(20) NULL, K char(5) NULL)',
      'CREATE VIEW dbo.V AS SELECT p.Id, p.N, c.E, c.K FROM dbo.P p JOIN dbo.C c ON c.Id = p.Id',
      'CREATE TRIGGER dbo.VI ON dbo.V INSTEAD OF INSERT AS BEGIN SET NOCOUNT ON; INSERT dbo.P (N) SELECT N FROM inserted; INSERT dbo.C (Id, E, K) SELECT p.Id, i.E, i.K FROM inserted i JOIN dbo.P p ON p.N = i.N END',
      'CREATE TRIGGER dbo.VU ON dbo.V INSTEAD OF UPDATE AS BEGIN SET NOCOUNT ON; IF UPDATE(E) UPDATE c SET E = i.E FROM dbo.C c JOIN inserted i ON i.Id = c.Id; IF UPDATE(N) UPDATE p SET N = i.N FROM dbo.P p JOIN inserted i ON i.Id = p.Id END',
      'CREATE TRIGGER dbo.VD ON dbo.V INSTEAD OF DELETE AS BEGIN DELETE dbo.C WHERE Id IN (SELECT Id FROM deleted); DELETE dbo.P WHERE Id IN (SELECT Id FROM deleted) END',
      'CREATE TABLE dbo.Soft (Id int IDENTITY PRIMARY KEY, Name varchar(10) NOT NULL, Gone bit NOT NULL DEFAULT 0, Up AS UPPER(Name))',
      'CREATE TRIGGER dbo.SD ON dbo.Soft INSTEAD OF DELETE AS UPDATE s SET Gone = 1 FROM dbo.Soft s JOIN deleted d ON d.Id = s.Id',
      'CREATE TRIGGER dbo.SI ON dbo.Soft INSTEAD OF INSERT AS INSERT dbo.Soft (Name, Gone) SELECT LOWER(Name), Gone FROM inserted WHERE Id = 0',
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ["INSERT dbo.V (N, E, K) VALUES (N'a', N'x', 'k'), (N'b', N'y', NULL); SELECT @@ROWCOUNT; SELECT * FROM dbo.V ORDER BY Id", '2 ; 1,a,x,k    |2,b,y,NULL'],
    ["UPDATE dbo.V SET E = E + N'!' WHERE N = N'a'; UPDATE v SET N = N'bb' FROM dbo.V v JOIN dbo.C c ON c.Id = v.Id WHERE c.E = N'y'; SELECT * FROM dbo.V ORDER BY Id", '1,a,x!,k    |2,bb,y,NULL'],
    ['DELETE FROM dbo.V WHERE Id = 1; SELECT Id FROM dbo.V', '2'],
    ["INSERT dbo.Soft (Name) VALUES ('AAA'), ('BBB'); SELECT Id, Name, Gone, Up FROM dbo.Soft; DELETE dbo.Soft WHERE Name = 'aaa'; SELECT Id, Gone FROM dbo.Soft", '1,aaa,0,AAA|2,bbb,0,BBB ; 1,1|2,0'],
    ['CREATE TRIGGER dbo.SD2 ON dbo.Soft INSTEAD OF DELETE AS SELECT 1', '!2111'],
    ['CREATE TRIGGER dbo.VA ON dbo.V AFTER INSERT AS SELECT 1', '!8197'],
    ['SELECT name, is_instead_of_trigger FROM sys.triggers ORDER BY name', 'SD,1|SI,1|VD,1|VI,1|VU,1'],
    [`CREATE TABLE dbo.F (Id int, PId int REFERENCES dbo.P(Id) ON DELETE CASCADE)
GO
CREATE TRIGGER dbo.FD ON dbo.F INSTEAD OF DELETE AS SELECT 1`, '!2113'],
    [`CREATE TABLE dbo.M (Id int PRIMARY KEY, N int); CREATE TABLE dbo.ML (T varchar(50)); INSERT dbo.M VALUES (1, 1), (2, 2)
GO
CREATE TRIGGER dbo.MI ON dbo.M AFTER INSERT AS INSERT dbo.ML SELECT CONCAT('I', Id) FROM inserted
GO
CREATE TRIGGER dbo.MU ON dbo.M AFTER UPDATE AS INSERT dbo.ML SELECT CONCAT('U', i.Id, d.N) FROM inserted i JOIN deleted d ON d.Id = i.Id
GO
CREATE TRIGGER dbo.MD ON dbo.M AFTER DELETE AS INSERT dbo.ML SELECT CONCAT('D', Id) FROM deleted
GO
MERGE dbo.M t USING (VALUES (1, 10), (3, 30)) s(Id, N) ON s.Id = t.Id WHEN MATCHED THEN UPDATE SET N = s.N WHEN NOT MATCHED THEN INSERT VALUES (s.Id, s.N) WHEN NOT MATCHED BY SOURCE THEN DELETE;
SELECT T FROM dbo.ML ORDER BY T`, 'D2|I3|U11'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('sessions, cursors at a row and dates', () => {
  beforeAll(async () => {
    client = await engine.open('t3');
    const fixture = [
      "CREATE TABLE dbo.T (Id int PRIMARY KEY, N nvarchar(20), Q int); INSERT dbo.T VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ['SELECT x.* FROM dbo.T t', '!107'],
    ['DECLARE c CURSOR FOR SELECT N FROM dbo.T ORDER BY Id; OPEN c; FETCH c; DEALLOCATE c', 'a'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});
