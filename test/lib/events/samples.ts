/** Events as Azure sends them. */

export const subscriptionTopic = '/subscriptions/00000000-0000-0000-0000-000000000001';
const group = `${subscriptionTopic}/resourceGroups/fleet`;
export const storageTopic = `${group}/providers/Microsoft.Storage/storageAccounts/fleetstore`;

let ids = 0;

export interface ResourceEventOptions {
  operation?: string;
  happened?: 'WriteSuccess' | 'WriteFailure' | 'DeleteSuccess' | 'ActionSuccess';
  resource?: string;
  id?: string;
  time?: string;
  principalId?: string;
  topic?: string;
}

/** What the subscription's topic tells about a resource, personal claims included. */
export function resourceEvent(options: ResourceEventOptions = {}) {
  const {
    operation = 'Microsoft.Sql/servers/write',
    happened = 'WriteSuccess',
    resource = 'Microsoft.Sql/servers/fleet-1',
    id = `event-${(ids += 1)}-${Math.random()}`,
    time = '2026-03-06T17:00:00.1234567Z',
    principalId = '11111111-2222-3333-4444-555555555555',
    topic = subscriptionTopic,
  } = options;
  const resourceUri = `${group}/providers/${resource}`;
  return {
    subject: resourceUri.replace('resourceGroups', 'resourcegroups'),
    eventType: `Microsoft.Resources.Resource${happened}`,
    id,
    data: {
      authorization: { scope: resourceUri, action: operation, evidence: { role: 'Contributor', principalId } },
      claims: {
        aud: 'https://management.core.windows.net/',
        appid: 'c44b4083-3bb0-49c1-b47d-974e53cbdf3c',
        'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn': 'rita@example.com',
        ipaddr: '203.0.113.9',
        'http://schemas.microsoft.com/identity/claims/objectidentifier': principalId,
      },
      correlationId: '6b1ea5a8-9f8e-4d2b-8f1c-2e4b8f5f0a11',
      resourceProvider: 'Microsoft.Sql',
      resourceUri,
      operationName: operation,
      status: 'Succeeded',
      subscriptionId: '00000000-0000-0000-0000-000000000001',
      tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47',
    },
    dataVersion: '2',
    metadataVersion: '1',
    eventTime: time,
    topic,
  };
}

export function blobEvent(
  blob: string,
  options: { id?: string; sequencer?: string; container?: string; time?: string } = {},
) {
  const {
    id = `blob-${(ids += 1)}-${Math.random()}`,
    sequencer = '0000000000000000000000000000000000000000000000EB00000000000046199',
    container = 'packages',
    time = '2026-03-06T17:00:00.5Z',
  } = options;
  return {
    topic: storageTopic,
    subject: `/blobServices/default/containers/${container}/blobs/${blob}`,
    eventType: 'Microsoft.Storage.BlobCreated',
    id,
    data: {
      api: 'PutBlockList',
      clientRequestId: '4c5dd7fb-2c48-4a27-bb30-5361b5de920a',
      requestId: '9aeb0fdf-c01e-0131-0922-9eb549000000',
      eTag: '0x8D76C39E4407333',
      contentType: 'application/octet-stream',
      contentLength: 30_699,
      blobType: 'BlockBlob',
      url: `https://fleetstore.blob.core.windows.net/${container}/${blob}`,
      sequencer,
      storageDiagnostics: { batchId: '6d7fd2a3-1a5b-4f3d-8f23-2b5c3a4e9d11' },
    },
    dataVersion: '',
    metadataVersion: '1',
    eventTime: time,
  };
}

/** The same happening as a CloudEvent 1.0. */
export function asCloudEvent(event: ReturnType<typeof resourceEvent>) {
  const { id, topic, subject, eventType, eventTime, data } = event;
  return { specversion: '1.0', id, source: topic, subject, type: eventType, time: eventTime, data };
}
