import { type HttpRequest } from '@azure/functions';
import { z } from 'zod';
import { serverActions, type ServerAction } from '../lib/capacity/control';
import { noRoom } from '../lib/capacity/placing';
import { byWhomSchema, regionName, selectRequestSchema } from '../lib/capacity/requests';
import { type Server, serverStateSchema } from '../lib/capacity/schema';
import { type CapacityServices } from '../lib/capacity/services';
import { placedViewSchema, serverView, serverViewSchema } from '../lib/capacity/view';
import { recordedSchema } from '../lib/platform/audit';
import { orchestrationsOf } from '../lib/platform/durable';
import { AppError } from '../lib/platform/errors';
import { continuationsOf, oneOrMore, pagingQuery, parsed, queryOf, type Route } from '../lib/platform/http';
import { actionOf, apiUrlOf, bodyOf, pageOf, pageView, problem } from './answers';

const listQuery = z.strictObject({
  state: oneOrMore(serverStateSchema),
  region: oneOrMore(regionName),
  ...pagingQuery,
});
const changesQuery = z.strictObject({
  region: regionName.meta({ description: 'Changes are told per region.' }),
  ...pagingQuery,
});
const changesSchema = pageOf(serverViewSchema).extend({
  continuation: z.string().meta({ description: 'Ask with it for what changes after this.' }),
  more: z.boolean(),
});

const summaries: Record<ServerAction, string> = {
  drain: 'Place nothing more on a server.',
  undrain: 'Use a drained server again, after its security was verified.',
  retire: 'Call a drained, failed or missing server over. Its name is not used again.',
  adopt: 'Use a server whose document was lost, after its security was verified.',
  retry: 'Try a server again that could not be created or secured.',
};

const serverNameOf = (request: HttpRequest): string => (request.params.server ?? '').toLowerCase();

