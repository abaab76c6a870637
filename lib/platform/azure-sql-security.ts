import { type SqlManagementClient } from '@azure/arm-sql';
import { MonitorClient } from '@azure/arm-monitor';
import { type TokenCredential } from '@azure/identity';
import { allOf, impatience, retryOptions, untilDone } from './azure-patience';

export interface ServerSettings {
  minimalTlsVersion: string;
  publicNetworkAccess: 'Enabled' | 'Disabled';
  restrictOutboundNetworkAccess: 'Enabled' | 'Disabled';
  tags: Record<string, string>;
}

export interface AuditingSettings {
  state: string;
  isAzureMonitorTargetEnabled: boolean;
  auditActionsAndGroups: string[];
}

export interface DiagnosticSettings {
  name: string;
  workspaceId: string;
  categories: string[];
}

export interface FirewallRule {
  name: string;
  startIpAddress: string;
  endIpAddress: string;
}

export type Baselines = Record<string, string[][]>;

/** What makes a server secure: each can be read, and set any number of times. */
export interface AzureSqlSecurity {
  updateServer(resourceGroup: string, server: string, settings: ServerSettings): Promise<void>;
  entraOnly(resourceGroup: string, server: string): Promise<boolean>;
  requireEntraOnly(resourceGroup: string, server: string): Promise<void>;
  firewallRules(resourceGroup: string, server: string): Promise<FirewallRule[]>;
  putFirewallRule(resourceGroup: string, server: string, rule: FirewallRule): Promise<void>;
  virtualNetworkRules(resourceGroup: string, server: string): Promise<{ name: string; subnetId: string }[]>;
  putVirtualNetworkRule(resourceGroup: string, server: string, rule: { name: string; subnetId: string }): Promise<void>;
  auditing(resourceGroup: string, server: string): Promise<AuditingSettings | null>;
  setAuditing(resourceGroup: string, server: string, settings: AuditingSettings): Promise<void>;
  /** Of `master`, where the server's audit records come from. */
  diagnostics(serverId: string, name: string): Promise<DiagnosticSettings | null>;
  setDiagnostics(serverId: string, settings: DiagnosticSettings): Promise<void>;
  threatProtection(resourceGroup: string, server: string): Promise<string | null>;
  enableThreatProtection(resourceGroup: string, server: string): Promise<void>;
  vulnerabilityAssessment(resourceGroup: string, server: string): Promise<string | null>;
  enableVulnerabilityAssessment(resourceGroup: string, server: string): Promise<void>;
  baselines(resourceGroup: string, server: string): Promise<Baselines>;
  setBaselines(resourceGroup: string, server: string, baselines: Baselines): Promise<void>;
}

type Call = <T>(doing: string, operation: () => Promise<T>) => Promise<T>;
type ReadOrNull = <T>(doing: string, operation: () => Promise<T>) => Promise<T | null>;

const name = 'Default';
const assessment = 'default';

