import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type Clock } from '../../lib/platform/clock';
import { ServiceError } from '../network/service-error';
import { type ServiceRequest } from '../network/http-service';
import { type Activity, type Caller } from './activity';
import { notFound, type Lists } from './answers';
import { type Operations } from './operations';
import { type PathParameters } from './router';
import { type ArmState, type Resource } from './state';

/** The embedded fleet: what ARM shows is what really runs, and what it creates can be connected to. */
export interface ArmFleet {
  /** Logical servers by their ARM name, without a domain. */
  listServers(): Promise<readonly string[]>;
  /** Without `master`. */
  listDatabases(server: string): Promise<readonly string[]>;
  createDatabase(server: string, database: string): Promise<void>;
  deleteDatabase(server: string, database: string): Promise<void>;
  createServer(server: string): Promise<void>;
  deleteServer(server: string): Promise<void>;
}

/** Makes vaults that secrets can be kept in. */
export interface ArmVaults {
  /** Idempotent. `objectIds`: who may use it; null: everybody with a token. Resolves to the vault's address. */
  ensure(vault: string, objectIds: readonly string[] | null): Promise<string>;
}

/** Where Databricks workspaces are. */
export interface ArmWorkspaces {
  /** Idempotent. Resolves to the host (and port) that the workspace is reached at, without a scheme. */
  ensure(workspace: string): Promise<string>;
}

/** What there is of Azure: one subscription, its regions, and the resource group that exists from the start. */
export interface ArmScope {
  subscriptionId: string;
  tenantId: string;
  resourceGroup: string;
  /** The first one is that of the fleet which exists from the start. */
  locations: readonly string[];
  /** Servers that each region takes. */
  serverQuota: number;
  vCoreQuota: number;
  databasesPerServer: number;
  /** After the deletion of a server nobody can take its name for this long. */
  nameBusyMs: number;
  /** Domain of the logical servers, with its dot. */
  serverSuffix: string;
}

/** What all routes share. */
export interface ArmWorld {
  state: ArmState;
  operations: Operations;
  lists: Lists;
  activity: Activity;
  /** Whose token a request came with. */
  callerOf(request: ServiceRequest): Caller | null;
  clock: Clock;
  scope: ArmScope;
  /** Left out: nothing of what ARM shows can be connected to. */
  fleet: ArmFleet | null;
  /** Left out: vaults and workspaces have addresses where nothing answers. */
  vaults: ArmVaults | null;
  workspaces: ArmWorkspaces | null;
}

const factsSchema = z.object({
  /** The fleet runs it. Others only exist as far as ARM tells. */
  backed: z.boolean(),
  /** Databases that it claims to have beside those that exist. */
  claimed: z.int(),
  /** Elastic pools, in turn, that those are in. */
  claimedPools: z.array(z.string()),
});
export type ServerFacts = z.infer<typeof factsSchema>;
export const noFacts: ServerFacts = { backed: false, claimed: 0, claimedPools: [] };

/** What clients send to create or change a resource. */
export const resourceBodySchema = z.looseObject({
  location: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  identity: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).default({}),
});
export type ResourceBody = z.infer<typeof resourceBodySchema>;
export const serverCreationSchema = resourceBodySchema.extend({
  group: z.string(),
  location: z.string(),
  name: z.string(),
});

export const serverType = 'Microsoft.Sql/servers';
export const subscriptionPath = '/subscriptions/{subscription}';
export const groupPath = `${subscriptionPath}/resourceGroups/{group}`;
export const serversPath = `/providers/${serverType}`;
export const serverPath = `${groupPath}${serversPath}/{server}`;
export const groupType = 'Microsoft.Resources/resourceGroups';

export function requireSubscription({ scope }: ArmWorld, { subscription: id = '' }: PathParameters): void {
  if (id.toLowerCase() === scope.subscriptionId.toLowerCase()) return;
  throw new ServiceError(404, 'SubscriptionNotFound', `The subscription '${id}' could not be found.`);
}

