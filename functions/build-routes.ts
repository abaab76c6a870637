import { type HttpRequest } from '@azure/functions';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { type ControlAction, controlActions } from '../lib/builds/control';
import { buildNotFound } from '../lib/builds/errors';
import { consolidatedLogs, summarySchema } from '../lib/builds/finish';
import {
  blobBuildRequestSchema,
  buildOptionsSchema,
  buildStateSchema,
  controlRequestSchema,
  outcomeStatusSchema,
} from '../lib/builds/schema';
import { type BuildServices } from '../lib/builds/services';
import { errorGroupSchema } from '../lib/builds/store';
import { buildView, buildViewSchema, outcomeView, outcomeViewSchema } from '../lib/builds/view';
import { recordedSchema } from '../lib/platform/audit';
import { orchestrationsOf } from '../lib/platform/durable';
import { AppError } from '../lib/platform/errors';
import { continuationsOf, oneOrMore, pagingQuery, parsed, problem, queryOf, type Route } from '../lib/platform/http';
import { bodyWithActor } from './acting';
import { readSubmission } from './submission';

const auditQuery = z.strictObject(pagingQuery);
const listQuery = z.strictObject({ state: oneOrMore(buildStateSchema), ...pagingQuery });
const outcomesQuery = z.strictObject({
  status: oneOrMore(outcomeStatusSchema),
  server: z.string().optional(),
  tag: z.string().optional(),
  attempts: z
    .enum(['current', 'all'])
    .default('current')
    .meta({ description: 'all: also attempts that a retry replaced.' }),
  ...pagingQuery,
});

const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), continuation: z.string().nullable() });
const formSchema = z.object({
  package: z.file().meta({ description: 'A .sbm, a zip of .sql files, or several .sql files as several parts.' }),
  targets: z.file().meta({ description: 'A .cfg file.' }),
  options: buildOptionsSchema.optional(),
});

/** A database's log is `<target>.<attempt>.sql`; nothing else may be asked for, so no name can lead anywhere else. */
const databaseLogName = /^[0-9a-f]{1,64}\.\d{1,6}\.sql$/;
const consolidatedNames: readonly string[] = Object.values(consolidatedLogs);

function buildIdOf(request: HttpRequest): string {
  const buildId = request.params.buildId ?? '';
  if (!/^[\w-]{1,64}$/.test(buildId)) throw buildNotFound(buildId.slice(0, 64));
  return buildId;
}

function apiUrlOf(request: HttpRequest): string {
  return `${new URL(request.url).origin}/api`;
}

