import { z } from 'zod';
import { jsonBody, jsonResponse, type ServiceRequest, type ServiceResponse } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { type AsyncOperations } from './async-operations';
import { type ArmRoute } from './router';

/** The embedded fleet: what ARM shows is what really runs, and what it creates can be connected to. */
export interface ArmFleet {
  listServers(): Promise<readonly string[]>;
  /** Without `master`. */
  listDatabases(server: string): Promise<readonly string[]>;
  createDatabase(server: string, database: string): Promise<void>;
  deleteDatabase(server: string, database: string): Promise<void>;
  /** Absent: the servers are fixed, and ARM refuses to create or delete one. */
  createServer?(server: string): Promise<void>;
  deleteServer?(server: string): Promise<void>;
}

/** All servers of the fleet are in one subscription, one resource group and one region. */
export interface ArmScope {
  subscriptionId: string;
  resourceGroup: string;
  location: string;
  /** Servers that the region takes. */
  serverQuota: number;
}

const subscription = '/subscriptions/{subscription}';
const group = `${subscription}/resourceGroups/{group}`;
const servers = '/providers/Microsoft.Sql/servers';
const server = `${group}${servers}/{server}`;
const database = `${server}/databases/{database}`;
const pageSize = 100;

const newResourceSchema = z.looseObject({ location: z.string() });
const nameSchema = z.object({ name: z.string(), type: z.literal('Microsoft.Sql/servers') });

/** The routes of Microsoft.Sql that the product uses: servers, databases and usages. */
export function sqlRoutes(deps: { fleet: ArmFleet; scope: ArmScope; operations: AsyncOperations }): ArmRoute[] {
  const { fleet, scope, operations } = deps;
  const idOfServer = (name: string): string =>
    `/subscriptions/${scope.subscriptionId}/resourceGroups/${scope.resourceGroup}${servers}/${name}`;
  const serverResource = (name: string) => ({
    id: idOfServer(name),
    name,
    type: 'Microsoft.Sql/servers',
    location: scope.location,
    kind: 'v12.0',
    properties: { state: 'Ready', version: '12.0', fullyQualifiedDomainName: `${name}.database.windows.net` },
  });
  const databaseResource = (serverName: string, name: string) => ({
    id: `${idOfServer(serverName)}/databases/${name}`,
    name,
    type: 'Microsoft.Sql/servers/databases',
    location: scope.location,
    kind: name === 'master' ? 'v12.0,system' : 'v12.0,user',
    sku: { name: 'GP_S_Gen5', tier: 'GeneralPurpose', family: 'Gen5', capacity: 1 },
    properties: { status: 'Online', databaseId: name, defaultSecondaryLocation: scope.location },
  });

  const requireSubscription = (id = ''): void => {
    if (id.toLowerCase() === scope.subscriptionId.toLowerCase()) return;
    throw new ServiceError(404, 'SubscriptionNotFound', `The subscription '${id}' could not be found.`);
  };
  const requireGroup = ({ subscription: id, group: name = '' }: Readonly<Record<string, string>>): void => {
    requireSubscription(id);
    if (name.toLowerCase() === scope.resourceGroup.toLowerCase()) return;
    throw new ServiceError(404, 'ResourceGroupNotFound', `Resource group '${name}' could not be found.`);
  };
  const hasServer = async (name: string): Promise<string | undefined> =>
    (await fleet.listServers()).find((each) => each.toLowerCase() === name.toLowerCase());
  /** The server that a path names, in its own spelling. */
  const serverOf = async (parameters: Readonly<Record<string, string>>): Promise<string> => {
    requireGroup(parameters);
    const found = await hasServer(parameters['server'] ?? '');
    if (found === undefined) throw notFound(`Microsoft.Sql/servers/${parameters['server']}`);
    return found;
  };
  const databaseOf = async (parameters: Readonly<Record<string, string>>): Promise<[string, string | undefined]> => {
    const serverName = await serverOf(parameters);
    const wanted = parameters['database']?.toLowerCase();
    const names = ['master', ...(await fleet.listDatabases(serverName))];
    return [serverName, names.find((each) => each.toLowerCase() === wanted)];
  };

  const listServers = async (request: ServiceRequest): Promise<ServiceResponse> =>
    page(request, (await fleet.listServers()).map(serverResource));

  return [
    {
      name: 'listServers',
      method: 'GET',
      path: `${subscription}${servers}`,
      async handle(parameters, request) {
        requireSubscription(parameters['subscription']);
        return listServers(request);
      },
    },
    {
      name: 'listServers',
      method: 'GET',
      path: `${group}${servers}`,
      async handle(parameters, request) {
        requireGroup(parameters);
        return listServers(request);
      },
    },
    {
      name: 'readServer',
      method: 'GET',
      path: server,
      handle: async (parameters) => jsonResponse(200, serverResource(await serverOf(parameters))),
    },
    {
      name: 'createServer',
      method: 'PUT',
      path: server,
      async handle(parameters, request) {
        requireGroup(parameters);
        requireLocation(request, scope);
        const name = parameters['server'] ?? '';
        if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) {
          throw new ServiceError(400, 'InvalidServerName', `'${name}' is not a valid server name.`);
        }
        const existing = await hasServer(name);
        if (existing !== undefined) return jsonResponse(200, serverResource(existing));
        const create = fleet.createServer?.bind(fleet);
        if (create === undefined) throw fixedServers();
        if ((await fleet.listServers()).length >= scope.serverQuota) {
          throw new ServiceError(409, 'SubscriptionServerQuotaExceeded', 'The server quota of the region is used up.');
        }
        return operations.accept(request, scope.subscriptionId, () => create(name));
      },
    },
    {
      name: 'deleteServer',
      method: 'DELETE',
      path: server,
      async handle(parameters, request) {
        requireGroup(parameters);
        const existing = await hasServer(parameters['server'] ?? '');
        if (existing === undefined) return { status: 204 };
        const remove = fleet.deleteServer?.bind(fleet);
        if (remove === undefined) throw fixedServers();
        return operations.accept(request, scope.subscriptionId, () => remove(existing));
      },
    },
    {
      name: 'checkServerName',
      method: 'POST',
      path: `${subscription}/providers/Microsoft.Sql/checkNameAvailability`,
      async handle(parameters, request) {
        requireSubscription(parameters['subscription']);
        const { name } = parsed(nameSchema, request);
        const available = (await hasServer(name)) === undefined;
        return jsonResponse(200, { name, available, ...(available ? {} : { reason: 'AlreadyExists' }) });
      },
    },
    {
      name: 'listDatabases',
      method: 'GET',
      path: `${server}/databases`,
      async handle(parameters, request) {
        const serverName = await serverOf(parameters);
        const names = ['master', ...(await fleet.listDatabases(serverName))];
        return page(
          request,
          names.map((name) => databaseResource(serverName, name)),
        );
      },
    },
    {
      name: 'readDatabase',
      method: 'GET',
      path: database,
      async handle(parameters) {
        const [serverName, name] = await databaseOf(parameters);
        if (name === undefined)
          throw notFound(`Microsoft.Sql/servers/${serverName}/databases/${parameters['database']}`);
        return jsonResponse(200, databaseResource(serverName, name));
      },
    },
    {
      name: 'createDatabase',
      method: 'PUT',
      path: database,
      async handle(parameters, request) {
        const [serverName, existing] = await databaseOf(parameters);
        requireLocation(request, scope);
        if (existing !== undefined) return jsonResponse(200, databaseResource(serverName, existing));
        return operations.accept(request, scope.subscriptionId, () =>
          fleet.createDatabase(serverName, parameters['database'] ?? ''),
        );
      },
    },
    {
      name: 'deleteDatabase',
      method: 'DELETE',
      path: database,
      async handle(parameters, request) {
        const [serverName, existing] = await databaseOf(parameters);
        if (existing === undefined) return { status: 204 };
        if (existing === 'master')
          throw new ServiceError(400, 'CannotDeleteSystemDatabase', 'master cannot be deleted.');
        return operations.accept(request, scope.subscriptionId, () => fleet.deleteDatabase(serverName, existing));
      },
    },
    {
      name: 'listUsages',
      method: 'GET',
      path: `${subscription}/providers/Microsoft.Sql/locations/{location}/usages`,
      async handle(parameters) {
        requireSubscription(parameters['subscription']);
        const location = parameters['location'] ?? '';
        if (location.toLowerCase() !== scope.location.toLowerCase()) {
          throw new ServiceError(400, 'InvalidLocation', `The location '${location}' is invalid.`);
        }
        const properties = {
          displayName: 'Regional Server Quota',
          currentValue: (await fleet.listServers()).length,
          limit: scope.serverQuota,
          unit: 'Count',
        };
        const id = `/subscriptions/${scope.subscriptionId}/providers/Microsoft.Sql/locations/${scope.location}/usages/ServerQuota`;
        const type = 'Microsoft.Sql/locations/usages';
        return jsonResponse(200, { value: [{ id, name: 'ServerQuota', type, properties }] });
      },
    },
  ];
}

