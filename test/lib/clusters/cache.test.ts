import { createHashes } from '../../../lib/platform/redis';
import { ann, createTestClusters } from '../../support/clusters';
import { startTestDocuments, type TestDocuments } from '../../support/documents';
import { startTestRedis, type TestRedis } from '../../support/redis';
import { request } from './fixtures';

/** Many requests in a row, on a machine that may be busy. */
jest.setTimeout(60_000);

type Instance = ReturnType<typeof createTestClusters>;

const organization = 'contoso';
const external = { managedBy: 'external', scmOrganizations: [organization], startsOnDemand: true };

/** Which clusters an instance would consider, as it answers the next caller. */
async function known(instance: Instance): Promise<string[]> {
  const body = { organization };
  const answer = await instance.api('POST', 'buildClusters/select?explain', { body });
  const text = JSON.stringify(answer.body.explanation);
  return [...text.matchAll(/"cluster":"([\w.-]+)","path":"organization"[^}]*"excluded":null/g)].map(
    ([, id = '']) => id,
  );
}

describe.each(['in memory', 'in Redis'])('the clusters that two instances know, %s', (where) => {
  let documents: TestDocuments;
  let redis: TestRedis | undefined;
  let instances: Instance[];
  beforeEach(async () => {
    documents = await startTestDocuments();
    redis = where === 'in Redis' ? await startTestRedis() : undefined;
    const options = { documents, ...(redis === undefined ? {} : { redisUrl: redis.url }) };
    instances = [createTestClusters(options), createTestClusters(options)];
  });
  afterEach(async () => {
    for (const instance of instances) await instance.close();
    await redis?.stop();
    await documents.stop();
  });
  const both = (): [Instance, Instance] => {
    const [one, other] = instances;
    if (one === undefined || other === undefined) throw new Error('two instances');
    return [one, other];
  };

  it('are right on the other one as soon as a change is answered, whatever the change', async () => {
    const [one, other] = both();
    expect(await known(other)).toEqual([]);
    const path = 'buildClusters/a';
    await one.api('POST', 'buildClusters', { body: { name: 'a', ...external }, headers: ann });
    expect(await known(other)).toEqual(['a']);
    await other.api('PATCH', path, { body: { isActive: false }, headers: ann });
    expect(await known(one)).toEqual([]);
    await one.api('PUT', path, { body: external, headers: ann });
    expect(await known(other)).toEqual(['a']);
    await other.api('PATCH', path, { body: { scmOrganizations: ['fabrikam'] }, headers: ann });
    expect(await known(one)).toEqual([]);
    await one.api('PATCH', path, { body: { scmOrganizations: [organization] }, headers: ann });
    expect(await known(other)).toEqual(['a']);
    await other.api('DELETE', path, { headers: ann });
    expect(await known(one)).toEqual([]);
    await one.api('POST', 'buildClusters', { body: { name: 'A', ...external }, headers: ann });
    expect(await known(other)).toEqual(['a']);
  });

  it('are right after each of many changes on alternating instances, while others read', async () => {
    const [one, other] = both();
    await one.api('POST', 'buildClusters', { body: { name: 'a', ...external }, headers: ann });
    let isReading = true;
    const reader = (async () => {
      while (isReading) await Promise.all([known(one), known(other)]);
    })();
    for (let round = 0; round < 20; round += 1) {
      const [writer, asked] = round % 2 === 0 ? [one, other] : [other, one];
      const isActive = round % 2 === 1;
      await writer.api('PATCH', 'buildClusters/a', { body: { isActive }, headers: ann });
      expect(await known(asked)).toEqual(isActive ? ['a'] : []);
    }
    isReading = false;
    await reader;
  });
});

