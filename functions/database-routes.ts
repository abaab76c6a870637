import { databaseRequestSchema } from '../lib/capacity/requests';
import { type CapacityServices } from '../lib/capacity/services';
import { databaseNotFound } from '../lib/capacity/store';
import { databaseView, databaseViewSchema } from '../lib/capacity/view';
import { orchestrationsOf } from '../lib/platform/durable';
import { type Route, signedInActor } from '../lib/platform/http';
import { apiUrlOf, bodyOf, problem } from './answers';
import { idempotencyKeyOf } from './submission';

/** New databases, wherever they fit best. */
export function databaseRoutes(services: () => CapacityServices, orchestrations = orchestrationsOf): Route[] {
  return [
    {
      operationId: 'createDatabase',
      method: 'POST',
      path: 'databases',
      summary: 'Create a database on the best server, and build a template package into it where one is named.',
      requestHeaders: { 'Idempotency-Key': 'The same key with the same content answers with the same database.' },
      body: { 'application/json': databaseRequestSchema },
      responses: {
        202: { description: 'Accepted.', body: databaseViewSchema, headers: { Location: 'Its status.' } },
        400: problem('The body is wrong.'),
        422: problem('A region is not looked after, or the key was used for another database.'),
      },
      async handle(request, context) {
        const body = await bodyOf(request, databaseRequestSchema);
        const actor = signedInActor(request, process.env) ?? body.requestedBy ?? 'unnamed';
        const by = { actor, idempotencyKey: idempotencyKeyOf(request) };
        const { database } = await services().databases.request(body, by, orchestrations(context));
        const view = databaseView(database, apiUrlOf(request));
        return { status: 202, headers: { location: view.links.self }, jsonBody: view };
      },
    },
    {
      operationId: 'getDatabase',
      method: 'GET',
      path: 'databases/{database}',
      summary: 'How far a new database is.',
      responses: { 200: { description: 'The database.', body: databaseViewSchema }, 404: problem('There is none.') },
      async handle(request) {
        const databaseId = request.params.database ?? '';
        const database = await services().store.readDatabase(databaseId);
        if (database === null) throw databaseNotFound(databaseId);
        return { jsonBody: databaseView(database, apiUrlOf(request)) };
      },
    },
  ];
}
