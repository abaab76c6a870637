import {
  type JournalRow,
  type LogRow,
  needsSavepoint,
  needsXactAbort,
  planDatabase,
} from '../../../../lib/builds/run/plan';
import { type Script } from '../../../../lib/packages/model';
import { packageOf, script } from './fixtures';

const build = { buildId: 'build-1', targetId: 'target-1' };

function plan(scripts: readonly Script[], journal: readonly JournalRow[] = [], log: readonly LogRow[] = []) {
  const numbered = packageOf(scripts).scripts.map((entry, index) => ({ script: entry, sequence: index + 1 }));
  return planDatabase({ ...build, scripts: numbered, journal, log });
}

const once = script('one', { fileName: 'once.sql', allowMultipleRuns: false });
const changed = script('two', { fileName: 'once.sql', allowMultipleRuns: false });
const often = script('one', { fileName: 'often.sql' });

function row(of: Script, given: Partial<JournalRow> = {}): JournalRow {
  return {
    ...build,
    sequence: 1,
    scriptId: of.scriptId,
    fileName: of.fileName,
    sha256: of.sha256,
    hash: of.hash,
    state: 'done',
    startedAtMs: 0,
    ...given,
  };
}

const logged = (of: Script, given: Partial<LogRow> = {}): LogRow => ({
  scriptId: of.scriptId,
  hash: of.hash,
  lastCommitMs: 0,
  ...given,
});

const decisions = (result: ReturnType<typeof plan>): string[] =>
  'steps' in result ? result.steps.map(({ decision }) => decision) : [result.kind];

describe('within a build', () => {
  it('runs everything in a database that knows nothing', () => {
    expect(decisions(plan([once, often]))).toEqual(['run', 'run']);
  });

  it('runs nothing twice, and knows that it was this build', () => {
    expect(plan([often], [row(often)])).toMatchObject({ kind: 'nothingToRun', doneByThisBuild: true });
    expect(plan([often], [row(often, { state: 'ignored' })])).toMatchObject({
      kind: 'nothingToRun',
      doneByThisBuild: true,
    });
  });

  it('tells scripts with the same id apart by their place', () => {
    const twin = { ...often };
    expect(decisions(plan([often, twin], [row(often)]))).toEqual(['doneByThisBuild', 'run']);
  });

  it('runs a script again that failed without a transaction', () => {
    expect(decisions(plan([often], [row(often, { state: 'failed' })]))).toEqual(['run']);
  });

  it('never runs a script again that was begun and not ended', () => {
    expect(plan([often], [row(often, { state: 'started' })])).toMatchObject({
      kind: 'interrupted',
      interruptions: [{ buildId: 'build-1', sequence: 1 }],
    });
  });

  it('refuses another text under the same build', () => {
    expect(decisions(plan([often], [row(often, { sha256: 'f'.repeat(64) })]))).toEqual(['drift']);
  });
});

describe('over all builds', () => {
  const other = { buildId: 'build-0', targetId: 'target-0' };

  it('asks only scripts that run once', () => {
    expect(decisions(plan([often], [row(often, other)], [logged(often)]))).toEqual(['run']);
    expect(plan([once], [row(once, other)])).toMatchObject({ kind: 'nothingToRun', doneByThisBuild: false });
  });

  it('skips what only the predecessor ran, in any letter case of its hash', () => {
    expect(decisions(plan([once], [], [logged(once, { hash: once.hash.toLowerCase() })]))).toEqual(['skipRunOnce']);
  });

  it.each([null, 'File Missing', 'SHA1 Hash Error'])(
    'takes it for run when the predecessor wrote %s for a hash',
    (hash) => {
      expect(decisions(plan([once], [], [logged(once, { hash })]))).toEqual(['skipRunOnce']);
    },
  );

  it('shows both hashes of a script that was changed after it ran', () => {
    expect(plan([changed], [row(once, other)])).toMatchObject({
      kind: 'drift',
      drifts: [{ recordedHash: once.sha256, currentHash: changed.sha256 }],
    });
    expect(plan([changed], [], [logged(once)])).toMatchObject({
      kind: 'drift',
      drifts: [{ recordedHash: once.hash, currentHash: changed.hash }],
    });
  });

  it('compares with the text that ran last', () => {
    const first = row(once, other);
    const second = row(changed, { ...other, buildId: 'build-9', startedAtMs: 5 });
    expect(decisions(plan([changed], [second, first]))).toEqual(['skipRunOnce']);
    expect(decisions(plan([once], [second, first]))).toEqual(['drift']);
  });

  it('does not let the weaker hash of its own log row excuse a text that the journal knows to differ', () => {
    const sameWeakHash = { ...changed, hash: once.hash };
    expect(decisions(plan([sameWeakHash], [row(once, other)], [logged(once)]))).toEqual(['drift']);
  });

  it('believes the predecessor that it ran the changed text since', () => {
    expect(
      decisions(plan([changed], [row(once, other)], [logged(once), logged(changed, { lastCommitMs: 9 })])),
    ).toEqual(['skipRunOnce']);
  });

  it('does not count what failed or was passed over', () => {
    expect(decisions(plan([once], [row(once, { ...other, state: 'failed' })]))).toEqual(['run']);
    expect(decisions(plan([once], [row(once, { ...other, state: 'ignored' })]))).toEqual(['run']);
  });

  it('stops at a run-once script that another build began and did not end', () => {
    expect(decisions(plan([once], [row(once, { ...other, state: 'started' })]))).toEqual(['interrupted']);
  });

  it('refuses the whole database when one script of several has drifted', () => {
    expect(decisions(plan([often, changed], [row(once, other)]))).toEqual(['drift']);
  });
});

describe('the transaction', () => {
  const numbered = (entry: Script) => ({ script: entry, sequence: 1 });

  it('aborts at the first error only where every script fails the build', () => {
    expect(needsXactAbort([numbered(often), numbered({ ...often, rollBackOnError: false })])).toBe(true);
    expect(needsXactAbort([numbered(often), numbered({ ...often, causesBuildFailure: false })])).toBe(false);
  });

  it.each([
    [true, true, false],
    [true, false, true],
    [false, true, false],
    [false, false, false],
  ])(
    'with RollBackOnError %s and CausesBuildFailure %s needs a savepoint: %s',
    (rollBackOnError, causesBuildFailure, needed) => {
      expect(needsSavepoint({ ...often, rollBackOnError, causesBuildFailure })).toBe(needed);
    },
  );
});
