import { type FirewallRule } from '../platform/azure-sql-security';
import { type Condition } from './facts';
import { type Severity } from './model';
import { type Server, type ServerTemplate } from './schema';

/** Ways into a server that the template does not name. They are told, never closed: somebody may depend on them. No I/O. */

export interface Opening {
  what: string;
  severity: Severity;
}

/** More addresses than this are no office and no data centre. */
const wideAddresses = 65_536;

export function openings(
  template: Pick<ServerTemplate, 'firewallRules' | 'virtualNetworkRules'>,
  firewallRules: readonly FirewallRule[],
  virtualNetworkRules: readonly { name: string; subnetId: string }[],
): Opening[] {
  const strangeRules = firewallRules.filter(
    (rule) =>
      !template.firewallRules.some(
        ({ startIpAddress, endIpAddress }) =>
          rule.startIpAddress === startIpAddress && rule.endIpAddress === endIpAddress,
      ),
  );
  const strangeNetworks = virtualNetworkRules.filter(
    ({ subnetId }) =>
      !template.virtualNetworkRules.some((wanted) => wanted.subnetId.toLowerCase() === subnetId.toLowerCase()),
  );
  return [
    ...strangeRules.map((rule): Opening => {
      const { name, startIpAddress: from, endIpAddress: to } = rule;
      // This pair stands for every address of Azure, whoever its customer is.
      if (from === '0.0.0.0' && to === '0.0.0.0')
        return { what: `the firewall rule ${name} lets all of Azure in`, severity: 'critical' };
      const wide = addressNumber(to) - addressNumber(from) >= wideAddresses;
      return { what: `the firewall rule ${name} lets ${from} to ${to} in`, severity: wide ? 'critical' : 'warning' };
    }),
    ...strangeNetworks.map(({ name, subnetId }): Opening => ({
      what: `the network rule ${name} lets ${subnetId.split('/').slice(-3).join('/')} in`,
      severity: 'warning',
    })),
  ].slice(0, 20);
}

function addressNumber(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}

export function openingConditions(servers: readonly Server[]): Condition[] {
  return servers.flatMap(({ name, state, security }) => {
    const { openings: found } = security;
    if (found.length === 0 || !['securing', 'ready', 'draining'].includes(state)) return [];
    return [
      {
        class: 'security-drift',
        subject: name,
        severity: found.some(({ severity }) => severity === 'critical') ? ('critical' as const) : ('warning' as const),
        message: `${name} is open in ways that the template does not name: ${found.map(({ what }) => what).join('; ')}.`,
        suggestion:
          'Remove the rule, or add it to the template and raise its version. It is looked at again within the hour.',
      },
    ];
  });
}
