import { isDeepStrictEqual } from 'node:util';
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
  const unavailable = (what: string, error: unknown): AppError =>
    new AppError('subscriptions.unavailable', `${what} on "${topic}" failed: ${messageOf(error)}. Try again.`, {
      status: 503,
      retry: { kind: 'backoff' },
      cause: error,
    });

  /** One that somebody else made could let everybody's messages through. */
  const isOurs = async (queue: string): Promise<boolean> => {
    const { requiresSession } = await administration.getSubscription(topic, queue);
    const filters: unknown[] = [];
    for await (const { filter } of administration.listRules(topic, queue)) filters.push(filter);
    const [filter] = filters;
    const properties =
      typeof filter === 'object' && filter !== null && 'applicationProperties' in filter
        ? filter.applicationProperties
        : null;
    return requiresSession && filters.length === 1 && isDeepStrictEqual({ ...Object(properties) }, { cluster: queue });
  };

  return {
    async ensure(queue) {
      try {
        await administration.createSubscription(topic, queue, {
          ...sameForAll,
          // Part of the creation: a rule that came later would leave a moment in which everybody's messages pass.
          defaultRuleOptions: { name: 'cluster', filter: { applicationProperties: { cluster: queue } } },
        });
      } catch (error) {
        if (!hasStatus(error, 409)) throw unavailable(`Creating the subscription "${queue}"`, error);
        if (await isOurs(queue)) return;
        const message = `The topic "${topic}" has a subscription "${queue}" that is not a cluster's: no sessions, or other rules. Remove it.`;
        throw new AppError('subscriptions.notOurs', message, { status: 409, cause: error });
      }
    },
    async remove(queue) {
      try {
        await administration.deleteSubscription(topic, queue);
      } catch (error) {
        if (!hasStatus(error, 404)) throw unavailable(`Removing the subscription "${queue}"`, error);
      }
    },
  };
}

function hasStatus(error: unknown, status: number): boolean {
  return error instanceof Error && 'statusCode' in error && error.statusCode === status;
}
