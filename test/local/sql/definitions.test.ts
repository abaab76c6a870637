import { type Client, type EngineUnderTest, startEngine } from './engine-under-test';

/** Tables, columns, constraints and indexes, and what the catalog says about them. */

let engine: EngineUnderTest;
let client: Client;
let database = 0;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine.stop());
beforeEach(async () => {
  client = await engine.open(`definitions${++database}`);
});
afterEach(() => client.session.close());

const customer =
  "CREATE TABLE dbo.Customer (Id int IDENTITY(5,5) NOT NULL CONSTRAINT PK_Customer PRIMARY KEY, Name nvarchar(50) NOT NULL, Code varchar(10) NULL CONSTRAINT DF_Code DEFAULT ('x'), Status int NOT NULL DEFAULT 0)";

test('the catalog shows a table as it was written', async () => {
  await client.rows(customer);
  expect(
    await client.rows(`SELECT c.name, t.name, c.max_length, c.is_nullable, c.is_identity, d.definition FROM sys.columns c JOIN sys.types t ON t.user_type_id = c.user_type_id
    LEFT JOIN sys.default_constraints d ON d.parent_object_id = c.object_id AND d.parent_column_id = c.column_id WHERE c.object_id = OBJECT_ID('Customer') ORDER BY c.column_id`),
  ).toEqual([
    ['Id', 'int', 4, false, true, null],
    ['Name', 'nvarchar', 100, false, false, null],
    ['Code', 'varchar', 10, true, false, "('x')"],
    ['Status', 'int', 4, false, false, '((0))'],
  ]);
  expect(
    await client.rows(
      "SELECT TABLE_SCHEMA, COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'customer' AND COLUMN_NAME = 'name'",
    ),
  ).toEqual([['dbo', 'Name', 'nvarchar', 50, 'NO']]);
  expect(
    await client.rows(
      "SELECT name, type_desc, is_primary_key FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[Customer]')",
    ),
  ).toEqual([['PK_Customer', 'CLUSTERED', true]]);
  expect(
    await client.rows(
      "SELECT OBJECT_ID('dbo.Nope'), OBJECT_ID('Customer', 'V'), COL_LENGTH('dbo.Customer', 'Name'), COL_LENGTH('dbo.Customer', 'Nope')",
    ),
  ).toEqual([[null, null, 100, null]]);
});

test('identity values grow by their step, are not given back, and can be inserted by hand when asked for', async () => {
  await client.rows(`${customer}; INSERT dbo.Customer (Name) VALUES (N'a'), (N'b')`);
  expect(await client.rows("SELECT SCOPE_IDENTITY(), @@IDENTITY, IDENT_CURRENT('dbo.Customer')")).toEqual(
    [['10', '10', '10']].map((row) => [null, ...row.slice(1)]),
  );
  expect(await client.rows("INSERT dbo.Customer (Name) VALUES (N'c'); SELECT SCOPE_IDENTITY()")).toEqual([['15']]);
  await client.run("BEGIN TRAN; INSERT dbo.Customer (Name) VALUES (N'd'); ROLLBACK");
  expect(await client.fails("INSERT dbo.Customer (Id, Name) VALUES (1, N'e')")).toEqual([544]);
  await client.rows(
    "SET IDENTITY_INSERT dbo.Customer ON; INSERT dbo.Customer (Id, Name) VALUES (100, N'f'); SET IDENTITY_INSERT dbo.Customer OFF; INSERT dbo.Customer (Name) VALUES (N'g')",
  );
  expect(await client.rows('SELECT Id FROM dbo.Customer ORDER BY Id')).toEqual([[5], [10], [15], [100], [105]]);
  await client.rows("DELETE dbo.Customer; DBCC CHECKIDENT ('dbo.Customer', RESEED, 0)");
  expect(await client.rows("INSERT dbo.Customer (Name) VALUES (N'h'); SELECT Id FROM dbo.Customer")).toEqual([[5]]);
  await client.rows("TRUNCATE TABLE dbo.Customer; INSERT dbo.Customer (Name) VALUES (N'i')");
  expect(await client.rows('SELECT Id FROM dbo.Customer')).toEqual([[5]]);
});

