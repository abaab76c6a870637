import { z } from 'zod';
import { keyInputSchema } from '../lib/clusters/schema';
import { type ClusterServices } from '../lib/clusters/services';
import { clusterKeyViewSchema, keyView } from '../lib/clusters/view';
import { AppError } from '../lib/platform/errors';
import { entityTags, parsed, type Route } from '../lib/platform/http';
import { apiUrlOf, problem } from './answers';
import { adminOf } from './cluster-admin';
import { bodyOf, etagHeader, nameOf, refusals, writeHeaders } from './cluster-requests';

/** The public keys of a cluster: two may overlap while one takes the other's place, and each can be revoked. */
export function clusterKeyRoutes(services: () => ClusterServices): Route[] {
  return [
    {
      operationId: 'listBuildClusterKeys',
      method: 'GET',
      path: 'buildClusters/{name}/keys',
      summary: 'The public keys of a cluster, revoked ones too.',
      responses: {
        200: { description: 'Keys.', body: z.object({ items: z.array(clusterKeyViewSchema) }), headers: etagHeader },
        404: problem('There is no such cluster.'),
      },
      async handle(request) {
        const { value, etag } = await services().registry.read(nameOf(request));
        return { headers: { etag }, jsonBody: { items: value.keys.map(keyView) } };
      },
    },
    {
      operationId: 'addBuildClusterKey',
      method: 'POST',
      path: 'buildClusters/{name}/keys',
      summary: 'Add a public key (a JWK: RSA from 2048 bits, P-256 or Ed25519). Two may be usable at the same time.',
      requestHeaders: writeHeaders,
      body: { 'application/json': keyInputSchema },
      responses: {
        201: { description: 'Added.', body: clusterKeyViewSchema, headers: { Location: 'The key.' } },
        ...refusals,
        404: problem('There is no such cluster.'),
        409: problem('The cluster has this key, or two others.'),
        412: problem('It is another version by now.'),
        422: problem('This key cannot be accepted.'),
      },
      async handle(request) {
        const body = await bodyOf(request);
        const by = adminOf(request, body, services().admins);
        const { actor: _actor, reason: _reason, ...jwk } = parsed(keyInputSchema, body, 'body');
        const name = nameOf(request);
        const key = await services().registry.addKey(name, jwk, by, entityTags(request, 'if-match'));
        const location = `${apiUrlOf(request)}/buildClusters/${name}/keys/${key.id}`;
        return { status: 201, headers: { location }, jsonBody: keyView(key) };
      },
    },
    {
      operationId: 'getBuildClusterKey',
      method: 'GET',
      path: 'buildClusters/{name}/keys/{keyId}',
      summary: 'One public key.',
      responses: {
        200: { description: 'The key.', body: clusterKeyViewSchema },
        404: problem('There is no such cluster, or no such key.'),
      },
      async handle(request) {
        const { value } = await services().registry.read(nameOf(request));
        const key = value.keys.find(({ id }) => id === request.params.keyId);
        if (key !== undefined) return { jsonBody: keyView(key) };
        throw new AppError('clusters.key.notFound', 'The cluster has no such key.', { status: 404 });
      },
    },
    {
      operationId: 'revokeBuildClusterKey',
      method: 'DELETE',
      path: 'buildClusters/{name}/keys/{keyId}',
      summary: 'Revoke a key: from now on no token of it is believed.',
      requestHeaders: writeHeaders,
      responses: {
        204: { description: 'Revoked.' },
        ...refusals,
        404: problem('There is no such cluster, or no such key.'),
        412: problem('It is another version by now.'),
      },
      async handle(request) {
        const by = adminOf(request, await bodyOf(request), services().admins, { needsReason: true });
        const { keyId = '' } = request.params;
        await services().registry.revokeKey(nameOf(request), keyId, by, entityTags(request, 'if-match'));
        return { status: 204 };
      },
    },
  ];
}
