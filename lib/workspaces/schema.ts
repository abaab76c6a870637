import { z } from 'zod';
import { deploymentModes, deploymentStates, environmentStates, stepActions, stepKinds } from './model';

const person = z.string().trim().min(1).max(256);
const jsonObject = z.record(z.string(), z.unknown());

/** Both spellings are in use. */
const modeSchema = z.preprocess(
  (value) => (typeof value === 'string' && /^initialize[ -]keyvault$/i.test(value) ? 'Initialize-KeyVault' : value),
  z.enum(deploymentModes),
);
const resourceName = z.string().regex(/^[\w().-]{1,90}$/, 'letters, digits, _ ( ) . and - only');
const secretName = z.string().regex(/^[0-9A-Za-z-]{1,127}$/, 'letters, digits and - only');
export const environmentName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,31}$/, 'letters, digits and - only');
export const workspaceName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,47}$/, 'letters, digits and - only');

/** The four secrets of the service principal that deploys, by their part behind the prefix. */
export const secretSuffixes = ['subscriptionId', 'tenantId', 'clientId', 'clientSecret'] as const;

export const environmentRequestSchema = z.strictObject({
  subscriptionId: z.guid(),
  resourceGroup: resourceName,
  region: z.string().regex(/^[a-z0-9]{1,40}$/, 'a region as ARM names it, such as westeurope'),
  workspaceName: z
    .string()
    .regex(/^[\w-]{1,48}$/)
    .optional()
    .meta({ description: 'The workspace without its suffix. Absent: the name in the request.' }),
  suffix: z
    .string()
    .regex(/^[\w-]{0,16}$/)
    .optional()
    .meta({ description: 'What is added to the name. Absent: `-` and the name of the environment.' }),
  root: z
    .string()
    .regex(/^\/[^\0]{1,200}$/)
    .refine((path) => !path.endsWith('/') && !path.split('/').includes('..'), 'a folder, without a / at its end')
    .optional()
    .meta({ description: 'Folder of notebooks and init scripts. Absent: `/Shared/<name>`.' }),
  keyVault: z.strictObject({
    name: z.string().regex(/^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$/, '3 to 24 letters, digits and -'),
    resourceGroup: resourceName.optional().meta({ description: 'Absent: that of the workspace.' }),
    secretPrefix: z
      .string()
      .regex(/^[0-9A-Za-z-]{0,90}$/)
      .default('databricks-dev-ops-'),
    secrets: z
      .strictObject({
        subscriptionId: secretName.default('subscription-id'),
        tenantId: secretName.default('tenant-id'),
        clientId: secretName.default('client-id'),
        clientSecret: secretName.default('client-secret'),
      })
      .prefault({}),
    administrators: z
      .array(z.guid())
      .max(16)
      .default([])
      .meta({ description: 'Object ids that may set the secrets, besides the app itself.' }),
  }),
  secretScope: z
    .string()
    .regex(/^[\w\-@.]{1,128}$/)
    .nullable()
    .default(null)
    .meta({ description: 'Name of a Key Vault-backed secret scope; null: none is kept.' }),
  approval: z
    .strictObject({
      required: z.boolean().default(true),
      approvers: z.array(person).max(50).default([]),
      approverMustDiffer: z.boolean().default(true),
      timeoutMinutes: z
        .int()
        .min(1)
        .max(30 * 24 * 60)
        .default(24 * 60),
      reminderMinutes: z.int().min(1).nullable().default(null),
    })
    .prefault({}),
  mode: modeSchema.default('auto'),
  maximumDeletes: z.int().min(0).max(10_000).default(10),
  adoptUnmarked: z
    .boolean()
    .default(true)
    .meta({ description: 'Whether what has the same name but not our mark is taken over, or fails the plan.' }),
  deployOnWrite: z.array(workspaceName).max(100).default([]).meta({
    description:
      'Workspaces, by the name in requests, whose last good archive is deployed here when Azure tells that they were written.',
  }),
  stopCreatedClusters: z.boolean().default(false),
  pinClusters: z.boolean().default(true),
  apiVersions: z
    .strictObject({
      clusters: z.string().default('2.1'),
      jobs: z.string().default('2.2'),
      workspace: z.string().default('2.0'),
      secrets: z.string().default('2.0'),
      'instance-pools': z.string().default('2.0'),
      policies: z.string().default('2.0'),
    })
    .prefault({}),
});
export type EnvironmentRequest = z.infer<typeof environmentRequestSchema>;

