import { type ActivityEntry } from '../arm/activity';
import { type WrittenBlob } from '../blobs/requests';
import { etagOf } from '../blobs/etag';
import { type TopicEvent } from './filters';

/** What happens in the embedded Azure, in the words in which Azure tells of it. */

/**
 * A change that came through Resource Manager: on the topic of its subscription.
 * https://learn.microsoft.com/azure/event-grid/event-schema-subscriptions
 */
export function resourceEvent(entry: ActivityEntry): TopicEvent {
  const { id, operationName, resourceId, succeeded, correlationId, caller } = entry;
  const [, subscription = '', subscriptionId = ''] = /^(\/subscriptions\/([^/]+))/i.exec(resourceId) ?? [];
  const [, resourceProvider = ''] = /^([^/]+)\//.exec(operationName) ?? [];
  const kind = operationName.endsWith('/delete') ? 'Delete' : 'Write';
  const status = succeeded ? 'Succeeded' : 'Failed';
  return {
    id,
    topic: subscription,
    // Azure does not agree with itself on the case of ids.
    subject: resourceId.replace('/resourceGroups/', '/resourcegroups/'),
    eventType: `Microsoft.Resources.Resource${kind}${succeeded ? 'Success' : 'Failure'}`,
    eventTime: new Date(entry.timeMs).toISOString(),
    data: {
      authorization: {
        scope: resourceId,
        action: operationName,
        evidence: { role: 'Contributor', principalId: caller?.objectId ?? '', principalType: 'ServicePrincipal' },
      },
      claims: {
        appid: caller?.clientId ?? '',
        'http://schemas.microsoft.com/identity/claims/objectidentifier': caller?.objectId ?? '',
      },
      ...{ correlationId, resourceProvider, operationName, status, subscriptionId },
      resourceUri: resourceId,
      tenantId: caller?.tenantId ?? '',
    },
    dataVersion: '2',
    metadataVersion: '1',
  };
}

/**
 * A blob that was written: on the topic of its account.
 * https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
 */
export function blobEvent(
  { container, api, blob }: WrittenBlob,
  from: { topic: string; endpoint: string; id: string },
): TopicEvent {
  return {
    id: from.id,
    topic: from.topic,
    subject: `/blobServices/default/containers/${container}/blobs/${blob.name}`,
    eventType: 'Microsoft.Storage.BlobCreated',
    eventTime: new Date(blob.modifiedAtMs).toISOString(),
    data: {
      api,
      eTag: etagOf(blob).replaceAll('"', ''),
      contentType: blob.headers['content-type'] ?? 'application/octet-stream',
      contentLength: blob.chunks.reduce((sum, { length }) => sum + length, 0),
      blobType: 'BlockBlob',
      url: `${from.endpoint}/${container}/${blob.name.split('/').map(encodeURIComponent).join('/')}`,
      sequencer: blob.version.toString(16).toUpperCase().padStart(48, '0'),
    },
    dataVersion: '',
    metadataVersion: '1',
  };
}