function requireLocation(request: ServiceRequest, scope: ArmScope): void {
  const { location } = parsed(newResourceSchema, request);
  if (location.toLowerCase().replaceAll(' ', '') === scope.location.toLowerCase()) return;
  throw new ServiceError(
    400,
    'LocationNotAvailableForResourceType',
    `The embedded cloud has one region: ${scope.location}.`,
  );
}

/** Part of a list, with a link to the next part. */
function page(request: ServiceRequest, resources: readonly unknown[]): ServiceResponse {
  const start = Number(request.query.get('$skiptoken') ?? 0);
  const end = start + pageSize;
  const query = `api-version=${request.query.get('api-version') ?? ''}&$skiptoken=${end}`;
  const nextLink = end < resources.length ? { nextLink: `${request.origin}${request.path}?${query}` } : {};
  return jsonResponse(200, { value: resources.slice(start, end), ...nextLink });
}

function parsed<T>(schema: z.ZodType<T>, request: ServiceRequest): T {
  const result = schema.safeParse(jsonBody(request));
  if (result.success) return result.data;
  throw new ServiceError(400, 'InvalidRequestContent', z.prettifyError(result.error));
}

function notFound(resource: string): ServiceError {
  return new ServiceError(404, 'ResourceNotFound', `The Resource '${resource}' was not found.`);
}

function fixedServers(): ServiceError {
  return new ServiceError(409, 'ServersAreFixed', 'This embedded fleet was started with a fixed set of servers.');
}
