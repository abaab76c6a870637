import { type EngineUnderTest, startEngine } from './engine-under-test';
import {
  epilogue,
  preamble,
  rollbackToSavepoint,
  setSavepoint,
  transactionState,
} from '../../../lib/builds/run/protocol';
import { type RanScript } from '../../../lib/builds/run/tables';

/** The product's own statements, word for word. */

let engine: EngineUnderTest;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine.stop());

const scriptId = '11111111-2222-3333-4444-555555555555';
const asked = {
  buildId: 'build-1',
  targetId: 'target-1',
  runOnceScriptIds: [scriptId],
  transactional: true,
  xactAbort: true,
  lockTimeoutMs: 5_000,
};
const ran: RanScript = {
  script: {
    scriptId,
    fileName: "O'Brien.sql",
    order: 1,
    description: '',
    rollBackOnError: true,
    causesBuildFailure: true,
    database: '',
    stripTransactionText: false,
    allowMultipleRuns: false,
    timeoutSeconds: null,
    tag: '',
    addedBy: '',
    modifiedBy: '',
    dateAdded: '',
    dateModified: '',
    text: "PRINT N'ä'",
    batches: [{ text: "PRINT N'ä'", line: 1, repeat: 1 }],
    hash: 'A'.repeat(40),
    sha256: 'b'.repeat(64),
  },
  sequence: 1,
  state: 'done',
  startedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  finishedAtMs: Date.UTC(2026, 0, 2, 3, 4, 6),
};
const stamp = {
  buildId: 'build-1',
  targetId: 'target-1',
  attempt: 1,
  packageSha256: 'c'.repeat(64),
  packageHash: 'D'.repeat(40),
  buildFileName: 'release.sbm',
  description: 'first',
  requestedBy: 'somebody',
  database: 'builds',
  version: '1.0',
};

test('a build locks, reads, runs, writes its rows and commits; the next one sees that it was here', async () => {
  const client = await engine.open('builds');
  const first = await client.run(preamble(asked));
  expect(first.errors).toEqual([]);
  const [session, column] = first.results;
  expect(session?.rows[0]?.slice(0, 3)).toEqual(['session', 0, 1]);
  expect(column?.rows).toEqual([]);
  const transactionId = String(session?.rows[0]?.[3]);
  expect(first.environment).toEqual([{ kind: 'beginTransaction', descriptor: BigInt(transactionId) }]);

  await client.rows('CREATE TABLE dbo.Made (Id int NOT NULL)');
  const last = await client.run(
    epilogue({ stamp, transactionId, rows: [ran], tables: { journal: false, logColumns: null } }),
  );
  expect(last.errors).toEqual([]);
  expect(last.environment).toEqual([{ kind: 'commitTransaction', descriptor: BigInt(transactionId) }]);

  const again = await client.run(preamble(asked));
  const answers = again.results.flatMap(({ rows }) => rows.map((row) => row[0]));
  expect(answers.filter((answer) => answer === 'column')).toHaveLength(12 + 18);
  expect(answers.filter((answer) => answer === 'journal')).toHaveLength(2);
  const log = again.results.at(-1);
  expect(log?.rows[0]?.slice(0, 3)).toEqual(['log', scriptId.toUpperCase(), 'A'.repeat(40)]);
  await client.run('ROLLBACK TRANSACTION');
  expect(await client.rows('SELECT ScriptFileName, AllowScriptBlock, ScriptText FROM dbo.SqlBuild_Logging')).toEqual([
    ["O'Brien.sql", true, "PRINT N'ä'"],
  ]);
});

test('a transaction that a script ended or replaced is noticed by the epilogue, which then changes nothing', async () => {
  const client = await engine.open('replaced');
  const begun = await client.run(preamble(asked));
  const transactionId = String(begun.results[0]?.rows[0]?.[3]);
  await client.run('COMMIT; BEGIN TRANSACTION');
  const answer = await client.run(
    epilogue({
      stamp: { ...stamp, database: 'replaced' },
      transactionId,
      rows: [ran],
      tables: { journal: false, logColumns: null },
    }),
  );
  expect(answer.errors.map(({ number, state }) => [number, state])).toEqual([[51000, 3]]);
  expect(await client.value(`SELECT OBJECT_ID(N'dbo.Sqlfleet_Journal')`)).toBeNull();
  expect(await client.value('SELECT @@TRANCOUNT')).toBe(0);
});

test('a script is undone to its savepoint, whatever it began', async () => {
  const client = await engine.open('undone');
  await client.run(preamble({ ...asked, xactAbort: false }));
  await client.run(setSavepoint(7));
  await client.run('BEGIN TRANSACTION; CREATE TABLE dbo.Gone (Id int); SELECT 1/0');
  expect(await client.rows(rollbackToSavepoint(7))).toEqual([['state', 1]]);
  expect(await client.rows("SELECT @@TRANCOUNT, OBJECT_ID(N'dbo.Gone')")).toEqual([[1, null]]);
  await client.run('SET XACT_ABORT ON; BEGIN TRY SELECT 1/0 END TRY BEGIN CATCH PRINT 1 END CATCH');
  expect(await client.rows(transactionState)).toEqual([['state', 0]]);
});

test('whoever waits for the lock in vain is told so, and gets it once it is free', async () => {
  const [holder, waiter] = [await engine.open('fence'), await engine.open('fence')];
  await holder.run(preamble(asked));
  const refused = await waiter.run(preamble({ ...asked, lockTimeoutMs: 50 }));
  expect(refused.results.map(({ rows }) => rows[0]?.slice(0, 2))).toEqual([['session', -1]]);
  await waiter.run('ROLLBACK TRANSACTION');
  const waiting = waiter.run(preamble(asked));
  await holder.run('COMMIT TRANSACTION');
  expect(Number((await waiting).results[0]?.rows[0]?.[1])).toBeGreaterThanOrEqual(0);
  await waiter.run('ROLLBACK TRANSACTION');
});
