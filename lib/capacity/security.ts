import { type ArmServer, type AzureSql } from '../platform/azure-sql';
import { type Opening, openings } from './openings';
import { type ServerTemplate } from './schema';

/** What makes a server secure, step by step. Each step is verified by reading, and changed only where it differs. */

export interface SecurityStep {
  name: string;
  /** Null: as the template wants it. Else what differs, for people. */
  verify(server: ArmServer): Promise<string | null>;
  apply(server: ArmServer): Promise<void>;
}

/** Ways into a server that the template does not name. Two requests. */
export async function openingsOf(
  azure: AzureSql,
  template: ServerTemplate,
  { resourceGroup, name }: Pick<ArmServer, 'resourceGroup' | 'name'>,
): Promise<Opening[]> {
  return openings(
    template,
    await azure.firewallRules(resourceGroup, name),
    await azure.virtualNetworkRules(resourceGroup, name),
  );
}

export function securitySteps(azure: AzureSql, template: ServerTemplate): SecurityStep[] {
  const { minimalTlsVersion, publicNetworkAccess, restrictOutboundNetworkAccess } = template.server;
  const { diagnostics } = template;
  const at = ({ resourceGroup, name }: ArmServer): [string, string] => [resourceGroup, name];
  const steps: SecurityStep[] = [
    {
      name: 'server',
      verify: async (server) => {
        const wanted = { minimalTlsVersion, publicNetworkAccess, restrictOutboundNetworkAccess };
        const actual: Record<string, string | null> = {
          minimalTlsVersion: server.minimalTlsVersion,
          publicNetworkAccess: server.publicNetworkAccess,
          restrictOutboundNetworkAccess: server.restrictOutboundNetworkAccess ?? 'Disabled',
        };
        const differing = Object.entries(wanted).filter(([name, value]) => actual[name] !== value);
        const lacking = Object.entries(template.tags).filter(([name, value]) => server.tags[name] !== value);
        const names = [...differing.map(([name]) => name), ...lacking.map(([name]) => `tag ${name}`)];
        return names.length === 0 ? null : `${names.join(', ')} not as in the template`;
      },
      apply: (server) =>
        azure.updateServer(...at(server), {
          minimalTlsVersion,
          publicNetworkAccess,
          restrictOutboundNetworkAccess,
          tags: { ...server.tags, ...template.tags },
        }),
    },
    {
      name: 'entraOnly',
      verify: async (server) => ((await azure.entraOnly(...at(server))) ? null : 'SQL logins are possible'),
      apply: (server) => azure.requireEntraOnly(...at(server)),
    },
    {
      name: 'firewall',
      verify: async (server) => {
        if (template.firewallRules.length === 0) return null;
        const actual = await azure.firewallRules(...at(server));
        const lacking = template.firewallRules.filter(
          (rule) =>
            !actual.some(
              ({ name, startIpAddress, endIpAddress }) =>
                name === rule.name && startIpAddress === rule.startIpAddress && endIpAddress === rule.endIpAddress,
            ),
        );
        return lacking.length === 0 ? null : `no firewall rule ${lacking.map(({ name }) => name).join(', ')}`;
      },
      async apply(server) {
        for (const rule of template.firewallRules) await azure.putFirewallRule(...at(server), rule);
      },
    },
    {
      name: 'network',
      verify: async (server) => {
        if (template.virtualNetworkRules.length === 0) return null;
        const actual = await azure.virtualNetworkRules(...at(server));
        const lacking = template.virtualNetworkRules.filter(
          ({ subnetId }) => !actual.some((rule) => rule.subnetId.toLowerCase() === subnetId.toLowerCase()),
        );
        return lacking.length === 0 ? null : `no network rule ${lacking.map(({ name }) => name).join(', ')}`;
      },
      async apply(server) {
        for (const rule of template.virtualNetworkRules) await azure.putVirtualNetworkRule(...at(server), rule);
      },
    },
    {
      name: 'auditing',
      verify: async (server) => {
        const actual = await azure.auditing(...at(server));
        const groups = new Set(actual?.auditActionsAndGroups);
        const complete =
          actual?.state === 'Enabled' &&
          actual.isAzureMonitorTargetEnabled === template.auditing.isAzureMonitorTargetEnabled &&
          template.auditing.auditActionsAndGroups.every((group) => groups.has(group));
        return complete ? null : 'auditing is not as in the template';
      },
      apply: (server) => azure.setAuditing(...at(server), template.auditing),
    },
    {
      name: 'threatProtection',
      verify: async (server) =>
        (await azure.threatProtection(...at(server))) === 'Enabled' ? null : 'threat protection is off',
      apply: (server) => azure.enableThreatProtection(...at(server)),
    },
    {
      name: 'vulnerabilityAssessment',
      verify: async (server) =>
        (await azure.vulnerabilityAssessment(...at(server))) === 'Enabled' ? null : 'vulnerability assessment is off',
      apply: (server) => azure.enableVulnerabilityAssessment(...at(server)),
    },
    {
      name: 'baselines',
      verify: async (server) => {
        if (Object.keys(template.baselines).length === 0) return null;
        const actual = await azure.baselines(...at(server));
        const differing = Object.entries(template.baselines).filter(
          ([rule, results]) => JSON.stringify(actual[rule]) !== JSON.stringify(results),
        );
        return differing.length === 0 ? null : `no baseline for ${differing.map(([rule]) => rule).join(', ')}`;
      },
      apply: (server) => azure.setBaselines(...at(server), template.baselines),
    },
  ];
  if (diagnostics !== null) {
    steps.push({
      name: 'diagnostics',
      verify: async (server) => {
        const actual = await azure.diagnostics(server.id, diagnostics.name);
        const complete =
          actual !== null &&
          actual.workspaceId.toLowerCase() === diagnostics.workspaceId.toLowerCase() &&
          diagnostics.categories.every((category) => actual.categories.includes(category));
        return complete ? null : 'audit records go nowhere';
      },
      apply: (server) => azure.setDiagnostics(server.id, diagnostics),
    });
  }
  return steps;
}
