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
    ['DECLARE c CURSOR FOR SELECT Id FROM dbo.T ORDER BY Id FOR UPDATE OF Q; OPEN c; FETCH c; UPDATE dbo.T SET Q = 99 WHERE CURRENT OF c; CLOSE c; DEALLOCATE c; SELECT Id FROM dbo.T WHERE Q = 99', '2 ; 2'],
    ["CREATE TABLE #a (x int); INSERT #a VALUES (1); EXEC('SELECT x FROM #a; CREATE TABLE #b (y int)'); SELECT * FROM #b", '1 ; !208'],
    ['DECLARE @t TABLE (Id int IDENTITY PRIMARY KEY, V int UNIQUE); INSERT @t (V) VALUES (5), (6); UPDATE @t SET V = V + 1 OUTPUT inserted.V WHERE Id = 2; DELETE @t WHERE Id = 1; SELECT * FROM @t', '7 ; 2,7'],
    ['DECLARE @i int = 0; a: SET @i += 1; IF @i < 3 GOTO a; SELECT @i', '3'],
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
    ["SET DATEFORMAT dmy; SELECT CAST('02/03/2024' AS datetime); SET DATEFORMAT mdy", '2024-03-02 00:00:00'],
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

describe('the life of a product', () => {
  beforeAll(async () => {
    client = await engine.open('t3');
    const fixture = [
      'CREATE TABLE dbo.Users (Id int IDENTITY(1,1) NOT NULL, Email nvarchar(256) NOT NULL, Created datetime2(7) NOT NULL CONSTRAINT DF_Users_Created DEFAULT (SYSUTCDATETIME()), IsActive bit NOT NULL CONSTRAINT DF_Users_IsActive DEFAULT (1), CONSTRAINT PK_Users PRIMARY KEY CLUSTERED (Id ASC))',
      'CREATE TABLE dbo.Orders (Id int IDENTITY NOT NULL PRIMARY KEY, UserId int NOT NULL, Total decimal(18,4) NOT NULL, Notes nvarchar(max) NULL, CONSTRAINT FK_Orders_Users FOREIGN KEY (UserId) REFERENCES dbo.Users (Id) ON DELETE CASCADE)',
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ['CREATE UNIQUE NONCLUSTERED INDEX [IX_Users_Email] ON [dbo].[Users] ([Email] ASC) INCLUDE ([Created], [IsActive]) WHERE ([IsActive]=(1)) WITH (PAD_INDEX = OFF, STATISTICS_NORECOMPUTE = OFF, SORT_IN_TEMPDB = OFF, IGNORE_DUP_KEY = OFF, DROP_EXISTING = OFF, ONLINE = OFF, ALLOW_ROW_LOCKS = ON, ALLOW_PAGE_LOCKS = ON) ON [PRIMARY]', ''],
    ["INSERT dbo.Users (Email) VALUES (N'a@x'), (N'b@x'); INSERT dbo.Orders (UserId, Total) SELECT Id, Id * 1.5 FROM dbo.Users; SELECT Id, Total FROM dbo.Orders", '1,1.5000|2,3.0000'],
    [`IF NOT EXISTS (SELECT * FROM sys.columns WHERE object_id = OBJECT_ID(N'dbo.Users') AND name = 'Phone') BEGIN ALTER TABLE dbo.Users ADD Phone nvarchar(50) NULL END
GO
UPDATE dbo.Users SET Phone = N'1' WHERE Phone IS NULL
GO
ALTER TABLE dbo.Users ALTER COLUMN Phone nvarchar(50) NOT NULL
GO
SELECT name, max_length, is_nullable FROM sys.columns WHERE object_id = OBJECT_ID('dbo.Users') AND name = 'Phone'`, 'Phone,100,0'],
    ["DECLARE @ConstraintName nvarchar(200) SELECT @ConstraintName = Name FROM SYS.DEFAULT_CONSTRAINTS WHERE PARENT_OBJECT_ID = OBJECT_ID('Users') AND PARENT_COLUMN_ID = (SELECT column_id FROM sys.columns WHERE NAME = N'IsActive' AND object_id = OBJECT_ID(N'Users')) IF @ConstraintName IS NOT NULL EXEC('ALTER TABLE Users DROP CONSTRAINT ' + @ConstraintName); SELECT COUNT(*) FROM sys.default_constraints WHERE parent_object_id = OBJECT_ID('Users')", '1'],
    ["SELECT t.name, c.name, ty.name, c.max_length, c.precision, c.scale, c.is_identity, dc.definition FROM sys.tables t JOIN sys.columns c ON c.object_id = t.object_id JOIN sys.types ty ON ty.user_type_id = c.user_type_id LEFT JOIN sys.default_constraints dc ON dc.object_id = c.default_object_id WHERE t.name = 'Users' ORDER BY c.column_id", 'Users,Id,int,4,10,0,1,NULL|Users,Email,nvarchar,512,0,0,0,NULL|Users,Created,datetime2,8,27,7,0,(sysutcdatetime())|Users,IsActive,bit,1,1,0,0,NULL|Users,Phone,nvarchar,100,0,0,0,NULL'],
    ['SELECT fk.name, OBJECT_NAME(fk.parent_object_id), OBJECT_NAME(fk.referenced_object_id), fk.delete_referential_action_desc, COL_NAME(fkc.parent_object_id, fkc.parent_column_id) FROM sys.foreign_keys fk JOIN sys.foreign_key_columns fkc ON fkc.constraint_object_id = fk.object_id', 'FK_Orders_Users,Orders,Users,CASCADE,UserId'],
    ["SELECT i.name, i.type_desc, i.is_unique, i.is_primary_key, i.filter_definition, ic.key_ordinal, ic.is_included_column, c.name FROM sys.indexes i JOIN sys.index_columns ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id JOIN sys.columns c ON c.object_id = ic.object_id AND c.column_id = ic.column_id WHERE i.object_id = OBJECT_ID('dbo.Users') ORDER BY i.index_id, ic.index_column_id", 'PK_Users,CLUSTERED,1,1,NULL,1,0,Id|IX_Users_Email,NONCLUSTERED,1,0,([IsActive]=(1)),1,0,Email|IX_Users_Email,NONCLUSTERED,1,0,([IsActive]=(1)),0,1,Created|IX_Users_Email,NONCLUSTERED,1,0,([IsActive]=(1)),0,1,IsActive'],
    ["SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE, COLUMN_DEFAULT FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'Orders' ORDER BY ORDINAL_POSITION", 'dbo,Orders,Id,int,NULL,NO,NULL|dbo,Orders,UserId,int,NULL,NO,NULL|dbo,Orders,Total,decimal,NULL,NO,NULL|dbo,Orders,Notes,nvarchar,-1,YES,NULL'],
    ["SELECT tc.CONSTRAINT_NAME, tc.CONSTRAINT_TYPE, kcu.COLUMN_NAME FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS tc JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE kcu ON kcu.CONSTRAINT_NAME = tc.CONSTRAINT_NAME WHERE tc.TABLE_NAME = 'Users'", 'PK_Users,PRIMARY KEY,Id'],
    [`CREATE TABLE dbo.AuditLog (AuditId bigint IDENTITY PRIMARY KEY, TableName sysname, Op char(1), RowId int, OldValue nvarchar(max), NewValue nvarchar(max), ChangedBy sysname DEFAULT SUSER_SNAME(), ChangedAt datetime DEFAULT GETDATE())
GO
CREATE TRIGGER dbo.trg_Users_Audit ON dbo.Users FOR INSERT, UPDATE, DELETE AS
BEGIN
  SET NOCOUNT ON;
  DECLARE @op char(1) = CASE WHEN EXISTS (SELECT 1 FROM inserted) AND EXISTS (SELECT 1 FROM deleted) THEN 'U' WHEN EXISTS (SELECT 1 FROM inserted) THEN 'I' ELSE 'D' END;
  INSERT dbo.AuditLog (TableName, Op, RowId, OldValue, NewValue)
  SELECT 'Users', @op, COALESCE(i.Id, d.Id), (SELECT d.* FOR JSON PATH, WITHOUT_ARRAY_WRAPPER), i.Email
  FROM inserted i FULL OUTER JOIN deleted d ON d.Id = i.Id
END
GO
UPDATE dbo.Users SET Email = N'c@x' WHERE Id = 1; DELETE dbo.Users WHERE Id = 2; SELECT Op, RowId, JSON_VALUE(OldValue, '$.Email'), NewValue FROM dbo.AuditLog ORDER BY AuditId`, 'U,1,a@x,c@x|D,2,b@x,NULL'],
    [`CREATE PROCEDURE dbo.usp_Paged @Page int = 1, @Size int = 10, @Sort varchar(20) = 'Id', @Total int = NULL OUTPUT WITH RECOMPILE AS
BEGIN
  SET NOCOUNT ON;
  SELECT @Total = COUNT(*) FROM dbo.Orders;
  WITH q AS (SELECT ROW_NUMBER() OVER (ORDER BY CASE WHEN @Sort = 'Id' THEN Id END, CASE WHEN @Sort = 'Total' THEN Total END DESC) AS rn, * FROM dbo.Orders)
  SELECT Id, rn FROM q WHERE rn BETWEEN (@Page - 1) * @Size + 1 AND @Page * @Size ORDER BY rn;
  RETURN @@ROWCOUNT
END
GO
DECLARE @t int, @r int; EXEC @r = dbo.usp_Paged @Size = 1, @Total = @t OUT; SELECT @t, @r`, '1,1 ; 1,1'],
    ["CREATE FUNCTION dbo.fn_Slug (@s nvarchar(200)) RETURNS nvarchar(200) WITH SCHEMABINDING, RETURNS NULL ON NULL INPUT AS BEGIN RETURN LOWER(REPLACE(@s, N' ', N'-')) END", '!49999'],
    [`CREATE FUNCTION dbo.fn_Clean (@s nvarchar(200)) RETURNS nvarchar(200) AS BEGIN WHILE PATINDEX('%[^a-zA-Z0-9]%', @s) > 0 SET @s = STUFF(@s, PATINDEX('%[^a-zA-Z0-9]%', @s), 1, ''); RETURN @s END
GO
SELECT dbo.fn_Clean(N'a-b c!1')`, 'abc1'],
    ["DECLARE @cmd nvarchar(max) = N''; SELECT @cmd += N'ALTER TABLE ' + QUOTENAME(SCHEMA_NAME(t.schema_id)) + N'.' + QUOTENAME(t.name) + N' DROP CONSTRAINT ' + QUOTENAME(fk.name) + N';' FROM sys.foreign_keys fk JOIN sys.tables t ON t.object_id = fk.parent_object_id; EXEC sp_executesql @cmd; SELECT COUNT(*) FROM sys.foreign_keys", '0'],
    ['BEGIN TRY BEGIN TRANSACTION; INSERT dbo.Orders (UserId, Total) VALUES (1, 1); INSERT dbo.Orders (UserId, Total) VALUES (NULL, 1); COMMIT TRANSACTION END TRY BEGIN CATCH IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION; DECLARE @m nvarchar(4000) = ERROR_MESSAGE(), @sev int = ERROR_SEVERITY(), @st int = ERROR_STATE(); RAISERROR(@m, @sev, @st) END CATCH', '!50000'],
    ['SELECT COUNT(*), @@TRANCOUNT FROM dbo.Orders', '1,0'],
    [`MERGE INTO dbo.Users WITH (HOLDLOCK) AS target USING (VALUES (1, N'm@x', N'9'), (NULL, N'n@x', N'8')) AS source (Id, Email, Phone) ON target.Id = source.Id WHEN MATCHED AND EXISTS (SELECT target.Email EXCEPT SELECT source.Email) THEN UPDATE SET Email = source.Email WHEN NOT MATCHED BY TARGET THEN INSERT (Email, IsActive, Phone) VALUES (source.Email, 1, source.Phone);
GO
SELECT Email FROM dbo.Users ORDER BY Id`, 'm@x|n@x'],
    [`EXEC sp_rename 'dbo.Orders.Notes', 'Remarks', 'COLUMN'; ALTER TABLE dbo.Orders ADD RowVer timestamp NOT NULL, Discount AS (Total * 0.1), CONSTRAINT CK_Total CHECK (Total >= 0)
GO
SELECT Remarks, Discount, DATALENGTH(RowVer) FROM dbo.Orders`, 'i15477 ; NULL,0.15000,8'],
    [`CREATE SCHEMA app AUTHORIZATION dbo
GO
ALTER SCHEMA app TRANSFER dbo.AuditLog
GO
SELECT SCHEMA_NAME(schema_id), name FROM sys.tables WHERE name = 'AuditLog'`, 'app,AuditLog'],
    [`CREATE TYPE dbo.OrderList AS TABLE (UserId int NOT NULL, Total decimal(18,4) NOT NULL, PRIMARY KEY (UserId), INDEX IX_T (Total))
GO
CREATE PROCEDURE dbo.AddOrders @list dbo.OrderList READONLY AS INSERT dbo.Orders (UserId, Total) OUTPUT inserted.UserId SELECT UserId, Total FROM @list
GO
DECLARE @l dbo.OrderList; INSERT @l VALUES (7, 7.5); EXEC dbo.AddOrders @l`, '7'],
    ["WITH Tree AS (SELECT 1 AS Id, CAST(NULL AS int) AS ParentId, CAST('/1' AS varchar(100)) AS Path, 0 AS Lvl UNION ALL SELECT t.Id + 1, t.Id, CAST(t.Path + '/' + CAST(t.Id + 1 AS varchar(10)) AS varchar(100)), t.Lvl + 1 FROM Tree t WHERE t.Id < 3) SELECT * FROM Tree ORDER BY Path", '1,NULL,/1,0|2,1,/1/2,1|3,2,/1/2/3,2'],
    ["DECLARE @i int = 0, @n int = (SELECT COUNT(*) FROM dbo.Orders); WHILE 1 = 1 BEGIN DELETE TOP (1) FROM dbo.Orders; IF @@ROWCOUNT = 0 BREAK; SET @i += 1 END; SELECT CASE WHEN @i = @n THEN 'ok' END", 'ok'],
    ["DBCC CHECKIDENT ('dbo.Orders', RESEED, 0) WITH NO_INFOMSGS; INSERT dbo.Orders (UserId, Total) VALUES (1, 1); SELECT MAX(Id) FROM dbo.Orders", '1'],
    ["IF EXISTS (SELECT 1 FROM sys.procedures WHERE name = 'usp_Paged') DROP PROCEDURE dbo.usp_Paged; IF OBJECT_ID('dbo.fn_Clean', 'FN') IS NOT NULL DROP FUNCTION dbo.fn_Clean; IF TYPE_ID('dbo.OrderList') IS NOT NULL SELECT 'type'; IF INDEXPROPERTY(OBJECT_ID('dbo.Users'), 'IX_Users_Email', 'IndexID') IS NOT NULL DROP INDEX IX_Users_Email ON dbo.Users", 'type'],
    ["SELECT CASE WHEN COLUMNPROPERTY(OBJECT_ID('dbo.Users'), 'Id', 'IsIdentity') = 1 THEN 1 END, OBJECTPROPERTY(OBJECT_ID('dbo.Users'), 'TableHasIdentity'), COL_LENGTH('dbo.Users', 'Email'), OBJECT_ID('dbo.PK_Users', 'PK') / OBJECT_ID('dbo.PK_Users')", '1,1,512,1'],
    ["SELECT TOP 1 s.name + '.' + o.name FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id WHERE o.type IN ('U', 'V', 'P', 'FN', 'TF', 'IF', 'TR') AND o.is_ms_shipped = 0 ORDER BY o.create_date, o.object_id", 'dbo.Users'],
    ["EXEC sp_addrole 'reader'; EXEC sp_addrolemember 'db_datareader', 'reader'; GRANT SELECT, INSERT ON SCHEMA::dbo TO reader; SELECT permission_name, state_desc FROM sys.database_permissions WHERE grantee_principal_id = DATABASE_PRINCIPAL_ID('reader') ORDER BY permission_name", 'INSERT,GRANT|SELECT,GRANT'],
    ['EXEC sp_tables', '!49999'],
    ["SELECT p.rows FROM sys.partitions p WHERE p.object_id = OBJECT_ID('dbo.Users') AND p.index_id IN (0, 1)", '2'],
    ["SELECT name, value FROM fn_listextendedproperty(NULL, 'schema', 'dbo', 'table', 'Users', NULL, NULL)", '(none)'],
    ['SELECT COUNT(*) FROM sys.dm_db_index_usage_stats', '!49999'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('sessions, cursors at a row and dates', () => {
  beforeAll(async () => {
    client = await engine.open('t4');
    const fixture = [
      "CREATE TABLE dbo.T (Id int PRIMARY KEY, N nvarchar(20), Q int); INSERT dbo.T VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ["EXEC sp_set_session_context 'tenant', N'42'; SELECT CAST(SESSION_CONTEXT(N'tenant') AS int), SESSION_CONTEXT(N'none')", '42,NULL'],
    ["EXEC sp_set_session_context @key = N'ro', @value = 5, @read_only = 1; EXEC sp_set_session_context N'ro', 6", '!15664'],
    ['SET CONTEXT_INFO 0x0102; SELECT CONTEXT_INFO()', '0x0102'],
    ["SELECT Id FROM dbo.T t WHERE EXISTS (SELECT t.* EXCEPT SELECT 1, 'a', 1) ORDER BY Id", '2|3'],
    [`CREATE INDEX ix ON dbo.T (Q) WHERE (N IS NOT NULL AND Q > 0)
GO
SELECT filter_definition FROM sys.indexes WHERE name = 'ix'`, '([N] IS NOT NULL AND [Q]>(0))'],
    ['SELECT x.* FROM dbo.T t', '!107'],
    ["DECLARE c CURSOR FOR SELECT N, Q FROM dbo.T ORDER BY Id FOR UPDATE OF Q; DECLARE @n nvarchar(20), @q int; OPEN c; FETCH c INTO @n, @q; WHILE @@FETCH_STATUS = 0 BEGIN IF @n = 'b' DELETE dbo.T WHERE CURRENT OF c ELSE UPDATE dbo.T SET Q = @q * 10 WHERE CURRENT OF c; FETCH NEXT FROM c INTO @n, @q END; CLOSE c; DEALLOCATE c; SELECT * FROM dbo.T ORDER BY Id", '1,a,10|3,c,30'],
    ['DECLARE c CURSOR FOR SELECT N FROM dbo.T; OPEN c; UPDATE dbo.T SET Q = 1 WHERE CURRENT OF c; CLOSE c; DEALLOCATE c', '!16931'],
    ['UPDATE dbo.T SET Q = 1 WHERE CURRENT OF nope', '!16916'],
    ['UPDATE dbo.T SET Nope = 1 WHERE CURRENT OF nope', '!207'],
    ['DECLARE c CURSOR FOR SELECT N FROM dbo.T ORDER BY Id; OPEN c; FETCH c; DEALLOCATE c', 'a'],
    ["SET DATEFORMAT dmy; SELECT CAST('02/03/2024' AS datetime), CAST('2024-02-03' AS datetime), CAST('2024-02-03' AS date), CAST('20240203' AS datetime), CAST('2024-02-03T01:00:00' AS datetime), CONVERT(date, '02/03/2024', 101); SET DATEFORMAT mdy", '2024-03-02 00:00:00,2024-03-02 00:00:00,2024-02-03,2024-02-03 00:00:00,2024-02-03 01:00:00,2024-02-03'],
    ["SET DATEFORMAT dmy; SELECT CAST('02/13/2024' AS datetime); SET DATEFORMAT mdy", '!242'],
    ["SET DATEFORMAT ymd; SELECT CAST('24/03/02' AS date), CAST('2024/03/02' AS datetime); SET DATEFORMAT mdy; SELECT CAST('02/03/2024' AS datetime)", '2024-03-02,2024-03-02 00:00:00 ; 2024-02-03 00:00:00'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});
