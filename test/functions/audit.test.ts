import { z } from 'zod';
import { ann, createTestClusters } from '../support/clusters';
import { startTestDocuments, type TestDocuments } from '../support/documents';

const pageSchema = z.object({
  items: z.array(z.object({ at: z.string(), subject: z.string(), action: z.string(), actor: z.string() })),
  continuation: z.string().nullable(),
});

describe('the audit log as a whole', () => {
  let documents: TestDocuments;
  let clusters: ReturnType<typeof createTestClusters>;
  const eve = { 'x-actor': 'eve', 'x-reason': 'because' };
  const external = { managedBy: 'external', scmOrganizations: ['contoso'] };
  beforeAll(async () => {
    documents = await startTestDocuments();
    clusters = createTestClusters({ documents });
    for (const name of ['a', 'b', 'c']) {
      clusters.time.nowMs += 1_000;
      await clusters.api('POST', 'buildClusters', { body: { name, ...external }, headers: ann });
    }
    clusters.time.nowMs += 1_000;
    await clusters.api('PATCH', 'buildClusters/b', { body: { weightage: 5 }, headers: eve });
    await clusters.services.audit.record({ subject: 'build-1', action: 'cancel', actor: 'eve', reason: 'a mistake' });
  });
  afterAll(() => documents.stop());
  const search = async (query: string) => pageSchema.parse((await clusters.api('GET', `audit${query}`)).body);

  it('is read newest first, over all subjects, page by page', async () => {
    const all = (await search('?pageSize=100')).items;
    expect(all.map(({ at }) => at)).toEqual(
      all
        .map(({ at }) => at)
        .toSorted()
        .toReversed(),
    );
    expect(new Set(all.map(({ subject }) => subject))).toEqual(
      new Set(['build-1', 'buildClusters/a', 'buildClusters/b', 'buildClusters/c', 'buildClusters/managed']),
    );
    const paged: unknown[] = [];
    let query = '?pageSize=2';
    for (;;) {
      const { items, continuation } = await search(query);
      paged.push(...items);
      if (continuation === null) break;
      query = `?pageSize=2&continuation=${encodeURIComponent(continuation)}`;
    }
    expect(paged).toEqual(all);
  });

  it.each([
    ['subject=buildClusters/b', ['patch', 'queueCreated', 'register']],
    ['subject=build-1', ['cancel']],
    ['subject=build-2', []],
    ['actor=eve', ['cancel', 'patch']],
    ['actor=eve&action=patch', ['patch']],
    ['actor=EVE', []],
    [`actor=${encodeURIComponent("' OR 1=1 --")}`, []],
    ['before=2020-01-01T00:00:00Z', []],
    ['from=2100-01-01T00:00:00%2B01:00', []],
  ])('answers %s', async (query, actions) => {
    expect((await search(`?${query}`)).items.map(({ action }) => action).sort()).toEqual(actions);
  });

  it.each(['subject=', 'from=yesterday', 'colour=red', 'pageSize=0', 'continuation=abc'])(
    'refuses %s',
    async (query) => {
      expect((await clusters.api('GET', `audit?${query}`)).status).toBe(400);
    },
  );

  it('is for admins, where there are any or callers are signed in', async () => {
    const { api } = createTestClusters({ documents, admins: ['ann'] });
    expect((await api('GET', 'audit')).status).toBe(400);
    expect((await api('GET', 'audit', { headers: eve })).status).toBe(403);
    expect((await api('GET', 'audit', { headers: { 'x-actor': 'Ann' } })).status).toBe(200);
    process.env.WEBSITE_AUTH_ENABLED = 'true';
    try {
      expect((await api('GET', 'audit', { headers: ann })).status).toBe(401);
      const signedIn = (name: string) => api('GET', 'audit', { headers: { 'x-ms-client-principal-name': name } });
      expect([(await signedIn('eve')).status, (await signedIn('ann')).status]).toEqual([403, 200]);
      expect((await clusters.api('GET', 'audit', { headers: { 'x-ms-client-principal-name': 'ann' } })).status).toBe(
        403,
      );
    } finally {
      delete process.env.WEBSITE_AUTH_ENABLED;
    }
  });
});
