import { z } from 'zod';
import { clusterIdOf, clusterNamePattern, clusterStatuses, reservedNames } from './model';

/** Schemas of everything that enters or leaves the clusters capability: requests, documents, answers. */

export const algorithms = ['RS256', 'ES256', 'EdDSA'] as const;
export const algorithmSchema = z.enum(algorithms);
export type Algorithm = z.infer<typeof algorithmSchema>;

export const clusterNameSchema = z
  .string()
  .regex(
    clusterNamePattern,
    'a name has 1 to 50 letters, digits, ".", "_" or "-", and begins and ends with a letter or digit',
  )
  .refine((name) => !reservedNames.has(clusterIdOf(name)), 'this name is a part of the API');

/** Anything printable: what goes into logs and lists must not forge lines there. */
const line = (longest: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(longest)
    .regex(/^[^\p{Cc}\p{Cf}\p{Cs}]*$/u, 'no control characters, and whole characters only');

const organization = line(100)
  .regex(/^[^/\s]*$/u, 'the name of an organisation, without the repository')
  // Whoever writes one means everybody, and would get nobody.
  .regex(/^[^*?]*$/u, 'no wildcards: name each organisation');

export const requesterSchema = z.object({
  organization: organization.nullable().default(null),
  scmContext: line(128).nullable().default(null),
});

/** `github:github.com`: the kind of a source control host, and its name. */
const scmContext = line(128).regex(/^[\w-]+:[\w.-]+(?::[\w.-]+)*$/, 'type:host, for example github:github.com');

/** Who works the cluster off. `screwdriver`, the seed's word for the service's own, is understood. */
const managedBy = z.preprocess(
  (value) => (typeof value === 'string' && value.toLowerCase() === 'screwdriver' ? 'sqlfleet' : value),
  z.enum(['sqlfleet', 'external']),
);

const secondsPerUnit = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3_600],
]);
const longestTokenSeconds = 900;

/** A lifetime in seconds, or as `90s` and `5m`. */
const expires = z
  .union([z.int(), z.string().regex(/^\d{1,6}[smh]?$/, 'seconds, or for example 90s or 5m')])
  .transform((value) => {
    if (typeof value === 'number') return value;
    return Number.parseInt(value, 10) * (secondsPerUnit.get(value.slice(-1)) ?? 1);
  })
  .pipe(z.int().min(10).max(longestTokenSeconds, `a worker's token lives ${longestTokenSeconds} seconds at most`));

export const signOptionsInputSchema = z.strictObject({
  issuer: line(200).optional().meta({ description: 'The `iss` of the worker’s tokens. Default: the name.' }),
  subject: line(200).optional().meta({ description: 'The `sub`. Default: the name.' }),
  audience: line(200).optional().meta({ description: 'The `aud`. Default: sqlfleet.' }),
  expires: expires.optional().meta({ description: 'How long a token may live, in seconds. Default: 300.' }),
  algorithm: algorithmSchema
    .optional()
    .meta({ description: 'The only algorithm of the cluster. Default: whatever each key is for.' }),
});
export type SignOptionsInput = z.infer<typeof signOptionsInputSchema>;

/** Only looked at closely by `keys.ts`, which says what is wrong with a key as a key. */
export const keyInputSchema = z.record(z.string(), z.unknown());

const writable = {
  description: line(500).nullable(),
  maintainer: z.email().max(100).nullable(),
  scmOrganizations: z.array(organization).max(200),
  scmOrganization: organization.meta({ description: 'One organisation; the same as a list of one.' }),
  scmContext: scmContext.nullable(),
  isActive: z.boolean(),
  managedBy,
  weightage: z.number().min(0).max(100).meta({
    description: 'Share of the work among clusters that fit. 0: only builds that name the cluster.',
  }),
  group: line(100),
  startsOnDemand: z.boolean().meta({
    description: 'Its workers are started by waiting messages, so silence does not mean that it is unhealthy.',
  }),
  signOptions: signOptionsInputSchema,
};

/** Who does it, and why, where nobody is signed in or no header says it. */
const byWhom = { actor: line(256).optional(), reason: line(1_000).optional() };

/** POST and PUT: what is left out has its default. */
export const clusterInputSchema = z
  .strictObject({
    name: clusterNameSchema,
    queue: clusterNameSchema.meta({ description: 'Subscription on the topic; never one that was used before.' }),
    key: keyInputSchema.meta({ description: 'The first public key, as a JWK.' }),
    keys: z.array(keyInputSchema).max(2),
    ...writable,
  })
  .partial()
  .extend(byWhom);
export type ClusterInput = z.infer<typeof clusterInputSchema>;

/**
 * PATCH: what is left out stays, and null takes a field back to its default (RFC 7396). Not so who works the cluster, and
 * whether: a client that writes null where it has nothing to say must not switch it on.
 */
