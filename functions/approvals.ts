import { app } from '@azure/functions';
import { z } from 'zod';
import { approvalStateSchema, approvalViewSchema, decisionRequestSchema } from '../lib/approvals/schema';
import { type ApprovalServices } from '../lib/approvals/services';
import { durableClientInput, orchestrationsOf } from '../lib/platform/durable';
import {
  continuationsOf,
  oneOrMore,
  pagingQuery,
  parsed,
  problemSchema,
  queryOf,
  type Route,
} from '../lib/platform/http';
import { bodyWithActor } from './acting';
import { registerRoutes } from './routes';

const problem = (description: string) => ({ description, body: problemSchema, mediaType: 'application/problem+json' });
const listQuery = z.strictObject({ state: oneOrMore(approvalStateSchema), ...pagingQuery });

/** The HTTP API of approvals, as data. */
export function approvalRoutes(services: () => ApprovalServices): Route[] {
  return [
    {
      operationId: 'listApprovals',
      method: 'GET',
      path: 'approvals',
      summary:
        'Approvals, newest first. One whose time is over shows as pending until it is looked at, a minute at most.',
      query: listQuery,
      responses: {
        200: {
          description: 'A page.',
          body: z.object({ items: z.array(approvalViewSchema), continuation: z.string().nullable() }),
        },
        400: problem('Unusable query.'),
      },
      async handle(request) {
        const { state, pageSize, continuation } = parsed(listQuery, queryOf(request), 'query');
        const continuations = continuationsOf(['approvals', state]);
        const page = await services().list({
          states: state ?? [],
          pageSize,
          continuation: continuations.decode(continuation),
        });
        const items = page.items.map((approval) => approvalViewSchema.parse(approval));
        return { jsonBody: { items, continuation: continuations.encode(page.continuation) } };
      },
    },
    {
      operationId: 'getApproval',
      method: 'GET',
      path: 'approvals/{approvalId}',
      summary: 'One approval.',
      responses: {
        200: { description: 'The approval.', body: approvalViewSchema },
        404: problem('There is no such approval.'),
      },
      async handle(request) {
        return { jsonBody: approvalViewSchema.parse(await services().document(request.params.approvalId ?? '')) };
      },
    },
    {
      operationId: 'decideApproval',
      method: 'POST',
      path: 'approvals/{approvalId}',
      summary: 'Approve or reject. The same decision sent again by the same person answers the same.',
      body: { 'application/json': decisionRequestSchema },
      responses: {
        200: { description: 'Decided, for good.', body: approvalViewSchema },
        400: problem('The decision is not understood.'),
        403: problem('Not one of its approvers, or who asked for it.'),
        404: problem('There is no such approval.'),
        409: problem('Decided or expired already, or about something else.'),
      },
      async handle(request, context) {
        const decision = parsed(decisionRequestSchema, await bodyWithActor(request), 'body');
        const { approvalId = '' } = request.params;
        const approval = await services().decide(approvalId, decision, orchestrationsOf(context));
        return { jsonBody: approvalViewSchema.parse(approval) };
      },
    },
  ];
}

/** Approvals: the HTTP API, and the timer that ends and reminds. */
export function registerApprovals(services: () => ApprovalServices): void {
  registerRoutes(approvalRoutes(services));
  app.timer('expireApprovals', {
    schedule: '30 * * * * *',
    extraInputs: [durableClientInput],
    handler: (_timer, context) => services().expire(orchestrationsOf(context)),
  });
}
