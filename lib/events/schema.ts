import { z } from 'zod';

/** Schemas of what enters, what is kept, and what is configured. */

const text = (longest: number) => z.string().min(1).max(longest);
const time = z.iso.datetime({
  offset: true,
  error: ({ code }) => (code === 'invalid_format' ? 'must be a time such as 2026-01-01T00:00:00Z' : undefined),
});

export const eventGridEventSchema = z.object({
  id: text(256),
  topic: text(1_024),
  subject: text(2_048),
  eventType: text(256),
  eventTime: time,
  data: z.unknown(),
});

export const cloudEventSchema = z.object({
  specversion: z.literal('1.0'),
  id: text(256),
  source: text(1_024),
  subject: text(2_048),
  type: text(256),
  /** The specification leaves it open; without one, the time of its first delivery stands for it. */
  time: time.optional(),
  data: z.unknown(),
});

/** What is kept of an event: what decisions need, and nothing of the caller's claims, which are personal data. */
export const essenceSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('resource'),
    /** `Microsoft.Sql/servers/write`, in the case that the sender chose. */
    operation: z.string(),
    resourceId: z.string(),
    correlationId: z.string(),
    /** It was this app that did it. */
    own: z.boolean(),
  }),
  z.object({
    kind: z.literal('blob'),
    container: z.string(),
    blob: z.string(),
    /** Orders the events of one blob, compared as text; '' where the sender gives none. */
    sequencer: z.string(),
  }),
]);
export type Essence = z.infer<typeof essenceSchema>;

export const routeResults = ['started', 'nothingToDo', 'notConfigured', 'failed'] as const;

const routeOutcomeSchema = z.object({
  route: z.string(),
  result: z.enum(routeResults),
  text: z.string(),
  /** Paths in the API: `builds/20260101-120000-ab12`. */
  started: z.array(z.string()),
});
export type RouteOutcome = z.infer<typeof routeOutcomeSchema>;

export const eventStates = ['received', 'handled', 'ignored', 'outdated', 'failed'] as const;
export const eventStateSchema = z.enum(eventStates);

export const eventSchema = z.object({
  /** SHA-256 of source and id: the same event has the same, whoever delivers it, and however often. */
  id: z.string(),
  kind: z.literal('event'),
  eventId: z.string(),
  source: z.string(),
  subject: z.string(),
  type: z.string(),
  time: z.string(),
  createdAt: z.string(),
  essence: essenceSchema,
  state: eventStateSchema,
  outcomes: z.array(routeOutcomeSchema),
  /** Somebody sent it again: then it is acted on whatever newer there is. */
  replayed: z.boolean().default(false),
  /** Seconds until it is forgotten. */
  ttl: z.int(),
});
export type EventDocument = z.infer<typeof eventSchema>;

export const eventViewSchema = eventSchema
  .omit({ kind: true, ttl: true, createdAt: true })
  .extend({ receivedAt: z.string() })
  .meta({ id: 'FleetEvent', description: 'An event that was taken in, and what it started.' });

export const rejectedSchema = z.object({
  id: z.string(),
  kind: z.literal('rejected'),
  createdAt: z.string(),
  code: z.string(),
  reason: z.string(),
  /** The event as it came, as far as it is kept: without what may name people, and shortened. */
  event: z.string(),
  /** All of it was kept, names of people aside: it can be sent again. */
  complete: z.boolean().default(false),
  /** The event that it became when somebody sent it again. */
  replayedAs: z.string().nullable().default(null),
  ttl: z.int(),
});
export type RejectedDocument = z.infer<typeof rejectedSchema>;

export const rejectedViewSchema = rejectedSchema
  .omit({ kind: true, ttl: true, createdAt: true })
  .extend({ receivedAt: z.string() })
  .meta({ id: 'RejectedEvent', description: 'An event that was delivered by somebody trusted and could not be used.' });

/** The newest that was acted on of one subject. */
export const newestSchema = z.object({
  id: z.string(),
  kind: z.literal('newest'),
  time: z.string(),
  sequencer: z.string(),
  ttl: z.int(),
});
export type NewestDocument = z.infer<typeof newestSchema>;

