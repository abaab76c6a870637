import { HttpRequest, InvocationContext } from '@azure/functions';
import { z } from 'zod';
import { environmentRoutes } from '../../functions/environment-routes';
import { workspaceRoutes } from '../../functions/workspace-routes';
import { routeHandler } from '../../lib/platform/http';
import { type Lab, smallArchive, startWorkspaceLab, subscriptionId } from '../support/workspace-lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startWorkspaceLab();
});
afterAll(() => lab.stop());

const call = async (
  operationId: string,
  params: Record<string, string>,
  { headers = {}, body }: { headers?: Record<string, string>; body?: object } = {},
) => {
  const services = () => lab.services;
  const route = [...environmentRoutes(services), ...workspaceRoutes(services)].find(
    (each) => each.operationId === operationId,
  );
  if (route === undefined) throw new Error(`there is no ${operationId}`);
  const request = new HttpRequest({
    ...{ method: route.method, url: 'https://app.test/api/x', params },
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: { string: JSON.stringify(body) } }),
  });
  const response = await routeHandler(route)(request, new InvocationContext());
  const { status = 200, headers: answered, body: text } = response;
  const json: unknown = response.jsonBody;
  const parsedBody: unknown = json ?? (typeof text === 'string' && text.startsWith('{') ? JSON.parse(text) : text);
  return {
    status,
    etag: new Headers(z.record(z.string(), z.string()).optional().parse(answered)).get('etag'),
    body: parsedBody,
  };
};
const environment = {
  subscriptionId,
  resourceGroup: 'data',
  region: 'westeurope',
  keyVault: { name: 'kv-http' },
};

it('keeps environments as documents: created once, replaced and deleted only by who has seen the last version', async () => {
  const params = { name: 'Http' };
  expect(await call('getEnvironment', params)).toMatchObject({ status: 404 });
  const created = await call('putEnvironment', params, { body: environment });
  expect(created).toMatchObject({
    status: 201,
    body: { name: 'Http', mode: 'auto', approval: { required: true, approverMustDiffer: true }, maximumDeletes: 10 },
  });
  expect(await call('putEnvironment', params, { body: environment })).toMatchObject({ status: 412 });
  const changed = { ...environment, mode: 'Initialize KeyVault' };
  const headers = { 'if-match': created.etag ?? '' };
  const replaced = await call('putEnvironment', { name: 'HTTP' }, { body: changed, headers });
  expect(replaced).toMatchObject({ status: 200, body: { mode: 'Initialize-KeyVault' } });
  expect(await call('putEnvironment', params, { body: changed, headers })).toMatchObject({ status: 412 });
  expect(await call('deleteEnvironment', params)).toMatchObject({ status: 428 });
  expect(await call('deleteEnvironment', params, { headers })).toMatchObject({ status: 412 });
  expect(await call('deleteEnvironment', params, { headers: { 'if-match': replaced.etag ?? '' } })).toMatchObject({
    status: 204,
  });
  expect(await call('getEnvironment', params)).toMatchObject({ status: 404 });
});

it('tells everything that is wrong with an environment at once', async () => {
  const body = { ...environment, subscriptionId: 'x', region: 'West Europe', root: '/a/../b', typo: 1 };
  const refused = await call('putEnvironment', { name: 'Bad' }, { body });
  const { problems } = z.object({ problems: z.array(z.object({ entry: z.string() })) }).parse(refused.body);
  expect(refused.status).toBe(400);
  expect(problems.map(({ entry }) => entry).sort()).toEqual([
    'body.region',
    'body.root',
    'body.subscriptionId',
    'body.typo',
  ]);
});

it('shows the plan as data and as text, under its own workspace only', async () => {
  await lab.prepare('shown', ['Dev']);
  const { deploymentId } = await lab.deploy('shown', smallArchive);
  const params = { name: 'shown', deploymentId, environment: 'dev' };
  const plan = await call('getWorkspacePlan', params);
  expect(plan).toMatchObject({ status: 200, body: { workspace: 'shown' } });
  expect(JSON.stringify(plan.body)).toMatch(/"hash":"[0-9a-f]{64}"/);
  const { body } = await call('getWorkspacePlanText', params);
  expect(body).toContain('+ create job nightly (jobs/nightly.json): it is not there');
  for (const other of [{ name: 'other' }, { deploymentId: '../x' }, { environment: 'Prod' }]) {
    expect(await call('getWorkspacePlan', { ...params, ...other })).toMatchObject({ status: 404 });
  }
  expect(await call('getWorkspace', { name: 'shown' })).toMatchObject({
    body: { items: [{ applied: { deploymentId } }] },
  });
});
