import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { jsonResponse, type ServiceRequest } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { notFound, parsed } from './answers';
import { forgetVault, recoverable, rememberVault } from './deleted-vaults';
import { type ArmRoute, type PathParameters } from './router';
import { type Resource } from './state';
import {
  type ArmWorld,
  groupId,
  groupPath,
  groupType,
  requireGroup,
  requireLocation,
  requireSubscription,
  resourceBodySchema,
  type ResourceBody,
  subscriptionPath,
} from './world';

const workspaceType = 'Microsoft.Databricks/workspaces';
export const vaultType = 'Microsoft.KeyVault/vaults';
const deploymentType = 'Microsoft.Resources/deployments';
/** Of everything else there is a route of its own, or nothing. */
const types = [workspaceType, vaultType, deploymentType];

const policySchema = z.looseObject({ objectId: z.string() });
const vaultSchema = z.looseObject({
  tenantId: z.string(),
  sku: z.looseObject({ name: z.string() }),
  enableRbacAuthorization: z.boolean().optional(),
  accessPolicies: z.array(policySchema).default([]),
});
const templateSchema = z.object({
  resources: z.array(resourceBodySchema.extend({ type: z.string(), name: z.string() })).default([]),
  parameters: z.record(z.string(), z.looseObject({ defaultValue: z.unknown().optional() })).default({}),
  outputs: z.record(z.string(), z.looseObject({ type: z.string(), value: z.unknown() })).default({}),
});
const deploymentSchema = z.object({
  mode: z.enum(['Incremental', 'Complete']).default('Incremental'),
  template: templateSchema,
  parameters: z.record(z.string(), z.object({ value: z.unknown() })).default({}),
});

