import { type Client, type EngineUnderTest, startEngine, transcript } from '../engine-under-test';

/** Queries and changes: what SQL Server refuses of them, and what it answers. Each batch runs behind those above it. */

let engine: EngineUnderTest;
let client: Client;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine.stop());
afterEach(() => transcript(client, 'IF @@TRANCOUNT > 0 ROLLBACK; SET XACT_ABORT OFF; SET NOCOUNT OFF'));

describe('refused', () => {
  beforeAll(async () => {
    client = await engine.open('t1');
    const fixture = [
      'CREATE TABLE dbo.A (Id int NOT NULL PRIMARY KEY, N nvarchar(20) NULL, Q int NULL, M money NULL, D datetime NULL, G uniqueidentifier NULL, B bit NULL)',
      'CREATE TABLE dbo.B (Id int NOT NULL PRIMARY KEY, AId int NULL, T varchar(10) NULL)',
      "CREATE TABLE dbo.Idn (Id int IDENTITY(5,5) PRIMARY KEY, V varchar(5) NOT NULL DEFAULT 'x')",
      'CREATE VIEW dbo.VA AS SELECT Id, N, Q * 2 AS Q2 FROM dbo.A WHERE Q > 0',
      'CREATE VIEW dbo.VC AS SELECT Id, N, Q FROM dbo.A WHERE Q > 0 WITH CHECK OPTION',
      "INSERT dbo.A (Id, N, Q) VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', NULL)",
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ['SELECT A.Id FROM dbo.A WHERE dbo.A.Id = 1 AND dbo.B.Id = 1', '!4104'],
    ['SELECT Id, COUNT(*) FROM dbo.A', '!8120'],
    ['SELECT N FROM dbo.A GROUP BY N HAVING Q > 1', '!8121'],
    ['SELECT MAX(Q) FROM dbo.A WHERE MAX(Q) > 1', '!147'],
    ['SELECT Id FROM dbo.A ORDER BY COUNT(*)', '!8120'],
    ['SELECT a.Id FROM dbo.A a JOIN dbo.B b ON b.Nope = a.Id', '!207'],
    ['SELECT Id FROM dbo.A UNION SELECT Id FROM dbo.B ORDER BY Nope', '!207'],
    ['SELECT Id AS x FROM dbo.A UNION SELECT Id FROM dbo.B ORDER BY x', '1|2|3'],
    ['SELECT Id FROM dbo.A ORDER BY Id UNION SELECT Id FROM dbo.B', '!156'],
    ['SELECT TOP 1 Id FROM dbo.A UNION ALL SELECT 9 ORDER BY Id', '1|9'],
    ['SELECT * FROM dbo.A a, dbo.B b WHERE Id = 1', '!209'],
    ['INSERT dbo.A (Id, N) SELECT Id FROM dbo.B', '!120'],
    ["INSERT dbo.A VALUES (4, 'x')", '!213'],
    ['INSERT dbo.A (Id) VALUES (4), (5, 6)', '!10709'],
    ['INSERT dbo.A (Id, N) VALUES (4)', '!109'],
    ['INSERT dbo.A DEFAULT VALUES', '!515 ; i3621'],
    ['INSERT dbo.Idn DEFAULT VALUES; SELECT SCOPE_IDENTITY(); SELECT * FROM dbo.Idn', '5 ; 5,x'],
    ["INSERT dbo.Idn VALUES (DEFAULT), ('y'); SELECT Id FROM dbo.Idn ORDER BY Id", '5|10|15'],
    ["INSERT dbo.Idn (Id, V) VALUES (100, 'z')", '!544'],
    ["SET IDENTITY_INSERT dbo.Idn ON; INSERT dbo.Idn VALUES (100, 'z')", '!8101'],
    ["SET IDENTITY_INSERT dbo.Idn ON; INSERT dbo.Idn (V) VALUES ('z')", '!545'],
    ["SET IDENTITY_INSERT dbo.Idn ON; INSERT dbo.Idn (Id, V) VALUES (100, 'z'); SET IDENTITY_INSERT dbo.Idn OFF; INSERT dbo.Idn DEFAULT VALUES; SELECT MAX(Id) FROM dbo.Idn", '105'],
    ['UPDATE dbo.Idn SET Id = 3', '!8102'],
    ['UPDATE dbo.A SET Id = 1 WHERE Id = 2', '!2627 ; i3621'],
    ["UPDATE dbo.A SET Q = 'abc'", '!245'],
    ["UPDATE dbo.A SET G = 'abc'", '!8169'],
    ["UPDATE dbo.A SET M = 'abc'", '!235'],
    ["UPDATE dbo.A SET B = 'abc'", '!245'],
    ["UPDATE dbo.A SET D = 'abc'", '!241'],
    ['UPDATE dbo.A SET G = 5', '!206'],
    ['UPDATE dbo.A SET Q = GETDATE()', '!257'],
    ['UPDATE dbo.A SET D = 5; SELECT D FROM dbo.A WHERE Id = 1; UPDATE dbo.A SET D = NULL', '1900-01-06 00:00:00'],
    ["UPDATE dbo.A SET N = Q WHERE Id = 1; SELECT N FROM dbo.A WHERE Id = 1; UPDATE dbo.A SET N = 'a' WHERE Id = 1", '1'],
    ['UPDATE dbo.VA SET Q2 = 5', '!4406'],
    ['INSERT dbo.VA (Id, Q2) VALUES (9, 9)', '!4406'],
    ['UPDATE a SET N = b.T FROM dbo.A a JOIN dbo.B b ON b.AId = a.Id; SELECT @@ROWCOUNT', '0'],
    ['UPDATE dbo.A SET N = (SELECT T, Id FROM dbo.B)', '!116'],
    ['DELETE FROM dbo.A WHERE Id IN (SELECT Nope FROM dbo.B)', '!207'],
    ['DELETE FROM dbo.A WHERE Id IN (SELECT AId FROM dbo.Nope)', '!208'],
    ['DELETE dbo.Nope', '!208'],
    ['SELECT 1 FROM dbo.A WHERE N = 5', '!245'],
    ['SELECT Q + N FROM dbo.A', '!245'],
    ["SELECT D - 1, D + '1' FROM dbo.A WHERE 1 = 0", '(none)'],
    ['SELECT B + 1 FROM dbo.A WHERE 1 = 0', '(none)'],
    ['SELECT SUM(B) FROM dbo.A', '!8117'],
    ['SELECT AVG(D) FROM dbo.A', '!8117'],
    ['SELECT N & 1 FROM dbo.A', '!402'],
    ['SELECT G + G FROM dbo.A', '!8117'],
    ['SELECT CAST(D AS int), CAST(M AS int), CAST(B AS int), CAST(Q AS bit) FROM dbo.A WHERE Id = 1', 'NULL,NULL,NULL,1'],
    ['SELECT CAST(G AS int) FROM dbo.A', '!529'],
    ['SELECT CONVERT(date, Q) FROM dbo.A', '!529'],
    ['SELECT CONVERT(varchar(30), GETDATE(), 999)', '!281'],
    ["SELECT ISNULL(Q, 'abc') FROM dbo.A", '!245'],
    ['SELECT COALESCE(Q, N) FROM dbo.A', '!245'],
    ['SELECT DATEADD(year, 9000, GETDATE())', '!517'],
    ["SELECT DATEDIFF(day, 'abc', GETDATE())", '!241'],
    ['SELECT SUBSTRING(N, 1) FROM dbo.A', '!174'],
    ['SELECT LEN(1, 2)', '!174'],
    ['SELECT NOPE(1)', '!195'],
    ['SELECT dbo.NOPE(1)', '!4121'],
    ['SELECT Nope.Fn(1)', '!4121'],
    ['SELECT GETDATE', '!207'],
    ['SELECT CURRENT_TIMESTAMP()', '!102'],
    ["SELECT REPLACE('a', 'b')", '!174'],
    ["SELECT CHARINDEX('a')", '!189'],
    ['SELECT ROUND(1)', '!189'],
    ['SELECT ISNULL(1)', '!174'],
    ["SELECT CONCAT('a')", '!189'],
    ['SELECT IIF(1=1, 2)', '!102'],
    ['SELECT CASE WHEN 1=1 THEN 1', '!102'],
    ['SELECT CASE END', '!156'],
    ['SELECT 1 AS [a], 2 AS [a]', '1,2'],
    ['SELECT * FROM (SELECT 1 AS a, 2 AS a) x', '!8156'],
    ['SELECT x.a FROM (SELECT 1) x', '!8155'],
    ['WITH c AS (SELECT 1 AS a) SELECT 1', '1'],
    ['WITH c AS (SELECT 1 AS a)', '!102'],
    ['WITH c (a, b) AS (SELECT 1) SELECT * FROM c', '!8159'],
    ['WITH c AS (SELECT Id FROM dbo.A ORDER BY Id) SELECT * FROM c', '!1033'],
    ['SELECT * FROM dbo.A WHERE EXISTS (SELECT Id FROM dbo.B ORDER BY Id)', '!1033'],
    ['SELECT Id FROM dbo.A WHERE Id = ANY (1, 2)', '!102'],
    ['SELECT Id FROM dbo.A WHERE Id BETWEEN 1 2', '!102'],
    ['SELECT Id FROM dbo.A WHERE Id IS 5', '!102'],
    ['SELECT Id FROM dbo.A WHERE Id NOT 5', '!102'],
    ['SELECT Id FROM dbo.A WHERE N LIKE', '!102'],
    ['SELECT Id FROM dbo.A WHERE', '!102'],
    ['SELECT Id FROM dbo.A GROUP BY Id HAVING', '!102'],
    ['SELECT FROM dbo.A', '!156'],
    ['SELECT Id, FROM dbo.A', '!156'],
    ['SELECT DISTINCT FROM dbo.A', '!156'],
    ['SELECT Id FORM dbo.A', '!102'],
    ['UPDATE dbo.A WHERE Id = 1', '!156'],
    ['UPDATE dbo.A SET Q', '!102'],
    ['UPDATE dbo.A SET Q = 1 Q = 2', '!102'],
    ['INSERT dbo.A (Id VALUES (1)', '!156'],
    ['INSERT dbo.A (Id) VALUES 1', '!102'],
    ['INSERT dbo.A (Id) (1)', '!102'],
    ['DELETE dbo.A WHERE Id = 1 Id = 2', '!102'],
    ['DECLARE @x', '!102'],
    ['DECLARE x int', '!155'],
    ['SET x = 5', '!195'],
    ['DECLARE @x int SET @x 5', '!102'],
    ['DECLARE @x int = 5; SET @x = SELECT 1', '!156'],
    ['DECLARE @x int; SELECT @x = Id FROM dbo.A WHERE Id = 1; SET @y = @x', '!137'],
    ['IF @x = 1 SELECT 1', '!137'],
    ['PRINT @x', '!137'],
    ['EXEC @x', '!137'],
    ['EXEC sp_executesql @x', '!137'],
    ['IF 1 = 1', '!102'],
    ['IF (1) SELECT 1', '!4145'],
    ['IF 1 = 1 ELSE SELECT 1', '!156'],
    ['WHILE 1 = 0', '!102'],
    ['BEGIN TRY SELECT 1 END TRY', '!102'],
    ['RETURN 5', '!178'],
    ['GOTO x', '!133'],
    ['x: SELECT 1; x: SELECT 2', '!132'],
    ['BREAK', '!135'],
    ["WAITFOR DELAY 'x'", '!148'],
    ["RAISERROR('a', 16)", '!102'],
    ['RAISERROR(50001, 16, 1)', '!18054'],
    ["THROW 5, 'a', 1", '!35100'],
    ['THROW', '!10704'],
    ['CREATE TABLE dbo.A (Id int)', '!2714'],
    ['CREATE TABLE dbo.Z1 (Id int,, N int)', '!102'],
    ['CREATE TABLE dbo.Z1 (Id int N int)', '!102'],
    ['CREATE TABLE dbo.Z1 (Id int PRIMARY)', '!102'],
    ['CREATE TABLE dbo.Z1 (Id int DEFAULT)', '!102'],
    ['CREATE TABLE Z1', '!102'],
    ['CREATE TABEL Z1 (a int)', '!343'],
    ['DROP TABEL Z1', '!343'],
    ['ALTER TABEL Z1 ADD a int', '!343'],
    ['DROP TABLE', '!102'],
    ['ALTER TABLE dbo.A', '!102'],
    ['ALTER TABLE dbo.A ADD', '!102'],
    ['ALTER TABLE dbo.A DROP', '!102'],
    ['ALTER TABLE dbo.A ALTER COLUMN', '!102'],
    ['CREATE INDEX ix ON dbo.A', '!102'],
    ['CREATE INDEX ix ON dbo.A ()', '!102'],
    ['CREATE VIEW dbo.Q1', '!102'],
    ['CREATE VIEW dbo.Q1 AS', '!102'],
    ['CREATE PROCEDURE dbo.Q1', '!102'],
    ['CREATE PROC dbo.Q1 AS', '!102'],
    ['CREATE FUNCTION dbo.Q1 () RETURNS int', '!102'],
    ["SELECT 'a", '!105 ; !102'],
    ['SELECT [a', '!105 ; !102'],
    ['SELECT "a" FROM dbo.A', '!207'],
    ['/* abc', '!113'],
    ['SELECT 1 /* /* nested */ */', '1'],
    ['GRANT SELECT dbo.A TO public', '!102'],
    ['TRUNCATE dbo.A', '!102'],
    ['EXEC dbo.NopeProc 1', '!2812'],
    ['NopeProc', '!2812'],
    ['SELECT * FROM dbo.A AS', '!102'],
    ["SELECT * FROM [dbo].[A] [x] WHERE [x].[Id] = 1 AND x.N = 'a' AND 1 = 1;", '1,a,1,NULL,NULL,NULL,NULL'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('grouping, pivots and the order of uniqueidentifier', () => {
  beforeAll(async () => {
    client = await engine.open('t2');
    const fixture = [
      'CREATE TABLE dbo.S (R varchar(10), P varchar(10), Y int, A int)',
      "INSERT dbo.S VALUES ('e', 'x', 2020, 1), ('e', 'y', 2020, 2), ('w', 'x', 2021, 4), ('w ', 'x', 2020, 8)",
      'CREATE TABLE dbo.G (Id uniqueidentifier NOT NULL DEFAULT NEWSEQUENTIALID() PRIMARY KEY, N int IDENTITY)',
      'INSERT dbo.G DEFAULT VALUES; INSERT dbo.G DEFAULT VALUES; INSERT dbo.G DEFAULT VALUES',
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ['SELECT R, P, SUM(A) FROM dbo.S GROUP BY ROLLUP(R, P) ORDER BY GROUPING(R), R, GROUPING(P), P', 'e,x,1|e,y,2|e,NULL,3|w,x,12|w,NULL,12|NULL,NULL,15'],
    ['SELECT Y, SUM(A), GROUPING(Y) FROM dbo.S GROUP BY Y WITH ROLLUP ORDER BY GROUPING(Y), Y', '2020,11,0|2021,4,0|NULL,15,1'],
    ['SELECT R, Y, SUM(A), GROUPING_ID(R, Y) FROM dbo.S GROUP BY GROUPING SETS ((R), (Y), ()) ORDER BY 4, 1, 2', 'e,NULL,3,1|w,NULL,12,1|NULL,2020,11,2|NULL,2021,4,2|NULL,NULL,15,3'],
    ['SELECT P, SUM(A) FROM dbo.S GROUP BY CUBE(P) ORDER BY P', 'NULL,15|x,13|y,2'],
    ['SELECT GROUPING(Y) FROM dbo.S GROUP BY R', '!8161'],
    ['SELECT 1 WHERE NULL IS NOT DISTINCT FROM NULL', '1'],
    ["SELECT COUNT(*) FROM dbo.S WHERE R IS DISTINCT FROM 'w'", '2'],
    ['SELECT N FROM dbo.G ORDER BY Id', '1|2|3'],
    ['SELECT N FROM dbo.G', '1|2|3'],
    ['SELECT N FROM dbo.G WHERE Id = (SELECT MAX(Id) FROM dbo.G)', '3'],
    ['SELECT COUNT(*) FROM dbo.G a JOIN dbo.G b ON a.Id < b.Id', '3'],
    ["SELECT g FROM (VALUES (CAST('00000001-0000-0000-0000-000000000000' AS uniqueidentifier)), (CAST('00000000-0000-0000-0000-000000000001' AS uniqueidentifier)), (CAST('00000000-0000-0000-0100-000000000000' AS uniqueidentifier))) v(g) ORDER BY g", '00000001-0000-0000-0000-000000000000|00000000-0000-0000-0100-000000000000|00000000-0000-0000-0000-000000000001'],
    ['SELECT * FROM (SELECT R, Y, A FROM dbo.S) s PIVOT (SUM(A) FOR Y IN ([2020], [2021])) p ORDER BY R', 'e,3,NULL|w,8,4'],
    ['SELECT R, n, v FROM (SELECT R, MIN(A) AS Lo, MAX(A) AS Hi FROM dbo.S GROUP BY R) s UNPIVOT (v FOR n IN (Lo, Hi)) u ORDER BY R, n', 'e,Hi,2|e,Lo,1|w,Hi,8|w,Lo,4'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('strings that end with blanks', () => {
  beforeAll(async () => {
    client = await engine.open('t3');
    const fixture = [
      'CREATE TABLE dbo.W (Id int, N varchar(10), C char(5), Q int)',
      "INSERT dbo.W VALUES (1, 'a', 'x', 1), (2, 'a ', 'x', 2), (3, 'A', 'y', 3), (4, 'b', NULL, 4), (5, NULL, NULL, 5)",
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ["SELECT N + '|', COUNT(*) FROM dbo.W GROUP BY N ORDER BY N", 'NULL,1|a|,3|b|,1'],
    ['SELECT UPPER(N), COUNT(*) FROM dbo.W WHERE N IS NOT NULL GROUP BY UPPER(N) ORDER BY UPPER(N)', 'A,3|B,1'],
    ['SELECT N, (SELECT COUNT(*) FROM dbo.W w WHERE w.N = v.N) FROM dbo.W v WHERE Id < 5 GROUP BY N ORDER BY 1', 'a,3|b,1'],
    ['SELECT DISTINCT N FROM dbo.W ORDER BY N DESC', 'b|a|NULL'],
    ['SELECT DISTINCT TOP 2 N, Q / 10 FROM dbo.W ORDER BY N', 'NULL,0|a,0'],
    ["SELECT N FROM dbo.W INTERSECT SELECT 'A  ' ORDER BY 1", 'a'],
    ["SELECT N FROM dbo.W UNION SELECT 'B ' ORDER BY N", 'NULL|a|b'],
    ['SELECT N, COUNT(*) OVER (PARTITION BY N) FROM dbo.W WHERE Id <= 3', 'a,3|a ,3|A,3'],
    ['SELECT N, ROW_NUMBER() OVER (ORDER BY N), SUM(SUM(Q)) OVER (ORDER BY N) FROM dbo.W GROUP BY N ORDER BY N', 'NULL,1,5|a,2,11|b,3,15'],
    ["SELECT CASE WHEN N = 'a' THEN 1 ELSE 0 END, COUNT(*) FROM dbo.W GROUP BY CASE WHEN N = 'a' THEN 1 ELSE 0 END ORDER BY 1", '0,2|1,3'],
    ["SELECT * FROM (SELECT DISTINCT N FROM dbo.W) x WHERE N IN ('a', 'b') ORDER BY N", 'a|b'],
    ['INSERT dbo.W (N) SELECT DISTINCT N FROM dbo.W; SELECT @@ROWCOUNT', '3'],
    ['SELECT N, C, Q FROM dbo.W GROUP BY N, C', '!8120'],
    ['SELECT N FROM dbo.W GROUP BY C', '!8120'],
    ['SELECT N AS x, MAX(Q) AS m INTO #g FROM dbo.W GROUP BY N; SELECT COUNT(*) FROM #g', '3'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('pivots, documents and groups, refused and answered', () => {
  beforeAll(async () => {
    client = await engine.open('t4');
    const fixture = [
      "CREATE TABLE dbo.T (Id int PRIMARY KEY, N nvarchar(20), Q int, D datetime); INSERT dbo.T VALUES (1, 'a', 1, '2024-01-01'), (2, 'b', 2, NULL)",
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ['SELECT N, UPPER(N), COUNT(*) FROM dbo.T GROUP BY N, UPPER(N) ORDER BY 1', 'a,A,1|b,B,1'],
    ['SELECT * FROM dbo.T PIVOT (SUM(Nope) FOR N IN ([a])) p', '!207'],
    ['SELECT * FROM dbo.T PIVOT (SUM(Q) FOR Nope IN ([a])) p', '!207'],
    ['SELECT * FROM (SELECT N, Q FROM dbo.T) s PIVOT (COUNT(Q) FOR N IN ([a], [z])) p', '1,0'],
    ['SELECT * FROM dbo.T UNPIVOT (v FOR c IN (Id, N)) u', '!8167'],
    ["SELECT ISJSON(N), JSON_VALUE(N, '$.a') FROM dbo.T WHERE 1 = 0", '(none)'],
    ['SELECT JSON_VALUE(N) FROM dbo.T', '!174'],
    ['SELECT * FROM OPENJSON()', '!102'],
    ["SELECT * FROM OPENJSON('[1]') WITH (a nosuch)", '!2715'],
    ["SELECT * FROM OPENJSON('[1]') WITH (a nvarchar(10) AS JSON)", '!13618'],
    ["SELECT Nope FROM OPENJSON('[1]')", '!207'],
    ["SELECT FORMAT('abc', 'N')", '!8116'],
    ["SELECT D AT TIME ZONE 'Nope' FROM dbo.T", '!9820'],
    ["SELECT Q AT TIME ZONE 'UTC' FROM dbo.T", '!8116'],
    ['SELECT Q, COUNT(*) FROM dbo.T GROUP BY ROLLUP(N)', '!8120'],
    ['SELECT N FROM dbo.T FOR JSON', '!102'],
    ['SELECT N AS [a.b], Q AS a FROM dbo.T FOR JSON PATH', '!13601'],
    ['CREATE TRIGGER dbo.Tr ON dbo.T INSTEAD OF INSERT AS SELECT Nope FROM inserted', '!207'],
    [`CREATE PROCEDURE dbo.Pj @j nvarchar(max) AS INSERT dbo.T (Id, N) SELECT Id, Name FROM OPENJSON(@j) WITH (Id int, Name nvarchar(20) '$.name')
GO
EXEC dbo.Pj N'[{"Id":9,"name":"z"}]'; SELECT N FROM dbo.T WHERE Id = 9`, 'z'],
    ['DECLARE @t TABLE (Id int, X xml); INSERT @t VALUES (1, \'<a b="c"/>\'); SELECT Id, X.value(\'(/a/@b)[1]\', \'varchar(5)\') FROM @t', '1,c'],
    ['SELECT TOP (1) WITH TIES N FROM dbo.T ORDER BY N', 'a'],
    ['SELECT N FROM dbo.T ORDER BY N OFFSET @x ROWS', '!137'],
    ['UPDATE dbo.T SET Q = Q + 1 OUTPUT inserted.Q, deleted.Q WHERE Id = 1', '2,1'],
    ['DELETE t FROM dbo.T AS t WHERE t.Id = 99', ''],
    ['SELECT LEFT(N, 3) AS L, COUNT(*) AS C FROM dbo.T GROUP BY LEFT(N, 3) HAVING COUNT(*) > 0 ORDER BY L', 'a,1|b,1|z,1'],
    ['SELECT DISTINCT N, COUNT(*) OVER (PARTITION BY N) FROM dbo.T ORDER BY N', 'a,1|b,1|z,1'],
    ['SELECT DISTINCT UPPER(N) AS U FROM dbo.T ORDER BY UPPER(N) DESC', 'Z|B|A'],
    ["SELECT N FROM dbo.T UNION SELECT N FROM dbo.T EXCEPT SELECT 'a' ORDER BY 1", 'b|z'],
    ["SELECT STRING_AGG(N, ',') WITHIN GROUP (ORDER BY N DESC) FROM dbo.T", 'z,b,a'],
    ['SELECT COUNT(DISTINCT N), MIN(N), MAX(N) FROM dbo.T', '3,a,z'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});
