import { setTimeout as delay } from 'node:timers/promises';
import { type FaultyCloud, startFaultyCloud } from './faulty-cloud';
import { countingScripts, expectSound } from './soundness';

jest.setTimeout(120_000);

const perServer = 12;
const outageMs = 4_000;
const always = 1_000_000;

/** Stores that are away for some seconds in the middle of a build, on the whole embedded cloud. */
describe('a build during an outage', () => {
  let faulty: FaultyCloud;
  beforeAll(async () => {
    faulty = await startFaultyCloud({ databases: perServer });
  });
  afterEach(() => faulty.clearFaults());
  afterAll(() => faulty.cloud.stop());

  async function startAndBuildSome(label: string): Promise<string> {
    const { id } = await faulty.cloud.api.startBuild(
      countingScripts(label, `WAITFOR DELAY '00:00:00.2';`),
      faulty.cloud.targets(),
      { concurrencyLimit: 3 },
    );
    await faulty.cloud.until(id, ({ counts }) => counts.committed >= 3);
    return id;
  }

  it('of everything at once goes on afterwards, and fails no target', async () => {
    const id = await startAndBuildSome('everything');
    await faulty.setFaults('documents', [{ status: 503, times: always }]);
    await faulty.setFaults('blobs', [{ status: 503, times: always }]);
    await faulty.setFaults('sql', [{ kind: 'dropLogin', times: null }]);
    await faulty.act('sql', 'dropConnections');
    await faulty.act('broker', 'listenerDown');
    await delay(outageMs);
    await faulty.act('broker', 'listenerUp');
    await faulty.clearFaults();
    expect((await expectSound(faulty, id, 'everything')).counts.committed).toBe(2 * perServer);
  });

  it('of the documents goes on afterwards, and fails no target', async () => {
    const id = await startAndBuildSome('documents');
    await faulty.setFaults('documents', [
      { status: 429, retryAfterMs: 100, times: 30 },
      { drop: 'after', times: 10 },
      { status: 449, times: 5 },
      { status: 503, times: always },
    ]);
    await delay(outageMs);
    await faulty.clearFaults();
    expect((await expectSound(faulty, id, 'documents')).counts.committed).toBe(2 * perServer);
  });

  it('of the blobs goes on afterwards; databases without a log are built all the same', async () => {
    const id = await startAndBuildSome('blobs');
    await faulty.setFaults('blobs', [{ status: 503, path: '/logs/', times: always }]);
    await faulty.cloud.until(id, ({ counts }) => counts.committed >= 12);
    await faulty.clearFaults();
    expect((await expectSound(faulty, id, 'blobs')).counts.committed).toBe(2 * perServer);
    const logs = (await faulty.outcomes(id)).map(({ log }) => log);
    expect(logs).toContain(null);
    expect(logs.some((log) => log !== null)).toBe(true);
  });
});
