import { z } from 'zod';
import { jsonBody, jsonResponse } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { type ArmRoute } from './router';
import { type ArmWorld, requireSubscription } from './world';

const quotaService = '06bfd9d3-516b-d5c6-5802-169c800dec89';
const ticketPath = '/subscriptions/{subscription}/providers/Microsoft.Support/supportTickets/{ticket}';
const ticketSchema = z.object({
  properties: z.object({
    serviceId: z.string().endsWith(quotaService),
    problemClassificationId: z.string(),
    title: z.string().min(1),
    description: z.string().min(1),
    severity: z.string(),
    contactDetails: z.object({ primaryEmailAddress: z.email(), country: z.string().length(3) }).loose(),
    quotaTicketDetails: z.object({
      quotaChangeRequestVersion: z.literal('1.0'),
      quotaChangeRequestSubType: z.literal('Servers'),
      quotaChangeRequests: z.array(z.object({ region: z.string(), payload: z.string() })).min(1),
    }),
  }),
});

/** Support tickets, as far as one asks for more logical servers. Nobody ever answers one: `setUsage` does. */
export function supportRoutes(world: ArmWorld): ArmRoute[] {
  const keyOf = (ticket: string): string => `ticket/${ticket.toLowerCase()}`;
  return [
    {
      name: 'readSupportTicket',
      method: 'GET',
      path: ticketPath,
      handle(parameters) {
        requireSubscription(world, parameters);
        const { ticket = '' } = parameters;
        const found = world.state.note(keyOf(ticket), ticketSchema);
        if (found === undefined) throw new ServiceError(404, 'ResourceNotFound', `There is no ticket ${ticket}.`);
        return jsonResponse(200, { name: ticket, properties: { ...found.properties, status: 'Open' } });
      },
    },
    {
      name: 'createSupportTicket',
      method: 'PUT',
      path: ticketPath,
      handle(parameters, request) {
        requireSubscription(world, parameters);
        const { ticket = '' } = parameters;
        const body = ticketSchema.safeParse(jsonBody(request));
        if (!body.success) throw new ServiceError(400, 'BadRequest', body.error.message);
        world.state.setNote(keyOf(ticket), body.data);
        return jsonResponse(202, { name: ticket, properties: body.data.properties });
      },
    },
    {
      name: 'listProblemClassifications',
      method: 'GET',
      path: `/providers/Microsoft.Support/services/${quotaService}/problemClassifications`,
      handle: () =>
        jsonResponse(200, {
          value: [
            { name: 'managed', displayName: 'SQL Database Managed Instance' },
            { name: 'databases', displayName: 'SQL Database' },
          ],
        }),
    },
  ];
}
