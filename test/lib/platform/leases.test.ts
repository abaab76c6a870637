import { createLeases, type Leases } from '../../../lib/platform/leases';
import { startTestDocuments, type TestDocuments } from '../../support/documents';

describe('a lease', () => {
  let documents: TestDocuments;
  let nowMs = 0;
  let leases: Leases;
  beforeAll(async () => {
    documents = await startTestDocuments();
    leases = createLeases(documents.store('leases'), { clock: { nowMs: () => nowMs, sleep: async () => undefined } });
  });
  afterAll(() => documents.stop());

  it('has one holder, who may take it again and keeps its number', async () => {
    const lease = await leases.acquire('one', 'a', 1_000);
    expect(lease).toEqual({ name: 'one', holder: 'a', fence: 1 });
    expect(await leases.acquire('one', 'b', 1_000)).toBeNull();
    expect(await leases.acquire('one', 'a', 1_000)).toEqual(lease);
  });

  it('has one holder, whoever of many is first', async () => {
    const holders = Array.from({ length: 20 }, (_, index) => `holder ${index}`);
    const taken = await Promise.all(holders.map((holder) => leases.acquire('race', holder, 1_000)));
    expect(taken.filter((lease) => lease !== null)).toHaveLength(1);
  });

  it('passes on when it was released or has expired, with a larger number each time', async () => {
    const first = await leases.acquire('passed', 'a', 1_000);
    if (first === null) throw new Error('not acquired');
    await leases.release(first);
    expect(await leases.acquire('passed', 'b', 1_000)).toMatchObject({ holder: 'b', fence: 2 });
    nowMs += 1_001;
    expect(await leases.acquire('passed', 'c', 1_000)).toMatchObject({ holder: 'c', fence: 3 });
  });

  it('counts as lost for a holder that let it expire, even if nobody else had it', async () => {
    await leases.acquire('lapsed', 'a', 1_000);
    nowMs += 1_001;
    expect(await leases.acquire('lapsed', 'a', 1_000)).toMatchObject({ fence: 2 });
  });

  it('is renewed and released only by who holds it', async () => {
    const old = await leases.acquire('late', 'a', 1_000);
    if (old === null) throw new Error('not acquired');
    expect(await leases.renew(old, 1_000)).toBe(true);
    nowMs += 1_001;
    const current = await leases.acquire('late', 'b', 1_000);
    expect(await leases.renew(old, 1_000)).toBe(false);
    await leases.release(old);
    expect(await leases.acquire('late', 'b', 1_000)).toEqual(current);
  });
});
