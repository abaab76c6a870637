import { z } from 'zod';
import { type BlobStore } from '../platform/blobs';
import { type DocumentPage, type DocumentStore, type Query, type Versioned } from '../platform/documents';
import { AppError } from '../platform/errors';
import { newestFirst } from '../platform/newest-first';
import { buildNotFound, tooManyWriters } from './errors';
import { type BuildState, type OutcomeStatus } from './model';
import {
  buildSchema,
  manifestSchema,
  outcomeSchema,
  planPageSchema,
  planSchema,
  progressSchema,
  type Build,
  type Manifest,
  type Outcome,
  type Plan,
  type PlannedTarget,
  type Progress,
} from './schema';

/** Where builds are kept: documents for what changes, blobs for what does not. */
export interface BuildStore {
  create(build: Build): Promise<'created' | 'exists'>;
  /** @throws AppError `builds.notFound` */
  read(buildId: string): Promise<Build>;
  find(buildId: string): Promise<Build | null>;
  /** Reads, changes and writes until nobody else wrote in between. `change` may run several times; null leaves it as it is. */
  update(buildId: string, change: (build: Build) => Build | null): Promise<Build>;
  /** Builds that have not ended and have this cluster, some of them when there are many. */
  usingCluster(clusterId: string): Promise<string[]>;
  /** Tells a build that another one waits for lanes that it holds. */
  wantLanes(buildId: string): Promise<void>;
  list(options: {
    states: readonly BuildState[];
    pageSize: number;
    continuation: string | null;
  }): Promise<DocumentPage<Build>>;

  readProgress(buildId: string): Promise<Versioned<Progress> | null>;
  createProgress(progress: Progress): Promise<'created' | 'exists'>;
  replaceProgress(progress: Progress, etag: string): Promise<'replaced' | 'changed'>;

  writeManifest(manifest: Manifest): Promise<void>;
  readManifest(buildId: string, run: number): Promise<Manifest>;
  writePlanPage(buildId: string, run: number, page: number, targets: readonly PlannedTarget[]): Promise<void>;
  readPlanPage(buildId: string, run: number, page: number): Promise<PlannedTarget[]>;
  /** Written after its pages: a plan that can be read is complete. */
  writePlan(buildId: string, run: number, plan: Plan): Promise<void>;
  readPlan(buildId: string, run: number): Promise<Plan | null>;
}

export interface OutcomeFilter {
  statuses?: readonly OutcomeStatus[];
  server?: string;
  tag?: string;
  /** Only outcomes that no later attempt replaced. */
  current: boolean;
}

export const errorGroupSchema = z.object({
  code: z.string(),
  number: z.int().nullable(),
  script: z.string().nullable(),
  targets: z.int(),
  message: z.string(),
});
/** Failures of one build that have the same cause, as far as an error number and a script tell. */
export type ErrorGroup = z.infer<typeof errorGroupSchema>;

export interface OutcomeStore {
  /** Create-only: the first outcome of an attempt stands. */
  create(outcome: Outcome): Promise<'created' | 'exists'>;
  exists(buildId: string, targetId: string, attempt: number): Promise<boolean>;
  list(
    buildId: string,
    filter: OutcomeFilter,
    options: { pageSize: number; continuation: string | null },
  ): Promise<DocumentPage<Outcome>>;
  /** Every outcome of the filter, page by page. */
  each(buildId: string, filter: OutcomeFilter): AsyncIterable<Outcome[]>;
  errorGroups(buildId: string): Promise<ErrorGroup[]>;
  /** What was created or changed since `continuation`, oldest first. */
  changes(
    buildId: string,
    continuation: string | null,
  ): Promise<{ items: Outcome[]; continuation: string; more: boolean }>;
  /** Which of these targets have an outcome in this run. */
  ended(buildId: string, run: number, targetIds: readonly string[]): Promise<Set<string>>;
  markSuperseded(outcome: Outcome, attempt: number): Promise<void>;
}

const writeAttempts = 20;
const pageSize = 500;
const referencesShown = 100;

export function outcomeId(targetId: string, attempt: number): string {
  return `${targetId}.${attempt}`;
}