/** The HTTP API of builds, as data: registered with the host, and described in the OpenAPI document. */
export function buildRoutes(services: () => BuildServices): Route[] {
  const control = (action: ControlAction, summary: string): Route => ({
    operationId: action === 'retry-failed' ? 'retryFailedTargets' : `${action}Build`,
    method: 'POST',
    path: `builds/{buildId}/${action}`,
    summary,
    body: { 'application/json': controlRequestSchema },
    responses: {
      202: { description: 'Noted; the build follows.', body: buildViewSchema },
      400: problem('Actor or reason is missing.'),
      404: problem('There is no such build.'),
      409: problem("The build's state forbids it."),
    },
    async handle(request, context) {
      const buildId = buildIdOf(request);
      const by = parsed(controlRequestSchema, await bodyWithActor(request), 'body');
      const build = await services().control(buildId, action, by, orchestrationsOf(context));
      return { status: 202, jsonBody: buildView(build, apiUrlOf(request)) };
    },
  });
  const summaries: Record<ControlAction, string> = {
    cancel: 'Begin no further target; running ones end. Targets that were not begun end as skipped.',
    pause: 'Hand out no further target until the build is resumed.',
    resume: 'Go on with a paused build.',
    'retry-failed': 'Build the targets again whose outcome counts as a failure.',
  };

  return [
    {
      operationId: 'startBuild',
      method: 'POST',
      path: 'builds',
      summary: 'Start a build: one package, one set of targets.',
      requestHeaders: { 'Idempotency-Key': 'The same key with the same content answers with the same build.' },
      body: { 'multipart/form-data': formSchema, 'application/json': blobBuildRequestSchema },
      responses: {
        202: { description: 'Accepted.', body: buildViewSchema, headers: { Location: 'Status URL of the build.' } },
        400: problem('The request cannot be taken apart.'),
        413: problem('The upload is too large; hand it over as a blob.'),
        415: problem('Neither a form nor JSON.'),
        422: problem('Options, package or targets have problems; all of them are listed, and nothing was started.'),
      },
      async handle(request, context) {
        const { submit, readUpload } = services();
        const submission = await readSubmission(request, readUpload);
        const { build } = await submit(submission, orchestrationsOf(context));
        const view = buildView(build, apiUrlOf(request));
        return { status: 202, headers: { location: view.links.self, 'retry-after': '1' }, jsonBody: view };
      },
    },
    {
      operationId: 'listBuilds',
      method: 'GET',
      path: 'builds',
      summary: 'Builds, newest first.',
      query: listQuery,
      responses: { 200: { description: 'A page.', body: pageOf(buildViewSchema) }, 400: problem('Unusable query.') },
      async handle(request) {
        const query = parsed(listQuery, queryOf(request), 'query');
        const { pageSize, state } = query;
        const continuations = continuationsOf(['builds', state]);
        const continuation = continuations.decode(query.continuation);
        const page = await services().builds.list({ states: state ?? [], pageSize, continuation });
        const items = page.items.map((build) => buildView(build, apiUrlOf(request)));
        return { jsonBody: { items, continuation: continuations.encode(page.continuation) } };
      },
    },
    {
      operationId: 'getBuild',
      method: 'GET',
      path: 'builds/{buildId}',
      summary: 'One build.',
      responses: { 200: { description: 'The build.', body: buildViewSchema }, 404: problem('There is no such build.') },
      async handle(request) {
        return { jsonBody: buildView(await services().builds.read(buildIdOf(request)), apiUrlOf(request)) };
      },
    },
    {
      operationId: 'listOutcomes',
      method: 'GET',
      path: 'builds/{buildId}/outcomes',
      summary: 'How the targets ended, and the failures grouped by SQL error number and script.',
      query: outcomesQuery,
      responses: {
        200: {
          description: 'A page of outcomes. `errors` covers the whole build and comes with the first page.',
          body: pageOf(outcomeViewSchema).extend({ errors: z.array(errorGroupSchema).optional() }),
        },
        400: problem('Unusable query.'),
        404: problem('There is no such build.'),
      },
      async handle(request) {
        const query = parsed(outcomesQuery, queryOf(request), 'query');
        const { buildId } = await services().builds.read(buildIdOf(request));
        const filter = {
          current: query.attempts === 'current',
          ...(query.status === undefined ? {} : { statuses: query.status }),
          ...(query.server === undefined ? {} : { server: query.server }),
          ...(query.tag === undefined ? {} : { tag: query.tag }),
        };
        const continuations = continuationsOf(['outcomes', buildId, filter]);
        const continuation = continuations.decode(query.continuation);
        const { outcomes } = services();
        const page = await outcomes.list(buildId, filter, { pageSize: query.pageSize, continuation });
        const errors = continuation === null ? await outcomes.errorGroups(buildId) : undefined;
        return {
          jsonBody: {
            items: page.items.map(outcomeView),
            continuation: continuations.encode(page.continuation),
            errors,
          },
        };
      },
    },
    {
      operationId: 'listLogs',
      method: 'GET',
      path: 'builds/{buildId}/logs',
      summary: 'Names of the logs. The log of one database is named by its outcome.',
      responses: {
        200: { description: 'Names.', body: z.object({ consolidated: z.array(z.string()), perDatabase: z.string() }) },
        404: problem('There is no such build.'),
      },
      async handle(request) {
        await services().builds.read(buildIdOf(request));
        return { jsonBody: { consolidated: consolidatedNames, perDatabase: 'the `log` of each outcome' } };
      },
    },
    {
      operationId: 'getLog',
      method: 'GET',
      path: 'builds/{buildId}/logs/{name}',
      summary: 'One log: a consolidated one once the build has ended, or the runnable log of one database.',
      responses: {
        200: {
          description: 'The log: text, SQL of one database, or the summary as JSON.',
          body: z.string(),
          mediaType: ['text/plain', 'application/sql'],
          bodies: { 'application/json': summarySchema },
        },
        404: problem('There is no such build, or no such log (yet).'),
      },
      async handle(request) {
        const { buildId } = await services().builds.read(buildIdOf(request));
        const name = request.params.name ?? '';
        const blob = consolidatedNames.includes(name)
          ? `${buildId}/${name}`
          : databaseLogName.test(name)
            ? `${buildId}/databases/${name}`
            : null;
        const log = blob === null ? null : await services().logs.open(blob);
        if (log === null) {
          throw new AppError('builds.logNotFound', `Build "${buildId}" has no log of this name (yet).`, {
            status: 404,
          });
        }
        const headers = { 'content-type': log.contentType, 'x-content-type-options': 'nosniff' };
        return { headers, body: Readable.toWeb(Readable.from(log.stream)) };
      },
    },
    {
      operationId: 'listAudit',
      method: 'GET',
      path: 'builds/{buildId}/audit',
      summary: 'Who did what to the build, when and why; oldest first.',
      query: auditQuery,
      responses: {
        200: { description: 'A page.', body: pageOf(recordedSchema) },
        400: problem('Unusable query.'),
        404: problem('There is no such build.'),
      },
      async handle(request) {
        const query = parsed(auditQuery, queryOf(request), 'query');
        const { buildId } = await services().builds.read(buildIdOf(request));
        const continuations = continuationsOf(['audit', buildId]);
        const continuation = continuations.decode(query.continuation);
        const page = await services().audit.list(buildId, { pageSize: query.pageSize, continuation });
        return { jsonBody: { items: page.items, continuation: continuations.encode(page.continuation) } };
      },
    },
    ...controlActions.map((action) => control(action, summaries[action])),
  ];
}
