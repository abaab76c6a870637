import { createDatabaseBuilder } from '../../../../lib/builds/run/database-builder';
import { type DatabaseBuildRequest } from '../../../../lib/builds/model';
import { type Package } from '../../../../lib/packages/model';
import { packageOf, requestOf, script } from './fixtures';
import { createSimulatedServer, createVirtualClock, type SimulatedServer } from './simulated-server';

function setUp() {
  const server = createSimulatedServer();
  const clock = createVirtualClock();
  const build = createDatabaseBuilder({ connect: server.connect, clock, random: () => 0, version: 'Sqlfleet test' });
  return { server, clock, build };
}

const effects = (server: SimulatedServer, database = 'db1'): string[] => server.database(database).state.effects;
const journal = (server: SimulatedServer, database = 'db1'): string[] =>
  server.database(database).state.journal.map(({ sequence, state }) => `${sequence} ${state}`);

/** Fails the given occurrences of one kind of I/O. */
function failing(kind: string, fault: 'before' | 'after' | number, times = 1): SimulatedServer['fault'] {
  let left = times;
  return (io) => (io.kind === kind && left-- > 0 ? fault : null);
}

describe('the build of one database', () => {
  it('takes one login and two round trips besides the batches', async () => {
    const { server, build } = setUp();
    const result = await build(requestOf(), packageOf([script(['effect a', 'effect b']), script('effect c')]));
    expect(result.status).toBe('committed');
    expect(result.counters).toEqual({ logins: 1, roundTrips: 2, batches: 3, throttled: 0, timeoutRetries: 0 });
    expect(effects(server)).toEqual(['a', 'b', 'c']);
    expect(journal(server)).toEqual(['1 done', '2 done']);
    expect(server.database('db1').state.log).toHaveLength(2);
  });

  it('repeats a batch as often as its GO says', async () => {
    const { server, build } = setUp();
    const repeated = script('effect a', { batches: [{ text: 'effect a', line: 1, repeat: 3 }] });
    const result = await build(requestOf(), packageOf([repeated]));
    expect(effects(server)).toEqual(['a', 'a', 'a']);
    expect(result.counters.batches).toBe(3);
    expect(result.log).toContain('GO 3');
  });

  it('says committed again when the same message is delivered again', async () => {
    const { server, build } = setUp();
    const pkg = packageOf([script('effect a')]);
    await build(requestOf(), pkg);
    const again = await build(requestOf(), pkg);
    expect(again.status).toBe('committed');
    expect(again.scripts).toMatchObject([{ status: 'ran' }]);
    expect(again.counters).toMatchObject({ logins: 1, roundTrips: 2, batches: 0 });
    expect(effects(server)).toEqual(['a']);
  });

  it('applies a run-once package once over all builds, and one that may run again with each build', async () => {
    const { server, build } = setUp();
    const once = packageOf([script('effect a', { allowMultipleRuns: false })]);
    const often = packageOf([script('effect b', { fileName: 'often.sql' })]);
    for (const buildId of ['build-1', 'build-2']) {
      await build(requestOf({ buildId }), once);
      await build(requestOf({ buildId: `${buildId}-often` }), often);
    }
    expect(effects(server)).toEqual(['a', 'b', 'b']);
    const third = await build(requestOf({ buildId: 'build-3' }), once);
    expect(third.status).toBe('alreadyApplied');
    expect(third.scripts).toMatchObject([{ status: 'skippedRunOnce' }]);
  });

  it('skips what the predecessor ran, and refuses it when the text has changed since', async () => {
    const { server, build } = setUp();
    const once = script('effect a', { allowMultipleRuns: false, fileName: 'once.sql' });
    server.database('db1').state.log.push({ scriptId: once.scriptId, hash: once.hash });
    expect(await build(requestOf(), packageOf([once]))).toMatchObject({ status: 'alreadyApplied' });

    const changed = script('effect a2', { allowMultipleRuns: false, fileName: 'once.sql' });
    const result = await build(requestOf({ buildId: 'build-2' }), packageOf([script('effect z'), changed]));
    expect(result).toMatchObject({ status: 'failed', failure: { code: 'sql.drift', script: 'once.sql' } });
    expect(result.reason).toContain(once.hash);
    expect(result.reason).toContain(changed.hash);
    expect(effects(server)).toEqual([]);
  });

  it('rolls a trial back without any trace', async () => {
    const { server, build } = setUp();
    const result = await build(requestOf({ options: { trial: true } }), packageOf([script('effect a')]));
    expect(result.status).toBe('trialRolledBack');
    expect(result.scripts).toMatchObject([{ status: 'rolledBack' }]);
    expect(server.database('db1')).toMatchObject({ state: { effects: [], journal: [], log: [] }, lockedBy: null });
  });

  it('refuses a trial without a transaction before it logs in', async () => {
    const { server, build } = setUp();
    const result = await build(
      requestOf({ options: { trial: true, transactional: false } }),
      packageOf([script('effect a')]),
    );
    expect(result.status).toBe('rejected');
    expect(server.io).toEqual([]);
  });
});

