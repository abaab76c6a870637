import { z } from 'zod';
import { newPool } from './databases';
import { setMetrics } from './metrics';
import { operationTimesSchema } from './operations';
import { dropServer, regionConditionSchema } from './servers';
import { settingResource } from './server-settings';
import { type Resource } from './state';
import { throttleSchema } from './throttle';
import { usageOverrideSchema } from './usages';
import { type ArmWorld, factsOf, groupId, newServer, noFacts, requireLocation, serverNamed, setFacts } from './world';

/** Changes that nobody asked ARM for, by name; each takes the JSON that its schema describes. */
export type ArmControl = Record<string, (input: unknown) => unknown>;

const serverSchema = z.strictObject({ server: z.string() });
const anyProperties = z.record(z.string(), z.unknown());

export function createArmControl(world: ArmWorld): ArmControl {
  const { state, operations, scope } = world;
  const requireServer = (name: string): Resource => {
    const server = serverNamed(world, name);
    if (server === undefined) throw new Error(`there is no server '${name}'`);
    return server;
  };
  return {
    /** The server is gone, as if somebody had deleted it elsewhere. */
    dropServer: (input) => dropServer(world, requireServer(serverSchema.parse(input).server)),

    /** Changes what is kept of a resource. `setting` is `segment/name` below the server. */
    mangle(input) {
      const schema = z.strictObject({
        server: z.string(),
        setting: z.string().optional(),
        properties: anyProperties.optional(),
        tags: z.record(z.string(), z.string()).optional(),
      });
      const { server, setting, properties = {}, tags } = schema.parse(input);
      const owner = requireServer(server);
      const [segment = '', name = ''] = setting?.split('/') ?? [];
      const resource = setting === undefined ? owner : settingResource(world, owner, segment, name);
      if (resource === undefined) throw new Error(`the server has no ${setting}`);
      const changed = { ...resource, properties: { ...resource.properties, ...properties } };
      state.put({ ...changed, ...(tags !== undefined && { tags }) });
    },

    /** Removes a resource by its id, with all that is below it. */
    removeResource: (input) => state.remove(z.strictObject({ id: z.string() }).parse(input).id),

    /** Many servers at once that only ARM knows: `prefix-0001` and so on. */
    addServers(input) {
      const schema = z.strictObject({
        count: z.int().min(1).max(10_000),
        prefix: z.string().default('server'),
        location: z.string().default(scope.locations[0] ?? ''),
        resourceGroup: z.string().default(scope.resourceGroup),
        tags: z.record(z.string(), z.string()).default({}),
        databases: z.int().min(0).default(0),
        properties: anyProperties.default({}),
      });
      const { count, prefix, resourceGroup: group, tags, databases, properties, ...rest } = schema.parse(input);
      if (state.get(groupId(world, group)) === undefined) throw new Error(`there is no resource group '${group}'`);
      const location = requireLocation(world, rest.location);
      for (let ordinal = 1; ordinal <= count; ordinal += 1) {
        const name = `${prefix}-${String(ordinal).padStart(4, '0')}`;
        setFacts(world, name, { ...noFacts, claimed: databases });
        state.put(newServer(world, { group, location, name, tags, properties }));
      }
    },

    /** A server claims to have that many databases more than exist. `pools`: the elastic pools that they are in. */
    claimDatabases(input) {
      const schema = z.strictObject({
        server: z.string(),
        count: z.int().min(0).max(99_999),
        pools: z.array(z.string()).default([]),
      });
      const { server, count, pools } = schema.parse(input);
      const owner = requireServer(server);
      for (const pool of pools) {
        if (state.get(`${owner.id}/elasticPools/${pool}`) !== undefined) continue;
        state.put(newPool(owner, pool, { properties: {} }));
      }
      setFacts(world, owner.name, { ...factsOf(world, owner.name), claimed: count, claimedPools: pools });
    },

    /** Whether a region takes new servers, and what it says. */
    setRegion(input) {
      const schema = regionConditionSchema.extend({ location: z.string() });
      const { location, ...condition } = schema.parse(input);
      state.setNote(`region/${requireLocation(world, location)}`, condition);
    },

    /** Replaces a count or a limit: of a `location`, or of a server (`server_dtu_quota_current`). Neither: as counted again. */
    setUsage(input) {
      const schema = usageOverrideSchema.extend({
        location: z.string().optional(),
        server: z.string().optional(),
        name: z.string(),
      });
      const { location, server, name, ...override } = schema.parse(input);
      const owner = server === undefined ? requireLocation(world, location) : requireServer(server).name;
      state.setNote(`usage/${owner}/${name}`, Object.keys(override).length === 0 ? undefined : override);
    },

    /** Numbers of Azure Monitor, from now on or from `timeMs` on: of a database, of a pool, or of any resource by its id. */
    setMetrics(input) {
      const schema = z.strictObject({
        server: z.string().optional(),
        database: z.string().optional(),
        pool: z.string().optional(),
        resource: z.string().optional(),
        values: z.record(z.string(), z.number().nullable()),
        timeMs: z.number().default(world.clock.nowMs()),
      });
      const { server, database, pool, resource, values, timeMs } = schema.parse(input);
      const below = database === undefined ? `elasticPools/${pool}` : `databases/${database}`;
      const id = resource ?? `${requireServer(server ?? '').id}/${below}`;
      setMetrics(state, id, values, timeMs);
    },

    setThrottle: (input) => state.setNote('throttle', throttleSchema.parse(input)),
    setOperationTimes: (input) => state.setNote('operationTimes', operationTimesSchema.parse(input)),
    releaseOperations: () => operations.release(),
    setPageSize: (input) => state.setNote('pageSize', z.strictObject({ entries: z.int().min(1) }).parse(input).entries),
    /** Names of deleted servers are free again. */
    freeNames() {
      for (const [key] of state.notesUnder('busyName/', z.number())) state.setNote(key, undefined);
    },
  };
}
