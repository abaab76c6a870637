import { ServiceBusClient } from '@azure/service-bus';
import { z } from 'zod';
import { scripts, startTestCloud, type TestCloud } from './cloud';

/** The registry and builds together on the whole embedded cloud, over HTTP. */
describe('build clusters on the embedded cloud', () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startTestCloud({ servers: 1, databases: 3 });
  }, 180_000);
  afterAll(() => cloud.stop());

  const call = async (method: string, path: string, body?: unknown) => {
    const { baseUrl, functionKey } = cloud.endpoints.http;
    const response = await fetch(`${baseUrl}/api/${path}`, {
      method,
      headers: {
        'x-functions-key': functionKey,
        'content-type': 'application/json',
        'x-actor': 'ann',
        'x-reason': 'e2e',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const content: unknown = text === '' ? {} : JSON.parse(text);
    return { status: response.status, body: z.record(z.string(), z.unknown()).parse(content) };
  };
  const east = { name: 'east', managedBy: 'external', scmOrganizations: ['contoso'] };
  const submit = (options: Record<string, unknown>, sql: string) =>
    cloud.api.startBuild(scripts({ '1.sql': sql }), cloud.targets(), options);

  it('park a build, follow an admin, survive a restart, and get their own work in their own queue', async () => {
    expect((await call('POST', 'buildClusters', east)).status).toBe(201);
    expect((await call('POST', 'buildClusters', east)).status).toBe(409);
    const wanted = { organization: 'contoso', cluster: 'east', clusterOnly: true };
    const parked = await submit(wanted, 'CREATE TABLE parked (id INT)');
    const waiting = await cloud.until(parked.id, ({ waitingFor }) => waitingFor !== null);
    expect(waiting.cluster).toBeNull();
    expect(waiting.waitingFor).toContain('no worker has reported yet');

    const assigned = await call('PUT', `builds/${parked.id}/cluster`, { cluster: 'managed' });
    expect(assigned.status).toBe(202);
    expect(await cloud.ended(parked.id)).toMatchObject({ state: 'succeeded', cluster: 'managed' });

    await cloud.kill();
    await cloud.restart();
    expect((await call('PATCH', 'buildClusters/East', { startsOnDemand: true })).body).toMatchObject({
      status: 'active',
    });
    const theirs = await submit({ organization: 'contoso' }, 'CREATE TABLE theirs (id INT)');
    expect(theirs).toMatchObject({ cluster: 'east', clusterChoice: { path: 'organization' } });
    const refused = await call('DELETE', 'buildClusters/east');
    expect([refused.status, refused.body.references]).toEqual([409, [theirs.id]]);

    const client = new ServiceBusClient(cloud.endpoints.serviceBus.connectionString);
    const session = await client.acceptNextSession('database-builds', 'east');
    const [message] = await session.receiveMessages(1, { maxWaitTimeInMs: 30_000 });
    expect(message?.body).toMatchObject({ buildId: theirs.id });
    expect(message?.applicationProperties).toEqual({ cluster: 'east' });
    await session.close();
    await client.close();

    const select = await call('POST', 'buildClusters/select?explain', { organization: 'fabrikam' });
    expect(select.body).toMatchObject({ cluster: 'managed', explanation: { notShown: 1 } });
  }, 300_000);
});
