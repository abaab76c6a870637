import { type ApprovalServices } from '../approvals/services';
import { type BuildServices } from '../builds/services';
import { composeApprovals } from './compose-approvals';
import { composeBuilds } from './compose-builds';
import { composeEvents, type EventHooks } from './compose-events';
import { type EventServices } from '../events/services';
import { type Webhook } from '../events/webhook';
import { createPlatformParts } from './platform-parts';
import { readSettings } from './settings';

export interface Composition {
  approvals: ApprovalServices;
  builds: BuildServices;
  events: EventServices;
  eventWebhook: Webhook;
  /** Sends what is buffered and closes the connections. */
  close(): Promise<void>;
}

/** The composition root: reads the settings once, and puts the capabilities together, each by its own `compose-…`. */
export function compose(environment: Record<string, string | undefined>): Composition {
  const parts = createPlatformParts(readSettings(environment));
  const approvals = composeApprovals(parts);
  const { builds, closeBuilds } = composeBuilds(parts, { approvals });
  // Each capability that events may start adds what it offers: `nudgeCapacity`, `regionOfServer`, `deployWorkspace`.
  const hooks: EventHooks = {};
  return {
    approvals,
    builds,
    ...composeEvents(parts, { builds, hooks }),
    async close() {
      await closeBuilds();
      await parts.close();
    },
  };
}
