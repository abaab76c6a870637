import { checkpoint, epilogue, preamble } from '../../../../lib/builds/run/protocol';
import {
  type BuildStamp,
  insertJournal,
  insertLog,
  allLogColumns,
  type RanScript,
} from '../../../../lib/builds/run/tables';
import { guidOf, script } from './fixtures';

const stamp: BuildStamp = {
  buildId: "b'1",
  targetId: 't1',
  attempt: 1,
  packageSha256: 'b'.repeat(64),
  packageHash: 'A'.repeat(40),
  buildFileName: 'package.sbm',
  description: 'x'.repeat(400),
  requestedBy: "O'Brien",
  database: 'db]1',
  version: 'Sqlfleet test',
};

const ran = (given: Partial<RanScript> = {}): RanScript => ({
  script: script(['select 1', "print 'x'"]),
  sequence: 1,
  state: 'done',
  startedAtMs: Date.UTC(2026, 0, 1),
  finishedAtMs: Date.UTC(2026, 0, 1, 0, 0, 1),
  ...given,
});

const bothTables = { journal: true, logColumns: allLogColumns };
const noTables = { journal: false, logColumns: null };

describe('the preamble', () => {
  const input = { ...stamp, transactional: true, xactAbort: true, lockTimeoutMs: 60_000 };

  it('asks for other builds only where scripts run once, a bounded number at a time', () => {
    const ids = Array.from({ length: 1_001 }, (_, index) => guidOf(String(index)));
    const selects = (text: string): number => text.match(/WHERE ScriptId IN|ScriptId IN \(/g)?.length ?? 0;
    expect(selects(preamble({ ...input, runOnceScriptIds: [] }))).toBe(0);
    expect(selects(preamble({ ...input, runOnceScriptIds: ids }))).toBe(6);
    expect(selects(preamble({ ...input, runOnceScriptIds: [...ids.slice(0, 3), ...ids.slice(0, 3)] }))).toBe(2);
  });

  it('does not let a build id out of its literal', () => {
    expect(preamble({ ...input, runOnceScriptIds: [] })).toContain("BuildId = N'b''1'");
  });

  it('locks with the transaction, or with the session where there is none', () => {
    expect(preamble({ ...input, runOnceScriptIds: [] })).toMatch(/BEGIN TRANSACTION;[^]*LockOwner = N'Transaction'/);
    const alone = preamble({ ...input, transactional: false, runOnceScriptIds: [] });
    expect(alone).toContain("LockOwner = N'Session'");
    expect(alone).not.toContain('BEGIN TRANSACTION');
  });
});

describe('the epilogue', () => {
  it('creates only the tables that are missing', () => {
    const text = (tables: typeof bothTables | typeof noTables): string =>
      epilogue({ stamp, transactionId: '1', rows: [ran()], tables });
    expect(text(bothTables)).not.toContain('CREATE TABLE');
    expect(text(noTables).match(/CREATE TABLE dbo\.(\w+)/g)).toEqual([
      'CREATE TABLE dbo.Sqlfleet_Journal',
      'CREATE TABLE dbo.SqlBuild_Logging',
    ]);
  });

  it('commits last, after the checks and the rows', () => {
    expect(epilogue({ stamp, transactionId: '1', rows: [ran()], tables: bothTables })).toMatch(
      /THROW[^]*INSERT[^]*COMMIT TRANSACTION;$/,
    );
  });

  it('takes nothing but digits for a transaction id', () => {
    expect(() => epilogue({ stamp, transactionId: '1; DROP', rows: [], tables: bothTables })).toThrow(RangeError);
  });
});

describe('rows of the tables', () => {
  it('go in together, but boundedly', () => {
    const rows = Array.from({ length: 250 }, (_, index) => ran({ sequence: index + 1 }));
    expect(insertJournal(stamp, rows)).toHaveLength(3);
    const large = ran({ script: script('x'.repeat(600_000)) });
    expect(insertLog(stamp, [large, large, large], allLogColumns)).toHaveLength(3);
    expect(insertLog(stamp, [], allLogColumns)).toEqual([]);
  });

  it('go into the log only for scripts that ran to their end', () => {
    expect(insertLog(stamp, [ran({ state: 'ignored' }), ran({ state: 'failed' })], allLogColumns)).toEqual([]);
    expect(insertJournal(stamp, [ran({ state: 'ignored' })])).toHaveLength(1);
  });

  it('go into the columns that an older log has', () => {
    const [statement] = insertLog(stamp, [ran()], new Set(['buildfilename', 'scriptid', 'commitdate']));
    expect(statement).toMatch(
      /^INSERT INTO dbo\.SqlBuild_Logging \(\[BuildFileName\], \[ScriptId\], \[CommitDate\]\) VALUES/,
    );
  });
});

it('ends one script and starts the next in one transaction', () => {
  const text = checkpoint(
    { stamp, tables: bothTables, ended: ran(), next: ran({ sequence: 2, state: 'started', finishedAtMs: null }) },
    false,
  );
  expect(text.match(/BEGIN TRANSACTION|DELETE|INSERT INTO dbo\.\w+|COMMIT TRANSACTION/g)).toEqual([
    'BEGIN TRANSACTION',
    'DELETE',
    'INSERT INTO dbo.Sqlfleet_Journal',
    'DELETE',
    'INSERT INTO dbo.Sqlfleet_Journal',
    'INSERT INTO dbo.SqlBuild_Logging',
    'COMMIT TRANSACTION',
  ]);
  expect(text).toMatch(/SET XACT_ABORT OFF;$/);
});