describe('a script that fails', () => {
  it.each([
    { rollBackOnError: true, causesBuildFailure: true },
    { rollBackOnError: false, causesBuildFailure: true },
  ])('rolls the whole build back with %o', async (policy) => {
    const { server, build } = setUp();
    const result = await build(
      requestOf(),
      packageOf([script('effect a'), script(['effect b', 'fail 547', 'effect c'], policy), script('effect d')]),
    );
    expect(result).toMatchObject({
      status: 'rolledBack',
      failure: { code: 'sql.scriptError', number: 547, script: '2.sql', line: 3, database: 'db1' },
      scripts: [{ status: 'rolledBack' }, { status: 'failed' }, { status: 'notReached' }],
    });
    expect(server.database('db1').state).toEqual({ effects: [], journal: [], log: [] });
  });

  it('is undone alone with RollBackOnError and without CausesBuildFailure, and the rest of it is skipped', async () => {
    const { server, build } = setUp();
    const survivor = script(['effect b', 'fail 547', 'effect c'], { causesBuildFailure: false });
    const result = await build(requestOf(), packageOf([script('effect a'), survivor, script('effect d')]));
    expect(result).toMatchObject({
      status: 'committed',
      scripts: [{ status: 'ran' }, { status: 'failedIgnored', failure: { number: 547 } }, { status: 'ran' }],
    });
    expect(effects(server)).toEqual(['a', 'd']);
    expect(journal(server)).toEqual(['1 done', '2 ignored', '3 done']);
    expect(server.database('db1').state.log).toHaveLength(2);
    expect(result.counters.roundTrips).toBe(4);
  });

  it('is passed over without both, and its next batch runs', async () => {
    const { server, build } = setUp();
    const policy = { rollBackOnError: false, causesBuildFailure: false };
    const result = await build(requestOf(), packageOf([script(['effect b', 'fail 547', 'effect c'], policy)]));
    expect(result).toMatchObject({ status: 'committed', scripts: [{ status: 'failedIgnored' }] });
    expect(effects(server)).toEqual(['b', 'c']);
  });

  it('does not run again with its build, although it did not run to its end', async () => {
    const { server, build } = setUp();
    const pkg = packageOf([script(['effect b', 'fail 547'], { rollBackOnError: false, causesBuildFailure: false })]);
    await build(requestOf(), pkg);
    expect(await build(requestOf(), pkg)).toMatchObject({ status: 'committed' });
    expect(effects(server)).toEqual(['b']);
  });

  it.each([true, false])(
    'fails the build when it leaves a doomed transaction, with RollBackOnError %s',
    async (rollBackOnError) => {
      const { server, build } = setUp();
      const policy = { rollBackOnError, causesBuildFailure: false };
      const result = await build(requestOf(), packageOf([script('effect a'), script('doom', policy)]));
      expect(result).toMatchObject({ status: 'rolledBack', failure: { number: 50000, script: '2.sql' } });
      expect(effects(server)).toEqual([]);
    },
  );

  it('fails the build in spite of its policy when the transaction did not survive', async () => {
    const { server, build } = setUp();
    const policy = { rollBackOnError: false, causesBuildFailure: false };
    const result = await build(requestOf(), packageOf([script('effect a'), script('rollback; fail 245', policy)]));
    expect(result).toMatchObject({ status: 'rolledBack', failure: { number: 245 } });
    expect(effects(server)).toEqual([]);
  });
});

