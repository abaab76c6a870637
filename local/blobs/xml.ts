import { XMLBuilder } from 'fast-xml-parser';
import { etagOf } from './etag';
import { type Listing } from './listing';
import { lengthOf, type Blob, type BlobContainer } from './store';

const builder = new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: '@' });

export function errorXml(code: string, message: string): string {
  return document({ Error: { Code: code, Message: message } });
}

export function containerListXml(containers: readonly BlobContainer[], prefix: string): string {
  const shown = containers.filter((container) => container.name.startsWith(prefix));
  return document({
    EnumerationResults: {
      '@ServiceEndpoint': '',
      Prefix: prefix,
      Containers: {
        Container: shown.map((container) => ({ Name: container.name, Properties: versionOf(container) })),
      },
      NextMarker: '',
    },
  });
}

export function blobListXml(
  container: BlobContainer,
  { prefix, delimiter, marker }: { prefix: string; delimiter: string; marker: string },
  { entries, nextMarker }: Listing,
): string {
  const blobs = entries.flatMap(({ kind, name }) => (kind === 'blob' ? [container.blobs.get(name)] : []));
  return document({
    EnumerationResults: {
      '@ServiceEndpoint': '',
      '@ContainerName': container.name,
      Prefix: prefix,
      Marker: marker,
      Delimiter: delimiter,
      Blobs: {
        Blob: blobs.flatMap((blob) => (blob === undefined ? [] : [blobEntry(blob)])),
        BlobPrefix: entries.flatMap(({ kind, name }) => (kind === 'prefix' ? [{ Name: name }] : [])),
      },
      NextMarker: nextMarker,
    },
  });
}

function blobEntry(blob: Blob): unknown {
  const properties: Record<string, string | number> = {
    'Creation-Time': new Date(blob.createdAtMs).toUTCString(),
    ...versionOf(blob),
    'Content-Length': lengthOf(blob),
    'Content-Type': 'application/octet-stream',
  };
  // `content-type` is shown as `Content-Type`, `content-md5` as `Content-MD5`.
  for (const [name, value] of Object.entries(blob.headers)) {
    properties[name.replace(/(^|-)([a-z])/g, (text) => text.toUpperCase()).replace('Md5', 'MD5')] = value;
  }
  properties['BlobType'] = 'BlockBlob';
  const metadata = Object.keys(blob.metadata).length === 0 ? {} : { Metadata: blob.metadata };
  return { Name: blob.name, Properties: properties, ...metadata };
}

function versionOf(resource: { version: number; modifiedAtMs: number }): Record<string, string> {
  return { 'Last-Modified': new Date(resource.modifiedAtMs).toUTCString(), Etag: etagOf(resource) };
}

function document(content: unknown): string {
  return `<?xml version="1.0" encoding="utf-8"?>${builder.build(content)}`;
}
