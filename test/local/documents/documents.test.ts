import { CosmosClient, type Container } from '@azure/cosmos';
import { startDocuments, type Documents } from '../../../local/documents/start';

let documents: Documents;
let client: CosmosClient;
let container: Container;
beforeAll(async () => {
  documents = await startDocuments({ port: 0, stateFolder: null });
  client = new CosmosClient({ endpoint: documents.endpoint, key: documents.key });
  const { database } = await client.databases.createIfNotExists({ id: 'fleet' });
  ({ container } = await database.containers.createIfNotExists({ id: 'outcomes', partitionKey: '/buildId' }));
});
afterAll(async () => {
  client.dispose();
  await documents.stop();
});
it('works', async () => {
  for (let i = 0; i < 10; i++) await container.items.create({ id: `t${i}`, buildId: 'b1', n: i, s: i % 3 });
  const { resource, etag } = await container.item('t1', 'b1').read<{ n: number }>();
  expect(resource?.n).toBe(1);
  await expect(
    container
      .item('t1', 'b1')
      .replace({ id: 't1', buildId: 'b1' }, { accessCondition: { type: 'IfMatch', condition: 'x' } }),
  ).rejects.toMatchObject({ code: 412 });
  const r = await container.items
    .query(
      {
        query: 'SELECT c.s, COUNT(1) AS n FROM c WHERE c.buildId = @b GROUP BY c.s',
        parameters: [{ name: '@b', value: 'b1' }],
      },
      { partitionKey: 'b1' },
    )
    .fetchAll();
  expect(r.resources).toEqual([
    { s: 0, n: 4 },
    { s: 1, n: 3 },
    { s: 2, n: 3 },
  ]);
  expect(etag).toBeDefined();
});
