import { type HttpRequest } from '@azure/functions';
import { z } from 'zod';
import {
  logNameSchema,
  type RemoteWork,
  workEventsSchema,
  workInputsSchema,
  workOrderSchema,
  workOutcomeSchema,
} from '../lib/builds/remote-work';
import { heartbeatRequestSchema, tokenRequestSchema, type WorkerIdentity } from '../lib/clusters/handshake/handshake';
import { clusterNamePattern } from '../lib/clusters/model';
import { type ClusterServices } from '../lib/clusters/services';
import { boundedText, jsonBody, parsed, problemSchema, queryOf, type Route } from '../lib/platform/http';

const problem = (description: string) => ({ description, body: problemSchema, mediaType: 'application/problem+json' });
const refusals = {
  400: problem('The request cannot be understood.'),
  401: problem('The access token is not valid (any more).'),
  403: problem('The cluster does not have this build (any more).'),
};
const tooLarge = { 413: problem('The body is too large.') };

const admissionSchema = z
  .object({
    accessToken: z.string().meta({ description: 'For the other calls, as `Authorization: Bearer`.' }),
    expiresAtMs: z.number(),
    queue: z
      .object({
        endpoint: z.string(),
        topic: z.string(),
        subscription: z.string(),
        signature: z.string(),
        expiresAtMs: z.number(),
      })
      .meta({ description: 'A shared access signature that may listen on this subscription, and nothing else.' }),
    heartbeatIntervalMs: z.int(),
  })
  .meta({ id: 'WorkerAdmission' });

const largestTokenBytes = 64 * 1024;
const largestBodyBytes = 1024 * 1024;
const largestLogBytes = 64 * 1024 * 1024;

const buildQuery = z.strictObject({ buildId: z.string().max(128) });
const inputsQuery = buildQuery.extend({ run: z.coerce.number().int().min(1) });
const outcomeQuery = buildQuery.extend({
  targetId: z.string().max(128),
  attempt: z.coerce.number().int().min(1),
});
const logQuery = buildQuery.extend({ name: logNameSchema });
const createdSchema = z.object({ outcome: z.enum(['created', 'exists']) });

/** What is no name is no cluster's, and is told from one that does not exist by nothing. */
function nameOf(request: HttpRequest): string {
  const name = request.params.name ?? '';
  return clusterNamePattern.test(name) ? name : '-';
}