export function createBuildStore(documents: DocumentStore, blobs: BlobStore): BuildStore {
  const json = 'application/json';
  const folder = (buildId: string, run: number): string => `${buildId}/runs/${run}`;
  const pageName = (buildId: string, run: number, page: number): string =>
    `${folder(buildId, run)}/plan/${String(page).padStart(6, '0')}.json`;
  const readBlob = async <T>(name: string, schema: z.ZodType<T>): Promise<T> => {
    const bytes = await blobs.get(name);
    if (bytes === null) {
      throw new AppError(
        'builds.stateMissing',
        `The blob "${name}" is gone, so the build cannot go on. Start it again.`,
      );
    }
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  };

  const store: BuildStore = {
    create: (build) => documents.create(build.buildId, build),
    async find(buildId) {
      return (await documents.read(buildId, buildId, buildSchema))?.value ?? null;
    },
    async read(buildId) {
      const build = await store.find(buildId);
      if (build === null) throw buildNotFound(buildId);
      return build;
    },
    async update(buildId, change) {
      for (let attempt = 1; attempt <= writeAttempts; attempt += 1) {
        const current = await documents.read(buildId, buildId, buildSchema);
        if (current === null) throw buildNotFound(buildId);
        const next = change(current.value);
        if (next === null) return current.value;
        if ((await documents.replace(buildId, next, current.etag)) === 'replaced') return next;
      }
      throw tooManyWriters(`Build "${buildId}"`);
    },
    async usingCluster(clusterId) {
      const page = await documents.query(
        {
          text: `SELECT TOP ${referencesShown} c.buildId FROM c
            WHERE c.kind = 'build' AND c.cluster = @clusterId AND IS_NULL(c.finishedAt)`,
          parameters: { clusterId },
        },
        z.object({ buildId: z.string() }),
        { pageSize: referencesShown },
      );
      return page.items.map(({ buildId }) => buildId);
    },
    async wantLanes(buildId) {
      await documents.patch(buildId, buildId, { lanesWanted: true });
    },
    list: ({ states, pageSize: limit, continuation }) =>
      newestFirst(documents, buildSchema, {
        conditions: ["c.kind = 'build'", ...(states.length === 0 ? [] : ['ARRAY_CONTAINS(@states, c.state)'])],
        parameters: states.length === 0 ? {} : { states: [...states] },
        pageSize: limit,
        continuation,
      }),

    readProgress: (buildId) => documents.read(buildId, 'progress', progressSchema),
    createProgress: (progress) => documents.create(progress.buildId, progress),
    replaceProgress: (progress, etag) => documents.replace(progress.buildId, progress, etag),

    writeManifest: (manifest) =>
      blobs.put(`${folder(manifest.buildId, manifest.run)}/manifest.json`, JSON.stringify(manifest), json),
    readManifest: (buildId, run) => readBlob(`${folder(buildId, run)}/manifest.json`, manifestSchema),
    writePlanPage: (buildId, run, page, targets) =>
      blobs.put(pageName(buildId, run, page), JSON.stringify(targets), json),
    readPlanPage: (buildId, run, page) => readBlob(pageName(buildId, run, page), planPageSchema),
    writePlan: (buildId, run, plan) => blobs.put(`${folder(buildId, run)}/plan.json`, JSON.stringify(plan), json),
    async readPlan(buildId, run) {
      const bytes = await blobs.get(`${folder(buildId, run)}/plan.json`);
      return bytes === null ? null : planSchema.parse(JSON.parse(bytes.toString('utf8')));
    },
  };
  return store;
}

export function createOutcomeStore(documents: DocumentStore): OutcomeStore {
  const store: OutcomeStore = {
    create: (outcome) => documents.create(outcome.buildId, outcome),
    async exists(buildId, targetId, attempt) {
      return (await documents.read(buildId, outcomeId(targetId, attempt), z.object({ id: z.string() }))) !== null;
    },
    list: (buildId, filter, options) =>
      documents.query(filterQuery(filter), outcomeSchema, { ...options, partitionKey: buildId }),
    async *each(buildId, filter) {
      let continuation: string | null = null;
      do {
        const page: DocumentPage<Outcome> = await store.list(buildId, filter, { pageSize, continuation });
        if (page.items.length > 0) yield page.items;
        continuation = page.continuation;
      } while (continuation !== null);
    },
    async errorGroups(buildId) {
      const groups: ErrorGroup[] = [];
      let continuation: string | null = null;
      do {
        const page: DocumentPage<ErrorGroup> = await documents.query(
          {
            text: `SELECT c.failure.code AS code, c.failure.number AS number, c.failure.script AS script,
              COUNT(1) AS targets, MIN(c.failure.message) AS message
              FROM c WHERE NOT IS_NULL(c.failure) AND NOT IS_DEFINED(c.supersededBy)
              GROUP BY c.failure.code, c.failure.number, c.failure.script`,
          },
          errorGroupSchema,
          { partitionKey: buildId, pageSize, continuation },
        );
        groups.push(...page.items);
        continuation = page.continuation;
      } while (continuation !== null);
      return groups.sort((a, b) => b.targets - a.targets);
    },
    changes: (buildId, continuation) => documents.changes(buildId, outcomeSchema, { continuation, pageSize }),
    async ended(buildId, run, targetIds) {
      const ended = new Set<string>();
      let continuation: string | null = null;
      do {
        const page: DocumentPage<{ targetId: string }> = await documents.query(
          {
            text: 'SELECT c.targetId FROM c WHERE c.run = @run AND ARRAY_CONTAINS(@targetIds, c.targetId)',
            parameters: { run, targetIds: [...targetIds] },
          },
          z.object({ targetId: z.string() }),
          { partitionKey: buildId, pageSize, continuation },
        );
        for (const { targetId } of page.items) ended.add(targetId);
        continuation = page.continuation;
      } while (continuation !== null);
      return ended;
    },
    async markSuperseded(outcome, attempt) {
      await documents.patch(outcome.buildId, outcome.id, { supersededBy: attempt });
    },
  };
  return store;
}

function filterQuery(filter: OutcomeFilter): Query {
  const conditions: string[] = [];
  const parameters: Query['parameters'] = {};
  if (filter.current) conditions.push('NOT IS_DEFINED(c.supersededBy)');
  if (filter.statuses !== undefined) {
    conditions.push('ARRAY_CONTAINS(@statuses, c.status)');
    parameters.statuses = [...filter.statuses];
  }
  if (filter.server !== undefined) {
    conditions.push('c.server = @server');
    parameters.server = filter.server.toLowerCase();
  }
  if (filter.tag !== undefined) {
    conditions.push('c.tag = @tag');
    parameters.tag = filter.tag;
  }
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  return { text: `SELECT * FROM c${where} ORDER BY c.line`, parameters };
}