export const environmentSchema = z.object({
  ...environmentRequestSchema.shape,
  id: z.string(),
  name: z.string(),
});
export type Environment = z.infer<typeof environmentSchema>;
export const environmentViewSchema = z
  .object({ ...environmentRequestSchema.shape, name: z.string() })
  .meta({ id: 'Environment', description: 'Where deployments go, and who has a say.' });

export const deploymentOptionsSchema = z.strictObject({
  environments: z
    .array(environmentName)
    .min(1)
    .max(10)
    .refine((names) => new Set(names.map((name) => name.toLowerCase())).size === names.length, 'each only once')
    .meta({ description: 'In the order in which they follow one another.' }),
  requestedBy: person.optional().meta({ description: 'A signed-in caller is known already and overrides it.' }),
  description: z.string().max(1_000).default(''),
});
export type DeploymentOptions = z.infer<typeof deploymentOptionsSchema>;

const blobName = z.string().regex(/^[^\0]{1,1024}$/);
export const deploymentRequestSchema = z.strictObject({
  assets: z.union([
    z.strictObject({ blob: blobName }).meta({ description: 'An archive in the container "packages".' }),
    z
      .strictObject({ deployment: z.string() })
      .meta({ description: 'The archive of an earlier deployment: a rollback.' }),
  ]),
  options: deploymentOptionsSchema,
});

export const stepSchema = z.object({
  /** Unique in the plan, and the same in the next one: kind and name. */
  key: z.string(),
  kind: z.enum(stepKinds),
  action: z.enum(stepActions),
  /** File of the archive; of a deletion the file that it came from. */
  asset: z.string(),
  /** Name of a cluster, job or scope; path of a file in the workspace. */
  name: z.string(),
  /** Of what is there; null when it is to be created. */
  id: z.string().nullable(),
  reason: z.string(),
  /** What differs, one line each. Values are cut off. */
  changes: z.array(z.string()),
  /** SHA-256 of what was there when the plan was made; null: nothing. Applying refuses anything else. */
  observed: z.string().nullable(),
  /** What to send; ids of what does not exist yet are written as `{{cluster:<name>}}` and `{{job:<name>}}`. */
  spec: jsonObject.nullable(),
  /** SHA-256 of the file's content. */
  content: z.string().nullable(),
  language: z.string().nullable(),
  format: z.enum(['SOURCE', 'JUPYTER', 'RAW']).nullable(),
  /** Of a file: SHA-256 of what it will be, comparable with `observed`. */
  expected: z.string().nullable(),
});
export type Step = z.infer<typeof stepSchema>;

export const reliedKinds = ['cluster', 'job', 'pool', 'policy'] as const;
export type ReliedKind = (typeof reliedKinds)[number];
/** Something that is not of the archive, and that the archive refers to. */
const reliedSchema = z.object({ kind: z.enum(reliedKinds), reference: z.string(), id: z.string() });
export type Relied = z.infer<typeof reliedSchema>;

export const planSchema = z.object({
  deploymentId: z.string(),
  workspace: z.string(),
  environment: z.string(),
  /** ARM id of the Databricks workspace. */
  resourceId: z.string(),
  url: z.string(),
  keyVault: z.object({ resourceId: z.string(), url: z.string() }),
  owner: z.string(),
  root: z.string(),
  /** SHA-256 of the archive. */
  archive: z.string(),
  apiVersions: environmentRequestSchema.shape.apiVersions,
  stopCreatedClusters: z.boolean(),
  pinClusters: z.boolean(),
  createdAt: z.string(),
  warnings: z.array(z.string()),
  /** What had been applied, and was being applied, when the plan was made. Applying refuses when others came in between. */
  basis: z.string().nullable().default(null),
  /** What the assets refer to and is not theirs, as it was found. Applying refuses when it leads elsewhere. */
  relies: z.array(reliedSchema).default([]),
  steps: z.array(stepSchema),
});
export type Plan = z.infer<typeof planSchema>;