describe('columns', () => {
  test('are added with a value for the rows that exist', async () => {
    await client.rows(`${customer}; INSERT dbo.Customer (Name) VALUES (N'a')`);
    expect(await client.fails('ALTER TABLE dbo.Customer ADD X int NOT NULL')).toEqual([4901]);
    await client.rows(
      'ALTER TABLE dbo.Customer ADD X int NOT NULL DEFAULT 7, Y int NULL DEFAULT 8, Z int NULL CONSTRAINT DF_Z DEFAULT 9 WITH VALUES, U uniqueidentifier NOT NULL DEFAULT NEWID(), V AS (Status + 1)',
    );
    expect(await client.rows('SELECT X, Y, Z, V FROM dbo.Customer')).toEqual([[7, null, 9, 1]]);
    expect(await client.fails('ALTER TABLE dbo.Customer ADD x int')).toEqual([2705]);
  });

  test('change their type and take their data along, or refuse', async () => {
    await client.rows(`${customer}; INSERT dbo.Customer (Name) VALUES (N'12'), (N'x')`);
    expect((await client.run('ALTER TABLE dbo.Customer ALTER COLUMN Name int NOT NULL')).errors).toMatchObject([
      { number: 245 },
    ]);
    await client.rows(
      "UPDATE dbo.Customer SET Name = N'13' WHERE Name = N'x'; ALTER TABLE dbo.Customer ALTER COLUMN Name int NOT NULL",
    );
    expect(await client.rows('SELECT Name + 1 FROM dbo.Customer ORDER BY 1')).toEqual([[13], [14]]);
    await client.rows('ALTER TABLE dbo.Customer ALTER COLUMN Code varchar(20)');
    expect(await client.fails('ALTER TABLE dbo.Customer ALTER COLUMN Code int')).toEqual([5074, 4922]);
    await client.rows('UPDATE dbo.Customer SET Code = NULL');
    const refused = await client.run('ALTER TABLE dbo.Customer ALTER COLUMN Code varchar(20) NOT NULL');
    expect(refused.errors[0]?.message).toMatch(/^Cannot insert the value NULL into column 'Code', .* UPDATE fails\.$/);
    expect(await client.fails('ALTER TABLE dbo.Customer ALTER COLUMN Nope int')).toEqual([4924]);
  });

  test('are dropped when nothing depends on them', async () => {
    await client.rows(`${customer}; CREATE INDEX IX ON dbo.Customer (Name)`);
    expect(await client.fails('ALTER TABLE dbo.Customer DROP COLUMN Code')).toEqual([5074, 4922]);
    expect(await client.fails('ALTER TABLE dbo.Customer DROP COLUMN Name')).toEqual([5074, 4922]);
    expect(await client.fails('ALTER TABLE dbo.Customer DROP COLUMN Nope')).toEqual([4924]);
    await client.rows(
      'DROP INDEX IX ON dbo.Customer; ALTER TABLE dbo.Customer DROP CONSTRAINT DF_Code, COLUMN Code, Name; ALTER TABLE dbo.Customer DROP COLUMN IF EXISTS Nope',
    );
    expect(await client.rows("SELECT name FROM sys.columns WHERE object_id = OBJECT_ID('dbo.Customer')")).toEqual([
      ['Id'],
      ['Status'],
    ]);
  });

  test('that are computed follow the others, and cannot be written', async () => {
    await client.rows(
      "CREATE TABLE dbo.L (Qty int, Price money, Total AS (Qty * Price) PERSISTED, Kind AS CASE WHEN Qty > 1 THEN 'many' ELSE 'one' END); INSERT dbo.L (Qty, Price) VALUES (2, 1.5); CREATE INDEX IX ON dbo.L (Total)",
    );
    expect(await client.rows('SELECT Total, Kind FROM dbo.L WHERE Total = 3')).toEqual([['3.0000', 'many']]);
    expect(await client.fails('UPDATE dbo.L SET Total = 1')).toEqual([271]);
  });

  test('of type rowversion change with every update', async () => {
    await client.rows('CREATE TABLE dbo.R (Id int, V rowversion); INSERT dbo.R (Id) VALUES (1)');
    const before = await client.value('SELECT V FROM dbo.R');
    await client.rows('UPDATE dbo.R SET Id = 2');
    expect(await client.value('SELECT V FROM dbo.R')).not.toEqual(before);
  });
});

