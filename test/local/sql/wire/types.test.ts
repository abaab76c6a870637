import { type Connection, type Request, TYPES } from 'tedious';
import { type RpcParameter, type SqlType, type SqlValue } from '../../../../local/sql/session';
import { createScriptedEngine, one, type ScriptedEngine, statementDone } from './scripted-engine';
import { type ServersUnderTest, startServers } from './servers-under-test';
import { batch, close, connect, type Reply, send } from './tedious-client';

let next: { type: SqlType; values: SqlValue[] } = { type: { name: 'int' }, values: [] };
let engine: ScriptedEngine;
let servers: ServersUnderTest;
let connection: Connection;

beforeAll(async () => {
  engine = createScriptedEngine(async (request, sink, signal) => {
    if (request.kind === 'procedure') {
      // An echo: every output parameter comes back as it went in.
      request.parameters.forEach(({ name, type, value, output }, ordinal) => {
        if (output) sink.returnValue({ name, type, value, ordinal });
      });
      return;
    }
    if (request.kind === 'batch' && request.text === 'one') return one(request, sink, signal);
    sink.columns([{ name: 'value', type: next.type, nullable: true }]);
    for (const value of next.values) await sink.row([value]);
    sink.done({ ...statementDone, rowCount: next.values.length, isSelect: true });
  });
  servers = await startServers(engine);
  connection = await connect(servers.port, { useUTC: true, enableArithAbort: true });
});
afterAll(async () => {
  await close(connection);
  await servers.close();
});
afterEach(() => expect(servers.defects).toEqual([]));

/** What the driver makes of these values; NULL is always tried too. */
async function result(type: SqlType, values: SqlValue[]): Promise<unknown[]> {
  next = { type, values: [...values, null] };
  const reply = await batch(connection, 'values');
  if (reply.error !== null) throw reply.error;
  expect(reply.rows.at(-1)).toEqual([null]);
  return reply.rows.slice(0, -1).map(([value]) => (Buffer.isBuffer(value) ? value.toString('hex') : value));
}

const utc = (...parts: [number, number, number, number?, number?, number?, number?]): Date => {
  const date = new Date(0);
  date.setUTCFullYear(parts[0], parts[1] - 1, parts[2]);
  date.setUTCHours(parts[3] ?? 0, parts[4] ?? 0, parts[5] ?? 0, parts[6] ?? 0);
  return date;
};

