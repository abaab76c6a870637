import { z } from 'zod';
import { jsonResponse, type ServiceRequest } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { notFound, parsed } from './answers';
import { type ArmRoute, type PathParameters } from './router';
import { type Resource } from './state';
import { type ArmWorld, requireServer, serverPath, serverType } from './world';

/** A kind of setting below a server, with a name of its own. */
interface SettingKind {
  segment: string;
  /** The only name; null: any. */
  name: string | null;
  schema: z.ZodType<Record<string, unknown>>;
  /** What a setting is that nobody has written; left out: it is not there then. */
  defaults?: Record<string, unknown>;
  /** What the service adds. */
  added?: Record<string, unknown>;
  /** Answers at once instead of with an operation. */
  immediate?: boolean;
  removable?: boolean;
}

const address = z.ipv4();
const switched = z.enum(['Enabled', 'Disabled']);
const kinds: SettingKind[] = [
  {
    segment: 'firewallRules',
    name: null,
    schema: z.looseObject({ startIpAddress: address, endIpAddress: address }),
    immediate: true,
    removable: true,
  },
  {
    segment: 'virtualNetworkRules',
    name: null,
    schema: z.looseObject({ virtualNetworkSubnetId: z.string() }),
    added: { state: 'Ready' },
    removable: true,
  },
  {
    segment: 'extendedAuditingSettings',
    name: 'default',
    schema: z
      .looseObject({
        state: switched,
        storageEndpoint: z.string().optional(),
        isAzureMonitorTargetEnabled: z.boolean().optional(),
        auditActionsAndGroups: z
          .array(z.string())
          .default([
            'SUCCESSFUL_DATABASE_AUTHENTICATION_GROUP',
            'FAILED_DATABASE_AUTHENTICATION_GROUP',
            'BATCH_COMPLETED_GROUP',
          ]),
      })
      .refine(
        ({ state, storageEndpoint, isAzureMonitorTargetEnabled }) =>
          state === 'Disabled' || isAzureMonitorTargetEnabled === true || storageEndpoint !== undefined,
        'enabled auditing needs a storageEndpoint or isAzureMonitorTargetEnabled',
      ),
    defaults: { state: 'Disabled', isAzureMonitorTargetEnabled: false, auditActionsAndGroups: [], retentionDays: 0 },
  },
  {
    segment: 'advancedThreatProtectionSettings',
    name: 'Default',
    schema: z.looseObject({ state: switched }),
    defaults: { state: 'Disabled' },
  },
  {
    segment: 'securityAlertPolicies',
    name: 'Default',
    schema: z.looseObject({ state: switched }),
    defaults: { state: 'Disabled', disabledAlerts: [], emailAddresses: [], emailAccountAdmins: false },
  },
  {
    segment: 'sqlVulnerabilityAssessments',
    name: 'default',
    schema: z.looseObject({ state: switched }),
    defaults: { state: 'Disabled' },
    immediate: true,
    removable: true,
  },
];

const administratorSchema = z.looseObject({
  administratorType: z.literal('ActiveDirectory'),
  login: z.string(),
  sid: z.guid(),
  tenantId: z.guid().optional(),
});
const entraOnlySchema = z.looseObject({ azureADOnlyAuthentication: z.boolean() });
const administratorsOf = (server: Resource): Record<string, unknown> | undefined =>
  z.record(z.string(), z.unknown()).safeParse(server.properties['administrators']).data;

/** Settings that ARM keeps below servers. Their fault names are `list`, `read`, `write` and `delete` before the segment. */
export function serverSettingRoutes(world: ArmWorld): ArmRoute[] {
  return [...kinds.flatMap((kind) => routesOf(world, kind)), ...entraRoutes(world)];
}

export function settingResource(
  world: ArmWorld,
  server: Resource,
  segment: string,
  name: string,
): Resource | undefined {
  const id = `${server.id}/${segment}/${name}`;
  const defaults = kinds.find((kind) => kind.segment === segment)?.defaults;
  const known = world.state.get(id);
  if (known !== undefined || defaults === undefined) return known;
  return { id, name, type: `${serverType}/${segment}`, properties: defaults };
}

