import { jsonResponse, type ServiceRequest } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { notFound, parsed } from './answers';
import { type ArmRoute, type PathParameters } from './router';
import { type Resource } from './state';
import { usageOf, vCoresOf } from './usages';
import {
  type ArmWorld,
  factsOf,
  type ResourceBody,
  resourceBodySchema,
  requireServer,
  serverPath,
  serverType,
} from './world';

export const databaseType = `${serverType}/databases`;
export const poolType = `${serverType}/elasticPools`;
const databasePath = `${serverPath}/databases/{database}`;
const poolPath = `${serverPath}/elasticPools/{pool}`;
const databasesPerPool = 500;
const claimedName = /^claimed-(\d{5})$/;

/** Names of the databases of a server: `master`, those that exist, and those that it only claims to have. */
export async function databaseNames(world: ArmWorld, server: Resource): Promise<string[]> {
  const facts = factsOf(world, server.name);
  const claimed = Array.from({ length: facts.claimed }, (_, at) => `claimed-${String(at + 1).padStart(5, '0')}`);
  const existing =
    facts.backed && world.fleet !== null
      ? await world.fleet.listDatabases(server.name)
      : world.state.list(`${server.id}/databases`).flatMap(({ name }) => (claimedName.test(name) ? [] : [name]));
  return ['master', ...existing, ...claimed];
}

/** A database as ARM shows it: what was said of it, or what a database is when nothing was said. */
export function databaseResource(world: ArmWorld, server: Resource, name: string): Resource {
  const id = `${server.id}/databases/${name}`;
  const known = world.state.get(id);
  if (known !== undefined) return known;
  const { claimedPools } = factsOf(world, server.name);
  const ordinal = Number(claimedName.exec(name)?.[1] ?? 0);
  const pool = ordinal === 0 ? undefined : claimedPools[ordinal % Math.max(1, claimedPools.length)];
  return newDatabase(server, name, {
    properties: pool === undefined ? {} : { elasticPoolId: `${server.id}/elasticPools/${pool}` },
  });
}

function newDatabase(server: Resource, name: string, { tags, properties, sku }: ResourceBody): Resource {
  const inPool = typeof properties['elasticPoolId'] === 'string' && properties['elasticPoolId'] !== '';
  const { elasticPoolId, createMode: _, ...told } = properties;
  const ownSku = sku ?? { name: 'GP_S_Gen5', tier: 'GeneralPurpose', family: 'Gen5', capacity: 1 };
  return {
    id: `${server.id}/databases/${name}`,
    name,
    type: databaseType,
    location: server.location,
    kind: name === 'master' ? 'v12.0,system' : 'v12.0,user',
    tags: tags ?? {},
    sku: inPool ? { name: 'ElasticPool', tier: 'Standard', capacity: 0 } : ownSku,
    properties: {
      collation: 'SQL_Latin1_General_CP1_CI_AS',
      maxSizeBytes: 34_359_738_368,
      ...told,
      ...(inPool && { elasticPoolId }),
      status: 'Online',
      databaseId: name,
      defaultSecondaryLocation: server.location,
    },
  };
}