export const planCountsSchema = z.record(z.enum(stepActions), z.int());

export const environmentProgressSchema = z.object({
  name: z.string(),
  state: z.enum(environmentStates),
  waitingFor: z.string().nullable(),
  plan: z.object({ hash: z.string(), counts: planCountsSchema }).nullable(),
  approvalId: z.string().nullable(),
  warnings: z.array(z.string()).default([]).meta({ description: 'What did not go as wished, and stops nothing.' }),
  failure: z
    .object({ code: z.string(), message: z.string(), problems: z.array(z.string()) })
    .nullable()
    .meta({ description: 'Why it ended; null when it ended well, or has not.' }),
  finishedAt: z.string().nullable(),
});
export type EnvironmentProgress = z.infer<typeof environmentProgressSchema>;

export const deploymentSchema = z.object({
  id: z.string(),
  deploymentId: z.string(),
  workspace: z.string(),
  state: z.enum(deploymentStates),
  archive: z.string(),
  /** The deployment whose archive this is, when it was not uploaded anew. */
  archiveOf: z.string().nullable(),
  assets: z.record(z.string(), z.int()),
  requestedBy: z.string(),
  description: z.string(),
  createdAt: z.string(),
  finishedAt: z.string().nullable(),
  cancelled: z.object({ actor: z.string(), reason: z.string(), at: z.string() }).nullable(),
  environments: z.array(environmentProgressSchema),
});
export type Deployment = z.infer<typeof deploymentSchema>;
export const deploymentViewSchema = deploymentSchema
  .omit({ id: true, deploymentId: true })
  .extend({ id: z.string(), links: z.object({ self: z.string(), plans: z.record(z.string(), z.string()) }) })
  .meta({ id: 'WorkspaceDeployment', description: 'One archive of assets on its way through the environments.' });
export type DeploymentView = z.infer<typeof deploymentViewSchema>;

export const driftSchema = z.object({
  checkedAt: z.string(),
  /** Whose plan it was compared with. */
  deploymentId: z.string(),
  inSync: z.boolean(),
  differences: z.array(z.object({ key: z.string(), what: z.string() })),
  /** Why it could not be checked; null when it could. Then nothing is known, and `inSync` is false. */
  failure: z.string().nullable(),
});
export type Drift = z.infer<typeof driftSchema>;

const appliedSchema = z.object({ deploymentId: z.string(), planHash: z.string(), at: z.string() });
/** What is known of one workspace in one environment. Written only by who holds its lease, with a fence that never shrinks. */
export const workspaceStateSchema = z.object({
  id: z.string(),
  workspace: z.string(),
  environment: z.string(),
  fence: z.int(),
  /** Name of the lease that the fence is counted by: another workspace in Azure has another. */
  lease: z.string().default(''),
  /** The plan that is being applied: what was begun, and what is done. */
  applying: z
    .object({
      deploymentId: z.string(),
      planHash: z.string(),
      startedAt: z.string(),
      steps: z.record(z.string(), z.enum(['begun', 'done'])),
      /** Ids of what the plan created, by the keys of its steps. */
      createdIds: z.record(z.string(), z.string()),
      /** When the step was begun whose answer is not known yet. */
      begunAtMs: z.number().nullable().default(null),
      /** How long has been waited for clusters since the last step. */
      waitedMs: z.number().default(0),
      warnings: z.array(z.string()),
    })
    .nullable(),
  /** The last plan that was applied and verified. */
  applied: appliedSchema.nullable(),
  drift: driftSchema.nullable(),
});
export type WorkspaceState = z.infer<typeof workspaceStateSchema>;
export const workspaceViewSchema = workspaceStateSchema
  .omit({ id: true, fence: true, lease: true, applying: true })
  .meta({ id: 'WorkspaceInEnvironment', description: 'What was applied last, and whether it is still so.' });

export const stageInputSchema = z.object({ deploymentId: z.string(), environment: z.string() });
export type StageInput = z.infer<typeof stageInputSchema>;