function routesOf(world: ArmWorld, kind: SettingKind): ArmRoute[] {
  const { state, operations, lists } = world;
  const { segment, schema, added, immediate = false, removable = false } = kind;
  const collection = `${serverPath}/${segment}`;
  const spelled = (parameters: PathParameters): string => {
    const name = parameters['name'] ?? '';
    if (kind.name === null || kind.name.toLowerCase() === name.toLowerCase()) return kind.name ?? name;
    throw new ServiceError(400, 'InvalidResourceName', `${segment} has only '${kind.name}'.`);
  };
  const action = `write ${segment}`;
  const putSchema = z.object({ properties: schema });
  operations.define(action, async (id, input) => {
    const server = state.get(id.split('/').slice(0, 9).join('/'));
    if (server === undefined) throw notFound(id);
    const name = id.split('/').at(-1) ?? '';
    state.put({ id, name, type: `${serverType}/${segment}`, properties: { ...schema.parse(input), ...added } });
  });
  const all = (server: Resource): Resource[] => {
    const single = kind.name === null ? undefined : settingResource(world, server, segment, kind.name);
    return single === undefined ? state.list(`${server.id}/${segment}`) : [single];
  };
  return [
    {
      name: `list ${segment}`,
      method: 'GET',
      path: collection,
      handle: (parameters, request) => lists.page(`list ${segment}`, request, all(requireServer(world, parameters))),
    },
    {
      name: `read ${segment}`,
      method: 'GET',
      path: `${collection}/{name}`,
      handle(parameters) {
        const server = requireServer(world, parameters);
        const found = settingResource(world, server, segment, spelled(parameters));
        if (found === undefined) throw notFound(`${serverType}/${server.name}/${segment}/${parameters['name']}`);
        return jsonResponse(200, found);
      },
    },
    {
      name: action,
      method: 'PUT',
      path: `${collection}/{name}`,
      handle(parameters, request) {
        const id = `${requireServer(world, parameters).id}/${segment}/${spelled(parameters)}`;
        const { properties } = parsed(putSchema, request);
        if (!immediate) return operations.accept(request, action, id, properties);
        const name = spelled(parameters);
        state.put({ id, name, type: `${serverType}/${segment}`, properties: { ...properties, ...added } });
        world.activity.add(`${serverType}/${segment}/write`, id, true, world.callerOf(request));
        return jsonResponse(200, state.get(id));
      },
    },
    ...(removable
      ? [
          {
            name: `delete ${segment}`,
            method: 'DELETE',
            path: `${collection}/{name}`,
            handle(parameters: PathParameters, request: ServiceRequest) {
              const id = `${requireServer(world, parameters).id}/${segment}/${spelled(parameters)}`;
              const existed = state.get(id) !== undefined;
              state.remove(id);
              if (existed) world.activity.add(`${serverType}/${segment}/delete`, id, true, world.callerOf(request));
              return { status: existed ? 200 : 204 };
            },
          },
        ]
      : []),
  ];
}

/** The Entra administrator and "Entra only" are views of one property of the server, each writable on its own. */
function entraRoutes(world: ArmWorld): ArmRoute[] {
  const { state, operations, lists } = world;
  const change = (
    id: string,
    edit: (before: Record<string, unknown> | undefined) => Record<string, unknown> | undefined,
  ) => {
    const server = state.get(id.split('/').slice(0, 9).join('/'));
    if (server === undefined) throw notFound(id);
    const { administrators: _, ...rest } = server.properties;
    const administrators = edit(administratorsOf(server));
    state.put({ ...server, properties: { ...rest, ...(administrators !== undefined && { administrators }) } });
  };
  const requireAdministrators = (server: Resource): Record<string, unknown> => {
    const administrators = administratorsOf(server);
    if (administrators !== undefined) return administrators;
    const message = `The server '${server.name}' has no Entra administrator, which Entra-only authentication needs.`;
    throw new ServiceError(400, 'AadOnlyAuthenticationIsNotSupported', message);
  };
  operations.define('write administrators', async (id, input) =>
    change(id, (before) => ({
      ...{ tenantId: world.scope.tenantId, azureADOnlyAuthentication: before?.['azureADOnlyAuthentication'] ?? false },
      ...administratorSchema.parse(input),
    })),
  );
  operations.define('delete administrators', async (id) => change(id, () => undefined));
  operations.define('write azureADOnlyAuthentications', async (id, input) =>
    change(id, (before) => ({ ...before, ...entraOnlySchema.parse(input) })),
  );
  const views = [
    {
      segment: 'administrators',
      name: 'ActiveDirectory',
      schema: administratorSchema,
      propertiesOf: administratorsOf,
      check: () => undefined,
    },
    {
      segment: 'azureADOnlyAuthentications',
      name: 'Default',
      schema: entraOnlySchema,
      propertiesOf: (server: Resource) => ({
        azureADOnlyAuthentication: administratorsOf(server)?.['azureADOnlyAuthentication'] ?? false,
      }),
      check: requireAdministrators,
    },
  ];
  return views.flatMap(({ segment, name, schema, propertiesOf, check }): ArmRoute[] => {
    const viewOf = (server: Resource): Resource[] => {
      const properties = propertiesOf(server);
      const id = `${server.id}/${segment}/${name}`;
      return properties === undefined ? [] : [{ id, name, type: `${serverType}/${segment}`, properties }];
    };
    const path = `${serverPath}/${segment}/${name}`;
    return [
      {
        name: `list ${segment}`,
        method: 'GET',
        path: `${serverPath}/${segment}`,
        handle: (parameters, request) =>
          lists.page(`list ${segment}`, request, viewOf(requireServer(world, parameters))),
      },
      {
        name: `read ${segment}`,
        method: 'GET',
        path,
        handle(parameters) {
          const server = requireServer(world, parameters);
          const [view] = viewOf(server);
          if (view === undefined) throw notFound(`${serverType}/${server.name}/${segment}/${name}`);
          return jsonResponse(200, view);
        },
      },
      {
        name: `write ${segment}`,
        method: 'PUT',
        path,
        handle(parameters, request) {
          const server = requireServer(world, parameters);
          const { properties } = parsed(z.object({ properties: schema }), request);
          check(server);
          return operations.accept(request, `write ${segment}`, `${server.id}/${segment}/${name}`, properties);
        },
      },
      ...(segment === 'administrators'
        ? [
            {
              name: `delete ${segment}`,
              method: 'DELETE',
              path,
              handle: (parameters: PathParameters, request) =>
                operations.accept(
                  request,
                  `delete ${segment}`,
                  `${requireServer(world, parameters).id}/${segment}/${name}`,
                ),
            } satisfies ArmRoute,
          ]
        : []),
    ];
  });
}
