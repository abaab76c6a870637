import { type Client, type EngineUnderTest, startEngine } from './engine-under-test';

/** Values, comparisons and conversions as SQL Server has them. */

let engine: EngineUnderTest;
let client: Client;
beforeAll(async () => {
  engine = await startEngine();
  client = await engine.open();
});
afterAll(() => engine.stop());

test.each([
  // arithmetic
  ['7 / 2', 3],
  ['-7 / 2', -3],
  ['7 % 3', 1],
  ['10.0 / 3', '3.333333'],
  ['2 / 3.0', '0.666666'],
  ['1.5 * 2.25', '3.375'],
  ['CAST(10 AS decimal(18,2)) / CAST(3 AS decimal(18,2))', '3.33333333333333333333'],
  ['CAST(1 AS money) / 3', '0.3333'],
  ["'5' + 2", 7],
  ['2 + 3 * 4', 14],
  ['5 & 3 | 8', 9],
  ['~5', -6],
  ['CAST(1.5 AS int)', 1],
  ['CAST(-1.5 AS int)', -1],
  ['CAST(1.005 AS decimal(5,2))', '1.01'],
  ['CAST(2.5 AS money)', '2.5000'],
  ['CAST(5 AS bit)', true],
  ['ROUND(123.456, 1)', '123.500'],
  ['ROUND(123.456, -1)', '120.000'],
  ['FLOOR(-1.5)', '-2'],
  ['POWER(2, 10)', 1024],
  ['ABS(-3)', 3],
  ['SIGN(-3.5)', '-1.0'],
  ['4294967296', '4294967296'],
  // strings
  ["N'a' + NULL", null],
  ["LEN('abc  ')", 3],
  ["DATALENGTH(N'abc')", 6],
  ["LEFT('abc', 2)", 'ab'],
  ["RIGHT('abc', 2)", 'bc'],
  ["SUBSTRING('abcdef', 2, 3)", 'bcd'],
  ["SUBSTRING('abcdef', -1, 4)", 'ab'],
  ["CHARINDEX('C', 'abc')", 3],
  ["CHARINDEX('c', 'abcabc', 4)", 6],
  ["PATINDEX('%[0-9]%', 'ab3')", 3],
  ["REPLACE('aXbx', 'x', '-')", 'a-b-'],
  ["REPLICATE('ab', 3)", 'ababab'],
  ["STUFF('abcdef', 2, 3, 'XX')", 'aXXef'],
  ["QUOTENAME('a]b')", '[a]]b]'],
  ["QUOTENAME('a''b', '''')", "'a''b'"],
  ["CONCAT('a', NULL, 1)", 'a1'],
  ["CONCAT_WS(',', 'a', NULL, 'b')", 'a,b'],
  ['STR(3.14159, 6, 2)', '  3.14'],
  ["PARSENAME('a.b.c', 1)", 'c'],
  ["CAST('abc' AS char(5)) + '|'", 'abc  |'],
  ["CAST('abcdef' AS varchar(3))", 'abc'],
  ['CAST(12345 AS varchar(3))', '*'],
  ["CAST(N'Ω' AS varchar(5))", '?'],
  ["UPPER(N'straße ä')", 'STRASSE Ä'.replace('SS', 'ß')],
  ['CAST(0.1E0 + 0.2E0 AS varchar(20))', '0.3'],
  ['CAST(1E10 AS varchar(20))', '1e+010'],
  ['CAST(12.5 AS varchar(10))', '12.5'],
  ['CONVERT(varchar(10), 0x48656C6C6F)', 'Hello'],
  ['CONVERT(varbinary(4), 1)', Buffer.from([0, 0, 0, 1])],
  ['CONVERT(varchar(10), 0xAB, 1)', '0xAB'],
  ["CAST('{6F9619FF-8B86-D011-B42D-00C04FC964FF}' AS uniqueidentifier)", '6F9619FF-8B86-D011-B42D-00C04FC964FF'],
  ["CAST('true' AS bit)", true],
  // dates
  ["CAST('2024-02-29' AS datetime)", '2024-02-29 00:00:00'],
  ["CAST('20240229 10:11:12.346' AS datetime)", '2024-02-29 10:11:12.347'],
  ["CAST('2024-02-29T10:11:12.1234567' AS datetime2(3))", '2024-02-29 10:11:12.123'],
  ["CAST('2024-02-29 10:11:31' AS smalldatetime)", '2024-02-29 10:12:00'],
  ["CAST('12/31/2023' AS date)", '2023-12-31'],
  ["CONVERT(date, '31/12/2023', 103)", '2023-12-31'],
  ["CONVERT(varchar(30), CAST('2024-01-05 14:03:04.567' AS datetime))", 'Jan  5 2024  2:03PM'],
  ["CONVERT(varchar(30), CAST('2024-01-05 14:03:04.567' AS datetime), 121)", '2024-01-05 14:03:04.567'],
  ["CONVERT(varchar(8), CAST('2024-01-05' AS datetime), 112)", '20240105'],
  ["CONVERT(varchar(40), CAST('2024-01-05 14:03:04.567' AS datetime), 126)", '2024-01-05T14:03:04.567'],
  ["CAST(CAST('2024-01-05 14:03:04' AS datetime2(2)) AS varchar(40))", '2024-01-05 14:03:04.00'],
  ["DATEADD(month, 1, CAST('2024-01-31' AS date))", '2024-02-29'],
  ["DATEADD(day, -1, '2024-03-01')", '2024-02-29 00:00:00'],
  ["DATEDIFF(month, '2023-12-31', '2024-01-01')", 1],
  ["DATEDIFF(hour, '2024-01-01 00:59', '2024-01-01 01:01')", 1],
  ["DATEDIFF(week, '2024-01-06', '2024-01-07')", 1],
  ["DATEPART(weekday, '2024-01-07')", 1],
  ["DATENAME(month, '2024-02-01')", 'February'],
  ["YEAR('2024-02-01')", 2024],
  ["EOMONTH('2024-02-10')", '2024-02-29'],
  ['CAST(1 AS datetime)', '1900-01-02 00:00:00'],
  ["CAST('2024-01-02' AS datetime) + 1.5", '2024-01-03 12:00:00'],
  ["CAST('2024-01-02 03:04:05 +02:00' AS datetimeoffset(0))", '2024-01-02 03:04:05 +02:00'],
  ["CAST(CAST('2024-01-02 03:04:05 +02:00' AS datetimeoffset) AS datetime2(0))", '2024-01-02 03:04:05'],
  // choices
  ['ISNULL(NULL, 5)', 5],
  ["ISNULL(CAST(NULL AS varchar(2)), 'abc')", 'ab'],
  ['COALESCE(NULL, 1.5, 2)', '1.5'],
  ['NULLIF(1, 1)', null],
  ["IIF(1 = 2, 'y', 'n')", 'n'],
  ['CASE WHEN 1 = 1 THEN 1 ELSE 2.5 END', '1.0'],
  ["CASE 'A' WHEN 'a ' THEN 1 END", 1],
  ["CHOOSE(2, 'a', 'b')", 'b'],
  ["TRY_CAST('x' AS int)", null],
  ["TRY_CONVERT(date, '2024-13-01')", null],
  ["ISNUMERIC('1e5')", 1],
  ["ISDATE('2024-02-30')", 0],
  ['@@TRANCOUNT', 0],
])('SELECT %s', async (expression, expected) => {
  expect(await client.value(`SELECT ${expression}`)).toEqual(expected);
});

