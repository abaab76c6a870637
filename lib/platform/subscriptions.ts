import { type ServiceBusAdministrationClient } from '@azure/service-bus';
import { AppError, messageOf } from './errors';

/** The subscriptions of the topic, one per cluster. Made and removed with clusters, never with builds. */
export interface Subscriptions {
  /** Makes it exist: sessions on, and a rule that lets through what is for this queue. */
  ensure(queue: string): Promise<void>;
  /** Removes it with whatever it holds. One that is not there is removed already. */
  remove(queue: string): Promise<void>;
}

/** As `infra/topology.json` says it for the app's own: what a message may expect does not depend on the cluster. */
const sameForAll = {
  requiresSession: true,
  lockDuration: 'PT60S',
  maxDeliveryCount: 10,
  deadLetteringOnMessageExpiration: true,
};

export function createSubscriptions(administration: ServiceBusAdministrationClient, topic: string): Subscriptions {
  const call = async (operation: () => Promise<unknown>, fine: number, what: string): Promise<void> => {
    try {
      await operation();
    } catch (error) {
      if (error instanceof Error && 'statusCode' in error && error.statusCode === fine) return;
      throw new AppError('subscriptions.unavailable', `${what} on "${topic}" failed: ${messageOf(error)}. Try again.`, {
        status: 503,
        retry: { kind: 'backoff' },
        cause: error,
      });
    }
  };
  return {
    ensure: (queue) =>
      call(
        () =>
          administration.createSubscription(topic, queue, {
            ...sameForAll,
            // Part of the creation: a rule that came later would leave a moment in which everybody's messages pass.
            defaultRuleOptions: { name: 'cluster', filter: { applicationProperties: { cluster: queue } } },
          }),
        409,
        `Creating the subscription "${queue}"`,
      ),
    remove: (queue) => call(() => administration.deleteSubscription(topic, queue), 404, `Removing "${queue}"`),
  };
}
