import { type HttpRequest, type HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { type Versioned } from '../lib/platform/documents';
import { AppError } from '../lib/platform/errors';
import {
  continuationCodec,
  entityTags,
  pagingQuery,
  parsed,
  queryOf,
  type Route,
  signedInActor,
} from '../lib/platform/http';
import { environmentNotFound } from '../lib/workspaces/errors';
import {
  type Environment,
  environmentName,
  environmentRequestSchema,
  environmentViewSchema,
} from '../lib/workspaces/schema';
import { type WorkspaceServices } from '../lib/workspaces/services';
import { bodyOf, pageOf, pageView, problem } from './answers';

const listQuery = z.strictObject(pagingQuery);
const etagHeader = { ETag: 'The version, for `If-Match`.' };
const writeHeaders = {
  'If-Match': 'The version to replace. Absent: the environment must not be there yet.',
  'x-actor': 'Who makes the change, where nobody is signed in.',
};

/** Environments: where deployments go, and who approves them. */
export function environmentRoutes(services: () => WorkspaceServices): Route[] {
  return [
    {
      operationId: 'listEnvironments',
      method: 'GET',
      path: 'environments',
      summary: 'All environments.',
      query: listQuery,
      responses: {
        200: { description: 'A page.', body: pageOf(environmentViewSchema) },
        400: problem('Unusable query.'),
      },
      async handle(request) {
        const { pageSize, continuation } = parsed(listQuery, queryOf(request), 'query');
        const options = { pageSize, continuation: continuationCodec.decode(continuation) };
        return { jsonBody: pageView(await services().store.listEnvironments(options), ({ value }) => view(value)) };
      },
    },
    {
      operationId: 'getEnvironment',
      method: 'GET',
      path: 'environments/{name}',
      summary: 'One environment.',
      responses: {
        200: { description: 'The environment.', body: environmentViewSchema, headers: etagHeader },
        404: problem('There is no such environment.'),
      },
      async handle(request) {
        return answer(await services().store.environment(nameOf(request)), 200);
      },
    },
    {
      operationId: 'putEnvironment',
      method: 'PUT',
      path: 'environments/{name}',
      summary: 'Create an environment, or replace the version that `If-Match` names.',
      requestHeaders: writeHeaders,
      body: { 'application/json': environmentRequestSchema },
      responses: {
        200: { description: 'Replaced.', body: environmentViewSchema, headers: etagHeader },
        201: { description: 'Created.', body: environmentViewSchema, headers: etagHeader },
        400: problem('The environment is not understood; every problem is listed.'),
        412: problem('It is there already, or is not the version that was named.'),
      },
      async handle(request) {
        const name = parsed(environmentName, request.params.name ?? '', 'name');
        const value = await bodyOf(request, environmentRequestSchema);
        const version = await wantedVersion(request, name);
        const { environment, created } = await services().environments.put(name, value, version, actorOf(request));
        return answer(environment, created ? 201 : 200);
      },
    },
    {
      operationId: 'deleteEnvironment',
      method: 'DELETE',
      path: 'environments/{name}',
      summary: 'Forget an environment. What was deployed there stays.',
      requestHeaders: writeHeaders,
      responses: {
        204: { description: 'Gone.' },
        404: problem('There is no such environment.'),
        412: problem('It is not the version that was named.'),
        428: problem('`If-Match` is missing.'),
      },
      async handle(request) {
        const name = nameOf(request);
        const etag = await wantedVersion(request, name);
        if (etag === null) {
          throw new AppError('request.ifMatchMissing', 'Say which version you mean: If-Match with the ETag.', {
            status: 428,
          });
        }
        await services().environments.remove(name, etag, actorOf(request));
        return { status: 204 };
      },
    },
  ];

  /** One version, or `*` for whichever there is. */
  async function wantedVersion(request: HttpRequest, name: string): Promise<string | null> {
    const tags = entityTags(request, 'if-match');
    if (tags === null) return null;
    const current = await services().store.environment(name);
    return tags.includes('*') || tags.includes(current.etag) ? current.etag : (tags[0] ?? '');
  }
}

function nameOf(request: HttpRequest): string {
  const { name = '' } = request.params;
  if (!environmentName.safeParse(name).success) throw environmentNotFound(name);
  return name;
}

function actorOf(request: HttpRequest): string {
  return signedInActor(request, process.env) ?? request.headers.get('x-actor') ?? 'unnamed';
}

function view({ id: _, ...environment }: Environment) {
  return environment;
}

function answer({ value, etag }: Versioned<Environment>, status: number): HttpResponseInit {
  return { status, headers: { etag }, jsonBody: view(value) };
}
