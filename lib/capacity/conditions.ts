import { closeness, type ServerMetric, severityOf } from './model';
import { type Condition, percent } from './facts';
import { type Decision } from './plan';
import { type Policy } from './policy';
import { type DamagedDocument } from './reconcile';
import { type Server } from './schema';

/** What is wrong with servers, numbers and creations, apart from the decision itself. No I/O. */

/** Attempts that failed: the nearer the alert threshold, the louder. */
export function provisioningConditions(servers: readonly Server[], decision: Decision): Condition[] {
  const near = Math.max(
    0,
    ...decision.metrics.flatMap((view) => (view.headroom === null ? [] : [closeness(view.utilisation, view)])),
  );
  return servers.flatMap((server) => {
    const { failure, failures } = server.creation;
    if (failure === null || !['requested', 'creating', 'securing'].includes(server.state)) return [];
    const terminal = failure.class !== 'transient';
    return [
      {
        class: server.state === 'securing' ? 'securing-failed' : 'creation-failed',
        subject: server.name,
        severity: severityOf({ closeness: near, failures, terminal, exhaustedWithinLead: false }),
        message: `${server.name} is ${server.state} and failed ${failures} times, last: ${failure.message}`,
        suggestion: terminal
          ? "It will not get better by itself: give the app's identity the rights it lacks, or correct the template."
          : `It is tried again by itself at ${new Date(server.creation.nextTryAtMs).toISOString()}.`,
      },
    ];
  });
}

/** Servers that somebody else fills past the alert threshold: a further server does not empty them. */
export function fullServers(servers: readonly Server[], policy: Policy): Condition[] {
  const metrics: ServerMetric[] = ['databases', 'serverDtus'];
  return servers.flatMap((server) =>
    metrics.flatMap((metric) => {
      const measure = server.numbers[metric];
      if (measure === null || measure.limit <= 0 || !['ready', 'draining'].includes(server.state)) return [];
      const use = measure.value / measure.limit;
      const { alert } = policy.thresholds[metric];
      if (use < alert) return [];
      return [
        {
          class: 'server-full',
          subject: `${server.name}/${metric}`,
          severity: use >= (1 + alert) / 2 ? ('critical' as const) : ('warning' as const),
          message: `${server.name} has ${measure.value} of ${measure.limit} ${metric} (${percent(use)}), above the alert threshold ${percent(alert)}.`,
          suggestion:
            'Whoever creates databases on it should ask POST /api/sqlServers/select; move some to other servers.',
        },
      ];
    }),
  );
}

/** What cannot be seen is said, after a while: a monitor that is blind must not be silent. */
export function unknownConditions(
  region: string,
  unknown: { sinceMs: number; because: string } | null,
  servers: readonly Server[],
  damaged: readonly DamagedDocument[],
  nowMs: number,
  policy: Policy,
): Condition[] {
  const conditions: Condition[] = damaged.map(({ name, problem }) => ({
    class: 'damaged-document',
    subject: name,
    severity: 'critical',
    message: `The document "${name}" cannot be read (${problem}), and Azure has no such server.`,
    suggestion: 'Delete the document, or restore it from a backup.',
  }));
  if (unknown !== null && nowMs - unknown.sinceMs >= policy.unknownAlertAfterMs) {
    const minutes = Math.round((nowMs - unknown.sinceMs) / 60_000);
    conditions.push({
      class: 'blind',
      subject: region,
      severity: minutes * 60_000 >= 4 * policy.unknownAlertAfterMs ? 'critical' : 'warning',
      message: `For ${minutes} minutes the servers of ${region} could not be listed: ${unknown.because}. Nothing is decided meanwhile.`,
      suggestion: "Look at the app identity's rights, at throttling of the subscription, and at the state of Azure.",
    });
  }
  const stale = servers.filter(
    ({ state, numbersAt }) =>
      state === 'ready' && (numbersAt === null || nowMs - Date.parse(numbersAt) > 2 * policy.unknownAlertAfterMs),
  );
  if (stale.length > 0) {
    const names = stale.slice(0, 5).map(({ name }) => name);
    conditions.push({
      class: 'stale-numbers',
      subject: region,
      severity: 'warning',
      message: `${stale.length} servers of ${region} could not be counted for a long time: ${names.join(', ')}${stale.length > 5 ? ', …' : ''}.`,
      suggestion: 'Give the identity the Reader role on them, or raise requestsPerTick.',
    });
  }
  return conditions;
}
