import { type Client, type EngineUnderTest, startEngine } from './engine-under-test';

/** What SQL Server refuses to compile has no effect at all, not even of the statements before it. */

let engine: EngineUnderTest;
let client: Client;
beforeAll(async () => {
  engine = await startEngine();
  client = await engine.open();
  await client.rows('CREATE TABLE dbo.T (Id int NOT NULL PRIMARY KEY, Name nvarchar(20) NULL)');
});
afterAll(() => engine.stop());

test.each([
  ['a column that the same batch adds', 'ALTER TABLE dbo.T ADD Z int; UPDATE dbo.T SET Z = 1', 207],
  ['an unknown column anywhere', 'INSERT dbo.T (Id) VALUES (1); IF 1 = 0 SELECT Nope FROM dbo.T', 207],
  ['a column of another table', 'SELECT x.Id FROM dbo.T AS t', 4104],
  ['a name that two tables have', 'SELECT Id FROM dbo.T AS a CROSS JOIN dbo.T AS b', 209],
  ['CREATE VIEW behind something else', 'SELECT 1; CREATE VIEW dbo.V AS SELECT 1 AS A', 111],
  ['CREATE PROCEDURE behind something else', 'INSERT dbo.T (Id) VALUES (1); CREATE PROCEDURE dbo.P AS SELECT 1', 111],
  ['CREATE SCHEMA behind something else', 'SELECT 1; CREATE SCHEMA s', 111],
  ['CREATE VIEW inside a block', 'IF 1 = 1 CREATE VIEW dbo.V AS SELECT 1 AS A', 156],
  ['a variable declared twice', 'INSERT dbo.T (Id) VALUES (1); DECLARE @a int; DECLARE @A int', 134],
  ['a variable that nobody declared', 'INSERT dbo.T (Id) VALUES (1); SET @a = 1', 137],
  ['a table variable that nobody declared', 'INSERT dbo.T (Id) VALUES (1); SELECT * FROM @t', 1087],
  ['too few values', 'INSERT dbo.T (Id, Name) VALUES (1)', 109],
  ['too many values', 'INSERT dbo.T (Id) VALUES (1, 2)', 110],
  ['values that do not match the table', 'INSERT dbo.T VALUES (1)', 213],
  ['a label that does not exist', 'INSERT dbo.T (Id) VALUES (1); GOTO nowhere', 133],
  ['BREAK outside of a loop', 'INSERT dbo.T (Id) VALUES (1); BREAK', 135],
  ['an ungrouped column', 'INSERT dbo.T (Id) VALUES (1); SELECT Id, COUNT(*) FROM dbo.T', 8120],
  ['a syntax error at the end', 'INSERT dbo.T (Id) VALUES (1); SELECT FROM dbo.T', 156],
  ['an unknown type', 'INSERT dbo.T (Id) VALUES (1); DECLARE @a nosuchtype', 2715],
  [
    'int where a date is wanted',
    'INSERT dbo.T (Id) VALUES (1); SELECT CASE WHEN CAST(GETDATE() AS date) = 1 THEN 1 END',
    206,
  ],
])('%s', async (_what, text, number) => {
  const answer = await client.run(text);
  expect(answer.errors[0]?.number).toBe(number);
  expect(await client.rows("SELECT COUNT(*), COL_LENGTH(N'dbo.T', N'Z') FROM dbo.T")).toEqual([[0, null]]);
});

test('a table that is missing is looked for when its statement runs, and ends the batch there', async () => {
  const answer = await client.run("PRINT 'before'; SELECT * FROM dbo.Missing; PRINT 'behind'");
  expect(answer.errors).toMatchObject([{ number: 208, message: "Invalid object name 'dbo.Missing'.", line: 1 }]);
  expect(answer.infos.map((info) => info.message)).toEqual(['before']);
});

test('a procedure is compiled when it is created; tables that it lacks may come later', async () => {
  expect(await client.fails('CREATE PROCEDURE dbo.Bad AS SELECT Nope FROM dbo.T')).toEqual([207]);
  expect(await client.value("SELECT OBJECT_ID(N'dbo.Bad')")).toBeNull();
  await client.rows('CREATE PROCEDURE dbo.Later AS SELECT Name FROM dbo.ComesLater');
  expect(await client.fails('EXEC dbo.Later')).toEqual([208]);
  await client.rows("CREATE TABLE dbo.ComesLater (Name varchar(5)); INSERT dbo.ComesLater VALUES ('x')");
  expect(await client.rows('EXEC dbo.Later')).toEqual([['x']]);
});

test.each([
  ['a view over a temporary table', 'CREATE VIEW dbo.V AS SELECT * FROM #t', 4508],
  ['a function that changes data', 'CREATE FUNCTION dbo.F () RETURNS int AS BEGIN DELETE dbo.T; RETURN 1 END', 443],
  [
    'a function that selects for the client',
    'CREATE FUNCTION dbo.F () RETURNS int AS BEGIN SELECT 1; RETURN 1 END',
    444,
  ],
  ['a function that does not end with RETURN', 'CREATE FUNCTION dbo.F () RETURNS int AS BEGIN DECLARE @a int END', 455],
  ['a trigger on a table that is not there', 'CREATE TRIGGER dbo.X ON dbo.Nope AFTER INSERT AS PRINT 1', 8197],
  ['a view with a column without a name', 'CREATE VIEW dbo.V AS SELECT 1', 4511],
])('%s is not created', async (_what, text, number) => {
  expect(await client.fails(text)).toEqual([number]);
  expect(await client.rows("SELECT name FROM sys.objects WHERE name IN ('V', 'F', 'X')")).toEqual([]);
});

test.each([
  ['FOR XML EXPLICIT', 'SELECT 1 AS a FOR XML EXPLICIT'],
  ['columnstore', 'CREATE CLUSTERED COLUMNSTORE INDEX i ON dbo.T'],
  ['sql_variant', 'CREATE TABLE dbo.H (v sql_variant)'],
  ['sp_help', 'EXEC sp_help'],
  ['PERIOD FOR SYSTEM_TIME', 'CREATE TABLE dbo.H (Id int, PERIOD FOR SYSTEM_TIME (a, b))'],
  ['CREATE LOGIN', "CREATE LOGIN l WITH PASSWORD = 'x'"],
])('%s is refused by name', async (construct, text) => {
  const answer = await client.run(text);
  expect(answer.errors[0]?.number).toBe(49999);
  expect(answer.errors[0]?.message).toContain(construct);
});