/** The registry of servers, for whoever needs one: people, provisioners, load balancers. */
export function serverRoutes(services: () => CapacityServices, orchestrations = orchestrationsOf): Route[] {
  const action = (name: ServerAction): Route => ({
    operationId: `${name}SqlServer`,
    method: 'POST',
    path: `sqlServers/{server}/${name}`,
    summary: summaries[name],
    body: { 'application/json': byWhomSchema },
    responses: {
      200: { description: 'Done.', body: serverViewSchema },
      400: problem('Actor or reason is missing.'),
      404: problem('There is no such server.'),
      409: problem("The server's state forbids it."),
    },
    async handle(request, context) {
      const { control, nudge, policy, clock } = services();
      const by = await actionOf(request, byWhomSchema);
      const server = await control.server(serverNameOf(request), name, by);
      await nudge(server.region, orchestrations(context));
      return { jsonBody: serverView(server, policy, clock.nowMs(), apiUrlOf(request)) };
    },
  });
  const settle = (name: 'confirm' | 'release', summary: string): Route => ({
    operationId: `${name}Reservation`,
    method: 'POST',
    path: `sqlServers/{server}/reservations/{reservation}/${name}`,
    summary,
    responses: { 204: { description: 'Done.' }, 404: problem('There is no such reservation, or it has expired.') },
    async handle(request) {
      const { control, placing } = services();
      const server = await control.requireServer(serverNameOf(request));
      const done = await placing[name](server.region, server.name, request.params.reservation ?? '');
      if (done) return { status: 204 };
      const message = 'There is no such reservation; it may have expired. Select a server again.';
      throw new AppError('capacity.reservationNotFound', message, { status: 404 });
    },
  });
  return [
    {
      operationId: 'listSqlServers',
      method: 'GET',
      path: 'sqlServers',
      summary: 'All servers with their state, their numbers against the thresholds, and how fresh those are.',
      query: listQuery,
      responses: {
        200: { description: 'A page.', body: pageOf(serverViewSchema) },
        400: problem('A parameter is wrong.'),
      },
      async handle(request) {
        const { servers, policy, clock } = services();
        const { state = [], region = [], pageSize, continuation } = parsed(listQuery, queryOf(request), 'query');
        const continuations = continuationsOf(['sqlServers', region, state]);
        const options = { pageSize, continuation: continuations.decode(continuation) };
        const page = await servers.list({ regions: region, states: state }, options);
        const view = (server: Server) => serverView(server, policy, clock.nowMs(), apiUrlOf(request));
        return { jsonBody: pageView(page, view, continuations) };
      },
    },
    {
      // Routes are tried by the name of their function, so this one has to come before `getSqlServer`.
      operationId: 'followSqlServers',
      method: 'GET',
      path: 'sqlServers/changes',
      summary: 'What was added or changed in a region since the continuation; without one: everything.',
      query: changesQuery,
      responses: {
        200: { description: 'Changes, oldest first.', body: changesSchema },
        400: problem('No region, or a continuation that is none.'),
        404: problem('The region is not looked after.'),
      },
      async handle(request) {
        const { servers, policy, clock, control } = services();
        const { region, pageSize, continuation } = parsed(changesQuery, queryOf(request), 'query');
        control.requireRegion(region);
        const continuations = continuationsOf(['sqlServerChanges', region]);
        const changes = await servers.changes(region, continuations.decode(continuation), pageSize);
        return {
          jsonBody: {
            items: changes.items.map((server) => serverView(server, policy, clock.nowMs(), apiUrlOf(request))),
            continuation: continuations.encode(changes.continuation),
            more: changes.more,
          },
        };
      },
    },
    {
      operationId: 'getSqlServer',
      method: 'GET',
      path: 'sqlServers/{server}',
      summary: 'One server.',
      responses: {
        200: { description: 'The server.', body: serverViewSchema },
        404: problem('There is no such server.'),
      },
      async handle(request) {
        const { control, policy, clock } = services();
        const server = await control.requireServer(serverNameOf(request));
        return { jsonBody: serverView(server, policy, clock.nowMs(), apiUrlOf(request)) };
      },
    },
    {
      operationId: 'listSqlServerAudit',
      method: 'GET',
      path: 'sqlServers/{server}/audit',
      summary: 'What people did to a server, oldest first.',
      query: z.strictObject(pagingQuery),
      responses: {
        200: { description: 'A page.', body: pageOf(recordedSchema) },
        400: problem('A parameter is wrong.'),
      },
      async handle(request) {
        const { pageSize, continuation } = parsed(z.strictObject(pagingQuery), queryOf(request), 'query');
        const subject = `sqlServers/${serverNameOf(request)}`;
        const continuations = continuationsOf(['audit', subject]);
        const options = { pageSize, continuation: continuations.decode(continuation) };
        return { jsonBody: pageView(await services().audit.list(subject, options), (entry) => entry, continuations) };
      },
    },
    {
      operationId: 'selectSqlServer',
      method: 'POST',
      path: 'sqlServers/select',
      summary: 'Choose the best server and reserve room on it, for whoever creates the databases.',
      body: { 'application/json': selectRequestSchema },
      responses: {
        200: { description: 'The server and the reservation.', body: placedViewSchema },
        400: problem('The body is wrong.'),
        404: problem('A region is not looked after.'),
        503: problem('No server has room; one may be on its way.'),
      },
      async handle(request, context) {
        const { placing, control, policy, clock, newId, nudge } = services();
        const wish = await bodyOf(request, selectRequestSchema);
        wish.regions.forEach((region) => control.requireRegion(region));
        const placed = await placing.reserve(wish, newId());
        if (placed === null) {
          for (const region of wish.regions) await nudge(region, orchestrations(context));
          throw noRoom(wish.regions);
        }
        const { id, count, expiresAtMs } = placed.reservation;
        return {
          jsonBody: {
            server: serverView(placed.server, policy, clock.nowMs(), apiUrlOf(request)),
            reservation: { id, count, expiresAt: new Date(expiresAtMs).toISOString() },
          },
        };
      },
    },
    settle('confirm', 'The databases exist: the room stays taken until a count contains them.'),
    settle('release', 'They will not come: the room is free again.'),
    ...serverActions.map(action),
  ];
}
