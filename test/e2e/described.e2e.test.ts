import { allRoutes } from '../../functions/description';
import { type Route } from '../../lib/platform/http';
import { type TestCloud, scripts, startTestCloud } from './cloud';

jest.setTimeout(180_000);

/** What is undescribed in the answer, in words; null: the description tells all of it. */
async function undescribed(route: Route, response: Response): Promise<string | null> {
  const described = route.responses[response.status];
  if (described === undefined) return `status ${response.status} is not described`;
  const mediaType = (response.headers.get('content-type') ?? '').split(';')[0] ?? '';
  const mainTypes = [described.mediaType ?? 'application/json'].flat();
  const schema = described.bodies?.[mediaType] ?? (mainTypes.includes(mediaType) ? described.body : undefined);
  if (schema === undefined) return `${mediaType} is not described for ${response.status}`;
  for (const name of Object.keys(described.headers ?? {})) {
    if (response.headers.get(name) === null) return `header ${name} is missing`;
  }
  if (!mediaType.endsWith('json')) return null;
  const body: unknown = await response.json();
  const read = schema.safeParse(body);
  if (!read.success) return read.error.message;
  // A schema leaves out what it does not name: such a member is an answer that nobody described.
  return JSON.stringify(sorted(read.data)) === JSON.stringify(sorted(body)) ? null : 'members that are not described';
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}

/** Answers of the running app, held against the routes from which the OpenAPI document is made. */
describe('the OpenAPI document tells the truth about', () => {
  let cloud: TestCloud;
  let ids: { build: string; cancelled: string; log: string };
  beforeAll(async () => {
    cloud = await startTestCloud({ databases: 2 });
    const failing = scripts({ 'a.sql': 'SELECT Nothing FROM dbo.Nowhere;' });
    const { id: build } = await cloud.api.startBuild(failing, cloud.targets(), {});
    await cloud.ended(build);
    const waiting = scripts({ 'a.sql': "WAITFOR DELAY '00:00:01';" });
    const { id: cancelled } = await cloud.api.startBuild(waiting, cloud.targets(), { concurrencyType: 'Server' });
    await cloud.api.control(cancelled, 'cancel', 'ann', 'a test');
    await cloud.ended(cancelled);
    ids = { build, cancelled, log: (await cloud.api.outcomes(build)).items[0]?.log ?? '' };
  });
  afterAll(() => cloud.stop());

  const json = (body: unknown): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const form = (parts: Record<string, string>): RequestInit => {
    const body = new FormData();
    for (const [name, text] of Object.entries(parts)) body.append(name, new File([text], `${name}.sql`));
    return { method: 'POST', body };
  };
  const by = { actor: 'ann', reason: 'a test' };

  /** operation, path below /api/ (BUILD, CANCELLED and LOG stand for what was set up), request, expected status */
  const requests: [string, string, RequestInit, number][] = [
    ['startBuild', 'builds', form({ package: 'SELECT 1', targets: 'TARGETS' }), 202],
    ['startBuild', 'builds', form({ package: 'GO;', targets: 'x' }), 422],
    ['startBuild', 'builds', form({ package: 'SELECT 1' }), 422],
    ['startBuild', 'builds', json('{'), 400],
    ['startBuild', 'builds', json({ package: 1 }), 422],
    ['startBuild', 'builds', json({ package: { blob: 'no' }, targets: { blob: 'no' } }), 422],
    ['startBuild', 'builds', { method: 'POST', body: 'text' }, 415],
    ['listBuilds', 'builds', {}, 200],
    ['listBuilds', 'builds?pageSize=1&state=cancelled', {}, 200],
    ['listBuilds', 'builds?pageSize=many&x=1', {}, 400],
    ['listBuilds', 'builds?continuation=forged', {}, 400],
    ['getBuild', 'builds/BUILD', {}, 200],
    ['getBuild', 'builds/CANCELLED', {}, 200],
    ['getBuild', 'builds/none', {}, 404],
    ['listOutcomes', 'builds/BUILD/outcomes', {}, 200],
    ['listOutcomes', 'builds/BUILD/outcomes?pageSize=1', {}, 200],
    ['listOutcomes', 'builds/CANCELLED/outcomes?attempts=all', {}, 200],
    ['listOutcomes', 'builds/BUILD/outcomes?status=lost', {}, 400],
    ['listOutcomes', 'builds/none/outcomes', {}, 404],
    ['listLogs', 'builds/BUILD/logs', {}, 200],
    ['listLogs', 'builds/none/logs', {}, 404],
    ['getLog', 'builds/BUILD/logs/errors.log', {}, 200],
    ['getLog', 'builds/BUILD/logs/summary.json', {}, 200],
    ['getLog', 'builds/BUILD/logs/LOG', {}, 200],
    ['getLog', 'builds/BUILD/logs/..%2f..%2fsecrets', {}, 404],
    ['listAudit', 'builds/CANCELLED/audit', {}, 200],
    ['listAudit', 'builds/CANCELLED/audit?pageSize=0', {}, 400],
    ['listAudit', 'builds/none/audit', {}, 404],
    ['pauseBuild', 'builds/BUILD/pause', json(by), 409],
    ['resumeBuild', 'builds/BUILD/resume', json(by), 409],
    ['cancelBuild', 'builds/none/cancel', json(by), 404],
    ['cancelBuild', 'builds/BUILD/cancel', json({ actor: '' }), 400],
    ['retryFailedTargets', 'builds/BUILD/retry-failed', json(by), 202],
    ['validatePackage', 'packages/validate', form({ package: 'SELECT 1' }), 200],
    ['validatePackage', 'packages/validate?name=a.sql', { method: 'POST', body: 'GO;' }, 200],
    ['validatePackage', 'packages/validate?nme=a.sql', { method: 'POST', body: 'GO;' }, 400],
    ['validatePackage', 'packages/validate', json({}), 415],
    ['validatePackage', 'packages/validate', { method: 'POST' }, 422],
  ];
  it.each(requests)('%s of %s (%#)', async (operationId, path, request, status) => {
    const route = allRoutes().find((each) => each.operationId === operationId);
    if (route === undefined) throw new Error(`there is no ${operationId}`);
    if (request.body instanceof FormData && request.body.get('targets') instanceof File && status === 202) {
      request.body.set('targets', new File([cloud.targets()], 'fleet.cfg'));
    }
    const place = path.replace('BUILD', ids.build).replace('CANCELLED', ids.cancelled).replace('LOG', ids.log);
    const response = await fetch(`${cloud.endpoints.http.baseUrl}/api/${place}`, {
      ...request,
      headers: { 'x-functions-key': cloud.endpoints.http.functionKey, ...request.headers },
    });
    expect(response.status).toBe(status);
    expect(await undescribed(route, response)).toBeNull();
  });
});