/** Resource groups, and the few types that are used through `@azure/arm-resources`: by their id, as generic resources. */
export function genericRoutes(world: ArmWorld): ArmRoute[] {
  const { state, operations, lists } = world;
  const requireType = ({ namespace = '', kind = '' }: PathParameters): string => {
    const wanted = `${namespace}/${kind}`;
    const type = types.find((each) => each.toLowerCase() === wanted.toLowerCase());
    if (type !== undefined) return type;
    throw new ServiceError(501, 'NotImplemented', `The embedded cloud does not support resources of type ${wanted}.`);
  };
  const idOf = (parameters: PathParameters): string =>
    `${requireGroup(world, parameters).id}/providers/${requireType(parameters)}/${parameters['name']}`;
  const requireResource = (parameters: PathParameters): Resource => {
    const id = idOf(parameters);
    const found = state.get(id);
    if (found === undefined) throw notFound(id);
    return found;
  };

  operations.define('createResource', (id, input) => putResource(world, id, resourceBodySchema.parse(input)));
  operations.define('deleteResource', async (id) => {
    const resource = state.get(id);
    state.remove(id);
    if (resource?.type !== vaultType) return;
    rememberVault(state, resource);
    await world.vaults?.ensure(resource.name, []);
  });
  operations.define('deploy', (id, input) => deploy(world, id, resourceBodySchema.parse(input)));

  const write = (request: ServiceRequest, parameters: PathParameters, body: ResourceBody) => {
    const id = idOf(parameters);
    if (requireType(parameters) === deploymentType) return operations.accept(request, 'deploy', id, body);
    requireLocation(world, body.location);
    if (requireType(parameters) === vaultType) {
      checkVault(body);
      if (state.get(id) === undefined) recoverable(state, id, body.properties?.['createMode']);
    }
    return operations.accept(request, 'createResource', id, body);
  };

  const resourcePath = `${groupPath}/providers/{namespace}/{kind}/{name}`;
  return [
    {
      name: 'listGroups',
      method: 'GET',
      path: `${subscriptionPath}/resourceGroups`,
      handle(parameters, request) {
        requireSubscription(world, parameters);
        return lists.page('listGroups', request, state.ofType(groupType));
      },
    },
    {
      name: 'readGroup',
      method: 'GET',
      path: groupPath,
      handle: (parameters) => jsonResponse(200, requireGroup(world, parameters)),
    },
    {
      name: 'createGroup',
      method: 'PUT',
      path: groupPath,
      handle(parameters, request) {
        requireSubscription(world, parameters);
        const id = groupId(world, parameters['group'] ?? '');
        const before = state.get(id);
        const body = parsed(resourceBodySchema, request);
        const location = requireLocation(world, body.location);
        if (before !== undefined && before.location !== location) {
          const message = `Invalid resource group location '${location}'. The Resource group already exists in location '${before.location}'.`;
          throw new ServiceError(409, 'InvalidResourceGroupLocation', message);
        }
        const name = before?.name ?? parameters['group'] ?? '';
        const tags = body.tags ?? {};
        state.put({ id, name, type: groupType, location, tags, properties: { provisioningState: 'Succeeded' } });
        return jsonResponse(before === undefined ? 201 : 200, state.get(id));
      },
    },
    {
      name: 'listResources',
      method: 'GET',
      path: `${groupPath}/resources`,
      handle: (parameters, request) =>
        lists.page('listResources', request, resourcesIn(world, requireGroup(world, parameters)), summary),
    },
    {
      name: 'listResources',
      method: 'GET',
      path: `${subscriptionPath}/resources`,
      handle(parameters, request) {
        requireSubscription(world, parameters);
        const all = state.ofType(groupType).flatMap((group) => resourcesIn(world, group));
        const type = /resourceType eq '([^']+)'/i.exec(request.query.get('$filter') ?? '')?.[1]?.toLowerCase();
        const chosen = type === undefined ? all : all.filter((each) => each.type.toLowerCase() === type);
        return lists.page('listResources', request, chosen, summary);
      },
    },
    {
      name: 'readResource',
      method: 'GET',
      path: resourcePath,
      handle: (parameters) => jsonResponse(200, requireResource(parameters)),
    },
    {
      name: 'createResource',
      method: 'PUT',
      path: resourcePath,
      handle: (parameters, request) => write(request, parameters, parsed(resourceBodySchema, request)),
    },
    {
      name: 'updateResource',
      method: 'PATCH',
      path: resourcePath,
      handle(parameters, request) {
        const before = requireResource(parameters);
        const body = parsed(resourceBodySchema, request);
        const properties = { ...before.properties, ...body.properties };
        return write(request, parameters, { location: before.location, tags: before.tags, ...body, properties });
      },
    },
    {
      name: 'deleteResource',
      method: 'DELETE',
      path: resourcePath,
      handle(parameters, request) {
        const id = idOf(parameters);
        return state.get(id) === undefined ? { status: 204 } : operations.accept(request, 'deleteResource', id);
      },
    },
    {
      name: 'changeAccessPolicies',
      method: 'PUT',
      path: `${groupPath}/providers/${vaultType}/{name}/accessPolicies/{change}`,
      async handle(parameters, request) {
        const vault = requireResource({ ...parameters, namespace: 'Microsoft.KeyVault', kind: 'vaults' });
        const body = z.object({ properties: z.object({ accessPolicies: z.array(policySchema) }) });
        const asked = parsed(body, request).properties.accessPolicies;
        const before = vaultSchema.parse(vault.properties).accessPolicies;
        const others = before.filter(({ objectId }) => !asked.some((each) => each.objectId === objectId));
        const change = parameters['change']?.toLowerCase();
        const accessPolicies = change === 'replace' ? asked : change === 'remove' ? others : [...others, ...asked];
        await putResource(world, vault.id, { ...vault, properties: { ...vault.properties, accessPolicies } });
        return jsonResponse(200, { id: `${vault.id}/accessPolicies/`, properties: { accessPolicies } });
      },
    },
  ];
}

/** As lists of resources tell them. */
function summary({ properties: _, ...told }: Resource): unknown {
  return told;
}

/** Vaults may be at other addresses after a restart. */
export async function reopenVaults(world: ArmWorld): Promise<void> {
  for (const vault of world.state.ofType(vaultType)) await putResource(world, vault.id, { ...vault });
}

function resourcesIn({ state }: ArmWorld, group: Resource): Resource[] {
  return [workspaceType, vaultType, 'Microsoft.Sql/servers', 'Microsoft.Sql/servers/databases']
    .flatMap((type) => state.ofType(type))
    .filter(({ id }) => id.toLowerCase().startsWith(`${group.id.toLowerCase()}/`));
}

function checkVault(body: ResourceBody): z.infer<typeof vaultSchema> {
  const result = vaultSchema.safeParse(body.properties);
  if (result.success) return result.data;
  throw new ServiceError(400, 'BadRequest', z.prettifyError(result.error));
}

