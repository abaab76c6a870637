import { type AzureCounts } from '../../lib/platform/azure-counts';
import { azureError } from '../../lib/platform/azure-errors';
import { type ArmServer, type AzureSql, type LongOperation, type ServerDefinition } from '../../lib/platform/azure-sql';
import { type DiagnosticSettings, type FirewallRule } from '../../lib/platform/azure-sql-security';

interface SimulatedServer extends ArmServer {
  databases: Map<string, Record<string, string>>;
  /** Databases that are counted without being there one by one. */
  bulk: number;
  entraOnly: boolean;
  auditing: { state: string; isAzureMonitorTargetEnabled: boolean; auditActionsAndGroups: string[] } | null;
  diagnostics: DiagnosticSettings | null;
  threatProtection: string | null;
  assessment: string | null;
  baselines: Record<string, string[][]>;
  firewall: FirewallRule[];
}

/**
 * Azure in memory, as far as capacity asks of it: for crashes at every single call, for years, and for fleets that would take a
 * real wire minutes. What the wire looks like is the business of the stand-in and its tests.
 */
export function createSimulatedAzure(
  options: { region?: string; serverQuota?: number; nowMs?: () => number; creationMs?: number } = {},
) {
  const { region = 'westeurope', nowMs = () => 0, creationMs = 0 } = options;
  let quota = { limit: options.serverQuota ?? 250 };
  const servers = new Map<string, SimulatedServer>();
  const operations = new Map<string, { readyAtMs: number; finish: () => void; failure: string | null }>();
  const calls: string[] = [];
  const puts: string[] = [];
  const failures: { call: string; error: Error; times: number }[] = [];
  let around = async <T>(_call: string, run: () => Promise<T>): Promise<T> => run();
  let truncated = 0;
  let operationFailure: string | null = null;
  let taken = new Set<string>();

  const call = <T>(name: string, subject: string, run: () => T): Promise<T> =>
    around(`${name} ${subject}`, async () => {
      calls.push(`${name} ${subject}`);
      const failure = failures.find((each) => `${name} ${subject}`.startsWith(each.call) && each.times > 0);
      if (failure !== undefined) {
        failure.times -= 1;
        throw azureError(failure.error, name);
      }
      return run();
    });
  const serverOf = (name: string): SimulatedServer => {
    const server = servers.get(name);
    if (server === undefined) throw azureError(httpError(404, 'ResourceNotFound', `no server ${name}`), 'find it');
    return server;
  };
  const newServer = (
    name: string,
    group: string,
    tags: Record<string, string>,
    location = region,
  ): SimulatedServer => ({
    id: `/subscriptions/s/resourceGroups/${group}/providers/Microsoft.Sql/servers/${name}`,
    name,
    region: location,
    resourceGroup: group,
    tags: { ...tags },
    state: 'Ready',
    fullyQualifiedDomainName: `${name}.database.windows.net`,
    minimalTlsVersion: null,
    publicNetworkAccess: 'Enabled',
    restrictOutboundNetworkAccess: 'Disabled',
    databases: new Map(),
    bulk: 0,
    entraOnly: false,
    auditing: null,
    diagnostics: null,
    threatProtection: null,
    assessment: null,
    baselines: {},
    firewall: [],
  });
  const started = (finish: () => void): LongOperation => {
    const id = `operation-${operations.size + 1}`;
    operations.set(id, { readyAtMs: nowMs() + creationMs, finish, failure: operationFailure });
    operationFailure = null;
    return creationMs === 0 ? polled(id) : { done: false, poller: id };
  };
  const polled = (id: string): LongOperation => {
    const operation = operations.get(id);
    if (operation === undefined) throw azureError(httpError(404, 'OperationNotFound', 'unknown operation'), 'poll');
    if (operation.readyAtMs > nowMs()) return { done: false, poller: id };
    if (operation.failure !== null) {
      throw azureError(
        new Error(`The long-running operation has failed. ${operation.failure}. simulated`),
        'create it',
      );
    }
    operation.finish();
    return { done: true };
  };
  const create = (group: string, name: string, definition: ServerDefinition, poller: string | null): LongOperation => {
    if (poller !== null) return polled(poller);
    puts.push(name);
    if (servers.has(name)) return { done: true };
    const used = [...servers.values()].filter((each) => each.region === definition.region).length;
    if (used >= quota.limit)
      throw azureError(httpError(409, 'SubscriptionServerQuotaExceeded', 'quota limit reached'), 'create');
    return started(() => {
      if (servers.has(name)) return;
      const { minimalTlsVersion, publicNetworkAccess } = definition;
      const created = {
        ...newServer(name, group, definition.tags, definition.region),
        minimalTlsVersion,
        publicNetworkAccess,
      };
      created.entraOnly = definition.administrators.azureADOnlyAuthentication;
      servers.set(name, created);
    });
  };
  const listed = (): SimulatedServer[] =>
    [...servers.values()].slice(0, truncated > 0 ? servers.size - truncated : undefined);

  const azure: AzureSql = {
    listServers: () => call('listServers', '', () => listed().map((server) => ({ ...server }))),
    readServer: (_group, name) => call('readServer', name, () => servers.get(name) ?? null),
    nameTaken: (name) => call('nameTaken', name, () => (taken.has(name) || servers.has(name) ? 'AlreadyExists' : null)),
    createServer: (group, name, definition, poller) =>
      call(poller === null ? 'putServer' : 'pollServer', name, () => create(group, name, definition, poller)),
    countDatabases: (_group, name) =>
      call('countDatabases', name, () => serverOf(name).databases.size + serverOf(name).bulk),
    serverUsages: (_group, name) => call('serverUsages', name, () => []),
    regionalUsages: (location) =>
      call('regionalUsages', location, () => [
        {
          name: 'ServerQuota',
          value: [...servers.values()].filter((each) => each.region === location).length,
          limit: quota.limit,
        },
        { name: 'RegionalVCoreQuotaForSQLDBAndDW', value: 10, limit: 2_000 },
      ]),
    readDatabase: (_group, name, database) =>
      call('readDatabase', `${name}/${database}`, () => {
        const tags = serverOf(name).databases.get(database);
        return tags === undefined ? null : { tags, elasticPoolId: null };
      }),
    createDatabase: (_group, name, database, definition, poller) =>
      call(poller === null ? 'putDatabase' : 'pollDatabase', `${name}/${database}`, () => {
        if (poller !== null) return polled(poller);
        const server = serverOf(name);
        return started(() => void server.databases.set(database, definition.tags));
      }),
    listElasticPools: (_group, name) => call('listElasticPools', name, () => []),
    listPooledDatabases: (_group, name, pool) => call('listPooledDatabases', `${name}/${pool}`, () => []),
    moveToPool: (_group, name, database) => call('moveToPool', `${name}/${database}`, () => undefined),

    updateServer: (_group, name, settings) =>
      call('updateServer', name, () => void Object.assign(serverOf(name), settings)),
    entraOnly: (_group, name) => call('entraOnly', name, () => serverOf(name).entraOnly),
    requireEntraOnly: (_group, name) => call('requireEntraOnly', name, () => void (serverOf(name).entraOnly = true)),
    firewallRules: (_group, name) => call('firewallRules', name, () => serverOf(name).firewall),
    putFirewallRule: (_group, name, rule) =>
      call('putFirewallRule', name, () => void serverOf(name).firewall.push(rule)),
    virtualNetworkRules: (_group, name) => call('virtualNetworkRules', name, () => []),
    putVirtualNetworkRule: (_group, name) => call('putVirtualNetworkRule', name, () => undefined),
    auditing: (_group, name) => call('auditing', name, () => serverOf(name).auditing),
    setAuditing: (_group, name, settings) => call('setAuditing', name, () => void (serverOf(name).auditing = settings)),
    diagnostics: (id) => call('diagnostics', nameIn(id), () => serverOf(nameIn(id)).diagnostics),
    setDiagnostics: (id, settings) =>
      call('setDiagnostics', nameIn(id), () => void (serverOf(nameIn(id)).diagnostics = settings)),
    threatProtection: (_group, name) => call('threatProtection', name, () => serverOf(name).threatProtection),
    enableThreatProtection: (_group, name) =>
      call('enableThreatProtection', name, () => void (serverOf(name).threatProtection = 'Enabled')),
    vulnerabilityAssessment: (_group, name) => call('vulnerabilityAssessment', name, () => serverOf(name).assessment),
    enableVulnerabilityAssessment: (_group, name) =>
      call('enableVulnerabilityAssessment', name, () => void (serverOf(name).assessment = 'Enabled')),
    baselines: (_group, name) => call('baselines', name, () => serverOf(name).baselines),
    setBaselines: (_group, name, baselines) =>
      call('setBaselines', name, () => void (serverOf(name).baselines = baselines)),
  };
  const counts: AzureCounts = {
    databasesPerServer: () =>
      call('databasesPerServer', '', () => {
        const counted = [...servers.values()].map(
          ({ name, bulk, databases }) => [name, bulk + databases.size] as const,
        );
        return new Map(counted.filter(([, count]) => count > 0));
      }),
  };
  return {
    azure,
    counts,
    servers,
    /** Every call that was answered or refused, in order. */
    calls,
    /** Names for which a PUT was sent. */
    puts,
    addServer(name: string, settings: Partial<SimulatedServer> = {}): SimulatedServer {
      const server = { ...newServer(name, 'sqlfleet', {}), ...settings };
      servers.set(name, server);
      return server;
    },
    fail(call: string, error: Error, times = 1): void {
      failures.push({ call, error, times });
    },
    failNextOperation(code: string): void {
      operationFailure = code;
    },
    forgetOperations: () => operations.clear(),
    hideServers(count: number): void {
      truncated = count;
    },
    takeName: (name: string) => void taken.add(name),
    setQuota(limit: number): void {
      quota = { limit };
    },
    intercept(with_: <T>(call: string, run: () => Promise<T>) => Promise<T>): void {
      around = with_;
    },
    reset(): void {
      taken = new Set();
    },
  };
}
export type SimulatedAzure = ReturnType<typeof createSimulatedAzure>;

export function httpError(statusCode: number, code: string, message = code): Error {
  return Object.assign(new Error(message), { statusCode, code });
}

function nameIn(serverId: string): string {
  return serverId.split('/').at(-1) ?? '';
}