describe('columns', () => {
  test.each<[SqlType, SqlValue[], unknown[]]>([
    [{ name: 'bit' }, [true, false], [true, false]],
    [{ name: 'tinyint' }, [0, 255], [0, 255]],
    [{ name: 'smallint' }, [-32768, 32767], [-32768, 32767]],
    [{ name: 'int' }, [-2147483648, 2147483647], [-2147483648, 2147483647]],
    [{ name: 'bigint' }, [-(2n ** 63n), 2n ** 63n - 1n], ['-9223372036854775808', '9223372036854775807']],
    [{ name: 'real' }, [1.5, -0.25], [1.5, -0.25]],
    [{ name: 'float' }, [Math.PI, -1e300], [Math.PI, -1e300]],
    [{ name: 'money' }, ['1234567.8901', '-0.0001'], [1234567.8901, -0.0001]],
    [{ name: 'money' }, ['922337203685477.5807'.slice(0, 15)], [922337203685477]],
    [{ name: 'smallmoney' }, ['-214748.3648', '12.5'], [-214748.3648, 12.5]],
    [{ name: 'decimal', precision: 9, scale: 2 }, ['1234567.89', '-0.01', '5'], [1234567.89, -0.01, 5]],
    [{ name: 'decimal', precision: 15, scale: 5 }, ['-1234567890.12345'], [-1234567890.12345]],
    [{ name: 'numeric', precision: 28, scale: 0 }, ['12345678901234567890'], [12345678901234567000]],
    [{ name: 'numeric', precision: 38, scale: 4 }, ['-79228162514264337593543950335.1'], [-7.922816251426434e28]],
    [{ name: 'char', length: 5 }, ['ab   ', 'é€™  '], ['ab   ', 'é€™  ']],
    [{ name: 'varchar', length: 20 }, ['', 'naïve €', '日本'], ['', 'naïve €', '??']],
    [{ name: 'nchar', length: 3 }, ['日本 '], ['日本 ']],
    [{ name: 'nvarchar', length: 20 }, ['', "O'Brien 😀"], ['', "O'Brien 😀"]],
    [{ name: 'varchar', length: 'max' }, ['', 'x'.repeat(100_000)], ['', 'x'.repeat(100_000)]],
    [{ name: 'nvarchar', length: 'max' }, ['', '日'.repeat(50_000)], ['', '日'.repeat(50_000)]],
    [{ name: 'nvarchar', length: 4000 }, ['y'.repeat(4000)], ['y'.repeat(4000)]],
    [{ name: 'binary', length: 2 }, [Buffer.from('00ff', 'hex')], ['00ff']],
    [{ name: 'varbinary', length: 10 }, [Buffer.alloc(0), Buffer.from('0102', 'hex')], ['', '0102']],
    [{ name: 'varbinary', length: 'max' }, [Buffer.alloc(9000, 7)], ['07'.repeat(9000)]],
    [{ name: 'text' }, ['old', ''], ['old', '']],
    [{ name: 'ntext' }, ['日本'], ['日本']],
    [{ name: 'image' }, [Buffer.from('0102', 'hex')], ['0102']],
    [{ name: 'xml' }, ['<a>é</a>'], ['<a>é</a>']],
    [{ name: 'uniqueidentifier' }, ['6F9619FF-8B86-D011-B42D-00C04FC964FF'], ['6F9619FF-8B86-D011-B42D-00C04FC964FF']],
    [{ name: 'date' }, ['0001-01-01', '2024-02-29', '9999-12-31'], [utc(1, 1, 1), utc(2024, 2, 29), utc(9999, 12, 31)]],
    [
      { name: 'datetime' },
      ['1753-01-01 00:00:00', '1998-12-31 23:59:59.997', '1900-01-01 00:00:00.003'],
      [utc(1753, 1, 1), utc(1998, 12, 31, 23, 59, 59, 997), utc(1900, 1, 1, 0, 0, 0, 3)],
    ],
    [{ name: 'datetime' }, ['2023-12-31 23:59:59.999'], [utc(2024, 1, 1)]],
    [
      { name: 'smalldatetime' },
      ['2020-05-06 07:08:00', '2020-05-06 07:08:31'],
      [utc(2020, 5, 6, 7, 8), utc(2020, 5, 6, 7, 9)],
    ],
    [
      { name: 'datetime2', scale: 7 },
      ['0001-01-01 00:00:00', '2024-02-29 12:34:56.7890000'],
      [utc(1, 1, 1), utc(2024, 2, 29, 12, 34, 56, 789)],
    ],
    [{ name: 'datetime2', scale: 0 }, ['2024-12-31 23:59:59.5'], [utc(2025, 1, 1)]],
    [{ name: 'datetime2', scale: 3 }, ['2024-01-01 00:00:00.123'], [utc(2024, 1, 1, 0, 0, 0, 123)]],
    [
      { name: 'datetimeoffset', scale: 7 },
      ['2024-01-01 00:30:00.5 +02:00', '2024-12-31 23:30:00 -01:30'],
      [utc(2023, 12, 31, 22, 30, 0, 500), utc(2025, 1, 1, 1, 0)],
    ],
    [{ name: 'time', scale: 7 }, ['23:59:59.1230000'], [utc(1970, 1, 1, 23, 59, 59, 123)]],
    [{ name: 'time', scale: 0 }, ['23:59:59.9'], [utc(1970, 1, 1, 23, 59, 59)]],
  ])('%j', async (type, values, expected) => {
    expect((await result(type, values)).map(plain)).toEqual(expected.map(plain));
  });

  test('a value that is not of the announced type is a defect, told and survived', async () => {
    next = { type: { name: 'int' }, values: [1, 'two'] };
    const own = await connect(servers.port);
    const reply = await batch(own, 'values');
    expect(reply.rows).toEqual([[1]]);
    expect(reply.error?.number).toBe(3624);
    expect(reply.error?.message).toContain('announced int');
    expect(servers.defects).toHaveLength(1);
    servers.defects.length = 0;
    await close(own);
  });
});

/** Dates of the driver carry a property for their nanoseconds, which is not what is compared. */
function plain(value: unknown): unknown {
  return value instanceof Date ? value.toISOString() : value;
}

