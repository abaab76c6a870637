import { type HttpRequest, type HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { auditSubject } from '../lib/clusters/changes';
import { clusterNotFound } from '../lib/clusters/errors';
import {
  type Cluster,
  clusterInputSchema,
  clusterNameSchema,
  clusterPatchSchema,
  clusterStatusSchema,
} from '../lib/clusters/schema';
import { type ClusterServices } from '../lib/clusters/services';
import { clusterView, clusterViewSchema } from '../lib/clusters/view';
import { recordedSchema } from '../lib/platform/audit';
import { clusterChoiceSchema, clusterRequestSchema } from '../lib/platform/cluster-choice';
import { type Versioned } from '../lib/platform/documents';
import { AppError } from '../lib/platform/errors';
import { continuationsOf, entityTags, oneOrMore, pagingQuery, parsed, queryOf, type Route } from '../lib/platform/http';
import { apiUrlOf, pageOf, problem } from './answers';
import { adminOf } from './cluster-admin';
import { bodyOf, etagHeader, nameOf, refusals, writeHeaders } from './cluster-requests';

const listQuery = z.strictObject({ status: oneOrMore(clusterStatusSchema), ...pagingQuery });
const auditQuery = z.strictObject(pagingQuery);
const removeQuery = z.strictObject({
  successor: clusterNameSchema.optional().meta({ description: 'The cluster that takes over what this one has.' }),
});
const flag = z.preprocess((value) => value === '' || value === 'true' || value === '1', z.boolean());
const selectQuery = z.strictObject({
  explain: flag.default(false).meta({ description: 'Also the candidates, why some were excluded, and the draw.' }),
});
const selectBody = clusterRequestSchema.extend({
  random: z.number().min(0).lt(1).optional().meta({ description: 'The chance in it, to see what another draw gives.' }),
});
const selectionSchema = clusterChoiceSchema
  .pick({ cluster: true, queue: true, path: true, reason: true })
  .extend({
    refused: z.string().nullable().meta({ description: 'Why a build that asks so would not be started.' }),
    explanation: clusterChoiceSchema.optional(),
  })
  .meta({ id: 'ClusterSelection' });

/** The HTTP API of the registry, as data: registered with the host, and described in the OpenAPI document. */
export function clusterRoutes(services: () => ClusterServices): Route[] {
  const answer = async (
    request: HttpRequest,
    { value, etag }: Versioned<Cluster>,
    status: number,
  ): Promise<HttpResponseInit> => {
    const view = clusterView(value, await services().directory.status(value), apiUrlOf(request));
    const headers: Record<string, string> = {};
    if (etag !== '') headers.etag = etag;
    if (status === 201) headers.location = view.links.self;
    return { status, headers, jsonBody: view };
  };

  return [
    {
      operationId: 'registerBuildCluster',
      method: 'POST',
      path: 'buildClusters',
      summary: 'Register a build cluster under a name that nobody has.',
      requestHeaders: writeHeaders,
      body: { 'application/json': clusterInputSchema },
      responses: {
        201: {
          description: 'Registered.',
          body: clusterViewSchema,
          headers: { ...etagHeader, Location: 'The cluster.' },
        },
        ...refusals,
        409: problem('The name or the queue is taken.'),
        422: problem('A field or a key cannot be accepted; all problems are listed.'),
      },
      async handle(request) {
        const body = await bodyOf(request);
        const by = adminOf(request, body, services().admins);
        const input = readInput(body);
        if (input.name === undefined) throw nameMissing();
        return answer(request, await services().registry.register(input.name, input, by), 201);
      },
    },
    {
      operationId: 'listBuildClusters',
      method: 'GET',
      path: 'buildClusters',
      summary: 'Build clusters by name, with their status now.',
      query: listQuery,
      responses: { 200: { description: 'A page.', body: pageOf(clusterViewSchema) }, 400: problem('Unusable query.') },
      async handle(request) {
        const { status, pageSize, continuation } = parsed(listQuery, queryOf(request), 'query');
        const { store, directory, registry } = services();
        await registry.ensureManaged();
        const continuations = continuationsOf(['clusters', status]);
        const after = continuations.decode(continuation) ?? '';
        const wanted = (await directory.statuses(await store.list())).filter(
          (at) => at.cluster.id > after && (status === undefined || status.includes(at.status)),
        );
        const page = wanted.slice(0, pageSize);
        const last = wanted.length > page.length ? (page.at(-1)?.cluster.id ?? null) : null;
        const items = page.map(({ cluster, ...at }) => clusterView(cluster, at, apiUrlOf(request)));
        return { jsonBody: { items, continuation: continuations.encode(last) } };
      },
    },
    {
      operationId: 'getBuildCluster',
      method: 'GET',
      path: 'buildClusters/{name}',
      summary: 'One build cluster.',
      responses: {
        200: { description: 'The cluster.', body: clusterViewSchema, headers: etagHeader },
        404: problem('There is no such cluster.'),
      },
      handle: async (request) => answer(request, await services().registry.read(nameOf(request)), 200),
    },
    {
      operationId: 'putBuildCluster',
      method: 'PUT',
      path: 'buildClusters/{name}',
      summary:
        'Make the cluster as described, whether it is there or not. What is left out has its default; keys stay.',
      requestHeaders: { ...writeHeaders, 'If-None-Match': '`*`: only if there is none.' },
      body: { 'application/json': clusterInputSchema },
      responses: {
        200: { description: 'Changed, or as it was.', body: clusterViewSchema, headers: etagHeader },
        201: {
          description: 'Registered.',
          body: clusterViewSchema,
          headers: { ...etagHeader, Location: 'The cluster.' },
        },
        ...refusals,
        404: problem('`If-Match` was given and there is no such cluster.'),
        409: problem('The queue is taken, or somebody else registered the name at the same time.'),
        412: problem('It is another version by now, or is there already.'),
        422: problem('A field or a key cannot be accepted; all problems are listed.'),
      },
      async handle(request) {
        const body = await bodyOf(request);
        const by = adminOf(request, body, services().admins);
        const name = request.params.name ?? '';
        const input = readInput(body);
        parsed(z.object({ name: clusterInputSchema.shape.name }), { name }, 'path');
        if (input.name !== undefined && input.name !== name) throw otherName();
        const mustBeNew = entityTags(request, 'if-none-match')?.includes('*') ?? false;
        const conditions = { ifMatch: entityTags(request, 'if-match'), mustBeNew };
        const { created, cluster } = await services().registry.put(name, input, by, conditions);
        return answer(request, cluster, created ? 201 : 200);
      },
    },
    {
      operationId: 'patchBuildCluster',
      method: 'PATCH',
      path: 'buildClusters/{name}',
      summary: 'Change some fields. What is left out stays, null is the default again; name and queue stay always.',
      requestHeaders: writeHeaders,
      body: { 'application/json': clusterPatchSchema, 'application/merge-patch+json': clusterPatchSchema },
      responses: {
        200: { description: 'Changed, or as it was.', body: clusterViewSchema, headers: etagHeader },
        ...refusals,
        404: problem('There is no such cluster.'),
        412: problem('It is another version by now.'),
        422: problem('A field cannot be accepted; all problems are listed.'),
      },
      async handle(request) {
        const body = await bodyOf(request);
        const by = adminOf(request, body, services().admins);
        const input = parsed(clusterPatchSchema, body, 'body');
        const cluster = await services().registry.patch(nameOf(request), input, by, entityTags(request, 'if-match'));
        return answer(request, cluster, 200);
      },
    },
    {
      operationId: 'deleteBuildCluster',
      method: 'DELETE',
      path: 'buildClusters/{name}',
      summary: 'Delete a cluster once nothing uses it; with a successor, let that one take over what does.',
      requestHeaders: writeHeaders,
      query: removeQuery,
      responses: {
        202: { description: 'It is drained, and deleted as soon as nothing uses it.', body: clusterViewSchema },
        204: { description: 'Deleted.' },
        ...refusals,
        404: problem('There is no such cluster.'),
        409: problem('Unfinished builds use it (`references`), or it is the app itself.'),
        412: problem('It is another version by now.'),
        422: problem('The successor cannot take over.'),
      },
      async handle(request) {
        const by = adminOf(request, await bodyOf(request), services().admins, { needsReason: true });
        const { successor = null } = parsed(removeQuery, queryOf(request), 'query');
        const ifMatch = entityTags(request, 'if-match');
        const { outcome, cluster } = await services().life.remove(nameOf(request), successor, by, ifMatch);
        return outcome === 'gone' ? { status: 204 } : answer(request, { value: cluster, etag: '' }, 202);
      },
    },
    {
      operationId: 'listBuildClusterAudit',
      method: 'GET',
      path: 'buildClusters/{name}/audit',
      summary: 'Who changed what of the cluster, when and why; oldest first. It outlives the cluster.',
      query: auditQuery,
      responses: {
        200: { description: 'A page.', body: pageOf(recordedSchema) },
        400: problem('Unusable query.'),
        404: problem('There never was such a cluster.'),
      },
      async handle(request) {
        const { pageSize, continuation } = parsed(auditQuery, queryOf(request), 'query');
        const name = nameOf(request);
        const found = await services().store.find(name);
        if (found === null) throw clusterNotFound(name);
        const continuations = continuationsOf(['clusterAudit', found.value.id]);
        const page = await services().audit.list(auditSubject(found.value.id), {
          pageSize,
          continuation: continuations.decode(continuation),
        });
        return { jsonBody: { items: page.items, continuation: continuations.encode(page.continuation) } };
      },
    },
    {
      operationId: 'selectBuildCluster',
      method: 'POST',
      path: 'buildClusters/select',
      summary: 'Which cluster a build would get now. Nothing is started.',
      query: selectQuery,
      body: { 'application/json': selectBody },
      responses: {
        200: { description: 'The cluster, or why there is none.', body: selectionSchema },
        400: problem('The request cannot be understood.'),
      },
      async handle(request) {
        const { explain } = parsed(selectQuery, queryOf(request), 'query');
        const { random, ...asked } = parsed(selectBody, await bodyOf(request), 'body');
        const { choice, refused } = await services().directory.select(clusterRequestOf(asked), random);
        const { cluster, queue, path, reason } = choice;
        return { jsonBody: { cluster, queue, path, reason, refused, ...(explain ? { explanation: choice } : {}) } };
      },
    },
  ];
}

function clusterRequestOf(asked: z.infer<typeof clusterRequestSchema>) {
  return {
    wanted: asked.cluster ?? null,
    override: asked.clusterOverride ?? null,
    only: asked.clusterOnly,
    organization: asked.organization ?? null,
    scmContext: asked.scmContext ?? null,
    group: asked.group ?? null,
    exclude: [],
  };
}

/** Names of files on a server are what the seed had in these places; nothing here is ever read from such. */
const fileNames = ['authKeyFileName', 'authKeyName', 'signOptionFileName'];

function readInput(body: unknown): z.infer<typeof clusterInputSchema> {
  const named = fileNames.filter((field) => typeof body === 'object' && body !== null && field in body);
  if (named.length > 0) {
    const message = 'no file name is taken: give the public key itself as "key", and the sign options as "signOptions"';
    throw new AppError('clusters.fileName', `${named.join(', ')}: ${message}.`, {
      status: 422,
      details: {
        problems: named.map((field) => ({ code: 'clusters.fileName', message, entry: `body.${field}`, line: null })),
      },
    });
  }
  return parsed(clusterInputSchema, body, 'body');
}

function nameMissing(): AppError {
  const problems = [{ code: 'request.invalid', message: 'the name is missing', entry: 'body.name', line: null }];
  return new AppError('request.invalid', 'The body of the request is not usable.', {
    status: 400,
    details: { problems },
  });
}

function otherName(): AppError {
  return new AppError('clusters.otherName', 'The body names another cluster than the path.', { status: 422 });
}