describe('a script that leaves the transaction', () => {
  it.each(['effect b; commit', 'effect b; commit; begin; effect c', 'effect b; commit; begin; effect c; fail 208'])(
    'is caught after "%s", and never said to be rolled back',
    async (text) => {
      const { server, build } = setUp();
      const result = await build(requestOf(), packageOf([script('effect a'), script(text), script('effect z')]));
      expect(result).toMatchObject({
        status: 'failed',
        failure: { code: 'sql.transactionLeft', script: '2.sql' },
        scripts: [{ status: 'ran' }, { status: 'failed' }, { status: 'notReached' }],
      });
      expect(result.reason).toMatch(
        /^The script committed or replaced the transaction of this build.*; what was committed stays$/,
      );
      expect(result.reason).not.toContain('.;');
      expect(effects(server)).toEqual(['a', 'b']);
      expect(journal(server)).toEqual([]);
    },
  );

  it('by a rollback without an error is caught', async () => {
    const { build } = setUp();
    const result = await build(requestOf(), packageOf([script('effect a'), script('rollback')]));
    expect(result).toMatchObject({ status: 'failed', failure: { code: 'sql.transactionLeft' } });
  });

  it('by a rollback with an error is a build that was rolled back', async () => {
    const { server, build } = setUp();
    const result = await build(requestOf(), packageOf([script('effect a'), script('rollback; raise')]));
    expect(result.status).toBe('rolledBack');
    expect(effects(server)).toEqual([]);
  });

  it('one deeper than it found it fails at the end, rolled back', async () => {
    const { server, build } = setUp();
    const result = await build(requestOf(), packageOf([script('effect a; begin')]));
    expect(result).toMatchObject({ status: 'rolledBack', failure: { code: 'sql.transactionLeft', number: 51000 } });
    expect(effects(server)).toEqual([]);
  });

  it('with NOEXEC on is caught, although the server answers everything without an error', async () => {
    const { server, build } = setUp();
    const result = await build(requestOf(), packageOf([script('effect a; noexec'), script('effect b')]));
    expect(result).toMatchObject({ status: 'rolledBack', failure: { code: 'sql.notExecuted' } });
    expect(effects(server)).toEqual([]);
  });
});