test.each([
  ["'abc' = 'ABC  '", true],
  ["N'é' = N'e'", false],
  ["'a' < 'B'", true],
  ["'abc' COLLATE Latin1_General_CS_AS = 'ABC'", false],
  ["'abc' LIKE 'A[a-c]_'", true],
  ["'abd' LIKE 'ab[^c]'", true],
  ["'50%' LIKE '50!%' ESCAPE '!'", true],
  ["'a_c' LIKE 'a[_]c'", true],
  ["'abc' LIKE 'abc '", false],
  ["'abc ' LIKE 'abc'", true],
  ['NULL = NULL', false],
  ['1 IN (2, NULL)', false],
  ['NOT (1 IN (2, NULL))', false],
  ["1 = '1'", true],
  ["'10' > 9", true],
  ["CAST('2024-01-01' AS datetime) = '20240101'", true],
  ['1 BETWEEN 0 AND 1', true],
  ['2 > ALL (SELECT 1 UNION SELECT 2)', false],
  ['2 >= ANY (SELECT 1 UNION SELECT 3)', true],
  ['EXISTS (SELECT 1 WHERE 1 = 0)', false],
])('%s is %s', async (condition, expected) => {
  expect(await client.value(`SELECT CASE WHEN ${condition} THEN 1 ELSE 0 END`)).toBe(expected ? 1 : 0);
});

