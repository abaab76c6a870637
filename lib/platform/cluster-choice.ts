import { z } from 'zod';

/** What builds and clusters agree on: how a cluster is asked for, and how the answer explains itself. */

const name = z.string().trim().min(1).max(128);

/** How callers ask for a cluster, for a build or for trying it out. */
export const clusterRequestFields = {
  cluster: name.optional().meta({ description: 'The build cluster to use. Default: one that fits.' }),
  clusterOnly: z.boolean().default(false).meta({
    description: 'Wait for the named cluster rather than take another: for databases that only it can reach.',
  }),
  organization: name.optional().meta({ description: 'For whom the work is: clusters serve organisations.' }),
  scmContext: name.optional().meta({ description: 'Where the organisation is known, for example github:github.com.' }),
  group: name
    .optional()
    .meta({ description: 'Clusters of this group only. Default: the named cluster’s, else default.' }),
};
export const clusterRequestSchema = z.strictObject({
  ...clusterRequestFields,
  clusterOverride: name.optional().meta({ description: 'As if an admin had assigned this cluster.' }),
});

/** The work that a cluster is wanted for. */
export interface ClusterRequest {
  /** The cluster that the build names; null: whichever fits. */
  wanted: string | null;
  /** What an admin said instead; goes before `wanted`. */
  override: string | null;
  /** The named cluster or none: databases that only it can reach are not to be tried from elsewhere. */
  only: boolean;
  organization: string | null;
  scmContext: string | null;
  /** Null: the group of the named cluster, else `default`. */
  group: string | null;
  /** Ids of clusters that were tried already. */
  exclude: readonly string[];
}

export const clusterPaths = ['override', 'wanted', 'successor', 'organization', 'managed'] as const;

export const clusterChoiceSchema = z
  .object({
    at: z.string(),
    cluster: z.string().nullable().meta({ description: 'Id of the chosen cluster; null: none fits.' }),
    queue: z.string().nullable(),
    path: z.enum(clusterPaths).nullable().meta({ description: 'On which path it was found.' }),
    reason: z.string(),
    asked: z.object({
      wanted: z.string().nullable(),
      override: z.string().nullable(),
      only: z.boolean(),
      organization: z.string().nullable(),
      scmContext: z.string().nullable(),
      group: z.string(),
    }),
    candidates: z.array(
      z.object({
        cluster: z.string(),
        path: z.enum(clusterPaths),
        status: z.string(),
        weightage: z.number(),
        weight: z.number().meta({ description: 'The weightage, less what its load takes off. 0: was not drawn from.' }),
        excluded: z.string().nullable().meta({ description: 'Why it was not drawn from.' }),
      }),
    ),
    notShown: z.int().meta({ description: 'Clusters that serve others only.' }),
    draw: z
      .object({ random: z.number(), totalWeight: z.number() })
      .nullable()
      .meta({ description: 'The candidate at `random × totalWeight`, counted in the order of the list, was taken.' }),
  })
  .meta({ id: 'ClusterChoice', description: 'Why a build runs where it runs.' });
export type ClusterChoice = z.infer<typeof clusterChoiceSchema>;

/** Whether a cluster that has a build may go on with it. */
export type ClusterStanding =
  | { kind: 'fit'; queue: string }
  /** `workersAlive`: what it was given will still be worked off; null: nobody knows. */
  | { kind: 'leave'; reason: string; workersAlive: boolean | null };

/** What builds ask of clusters. */
export interface ClusterDirectory {
  /** `refused`: the named cluster does not exist for whoever asks; null: it is just not available, or was not named. */
  choose(request: ClusterRequest): Promise<{ choice: ClusterChoice; refused: string | null }>;
  /** Decided from the document itself, never from a cache. */
  standing(cluster: string, requester: Pick<ClusterRequest, 'organization' | 'scmContext'>): Promise<ClusterStanding>;
}

/** Where there is no registry: everything is the app's own. */
export const appAlone: ClusterDirectory = {
  async choose({ wanted, override, only, organization, scmContext, group }) {
    const asked = { wanted, override, only, organization, scmContext, group: group ?? 'default' };
    const reason = 'there is no other cluster than the app';
    const at = new Date(0).toISOString();
    const found = { cluster: 'managed', queue: 'managed', path: 'managed' as const };
    return { choice: { at, ...found, reason, asked, candidates: [], notShown: 0, draw: null }, refused: null };
  },
  standing: async () => ({ kind: 'fit', queue: 'managed' }),
};
