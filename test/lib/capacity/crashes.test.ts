import { type Leases } from '../../../lib/platform/leases';
import { capacityUnderTest, environment, region } from '../../support/capacity';

const first = `sql-${environment}-${region}-001`;

class Crash extends Error {}

/** The monitor and the servers on their way, until nothing is; as often as it takes, as timer and orchestration do. */
async function drive(test: ReturnType<typeof capacityUnderTest>): Promise<void> {
  for (let round = 0; round < 12; round += 1) {
    for (const step of ['tick', 'advance'] as const) {
      // A process that died leaves its lease behind; the next one waits until it has expired.
      await test.services[step](region).catch(() => test.clock.pass(6 * 60_000));
      test.clock.pass(20_000);
    }
    if ((await test.server(first))?.state === 'ready') return;
  }
}

/** Counts the calls to the outside; dies before or after one of them, once. */
function crashing(at: number, moment: 'before' | 'after') {
  let count = 0;
  const names: string[] = [];
  return {
    count: () => count,
    names,
    around: async <T>(call: string, run: () => Promise<T>): Promise<T> => {
      count += 1;
      names.push(call);
      if (count !== at) return run();
      if (moment === 'after') await run();
      throw new Crash(call);
    },
  };
}

describe('a crash at any call to the outside', () => {
  it.each(['before', 'after'] as const)(
    '%s it, while the first server is created, leaves one server, secured and ready',
    async (moment) => {
      const dry = crashing(-1, moment);
      await drive(capacityUnderTest({ around: dry.around, azure: { creationMs: 30_000 } }));
      expect(dry.count()).toBeGreaterThan(30);
      for (let at = 1; at <= dry.count(); at += 1) {
        const crash = crashing(at, moment);
        const test = capacityUnderTest({ around: crash.around, azure: { creationMs: 30_000 } });
        await drive(test);
        const where = `${moment} ${crash.names[at - 1]} (${at})`;
        expect([where, [...test.azure.servers.keys()]]).toEqual([where, [first]]);
        expect([where, (await test.server(first))?.state]).toEqual([where, 'ready']);
        expect([where, test.azure.servers.get(first)]).toEqual([
          where,
          expect.objectContaining({
            entraOnly: true,
            threatProtection: 'Enabled',
            assessment: 'Enabled',
            minimalTlsVersion: '1.2',
          }),
        ]);
      }
    },
  );

  it('is resumed with the poller of the document, not with another PUT', async () => {
    const test = capacityUnderTest({ azure: { creationMs: 60_000 } });
    await test.services.tick(region);
    await test.services.advance(region);
    expect((await test.server(first))?.creation.poller).not.toBeNull();
    test.clock.pass(61_000);
    await test.another().advance(region);
    expect(test.azure.puts).toEqual([first]);
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
  });
});

describe('two monitors at once', () => {
  /** What the wildest lease could do: let everybody in. */
  const lettingEverybodyIn = (): Leases => {
    let fence = 0;
    return {
      acquire: async (name, holder) => ({ name, holder, fence: (fence += 1) }),
      renew: async () => true,
      release: async () => undefined,
    };
  };

  it.each([
    ['with a lease', undefined],
    ['even if the lease let both in', lettingEverybodyIn],
  ])('create one server between them, however their calls interleave, %s', async (_how, leasesOf) => {
    for (let seed = 1; seed <= 40; seed += 1) {
      let dice = seed;
      const around = async <T>(_call: string, run: () => Promise<T>): Promise<T> => {
        dice = (dice * 16_807) % 2_147_483_647;
        for (let turns = dice % 9; turns > 0; turns -= 1) await Promise.resolve();
        return run();
      };
      const deps = leasesOf === undefined ? {} : { leases: leasesOf() };
      const test = capacityUnderTest({ around, deps });
      const other = test.another();
      for (let round = 0; round < 6; round += 1) {
        await Promise.all([test.services.tick(region), other.tick(region)]);
        await Promise.all([test.services.advance(region), other.advance(region)]);
        test.clock.pass(20_000);
      }
      expect([seed, ...test.azure.servers.keys()]).toEqual([seed, first]);
      expect(await test.server(first)).toMatchObject({ state: 'ready' });
    }
  });

  it('one that stood still until its lease had passed on does not write or create any more', async () => {
    let blocked: (() => void) | null = null;
    let blocking = true;
    const around = async <T>(call: string, run: () => Promise<T>): Promise<T> => {
      // The first monitor stops right before it writes down its decision.
      if (blocking && call.startsWith('create sql-')) {
        blocking = false;
        await new Promise<void>((resolve) => {
          blocked = resolve;
        });
      }
      return run();
    };
    const test = capacityUnderTest({ around });
    const slow = test.services.tick(region);
    while (blocked === null) await new Promise((resolve) => setImmediate(resolve));
    test.clock.pass(10 * 60_000);
    const other = test.another();
    await other.tick(region);
    await other.advance(region);
    const fence = (await test.server(first))?.fence ?? 0;
    const release: () => void = blocked;
    release();
    await slow;
    expect([...test.azure.servers.keys()]).toEqual([first]);
    expect(await test.server(first)).toMatchObject({ state: 'ready', fence });
  });
});