describe('the clusters in Redis', () => {
  let documents: TestDocuments;
  let redis: TestRedis;
  let instance: Instance;
  beforeEach(async () => {
    documents = await startTestDocuments();
    redis = await startTestRedis();
    instance = createTestClusters({ documents, redisUrl: redis.url });
  });
  afterEach(async () => {
    await instance.close();
    await redis.stop();
    await documents.stop();
  });

  it('have a hash for each active cluster, laid out as the seed says', async () => {
    const body = { name: 'Aws-East', ...external };
    await instance.api('POST', 'buildClusters', { body, headers: ann });
    expect(redis.hash('Aws-East')).toEqual({
      authKeyName: '',
      signOption: JSON.stringify({
        issuer: 'Aws-East',
        subject: 'Aws-East',
        audience: 'sqlfleet',
        expiresSeconds: 300,
        algorithm: null,
      }),
      queue: 'Aws-East',
      managedBy: 'external',
    });
    await instance.api('PATCH', 'buildClusters/Aws-East', { body: { isActive: false }, headers: ann });
    expect(redis.keys()).not.toContain('Aws-East');
  });

  it('are read from the documents after a writer died between document and Redis', async () => {
    await instance.api('POST', 'buildClusters', { body: { name: 'a', ...external }, headers: ann });
    expect(await known(instance)).toEqual(['a']);
    // A writer that announced its change, wrote the document, and was never heard of again.
    const dead = createTestClusters({ documents });
    const mark = 'sqlfleet:clusters:changing';
    const hashes = createHashes(redis.url);
    await hashes.set(mark, { token: String(instance.time.nowMs) });
    await dead.api('PATCH', 'buildClusters/a', { body: { isActive: false }, headers: ann });
    expect(await known(instance)).toEqual([]);
    // Also when its mark is cleared away later, because what it wrote was made good meanwhile.
    instance.time.nowMs += 10 * 60_000;
    expect(await known(instance)).toEqual([]);
    expect(redis.hash(mark)).toEqual({});
    expect(await known(instance)).toEqual([]);
    await hashes.close();
  });

  it('are known, and can be changed, without Redis', async () => {
    await redis.goAway();
    const { status } = await instance.api('POST', 'buildClusters', { body: { name: 'a', ...external }, headers: ann });
    expect(status).toBe(201);
    expect(await known(instance)).toEqual(['a']);
    await redis.comeBack();
    expect(await known(instance)).toEqual(['a']);
  });

  it('are right on every instance after Redis was away, though what it holds is old', async () => {
    const other = createTestClusters({ documents, redisUrl: redis.url });
    await instance.api('POST', 'buildClusters', { body: { name: 'a', ...external }, headers: ann });
    expect(await known(other)).toEqual(['a']);
    await redis.goAway();
    await instance.api('PATCH', 'buildClusters/a', { body: { isActive: false }, headers: ann });
    await instance.api('POST', 'buildClusters', { body: { name: 'b', ...external }, headers: ann });
    await redis.comeBack();
    // From before it is connected again until after it has put right what it finds there.
    while (redis.hash('b').queue !== 'b') expect(await known(other)).toEqual(['b']);
    expect(await known(other)).toEqual(['b']);
    expect(redis.keys()).not.toContain('a');
    await other.close();
  });

  it('cannot be used to allow anything: what stands, and what is chosen, is decided from the document', async () => {
    await instance.api('POST', 'buildClusters', { body: { name: 'a', ...external }, headers: ann });
    expect(await known(instance)).toEqual(['a']);
    const other = createTestClusters({ documents });
    // Without Redis, so that Redis is left with the old picture.
    await other.api('PATCH', 'buildClusters/a', { body: { scmOrganizations: ['fabrikam'] }, headers: ann });
    const { directory } = instance.services;
    const standing = await directory.standing('a', { organization, scmContext: null });
    expect(standing).toMatchObject({ kind: 'leave' });
    for (const wanted of [null, 'a']) {
      const { choice } = await directory.choose(request({ organization, wanted }));
      expect(choice.cluster).not.toBe('a');
      expect(JSON.stringify(choice.candidates)).not.toContain('"a"');
    }
  });

  it('are not believed when Redis lies: neither clusters that are not there, nor other facts about those that are', async () => {
    await instance.api('POST', 'buildClusters', { body: { name: 'theirs', ...external }, headers: ann });
    await instance.api('PATCH', 'buildClusters/theirs', {
      body: { scmOrganizations: ['fabrikam'], isActive: false },
      headers: ann,
    });
    const { value } = await instance.services.registry.read('theirs');
    const lie = { ...value, scmOrganizations: [organization], isActive: true, queue: 'managed' };
    const invented = { ...lie, id: 'invented', name: 'invented', queue: 'invented' };
    const hashes = createHashes(redis.url);
    await hashes.set('sqlfleet:clusters', {
      theirs: JSON.stringify({ revision: value.revision, cluster: lie }),
      invented: JSON.stringify({ revision: 99, cluster: invented }),
    });
    await hashes.close();
    const { directory } = instance.services;
    await createTestClusters({ documents }).api('POST', 'buildClusters', {
      body: { name: 'hidden', ...external },
      headers: ann,
    });
    const { choice: hidden } = await directory.choose(request({ organization, wanted: 'Hidden' }));
    expect(hidden.cluster).toBe('hidden');
    for (const wanted of [null, 'theirs', 'invented']) {
      const { choice } = await directory.choose(request({ organization, wanted, override: wanted }));
      expect(['managed', 'hidden', null]).toContain(choice.cluster);
      expect(choice.queue).toBe(choice.cluster);
    }
  });
});
