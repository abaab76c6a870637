import { type TokenCredential } from '@azure/identity';
import { z } from 'zod';
import { azureError } from './azure-errors';
import { AppError } from './errors';

/** Who is asked back by the support of Azure. */
export interface TicketContact {
  firstName: string;
  lastName: string;
  email: string;
  timeZone: string;
  /** ISO 3166, three letters. */
  country: string;
  language: string;
}

export interface ServerQuotaTicket {
  /** The same name is the same ticket, however often it is filed. */
  name: string;
  region: string;
  newLimit: number;
  description: string;
  contact: TicketContact;
}

/** Support tickets of a subscription, as far as quotas of logical servers need them. */
export interface AzureTickets {
  /** 'exists': it was filed before. @throws AppError `azure.<class>` */
  fileServerQuota(ticket: ServerQuotaTicket): Promise<'filed' | 'exists'>;
}

/** "Service and subscription limits (quotas)", the same in every tenant. */
const quotaService = '/providers/Microsoft.Support/services/06bfd9d3-516b-d5c6-5802-169c800dec89';
const version = 'api-version=2024-04-01';
const timeoutMs = 30_000;
const named = z.object({
  value: z.array(z.object({ id: z.string().optional(), name: z.string(), displayName: z.string() })),
});

/** A few calls by hand: the client of Microsoft.Support would be one more library for one PUT. */
export function createAzureTickets(deps: {
  credential: TokenCredential;
  subscriptionId: string;
  endpoint?: string;
  fetch: (
    url: string,
    init: { method: string; headers: Record<string, string>; body?: string; signal: AbortSignal },
  ) => Promise<{ status: number; text(): Promise<string> }>;
}): AzureTickets {
  const endpoint = deps.endpoint ?? 'https://management.azure.com';
  const subscription = `/subscriptions/${deps.subscriptionId}`;
  const call = async (doing: string, method: string, path: string, body?: object) => {
    const token = await deps.credential.getToken(`${endpoint}/.default`);
    const response = await deps
      .fetch(`${endpoint}${path}`, {
        method,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token?.token ?? ''}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(timeoutMs),
      })
      .catch((cause: unknown) => {
        throw new AppError('azure.transient', `Azure could not be reached to ${doing}.`, { status: 503, cause });
      });
    const text = await response.text();
    if (response.status >= 300 && response.status !== 404) {
      throw azureError(Object.assign(new Error(text.slice(0, 500)), { statusCode: response.status }), doing);
    }
    return { status: response.status, text };
  };
  const list = async (doing: string, path: string) =>
    named.parse(JSON.parse((await call(doing, 'GET', path)).text)).value;
  const lacking = (what: string): AppError =>
    new AppError('azure.configuration', `Azure names ${what}.`, { details: { failureClass: 'configuration' } });

  return {
    async fileServerQuota({ name, region, newLimit, description, contact }) {
      const path = `${subscription}/providers/Microsoft.Support/supportTickets/${name}?${version}`;
      if ((await call('show the ticket', 'GET', path)).status !== 404) return 'exists';
      const regions = await list('list the regions', `${subscription}/locations?api-version=2022-12-01`);
      const known = regions.find((each) => each.name.toLowerCase() === region);
      if (known === undefined) throw lacking(`no region ${region}`);
      const kinds = await list('list kinds of tickets', `${quotaService}/problemClassifications?${version}`);
      const kind = kinds.find(({ displayName }) => /sql database/i.test(displayName) && !/instance/i.test(displayName));
      if (kind === undefined) throw lacking('no kind of ticket for quotas of SQL databases');
      await call('file the ticket', 'PUT', path, {
        properties: {
          serviceId: quotaService,
          problemClassificationId: `${quotaService}/problemClassifications/${kind.name}`,
          title: description.slice(0, 100),
          description,
          severity: 'minimal',
          advancedDiagnosticConsent: 'No',
          contactDetails: {
            firstName: contact.firstName,
            lastName: contact.lastName,
            primaryEmailAddress: contact.email,
            preferredContactMethod: 'email',
            preferredTimeZone: contact.timeZone,
            country: contact.country,
            preferredSupportLanguage: contact.language,
          },
          quotaTicketDetails: {
            quotaChangeRequestVersion: '1.0',
            quotaChangeRequestSubType: 'Servers',
            // Azure wants the form that it shows, without blanks, and the request itself as text.
            quotaChangeRequests: [
              { region: known.displayName.replaceAll(' ', ''), payload: JSON.stringify({ NewLimit: newLimit }) },
            ],
          },
        },
      });
      return 'filed';
    },
  };
}