describe('constraints', () => {
  beforeEach(async () => {
    await client.rows(`${customer}; INSERT dbo.Customer (Name) VALUES (N'a');
      CREATE TABLE dbo.[Order] (Id int PRIMARY KEY, CustomerId int NULL, Amount int NOT NULL CONSTRAINT CK_Amount CHECK (Amount > 0), CONSTRAINT FK_Customer FOREIGN KEY (CustomerId) REFERENCES dbo.Customer (Id))`);
  });

  test('say what they refuse', async () => {
    const errors = async (text: string): Promise<string | undefined> => (await client.run(text)).errors[0]?.message;
    const where = `The conflict occurred in database "${client.session.database}"`;
    expect(await errors('INSERT dbo.[Order] VALUES (1, 5, 0)')).toBe(
      `The INSERT statement conflicted with the CHECK constraint "CK_Amount". ${where}, table "dbo.Order", column 'Amount'.`,
    );
    expect(await errors('INSERT dbo.[Order] VALUES (1, 6, 1)')).toBe(
      `The INSERT statement conflicted with the FOREIGN KEY constraint "FK_Customer". ${where}, table "dbo.Customer", column 'Id'.`,
    );
    await client.rows('INSERT dbo.[Order] VALUES (1, 5, 1)');
    expect(await errors('DELETE dbo.Customer')).toBe(
      `The DELETE statement conflicted with the REFERENCE constraint "FK_Customer". ${where}, table "dbo.Order", column 'CustomerId'.`,
    );
    expect(await errors('INSERT dbo.[Order] (Id) VALUES (2)')).toBe(
      `Cannot insert the value NULL into column 'Amount', table '${client.session.database}.dbo.Order'; column does not allow nulls. INSERT fails.`,
    );
    expect(await errors('DROP TABLE dbo.Customer')).toBe(
      "Could not drop object 'dbo.Customer' because it is referenced by a FOREIGN KEY constraint.",
    );
    expect(await errors('TRUNCATE TABLE dbo.Customer')).toBe(
      "Cannot truncate table 'dbo.Customer' because it is being referenced by a FOREIGN KEY constraint.",
    );
    expect(await client.fails('ALTER TABLE dbo.Customer DROP CONSTRAINT PK_Customer')).toEqual([3725, 3727]);
    expect(await client.fails('ALTER TABLE dbo.Customer DROP CONSTRAINT Nope')).toEqual([3728, 3727]);
  });

  test('are switched off, and trusted again only after a look at all rows', async () => {
    await client.rows('ALTER TABLE dbo.[Order] NOCHECK CONSTRAINT FK_Customer; INSERT dbo.[Order] VALUES (1, 77, 1)');
    expect(await client.rows('SELECT is_disabled, is_not_trusted FROM sys.foreign_keys')).toEqual([[true, true]]);
    expect(await client.fails('ALTER TABLE dbo.[Order] WITH CHECK CHECK CONSTRAINT FK_Customer')).toEqual([547]);
    await client.rows('ALTER TABLE dbo.[Order] CHECK CONSTRAINT ALL');
    expect(await client.rows('SELECT is_disabled, is_not_trusted FROM sys.foreign_keys')).toEqual([[false, true]]);
    expect(await client.fails('INSERT dbo.[Order] VALUES (2, 78, 1)')).toEqual([547]);
    await client.rows('DELETE dbo.[Order]; ALTER TABLE dbo.[Order] WITH CHECK CHECK CONSTRAINT FK_Customer');
    expect(await client.value('SELECT is_not_trusted FROM sys.foreign_keys')).toBe(false);
  });

  test('need something to refer to', async () => {
    expect(
      await client.fails('ALTER TABLE dbo.[Order] ADD CONSTRAINT F FOREIGN KEY (Amount) REFERENCES dbo.Nope (Id)'),
    ).toEqual([1767, 1750]);
    expect(
      await client.fails(
        'ALTER TABLE dbo.[Order] ADD CONSTRAINT F FOREIGN KEY (Amount) REFERENCES dbo.Customer (Status)',
      ),
    ).toEqual([1776, 1750]);
    expect(await client.fails('ALTER TABLE dbo.[Order] ADD CONSTRAINT CK_Amount CHECK (Amount < 9)')).toEqual([2714]);
    expect(await client.fails('CREATE TABLE dbo.customer (Id int)')).toEqual([2714]);
  });

  test('cascade', async () => {
    await client.rows(
      'ALTER TABLE dbo.[Order] DROP CONSTRAINT FK_Customer; ALTER TABLE dbo.[Order] ADD CONSTRAINT FK2 FOREIGN KEY (CustomerId) REFERENCES dbo.Customer ON DELETE CASCADE; INSERT dbo.[Order] VALUES (1, 5, 1); DELETE dbo.Customer',
    );
    expect(await client.value('SELECT COUNT(*) FROM dbo.[Order]')).toBe(0);
  });
});