describe('a script that takes too long', () => {
  it('is rolled back, and tried again only as often as the build says', async () => {
    const { server, build, clock } = setUp();
    const result = await build(requestOf({ options: { timeoutRetryCount: 2 } }), packageOf([script('effect a; hang')]));
    expect(result).toMatchObject({ status: 'rolledBack', failure: { code: 'sql.timeout' } });
    expect(result.counters).toMatchObject({ logins: 3, timeoutRetries: 2 });
    expect(result.log.match(/failed \(sql\.timeout/g)).toHaveLength(6);
    expect(result.log).toContain('ROLLBACK TRANSACTION');
    expect(result.log).not.toContain('COMMIT TRANSACTION');
    expect(clock.slept).toEqual([]);
    expect(effects(server)).toEqual([]);
  });

  it('is not tried again by default', async () => {
    const { build } = setUp();
    const result = await build(requestOf(), packageOf([script('hang')]));
    expect(result.counters).toMatchObject({ logins: 1, timeoutRetries: 0 });
  });
});

describe('a server that does not answer well', () => {
  it('is waited for: 5 s, then twice as long each time', async () => {
    const { server, build, clock } = setUp();
    server.fault = failing('login', 40613, 4);
    const result = await build(requestOf(), packageOf([script('effect a')]));
    expect(result.status).toBe('committed');
    expect(clock.slept).toEqual([5_000, 10_000, 20_000, 40_000]);
    expect(result.counters).toMatchObject({ logins: 5, throttled: 0 });
  });

  it('is said to throttle when it does', async () => {
    const { server, build } = setUp();
    server.fault = failing('login', 10928, 2);
    expect((await build(requestOf(), packageOf([script('effect a')]))).counters.throttled).toBe(2);
  });

  it('is not asked twice when it refuses the login', async () => {
    const { server, build } = setUp();
    server.fault = failing('login', 18456, 9);
    const result = await build(requestOf(), packageOf([script('effect a')]));
    expect(result).toMatchObject({
      status: 'failed',
      failure: { code: 'sql.login', number: 18456 },
      counters: { logins: 1 },
    });
  });

  it('has two minutes to show a database that it says it does not have', async () => {
    const { server, build, clock } = setUp();
    server.fault = failing('login', 4060, 99);
    const result = await build(requestOf(), packageOf([script('effect a')]));
    expect(result).toMatchObject({ status: 'failed', failure: { code: 'sql.databaseNotFound' } });
    expect(clock.slept.reduce((sum, ms) => sum + ms)).toBeLessThanOrEqual(120_000);
  });

  it('is given up at the deadline', async () => {
    const { server, build, clock } = setUp();
    server.fault = failing('login', 40613, 9_999);
    const deadlineMs = clock.nowMs() + 600_000;
    const result = await build(requestOf({ deadlineMs }), packageOf([script('effect a')]));
    expect(result).toMatchObject({ status: 'failed', failure: { code: 'sql.unavailable' } });
    expect(clock.nowMs()).toBeLessThan(deadlineMs);
  });

  it('is waited for while another build holds the lock', async () => {
    const { server, build } = setUp();
    const database = server.database('db1');
    database.lockedBy = {};
    let looks = 0;
    server.fault = ({ kind }) => {
      if (kind === 'preamble' && ++looks === 3) database.lockedBy = null;
      return null;
    };
    expect(await build(requestOf(), packageOf([script('effect a')]))).toMatchObject({
      status: 'committed',
      counters: { logins: 3 },
    });
  });
});

describe('a transaction that is lost', () => {
  it('to a deadlock is run again, three times at most', async () => {
    const { server, build } = setUp();
    server.fault = failing('script', 1205, 2);
    expect(await build(requestOf(), packageOf([script('effect a')]))).toMatchObject({
      status: 'committed',
      counters: { logins: 3 },
    });
    expect(effects(server)).toEqual(['a']);

    const { server: other, build: buildOther } = setUp();
    other.fault = failing('script', 1205, 99);
    expect(await buildOther(requestOf(), packageOf([script('effect a')]))).toMatchObject({
      status: 'rolledBack',
      failure: { code: 'sql.conflict' },
      counters: { logins: 4 },
    });
  });

  it('because a script kills its connection every time is given up', async () => {
    const { server, build } = setUp();
    server.fault = failing('script', 'after', 99);
    const result = await build(requestOf(), packageOf([script('effect a')]));
    expect(result).toMatchObject({
      status: 'rolledBack',
      failure: { code: 'sql.connectionLost' },
      counters: { logins: 6 },
    });
  });

  it('at a COMMIT whose answer does not come is looked up, and not run twice', async () => {
    const { server, build } = setUp();
    server.fault = failing('epilogue', 'after');
    const result = await build(requestOf(), packageOf([script('effect a')]));
    expect(result).toMatchObject({ status: 'committed', counters: { logins: 2, batches: 1 } });
    expect(effects(server)).toEqual(['a']);
  });

  it('at a COMMIT that never arrived is run again', async () => {
    const { server, build } = setUp();
    server.fault = failing('epilogue', 'before');
    const result = await build(requestOf(), packageOf([script('effect a')]));
    expect(result).toMatchObject({ status: 'committed', counters: { logins: 2, batches: 2 } });
    expect(effects(server)).toEqual(['a']);
  });

  it.each(['before', 'after'] as const)(
    'is unknown when the COMMIT broke %s it and nobody answers since',
    async (when) => {
      const { server, build } = setUp();
      let committing = false;
      server.fault = ({ kind }) => {
        if (committing) return kind === 'login' ? 40613 : null;
        committing = kind === 'epilogue';
        return committing ? when : null;
      };
      const result = await build(
        requestOf({ deadlineMs: Date.UTC(2026, 0, 2, 0, 10) }),
        packageOf([script('effect a')]),
      );
      expect(result).toMatchObject({ status: 'unknown', failure: { code: 'sql.commitUnknown' } });
    },
  );

  it('at a COMMIT that never arrived is no longer in doubt once the journal was read', async () => {
    const { server, build } = setUp();
    let scripts = 0;
    server.fault = ({ kind }) => {
      if (kind === 'epilogue') return 'before';
      return kind === 'script' && ++scripts === 2 ? 547 : null;
    };
    const result = await build(requestOf(), packageOf([script('effect a')]));
    expect(result).toMatchObject({ status: 'rolledBack', failure: { number: 547 } });
  });

  it('is unknown, and not failed, when the login is refused for good after a lost COMMIT', async () => {
    const { server, build } = setUp();
    let committing = false;
    server.fault = ({ kind }) => {
      if (committing) return kind === 'login' ? 18456 : null;
      committing = kind === 'epilogue';
      return committing ? 'after' : null;
    };
    expect((await build(requestOf(), packageOf([script('effect a')]))).status).toBe('unknown');
  });
});

describe('a cancelled build', () => {
  it('is skipped when nothing began', async () => {
    const { server, build } = setUp();
    const result = await build(requestOf({ signal: AbortSignal.abort() }), packageOf([script('effect a')]));
    expect(result.status).toBe('skipped');
    expect(server.io).toEqual([]);
  });

  it('waits no longer for a server that is away', async () => {
    const { server, build, clock } = setUp();
    server.fault = failing('login', 40613, 9_999);
    const cancelledAtMs = clock.nowMs() + 60_000;
    const isStopped = async (): Promise<boolean> => clock.nowMs() >= cancelledAtMs;
    const result = await build(requestOf({ isStopped }), packageOf([script('effect a')]));
    expect(result.status).toBe('skipped');
    expect(result.reason).toMatch(/^cancelled before anything ran; the last try had failed: \S/);
    expect(clock.nowMs() - cancelledAtMs).toBeLessThan(10_000);
  });

  it('does not say that nothing happened where the answer to COMMIT was lost', async () => {
    const { server, build } = setUp();
    let committing = false;
    server.fault = ({ kind }) => {
      if (committing) return kind === 'login' ? 40613 : null;
      committing = kind === 'epilogue';
      return committing ? 'after' : null;
    };
    const result = await build(requestOf({ isStopped: async () => true }), packageOf([script('effect a')]));
    expect(result.status).toBe('unknown');
  });

  it('stops before the next batch and rolls back', async () => {
    const { server, build } = setUp();
    const cancel = new AbortController();
    server.fault = ({ kind }) => {
      if (kind === 'script') cancel.abort();
      return null;
    };
    const result = await build(requestOf({ signal: cancel.signal }), packageOf([script(['effect a', 'effect b'])]));
    expect(result).toMatchObject({ status: 'rolledBack', reason: 'cancelled', counters: { batches: 1 } });
    expect(server.database('db1')).toMatchObject({ state: { effects: [] }, lockedBy: null });
  });
});

describe('a package without a transaction', () => {
  const alone = (given: Partial<DatabaseBuildRequest> = {}): DatabaseBuildRequest =>
    requestOf({ ...given, options: { transactional: false } });

  it('takes one round trip per script and two more', async () => {
    const { server, build } = setUp();
    const result = await build(alone(), packageOf([script('effect a'), script('effect b')]));
    expect(result).toMatchObject({ status: 'committed', counters: { logins: 1, roundTrips: 4, batches: 2 } });
    expect(journal(server)).toEqual(['1 done', '2 done']);
    expect(server.database('db1').state.log).toHaveLength(2);
    expect(server.database('db1').lockedBy).toBeNull();
  });

  it('keeps and logs what ran before a script failed', async () => {
    const { server, build } = setUp();
    const pkg = packageOf([script('effect a'), script('fail 547'), script('effect c')]);
    const result = await build(alone(), pkg);
    expect(result).toMatchObject({
      status: 'failed',
      scripts: [{ status: 'ran' }, { status: 'failed' }, { status: 'notReached' }],
    });
    expect(effects(server)).toEqual(['a']);
    expect(journal(server)).toEqual(['1 done', '2 failed']);
    expect(server.database('db1').state.log).toHaveLength(1);
  });

  it('goes on with the script that failed when somebody asks again', async () => {
    const { server, build } = setUp();
    await build(alone(), packageOf([script('effect a'), script('fail 547')]));
    const failed = packageOf([script('effect a'), script('effect b')]);
    expect(await build(alone({ attempt: 2 }), failed)).toMatchObject({ status: 'committed' });
    expect(effects(server)).toEqual(['a', 'b']);
    expect(journal(server)).toEqual(['1 done', '2 done']);
  });

  it('never runs a script again that lost a deadlock: part of it may have stayed', async () => {
    const { server, build } = setUp();
    server.fault = failing('script', 1205);
    expect(await build(alone(), packageOf([script('effect a')]))).toMatchObject({
      status: 'failed',
      failure: { code: 'sql.conflict' },
      counters: { logins: 1 },
    });
  });

  it('is unknown when the connection breaks in a script, and is never run again by itself', async () => {
    const { server, build } = setUp();
    server.fault = failing('script', 'after');
    const pkg = packageOf([script('effect a'), script('effect b')]);
    expect(await build(alone(), pkg)).toMatchObject({ status: 'unknown' });
    expect(await build(alone(), pkg)).toMatchObject({ status: 'unknown', failure: { code: 'sql.interrupted' } });
    expect(effects(server)).toEqual(['a']);
  });

  it('does not lose a row to a transaction that a script left open', async () => {
    const { server, build } = setUp();
    const result = await build(alone(), packageOf([script('begin; effect a')]));
    expect(result).toMatchObject({ status: 'failed', failure: { code: 'sql.transactionLeft' } });
    expect(effects(server)).toEqual([]);
    expect(journal(server)).toEqual(['1 failed']);
  });

  it('goes on after a script that may fail', async () => {
    const { server, build } = setUp();
    const mayFail = script(['fail 547', 'effect b'], { causesBuildFailure: false });
    expect(await build(alone(), packageOf([mayFail, script('effect c')]))).toMatchObject({ status: 'committed' });
    expect(effects(server)).toEqual(['c']);
  });
});

describe('a target of several databases', () => {
  const overrides = [
    { default: 'client', target: 'db1' },
    { default: 'audit', target: 'db2' },
  ];
  const pkg: Package = packageOf([
    script('effect a', { database: 'client', fileName: 'a.sql' }),
    script('effect b', { database: 'AUDIT', fileName: 'b.sql' }),
    script('effect c', { database: '', fileName: 'c.sql' }),
  ]);

  it('logs in once per database, and commits one after another', async () => {
    const { server, build } = setUp();
    const result = await build(requestOf({ overrides }), pkg);
    expect(result).toMatchObject({
      status: 'committed',
      counters: { logins: 2, roundTrips: 4 },
      scripts: [{ database: 'db1' }, { database: 'db2' }, { database: 'db1' }],
    });
    expect(effects(server, 'db1')).toEqual(['a', 'c']);
    expect(effects(server, 'db2')).toEqual(['b']);
  });

  it('leaves all of them as they were when a script fails in one', async () => {
    const { server, build } = setUp();
    const failing2 = packageOf([...pkg.scripts, script('fail 208', { database: 'audit', fileName: 'd.sql' })]);
    expect(await build(requestOf({ overrides }), failing2)).toMatchObject({
      status: 'rolledBack',
      failure: { database: 'db2' },
    });
    expect([effects(server, 'db1'), effects(server, 'db2')]).toEqual([[], []]);
  });

  it('finishes the second when its COMMIT was lost, without running the first again', async () => {
    const { server, build } = setUp();
    let broken = false;
    server.fault = ({ kind, database }) => {
      if (broken || kind !== 'epilogue' || database !== 'db2') return null;
      broken = true;
      return 'before';
    };
    expect(await build(requestOf({ overrides }), pkg)).toMatchObject({ status: 'committed' });
    expect([effects(server, 'db1'), effects(server, 'db2')]).toEqual([['a', 'c'], ['b']]);
  });

  it('remembers what an earlier try committed when a later one does not even get in', async () => {
    const { server, build } = setUp();
    let conflict = false;
    server.fault = ({ kind, database }) => {
      if (conflict) return kind === 'login' ? 18456 : null;
      conflict = kind === 'epilogue' && database === 'db2';
      return conflict ? 1205 : null;
    };
    const result = await build(requestOf({ overrides }), pkg);
    expect(result).toMatchObject({ status: 'failed', failure: { number: 18456 } });
    expect(result.reason).toContain('stays');
    expect(effects(server, 'db1')).toEqual(['a', 'c']);
  });

  it('says what stays when the second could not be committed', async () => {
    const { server, build } = setUp();
    server.fault = ({ kind, database }) => (kind === 'epilogue' && database === 'db2' ? 9002 : null);
    const result = await build(requestOf({ overrides }), pkg);
    expect(result).toMatchObject({
      status: 'failed',
      failure: { code: 'sql.resourceLimit', database: 'db2' },
      scripts: [{ status: 'ran' }, { status: 'rolledBack' }, { status: 'ran' }],
    });
    expect(result.reason).toContain('stays');
  });
});