/** How often a region was asked to be looked at, and how much of that was answered. */
export const nudgeSchema = z.object({
  id: z.string(),
  kind: z.literal('nudge'),
  region: z.string().nullable(),
  asked: z.int(),
  answered: z.int(),
});
export type NudgeDocument = z.infer<typeof nudgeSchema>;

const glob = z.string().min(1).max(300);
const blobName = z.string().min(1).max(1_024);

/** A build as a route or a manifest describes it. The options are checked when it is submitted, like everybody's. */
const buildOptions = z.record(z.string(), z.unknown()).default({});
export const buildTemplateSchema = z.strictObject({
  package: z.strictObject({ blob: blobName }),
  targets: z.union([z.strictObject({ blob: blobName }), z.strictObject({ text: z.string().min(1).max(100_000) })]),
  options: buildOptions,
});
export type BuildTemplate = z.infer<typeof buildTemplateSchema>;

/** `<package>.build.json`, beside the package. */
export const buildManifestSchema = z.strictObject({
  targets: z.strictObject({ blob: blobName }),
  options: buildOptions,
});

const actionSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('nudgeCapacity') }),
  z.strictObject({
    kind: z.literal('deployWorkspace'),
    workspace: z.string().max(1_024).optional().meta({
      description:
        'Resource id of the workspace; `${outputs.name}` stands for an output of the deployment. Default: what was written.',
    }),
  }),
  z.strictObject({
    kind: z.literal('startBuild'),
    build: buildTemplateSchema.meta({ description: '`${outputs.name}` stands for an output of the deployment.' }),
  }),
  z.strictObject({ kind: z.literal('buildFromManifest') }),
]);
export type Action = z.infer<typeof actionSchema>;

export const routeSchema = z.strictObject({
  name: z.string().regex(/^[\w-]{1,60}$/),
  when: z.strictObject({
    types: z.array(glob).min(1).max(20),
    operation: glob.optional().meta({ description: 'Of events about resources: `Microsoft.Sql/servers*`.' }),
    subject: glob.optional(),
    container: z.string().toLowerCase().optional().meta({ description: 'Of events about blobs.' }),
    own: z.boolean().default(false).meta({ description: 'Also what this app did itself.' }),
  }),
  action: actionSchema,
});
export type EventRoute = z.infer<typeof routeSchema>;

export const routesSchema = z
  .strictObject({ routes: z.array(routeSchema).max(100) })
  .check(({ value, issues }) => {
    const names = value.routes.map(({ name }) => name);
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) === index) continue;
      issues.push({
        code: 'custom',
        input: name,
        path: ['routes', index, 'name'],
        message: 'another route has this name',
      });
    }
  })
  .meta({ id: 'EventRoutes', description: 'What events start. Every route that an event fits takes part.' });
export type EventRoutes = z.infer<typeof routesSchema>;

export const changeRoutesSchema = z.strictObject({
  routes: z.array(routeSchema).max(100),
  actor: z.string().trim().min(1).max(256),
  reason: z.string().trim().min(1).max(1_000),
});

/** Who sends an event again, and why. */
export const replaySchema = z.strictObject({
  actor: z.string().trim().min(1).max(256),
  reason: z.string().trim().min(1).max(1_000),
});

/** What holds until somebody configures something else. */
export const defaultRoutes: EventRoutes = {
  routes: [
    {
      name: 'sql-servers',
      when: {
        types: ['Microsoft.Resources.ResourceWrite*', 'Microsoft.Resources.ResourceDelete*'],
        operation: 'Microsoft.Sql/servers*',
        own: false,
      },
      action: { kind: 'nudgeCapacity' },
    },
    {
      name: 'databricks-workspaces',
      when: {
        types: ['Microsoft.Resources.ResourceWriteSuccess'],
        operation: 'Microsoft.Databricks/workspaces/write',
        own: false,
      },
      action: { kind: 'deployWorkspace' },
    },
    {
      name: 'packages',
      when: { types: ['Microsoft.Storage.BlobCreated'], container: 'packages', own: false },
      action: { kind: 'buildFromManifest' },
    },
  ],
};