test('indexes have names within their table, and unique ones say what was doubled', async () => {
  await client.rows(
    `${customer}; INSERT dbo.Customer (Name, Code) VALUES (N'a', 'k'), (N'b', 'k'); CREATE TABLE dbo.Other (Name nvarchar(50)); CREATE INDEX IX ON dbo.Other (Name); CREATE INDEX IX ON dbo.Customer (Name) INCLUDE (Code) WHERE Status > 0`,
  );
  expect(await client.fails('CREATE INDEX IX ON dbo.Customer (Code)')).toEqual([1913]);
  expect(await client.fails('CREATE INDEX I2 ON dbo.Customer (Nope)')).toEqual([1911]);
  expect(await client.fails('CREATE CLUSTERED INDEX I2 ON dbo.Customer (Code)')).toEqual([1902]);
  expect((await client.run('CREATE UNIQUE INDEX UX ON dbo.Customer (Code)')).errors).toMatchObject([
    {
      number: 1505,
      message:
        "The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name 'dbo.Customer' and the index name 'UX'. The duplicate key value is (k).",
    },
  ]);
  await client.rows(
    "UPDATE dbo.Customer SET Code = 'l' WHERE Name = N'b'; CREATE UNIQUE INDEX UX ON dbo.Customer (Code, Status)",
  );
  expect((await client.run("INSERT dbo.Customer (Name, Code) VALUES (N'c', 'L')")).errors).toMatchObject([
    {
      number: 2601,
      message:
        "Cannot insert duplicate key row in object 'dbo.Customer' with unique index 'UX'. The duplicate key value is (L, 0).",
    },
  ]);
  expect(
    await client.rows(`SELECT i.name, c.name, ic.key_ordinal, ic.is_included_column FROM sys.indexes i JOIN sys.index_columns ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
    JOIN sys.columns c ON c.object_id = ic.object_id AND c.column_id = ic.column_id WHERE i.object_id = OBJECT_ID('dbo.Customer') AND i.is_primary_key = 0 ORDER BY i.name, ic.index_column_id`),
  ).toEqual([
    ['IX', 'Name', 1, false],
    ['IX', 'Code', 0, true],
    ['UX', 'Code', 1, false],
    ['UX', 'Status', 2, false],
  ]);
  expect(await client.fails('DROP INDEX Nope ON dbo.Customer')).toEqual([3701]);
  await client.rows('DROP INDEX IF EXISTS Nope ON dbo.Customer; DROP INDEX dbo.Customer.IX');
});

test('names change everywhere at once', async () => {
  await client.rows(`${customer}; INSERT dbo.Customer (Name) VALUES (N'a')`);
  await client.rows(
    "EXEC sp_rename N'dbo.Customer.Name', N'FullName', N'COLUMN'; EXEC sp_rename 'dbo.PK_Customer', 'PK_Client'; EXEC sp_rename 'Customer', 'Client'",
  );
  expect(await client.rows('SELECT FullName FROM dbo.Client')).toEqual([['a']]);
  expect(
    await client.rows(
      "SELECT i.name, k.name FROM sys.indexes i JOIN sys.key_constraints k ON k.parent_object_id = i.object_id WHERE i.object_id = OBJECT_ID('Client')",
    ),
  ).toEqual([['PK_Client', 'PK_Client']]);
  expect(await client.fails("EXEC sp_rename 'dbo.Nope', 'X'")).toEqual([15225]);
});