/** @returns the group in its own spelling. */
export function requireGroup(world: ArmWorld, parameters: PathParameters): Resource {
  requireSubscription(world, parameters);
  const group = world.state.get(groupId(world, parameters['group'] ?? ''));
  if (group !== undefined) return group;
  throw new ServiceError(404, 'ResourceGroupNotFound', `Resource group '${parameters['group']}' could not be found.`);
}

export function groupId({ scope }: ArmWorld, group: string): string {
  return `/subscriptions/${scope.subscriptionId}/resourceGroups/${group}`;
}

/** A region by any of its spellings: `West Europe`, `westeurope`. @throws ServiceError 400 when there is none. */
export function requireLocation({ scope }: ArmWorld, location = ''): string {
  const wanted = location.toLowerCase().replaceAll(' ', '');
  const found = scope.locations.find((each) => each === wanted);
  if (found !== undefined) return found;
  const message = `The location '${location}' is invalid; the embedded cloud has ${scope.locations.join(', ')}.`;
  throw new ServiceError(400, 'InvalidLocation', message);
}

/** Names of servers are unique in the world, whatever the group. */
export function serverNamed(world: ArmWorld, name: string): Resource | undefined {
  return world.state.ofType(serverType).find((server) => server.name.toLowerCase() === name.toLowerCase());
}

/** They have their names already, and count. */
export function serversInCreation({ operations }: ArmWorld): { name: string; location: string }[] {
  return operations.inputsOf('createServer').map((input) => serverCreationSchema.parse(input));
}

/** The server that a path names. */
export function requireServer(world: ArmWorld, parameters: PathParameters): Resource {
  const group = requireGroup(world, parameters);
  const server = world.state.get(`${group.id}${serversPath}/${parameters['server']}`);
  if (server === undefined) throw notFound(`${serverType}/${parameters['server']}`);
  return server;
}

export function factsOf({ state }: ArmWorld, server: string): ServerFacts {
  return state.note(`server/${server}`, factsSchema) ?? noFacts;
}

export function setFacts({ state }: ArmWorld, server: string, facts: ServerFacts | undefined): void {
  state.setNote(`server/${server}`, facts);
}

type NewServer = Pick<
  z.infer<typeof serverCreationSchema>,
  'group' | 'location' | 'name' | 'tags' | 'identity' | 'properties'
>;

/** A server as ARM shows it right after its creation, with the defaults of what was not said. */
export function newServer(world: ArmWorld, { group, location, name, tags, identity, properties }: NewServer): Resource {
  const { administratorLoginPassword: _, ...told } = properties;
  const entra = z.looseObject({ administrators: z.looseObject({}) }).safeParse(told);
  return {
    id: `${groupId(world, group)}${serversPath}/${name}`,
    name,
    type: serverType,
    location,
    kind: 'v12.0',
    tags: tags ?? {},
    ...withPrincipal(world, identity),
    properties: {
      // Azure names the login that nobody can use.
      administratorLogin: `CloudSA${randomUUID().slice(0, 8)}`,
      version: '12.0',
      minimalTlsVersion: 'None',
      publicNetworkAccess: 'Enabled',
      restrictOutboundNetworkAccess: 'Disabled',
      privateEndpointConnections: [],
      ...told,
      ...(entra.success && {
        administrators: {
          ...{ administratorType: 'ActiveDirectory', principalType: 'Group', tenantId: world.scope.tenantId },
          azureADOnlyAuthentication: false,
          ...entra.data.administrators,
        },
      }),
      state: 'Ready',
      fullyQualifiedDomainName: `${name}${world.scope.serverSuffix}`,
    },
  };
}

/** An identity that the system assigns has a principal as soon as it is asked for. */
export function withPrincipal({ scope }: ArmWorld, identity: unknown): { identity?: Record<string, unknown> } {
  const result = z.looseObject({ type: z.string() }).safeParse(identity);
  if (!result.success) return {};
  const assigned = result.data.type.includes('SystemAssigned');
  return {
    identity: { ...result.data, ...(assigned && { principalId: randomUUID(), tenantId: scope.tenantId }) },
  };
}
