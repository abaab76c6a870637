import { type FleetEvents } from '../platform/cloud-events';
import { sha256 } from '../platform/hash';
import { type CapacityMetrics } from './metrics';
import { type Condition } from './facts';
import { type Alert } from './schema';
import { type CapacityStore } from './store';

/** Alerts follow from what is wrong now: opened once, raised or lowered, resolved when it is over. Nobody is told twice. */

export interface AlertChange {
  alert: Alert;
  /** What people have to be told; null: only that it was seen again. */
  news: 'opened' | 'severity' | 'resolved' | null;
}

export function alertKey(region: string, { class: kind, subject }: Pick<Condition, 'class' | 'subject'>): string {
  return `${region}/${kind}/${subject}`;
}

/** @param judged whether a class could be judged this time: what could not be looked at is not over */
export function alertChanges(
  region: string,
  open: readonly Alert[],
  conditions: readonly Condition[],
  judged: (kind: string) => boolean,
  at: string,
): AlertChange[] {
  const byKey = new Map(open.map((alert) => [alert.key, alert]));
  const changes: AlertChange[] = [];
  const current = new Map(conditions.map((condition) => [alertKey(region, condition), condition]));
  for (const [key, condition] of current) {
    const before = byKey.get(key);
    const alert: Alert = {
      id: `alert-${sha256(`${key}/${before?.firstAt ?? at}`).slice(0, 32)}`,
      kind: 'alert',
      scope: region,
      region,
      key,
      ...condition,
      state: 'open',
      firstAt: before?.firstAt ?? at,
      lastAt: at,
      resolvedAt: null,
      seen: (before?.seen ?? 0) + 1,
    };
    const news = before === undefined ? 'opened' : before.severity === condition.severity ? null : 'severity';
    changes.push({ alert, news });
  }
  for (const [key, alert] of byKey) {
    if (current.has(key) || !judged(alert.class)) continue;
    changes.push({ alert: { ...alert, state: 'resolved', resolvedAt: at, lastAt: at }, news: 'resolved' });
  }
  return changes;
}

export function createAlerts(deps: { store: CapacityStore; events: FleetEvents; metrics: CapacityMetrics }) {
  /** Writes what changed and tells about it; answers how many are open. */
  return async (
    region: string,
    conditions: readonly Condition[],
    judged: (kind: string) => boolean,
    at: string,
  ): Promise<number> => {
    const changes = alertChanges(region, await deps.store.openAlerts(region), conditions, judged, at);
    for (const { alert, news } of changes) {
      await deps.store.putAlert(alert);
      if (news === null) continue;
      const { key, severity, state, message, suggestion } = alert;
      deps.metrics.alert({ region, key, severity, state, text: message, suggestion });
      await deps.events.publish({
        id: `${alert.id}/${news}/${severity}`,
        type: `Sqlfleet.Capacity.Alert${state === 'open' ? 'Raised' : 'Resolved'}`,
        subject: `capacity/${region}/alerts/${alert.id}`,
        data: { region, key, severity, message, suggestion },
      });
    }
    return changes.filter(({ alert }) => alert.state === 'open').length;
  };
}
export type Alerts = ReturnType<typeof createAlerts>;
