import { request } from 'node:https';
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { type Endpoints } from '../../local/launcher/endpoints';

/** Event Grid as the demo drives it, and events in the form in which Azure sends them. */

const subscription = '/subscriptions/00000000-0000-0000-0000-000000000001';
const group = `${subscription}/resourceGroups/sqlfleet`;
export const webhookPath = '/api/events';

const deliverySchema = z.object({ statuses: z.array(z.int()), end: z.string(), answer: z.string() });
const receiptsSchema = z.object({
  events: z.array(z.object({ result: z.string(), event: z.string().optional(), code: z.string().optional() })),
});
export type Receipt = z.infer<typeof receiptsSchema>['events'][number];
const publishedSchema = z.object({
  events: z.array(z.object({ id: z.string(), type: z.string(), subject: z.string().optional() })),
});

export interface ResourceHappening {
  resource: string;
  operation: string;
  happened?: 'WriteSuccess' | 'WriteFailure' | 'DeleteSuccess';
  time?: string;
  topic?: string;
}

export function resourceEvent({ resource, operation, happened = 'WriteSuccess', time, topic }: ResourceHappening) {
  const resourceUri = `${group}/providers/${resource}`;
  return {
    id: randomUUID(),
    topic: topic ?? subscription,
    // Azure does not agree with itself on the case of ids.
    subject: resourceUri.replace('resourceGroups', 'resourcegroups'),
    eventType: `Microsoft.Resources.Resource${happened}`,
    eventTime: time ?? new Date().toISOString(),
    data: {
      authorization: { scope: resourceUri, action: operation, evidence: { principalId: randomUUID() } },
      claims: { ipaddr: '203.0.113.9', appid: randomUUID() },
      correlationId: randomUUID(),
      resourceUri,
      operationName: operation,
      status: 'Succeeded',
    },
    dataVersion: '2',
    metadataVersion: '1',
  };
}

export function blobEvent(blob: string) {
  return {
    id: randomUUID(),
    topic: `${group}/providers/Microsoft.Storage/storageAccounts/fleetstore`,
    subject: `/blobServices/default/containers/packages/blobs/${blob}`,
    eventType: 'Microsoft.Storage.BlobCreated',
    eventTime: new Date().toISOString(),
    data: {
      api: 'PutBlob',
      eTag: '0x8D7',
      contentLength: 100,
      sequencer: '',
      url: `https://fleetstore.blob.core.windows.net/packages/${blob}`,
    },
    dataVersion: '',
    metadataVersion: '1',
  };
}

export function asCloudEvent({ id, topic, subject, eventType, eventTime, data }: ReturnType<typeof resourceEvent>) {
  return { specversion: '1.0', id, source: topic, subject, type: eventType, time: eventTime, data };
}

export function createAzurePlayer(endpoints: Endpoints) {
  const ca = readFileSync(endpoints.caFile);
  const webhookUrl = `${endpoints.http.baseUrl}${webhookPath}`;
  const headers = { 'x-sqlfleet-event-key': endpoints.eventGrid.webhookKey };

  const call = (method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const outgoing = request(
        `${endpoints.eventGrid.url}${path}`,
        { method, ca, headers: { 'aeg-sas-key': endpoints.eventGrid.key } },
        (response) => {
          text(response).then((answer) => resolve({ status: response.statusCode ?? 0, text: answer }), reject);
        },
      );
      outgoing.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });

  return {
    /** Makes a subscription; false: the app did not agree. */
    async subscribe(
      name: string,
      options: { schema: 'eventGrid' | 'cloudEvents'; maxEventsPerBatch: number; topic?: string },
    ): Promise<boolean> {
      return (await call('POST', '/subscriptions', { name, url: webhookUrl, headers, ...options })).status === 201;
    },
    /** Delivers as Event Grid does, with its retries; what the app answered in the end. */
    async deliver(
      name: string,
      events: readonly unknown[],
    ): Promise<{ statuses: number[]; end: string; receipts: Receipt[] }> {
      const { status, text: answer } = await call('POST', `/subscriptions/${name}/deliver`, events);
      if (status !== 200) throw new Error(`Event Grid answered ${status}: ${answer}`);
      const deliveries = z.array(deliverySchema).parse(JSON.parse(answer));
      const [first] = deliveries;
      if (first === undefined) throw new Error('nothing was delivered');
      const receipts = receiptsSchema.safeParse(first.end === 'delivered' ? JSON.parse(first.answer) : null);
      return { statuses: first.statuses, end: first.end, receipts: receipts.data?.events ?? [] };
    },
    /** Posts at the webhook as anybody on the internet can. */
    async post(body: string, sent: Record<string, string>): Promise<{ status: number; code: string }> {
      const init = { method: 'POST', headers: { 'content-type': 'application/json', ...sent }, body };
      const response = await fetch(webhookUrl, init);
      const problem = z.object({ code: z.string() }).safeParse(await response.json());
      return { status: response.status, code: problem.data?.code ?? '' };
    },
    headers,
    async published(): Promise<z.infer<typeof publishedSchema>['events']> {
      return publishedSchema.parse(JSON.parse((await call('GET', '/published')).text)).events;
    },
    async setFaults(part: string, faults: readonly object[]): Promise<void> {
      await fetch(`${endpoints.control.url}/faults/${part}`, { method: 'PUT', body: JSON.stringify(faults) });
    },
  };
}
