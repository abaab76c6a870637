import { HttpRequest } from '@azure/functions';
import { boundedText } from '../../lib/platform/http';
import { ann, createTestClusters } from '../support/clusters';
import { startTestDocuments, type TestDocuments } from '../support/documents';

/** What people who have not read the guide, or have other plans, send to the registry. */
describe('the registry of build clusters', () => {
  let documents: TestDocuments;
  let instances: ReturnType<typeof createTestClusters>[];
  let number = 0;
  beforeAll(async () => {
    documents = await startTestDocuments();
    instances = [createTestClusters({ documents }), createTestClusters({ documents })];
  });
  afterAll(() => documents.stop());

  const external = { managedBy: 'external', scmOrganizations: ['contoso'] };
  const api = (...call: Parameters<ReturnType<typeof createTestClusters>['api']>) => {
    const [instance] = instances;
    if (instance === undefined) throw new Error('no instance');
    return instance.api(...call);
  };
  const register = async (fields: Record<string, unknown> = {}): Promise<string> => {
    const name = `Out-${(number += 1)}`;
    const { status } = await api('POST', 'buildClusters', { body: { name, ...external, ...fields }, headers: ann });
    expect(status).toBe(201);
    return `buildClusters/${name}`;
  };
  const patch = (path: string, body: unknown, headers: Record<string, string> = ann) =>
    api('PATCH', path, { body, headers });

  it('gives a name to one of twenty callers of two instances, whatever its case, with one queue and one line in the log', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const name = index % 4 < 2 ? 'Race-East' : 'race-EAST';
        const body = { name, ...external, description: `caller ${index}` };
        const instance = instances[index % 2];
        if (instance === undefined) throw new Error('no instance');
        return index % 5 === 4
          ? instance.api('PUT', `buildClusters/${name}`, { body, headers: { ...ann, 'if-none-match': '*' } })
          : instance.api('POST', 'buildClusters', { body, headers: ann });
      }),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409 || status === 412)).toHaveLength(19);
    const winner = answers.find(({ status }) => status === 201);
    for (const instance of instances) {
      expect((await instance.api('GET', 'buildClusters/race-east')).body).toEqual(winner?.body);
    }
    const queues = instances.flatMap(({ subscriptions }) => [...subscriptions.names]);
    expect(queues.filter((queue) => queue.toLowerCase().startsWith('race-east'))).toHaveLength(1);
    const { body } = await api('GET', 'buildClusters/RACE-EAST/audit');
    expect(JSON.stringify(body.items).match(/"action":"register"/g)).toHaveLength(1);
  });

  it('takes no name that is a part of the API', async () => {
    for (const name of ['select', 'Select']) {
      expect((await api('POST', 'buildClusters', { body: { name, ...external }, headers: ann })).status).toBe(400);
      expect((await api('PUT', `buildClusters/${name}`, { body: external, headers: ann })).status).toBe(400);
    }
  });

  it('answers 400 to a successor that is no name', async () => {
    const path = await register();
    for (const successor of ['../x', 'a/b', 'a?b', '', 'x'.repeat(200), 'a&successor=b']) {
      const query = successor === 'a&successor=b' ? successor : encodeURIComponent(successor);
      const answer = await api('DELETE', `${path}?successor=${query}`, { headers: ann });
      expect([successor, answer.status]).toEqual([successor, 400]);
    }
    expect((await api('GET', path)).status).toBe(200);
  });

  it('leaves the app’s own cluster to the app', async () => {
    for (const [method, body] of [
      ['PUT', external],
      ['PUT', { managedBy: 'external', scmOrganizations: ['contoso'], isActive: true }],
      ['PATCH', { managedBy: 'external', scmOrganizations: ['contoso'] }],
    ] as const) {
      const answer = await api(method, 'buildClusters/Managed', { body, headers: ann });
      expect([answer.status, answer.body.problems]).toEqual([
        422,
        [expect.objectContaining({ code: 'clusters.managedBy' })],
      ]);
    }
    const quieter = await api('PUT', 'buildClusters/managed', {
      body: { managedBy: 'sqlfleet', weightage: 50 },
      headers: ann,
    });
    expect(quieter.body).toMatchObject({ managedBy: 'sqlfleet', weightage: 50, status: 'active' });
  });

  it('takes a field back to its default by null, and switches nothing on by it', async () => {
    const path = await register({
      description: 'ours',
      maintainer: 'ops@contoso.example',
      scmContext: 'github:github.com',
      weightage: 7,
      group: 'gpu',
      startsOnDemand: true,
      isActive: false,
      signOptions: { issuer: 'me', subject: 'me', audience: 'x', expires: 60, algorithm: 'ES256' },
    });
    const nulls = { description: null, maintainer: null, scmContext: null, weightage: null, group: null };
    const answer = await patch(path, {
      ...nulls,
      startsOnDemand: null,
      signOptions: { issuer: null, algorithm: null },
    });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ ...nulls, weightage: 100, group: 'default', startsOnDemand: false });
    expect(answer.body.signOptions).toEqual({
      issuer: path.split('/')[1],
      subject: 'me',
      audience: 'x',
      expires: 60,
      algorithm: null,
    });
    expect((await patch(path, { signOptions: null })).body.signOptions).toMatchObject({ audience: 'sqlfleet' });
    for (const said of [{ isActive: null }, { managedBy: null }, { name: null }, { queue: null }]) {
      expect((await patch(path, said)).status).toBe(400);
    }
    // Nobody's is not everybody's.
    expect((await patch(path, { scmOrganizations: null })).status).toBe(422);
    expect((await api('GET', path)).body).toMatchObject({ isActive: false, scmOrganizations: ['contoso'] });
  });

  it.each([
    ['half a character', { description: '\ud800' }],
    ['a line break', { description: 'a\nb' }],
    ['letters that run backwards', { maintainer: null, description: 'a\u202eb' }],
    ['a wildcard for an organisation', { scmOrganizations: ['*'] }],
    ['a part of a wildcard', { scmOrganizations: ['cont*'] }],
    ['infinity', '{"weightage":1e999}'],
    ['what only the service says', { lifecycle: 'gone' }],
    ['an own status', { status: 'active' }],
    ['another id', { id: 'x' }],
    ['the prototype of everything', '{"__proto__":{"isActive":false}}'],
    ['keys, which have their own place', { keys: [] }],
    ['a list', []],
    ['nothing', 'null'],
    ['half of an object', '{'],
  ])('refuses %s', async (_what, body) => {
    const path = await register();
    const before = await api('GET', path);
    expect((await patch(path, body)).status).toBe(400);
    expect((await api('GET', path)).headers.get('etag')).toBe(before.headers.get('etag'));
  });

  it('keeps an organisation once, whatever its case', async () => {
    const path = await register({ scmOrganization: 'CONTOSO', scmOrganizations: ['contoso', 'Fabrikam', 'Contoso'] });
    expect((await api('GET', path)).body.scmOrganizations).toEqual(['CONTOSO', 'Fabrikam']);
  });

  it('changes nothing for who names another version, or none that can be', async () => {
    const path = await register();
    const etag = (await api('GET', path)).headers.get('etag') ?? '';
    for (const tag of ['x', '"x"', '', `${etag}x`, etag.replaceAll('"', ''), 'W/"x"', '"*"']) {
      expect([tag, (await patch(path, { weightage: 1 }, { ...ann, 'if-match': tag })).status]).toEqual([tag, 412]);
    }
    for (const tag of [etag, `"x", ${etag}`, `W/${etag}`, '*']) {
      expect([tag, (await patch(path, {}, { ...ann, 'if-match': tag })).status]).toEqual([tag, 200]);
    }
  });

  it('reads no more of a body than any cluster needs, whether its length is declared or not', async () => {
    const path = await register();
    const large = { description: 'x'.repeat(200_000) };
    expect((await patch(path, large)).status).toBe(413);
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(1_000));
      },
    });
    const request = new HttpRequest({ method: 'POST', url: 'http://localhost/api/x', body: { string: 'x' } });
    Object.defineProperty(request, 'body', { value: endless });
    await expect(boundedText(request, 10_000)).rejects.toMatchObject({ code: 'request.tooLarge', status: 413 });
    expect(pulled).toBeLessThan(20);
  });
});
