import { z } from 'zod';
import { buildNotFound } from '../lib/builds/errors';
import { type BuildServices } from '../lib/builds/services';
import { buildView, buildViewSchema } from '../lib/builds/view';
import { clusterNameSchema } from '../lib/clusters/schema';
import { orchestrationsOf } from '../lib/platform/durable';
import { jsonBody, parsed, type Route } from '../lib/platform/http';
import { apiUrlOf, problem } from './answers';
import { adminOf } from './cluster-admin';

const bodySchema = z.strictObject({
  cluster: clusterNameSchema.meta({ description: 'The build cluster to use.' }),
  actor: z.string().optional(),
  reason: z.string().optional(),
});

/** The one operation of both worlds: an admin of clusters decides about a build. */
export function buildClusterRoute(builds: () => BuildServices, admins: () => readonly string[]): Route {
  return {
    operationId: 'assignBuildCluster',
    method: 'PUT',
    path: 'builds/{buildId}/cluster',
    summary: 'Assign a cluster to a build, whatever it asked for. For admins of build clusters.',
    requestHeaders: { 'x-actor': 'Who, where nobody is signed in.', 'x-reason': 'Why.' },
    body: { 'application/json': bodySchema },
    responses: {
      202: { description: 'Noted; the build follows.', body: buildViewSchema },
      400: problem('The request cannot be understood, or does not say who and why.'),
      401: problem('Nobody is signed in.'),
      403: problem('The caller is no admin of build clusters.'),
      404: problem('There is no such build.'),
      409: problem('The build has ended.'),
      422: problem('The cluster is not there, or does not serve the build.'),
    },
    async handle(request, context) {
      const body = await jsonBody(request);
      const by = adminOf(request, body, admins(), { needsReason: true });
      const { cluster } = parsed(bodySchema, body, 'body');
      const { buildId = '' } = request.params;
      if (!/^[\w-]{1,64}$/.test(buildId)) throw buildNotFound(buildId.slice(0, 64));
      const build = await builds().assignCluster(buildId, cluster, by, orchestrationsOf(context));
      return { status: 202, jsonBody: buildView(build, apiUrlOf(request)) };
    },
  };
}
