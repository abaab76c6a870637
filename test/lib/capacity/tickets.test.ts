import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { policySchema } from '../../../lib/capacity/policy';
import { type AzureTickets, createAzureTickets, type ServerQuotaTicket } from '../../../lib/platform/azure-tickets';
import { failureClassOf } from '../../../lib/platform/azure-errors';
import { startArm } from '../../../local/arm/start';
import { ensureCertificates } from '../../../local/certificates/certificates';
import { startIdentity } from '../../../local/identity/start';
import { capacityUnderTest, environment, type PolicyInput, region } from '../../support/capacity';

const contact = { firstName: 'Ada', lastName: 'Lovelace', email: 'ada@example.com', country: 'GBR' };
const filing = { quotaTickets: { mode: 'file' as const, contact } };

/** A region in which 8 of 10 servers of the quota are used. */
async function scarce(policy: PolicyInput, file: AzureTickets['fileServerQuota'] = async () => 'filed') {
  const filed: ServerQuotaTicket[] = [];
  const tickets: AzureTickets = {
    fileServerQuota: async (ticket) => {
      filed.push(ticket);
      return file(ticket);
    },
  };
  const test = capacityUnderTest({ policy, azure: { serverQuota: 10 }, deps: { tickets } });
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) test.azure.addServer(name, { tags: {} });
  const alerts = async (): Promise<string[]> =>
    (
      await test.services.store.listAlerts(
        { regions: [region], states: ['open'] },
        { pageSize: 50, continuation: null },
      )
    ).items.map(({ class: kind }) => kind);
  return { ...test, filed, alerts };
}

describe('a quota ticket', () => {
  it('is filed once where the policy allows it, and the alert stays until the quota has grown', async () => {
    const test = await scarce(filing);
    for (let tick = 0; tick < 3; tick += 1) {
      await test.services.tick(region);
      test.clock.pass(60_000);
    }
    const name = `sqlfleet-${environment}-${region}-servers-15`;
    expect(test.filed).toMatchObject([{ name, region, newLimit: 15, contact: { email: 'ada@example.com' } }]);
    expect(await test.alerts()).toContain('quota');
    const { items } = await test.services.store.listDecisions(
      { regions: [region] },
      { pageSize: 50, continuation: null },
    );
    expect(items.flatMap(({ corrections }) => corrections)).toContainEqual(
      expect.objectContaining({ change: 'ticket filed' }),
    );
    test.azure.setQuota(15);
    await test.services.tick(region);
    expect(await test.alerts()).not.toContain('quota');
  });

  it.each<[string, PolicyInput]>([
    ['by default', {}],
    ['while the monitor only looks on', { ...filing, mode: 'observe' }],
  ])('is only suggested %s', async (_when, policy) => {
    const test = await scarce(policy);
    await test.services.tick(region);
    expect(await test.alerts()).toContain('quota');
    expect(test.filed).toEqual([]);
  });

  it('is not filed in a region that somebody stopped', async () => {
    const test = await scarce(filing);
    await test.services.control.region(region, 'stop', { actor: 'ada', reason: 'migration' });
    await test.services.tick(region);
    expect(test.filed).toEqual([]);
  });

  it('that could not be filed is told, and tried again', async () => {
    let refusals = 1;
    const test = await scarce(filing, async () => {
      if ((refusals -= 1) >= 0) throw new Error('no rights');
      return 'filed';
    });
    await test.services.tick(region);
    expect(await test.alerts()).toContain('ticket-not-filed');
    test.clock.pass(60_000);
    await test.services.tick(region);
    expect(await test.alerts()).not.toContain('ticket-not-filed');
    expect(test.filed).toHaveLength(2);
  });

  it('needs somebody who can be asked back', () => {
    const problems = policySchema.safeParse({ quotaTickets: { mode: 'file' } }).error?.issues;
    expect(problems).toMatchObject([{ path: ['quotaTickets', 'contact'] }]);
  });
});

describe('on the stand-in of Azure Resource Manager', () => {
  it('is there after it was filed, and known when it is filed again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tickets-'));
    const certificates = await ensureCertificates(folder, ['localhost'], new Date());
    const ca = readFileSync(certificates.caFile, 'utf8');
    const identity = await startIdentity({ port: 0, stateFolder: null });
    const arm = await startArm({ port: 0, tls: certificates, verifyToken: identity.verifyToken });
    /** As `fetch`, trusting the stand-in. */
    const call = (
      url: string,
      init: { method: string; headers: Record<string, string>; body?: string },
    ): Promise<{ status: number; text(): Promise<string> }> =>
      new Promise((resolve, reject) => {
        const sent = request(url, { method: init.method, headers: init.headers, ca }, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => (text += part));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text: async () => text }));
        });
        sent.on('error', reject);
        sent.end(init.body);
      });
    const credential = {
      getToken: async () => ({ token: identity.issueToken(arm.endpoint), expiresOnTimestamp: Date.now() + 3_600_000 }),
    };
    const { endpoint, subscriptionId } = arm;
    const tickets = createAzureTickets({ credential, subscriptionId, endpoint, fetch: call });
    const ticket: ServerQuotaTicket = {
      ...{ name: 'sqlfleet-x', region, newLimit: 20, description: 'more' },
      contact: { ...contact, timeZone: 'UTC', language: 'en-US' },
    };
    try {
      expect(await tickets.fileServerQuota(ticket)).toBe('filed');
      expect(await tickets.fileServerQuota(ticket)).toBe('exists');
      expect(arm.counters()['createSupportTicket']).toBe(1);
      const kind: unknown = expect.stringMatching(/problemClassifications\/databases$/);
      const token = `Bearer ${(await credential.getToken()).token}`;
      const path = `/subscriptions/${subscriptionId}/providers/Microsoft.Support/supportTickets/sqlfleet-x`;
      const shown = await call(`${endpoint}${path}`, { method: 'GET', headers: { authorization: token } });
      expect(z.looseObject({ properties: z.unknown() }).parse(JSON.parse(await shown.text())).properties).toMatchObject(
        {
          problemClassificationId: kind,
          contactDetails: { primaryEmailAddress: 'ada@example.com' },
          quotaTicketDetails: { quotaChangeRequests: [{ region: 'WestEurope', payload: '{"NewLimit":20}' }] },
        },
      );
      const nowhere = tickets.fileServerQuota({ ...ticket, name: 'other', region: 'atlantis' });
      expect(failureClassOf(await nowhere.catch((error: unknown) => error))).toBe('configuration');
    } finally {
      await arm.stop();
      await identity.stop();
      rmSync(folder, { recursive: true });
    }
  });
});