/** The calls of workers. They carry no function key: who calls is known by the cluster's own key pair, or not at all. */
export function workerRoutes(clusters: () => ClusterServices, work: () => RemoteWork): Route[] {
  const worker = (request: HttpRequest): Promise<WorkerIdentity> => {
    const bearer = /^Bearer ([\w-]{1,100})$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? null;
    return clusters().handshake.authenticate(nameOf(request), bearer);
  };
  const body = async <T>(request: HttpRequest, schema: z.ZodType<T>): Promise<T> => {
    return parsed(schema, await jsonBody(request, largestBodyBytes), 'body');
  };

  return [
    {
      operationId: 'admitWorker',
      method: 'POST',
      authLevel: 'anonymous',
      path: 'buildClusters/{name}/token',
      summary: 'A worker shows a token that it signed, and gets what it needs to work, for a while.',
      body: { 'application/json': tokenRequestSchema },
      responses: {
        200: { description: 'Admitted.', body: admissionSchema },
        400: refusals[400],
        401: problem('The token is not beyond doubt.'),
        403: problem('The cluster is switched off, and has nothing left to end.'),
        ...tooLarge,
        503: problem('The app has no key to sign credentials with.'),
      },
      async handle(request) {
        const sent = await jsonBody(request, largestTokenBytes);
        const { token, workerId } = parsed(tokenRequestSchema, sent, 'body');
        const admission = await clusters().handshake.admit(nameOf(request), token, workerId);
        return { headers: { 'cache-control': 'no-store' }, jsonBody: admission };
      },
    },
    {
      operationId: 'reportWorker',
      method: 'POST',
      authLevel: 'anonymous',
      path: 'buildClusters/{name}/heartbeats',
      summary: 'A worker says that it is alive, and what it can do.',
      body: { 'application/json': heartbeatRequestSchema },
      responses: { 204: { description: 'Heard.' }, 400: refusals[400], 401: refusals[401], ...tooLarge },
      async handle(request) {
        const who = await worker(request);
        await clusters().handshake.heartbeat(who, await body(request, heartbeatRequestSchema));
        return { status: 204 };
      },
    },
    {
      operationId: 'getWorkOrder',
      method: 'GET',
      authLevel: 'anonymous',
      path: 'buildClusters/{name}/orders',
      summary: 'Whether a build of this cluster goes on.',
      query: buildQuery,
      responses: { 200: { description: 'How it stands.', body: workOrderSchema }, ...refusals },
      async handle(request) {
        const { clusterId } = await worker(request);
        const { buildId } = parsed(buildQuery, queryOf(request), 'query');
        return { jsonBody: await work().order(clusterId, buildId) };
      },
    },
    {
      operationId: 'getWorkInputs',
      method: 'GET',
      authLevel: 'anonymous',
      path: 'buildClusters/{name}/inputs',
      summary: 'The manifest of a run of a build of this cluster, and a link to its package.',
      query: inputsQuery,
      responses: { 200: { description: 'The inputs.', body: workInputsSchema }, ...refusals },
      async handle(request) {
        const { clusterId } = await worker(request);
        const { buildId, run } = parsed(inputsQuery, queryOf(request), 'query');
        return { headers: { 'cache-control': 'no-store' }, jsonBody: await work().inputs(clusterId, buildId, run) };
      },
    },
    {
      operationId: 'hasWorkEnded',
      method: 'GET',
      authLevel: 'anonymous',
      path: 'buildClusters/{name}/outcomes',
      summary: 'Whether an attempt at a target has its outcome.',
      query: outcomeQuery,
      responses: { 200: { description: 'The answer.', body: z.object({ ended: z.boolean() }) }, ...refusals },
      async handle(request) {
        const { clusterId } = await worker(request);
        const { buildId, targetId, attempt } = parsed(outcomeQuery, queryOf(request), 'query');
        return { jsonBody: { ended: await work().hasEnded(clusterId, buildId, targetId, attempt) } };
      },
    },
    {
      operationId: 'reportOutcome',
      method: 'POST',
      authLevel: 'anonymous',
      path: 'buildClusters/{name}/outcomes',
      summary: 'How a target ended. The first outcome of an attempt stands.',
      body: { 'application/json': workOutcomeSchema },
      responses: { 200: { description: 'Kept, or there already.', body: createdSchema }, ...refusals, ...tooLarge },
      async handle(request) {
        const { clusterId } = await worker(request);
        return { jsonBody: { outcome: await work().end(clusterId, await body(request, workOutcomeSchema)) } };
      },
    },
    {
      operationId: 'reportLog',
      method: 'POST',
      authLevel: 'anonymous',
      path: 'buildClusters/{name}/logs',
      summary: 'The log of a target.',
      query: logQuery,
      body: { 'text/plain': z.string() },
      responses: { 204: { description: 'Kept.' }, ...refusals, ...tooLarge },
      async handle(request) {
        const { clusterId } = await worker(request);
        const { buildId, name } = parsed(logQuery, queryOf(request), 'query');
        await work().keepLog(clusterId, buildId, name, await boundedText(request, largestLogBytes));
        return { status: 204 };
      },
    },
    {
      operationId: 'reportWorkEvents',
      method: 'POST',
      authLevel: 'anonymous',
      path: 'buildClusters/{name}/events',
      summary: 'Progress, for whoever follows. What is not about builds of this cluster is dropped.',
      body: { 'application/json': workEventsSchema },
      responses: { 202: { description: 'Taken.' }, 400: refusals[400], 401: refusals[401], ...tooLarge },
      async handle(request) {
        const { clusterId } = await worker(request);
        await work().publish(clusterId, (await body(request, workEventsSchema)).events);
        return { status: 202 };
      },
    },
  ];
}
