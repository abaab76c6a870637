import { z } from 'zod';
import { jsonResponse } from '../network/http-service';
import { notFound } from './answers';
import { type ArmRoute } from './router';
import { type Resource } from './state';
import {
  type ArmWorld,
  requireLocation,
  requireServer,
  requireSubscription,
  serverPath,
  serversInCreation,
  serverType,
  subscriptionPath,
} from './world';

interface Usage {
  name: string;
  displayName: string;
  currentValue: number;
  limit: number;
}

/** Control may replace what is counted, and the limits. */
export const usageOverrideSchema = z.strictObject({
  currentValue: z.number().optional(),
  limit: z.number().optional(),
});

const locationsPath = `${subscriptionPath}/providers/Microsoft.Sql/locations`;
const databaseType = `${serverType}/databases`;
const poolType = `${serverType}/elasticPools`;
const dtuPerVCore = 100;
/** Of sizes that are told by their name alone. */
const dtuOf: Record<string, number> = { Basic: 5, S0: 10, S1: 20, S2: 50, S3: 100, S4: 200, P1: 125, P2: 250 };
const serverDtuQuota = 54_000;

/** The usages of a region, as counted or as control wants them. */
function usagesOf(world: ArmWorld, location: string): Usage[] {
  const { state, scope } = world;
  const inRegion = (resource: Resource): boolean => resource.location === location;
  const creating = serversInCreation(world).filter((each) => each.location === location).length;
  const vCores = [...state.ofType(databaseType), ...state.ofType(poolType)]
    .filter(inRegion)
    .reduce((sum, resource) => sum + vCoresOf(resource), 0);
  const counted: Usage[] = [
    {
      name: 'ServerQuota',
      displayName: 'Regional Server Quota',
      currentValue: state.ofType(serverType).filter(inRegion).length + creating,
      limit: scope.serverQuota,
    },
    {
      name: 'RegionalVCoreQuotaForSQLDBAndDW',
      displayName: 'Regional vCore quota for SQL Database and Data Warehouse',
      currentValue: vCores,
      limit: scope.vCoreQuota,
    },
    { name: 'VCoreQuota', displayName: 'VCore Quota', currentValue: 0, limit: 960 },
    { name: 'SubnetQuota', displayName: 'Subnet Quota', currentValue: 0, limit: 3 },
    // Counts down: full means healthy.
    {
      name: 'SubscriptionFreeDatabaseDaysLeft',
      displayName: 'Subscription free database days left',
      ...{ currentValue: 31, limit: 31 },
    },
  ];
  return counted.map((usage) => ({ ...usage, ...state.note(`usage/${location}/${usage.name}`, usageOverrideSchema) }));
}

export function usageOf(world: ArmWorld, location: string, name: string): Usage {
  const found = usagesOf(world, location).find((usage) => usage.name.toLowerCase() === name.toLowerCase());
  if (found === undefined) throw notFound(`Microsoft.Sql/locations/${location}/usages/${name}`);
  return found;
}

const skuSchema = z.object({
  sku: z.object({ name: z.string(), capacity: z.number().optional() }),
});

/** What a database or pool takes of the regional quota: databases in pools nothing, DTUs a hundredth each. */
export function vCoresOf(resource: Pick<Resource, 'properties'> & { sku?: unknown }): number {
  const { data } = skuSchema.safeParse(resource);
  if (data === undefined || resource.properties['elasticPoolId'] !== undefined) return 0;
  const { name, capacity } = data.sku;
  if (/^(GP|BC|HS)_/.test(name)) return capacity ?? Number(/_(\d+)$/.exec(name)?.[1] ?? 2);
  return (capacity ?? dtuOf[name] ?? 0) / dtuPerVCore;
}

export function usageRoutes(world: ArmWorld): ArmRoute[] {
  const { state, scope, lists } = world;
  const usageResource = (location: string, { name, ...values }: Usage) => ({
    id: `/subscriptions/${scope.subscriptionId}/providers/Microsoft.Sql/locations/${location}/usages/${name}`,
    name,
    type: 'Microsoft.Sql/locations/usages',
    properties: { ...values, unit: 'Count' },
  });
  return [
    {
      name: 'listUsages',
      method: 'GET',
      path: `${locationsPath}/{location}/usages`,
      handle(parameters, request) {
        requireSubscription(world, parameters);
        const location = requireLocation(world, parameters['location']);
        return lists.page('listUsages', request, usagesOf(world, location), (usage) => usageResource(location, usage));
      },
    },
    {
      name: 'readUsage',
      method: 'GET',
      path: `${locationsPath}/{location}/usages/{usage}`,
      handle(parameters) {
        requireSubscription(world, parameters);
        const location = requireLocation(world, parameters['location']);
        return jsonResponse(200, usageResource(location, usageOf(world, location, parameters['usage'] ?? '')));
      },
    },
    {
      name: 'listServerUsages',
      method: 'GET',
      path: `${serverPath}/usages`,
      handle(parameters, request) {
        const server = requireServer(world, parameters);
        const below = [...state.list(`${server.id}/databases`), ...state.list(`${server.id}/elasticPools`)];
        const dtu = below.reduce((sum, each) => sum + vCoresOf(each), 0) * dtuPerVCore;
        const current = state.note(`usage/${server.name}/server_dtu_quota_current`, usageOverrideSchema);
        const usage = { currentValue: dtu, limit: serverDtuQuota, ...current };
        const rows = ['server_dtu_quota', 'server_dtu_quota_current'].map((name) => {
          const displayName = 'Database Throughput Unit Quota';
          const values = { ...{ resourceName: server.name, displayName, unit: 'DTUs' }, ...usage };
          // The version that the SDK sends has flat rows; every later one has them as resources.
          return request.query.get('api-version') === '2014-04-01'
            ? { name, ...values, nextResetTime: null }
            : { id: `${server.id}/usages/${name}`, name, type: `${serverType}/usages`, properties: values };
        });
        return jsonResponse(200, { value: rows });
      },
    },
    {
      name: 'listLocations',
      method: 'GET',
      path: `${subscriptionPath}/locations`,
      handle(parameters) {
        requireSubscription(world, parameters);
        const value = scope.locations.map((name) => ({
          id: `/subscriptions/${scope.subscriptionId}/locations/${name}`,
          ...{ name, displayName: displayNameOf(name), regionalDisplayName: displayNameOf(name) },
          metadata: { regionType: 'Physical' },
        }));
        return jsonResponse(200, { value });
      },
    },
    {
      name: 'readCapabilities',
      method: 'GET',
      path: `${locationsPath}/{location}/capabilities`,
      handle(parameters) {
        requireSubscription(world, parameters);
        const location = requireLocation(world, parameters['location']);
        const refusal = state.note(
          `region/${location}`,
          z.looseObject({ acceptsServers: z.boolean(), message: z.string() }),
        );
        const status = refusal?.acceptsServers === false ? 'Disabled' : 'Available';
        const servers = { name: '12.0', status, supportedEditions: [], supportedElasticPoolEditions: [] };
        const reason = refusal?.acceptsServers === false ? { reason: refusal.message } : {};
        return jsonResponse(200, { name: location, status, ...reason, supportedServerVersions: [servers] });
      },
    },
  ];
}

/** `westeurope` is shown as `West Europe`. */
function displayNameOf(region: string): string {
  const words = region.split(/(?<=north|south|east|west|central)|(?=central|europe)/).filter((word) => word !== '');
  return words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join(' ');
}
