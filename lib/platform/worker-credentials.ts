import { createHmac } from 'node:crypto';
import { type BlobServiceClient } from '@azure/storage-blob';
import { BlobSASPermissions, generateBlobSASQueryParameters, StorageSharedKeyCredential } from '@azure/storage-blob';
import { AppError } from './errors';

/** How a worker reaches one queue, and nothing else. */
export interface QueueCredential {
  /** `sb://host[:port]`. */
  endpoint: string;
  topic: string;
  subscription: string;
  /** A shared access signature for this subscription, with the rights of the key that signed it: to listen. */
  signature: string;
  expiresAtMs: number;
}

export interface QueueCredentials {
  /** @throws AppError `clusters.handshake.notConfigured` (503) */
  listen(subscription: string, expiresAtMs: number): QueueCredential;
}

/**
 * Service Bus knows rules for namespaces and topics, not for subscriptions; but a signature holds for what its resource
 * names and what lies below. So a key of the topic that may only listen signs for one subscription.
 *
 * @param connectionString of such a key; absent: no worker is let in
 */
export function createQueueCredentials(connectionString: string | undefined, topic: string): QueueCredentials {
  return {
    listen(subscription, expiresAtMs) {
      const fields = fieldsOf(connectionString ?? '');
      const endpoint = fields.get('endpoint')?.replace(/\/+$/, '');
      const keyName = fields.get('sharedaccesskeyname');
      const key = fields.get('sharedaccesskey');
      if (endpoint === undefined || keyName === undefined || key === undefined) {
        const message =
          'Workers cannot be given a queue: set SQLFLEET_WORKER_SERVICE_BUS to the connection string of a rule of the topic that may only listen.';
        throw new AppError('clusters.handshake.notConfigured', message, { status: 503 });
      }
      const path = `${topic}/Subscriptions/${subscription}`;
      const resource = encodeURIComponent(`${endpoint}/${path}`);
      const expiry = Math.floor(expiresAtMs / 1_000);
      const signed = createHmac('sha256', key).update(`${resource}\n${expiry}`).digest('base64');
      const signature = `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signed)}&se=${expiry}&skn=${encodeURIComponent(keyName)}`;
      return { endpoint, topic, subscription, signature, expiresAtMs: expiry * 1_000 };
    },
  };
}

function fieldsOf(connectionString: string): Map<string, string> {
  return new Map(
    connectionString.split(';').flatMap((field): [string, string][] => {
      const separator = field.indexOf('=');
      return separator === -1 ? [] : [[field.slice(0, separator).trim().toLowerCase(), field.slice(separator + 1)]];
    }),
  );
}

/** Links that let whoever has them read one blob for a while. */
export interface ReadLinks {
  link(name: string, expiresAtMs: number): Promise<string>;
}

/** Clocks differ; a link that begins later than its reader's now is no link. */
const beginsBeforeMs = 5 * 60_000;

/** Signed with the account's key where the app has it, else with a key that the app's identity asks the service for. */
export function createReadLinks(blobs: BlobServiceClient, container: string, nowMs: () => number): ReadLinks {
  return {
    async link(name, expiresAtMs) {
      const client = blobs.getContainerClient(container).getBlobClient(name);
      const startsOn = new Date(nowMs() - beginsBeforeMs);
      const expiresOn = new Date(expiresAtMs);
      const values = {
        containerName: container,
        blobName: name,
        permissions: BlobSASPermissions.parse('r'),
        startsOn,
        expiresOn,
      };
      const query =
        blobs.credential instanceof StorageSharedKeyCredential
          ? generateBlobSASQueryParameters(values, blobs.credential)
          : generateBlobSASQueryParameters(
              values,
              await blobs.getUserDelegationKey(startsOn, expiresOn),
              blobs.accountName,
            );
      return `${client.url}?${query.toString()}`;
    },
  };
}
