import { z } from 'zod';
import { ann, type ApiAnswer, createTestClusters, newKey } from '../support/clusters';
import { startTestDocuments, type TestDocuments } from '../support/documents';

/** The HTTP API of the registry with real documents; the broker is in memory. */
describe('the registry of build clusters', () => {
  let documents: TestDocuments;
  let clusters: ReturnType<typeof createTestClusters>;
  let number = 0;
  beforeAll(async () => {
    documents = await startTestDocuments();
    clusters = createTestClusters({ documents });
  });
  afterAll(() => documents.stop());

  const newName = (): string => `Cluster-${(number += 1)}`;
  const external = { managedBy: 'external', scmOrganizations: ['contoso'] };
  const register = async (fields: Record<string, unknown> = {}): Promise<string> => {
    const name = newName();
    const answer = await clusters.api('POST', 'buildClusters', {
      body: { name, ...external, ...fields },
      headers: ann,
    });
    expect(answer.status).toBe(201);
    return name;
  };
  const etagOf = ({ headers }: ApiAnswer): string => headers.get('etag') ?? '';
  const auditOf = async (name: string) =>
    z
      .array(
        z.object({ action: z.string(), actor: z.string(), reason: z.string(), details: z.record(z.string(), z.any()) }),
      )
      .parse((await clusters.api('GET', `buildClusters/${name}/audit`)).body.items);

  it('registers a cluster, says where it is, and has made its queue', async () => {
    const name = newName();
    const body = {
      name,
      description: 'in our own network',
      maintainer: 'ops@contoso.example',
      scmOrganization: 'contoso',
      scmContext: 'github:github.com',
      managedBy: 'external',
      weightage: 30,
      group: 'west',
      signOptions: { issuer: 'contoso', audience: 'fleet', expires: '5m', algorithm: 'ES256' },
      key: newKey('ec').publicJwk,
    };
    const answer = await clusters.api('POST', 'buildClusters', { body, headers: ann });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`http://localhost/api/buildClusters/${name}`);
    expect(etagOf(answer)).not.toBe('');
    expect(answer.body).toMatchObject({
      name,
      scmOrganizations: ['contoso'],
      isActive: true,
      weightage: 30,
      group: 'west',
      queue: name,
      status: 'unhealthy',
      statusReason: 'no worker has reported yet, or not for a long time',
      signOptions: { issuer: 'contoso', subject: name, audience: 'fleet', expires: 300, algorithm: 'ES256' },
      keys: [{ algorithm: 'ES256', usable: true }],
      createdBy: 'ann',
      changedBy: 'ann',
    });
    expect(clusters.subscriptions.names).toContain(name);
    const read = await clusters.api('GET', `buildClusters/${name.toLowerCase()}`);
    expect(read.body).toEqual(answer.body);
    expect(etagOf(read)).toBe(etagOf(answer));
  });

  it('keeps what was asked for at registration: inactive, and a weightage of 0', async () => {
    const name = await register({ isActive: false, weightage: 0 });
    const { body } = await clusters.api('GET', `buildClusters/${name}`);
    expect(body).toMatchObject({ isActive: false, weightage: 0, status: 'inactive' });
  });

  it('has the app itself as a managed cluster without anybody registering it', async () => {
    const { body } = await clusters.api('GET', 'buildClusters?status=active');
    expect(body.items).toEqual([expect.objectContaining({ name: 'managed', managedBy: 'sqlfleet', status: 'active' })]);
    const removed = await clusters.api('DELETE', 'buildClusters/managed', { headers: ann });
    expect([removed.status, removed.body.code]).toEqual([409, 'clusters.isManaged']);
  });

  it('lets nobody have the name or the queue of the app, however early they ask', async () => {
    const fresh = await startTestDocuments();
    const { api } = createTestClusters({ documents: fresh });
    const bodies = [
      { ...external, name: 'thief', queue: 'managed' },
      { ...external, name: 'Managed' },
    ];
    const answers = await Promise.all(bodies.map((body) => api('POST', 'buildClusters', { body, headers: ann })));
    expect(answers.map(({ status }) => status)).toEqual([409, 409]);
    expect((await api('GET', 'buildClusters/managed')).body).toMatchObject({ managedBy: 'sqlfleet', queue: 'managed' });
    await fresh.stop();
  });

  it('gives a name to one of many who ask at the same time, whatever its case', async () => {
    const name = newName();
    const bodies = Array.from({ length: 20 }, (_, index) => ({
      ...external,
      name: index % 2 === 0 ? name : name.toUpperCase(),
      description: `caller ${index}`,
    }));
    const answers = await Promise.all(
      bodies.map((body) => clusters.api('POST', 'buildClusters', { body, headers: ann })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
    const winner = answers.find(({ status }) => status === 201);
    expect((await clusters.api('GET', `buildClusters/${name}`)).body).toEqual(winner?.body);
    expect((await auditOf(name)).map(({ action }) => action)).toEqual(['register', 'queueCreated']);
  });

  it.each([
    ['..', 400],
    ['a/b', 400],
    ['-a', 400],
    ['a-', 400],
    ['a b', 400],
    ['ä', 400],
    ['a'.repeat(51), 400],
    ['../../local.settings.json', 400],
    ['a\u0000', 400],
    ['a'.repeat(50), 201],
    ['9', 201],
  ])('takes names that are subscription names and nothing else: %j', async (name, status) => {
    const answer = await clusters.api('POST', 'buildClusters', { body: { ...external, name }, headers: ann });
    expect(answer.status).toBe(status);
  });

  it.each([
    ['an external cluster without an organisation', { scmOrganizations: [] }, 422],
    ['an unknown field', { colour: 'red' }, 400],
    ['a negative weightage', { weightage: -1 }, 400],
    ['a weightage that is no number', { weightage: '7' }, 400],
    ['a huge weightage', { weightage: 101 }, 400],
    ['a maintainer that is no address', { maintainer: 'ann' }, 400],
    ['an organisation with a repository', { scmOrganizations: ['contoso/shop'] }, 400],
    ['a context that is no host', { scmContext: 'github' }, 400],
    ['a token that lives for a day', { signOptions: { expires: 86_400 } }, 400],
    ['an algorithm that anybody can sign with', { signOptions: { algorithm: 'none' } }, 400],
    ['a shared secret as algorithm', { signOptions: { algorithm: 'HS256' } }, 400],
    ['a key for another algorithm', { key: newKey('ec').publicJwk, signOptions: { algorithm: 'RS256' } }, 422],
    ['three keys', { key: newKey().publicJwk, keys: [newKey().publicJwk, newKey().publicJwk] }, 422],
    ['the name of a key file', { authKeyFileName: '../../keys/a.pem' }, 422],
    ['a queue that is another cluster’s', { queue: 'managed' }, 409],
  ])('refuses %s, and registers nothing', async (_what, fields, status) => {
    const name = newName();
    const answer = await clusters.api('POST', 'buildClusters', {
      body: { name, ...external, ...fields },
      headers: ann,
    });
    expect(answer.status).toBe(status);
    expect((await clusters.api('GET', `buildClusters/${name}`)).status).toBe(404);
  });

  it('tells all problems of a cluster at once', async () => {
    const body = { name: newName(), managedBy: 'external', keys: [newKey().privateJwk, { kty: 'oct', k: 'c2VjcmV0' }] };
    const answer = await clusters.api('POST', 'buildClusters', { body, headers: ann });
    const codes = z.array(z.object({ code: z.string() })).parse(answer.body.problems);
    expect(codes.map(({ code }) => code)).toEqual([
      'clusters.key.private',
      'clusters.key.symmetric',
      'clusters.organizations',
    ]);
  });

  it('creates by PUT what is not there and changes what is, and keeps keys that are not mentioned', async () => {
    const name = newName();
    const created = await clusters.api('PUT', `buildClusters/${name}`, {
      body: { ...external, key: newKey().publicJwk },
      headers: ann,
    });
    expect(created.status).toBe(201);
    const changed = await clusters.api('PUT', `buildClusters/${name}`, {
      body: { ...external, isActive: false },
      headers: { ...ann, 'if-match': etagOf(created) },
    });
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject({ isActive: false, keys: created.body.keys });
    const again = await clusters.api('PUT', `buildClusters/${name}`, {
      body: { ...external, isActive: false },
      headers: ann,
    });
    expect([again.status, etagOf(again)]).toEqual([200, etagOf(changed)]);
  });

  it('replaces the keys by those of a PUT that has some, and revokes the others', async () => {
    const [first, second] = [newKey().publicJwk, newKey('ed25519').publicJwk];
    const name = await register({ key: first });
    const { body } = await clusters.api('PUT', `buildClusters/${name}`, {
      body: { ...external, key: second },
      headers: ann,
    });
    expect(body.keys).toMatchObject([
      { algorithm: 'ES256', usable: false },
      { algorithm: 'EdDSA', usable: true },
    ]);
  });

  it('changes by PATCH only what is sent', async () => {
    const name = await register({ weightage: 10, description: 'as it was' });
    const { status, body } = await clusters.api('PATCH', `buildClusters/${name}`, {
      body: { weightage: 20, signOptions: { audience: 'other' } },
      headers: ann,
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      weightage: 20,
      description: 'as it was',
      signOptions: { audience: 'other', issuer: name },
    });
    for (const identity of [{ name: 'another' }, { queue: 'another' }]) {
      expect((await clusters.api('PATCH', `buildClusters/${name}`, { body: identity, headers: ann })).status).toBe(422);
    }
  });

  it('refuses a change of a version that is not the present one', async () => {
    const name = await register();
    const before = await clusters.api('GET', `buildClusters/${name}`);
    await clusters.api('PATCH', `buildClusters/${name}`, { body: { weightage: 1 }, headers: ann });
    const headers = { ...ann, 'if-match': etagOf(before) };
    const path = `buildClusters/${name}`;
    const late = await Promise.all([
      clusters.api('PUT', path, { body: external, headers }),
      clusters.api('PATCH', path, { body: { weightage: 2 }, headers }),
      clusters.api('POST', `${path}/keys`, { body: newKey().publicJwk, headers }),
      clusters.api('DELETE', path, { headers }),
    ]);
    expect(late.map(({ status }) => status)).toEqual([412, 412, 412, 412]);
    const present = { ...ann, 'if-none-match': '*' };
    expect((await clusters.api('PUT', path, { body: external, headers: present })).status).toBe(412);
    const absent = { ...ann, 'if-match': '*' };
    expect((await clusters.api('PUT', `buildClusters/${newName()}`, { body: external, headers: absent })).status).toBe(
      404,
    );
  });

  it('lets one of two win who change the same version', async () => {
    const name = await register();
    const headers = { ...ann, 'if-match': etagOf(await clusters.api('GET', `buildClusters/${name}`)) };
    const statuses = await Promise.all(
      [1, 2, 3, 4].map(
        async (weightage) =>
          (await clusters.api('PATCH', `buildClusters/${name}`, { body: { weightage }, headers })).status,
      ),
    );
    expect(statuses.sort()).toEqual([200, 412, 412, 412]);
  });

  it('lists by name, page by page', async () => {
    const names: unknown[] = [];
    let query = '?pageSize=3';
    for (;;) {
      const { body } = await clusters.api('GET', `buildClusters${query}`);
      const items = z.array(z.object({ name: z.string() })).parse(body.items);
      expect(items.length).toBeLessThanOrEqual(3);
      names.push(...items.map(({ name }) => name.toLowerCase()));
      if (body.continuation === null) break;
      query = `?pageSize=3&continuation=${z.string().parse(body.continuation)}`;
    }
    expect(names).toEqual([...new Set(names)].sort());
    expect(names).toContain('managed');
  });

  describe('its keys', () => {
    it('are added and revoked one by one, at most two usable at a time, and never come back', async () => {
      const name = await register();
      const path = `buildClusters/${name}/keys`;
      const [first, second, third] = [newKey('rsa').publicJwk, newKey('ec').publicJwk, newKey('ed25519').publicJwk];
      const add = (jwk: unknown) => clusters.api('POST', path, { body: jwk, headers: ann });
      const added = await add(first);
      expect([added.status, added.body.algorithm]).toEqual([201, 'RS256']);
      expect((await add(first)).status).toBe(409);
      expect((await add(second)).status).toBe(201);
      expect((await add(third)).body.code).toBe('clusters.key.tooMany');
      const keyPath = `${path}/${String(added.body.id)}`;
      expect((await clusters.api('GET', keyPath)).body).toEqual(added.body);
      expect((await clusters.api('DELETE', keyPath, { headers: ann })).status).toBe(204);
      expect((await clusters.api('DELETE', keyPath, { headers: ann })).status).toBe(204);
      expect((await add(first)).body.code).toBe('clusters.key.revoked');
      expect((await add(third)).status).toBe(201);
      expect((await clusters.api('DELETE', `${path}/none`, { headers: ann })).status).toBe(404);
      const { body } = await clusters.api('GET', path);
      expect(body.items).toMatchObject([
        { usable: false, revoked: { actor: 'ann' } },
        { usable: true },
        { usable: true },
      ]);
    });

    it('have ids of our own, whatever they call themselves', async () => {
      const name = await register();
      const body = { ...newKey().publicJwk, kid: '../../local.settings.json', x5c: ['x'] };
      const added = await clusters.api('POST', `buildClusters/${name}/keys`, { body, headers: ann });
      expect(added.status).toBe(201);
      expect(added.body.id).toMatch(/^[0-9a-f-]{36}$/);
      expect(JSON.stringify(added.body)).not.toContain('local.settings');
    });
  });

  describe('whoever may not change it', () => {
    const guarded = () => createTestClusters({ documents, admins: ['ann'] });
    const signedIn = async <T>(work: () => Promise<T>): Promise<T> => {
      process.env.WEBSITE_AUTH_ENABLED = 'true';
      try {
        return await work();
      } finally {
        delete process.env.WEBSITE_AUTH_ENABLED;
      }
    };
    const bob = { 'x-actor': 'bob', 'x-reason': 'curious' };

    it('has to say who it is', async () => {
      const answer = await clusters.api('POST', 'buildClusters', { body: { name: newName(), ...external } });
      expect([answer.status, answer.body.code]).toEqual([400, 'clusters.actorMissing']);
      const said = { name: newName(), ...external, actor: 'ann', reason: 'in the body' };
      expect((await clusters.api('POST', 'buildClusters', { body: said })).status).toBe(201);
    });

    it('cannot tell which clusters there are', async () => {
      const name = await register();
      const { api } = guarded();
      for (const path of [`buildClusters/${name}`, 'buildClusters/never-was']) {
        const answers = [
          await api('PUT', path, { body: external, headers: bob }),
          await api('PATCH', path, { body: { weightage: 1 }, headers: bob }),
          await api('PATCH', path, { body: { nonsense: 1 }, headers: bob }),
          await api('DELETE', path, { headers: bob }),
          await api('POST', `${path}/keys`, { body: newKey().publicJwk, headers: bob }),
          await api('DELETE', `${path}/keys/x`, { headers: bob }),
        ];
        expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403]);
      }
      expect((await api('POST', 'buildClusters', { body: { name, ...external }, headers: bob })).status).toBe(403);
    });

    it('is known by the platform’s word alone, where that signs callers in', async () => {
      const { api } = guarded();
      const body = { name: newName(), ...external };
      await signedIn(async () => {
        expect((await api('POST', 'buildClusters', { body, headers: ann })).status).toBe(401);
        const asBob = { ...ann, 'x-ms-client-principal-name': 'bob' };
        expect((await api('POST', 'buildClusters', { body, headers: asBob })).status).toBe(403);
        const asAnn = { ...bob, 'x-ms-client-principal-name': 'Ann' };
        const answer = await api('POST', 'buildClusters', { body, headers: asAnn });
        expect([answer.status, answer.body.createdBy]).toEqual([201, 'Ann']);
        // Nobody is named as an admin of this app.
        expect((await clusters.api('PATCH', `buildClusters/${body.name}`, { body: {}, headers: asAnn })).status).toBe(
          403,
        );
      });
    });
  });

  describe('a deletion', () => {
    it('is done at once when nothing uses the cluster, and takes the queue along', async () => {
      const name = await register();
      expect((await clusters.api('DELETE', `buildClusters/${name}`, { headers: ann })).status).toBe(204);
      expect((await clusters.api('GET', `buildClusters/${name}`)).status).toBe(404);
      expect((await clusters.api('DELETE', `buildClusters/${name}`, { headers: ann })).status).toBe(404);
      expect(clusters.subscriptions.removed).toContain(name);
    });

    it('needs a reason', async () => {
      const name = await register();
      const answer = await clusters.api('DELETE', `buildClusters/${name}`, { headers: { 'x-actor': 'ann' } });
      expect([answer.status, answer.body.code]).toEqual([400, 'clusters.reasonMissing']);
      const body = { actor: 'ann', reason: 'said in the body' };
      expect((await clusters.api('DELETE', `buildClusters/${name}`, { body })).status).toBe(204);
    });

    it('is refused with the builds that use it, and drains once a successor is named', async () => {
      const name = await register();
      const successor = await register();
      const id = name.toLowerCase();
      clusters.references.set(id, ['build-1', 'build-2']);
      const refused = await clusters.api('DELETE', `buildClusters/${name}`, { headers: ann });
      expect([refused.status, refused.body.code, refused.body.references]).toEqual([
        409,
        'clusters.inUse',
        ['build-1', 'build-2'],
      ]);
      const path = `buildClusters/${name}?successor=${successor}`;
      const draining = await clusters.api('DELETE', path, { headers: ann });
      expect([draining.status, draining.body.status]).toEqual([202, 'draining']);
      await clusters.services.life.settle();
      expect((await clusters.api('GET', `buildClusters/${name}`)).body.status).toBe('draining');
      clusters.references.delete(id);
      await clusters.services.life.settle();
      expect((await clusters.api('GET', `buildClusters/${name}`)).status).toBe(404);
      const { body } = await clusters.api('POST', 'buildClusters/select', {
        body: { cluster: name, organization: 'contoso' },
      });
      // Builds that still name it find the one that took over.
      expect(body.refused).toBeNull();
      expect((await auditOf(name)).map(({ action }) => action)).toEqual([
        'register',
        'queueCreated',
        'delete',
        'deleted',
      ]);
    });

    it('takes no successor that would leave somebody without a cluster', async () => {
      const name = await register();
      const other = await register({ scmOrganizations: ['fabrikam'] });
      const inactive = await register({ isActive: false });
      for (const successor of [other, inactive, name, 'never-was']) {
        const answer = await clusters.api('DELETE', `buildClusters/${name}?successor=${successor}`, { headers: ann });
        expect(answer.status).toBe(422);
      }
    });

    it('leaves nothing to whoever registers the name again: other queue, no keys, other tokens', async () => {
      const key = newKey().publicJwk;
      const name = await register({ key, description: 'the first' });
      await clusters.api('DELETE', `buildClusters/${name}`, { headers: ann });
      const body = { name, managedBy: 'external', scmOrganizations: ['fabrikam'] };
      const again = await clusters.api('POST', 'buildClusters', { body, headers: ann });
      expect(again.status).toBe(201);
      expect(again.body).toMatchObject({ generation: 2, keys: [], description: null, scmOrganizations: ['fabrikam'] });
      expect(again.body.queue).toBe(`${name}.2`);
      expect(clusters.subscriptions.names).toContain(`${name}.2`);
      expect(clusters.subscriptions.names).not.toContain(name);
      const old = await clusters.api('POST', 'buildClusters', {
        body: { ...external, name: newName(), queue: name },
        headers: ann,
      });
      expect([old.status, old.body.code]).toEqual([409, 'clusters.queueTaken']);
    });
  });

  it('registers while the broker is away, and makes the queue when it is back', async () => {
    clusters.subscriptions.away = true;
    const name = await register();
    const waiting = await clusters.api('GET', `buildClusters/${name}`);
    expect(waiting.body).toMatchObject({ status: 'inactive', statusReason: 'its queue is being created' });
    clusters.subscriptions.away = false;
    await clusters.services.life.settle();
    expect(clusters.subscriptions.names).toContain(name);
    expect((await clusters.api('GET', `buildClusters/${name}`)).body.status).toBe('unhealthy');
  });

  it('tells who changed what, from what to what, and why', async () => {
    const name = await register({ weightage: 10 });
    const headers = { 'x-actor': 'eve', 'x-reason': 'more work for it' };
    await clusters.api('PATCH', `buildClusters/${name}`, { body: { weightage: 50 }, headers });
    const added = await clusters.api('POST', `buildClusters/${name}/keys`, { body: newKey().publicJwk, headers });
    await clusters.api('DELETE', `buildClusters/${name}/keys/${String(added.body.id)}`, { headers });
    const entries = await auditOf(name);
    expect(entries.map(({ action, actor }) => [action, actor])).toEqual([
      ['register', 'ann'],
      ['queueCreated', 'sqlfleet'],
      ['patch', 'eve'],
      ['addKey', 'eve'],
      ['revokeKey', 'eve'],
    ]);
    expect(entries[2]).toMatchObject({
      reason: 'more work for it',
      details: { changes: { weightage: { from: 10, to: 50 } } },
    });
    expect(JSON.stringify(entries[4]?.details)).toContain(String(added.body.id));
  });
});