describe('parameters', () => {
  type Parameter = Parameters<Request['addParameter']>;

  async function received(...parameters: Parameter[]): Promise<readonly RpcParameter[]> {
    engine.requests.length = 0;
    const reply = await send(
      connection,
      'dbo.echo',
      (request) => connection.callProcedure(request),
      (request) => {
        for (const parameter of parameters) request.addParameter(...parameter);
      },
    );
    if (reply.error !== null) throw reply.error;
    const [request] = engine.requests;
    return request?.kind === 'procedure' ? request.parameters : [];
  }

  test.each<[Parameter[1], unknown, Parameter[3], SqlType, SqlValue]>([
    [TYPES.Bit, true, {}, { name: 'bit' }, true],
    [TYPES.TinyInt, 255, {}, { name: 'tinyint' }, 255],
    [TYPES.SmallInt, -2, {}, { name: 'smallint' }, -2],
    [TYPES.Int, -70000, {}, { name: 'int' }, -70000],
    [TYPES.BigInt, '9007199254740993', {}, { name: 'bigint' }, 9007199254740993n],
    [TYPES.Real, 0.5, {}, { name: 'real' }, 0.5],
    [TYPES.Float, Math.E, {}, { name: 'float' }, Math.E],
    [TYPES.Money, -12.25, {}, { name: 'money' }, '-12.2500'],
    [TYPES.SmallMoney, 1.25, {}, { name: 'smallmoney' }, '1.2500'],
    [TYPES.Decimal, -123.45, { precision: 18, scale: 4 }, { name: 'decimal', precision: 18, scale: 4 }, '-123.4500'],
    [TYPES.Numeric, 7, { precision: 5, scale: 0 }, { name: 'numeric', precision: 5, scale: 0 }, '7'],
    [TYPES.VarChar, 'naïve €', { length: 30 }, { name: 'varchar', length: 30 }, 'naïve €'],
    [TYPES.VarChar, 'v'.repeat(9000), {}, { name: 'varchar', length: 'max' }, 'v'.repeat(9000)],
    [TYPES.NVarChar, '日本', { length: 10 }, { name: 'nvarchar', length: 10 }, '日本'],
    [TYPES.NVarChar, '日'.repeat(30_000), {}, { name: 'nvarchar', length: 'max' }, '日'.repeat(30_000)],
    [TYPES.NVarChar, '', { length: 10 }, { name: 'nvarchar', length: 10 }, ''],
    [TYPES.NChar, 'ab', { length: 4 }, { name: 'nchar', length: 4 }, 'ab'],
    [TYPES.Char, 'ab', { length: 4 }, { name: 'char', length: 4 }, 'ab'],
    [TYPES.Text, 'text', {}, { name: 'text' }, 'text'],
    [TYPES.NText, 'ntext', {}, { name: 'ntext' }, 'ntext'],
    [
      TYPES.UniqueIdentifier,
      '6F9619FF-8B86-D011-B42D-00C04FC964FF',
      {},
      { name: 'uniqueidentifier' },
      '6F9619FF-8B86-D011-B42D-00C04FC964FF',
    ],
    [TYPES.Date, utc(2024, 2, 29), {}, { name: 'date' }, '2024-02-29'],
    [TYPES.DateTime, utc(2024, 2, 29, 1, 2, 3, 457), {}, { name: 'datetime' }, '2024-02-29 01:02:03.457'],
    [TYPES.SmallDateTime, utc(2024, 2, 29, 1, 2), {}, { name: 'smalldatetime' }, '2024-02-29 01:02:00'],
    [
      TYPES.DateTime2,
      utc(2024, 2, 29, 1, 2, 3, 4),
      { scale: 3 },
      { name: 'datetime2', scale: 3 },
      '2024-02-29 01:02:03.004',
    ],
    [
      TYPES.DateTimeOffset,
      utc(2024, 2, 29, 1, 2, 3, 4),
      { scale: 7 },
      { name: 'datetimeoffset', scale: 7 },
      '2024-02-29 01:02:03.0040000 +00:00',
    ],
    [TYPES.Time, utc(1970, 1, 1, 23, 59, 58, 1), { scale: 7 }, { name: 'time', scale: 7 }, '23:59:58.0010000'],
  ])('%#: a value and NULL', async (type, value, options, expectedType, expected) => {
    const [first, second] = await received(['value', type, value, options], ['nothing', type, null, options]);
    expect(first).toEqual({ name: '@value', type: expectedType, value: expected, output: false, useDefault: false });
    expect(second?.value).toBeNull();
  });

  test('binary values', async () => {
    const [short, long] = await received(
      ['short', TYPES.VarBinary, Buffer.from('0102', 'hex'), { length: 8 }],
      ['long', TYPES.VarBinary, Buffer.alloc(20_000, 9), {}],
    );
    expect(short).toMatchObject({ type: { name: 'varbinary', length: 8 }, value: Buffer.from('0102', 'hex') });
    expect(long).toMatchObject({ type: { name: 'varbinary', length: 'max' } });
    expect(long?.value).toEqual(Buffer.alloc(20_000, 9));
  });

  test('a table-valued parameter is refused by name, and the connection goes on', async () => {
    const table = { columns: [{ name: 'id', type: TYPES.Int }], rows: [[1]] };
    const reply: Reply = await send(
      connection,
      'dbo.echo',
      (request) => connection.callProcedure(request),
      (request) => request.addParameter('ids', TYPES.TVP, table),
    );
    expect(reply.error?.number).toBe(49999);
    expect(reply.error?.message).toContain('table-valued');
    expect((await batch(connection, 'one')).rows).toEqual([[1]]);
  });

  test('output parameters come back under their names', async () => {
    const reply = await send(
      connection,
      'dbo.echo',
      (request) => connection.callProcedure(request),
      (request) => {
        request.addOutputParameter('number', TYPES.Int, 5);
        request.addOutputParameter('text', TYPES.NVarChar, 'out', { length: 10 });
      },
    );
    expect(reply.outputs).toEqual({ number: 5, text: 'out' });
  });
});