test.each([
  ['SELECT 1 / 0', 8134, 'Divide by zero error encountered.'],
  ['SELECT 2147483647 + 1', 8115, 'Arithmetic overflow error converting expression to data type int.'],
  ['SELECT CAST(300 AS tinyint)', 220, 'Arithmetic overflow error for data type tinyint, value = 300.'],
  [
    "SELECT CAST('300' AS tinyint)",
    244,
    "The conversion of the varchar value '300' overflowed an INT1 column. Use a larger integer column.",
  ],
  ["SELECT CAST('12a' AS int)", 245, "Conversion failed when converting the varchar value '12a' to data type int."],
  ["SELECT CAST(N'x' AS decimal(5,2))", 8114, 'Error converting data type nvarchar to numeric.'],
  ['SELECT CAST(1000 AS decimal(5,2))', 8115, undefined],
  [
    "SELECT CAST('2024-13-01' AS datetime)",
    242,
    'The conversion of a varchar data type to a datetime data type resulted in an out-of-range value.',
  ],
  [
    "SELECT CAST('nonsense' AS datetime)",
    241,
    'Conversion failed when converting date and/or time from character string.',
  ],
  [
    "SELECT CAST('xyz' AS uniqueidentifier)",
    8169,
    'Conversion failed when converting from a character string to uniqueidentifier.',
  ],
  ['SELECT GETDATE() * 2', 8117, undefined],
  ["SELECT 'a' - 'b'", 8117, undefined],
  ['SELECT NOSUCH(1)', 195, "'NOSUCH' is not a recognized built-in function name."],
  ['SELECT (SELECT 1 UNION SELECT 2)', 512, undefined],
  ["SELECT LEFT('abc', -1)", 536, 'Invalid length parameter passed to the left function.'],
  ['DECLARE @d date = 5', 206, 'Operand type clash: int is incompatible with date'],
  [
    "DECLARE @b varbinary(5) = N'x'",
    257,
    'Implicit conversion from data type nvarchar to varbinary is not allowed. Use the CONVERT function to run this query.',
  ],
  ['SELECT CAST(GETDATE() AS date) + 1', 206, 'Operand type clash: date is incompatible with int'],
])('%s fails with %d', async (text, number, message) => {
  const [error] = (await client.run(text)).errors;
  expect(error?.number).toBe(number);
  if (message !== undefined) expect(error?.message).toBe(message);
});

test('a variable takes what fits into it', async () => {
  expect(
    await client.rows(
      "DECLARE @c char(3) = 'a', @v varchar(2) = 'abc', @d decimal(5,1) = 2.25, @b bit = 7; SELECT @c + '|', @v, @d, @b",
    ),
  ).toEqual([['a  |', 'ab', '2.3', true]]);
});

test('a column refuses a string that does not fit, but not its trailing blanks', async () => {
  await client.rows('CREATE TABLE dbo.Narrow (S varchar(3), C char(3), N nvarchar(3), B varbinary(2))');
  const answer = await client.run("INSERT dbo.Narrow (S) VALUES ('abcd')");
  expect(answer.errors).toMatchObject([
    {
      number: 2628,
      message:
        "String or binary data would be truncated in table 'unit.dbo.Narrow', column 'S'. Truncated value: 'abc'.",
    },
  ]);
  await client.rows("INSERT dbo.Narrow VALUES ('ab   ', 'x', N'äöü', 0x0102)");
  expect(await client.rows("SELECT S, DATALENGTH(S), C, N, B FROM dbo.Narrow WHERE S = 'AB' AND C = 'X'")).toEqual([
    ['ab ', 3, 'x  ', 'äöü', Buffer.from([1, 2])],
  ]);
});

test('strings are compared, sorted, grouped and made unique by the collation of their column', async () => {
  await client.rows(`CREATE TABLE dbo.Words (W nvarchar(10) NOT NULL CONSTRAINT UQ_W UNIQUE, X varchar(10) COLLATE Latin1_General_BIN2 NOT NULL CONSTRAINT UQ_X UNIQUE);
    INSERT dbo.Words VALUES (N'b', 'a'), (N'A', 'A'), (N'ä', 'b')`);
  expect(await client.rows('SELECT W FROM dbo.Words ORDER BY W')).toEqual([['A'], ['ä'], ['b']]);
  expect(await client.fails("INSERT dbo.Words VALUES (N'B ', 'z')")).toEqual([2627]);
  expect(await client.rows("SELECT X FROM dbo.Words WHERE X = 'a'")).toEqual([['a']]);
  expect(await client.rows("SELECT COUNT(*) FROM (VALUES ('x'), ('X'), ('y')) AS v(a) GROUP BY a ORDER BY 1")).toEqual([
    [1],
    [2],
  ]);
});
