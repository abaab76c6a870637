import { z } from 'zod';
import { jsonResponse, type ServiceRequest } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { notFound, parsed } from './answers';
import { databaseNames } from './databases';
import { metricAt, metricDefinitions } from './metrics';
import { type ArmRoute, type PathParameters } from './router';
import { type ArmWorld, requireSubscription, subscriptionPath } from './world';

const insights = '{*resource}/providers/Microsoft.Insights';
const intervals: Record<string, number> = {
  PT1M: 60_000,
  PT5M: 300_000,
  PT15M: 900_000,
  PT30M: 1_800_000,
  PT1H: 3_600_000,
  PT6H: 21_600_000,
  PT12H: 43_200_000,
  P1D: 86_400_000,
};
const maximumPoints = 20_000;
const diagnosticSchema = z.object({
  properties: z
    .looseObject({
      workspaceId: z.string().optional(),
      storageAccountId: z.string().optional(),
      eventHubAuthorizationRuleId: z.string().optional(),
    })
    .refine(
      ({ workspaceId, storageAccountId, eventHubAuthorizationRuleId }) =>
        (workspaceId ?? storageAccountId ?? eventHubAuthorizationRuleId) !== undefined,
      'a diagnostic setting needs a destination',
    ),
});

/** `Microsoft.Insights`: what is below resources (metrics, diagnostic settings), and the activity log. */
export function insightRoutes(world: ArmWorld): ArmRoute[] {
  const { state, lists, scope, clock } = world;

  const requireResource = async ({ resource = '' }: PathParameters): Promise<{ id: string; type: string }> => {
    const [, below = ''] = resource.split(/\/providers\//i);
    const [namespace = '', ...segments] = below.split('/');
    const type = [namespace, ...segments.filter((_, at) => at % 2 === 0)].join('/');
    const found = state.get(resource);
    if (found !== undefined) return { id: found.id, type };
    // Databases need not be known one by one.
    const server = state.get(resource.split('/').slice(0, 9).join('/'));
    const isDatabase = type.toLowerCase() === 'microsoft.sql/servers/databases' && server !== undefined;
    const names = isDatabase ? await databaseNames(world, server) : [];
    if (!names.some((name) => name.toLowerCase() === segments[3]?.toLowerCase())) throw notFound(resource);
    return { id: resource, type };
  };
  const definitionsOf = (type: string) => {
    const found = metricDefinitions(type);
    if (found === undefined) throw new ServiceError(400, 'BadRequest', `${type} has no metrics.`);
    return found;
  };
  /** @throws ServiceError 400 when it is none, or too long for the interval. */
  const timespan = (request: ServiceRequest): { fromMs: number; toMs: number; stepMs: number; interval: string } => {
    const interval = request.query.get('interval') ?? 'PT1M';
    const stepMs = intervals[interval];
    const [from, to] = (request.query.get('timespan') ?? '').split('/').map((text) => Date.parse(text));
    const toMs = to ?? clock.nowMs();
    const fromMs = from === undefined || to === undefined ? toMs - 3_600_000 : from;
    const points = stepMs === undefined ? NaN : (toMs - fromMs) / stepMs;
    if (stepMs === undefined || !(points >= 0 && points <= maximumPoints)) {
      const message = 'The timespan and the interval do not fit each other, or are not understood.';
      throw new ServiceError(400, 'BadRequest', message);
    }
    return { fromMs, toMs, stepMs, interval };
  };

  return [
    {
      name: 'listMetrics',
      method: 'GET',
      path: `${insights}/metrics`,
      async handle(parameters, request) {
        const { id, type } = await requireResource(parameters);
        const known = definitionsOf(type);
        const { fromMs, toMs, stepMs, interval } = timespan(request);
        const aggregations = (request.query.get('aggregation') ?? 'Average')
          .split(',')
          .map((each) => each.trim().toLowerCase());
        const asked = request.query.get('metricnames')?.split(',') ?? known.slice(0, 1).map(({ name }) => name);
        const value = asked.map((wanted) => {
          const metric = known.find(({ name }) => name.toLowerCase() === wanted.trim().toLowerCase());
          if (metric === undefined) {
            const valid = known.map(({ name }) => name).join(',');
            const message = `Failed to find metric configuration for provider: ${type}, metric: ${wanted}. Valid metrics: ${valid}`;
            throw new ServiceError(400, 'BadRequest', message);
          }
          const at = metricAt(state, id, metric.name);
          const data = [];
          for (let timeMs = Math.floor(fromMs / stepMs) * stepMs; timeMs < toMs; timeMs += stepMs) {
            const number = at(timeMs + stepMs - 1);
            const values =
              number === null
                ? {}
                : Object.fromEntries(aggregations.map((each) => [each, each === 'count' ? 1 : number]));
            data.push({ timeStamp: new Date(timeMs).toISOString(), ...values });
          }
          return {
            id: `${id}/providers/Microsoft.Insights/metrics/${metric.name}`,
            type: 'Microsoft.Insights/metrics',
            name: { value: metric.name, localizedValue: metric.name },
            unit: metric.unit,
            errorCode: 'Success',
            timeseries: [{ metadatavalues: [], data }],
          };
        });
        const span = `${new Date(fromMs).toISOString()}/${new Date(toMs).toISOString()}`;
        return jsonResponse(200, { cost: 0, timespan: span, interval, namespace: type, value });
      },
    },
    {
      name: 'listMetricDefinitions',
      method: 'GET',
      path: `${insights}/metricDefinitions`,
      async handle(parameters) {
        const { id, type } = await requireResource(parameters);
        const value = definitionsOf(type).map(({ name, unit, aggregation }) => ({
          id: `${id}/providers/Microsoft.Insights/metricdefinitions/${name}`,
          ...{ resourceId: id, namespace: type, unit, primaryAggregationType: aggregation },
          name: { value: name, localizedValue: name },
          supportedAggregationTypes: ['Average', 'Minimum', 'Maximum', 'Total', 'Count'],
          metricAvailabilities: Object.keys(intervals).map((timeGrain) => ({ timeGrain, retention: 'P93D' })),
        }));
        return jsonResponse(200, { value });
      },
    },
    {
      name: 'listDiagnosticSettings',
      method: 'GET',
      path: `${insights}/diagnosticSettings`,
      async handle(parameters) {
        const { id } = await requireResource(parameters);
        return jsonResponse(200, { value: state.list(`${id}/providers/Microsoft.Insights/diagnosticSettings`) });
      },
    },
    {
      name: 'readDiagnosticSetting',
      method: 'GET',
      path: `${insights}/diagnosticSettings/{name}`,
      async handle(parameters) {
        const { id } = await requireResource(parameters);
        const found = state.get(`${id}/providers/Microsoft.Insights/diagnosticSettings/${parameters['name']}`);
        if (found === undefined)
          throw notFound(`${id}/providers/Microsoft.Insights/diagnosticSettings/${parameters['name']}`);
        return jsonResponse(200, found);
      },
    },
    {
      name: 'writeDiagnosticSetting',
      method: 'PUT',
      path: `${insights}/diagnosticSettings/{name}`,
      async handle(parameters, request) {
        const { id } = await requireResource(parameters);
        const name = parameters['name'] ?? '';
        const { properties } = parsed(diagnosticSchema, request);
        const setting = {
          id: `${id}/providers/Microsoft.Insights/diagnosticSettings/${name}`,
          ...{ name, type: 'Microsoft.Insights/diagnosticSettings', properties },
        };
        state.put(setting);
        return jsonResponse(200, setting);
      },
    },
    {
      name: 'deleteDiagnosticSetting',
      method: 'DELETE',
      path: `${insights}/diagnosticSettings/{name}`,
      async handle(parameters) {
        const { id } = await requireResource(parameters);
        const setting = `${id}/providers/Microsoft.Insights/diagnosticSettings/${parameters['name']}`;
        const existed = state.get(setting) !== undefined;
        state.remove(setting);
        return { status: existed ? 200 : 204 };
      },
    },
    {
      name: 'listActivityLog',
      method: 'GET',
      path: `${subscriptionPath}/providers/Microsoft.Insights/eventtypes/management/values`,
      handle(parameters, request) {
        requireSubscription(world, parameters);
        const filter = request.query.get('$filter') ?? '';
        const since = Date.parse(/eventTimestamp ge '([^']+)'/i.exec(filter)?.[1] ?? '');
        const group = /resourceGroupName eq '([^']+)'/i.exec(filter)?.[1]?.toLowerCase();
        if (Number.isNaN(since)) {
          throw new ServiceError(400, 'BadRequest', "The $filter needs eventTimestamp ge '<time>'.");
        }
        const entries = world.activity
          .list()
          .filter(
            ({ timeMs, resourceId }) => timeMs >= since && (group === undefined || groupOf(resourceId) === group),
          );
        return lists.page('listActivityLog', request, entries, (entry) => ({
          ...{ id: entry.id, eventDataId: entry.id, correlationId: entry.correlationId, resourceId: entry.resourceId },
          ...{
            subscriptionId: scope.subscriptionId,
            resourceGroupName: groupOf(entry.resourceId),
            level: 'Informational',
          },
          eventTimestamp: new Date(entry.timeMs).toISOString(),
          operationName: { value: entry.operationName, localizedValue: entry.operationName },
          status: { value: entry.succeeded ? 'Succeeded' : 'Failed' },
        }));
      },
    },
  ];
}

function groupOf(resourceId: string): string {
  return /\/resourceGroups\/([^/]+)/i.exec(resourceId)?.[1]?.toLowerCase() ?? '';
}
