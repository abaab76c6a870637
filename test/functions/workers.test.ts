import { HttpRequest, InvocationContext } from '@azure/functions';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { workerRoutes } from '../../functions/worker-routes';
import { signToken } from '../../cli/worker/sign';
import { createRemoteWork } from '../../lib/builds/remote-work';
import { createOutcomeStore } from '../../lib/builds/store';
import { AppError } from '../../lib/platform/errors';
import { routeHandler } from '../../lib/platform/http';
import { createTestClusters, newKey } from '../support/clusters';
import { startTestDocuments, type TestDocuments } from '../support/documents';

/** The calls of workers, by HTTP: who may see and say what of which build. */
describe('the API for workers', () => {
  let documents: TestDocuments;
  let api: Awaited<ReturnType<typeof open>>;
  const published: unknown[] = [];
  const logs = new Map<string, string>();

  const open = async () => {
    const { services, time } = createTestClusters({ documents });
    const outcomes = createOutcomeStore(documents.store('outcomes'));
    const build = (cluster: string, state: 'running' | 'succeeded' = 'running') => ({
      cluster,
      state,
      dispatch: 0,
      control: { paused: null, cancelled: null },
    });
    const builds = new Map([
      ['mine', build('east')],
      ['theirs', build('west')],
      ['over', build('east', 'succeeded')],
    ]);
    const work = createRemoteWork({
      builds: {
        find: async (buildId) => builds.get(buildId) ?? null,
        readManifest: async () => {
          throw new AppError('builds.stateMissing', 'no manifest');
        },
      },
      outcomes,
      logs: { put: async (name, data) => void logs.set(name, String(data)) },
      events: { publish: (_key, event) => void published.push(event) },
      packages: { link: async (name) => `https://blobs.example/${name}` },
      nowMs: () => time.nowMs,
    });
    const routes = workerRoutes(
      () => services,
      () => work,
    );
    const call = async (
      operationId: string,
      { name = 'east', token, query = '', body }: { name?: string; token?: string; query?: string; body?: unknown },
    ) => {
      const route = routes.find((each) => each.operationId === operationId);
      if (route === undefined) throw new Error(`no route ${operationId}`);
      expect(route.authLevel).toBe('anonymous');
      const request = new HttpRequest({
        method: route.method === 'GET' ? 'GET' : 'POST',
        url: `http://localhost/api/x${query}`,
        params: { name },
        headers: {
          'content-type': 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        ...(body === undefined ? {} : { body: { string: typeof body === 'string' ? body : JSON.stringify(body) } }),
      });
      const answer = await routeHandler(route)(request, new InvocationContext());
      const content: unknown = answer.jsonBody ?? (typeof answer.body === 'string' ? JSON.parse(answer.body) : {});
      return { status: answer.status ?? 200, body: z.record(z.string(), z.unknown()).parse(content) };
    };
    const admitted = async (name: string): Promise<string> => {
      const key = newKey('ed25519');
      const by = { actor: 'ann', reason: 'test' };
      const fields = { managedBy: 'external' as const, scmOrganizations: [name], key: key.publicJwk };
      const { value } = await services.registry.register(name, fields, by);
      const signing = { issuer: name, subject: name, audience: 'sqlfleet', lifetimeSeconds: 60, keyId: null };
      const text = JSON.stringify({ ...key.privateJwk, kid: value.keys[0]?.id });
      const token = await signToken(text, signing, { nowMs: time.nowMs, newId: randomUUID });
      const { status, body } = await call('admitWorker', { name, body: { token, workerId: 'w1' } });
      expect(status).toBe(200);
      return String(body.accessToken);
    };
    return { call, east: await admitted('east'), west: await admitted('west'), outcomes };
  };
  beforeAll(async () => {
    documents = await startTestDocuments();
    api = await open();
  });
  afterAll(() => documents.stop());

  const outcome = (buildId: string, changes: object = {}) => ({
    ...{ id: 'anything', buildId, run: 1, attempt: 1, targetId: 't1', server: 's', port: null, overrides: [], tag: '' },
    ...{ line: 1, lane: 'l#0', status: 'committed', reason: 'done', failure: null, durationMs: 1, throttled: 0 },
    ...{ scripts: { ran: 1, skippedRunOnce: 0, failedIgnored: 0 }, timeoutRetries: 0, log: null },
    ...{ startedAt: '2026-01-01T00:00:00.000Z', finishedAt: '2026-01-01T00:00:00.001Z' },
    ...changes,
  });

  it.each([
    ['reportWorker', '', { slots: 1, busy: 0 }],
    ['getWorkOrder', '?buildId=mine', undefined],
    ['getWorkInputs', '?buildId=mine&run=1', undefined],
    ['hasWorkEnded', '?buildId=mine&targetId=t&attempt=1', undefined],
    ['reportOutcome', '', {}],
    ['reportLog', '?buildId=mine&name=t.1.sql', 'text'],
    ['reportWorkEvents', '', { events: [] }],
  ])('answers %s to nobody who is not admitted, nor to a worker of another cluster', async (operation, query, body) => {
    for (const token of [undefined, 'x', api.west]) {
      const answer = await api.call(operation, { query, body, ...(token === undefined ? {} : { token }) });
      expect([answer.status, answer.body.code]).toEqual([401, 'clusters.handshake.refused']);
    }
    const nowhere = await api.call(operation, { name: '../east', query, body, token: api.east });
    expect(nowhere.status).toBe(401);
  });

  it('tells a worker of its own cluster’s builds, and of no others, whether they exist or not', async () => {
    expect(await api.call('getWorkOrder', { token: api.east, query: '?buildId=mine' })).toMatchObject({
      status: 200,
      body: { state: 'running', dispatch: 0 },
    });
    const [theirs, none] = [
      await api.call('getWorkOrder', { token: api.east, query: '?buildId=theirs' }),
      await api.call('getWorkOrder', { token: api.east, query: '?buildId=none' }),
    ];
    expect([theirs.status, theirs.body.code]).toEqual([403, 'builds.notYours']);
    expect(none).toEqual(theirs);
    for (const buildId of ['theirs', 'over']) {
      const inputs = await api.call('getWorkInputs', { token: api.east, query: `?buildId=${buildId}&run=1` });
      expect([inputs.status, inputs.body.code]).toEqual([403, 'builds.notYours']);
    }
  });

  it('keeps the first outcome of an attempt, whatever id it is sent with', async () => {
    const say = (changes: object) => api.call('reportOutcome', { token: api.east, body: outcome('mine', changes) });
    expect((await say({})).body).toEqual({ outcome: 'created' });
    expect((await say({ id: 'another', status: 'failed' })).body).toEqual({ outcome: 'exists' });
    expect((await api.call('reportOutcome', { token: api.east, body: outcome('theirs') })).status).toBe(403);
    expect((await say({ status: 'splendid' })).status).toBe(400);
    const asked = await api.call('hasWorkEnded', { token: api.east, query: '?buildId=mine&targetId=t1&attempt=1' });
    expect(asked.body).toEqual({ ended: true });
  });

  it('keeps logs below the build, under names of logs only', async () => {
    const say = (buildId: string, name: string) =>
      api.call('reportLog', {
        token: api.east,
        query: `?buildId=${buildId}&name=${encodeURIComponent(name)}`,
        body: 'x',
      });
    expect((await say('mine', 't1.1.sql')).status).toBe(204);
    expect((await say('theirs', 't1.1.sql')).status).toBe(403);
    for (const name of ['../../t1.1.sql', 't1.sql', 'a/b.1.sql', '.1.sql', `${'x'.repeat(200)}.1.sql`]) {
      expect((await say('mine', name)).status).toBe(400);
    }
    expect([...logs.keys()]).toEqual(['mine/databases/t1.1.sql']);
  });

  it('passes on events of the cluster’s builds, and drops lies about others', async () => {
    const event = (buildId: string) => ({
      ...{ type: 'targetStarted', buildId, targetId: 't', server: 's', databases: ['d'], tag: '', attempt: 1 },
      at: '2026-01-01T00:00:00.000Z',
    });
    const answer = await api.call('reportWorkEvents', {
      token: api.east,
      body: { events: [event('mine'), event('theirs'), event('none')] },
    });
    expect(answer.status).toBe(202);
    expect(published).toEqual([event('mine')]);
    const invented = { ...event('mine'), type: 'buildFinished' };
    expect((await api.call('reportWorkEvents', { token: api.east, body: { events: [invented] } })).status).toBe(400);
  });
});