/** Creates or replaces, as PUT does: access policies that are not said are gone. */
async function putResource(world: ArmWorld, id: string, body: ResourceBody): Promise<void> {
  const { state, vaults, workspaces, scope } = world;
  const [name = '', kind = '', namespace = ''] = id.split('/').reverse();
  const type = `${namespace}/${kind}`;
  const before = state.get(id);
  const added: Record<string, unknown> = { provisioningState: 'Succeeded' };
  if (type === vaultType) {
    const recovered = before === undefined ? recoverable(state, id, body.properties?.['createMode']) : undefined;
    if (recovered !== undefined) {
      forgetVault(state, name);
      return putResource(world, id, { ...recovered });
    }
    const { accessPolicies, enableRbacAuthorization = false } = checkVault(body);
    const objectIds = enableRbacAuthorization ? null : accessPolicies.map(({ objectId }) => objectId);
    const url = await vaults?.ensure(name, objectIds);
    Object.assign(added, { accessPolicies, vaultUri: `${url ?? `https://${name}.vault.azure.net`}/` });
  } else if (type === workspaceType) {
    const url = before?.properties['workspaceUrl'] ?? (await workspaces?.ensure(name));
    Object.assign(added, {
      workspaceId: before?.properties['workspaceId'] ?? String(parseInt(randomUUID().slice(0, 8), 16)),
      workspaceUrl: url ?? `adb-${name}.azuredatabricks.net`,
      createdDateTime: before?.properties['createdDateTime'] ?? new Date(world.clock.nowMs()).toISOString(),
    });
  }
  const { location, tags, sku, identity } = body;
  const optional = { ...(sku !== undefined && { sku }), ...(identity !== undefined && { identity }) };
  const properties = { ...body.properties, ...added };
  state.put({ id, name, type, location: location ?? scope.locations[0], tags: tags ?? {}, ...optional, properties });
}

/**
 * What a template creates, of the types above and without the expression language: only `[parameters('name')]` as a
 * whole value is understood. @throws ServiceError naming what is not.
 */
async function deploy(world: ArmWorld, id: string, body: ResourceBody): Promise<void> {
  const { state, clock } = world;
  const group = id.split('/').slice(0, 5).join('/');
  const put = (properties: Record<string, unknown>): void =>
    state.put({ id, name: id.split('/').at(-1) ?? '', type: deploymentType, properties });
  const { template, parameters, mode } = parsedDeployment(body.properties);
  const timestamp = new Date(clock.nowMs()).toISOString();
  const common = { mode, timestamp, correlationId: randomUUID(), parameters };
  try {
    const value = (parameter: string): unknown => {
      const known = parameters[parameter] ?? { value: template.parameters[parameter]?.defaultValue };
      if (known.value === undefined) throw invalidTemplate(`the parameter '${parameter}' has no value`);
      return known.value;
    };
    const outputResources = [];
    for (const raw of template.resources) {
      const resource = resourceBodySchema.extend({ type: z.string(), name: z.string() }).parse(evaluated(raw, value));
      if (!types.includes(resource.type) || resource.type === deploymentType) {
        throw invalidTemplate(`the embedded cloud deploys no ${resource.type}`);
      }
      const resourceId = `${group}/providers/${resource.type}/${resource.name}`;
      await putResource(world, resourceId, resource);
      outputResources.push({ id: resourceId });
    }
    const outputs = evaluated(template.outputs, value);
    put({ ...common, provisioningState: 'Succeeded', outputs, outputResources });
  } catch (error) {
    put({ ...common, provisioningState: 'Failed' });
    throw error;
  }
}

function parsedDeployment(properties: unknown): z.infer<typeof deploymentSchema> {
  const result = deploymentSchema.safeParse(properties);
  if (result.success) return result.data;
  throw invalidTemplate(z.prettifyError(result.error));
}

function evaluated(value: unknown, parameter: (name: string) => unknown): unknown {
  if (Array.isArray(value)) return value.map((each) => evaluated(each, parameter));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, evaluated(each, parameter)]));
  }
  if (typeof value !== 'string' || !/^\[(?!\[)/.test(value)) return value;
  const name = /^\[parameters\('([^']+)'\)\]$/.exec(value)?.[1];
  if (name === undefined) throw invalidTemplate(`the expression ${value} is not understood here`);
  return parameter(name);
}

function invalidTemplate(what: string): ServiceError {
  return new ServiceError(400, 'InvalidTemplate', `Deployment template validation failed: ${what}.`);
}
