import { type Client, type EngineUnderTest, startEngine, transcript } from '../engine-under-test';

/** Conversions, functions, JSON and xml. Each batch runs behind those above it. */

let engine: EngineUnderTest;
let client: Client;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine.stop());
afterEach(() => transcript(client, 'IF @@TRANCOUNT > 0 ROLLBACK; SET XACT_ABORT OFF; SET NOCOUNT OFF'));

describe('conversions and functions', () => {
  beforeAll(async () => {
    client = await engine.open('t1');
  });

  // prettier-ignore
  test.each([
    ['SELECT 1.0/3, 10/3.0, CAST(1 AS decimal(5,2))/CAST(3 AS decimal(5,2)), 1.00*2.000, 5.5%2', '0.333333,3.333333,0.33333333,2.00000,1.5'],
    ['SELECT CAST(1 AS decimal(38,10))/3, CAST(1 AS decimal(38,10))*CAST(1 AS decimal(38,10))', '0.3333333333,1.000000'],
    ['SELECT CAST(1.5 AS money)*CAST(1.5 AS money), CAST(10 AS money)/4, CAST(1 AS money)/3*3', '2.2500,2.5000,0.9999'],
    ['SELECT CAST(1.23456789 AS varchar(20)), CAST(CAST(1.23456789 AS float) AS varchar(20)), CAST(CAST(123456789.0 AS float) AS varchar(30)), CAST(CAST(0.0001 AS float) AS varchar(30)), CAST(CAST(0.00001 AS float) AS varchar(30))', '1.23456789,1.23457,1.23457e+008,0.0001,1e-005'],
    ['SELECT CONVERT(varchar(30), CAST(1234.5678 AS money)), CONVERT(varchar(30), CAST(1234.5678 AS money), 1), CONVERT(varchar(30), CAST(1234.5678 AS money), 2)', '1234.57,1,234.57,1234.5678'],
    ["SELECT CAST(CAST('2024-01-01 12:34:56.789' AS datetime) AS varchar(30)), CONVERT(varchar(30), CAST('2024-01-01 12:34:56.789' AS datetime), 120), CONVERT(varchar(30), CAST('2024-01-01 02:34:56.789' AS datetime), 109), CONVERT(varchar(30), CAST('2024-01-01 02:34:56.789' AS datetime), 113)", 'Jan  1 2024 12:34PM,2024-01-01 12:34:56,Jan  1 2024  2:34:56:790AM,01 Jan 2024 02:34:56:790'],
    ["SELECT CONVERT(varchar(30), CAST('2024-01-02' AS date), 101), CONVERT(varchar(30), CAST('2024-01-02' AS date), 102), CONVERT(varchar(30), CAST('2024-01-02' AS date), 103), CONVERT(varchar(30), CAST('2024-01-02' AS date), 104), CONVERT(varchar(30), CAST('2024-01-02' AS date), 105), CONVERT(varchar(30), CAST('2024-01-02' AS date), 106), CONVERT(varchar(30), CAST('2024-01-02' AS date), 107), CONVERT(varchar(30), CAST('2024-01-02' AS date), 110), CONVERT(varchar(30), CAST('2024-01-02' AS date), 111), CONVERT(varchar(30), CAST('2024-01-02' AS date), 112), CONVERT(varchar(30), CAST('2024-01-02' AS date), 23), CONVERT(varchar(30), CAST('2024-01-02' AS date), 1), CONVERT(varchar(30), CAST('2024-01-02' AS date), 12)", '01/02/2024,2024.01.02,02/01/2024,02.01.2024,02-01-2024,02 Jan 2024,Jan 02, 2024,01-02-2024,2024/01/02,20240102,2024-01-02,01/02/24,240102'],
    ["SELECT CONVERT(varbinary(8), 'abc'), CONVERT(varbinary(8), '0x616263', 1), CONVERT(varbinary(8), '616263', 2), CONVERT(varchar(10), 0x616263, 2), CONVERT(varchar(10), 0x616263), CAST(N'ab' AS varbinary(10)), CAST(258 AS varbinary(2)), CAST(0x0102 AS int), CAST(0xFFFFFFFF AS int)", '0x616263,0x616263,0x616263,616263,abc,0x61006200,0x0102,258,-1'],
    ["SELECT CONVERT(varbinary(8), '0x61626', 1)", '!8114'],
    ["SELECT CAST('abc' AS binary(5)), CAST(1 AS binary(2)), CAST(CAST(1 AS bit) AS varbinary(2)), CAST(CAST('2024-01-01' AS datetime) AS binary(8))", '0x6162630000,0x0001,0x01,0x0000B0EA00000000'],
    ["SELECT CAST(CAST(0x10 AS int) AS varchar), CAST('  12 ' AS int), CAST('' AS int), CAST('-5' AS int), CAST('+5' AS int), CAST(' ' AS int)", '16,12,0,-5,5,0'],
    ["SELECT CAST('' AS datetime), CAST('' AS bit), CAST(' 1.50 ' AS decimal(5,2)), CAST('$1,234.5' AS money), CAST('1e3' AS float), CAST('' AS float)", '1900-01-01 00:00:00,0,1.50,1234.5000,1000,0'],
    ["SELECT ISNULL(NULL, 'abc'), ISNULL(CAST(NULL AS char(2)), 'xyz') + '|', COALESCE(CAST(NULL AS char(2)), 'xyz') + '|', ISNULL(CAST(NULL AS int), 1.9), COALESCE(CAST(NULL AS int), 1.9)", 'abc,xy|,xyz|,1,1.9'],
    ["SELECT ISNULL(CAST(NULL AS int), 'x')", '!245'],
    ["SELECT COALESCE(1, 'x'), COALESCE(CAST(NULL AS int), 'x')", '!245'],
    ["SELECT CASE WHEN 1=1 THEN 'x' ELSE 1 END", '!245'],
    ["SELECT CASE WHEN 1=0 THEN 'x' ELSE 1 END", '1'],
    ["SELECT LEN(N'a  '), LEN(''), LEN(' '), DATALENGTH('a  '), DATALENGTH(N'ab'), LEN(CAST('ab' AS char(10))), DATALENGTH(CAST('ab' AS char(10))), LEN(123), LEN(NULL)", '1,0,0,3,4,2,10,3,NULL'],
    ["SELECT STUFF('abc', 0, 1, 'x'), STUFF('abc', 4, 1, 'x'), STUFF('abc', 3, 5, 'x'), STUFF('abc', 2, 0, 'x'), STUFF('abc', 2, 1, NULL)", 'NULL,NULL,abx,axbc,ac'],
    ["SELECT TRANSLATE('abc', 'ab', 'x')", '!9828'],
    ["SELECT CONCAT_WS('-', 1, NULL, 'b', ''), CONCAT(NULL, NULL), CONCAT('a', 1, CAST('2024-01-01' AS date), 1.50)", '1-b-,,a12024-01-011.50'],
    ["SELECT value FROM STRING_SPLIT('a,b,,c', ',')", 'a|b||c'],
    ["SELECT value, ordinal FROM STRING_SPLIT('a,b', ',', 1)", 'a,1|b,2'],
    ["SELECT PATINDEX('%b%', 'abc'), PATINDEX('b', 'abc'), CHARINDEX('', 'abc'), CHARINDEX('z', 'abc'), PATINDEX('%[^a-z]%', 'ab1'), CHARINDEX('b', 'abcb', 3), SUBSTRING('abc', 0, 2), SUBSTRING('abc', 2, 100), LEFT('abc', 0), RIGHT('abc', 10)", '2,0,0,0,3,4,a,bc,,abc'],
    ["SELECT REPLACE('abcabc', 'b', ''), REPLACE('abc', '', 'x'), REPLACE(NULL, 'a', 'b'), REPLICATE('a', 0), REPLICATE('a', -1), REPLICATE('ab', 2.7)", 'acac,abc,NULL,,NULL,abab'],
    ['SELECT QUOTENAME(\'a\', \'"\'), QUOTENAME(\'a\', \'(\'), QUOTENAME(\'a\', \'x\'), QUOTENAME(\'a\'\'b\', \'\'\'\'), QUOTENAME(NULL)', '"a",(a),NULL,\'a\'\'b\',NULL'],
    ["SELECT DATEADD(month, -1, CAST('2024-03-31' AS date)), DATEADD(year, 1, CAST('2024-02-29' AS date)), DATEADD(hour, 25, CAST('2024-01-01' AS datetime)), DATEADD(quarter, 1, CAST('2024-01-15' AS date)), DATEADD(week, 1, CAST('2024-01-15' AS date)), DATEADD(ms, 2, CAST('2024-01-01' AS datetime)), DATEADD(minute, 1.9, CAST('2024-01-01' AS datetime))", '2024-02-29,2025-02-28,2024-01-02 01:00:00,2024-04-15,2024-01-22,2024-01-01 00:00:00.003,2024-01-01 00:01:00'],
    ["SELECT DATEDIFF(year, '2023-12-31', '2024-01-01'), DATEDIFF(quarter, '2023-12-31', '2024-01-01'), DATEDIFF(day, '2024-01-01 23:59', '2024-01-02'), DATEDIFF(minute, '10:00:59', '10:01:00'), DATEDIFF(ms, '2024-01-01', '2024-01-01 00:00:01'), DATEDIFF_BIG(second, '1900-01-01', '2024-01-01')", '1,1,1,1,1000,3913056000'],
    ["SELECT DATEPART(week, '2024-01-01'), DATEPART(iso_week, '2024-01-01'), DATEPART(dayofyear, '2024-12-31'), DATEPART(quarter, '2024-05-01'), DATEPART(weekday, '2024-01-01'), DATENAME(weekday, '2024-01-01'), DATENAME(dw, '2024-01-02'), DATEPART(ns, CAST('00:00:00.123' AS time)), DATEPART(tz, CAST('2024-01-01 +02:00' AS datetimeoffset))", '1,1,366,2,2,Monday,Tuesday,123000000,120'],
    ["SELECT EOMONTH('2024-02-01', 1), DATEFROMPARTS(2024, 2, 29), DATETIMEFROMPARTS(2024, 1, 2, 3, 4, 5, 6), DATETIME2FROMPARTS(2024,1,2,3,4,5,6,3), TIMEFROMPARTS(1,2,3,0,0), SMALLDATETIMEFROMPARTS(2024,1,2,3,4), DATETIMEOFFSETFROMPARTS(2024,1,2,3,4,5,0,2,0,0)", '2024-03-31,2024-02-29,2024-01-02 03:04:05.007,2024-01-02 03:04:05.006,01:02:03,2024-01-02 03:04:00,2024-01-02 03:04:05 +02:00'],
    ['SELECT DATEFROMPARTS(2024, 2, 30)', '!289'],
    ["SELECT SWITCHOFFSET(CAST('2024-01-01 12:00 +02:00' AS datetimeoffset(0)), '-05:00'), TODATETIMEOFFSET(CAST('2024-01-01 12:00' AS datetime2(0)), '+01:00'), CAST(CAST('2024-01-01 12:00 +02:00' AS datetimeoffset(0)) AS datetime2(0)), CONVERT(datetime2(0), CAST('2024-01-01 12:00 +02:00' AS datetimeoffset(0)), 1)", '2024-01-01 05:00:00 -05:00,2024-01-01 12:00:00 +01:00,2024-01-01 12:00:00,2024-01-01 10:00:00'],
    ["SELECT CAST('2024-07-01 12:00' AS datetime2(0)) AT TIME ZONE 'Central European Standard Time'", '2024-07-01 12:00:00 +02:00'],
    ["SELECT CAST('2024-07-01 12:00 +00:00' AS datetimeoffset(0)) AT TIME ZONE 'Pacific Standard Time', CAST('2024-07-01 12:00' AS datetime2(0)) AT TIME ZONE 'UTC'", '2024-07-01 05:00:00 -07:00,2024-07-01 12:00:00 +00:00'],
    ["SELECT CAST('2024-07-01 12:00' AS datetime2(0)) AT TIME ZONE 'Nope'", '!9820'],
    ['SELECT ROUND(2.5, 0), ROUND(-2.5, 0), ROUND(1234.567, -2), ROUND(1.567, 2, 1), CEILING(1.2), FLOOR(-1.2), ROUND(CAST(2.5 AS float), 0), ROUND(150, -2), SQUARE(3), SQRT(16), POWER(2.0, 3), POWER(2, -1), EXP(0), LOG(1), LOG10(100), PI(), SIGN(-2), ABS(-1.5)', '3.0,-3.0,1200.000,1.560,2,-2,3,200,9,4,8.0,0,1,0,2,3.141592653589793,-1,1.5'],
    ["SELECT 7/2, -7/2, 7%3, -7%3, 7%-3, 2147483647+CAST(1 AS bigint), 5/2.0, 1+1.5, '5'*2, '1'+'2', 1+'2'", '3,-3,1,-1,1,2147483648,2.500000,2.5,10,12,3'],
    ['SELECT CAST(2147483648 AS bigint), 2147483648, 1e2, .5, 5., 0x, $5', '2147483648,2147483648,100,0.5,5,0x,5.0000'],
    ["SELECT NULLIF('a', 'A'), NULLIF('a', 'a '), CHOOSE(3, 'a', 'b'), IIF(NULL = 1, 'a', 'b'), GREATEST(1, 3, 2), LEAST(1, 3, 2)", 'NULL,NULL,NULL,b,3,1'],
    ["SELECT COUNT(*) FROM (SELECT DISTINCT x FROM (VALUES ('a'), ('A'), ('a ')) v(x)) t", '1'],
    ["SELECT COUNT(DISTINCT x) FROM (VALUES ('a'), ('A'), ('a '), ('b')) v(x)", '2'],
    ["SELECT COUNT(*) FROM (VALUES ('a'), ('A'), ('a '), ('b')) v(x) GROUP BY x ORDER BY 1", '1|3'],
    ["SELECT 'a' UNION SELECT 'a ' UNION SELECT 'A'", 'a'],
    ["SELECT g FROM (VALUES (CAST('00000001-0000-0000-0000-000000000000' AS uniqueidentifier)), (CAST('00000000-0000-0000-0000-000000000001' AS uniqueidentifier)), (CAST('00000000-0000-0000-0100-000000000000' AS uniqueidentifier))) v(g) ORDER BY g", '00000001-0000-0000-0000-000000000000|00000000-0000-0000-0100-000000000000|00000000-0000-0000-0000-000000000001'],
    ["SELECT CAST('a' AS uniqueidentifier)", '!8169'],
    ["SELECT CAST('6F9619FF-8B86-D011-B42D-00C04FC964FFxxxx' AS uniqueidentifier), CONVERT(uniqueidentifier, 0x01), CAST(CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier) AS binary(16)), CAST(CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier) AS char(36))", '6F9619FF-8B86-D011-B42D-00C04FC964FF,00000001-0000-0000-0000-000000000000,0xFF19966F868B11D0B42D00C04FC964FF,6F9619FF-8B86-D011-B42D-00C04FC964FF'],
    ["SELECT SOUNDEX('Robert'), DIFFERENCE('Smith', 'Smythe')", 'R163,4'],
    ['SELECT JSON_VALUE(\'{"a":{"b":[1,2,{"c":"x"}]}}\', \'$.a.b[2].c\'), JSON_VALUE(\'{"a":1}\', \'$.z\'), JSON_QUERY(\'{"a":{"b":1}}\', \'$.a\'), ISJSON(\'{"a":1}\'), ISJSON(\'x\'), ISJSON(NULL)', 'x,NULL,{"b":1},1,0,NULL'],
    ['SELECT JSON_VALUE(\'{"a":1}\', \'strict $.z\')', '!13608'],
    ['SELECT JSON_MODIFY(\'{"a":1}\', \'$.a\', 2), JSON_MODIFY(\'{"a":1}\', \'$.b\', \'x\'), JSON_MODIFY(\'{"a":1,"b":2}\', \'$.b\', NULL)', '{"a":2},{"a":1,"b":"x"},{"a":1}'],
    ['SELECT [key], value, type FROM OPENJSON(\'{"a":1,"b":"x","c":null,"d":[1],"e":{"f":1},"g":true}\')', 'a,1,2|b,x,1|c,NULL,0|d,[1],4|e,{"f":1},5|g,true,3'],
    ['SELECT * FROM OPENJSON(\'[{"id":1,"name":"a"},{"id":2}]\') WITH (id int, name nvarchar(10))', '1,a|2,NULL'],
    ['SELECT * FROM OPENJSON(\'{"items":[{"id":1,"n":{"x":"q"}}]}\', \'$.items\') WITH (Id int \'$.id\', X nvarchar(5) \'$.n.x\', N nvarchar(max) \'$.n\' AS JSON)', '1,q,{"x":"q"}'],
    ["SELECT 1 AS a, 'x' AS [b.c] FOR JSON PATH", '[{"a":1,"b":{"c":"x"}}]'],
    ['SELECT 1 AS a, NULL AS b FOR JSON PATH, WITHOUT_ARRAY_WRAPPER', '{"a":1}'],
    ['SELECT (SELECT 1 AS a, NULL AS b FOR JSON PATH, INCLUDE_NULL_VALUES) AS j', '[{"a":1,"b":null}]'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('later functions', () => {
  beforeAll(async () => {
    client = await engine.open('t2');
    const fixture = ['CREATE SEQUENCE dbo.Sq START WITH 1', 'CREATE TABLE dbo.N (A int, B int)'];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ['SELECT NEXT VALUE FOR dbo.Sq, NEXT VALUE FOR dbo.Sq', '1,1'],
    ['INSERT dbo.N VALUES (NEXT VALUE FOR dbo.Sq, NEXT VALUE FOR dbo.Sq), (NEXT VALUE FOR dbo.Sq, 0); SELECT * FROM dbo.N ORDER BY A', '2,2|3,0'],
    ["SET DATEFIRST 1; SELECT DATEPART(weekday, '2024-01-01'), @@DATEFIRST, DATEPART(week, '2024-01-07'), DATEPART(week, '2024-01-08'); SET DATEFIRST 7; SELECT DATEPART(dw, '2024-01-01'), DATEPART(week, '2024-01-07')", '1,1,1,2 ; 2,2'],
    ["SELECT HASHBYTES('SHA1', 'a'), HASHBYTES('MD5', 'a')", '0x86F7E437FAA5A7FCE15D1DDCB9EAEAEA377667B8,0x0CC175B9C0F1B6A831C399E269772661'],
    ["DECLARE c CURSOR FOR SELECT A FROM dbo.N; SELECT CURSOR_STATUS('global', 'c'); OPEN c; SELECT CURSOR_STATUS('global', 'c'), CURSOR_STATUS('local', 'c'); CLOSE c; SELECT CURSOR_STATUS('global', 'c'); DEALLOCATE c; IF CURSOR_STATUS('global', 'c') >= -1 DEALLOCATE c; SELECT CURSOR_STATUS('global', 'c')", '-1 ; 1,-3 ; -1 ; -3'],
    ["DECLARE @d AS sql_variant; SET @d = N'text'; EXEC sp_addextendedproperty 'MS_Description', @d, 'SCHEMA', N'dbo', 'TABLE', N'N'; SELECT value FROM sys.extended_properties", 'text'],
    ['CREATE TABLE dbo.SV (a sql_variant)', '!49999'],
    ["SELECT FORMAT(CAST('2024-03-05 14:05:06.007' AS datetime), 'yyyyMMddHHmmssfff'), FORMAT(-1234.567, 'N1'), FORMAT(12, 'D5'), FORMAT(0.5, '0.##'), FORMAT(7, '#,##0.00'), FORMAT(CAST('2024-03-05' AS date), 'MMM d, yyyy')", '20240305140506007,-1,234.6,00012,0.5,7.00,Mar 5, 2024'],
    ["SELECT value, ordinal FROM STRING_SPLIT('a,,b', ',', 1) ORDER BY ordinal DESC", 'b,3|,2|a,1'],
    ["SELECT COUNT(*) FROM STRING_SPLIT('', ',')", '1'],
    ["SELECT value FROM STRING_SPLIT('a', 'xx')", '!214'],
    ['SELECT value FROM GENERATE_SERIES(1, 7, 3)', '1|4|7'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('numbers', () => {
  beforeAll(async () => {
    client = await engine.open('t3');
    const fixture = ['CREATE TABLE dbo.T (Id int); INSERT dbo.T VALUES (10), (20), (30)'];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ['SELECT IDENTITY(int, 5, 5) AS Rn, Id INTO #x FROM dbo.T; SELECT Rn FROM #x ORDER BY Rn; INSERT #x (Id) VALUES (40); SELECT MAX(Rn) FROM #x', '5|10|15 ; 20'],
    ['SELECT IDENTITY(int) FROM dbo.T', '!177'],
    ['DECLARE @n int = -1; SELECT TOP (@n) Id FROM dbo.T', '!127'],
    ["SELECT DATE_BUCKET(week, 1, CAST('2024-05-17' AS date))", '!49999'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('JSON', () => {
  beforeAll(async () => {
    client = await engine.open('t4');
    const fixture = [
      "CREATE TABLE dbo.J (Id int, Doc nvarchar(max) CONSTRAINT CK_J CHECK (ISJSON(Doc) = 1), N AS JSON_VALUE(Doc, '$.n'))",
      'INSERT dbo.J (Id, Doc) VALUES (1, N\'{"n":"x","a":[1,2,3],"o":{"p":true}}\'), (2, N\'{"n":null}\')',
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ["INSERT dbo.J (Id, Doc) VALUES (3, N'oops')", '!547 ; i3621'],
    ["SELECT Id, N, JSON_VALUE(Doc, '$.o.p'), JSON_QUERY(Doc, '$.a'), JSON_VALUE(Doc, '$.a[1]'), JSON_VALUE(Doc, '$.o') FROM dbo.J ORDER BY Id", '1,x,true,[1,2,3],2,NULL|2,NULL,NULL,NULL,NULL,NULL'],
    ["SELECT j.Id, a.value, a.[key] FROM dbo.J j CROSS APPLY OPENJSON(j.Doc, '$.a') a ORDER BY 2", '1,1,0|1,2,1|1,3,2'],
    ["SELECT JSON_VALUE('x', '$.a')", '!13609'],
    ['SELECT JSON_VALUE(\'{"a":x}\', \'$.a\')', '!13609'],
    ["SELECT JSON_VALUE('{}', 'a')", '!13607'],
    ["SELECT Id, N AS [info.name], Id * 2 AS [info.twice] FROM dbo.J ORDER BY Id FOR JSON PATH, ROOT('rows')", '{"rows":[{"Id":1,"info":{"name":"x","twice":2}},{"Id":2,"info":{"twice":4}}]}'],
    ['SELECT Id, (SELECT 1 AS x, \'a"/b\' AS s FOR JSON PATH) AS sub, CAST(1 AS bit) AS b, 1.50 AS d, CAST(\'2024-01-02\' AS date) AS dt FROM dbo.J WHERE Id = 1 FOR JSON AUTO', '[{"Id":1,"sub":[{"x":1,"s":"a\\"\\/b"}],"b":true,"d":1.50,"dt":"2024-01-02"}]'],
    ['SELECT Id FROM dbo.J WHERE 1 = 0 FOR JSON PATH', '(none)'],
    ['SELECT 1 FOR JSON PATH', '!13605'],
    ['DECLARE @j nvarchar(max) = N\'{"name":"John","skills":["C#","SQL"]}\'; SET @j = JSON_MODIFY(@j, \'$.name\', \'Mike\'); SET @j = JSON_MODIFY(@j, \'$.surname\', \'Smith\'); SET @j = JSON_MODIFY(@j, \'append $.skills\', \'Azure\'); SET @j = JSON_MODIFY(@j, \'$.name\', NULL); SET @j = JSON_MODIFY(@j, \'$.n\', 5); SET @j = JSON_MODIFY(@j, \'$.q\', JSON_QUERY(\'[1]\')); SELECT @j', '{"skills":["C#","SQL","Azure"],"surname":"Smith","n":5,"q":[1]}'],
    ['INSERT dbo.J (Id, Doc) SELECT id, doc FROM OPENJSON(N\'[{"id":7,"doc":{"n":"q"}}]\') WITH (id int, doc nvarchar(max) AS JSON); SELECT N FROM dbo.J WHERE Id = 7', 'q'],
    ["UPDATE dbo.J SET Doc = JSON_MODIFY(Doc, '$.n', 'z') WHERE Id = 7; SELECT Doc FROM dbo.J WHERE Id = 7", '{"n":"z"}'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('xml', () => {
  beforeAll(async () => {
    client = await engine.open('t5');
    const fixture = [
      'CREATE TABLE dbo.X (Id int, D xml)',
      'INSERT dbo.X VALUES (1, \'<?xml version="1.0"?><o id="7"><l sku="a">1 &amp; 2</l><l sku="b">3</l></o>\'), (2, NULL)',
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ['declare @resources xml set @resources=\'<Language><LocaleResource Name="A.B"><Value>Hello</Value></LocaleResource><LocaleResource Name="C"><Value /></LocaleResource></Language>\'; SELECT nref.value(\'@Name\', \'nvarchar(200)\'), nref.value(\'Value[1]\', \'nvarchar(MAX)\') FROM @resources.nodes(\'//Language/LocaleResource\') AS R(nref)', 'A.B,Hello|C,'],
    ["DECLARE @s varchar(50) = 'a,b,c'; DECLARE @x xml = CAST('<i>' + REPLACE(@s, ',', '</i><i>') + '</i>' AS xml); SELECT t.c.value('.', 'varchar(10)') FROM @x.nodes('/i') t(c)", 'a|b|c'],
    ['SELECT Id, D.value(\'(/o/@id)[1]\', \'int\'), D.exist(\'/o/l[@sku="b"]\'), D.value(\'(/o/l)[2]\', \'int\'), D.value(\'(/o/z)[1]\', \'int\') FROM dbo.X ORDER BY Id', '1,7,1,3,NULL|2,NULL,NULL,NULL,NULL'],
    ["SELECT x.Id, l.n.value('@sku', 'char(2)') + '|', l.n.value('text()[1]', 'nvarchar(20)') FROM dbo.X x CROSS APPLY x.D.nodes('/o/l') AS l(n)", '1,a |,1 & 2|1,b |,3'],
    ["SELECT CAST(D.query('/o/l[1]') AS nvarchar(100)) FROM dbo.X WHERE Id = 1", '<l sku="a">1 &amp; 2</l>'],
    ["SELECT D.value('/o/@id', 'int') FROM dbo.X", '!2389'],
    ["SELECT CAST('<a>' AS xml)", '!9400'],
    ["SELECT CAST('<a></b>' AS xml)", '!9436'],
    ["DECLARE @n nvarchar(10) = 'x'; SELECT @n.value('.', 'int')", '!258'],
    ["INSERT dbo.X VALUES (3, 'a < b')", '!9420'],
    ["SELECT TRY_CAST('<a>' AS xml)", 'NULL'],
    ["SELECT Id FROM dbo.X WHERE D.exist('/o') = 1", '1'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('FOR XML', () => {
  beforeAll(async () => {
    client = await engine.open('t6');
    const fixture = [
      'CREATE TABLE dbo.X (Id int, N varchar(20), D datetime)',
      "INSERT dbo.X VALUES (1, 'a & \"b\"', '2024-01-02T03:04:05'), (2, NULL, NULL)",
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ['SELECT Id, N FROM dbo.X ORDER BY Id FOR XML RAW', '<row Id="1" N="a &amp; &quot;b&quot;"/><row Id="2"/>'],
    ["SELECT Id, N FROM dbo.X AS x ORDER BY Id FOR XML AUTO, ROOT('all')", '<all><x Id="1" N="a &amp; &quot;b&quot;"/><x Id="2"/></all>'],
    ["SELECT Id AS [@id], N AS [a/b], D AS [a/c], Id AS [t] FROM dbo.X ORDER BY Id FOR XML PATH('i'), ROOT", '<root><i id="1"><a><b>a &amp; "b"</b><c>2024-01-02T03:04:05</c></a><t>1</t></i><i id="2"><t>2</t></i></root>'],
    ["SELECT STUFF((SELECT ',' + N FROM dbo.X FOR XML PATH('')), 1, 1, '')", 'a &amp; "b"'],
    ["SELECT STUFF((SELECT ',' + N AS [text()] FROM dbo.X FOR XML PATH(''), TYPE).value('.', 'nvarchar(max)'), 1, 1, '')", 'a & "b"'],
    ["SELECT (SELECT Id AS k FROM dbo.X WHERE Id = 1 FOR XML PATH('q'), TYPE) AS [w], 1 AS z FOR XML PATH('r')", '<r><w><q><k>1</k></q></w><z>1</z></r>'],
    ["SELECT Id, N FROM dbo.X FOR XML RAW('e'), ELEMENTS", '<e><Id>1</Id><N>a &amp; "b"</N></e><e><Id>2</Id></e>'],
    ['SELECT Id FROM dbo.X WHERE 1 = 0 FOR XML PATH', '(none)'],
    ['SELECT N AS x, Id AS [@i] FROM dbo.X FOR XML PATH', '!6852'],
    ['SELECT 1 FOR XML RAW', '!6809'],
    ["SELECT Id AS [data()] FROM dbo.X ORDER BY Id FOR XML PATH('')", '1 2'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

describe('small things that a script can tell', () => {
  beforeAll(async () => {
    client = await engine.open('t7');
    const fixture = [
      'CREATE TABLE dbo.T (Id int IDENTITY PRIMARY KEY, N varchar(10) NOT NULL, Q decimal(9,2) NULL)',
      "INSERT dbo.T (N, Q) VALUES ('a', 1.5), ('b', NULL)",
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    [`CREATE PROCEDURE dbo.E1 AS BEGIN TRY INSERT dbo.T (N) VALUES (NULL) END TRY BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_PROCEDURE(), ERROR_LINE() END CATCH
GO
EXEC dbo.E1`, '515,E1,1'],
    [`CREATE PROCEDURE dbo.E2 AS EXEC dbo.E2x; SELECT 'after'
GO
EXEC dbo.E2`, '!2812 ; after'],
    ['DECLARE @t TABLE (Id int); INSERT @t SELECT Id FROM dbo.T; BEGIN TRAN; DELETE @t; ROLLBACK; SELECT COUNT(*) FROM @t', '0'],
    ["BEGIN TRAN; CREATE TABLE dbo.InTran (a int); INSERT dbo.InTran VALUES (1); ROLLBACK; SELECT OBJECT_ID('dbo.InTran')", 'NULL'],
    ['SELECT SUM(Q), AVG(Q), MAX(N), COUNT(Q), COUNT(*) FROM dbo.T', '1.50,1.500000,b,1,2'],
    ['SELECT CAST(AVG(CAST(Id AS decimal(10,2))) AS decimal(10,4)), AVG(Id), SUM(CAST(Id AS bigint)) FROM dbo.T', '1.5000,1,3'],
    ["INSERT dbo.T (N) OUTPUT inserted.Id, inserted.N VALUES ('c'), ('d')", '4,c|5,d'],
    ["SELECT Id, LAG(N, 1, '-') OVER (ORDER BY Id), LEAD(N) OVER (ORDER BY Id), FIRST_VALUE(N) OVER (ORDER BY Id), LAST_VALUE(N) OVER (ORDER BY Id), NTILE(2) OVER (ORDER BY Id), SUM(Id) OVER (ORDER BY Id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM dbo.T", '1,-,b,a,a,1,1|2,a,c,a,b,1,3|4,b,d,a,c,2,6|5,c,NULL,a,d,2,9'],
    ['SELECT PERCENT_RANK() OVER (ORDER BY Id), CUME_DIST() OVER (ORDER BY Id) FROM dbo.T WHERE Id < 3', '0,0.5|1,1'],
    ['SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY Id) OVER () FROM dbo.T', '!49999'],
    ['UPDATE dbo.T SET Q = ISNULL(Q, 0) + 1, N = UPPER(N) WHERE Id IN (SELECT TOP 2 Id FROM dbo.T ORDER BY Id DESC); SELECT Id, N, Q FROM dbo.T WHERE Id > 2', '4,C,1.00|5,D,1.00'],
    ["UPDATE TOP (1) dbo.T SET Q = 5 WHERE N = 'C'; SELECT @@ROWCOUNT", '1'],
    ['DECLARE @x int = 1, @y int; SELECT @y = @x + 1, @x = 5; SELECT @x, @y', '5,2'],
    ['DECLARE @x int = 1; UPDATE dbo.T SET @x = @x + 1; SELECT @x', '!49999'],
    ["SELECT CASE WHEN '2' > '10' THEN 1 ELSE 0 END, CASE WHEN 2 > '10' THEN 1 ELSE 0 END, CASE WHEN 'a' > 'B' THEN 1 ELSE 0 END", '1,0,0'],
    ["SELECT 'a' + 1", '!245'],
    ["SELECT '1' + 1, '1' + '1', 1 + 1.0, '1.5' + 1.0", '2,11,2.0,2.5'],
    ['SELECT 10 / 4, 10 / 4.0, 10 % 4, -10 / 4, 10.0 / 4, CAST(10 AS float) / 4', '2,2.500000,2,-2,2.500000,2.5'],
    ['SELECT CAST(0.1 AS float) + CAST(0.2 AS float), CAST(1 AS float) / 3', '0.30000000000000004,0.3333333333333333'],
    ["SELECT CAST('2024-02-30' AS date)", '!241'],
    ["SELECT CONVERT(int, '1e5')", '!245'],
    ["SELECT CAST('12.7' AS int)", '!245'],
    ["SELECT CAST(12.7 AS int), CAST(-12.7 AS int), CAST(12.5 AS decimal(3,0)), ROUND(12.5, 0), CAST('12.7' AS decimal(5,1))", '12,-12,13,13.0,12.7'],
    ["DECLARE @s varchar(5) = 'abcdefgh', @c char(5) = 'ab', @n nvarchar(3) = N'xyzzy'; SELECT @s, @c + '|', @n, LEN(@c), DATALENGTH(@c)", 'abcde,ab   |,xyz,2,5'],
    ["SELECT LEN('a' + SPACE(3)), 'a' + SPACE(2) + 'b', REPLICATE('0', 3) + '7', RIGHT('000' + CAST(7 AS varchar(3)), 3)", '1,a  b,0007,007'],
    ["SELECT ISNULL(NULLIF('', ''), 'x'), COALESCE(NULL, NULL, 'z'), IIF(1 > 2, 'a', 'b')", 'x,z,b'],
    ["IF 'a' = 'A ' PRINT 'same'; IF N'a' = 'A' PRINT 'same2'; IF 'a' COLLATE Latin1_General_BIN = 'A' PRINT 'never'", '>same ; >same2'],
    ["SELECT N FROM dbo.T WHERE N LIKE '[a-b]' ORDER BY Id", 'a|b'],
    ["SELECT N FROM dbo.T WHERE N NOT LIKE '[^A]%' ORDER BY Id", 'a'],
    ["CREATE TABLE dbo.Wide (a varchar(8000), b varchar(8000)); INSERT dbo.Wide VALUES (REPLICATE('a', 8000), REPLICATE(CAST('b' AS varchar(max)), 9000))", '!2628 ; i3621'],
    ['CREATE TABLE dbo.Dec (d decimal(5,2)); INSERT dbo.Dec VALUES (999.999)', '!8115 ; i3621'],
    ['INSERT dbo.Dec VALUES (1.005), (-1.005); SELECT d FROM dbo.Dec', '1.01|-1.01'],
    ['CREATE TABLE dbo.Chk (a int CONSTRAINT CK_a CHECK (a BETWEEN 1 AND 5), b int CONSTRAINT CK_b CHECK (b IN (1, 2)), CONSTRAINT CK_ab CHECK (a <> b)); INSERT dbo.Chk VALUES (NULL, NULL); INSERT dbo.Chk VALUES (2, 2)', '!547 ; i3621'],
    ['ALTER TABLE dbo.Chk NOCHECK CONSTRAINT CK_ab; INSERT dbo.Chk VALUES (2, 2); ALTER TABLE dbo.Chk WITH CHECK CHECK CONSTRAINT CK_ab', '!547'],
    ["SELECT name, is_disabled, is_not_trusted FROM sys.check_constraints WHERE name = 'CK_ab'", 'CK_ab,1,1'],
    ['DECLARE @v int; UPDATE dbo.T SET @v = Q = Q + 1 WHERE Id = 1; SELECT @v', '2'],
    ['DECLARE @v int = 0; UPDATE dbo.T SET @v += 1', '!49999'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});