export function createAzureSqlSecurity(
  client: SqlManagementClient,
  deps: { credential: TokenCredential; subscriptionId: string; endpoint?: string; clientOptions?: object },
  call: Call,
  readOrNull: ReadOrNull,
): AzureSqlSecurity {
  const monitor = new MonitorClient(deps.credential, deps.subscriptionId, {
    ...(deps.endpoint === undefined ? {} : { endpoint: deps.endpoint }),
    retryOptions,
    additionalPolicies: [impatience],
    ...deps.clientOptions,
  });
  const masterOf = (serverId: string): string => `${serverId}/databases/master`;
  return {
    updateServer: (group, server, settings) =>
      call(`update the server ${server}`, async () => {
        await client.servers.beginUpdateAndWait(group, server, settings, untilDone());
      }),
    entraOnly: async (group, server) => {
      const found = await readOrNull(`show the authentication of ${server}`, () =>
        client.serverAzureADOnlyAuthentications.get(group, server, name),
      );
      return found?.azureADOnlyAuthentication === true;
    },
    requireEntraOnly: (group, server) =>
      call(`require Entra authentication on ${server}`, async () => {
        await client.serverAzureADOnlyAuthentications.beginCreateOrUpdateAndWait(
          group,
          server,
          name,
          { azureADOnlyAuthentication: true },
          untilDone(),
        );
      }),
    firewallRules: (group, server) =>
      call(`list the firewall rules of ${server}`, async () => {
        const rules = await allOf(client.firewallRules.listByServer(group, server));
        return rules.map(({ name: rule = '', startIpAddress = '', endIpAddress = '' }) => ({
          name: rule,
          startIpAddress,
          endIpAddress,
        }));
      }),
    putFirewallRule: (group, server, { name: rule, ...addresses }) =>
      call(`set the firewall rule ${rule} of ${server}`, async () => {
        await client.firewallRules.createOrUpdate(group, server, rule, addresses);
      }),
    virtualNetworkRules: (group, server) =>
      call(`list the network rules of ${server}`, async () => {
        const rules = await allOf(client.virtualNetworkRules.listByServer(group, server));
        return rules.map((rule) => ({ name: rule.name ?? '', subnetId: rule.virtualNetworkSubnetId ?? '' }));
      }),
    putVirtualNetworkRule: (group, server, rule) =>
      call(`set the network rule ${rule.name} of ${server}`, async () => {
        const settings = { virtualNetworkSubnetId: rule.subnetId };
        await client.virtualNetworkRules.beginCreateOrUpdateAndWait(group, server, rule.name, settings, untilDone());
      }),
    auditing: async (group, server) => {
      const found = await readOrNull(`show the auditing of ${server}`, () =>
        client.extendedServerBlobAuditingPolicies.get(group, server),
      );
      if (found === null) return null;
      const { state = 'Disabled', isAzureMonitorTargetEnabled = false, auditActionsAndGroups = [] } = found;
      return { state, isAzureMonitorTargetEnabled, auditActionsAndGroups };
    },
    setAuditing: (group, server, { isAzureMonitorTargetEnabled, auditActionsAndGroups }) =>
      call(`set the auditing of ${server}`, async () => {
        const settings = { state: 'Enabled', isAzureMonitorTargetEnabled, auditActionsAndGroups } as const;
        await client.extendedServerBlobAuditingPolicies.beginCreateOrUpdateAndWait(
          group,
          server,
          settings,
          untilDone(),
        );
      }),
    diagnostics: (serverId, setting) =>
      readOrNull(`show the diagnostic setting ${setting}`, async () => {
        const { workspaceId = '', logs = [] } = await monitor.diagnosticSettings.get(masterOf(serverId), setting);
        const categories = logs.flatMap(({ enabled, category }) => (enabled && category ? [category] : []));
        return { name: setting, workspaceId, categories };
      }),
    setDiagnostics: (serverId, { name: setting, workspaceId, categories }) =>
      call(`set the diagnostic setting ${setting}`, async () => {
        const logs = categories.map((category) => ({ category, enabled: true }));
        await monitor.diagnosticSettings.createOrUpdate(masterOf(serverId), setting, { workspaceId, logs });
      }),
    threatProtection: async (group, server) => {
      const found = await readOrNull(`show the threat protection of ${server}`, () =>
        client.serverAdvancedThreatProtectionSettings.get(group, server, name),
      );
      return found?.state ?? null;
    },
    enableThreatProtection: (group, server) =>
      call(`enable the threat protection of ${server}`, async () => {
        await client.serverAdvancedThreatProtectionSettings.beginCreateOrUpdateAndWait(
          group,
          server,
          name,
          { state: 'Enabled' },
          untilDone(),
        );
      }),
    vulnerabilityAssessment: async (group, server) => {
      const found = await readOrNull(`show the vulnerability assessment of ${server}`, () =>
        client.sqlVulnerabilityAssessmentsSettings.get(group, server, assessment),
      );
      return found?.state ?? null;
    },
    enableVulnerabilityAssessment: (group, server) =>
      call(`enable the vulnerability assessment of ${server}`, async () => {
        await client.sqlVulnerabilityAssessmentsSettings.createOrUpdate(group, server, assessment, {
          state: 'Enabled',
        });
      }),
    baselines: async (group, server) => {
      const found = await readOrNull(`show the baselines of ${server}`, () =>
        client.sqlVulnerabilityAssessmentBaseline.get(group, server, assessment, assessment),
      );
      return found?.results ?? {};
    },
    setBaselines: (group, server, results) =>
      call(`set the baselines of ${server}`, async () => {
        await client.sqlVulnerabilityAssessmentBaselines.createOrUpdate(group, server, assessment, assessment, {
          latestScan: false,
          results,
        });
      }),
  };
}