export const clusterPatchSchema = z
  .strictObject({
    name: clusterNameSchema,
    queue: clusterNameSchema,
    ...writable,
    scmOrganizations: writable.scmOrganizations.nullable(),
    weightage: writable.weightage.nullable(),
    group: writable.group.nullable(),
    startsOnDemand: writable.startsOnDemand.nullable(),
    signOptions: z
      .strictObject({
        issuer: signOptionsInputSchema.shape.issuer.nullable(),
        subject: signOptionsInputSchema.shape.subject.nullable(),
        audience: signOptionsInputSchema.shape.audience.nullable(),
        expires: signOptionsInputSchema.shape.expires.nullable(),
        algorithm: signOptionsInputSchema.shape.algorithm.nullable(),
      })
      .nullable(),
    ...byWhom,
  })
  .partial();
export type ClusterPatch = z.infer<typeof clusterPatchSchema>;

const byAt = z.object({ at: z.string(), actor: z.string(), reason: z.string() });

export const publicJwkSchema = z.object({
  kty: z.enum(['RSA', 'EC', 'OKP']),
  n: z.string().optional(),
  e: z.string().optional(),
  crv: z.string().optional(),
  x: z.string().optional(),
  y: z.string().optional(),
});

export const clusterKeySchema = z.object({
  /** Ours, generated: what a token names as its `kid`. */
  id: z.string(),
  /** The only one that a token of this key may be signed with. */
  algorithm: algorithmSchema,
  jwk: publicJwkSchema,
  /** RFC 7638, SHA-256: the same key is the same key whatever it is called. */
  thumbprint: z.string(),
  addedAt: z.string(),
  addedBy: z.string(),
  /** From then on the key is not accepted any more. */
  revoked: byAt.nullable(),
});
export type ClusterKey = z.infer<typeof clusterKeySchema>;

export const signOptionsSchema = z.object({
  issuer: z.string(),
  subject: z.string(),
  audience: z.string(),
  expiresSeconds: z.int(),
  algorithm: algorithmSchema.nullable(),
});
export type SignOptions = z.infer<typeof signOptionsSchema>;

/** registering: its queue may not exist yet. gone: deleted; the document stays, so that the name inherits nothing. */
export const lifecycles = ['registering', 'registered', 'draining', 'gone'] as const;

/** Partitions of the container `buildClusters`, by `/partition`. Few and small documents, so one for each kind. */
export const partitions = { clusters: 'clusters', queues: 'queues', heartbeats: 'heartbeats' } as const;

export const clusterSchema = z.object({
  /** The name in small letters. */
  id: z.string(),
  partition: z.literal(partitions.clusters),
  name: z.string(),
  /** One more each time that the name is registered again after a deletion. */
  generation: z.int(),
  /** One more with every write, over generations too. */
  revision: z.int(),
  lifecycle: z.enum(lifecycles),
  description: z.string().nullable(),
  maintainer: z.string().nullable(),
  scmOrganizations: z.array(z.string()),
  scmContext: z.string().nullable(),
  isActive: z.boolean(),
  managedBy: z.enum(['sqlfleet', 'external']),
  weightage: z.number(),
  group: z.string(),
  startsOnDemand: z.boolean(),
  /** The subscription on the topic: made for this generation, and never used by another. */
  queue: z.string(),
  signOptions: signOptionsSchema,
  keys: z.array(clusterKeySchema),
  /** The last change, as the audit log has it: written with the document, so that a crash between the two loses nothing. */
  lastChange: byAt.extend({ action: z.string(), changes: z.record(z.string(), z.unknown()) }),
  /** Id of the cluster that takes over while this one is drained. */
  successor: z.string().nullable(),
  createdAt: z.string(),
  createdBy: z.string(),
  changedAt: z.string(),
  changedBy: z.string(),
});
export type Cluster = z.infer<typeof clusterSchema>;

/** Who has a queue name, for ever. */
export const queueReservationSchema = z.object({
  id: z.string(),
  partition: z.literal(partitions.queues),
  clusterId: z.string(),
  generation: z.int(),
});

/** One per worker, beside the cluster and not in it: a heartbeat must not make an admin's `If-Match` fail. */
export const heartbeatSchema = z.object({
  id: z.string(),
  partition: z.literal(partitions.heartbeats),
  clusterId: z.string(),
  generation: z.int(),
  workerId: z.string(),
  atMs: z.number(),
  /** Targets that the worker builds at once. */
  slots: z.int().min(0),
  busy: z.int().min(0),
  /** It ends what it has and takes nothing new. */
  stopping: z.boolean(),
  version: z.string(),
});
export type Heartbeat = z.infer<typeof heartbeatSchema>;

/** In an id of its own, so that a worker of an earlier registration of the name reports for nobody. */
export function heartbeatId(clusterId: string, generation: number, workerId: string): string {
  return `${clusterIdOf(clusterId)}:${generation}:${workerId}`;
}

export const clusterStatusSchema = z.enum(clusterStatuses);
