import { z } from 'zod';
import { byWhomSchema, simulateRequestSchema, tickRequestSchema } from '../lib/capacity/requests';
import { type CapacityServices } from '../lib/capacity/services';
import {
  alertView,
  alertViewSchema,
  decisionView,
  decisionViewSchema,
  moveView,
  moveViewSchema,
  regionViewSchema,
  simulationViewSchema,
} from '../lib/capacity/view';
import { type DocumentPage } from '../lib/platform/documents';
import { orchestrationsOf } from '../lib/platform/durable';
import { continuationCodec, oneOrMore, pagingQuery, parsed, queryOf, type Route } from '../lib/platform/http';
import { actionOf, bodyOf, pageOf, pageView, problem } from './answers';

const listQuery = z.strictObject({ state: oneOrMore(z.string()), region: oneOrMore(z.string()), ...pagingQuery });

/** Regions: what they have, what the monitor thinks and did, and the switch that stops it. */
export function capacityRoutes(services: () => CapacityServices): Route[] {
  const list = <T, V extends z.ZodType>(options: {
    operationId: string;
    path: string;
    summary: string;
    item: V;
    view: (item: T) => z.infer<V>;
    read: (
      services: CapacityServices,
      filter: { regions: readonly string[]; states: readonly string[] },
      paging: { pageSize: number; continuation: string | null },
    ) => Promise<DocumentPage<T>>;
  }): Route => ({
    operationId: options.operationId,
    method: 'GET',
    path: options.path,
    summary: options.summary,
    query: listQuery,
    responses: { 200: { description: 'A page, the newest first.', body: pageOf(options.item) } },
    async handle(request) {
      const { state = [], region, pageSize, continuation } = parsed(listQuery, queryOf(request), 'query');
      const filter = { regions: region ?? services().regions, states: state };
      const paging = { pageSize, continuation: continuationCodec.decode(continuation) };
      return { jsonBody: pageView(await options.read(services(), filter, paging), options.view) };
    },
  });
  const kill = (name: 'stop' | 'resume', summary: string): Route => ({
    operationId: `${name}CapacityRegion`,
    method: 'POST',
    path: `capacity/regions/{region}/${name}`,
    summary,
    body: { 'application/json': byWhomSchema },
    responses: {
      200: { description: 'Done.', body: regionViewSchema },
      400: problem('Actor or reason is missing.'),
      404: problem('The region is not looked after.'),
    },
    async handle(request, context) {
      const region = (request.params.region ?? '').toLowerCase();
      await services().control.region(region, name, await actionOf(request, byWhomSchema));
      if (name === 'resume') await services().nudge(region, orchestrationsOf(context));
      return { jsonBody: await services().regionView(region) };
    },
  });
  return [
    {
      operationId: 'listCapacityRegions',
      method: 'GET',
      path: 'capacity/regions',
      summary:
        'Every region: servers by state, numbers against create, alert and limit, forecast, and what would be done.',
      responses: { 200: { description: 'All regions.', body: z.object({ items: z.array(regionViewSchema) }) } },
      async handle() {
        const capacity = services();
        return { jsonBody: { items: await Promise.all(capacity.regions.map((each) => capacity.regionView(each))) } };
      },
    },
    kill('stop', 'Stop the monitor of a region: nothing is created, secured or moved. Looking and recording go on.'),
    kill('resume', 'Let the monitor of a region act again, and try anew what had been given up.'),
    {
      operationId: 'tickCapacity',
      method: 'POST',
      path: 'capacity/tick',
      summary: 'Look at one region, or at all, now.',
      body: { 'application/json': tickRequestSchema },
      responses: { 202: { description: 'It is looked at.' }, 404: problem('The region is not looked after.') },
      async handle(request, context) {
        const { region } = await bodyOf(request, tickRequestSchema);
        const { regions, control, nudge } = services();
        if (region !== undefined) control.requireRegion(region);
        for (const each of region === undefined ? regions : [region]) await nudge(each, orchestrationsOf(context));
        return { status: 202 };
      },
    },
    {
      operationId: 'simulateCapacity',
      method: 'POST',
      path: 'capacity/simulate',
      summary: 'What would be done if a region had that many databases more. Nothing is changed.',
      body: { 'application/json': simulateRequestSchema },
      responses: {
        200: { description: 'The answer.', body: simulationViewSchema },
        404: problem('The region is not looked after.'),
      },
      async handle(request) {
        const { region, databases } = await bodyOf(request, simulateRequestSchema);
        services().control.requireRegion(region);
        return { jsonBody: await services().simulate(region, databases) };
      },
    },
    list({
      operationId: 'listCapacityAlerts',
      path: 'capacity/alerts',
      summary: 'What is or was wrong: `?state=open` for what is.',
      item: alertViewSchema,
      view: alertView,
      read: ({ store }, filter, paging) => store.listAlerts(filter, paging),
    }),
    list({
      operationId: 'listCapacityDecisions',
      path: 'capacity/decisions',
      summary: 'What was decided, corrected and done, with the reasons.',
      item: decisionViewSchema,
      view: decisionView,
      read: ({ store }, { regions }, paging) => store.listDecisions({ regions }, paging),
    }),
    list({
      operationId: 'listDatabaseMoves',
      path: 'capacity/moves',
      summary: 'Hot databases that had better be in another pool, and what became of it.',
      item: moveViewSchema,
      view: moveView,
      read: ({ store }, filter, paging) => store.listMoves(filter, paging),
    }),
  ];
}
