import { type HttpRequest } from '@azure/functions';
import { z } from 'zod';
import { byWhomSchema, regionName, simulateRequestSchema, tickRequestSchema } from '../lib/capacity/requests';
import { alertSchema, moveSchema } from '../lib/capacity/schema';
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
import { recordedSchema } from '../lib/platform/audit';
import { orchestrationsOf } from '../lib/platform/durable';
import {
  continuationsOf,
  oneOrMore,
  optionalJsonBody,
  pagingQuery,
  parsed,
  queryOf,
  type Route,
} from '../lib/platform/http';
import { actionOf, bodyOf, pageOf, pageView, problem } from './answers';

const listQuery = z.strictObject({ region: oneOrMore(regionName), ...pagingQuery });

type ListQuery = z.infer<typeof listQuery> & { state?: string[] | undefined };

const regionOf = (request: HttpRequest): string => regionName.parse(request.params.region ?? '');

/** Regions: what they have, what the monitor thinks and did, and the switch that stops it. */
export function capacityRoutes(services: () => CapacityServices, orchestrations = orchestrationsOf): Route[] {
  const list = <T, V extends z.ZodType>(options: {
    operationId: string;
    path: string;
    summary: string;
    /** Null: they have none. */
    states: readonly string[] | null;
    item: V;
    view: (item: T) => z.infer<V>;
    read: (
      services: CapacityServices,
      filter: { regions: readonly string[]; states: readonly string[] },
      paging: { pageSize: number; continuation: string | null },
    ) => Promise<DocumentPage<T>>;
  }): Route => {
    const query = options.states === null ? listQuery : listQuery.extend({ state: oneOrMore(z.enum(options.states)) });
    return {
      operationId: options.operationId,
      method: 'GET',
      path: options.path,
      summary: options.summary,
      query,
      responses: {
        200: { description: 'A page, the newest first.', body: pageOf(options.item) },
        400: problem('A parameter is wrong.'),
      },
      async handle(request) {
        const { region, pageSize, continuation, ...rest } = parsed<ListQuery>(query, queryOf(request), 'query');
        const filter = { regions: region ?? services().regions, states: rest.state ?? [] };
        const continuations = continuationsOf([options.path, filter]);
        const paging = { pageSize, continuation: continuations.decode(continuation) };
        return { jsonBody: pageView(await options.read(services(), filter, paging), options.view, continuations) };
      },
    };
  };
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
      const region = regionOf(request);
      await services().control.region(region, name, await actionOf(request, byWhomSchema));
      if (name === 'resume') await services().nudge(region, orchestrations(context));
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
    {
      operationId: 'getCapacityRegion',
      method: 'GET',
      path: 'capacity/regions/{region}',
      summary: 'One region.',
      responses: {
        200: { description: 'The region.', body: regionViewSchema },
        404: problem('The region is not looked after.'),
      },
      async handle(request) {
        const region = regionOf(request);
        services().control.requireRegion(region);
        return { jsonBody: await services().regionView(region) };
      },
    },
    {
      operationId: 'listCapacityRegionAudit',
      method: 'GET',
      path: 'capacity/regions/{region}/audit',
      summary: 'Who stopped and resumed the monitor of a region, oldest first.',
      query: z.strictObject(pagingQuery),
      responses: {
        200: { description: 'A page.', body: pageOf(recordedSchema) },
        400: problem('A parameter is wrong.'),
        404: problem('The region is not looked after.'),
      },
      async handle(request) {
        const { control, audit } = services();
        const region = regionOf(request);
        control.requireRegion(region);
        const { pageSize, continuation } = parsed(z.strictObject(pagingQuery), queryOf(request), 'query');
        const continuations = continuationsOf(['capacityAudit', region]);
        const options = { pageSize, continuation: continuations.decode(continuation) };
        const page = await audit.list(`capacity/${region}`, options);
        return { jsonBody: pageView(page, (entry) => entry, continuations) };
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
      responses: {
        202: { description: 'It is looked at.' },
        400: problem('The body is wrong.'),
        404: problem('The region is not looked after.'),
      },
      async handle(request, context) {
        const { region } = parsed(tickRequestSchema, (await optionalJsonBody(request)) ?? {}, 'body');
        const { regions, control, nudge } = services();
        if (region !== undefined) control.requireRegion(region);
        for (const each of region === undefined ? regions : [region]) await nudge(each, orchestrations(context));
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
        400: problem('The body is wrong.'),
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
      states: alertSchema.shape.state.options,
      item: alertViewSchema,
      view: alertView,
      read: ({ store }, filter, paging) => store.listAlerts(filter, paging),
    }),
    list({
      operationId: 'listCapacityDecisions',
      path: 'capacity/decisions',
      summary: 'What was decided, corrected and done, with the reasons.',
      states: null,
      item: decisionViewSchema,
      view: decisionView,
      read: ({ store }, { regions }, paging) => store.listDecisions({ regions }, paging),
    }),
    list({
      operationId: 'listDatabaseMoves',
      path: 'capacity/moves',
      summary: 'Hot databases that had better be in another pool, and what became of it.',
      states: moveSchema.shape.state.options,
      item: moveViewSchema,
      view: moveView,
      read: ({ store }, filter, paging) => store.listMoves(filter, paging),
    }),
  ];
}
