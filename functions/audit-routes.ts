import { type HttpRequest } from '@azure/functions';
import { z } from 'zod';
import { type Audit, recordedSchema } from '../lib/platform/audit';
import { continuationsOf, isSignInOn, pagingQuery, parsed, queryOf, type Route } from '../lib/platform/http';
import { pageOf, problem } from './answers';
import { adminOf } from './cluster-admin';

const text = z.string().min(1).max(300);
const moment = z.iso.datetime({ offset: true }).transform((time) => new Date(time).toISOString());
const searchQuery = z.strictObject({
  subject: text
    .optional()
    .meta({ description: 'What it was done to: a build’s id, `buildClusters/east`, `sqlServers/…`, `workspaces/…`.' }),
  actor: text.optional().meta({ description: 'Who did it, exactly as it was written down.' }),
  action: text.optional(),
  from: moment.optional().meta({ description: 'Not before this moment.' }),
  before: moment.optional().meta({ description: 'Before this moment.' }),
  ...pagingQuery,
});

/** The whole audit log, for admins. What was done to one thing is also beside that thing, for whoever may see it. */
export function auditRoutes(audit: () => Audit, admins: () => readonly string[]): Route[] {
  return [
    {
      operationId: 'searchAudit',
      method: 'GET',
      path: 'audit',
      summary: 'Who did what to which subject, when and why; newest first. For admins.',
      query: searchQuery,
      requestHeaders: { 'x-actor': 'Who asks, where nobody is signed in and admins are named.' },
      responses: {
        200: { description: 'A page.', body: pageOf(recordedSchema) },
        400: problem('Unusable query.'),
        401: problem('Nobody is signed in.'),
        403: problem('The caller is no admin.'),
      },
      async handle(request) {
        refuseOthers(request, admins());
        const { pageSize, continuation, ...asked } = parsed(searchQuery, queryOf(request), 'query');
        const { subject = null, actor = null, action = null, from = null, before = null } = asked;
        const search = { subject, actor, action, from, before };
        const continuations = continuationsOf(['auditSearch', search]);
        const page = await audit().search(search, { pageSize, continuation: continuations.decode(continuation) });
        return { jsonBody: { items: page.items, continuation: continuations.encode(page.continuation) } };
      },
    },
  ];
}

/** Where nobody is signed in and nobody is named, the function key is all that tells callers apart. */
function refuseOthers(request: HttpRequest, admins: readonly string[]): void {
  if (isSignInOn(process.env) || admins.length > 0) adminOf(request, null, admins);
}
