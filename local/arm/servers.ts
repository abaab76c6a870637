import { z } from 'zod';
import { jsonResponse, type ServiceRequest, type ServiceResponse } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { parsed } from './answers';
import { type ArmRoute } from './router';
import { type Resource } from './state';
import { usageOf } from './usages';
import {
  type ArmWorld,
  factsOf,
  groupPath,
  newServer,
  noFacts,
  requireGroup,
  requireLocation,
  requireServer,
  requireSubscription,
  type ResourceBody,
  resourceBodySchema,
  serverCreationSchema,
  serverNamed,
  serverPath,
  serversInCreation,
  serversPath,
  serverType,
  setFacts,
  subscriptionPath,
  withPrincipal,
} from './world';

const nameSchema = z.object({ name: z.string(), type: z.literal(serverType) });
/** What a region does with new servers; changed by control. */
export const regionConditionSchema = z.strictObject({
  acceptsServers: z.boolean().default(true),
  code: z.string().default('RegionDoesNotAllowProvisioning'),
  message: z
    .string()
    .default("Location '{location}' is not accepting creation of new Azure SQL Database servers at this time."),
});
const busyNameSchema = z.number();

/** The routes and actions of `Microsoft.Sql/servers`. */
export function serverRoutes(world: ArmWorld): ArmRoute[] {
  const { state, operations, lists, fleet, clock } = world;

  /** Why nobody can have the name; undefined: it is free. */
  const nameTaken = (name: string): 'AlreadyExists' | undefined => {
    const busyUntilMs = state.note(`busyName/${name}`, busyNameSchema) ?? 0;
    const creating = serversInCreation(world).some((each) => each.name.toLowerCase() === name.toLowerCase());
    return serverNamed(world, name) !== undefined || creating || busyUntilMs > clock.nowMs()
      ? 'AlreadyExists'
      : undefined;
  };
  const accept = (request: ServiceRequest, action: string, id: string, input?: unknown): ServiceResponse => {
    const running = operations.running(id);
    if (running === undefined) return operations.accept(request, action, id, input);
    const message = `An operation on server '${id}' and related entities is in progress: ${running}.`;
    throw new ServiceError(409, 'ConflictingServerOperation', message);
  };

  const create = (
    request: ServiceRequest,
    id: string,
    group: string,
    name: string,
    body: ResourceBody,
  ): ServiceResponse => {
    if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) {
      const message = `Invalid server name '${name}': lower-case letters, digits and '-', which is neither first nor last.`;
      throw new ServiceError(400, 'InvalidServerName', message);
    }
    const location = requireLocation(world, body.location);
    const elsewhere = serverNamed(world, name);
    if (elsewhere !== undefined || (nameTaken(name) !== undefined && operations.running(id) === undefined)) {
      throw new ServiceError(409, 'NameAlreadyExists', `The name '${name}' already exists. Choose a different name.`);
    }
    const condition = state.note(`region/${location}`, regionConditionSchema);
    if (condition?.acceptsServers === false) {
      throw new ServiceError(400, condition.code, condition.message.replace('{location}', location));
    }
    requireAdministrator(body.properties);
    const quota = usageOf(world, location, 'ServerQuota');
    if (quota.currentValue >= quota.limit) {
      const message =
        'Server quota limit has been reached for this location. Please select a different location with lower server count.';
      throw new ServiceError(409, 'ServerQuotaExceeded', message);
    }
    return accept(request, 'createServer', id, { ...body, group, location, name });
  };
  const update = (request: ServiceRequest, server: Resource, body: ResourceBody): ServiceResponse => {
    if (body.location !== undefined && requireLocation(world, body.location) !== server.location) {
      const message = `The resource '${server.name}' already exists in location '${server.location}'. A resource with the same name cannot be created in location '${body.location}'.`;
      throw new ServiceError(409, 'InvalidResourceLocation', message);
    }
    return accept(request, 'updateServer', server.id, body);
  };

  operations.define('createServer', async (_id, input) => {
    const { group, location, name, tags, identity, properties } = serverCreationSchema.parse(input);
    await fleet?.createServer(name);
    setFacts(world, name, { ...noFacts, backed: fleet !== null });
    state.put(newServer(world, { group, location, name, tags, identity, properties }));
  });
  operations.define('updateServer', async (id, input) => {
    const server = state.get(id);
    if (server === undefined) return;
    const { tags = server.tags, identity, properties } = resourceBodySchema.parse(input);
    // Azure takes administrators at creation only; later they have resources of their own.
    const { administrators: _, administratorLoginPassword: __, ...changes } = properties;
    const next = { ...server, tags, properties: { ...server.properties, ...changes } };
    state.put({ ...next, ...(server['identity'] === undefined && withPrincipal(world, identity)) });
  });
  operations.define('deleteServer', async (id) => {
    const server = state.get(id);
    if (server !== undefined) await dropServer(world, server);
  });

  return [
    {
      name: 'listServers',
      method: 'GET',
      path: `${subscriptionPath}${serversPath}`,
      handle(parameters, request) {
        requireSubscription(world, parameters);
        return lists.page('listServers', request, state.ofType(serverType));
      },
    },
    {
      name: 'listServers',
      method: 'GET',
      path: `${groupPath}${serversPath}`,
      handle: (parameters, request) =>
        lists.page('listServers', request, state.list(`${requireGroup(world, parameters).id}${serversPath}`)),
    },
    {
      name: 'readServer',
      method: 'GET',
      path: serverPath,
      handle: (parameters) => jsonResponse(200, requireServer(world, parameters)),
    },
    {
      name: 'createServer',
      method: 'PUT',
      path: serverPath,
      handle(parameters, request) {
        const group = requireGroup(world, parameters);
        const name = parameters['server'] ?? '';
        const id = `${group.id}${serversPath}/${name}`;
        const server = state.get(id);
        const body = parsed(resourceBodySchema, request);
        return server === undefined ? create(request, id, group.name, name, body) : update(request, server, body);
      },
    },
    {
      name: 'updateServer',
      method: 'PATCH',
      path: serverPath,
      handle: (parameters, request) =>
        update(request, requireServer(world, parameters), parsed(resourceBodySchema, request)),
    },
    {
      name: 'deleteServer',
      method: 'DELETE',
      path: serverPath,
      handle(parameters, request) {
        const group = requireGroup(world, parameters);
        const server = state.get(`${group.id}${serversPath}/${parameters['server']}`);
        return server === undefined ? { status: 204 } : accept(request, 'deleteServer', server.id);
      },
    },
    {
      name: 'checkServerName',
      method: 'POST',
      path: `${subscriptionPath}/providers/Microsoft.Sql/checkNameAvailability`,
      handle(parameters, request) {
        requireSubscription(world, parameters);
        const { name } = parsed(nameSchema, request);
        const valid = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name);
        const reason = valid ? nameTaken(name) : 'Invalid';
        const message = reason === 'AlreadyExists' ? 'Specified server name is already used' : 'Invalid server name';
        return jsonResponse(200, { name, available: reason === undefined, ...(reason && { reason, message }) });
      },
    },
  ];
}

/** Ends a server, whoever wants it; its name stays taken for a while. */
export async function dropServer(world: ArmWorld, server: Resource): Promise<void> {
  const { state, fleet, clock, scope } = world;
  if (factsOf(world, server.name).backed) await fleet?.deleteServer(server.name);
  state.setNote(`busyName/${server.name}`, clock.nowMs() + scope.nameBusyMs);
  setFacts(world, server.name, undefined);
  state.remove(server.id);
}

/** As Azure, which creates no server that nobody could administer. */
function requireAdministrator(properties: Record<string, unknown>): void {
  const byPassword = z.object({ administratorLogin: z.string(), administratorLoginPassword: z.string() });
  const byEntra = z.object({
    administrators: z.looseObject({ login: z.string(), sid: z.guid(), azureADOnlyAuthentication: z.literal(true) }),
  });
  if (byPassword.safeParse(properties).success || byEntra.safeParse(properties).success) return;
  const message =
    'Invalid value given for parameter AdministratorLogin. Specify a valid parameter value: a login with a password, or Entra administrators with azureADOnlyAuthentication.';
  throw new ServiceError(400, 'InvalidParameterValue', message);
}
