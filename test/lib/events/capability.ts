import { randomUUID } from 'node:crypto';
import { type EventEffects, type RequestedBuild } from '../../../lib/events/actions';
import { type Trust } from '../../../lib/events/envelope';
import { nudgeCapacityName, nudgeInputSchema } from '../../../lib/events/orchestrators/nudge-capacity';
import { actInputSchema } from '../../../lib/events/orchestrators/handle-event';
import { defaultRoutes, type EventRoute } from '../../../lib/events/schema';
import { createEventServices } from '../../../lib/events/services';
import { createAudit } from '../../../lib/platform/audit';
import { type Clock } from '../../../lib/platform/clock';
import { type DocumentStore } from '../../../lib/platform/documents';
import { type Orchestrations } from '../../../lib/platform/durable';
import { AppError } from '../../../lib/platform/errors';
import { createLogger } from '../../../lib/platform/logger';
import { type TestDocuments } from '../../support/documents';
import { subscriptionTopic } from './samples';

/** What is thrown where something is away for a moment. */
export const away = (what: string): AppError =>
  new AppError(`${what}.unavailable`, `${what} is away`, { status: 503, retry: { kind: 'backoff' } });
export const ownIdentity = 'aaaaaaaa-0000-0000-0000-000000000001';
const deploymentBuild: EventRoute = {
  name: 'schema-of-new-servers',
  when: {
    types: ['Microsoft.Resources.ResourceWriteSuccess'],
    operation: 'Microsoft.Resources/deployments/write',
    subject: '*/deployments/platform-*',
    own: false,
  },
  action: {
    kind: 'startBuild',
    build: {
      package: { blob: 'base/${outputs.edition}.sbm' },
      targets: { text: '${outputs.databases}' },
      options: { description: 'for ${outputs.edition}' },
    },
  },
};

/** The events capability with real decisions, real documents and the real orchestrators; what it starts is noted down. */
export async function setUpEvents(
  documents: TestDocuments,
  configured: Partial<EventEffects> = {},
  trusted: Partial<Trust> = {},
) {
  let nowMs = Date.parse('2026-03-06T18:00:00Z');
  // Every test has a store of its own, or else it would resume the events of the others.
  const clock: Clock = {
    nowMs: () => nowMs,
    async sleep(ms) {
      nowMs += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
  const started: { name: string; instanceId: string; input: unknown }[] = [];
  const flags = { durable: true, documents: true };
  const orchestrations: Orchestrations = {
    async start(name, instanceId, input) {
      if (!flags.durable) throw away('durable');
      if (!started.some((each) => each.instanceId === instanceId)) started.push({ name, instanceId, input });
    },
    status: async () => ({ state: 'missing' }),
    wake: async () => undefined,
  };
  const uploads = new Map<string, string>();
  const builds: RequestedBuild[] = [];
  const nudges: (string | null)[] = [];
  const deployed: { workspaceId: string; requestKey: string }[] = [];
  const effects: EventEffects = {
    async startBuild(build) {
      const created = !builds.some(({ idempotencyKey }) => idempotencyKey === build.idempotencyKey);
      if (created) builds.push(build);
      return {
        buildId: `b-${builds.findIndex(({ idempotencyKey }) => idempotencyKey === build.idempotencyKey)}`,
        created,
      };
    },
    readUpload: async (name) => (uploads.has(name) ? Buffer.from(uploads.get(name) ?? '') : null),
    nudgeCapacity: async (region) => void nudges.push(region),
    regionOfServer: async (id) => (id.endsWith('fleet-1') ? 'westeurope' : null),
    deployWorkspace: async (request) => (deployed.push(request), { deployment: 'workspaces/dev/deployments/d1' }),
    deploymentOutputs: async () => ({
      edition: 'retail',
      databases: ['fleet-1.database.windows.net:a', 'fleet-1.database.windows.net:b'],
    }),
    ...configured,
  };
  const seen = documents.store('seenEvents');
  const seenUnlessAway: DocumentStore = {
    ...seen,
    create: async (...document) => {
      if (!flags.documents) throw away('documents');
      return seen.create(...document);
    },
  };
  const logged: string[] = [];
  const services = createEventServices({
    documents: { seenEvents: seenUnlessAway, eventRoutes: documents.store('eventRoutes') },
    effects,
    sendWaitingEvents: async () => undefined,
    audit: createAudit(documents.store('audit'), { clock, newId: randomUUID }),
    trust: { topics: [subscriptionTopic], ownIdentities: [ownIdentity], ...trusted },
    clock,
    logger: createLogger((_level, line) => void logged.push(line)),
    debounceMs: 15_000,
  });
  const { etag } = await services.readRoutes();
  await services.writeRoutes({ routes: [...defaultRoutes.routes, deploymentBuild] }, etag, {
    actor: 'ann',
    reason: 'test',
  });
  const receive = (...events: unknown[]) => services.receive(events, orchestrations);
  /** Runs what was started, as the orchestrations would, each once. */
  const work = async (): Promise<void> => {
    for (const { name, input, instanceId } of started.splice(0)) {
      if (!instanceId.startsWith('event-')) {
        expect(name).toBe(nudgeCapacityName);
        while ((await services.answerNudge(nudgeInputSchema.parse(input), orchestrations)) === 'more');
        continue;
      }
      await services.act(actInputSchema.parse({ ...Object(input), lastTry: false }), orchestrations);
    }
  };
  const keyOf = async (event: unknown): Promise<string> => {
    const [receipt] = await services.receive([event], { ...orchestrations, start: async () => undefined });
    return receipt !== undefined && 'event' in receipt ? receipt.event : '';
  };
  const outcomeOf = async (event: unknown) => services.find(await keyOf(event));
  return {
    services,
    receive,
    work,
    outcomeOf,
    started,
    builds,
    nudges,
    deployed,
    uploads,
    flags,
    orchestrations,
    clock,
    logged,
  };
}
