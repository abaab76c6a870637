import { createDatabaseBuilder } from '../../../../lib/builds/run/database-builder';
import { createOutcomeResolver } from '../../../../lib/builds/run/outcome-resolver';
import { type Connect } from '../../../../lib/sql/model';
import { type DatabaseBuildRequest, type DatabaseBuildResult } from '../../../../lib/builds/model';
import { packageOf, requestOf, script } from './fixtures';
import { createSimulatedServer, createVirtualClock, type SimulatedServer } from './simulated-server';

/**
 * Every I/O of a build is numbered, and the build is broken before and after each one, and at each pair of them. Whatever
 * breaks: an effect happens at most once, it is there exactly if the journal says so, and success is told only of what is.
 */

const pkg = packageOf([
  script(['effect a', 'effect b']),
  script(['effect x', 'fail 547'], { causesBuildFailure: false }),
  script('effect c', { allowMultipleRuns: false }),
]);
const whole = ['a', 'b', 'c'];
const sides = ['before', 'after'] as const;

const transactional = requestOf();
const alone = requestOf({ options: { transactional: false } });

function worker(connect: Connect) {
  const deps = { connect, clock: createVirtualClock(), random: () => 0, version: 'test' };
  return { build: createDatabaseBuilder(deps), resolve: createOutcomeResolver(deps) };
}

/** A worker that is killed with its connections at one I/O: it never gets an answer again, and never says anything. */
function mortalWorker(server: SimulatedServer, index: number, side: 'before' | 'after') {
  let dead: (() => void) | undefined;
  const death = new Promise<'dead'>((resolve) => (dead = () => resolve('dead')));
  const never = new Promise<never>(() => undefined);
  server.fault = (io) => {
    if (io.index !== index) return null;
    dead?.();
    return side;
  };
  const { build } = worker(async (request) => {
    const opened = await server.connect(request);
    if (!opened.ok) return never;
    const { connection } = opened;
    return {
      ok: true,
      connection: {
        execute: async (text, options) => {
          const answer = await connection.execute(text, options);
          return connection.open ? answer : never;
        },
        close: () => connection.close(),
        get transaction() {
          return connection.transaction;
        },
        get open() {
          return connection.open;
        },
      },
    };
  });
  return (request: DatabaseBuildRequest): Promise<DatabaseBuildResult | 'dead'> =>
    Promise.race([build(request, pkg), death]);
}

async function countIo(request: DatabaseBuildRequest): Promise<number> {
  const server = createSimulatedServer();
  expect(await worker(server.connect).build(request, pkg)).toMatchObject({ status: 'committed' });
  return server.io.length;
}

function expectEffectsToMatchJournal(server: SimulatedServer): void {
  const { effects, journal } = server.database('db1').state;
  const real = effects.filter((effect) => effect !== 'x');
  expect(real).toEqual([...new Set(real)]);
  const done = (sequence: number): boolean =>
    journal.some((row) => row.sequence === sequence && (row.state === 'done' || row.state === 'ignored'));
  expect({ effects: real, journal: [1, 2, 3].map(done) }).toEqual(
    real.length === 0
      ? { effects: [], journal: [false, false, false] }
      : { effects: whole, journal: [true, true, true] },
  );
}

describe('a transactional build', () => {
  it('consists of the I/O that this page counts on', async () => {
    const server = createSimulatedServer();
    await worker(server.connect).build(transactional, pkg);
    expect(server.io.join(' ')).toBe('login preamble script script other script script other script epilogue');
  });

  it('ends committed, with every effect once, wherever its connection breaks', async () => {
    for (let index = 1; index <= (await countIo(transactional)); index += 1) {
      for (const side of sides) {
        const server = createSimulatedServer();
        server.fault = (io) => (io.index === index ? side : null);
        const result = await worker(server.connect).build(transactional, pkg);
        expect({ index, side, status: result.status }).toEqual({ index, side, status: 'committed' });
        expect(server.database('db1').state.effects).toEqual(whole);
        expectEffectsToMatchJournal(server);
      }
    }
  });

  it('ends committed, with every effect once, wherever its connection breaks twice', async () => {
    const ioCount = await countIo(transactional);
    for (let first = 1; first <= ioCount; first += 1) {
      for (let second = first + 1; second <= first + ioCount; second += 1) {
        for (const side of sides) {
          const server = createSimulatedServer();
          server.fault = (io) => (io.index === first ? side : io.index === second ? 'after' : null);
          const result = await worker(server.connect).build(transactional, pkg);
          expect({ first, second, side, status: result.status }).toMatchObject({ status: 'committed' });
          expect(server.database('db1').state.effects).toEqual(whole);
          expectEffectsToMatchJournal(server);
        }
      }
    }
  });

  it('is finished by the next delivery, with every effect once, wherever its worker is killed', async () => {
    for (let index = 1; index <= (await countIo(transactional)); index += 1) {
      for (const side of sides) {
        const server = createSimulatedServer();
        expect(await mortalWorker(server, index, side)(transactional)).toBe('dead');
        expectEffectsToMatchJournal(server);
        server.fault = () => null;

        const { resolve, build } = worker(server.connect);
        const isThere = server.database('db1').state.effects.length > 0;
        expect((await resolve(transactional, pkg)).status).toBe(isThere ? 'committed' : 'rolledBack');
        expect((await build(transactional, pkg)).status).toBe('committed');
        expect(server.database('db1').state.effects).toEqual(whole);
        expectEffectsToMatchJournal(server);
      }
    }
  });

  it('has every effect once when a second worker gets the same message at any moment', async () => {
    for (let index = 1; index <= (await countIo(transactional)); index += 1) {
      const server = createSimulatedServer();
      let second: Promise<DatabaseBuildResult> | undefined;
      const other = worker(server.connect);
      server.fault = (io) => {
        if (io.index === index) second ??= other.build(transactional, pkg);
        return null;
      };
      const first = await worker(server.connect).build(transactional, pkg);
      const statuses = [first.status, (await second)?.status];
      expect(statuses).toContain('committed');
      expect(server.database('db1').state.effects).toEqual(whole);
      expectEffectsToMatchJournal(server);
    }
  });
});

describe('a build without a transaction', () => {
  it('runs no script twice, and tells success only of what is there, wherever its worker is killed', async () => {
    const seen = new Set<string>();
    for (let index = 1; index <= (await countIo(alone)); index += 1) {
      for (const side of sides) {
        const server = createSimulatedServer();
        expect(await mortalWorker(server, index, side)(alone)).toBe('dead');
        server.fault = () => null;
        const result = await worker(server.connect).build(alone, pkg);
        seen.add(result.status);
        const { effects, journal } = server.database('db1').state;
        expect(effects).toEqual([...new Set(effects)]);
        if (result.status === 'committed') {
          expect(effects).toEqual(['a', 'b', 'x', 'c']);
          expect(journal.map(({ state }) => state)).toEqual(['done', 'ignored', 'done']);
        } else {
          expect(result).toMatchObject({ status: 'unknown', failure: { code: 'sql.interrupted' } });
          expect(journal.map(({ state }) => state)).toContain('started');
        }
      }
    }
    expect([...seen].sort()).toEqual(['committed', 'unknown']);
  });
});
