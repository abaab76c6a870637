import { z } from 'zod';
import { type BuildServices } from '../builds/services';
import { type CapacityServices } from '../capacity/services';
import { type EventEffects } from '../events/actions';
import { createEventServices, type EventServices } from '../events/services';
import { createWebhook, type Webhook } from '../events/webhook';
import { createArmDeployments } from './arm-deployments';
import { createTokenCheck } from './entra-tokens';
import { isAppError } from './errors';
import { type PlatformParts } from './platform-parts';

/** Event Grid itself, in the public cloud; and the role that an administrator gives it for this app. */
const eventGridClientId = '4962773b-9cdb-44cf-a8bf-237846a00ab7';
const eventGridRole = 'AzureEventGridSecureWebhookSubscriber';

/** What other capabilities do when an event asks for it; each is missing where its capability is not there. */
export type EventHooks = Pick<EventEffects, 'nudgeCapacity' | 'regionOfServer' | 'deployWorkspace'>;

/** Looks at regions. Servers in a region that this app does not look after are nobody's business here. */
export function capacityHooks(capacity: CapacityServices | null): EventHooks {
  if (capacity === null) return {};
  return {
    async nudgeCapacity(region, orchestrations) {
      const regions = capacity.regions.filter((each) => region === null || each === region);
      for (const each of regions) await capacity.nudge(each, orchestrations);
    },
    async regionOfServer(serverId) {
      const name = serverId.slice(serverId.lastIndexOf('/') + 1).toLowerCase();
      return (await capacity.servers.find(name))?.region ?? null;
    },
  };
}

/**
 * The build of the same event, where its files were replaced since: it was started, and a crash kept that from being noted.
 * What came later has events of its own. null: it failed at something else.
 */
function startedBefore(error: unknown): string | null {
  if (!isAppError(error) || error.code !== 'builds.idempotencyKeyReused') return null;
  return z.string().safeParse(error.details.buildId).data ?? null;
}

/** Puts the events capability together. */
export function composeEvents(
  parts: PlatformParts,
  { builds, hooks }: { builds: BuildServices; hooks: EventHooks },
): { events: EventServices; eventWebhook: Webhook } {
  const { settings, clients, clock } = parts;
  const topics = settings.SQLFLEET_EVENTS_TOPICS.map((topic) => topic.replace(/\/+$/, ''));
  const deployments = createArmDeployments(clients.credential, settings.SQLFLEET_ARM_ENDPOINT);
  const tenantId = settings.SQLFLEET_EVENTS_ENTRA_TENANT;
  const audience = settings.SQLFLEET_EVENTS_ENTRA_AUDIENCE;
  return {
    events: createEventServices({
      ...parts,
      clock,
      documents: { seenEvents: parts.documents('seenEvents'), eventRoutes: parts.documents('eventRoutes') },
      effects: {
        ...hooks,
        readUpload: builds.readUpload,
        deploymentOutputs: (id) => deployments.outputs(id),
        async startBuild({ package: file, targets, options, idempotencyKey, requester }, orchestrations) {
          const submission = { packageFiles: [file], targets, options, idempotencyKey, signedInActor: requester };
          try {
            const { build, created } = await builds.submit(submission, orchestrations);
            return { buildId: build.buildId, created };
          } catch (error) {
            const buildId = startedBefore(error);
            if (buildId === null) throw error;
            return { buildId, created: false };
          }
        },
      },
      trust: { topics, ownIdentities: settings.SQLFLEET_EVENTS_OWN_IDENTITIES },
      debounceMs: settings.SQLFLEET_EVENTS_DEBOUNCE_MS,
    }),
    eventWebhook: createWebhook({
      keys: settings.SQLFLEET_EVENTS_KEYS,
      topics,
      origins: settings.SQLFLEET_EVENTS_ORIGINS,
      ...(tenantId === undefined || audience === undefined
        ? {}
        : {
            checkToken: createTokenCheck({ tenantId, audience, clientIds: [eventGridClientId], role: eventGridRole }),
          }),
    }),
  };
}