/** The routes and actions of databases and elastic pools. */
export function databaseRoutes(world: ArmWorld): ArmRoute[] {
  const { state, operations, lists, fleet, scope } = world;

  const find = async (server: Resource, wanted = ''): Promise<string | undefined> =>
    (await databaseNames(world, server)).find((each) => each.toLowerCase() === wanted.toLowerCase());
  const requireDatabase = async (parameters: PathParameters): Promise<[Resource, Resource]> => {
    const server = requireServer(world, parameters);
    const name = await find(server, parameters['database']);
    if (name === undefined) throw notFound(`${serverType}/${server.name}/databases/${parameters['database']}`);
    return [server, databaseResource(world, server, name)];
  };
  const requirePool = (parameters: PathParameters): Resource => {
    const server = requireServer(world, parameters);
    const pool = state.get(`${server.id}/elasticPools/${parameters['pool']}`);
    if (pool === undefined) throw notFound(`${serverType}/${server.name}/elasticPools/${parameters['pool']}`);
    return pool;
  };
  const databasesIn = async (server: Resource, pool: string): Promise<Resource[]> =>
    (await databaseNames(world, server))
      .map((name) => databaseResource(world, server, name))
      .filter((each) => String(each.properties['elasticPoolId']).toLowerCase() === pool.toLowerCase());

  const accept = (request: ServiceRequest, action: string, id: string, input?: unknown) => {
    const running = operations.running(id);
    if (running === undefined) return operations.accept(request, action, id, input);
    const message = `A conflicting operation on '${id}' is still in progress: ${running}.`;
    throw new ServiceError(409, 'ConflictingDatabaseOperation', message);
  };
  const requireQuota = (server: Resource, before: Resource | undefined, after: Resource): void => {
    const more = vCoresOf(after) - (before === undefined ? 0 : vCoresOf(before));
    if (more <= 0) return;
    const { currentValue, limit } = usageOf(world, server.location ?? '', 'RegionalVCoreQuotaForSQLDBAndDW');
    if (currentValue + more <= limit) return;
    const message = `Could not perform the operation because subscription would exceed the allowed vCore quota of ${limit}.`;
    throw new ServiceError(400, 'SubscriptionVcoreQuotaExceeded', message);
  };
  const requireRoomInPool = async (server: Resource, id: unknown, database: string): Promise<void> => {
    if (typeof id !== 'string' || id === '') return;
    const pool = state.get(id);
    if (pool === undefined || !id.toLowerCase().startsWith(`${server.id.toLowerCase()}/`)) {
      throw new ServiceError(404, 'TargetElasticPoolDoesNotExist', `The target elastic pool '${id}' does not exist.`);
    }
    const members = await databasesIn(server, id);
    if (members.length < databasesPerPool || members.some((each) => each.name === database)) return;
    const message = `The elastic pool '${pool.name}' has reached its limit of ${databasesPerPool} databases.`;
    throw new ServiceError(400, 'ElasticPoolDatabaseCountOverLimit', message);
  };
  /** What a change makes of a database: whoever gives it a size of its own takes it out of its pool. */
  const changed = (server: Resource, before: Resource, body: ResourceBody): Resource => {
    const leavesPool = body['sku'] !== undefined && body.properties['elasticPoolId'] === undefined;
    const { elasticPoolId, ...rest } = before.properties;
    const properties = { ...rest, ...(!leavesPool && { elasticPoolId }), ...body.properties };
    return newDatabase(server, before.name, { sku: before['sku'], tags: before.tags, ...body, properties });
  };
  const change = async (request: ServiceRequest, server: Resource, before: Resource, body: ResourceBody) => {
    if (before.name === 'master') throw systemDatabase();
    const after = changed(server, before, body);
    await requireRoomInPool(server, after.properties['elasticPoolId'], before.name);
    requireQuota(server, before, after);
    return accept(request, 'updateDatabase', before.id, after);
  };
  const serverOf = (id: string): Resource | undefined => state.get(id.split('/').slice(0, 9).join('/'));

  operations.define('createDatabase', async (id, input) => {
    const server = serverOf(id);
    if (server === undefined) throw notFound(id);
    const name = id.split('/').at(-1) ?? '';
    if (factsOf(world, server.name).backed) await fleet?.createDatabase(server.name, name);
    state.put(newDatabase(server, name, resourceBodySchema.parse(input)));
  });
  operations.define('updateDatabase', async (id, input) => {
    const after = resourceBodySchema.parse(input);
    const server = serverOf(id);
    if (server !== undefined) state.put(newDatabase(server, id.split('/').at(-1) ?? '', after));
  });
  operations.define('deleteDatabase', async (id) => {
    const server = serverOf(id);
    if (server === undefined) return;
    const name = id.split('/').at(-1) ?? '';
    if (factsOf(world, server.name).backed) await fleet?.deleteDatabase(server.name, name);
    state.remove(id);
  });
  operations.define('createPool', async (id, input) => {
    const server = serverOf(id);
    const name = id.split('/').at(-1) ?? '';
    if (server !== undefined) state.put(newPool(server, name, resourceBodySchema.parse(input)));
  });
  operations.define('deletePool', async (id) => state.remove(id));

  return [
    {
      name: 'listDatabases',
      method: 'GET',
      path: `${serverPath}/databases`,
      async handle(parameters, request) {
        const server = requireServer(world, parameters);
        const names = await databaseNames(world, server);
        return lists.page('listDatabases', request, names, (name) => databaseResource(world, server, name));
      },
    },
    {
      name: 'readDatabase',
      method: 'GET',
      path: databasePath,
      handle: async (parameters) => jsonResponse(200, (await requireDatabase(parameters))[1]),
    },
    {
      name: 'createDatabase',
      method: 'PUT',
      path: databasePath,
      async handle(parameters, request) {
        const server = requireServer(world, parameters);
        const wanted = parameters['database'] ?? '';
        const body = parsed(resourceBodySchema, request);
        const names = await databaseNames(world, server);
        const existing = names.find((each) => each.toLowerCase() === wanted.toLowerCase());
        if (existing !== undefined) return change(request, server, databaseResource(world, server, existing), body);
        if (!/^[^<>*%&:\\/?]{0,127}[^<>*%&:\\/?. ]$/.test(wanted)) {
          throw new ServiceError(400, 'InvalidResourceName', `The database name '${wanted}' is invalid.`);
        }
        if (names.length - 1 >= scope.databasesPerServer) {
          const message = `The server '${server.name}' has reached its limit of ${scope.databasesPerServer} databases.`;
          throw new ServiceError(400, 'ServerDatabaseLimitExceeded', message);
        }
        const created = newDatabase(server, wanted, body);
        await requireRoomInPool(server, body.properties['elasticPoolId'], wanted);
        requireQuota(server, undefined, created);
        return accept(request, 'createDatabase', created.id, body);
      },
    },
    {
      name: 'updateDatabase',
      method: 'PATCH',
      path: databasePath,
      async handle(parameters, request) {
        const [server, database] = await requireDatabase(parameters);
        return change(request, server, database, parsed(resourceBodySchema, request));
      },
    },
    {
      name: 'deleteDatabase',
      method: 'DELETE',
      path: databasePath,
      async handle(parameters, request) {
        const server = requireServer(world, parameters);
        const name = await find(server, parameters['database']);
        if (name === undefined) return { status: 204 };
        if (name === 'master') throw systemDatabase();
        if (claimedName.test(name)) {
          throw new ServiceError(409, 'ClaimedDatabase', `'${name}' exists only as a number that control has set.`);
        }
        return accept(request, 'deleteDatabase', `${server.id}/databases/${name}`);
      },
    },
    {
      name: 'listPools',
      method: 'GET',
      path: `${serverPath}/elasticPools`,
      handle: (parameters, request) =>
        lists.page('listPools', request, state.list(`${requireServer(world, parameters).id}/elasticPools`)),
    },
    {
      name: 'readPool',
      method: 'GET',
      path: poolPath,
      handle: (parameters) => jsonResponse(200, requirePool(parameters)),
    },
    ...(['PUT', 'PATCH'] as const).map((method): ArmRoute => ({
      name: 'createPool',
      method,
      path: poolPath,
      handle(parameters, request) {
        const server = requireServer(world, parameters);
        const name = parameters['pool'] ?? '';
        const before = method === 'PATCH' ? requirePool(parameters) : state.get(`${server.id}/elasticPools/${name}`);
        const body = parsed(resourceBodySchema, request);
        const merged = {
          ...{ sku: before?.['sku'], tags: before?.tags },
          ...body,
          properties: { ...before?.properties, ...body.properties },
        };
        const after = newPool(server, name, merged);
        requireQuota(server, before, after);
        return accept(request, 'createPool', after.id, merged);
      },
    })),
    {
      name: 'deletePool',
      method: 'DELETE',
      path: poolPath,
      async handle(parameters, request) {
        const server = requireServer(world, parameters);
        const pool = state.get(`${server.id}/elasticPools/${parameters['pool']}`);
        if (pool === undefined) return { status: 204 };
        if ((await databasesIn(server, pool.id)).length > 0) {
          throw new ServiceError(409, 'ElasticPoolNotEmpty', `The elastic pool '${pool.name}' contains databases.`);
        }
        return accept(request, 'deletePool', pool.id);
      },
    },
    {
      name: 'listPoolDatabases',
      method: 'GET',
      path: `${poolPath}/databases`,
      async handle(parameters, request) {
        const pool = requirePool(parameters);
        const members = await databasesIn(requireServer(world, parameters), pool.id);
        return lists.page('listPoolDatabases', request, members);
      },
    },
  ];
}

export function newPool(server: Resource, name: string, { tags, properties, sku }: ResourceBody): Resource {
  return {
    id: `${server.id}/elasticPools/${name}`,
    name,
    type: poolType,
    location: server.location,
    tags: tags ?? {},
    sku: sku ?? { name: 'GP_Gen5', tier: 'GeneralPurpose', family: 'Gen5', capacity: 2 },
    kind: 'vcore,pool',
    properties: { maxSizeBytes: 34_359_738_368, ...properties, state: 'Ready' },
  };
}

function systemDatabase(): ServiceError {
  return new ServiceError(400, 'CannotUseReservedDatabaseName', 'master is a system database.');
}