test('schemas hold objects, and are dropped when empty', async () => {
  await client.rows('CREATE SCHEMA app AUTHORIZATION dbo');
  expect(await client.fails('CREATE TABLE nope.T (Id int)')).toEqual([2760]);
  await client.rows('CREATE TABLE app.T (Id int); INSERT app.T VALUES (1)');
  expect(await client.fails('DROP SCHEMA app')).toEqual([3729]);
  await client.rows('ALTER SCHEMA dbo TRANSFER app.T; DROP SCHEMA app');
  expect(await client.rows('SELECT Id FROM dbo.T')).toEqual([[1]]);
});

test('sequences, synonyms, types, users, permissions and properties are in the catalog', async () => {
  await client.rows(customer);
  await client.rows(
    'CREATE SEQUENCE dbo.S AS int START WITH 10 INCREMENT BY 5; CREATE SYNONYM dbo.Cust FOR dbo.Customer; CREATE TYPE dbo.Phone FROM varchar(20) NOT NULL; CREATE USER u WITHOUT LOGIN; CREATE ROLE r; ALTER ROLE r ADD MEMBER u; GRANT SELECT, INSERT ON dbo.Customer TO r',
  );
  await client.rows(
    "EXEC sp_addextendedproperty N'MS_Description', N'who buys', N'SCHEMA', N'dbo', N'TABLE', N'Customer', N'COLUMN', N'Name'",
  );
  expect(await client.rows('SELECT NEXT VALUE FOR dbo.S; SELECT NEXT VALUE FOR dbo.S')).toEqual([[15]]);
  expect(await client.rows("INSERT dbo.Cust (Name) VALUES (N'a'); SELECT Name FROM dbo.Cust")).toEqual([['a']]);
  await client.rows("CREATE TABLE dbo.P (N dbo.Phone, M dbo.Phone NULL); INSERT dbo.P (N) VALUES ('1')");
  expect(await client.fails("INSERT dbo.P (M) VALUES ('1')")).toEqual([515]);
  expect(
    await client.rows('SELECT permission_name, state_desc FROM sys.database_permissions ORDER BY permission_name'),
  ).toEqual([
    ['INSERT', 'GRANT'],
    ['SELECT', 'GRANT'],
  ]);
  expect(
    await client.rows(
      'SELECT p.value, c.name FROM sys.extended_properties p JOIN sys.columns c ON c.object_id = p.major_id AND c.column_id = p.minor_id',
    ),
  ).toEqual([['who buys', 'Name']]);
  expect(await client.fails('GRANT SELECT ON dbo.Customer TO nobody')).toEqual([15151]);
});

test('temporary tables belong to their session and die with their procedure', async () => {
  await client.rows("CREATE TABLE #t (Id int IDENTITY PRIMARY KEY, V nvarchar(10)); INSERT #t (V) VALUES (N'a')");
  expect(await client.rows("SELECT V, OBJECT_ID('tempdb..#t') - OBJECT_ID('tempdb.dbo.#t') FROM #t")).toEqual([
    ['a', 0],
  ]);
  const other = await engine.open(client.session.database);
  expect(await other.fails('SELECT * FROM #t')).toEqual([208]);
  await other.session.close();
  await client.rows(
    'CREATE PROCEDURE dbo.P AS CREATE TABLE #inner (Id int); INSERT #inner VALUES (1); SELECT COUNT(*) FROM #inner',
  );
  expect(await client.rows('EXEC dbo.P')).toEqual([[1]]);
  expect(await client.fails('SELECT * FROM #inner')).toEqual([208]);
  expect(await client.rows('SELECT Id, V INTO #copy FROM #t; SELECT * FROM #copy')).toEqual([[1, 'a']]);
  expect(await client.fails('CREATE TABLE #t (Id int)')).toEqual([2714]);
});

test('two sessions that create the same table: one waits and is told', async () => {
  const other = await engine.open(client.session.database);
  await client.rows('BEGIN TRAN; CREATE TABLE dbo.Same (Id int)');
  const waiting = other.fails('CREATE TABLE dbo.SAME (Id int)');
  await client.rows('COMMIT');
  expect(await waiting).toEqual([2714]);
  await other.session.close();
});
