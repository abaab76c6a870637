import { createHash } from 'node:crypto';
import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { type ServiceRequest, type ServiceResponse } from '../network/http-service';
import { ServiceError, unsupported } from '../network/service-error';
import { type BlobPermission } from './authorization';
import { requireConditions } from './conditions';
import { type Chunk, type ContentStore } from './content';
import { etagOf } from './etag';
import { listBlobs } from './listing';
import { lengthOf, type Blob, type BlobContainer, type BlobStore } from './store';
import { blobListXml, containerListXml } from './xml';

export type BlobOperation =
  | 'listContainers'
  | 'createContainer'
  | 'readContainer'
  | 'deleteContainer'
  | 'listBlobs'
  | 'putBlob'
  | 'putBlock'
  | 'putBlockList'
  | 'setMetadata'
  | 'setProperties'
  | 'getBlob'
  | 'getBlobProperties'
  | 'deleteBlob';

export interface BlobTarget {
  operation: BlobOperation;
  permission: BlobPermission;
  container: string;
  blob: string;
}

const calls: Readonly<Record<string, [BlobOperation, BlobPermission]>> = {
  'GET account list': ['listContainers', 'list'],
  'PUT container': ['createContainer', 'write'],
  'GET container': ['readContainer', 'read'],
  'HEAD container': ['readContainer', 'read'],
  'DELETE container': ['deleteContainer', 'delete'],
  'GET container list': ['listBlobs', 'list'],
  'PUT blob': ['putBlob', 'write'],
  'PUT blob block': ['putBlock', 'write'],
  'PUT blob blocklist': ['putBlockList', 'write'],
  'PUT blob metadata': ['setMetadata', 'write'],
  'PUT blob properties': ['setProperties', 'write'],
  'GET blob': ['getBlob', 'read'],
  'HEAD blob': ['getBlobProperties', 'read'],
  'DELETE blob': ['deleteBlob', 'delete'],
};

/** Finds out what a request asks for. @throws ServiceError 501 naming the call when it is not supported. */
export function identify(request: ServiceRequest, account: string): BlobTarget {
  const [, accountName, container = '', ...rest] = request.path.split('/').map(decodeURIComponent);
  if (accountName !== account) throw new ServiceError(404, 'ResourceNotFound', `There is no account ${accountName}.`);
  const blob = rest.join('/');
  const level = blob !== '' ? 'blob' : container !== '' ? 'container' : 'account';
  const call = [request.method, level, request.query.get('comp') ?? ''].join(' ').trim();
  const known = calls[call];
  const isCopy = request.headers['x-ms-copy-source'] !== undefined || request.query.has('snapshot');
  if (known === undefined || isCopy) throw unsupported(`the blob call ${call}${isCopy ? ' (copy or snapshot)' : ''}`);
  return { operation: known[0], permission: known[1], container, blob };
}

const defaultPageSize = 5000;
const contentHeaders = [
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'cache-control',
  'content-md5',
];
const blockListSchema = z.object({
  BlockList: z.array(z.record(z.string(), z.array(z.record(z.string(), z.unknown())))),
});

/** A blob that was written as a whole. */
export interface WrittenBlob {
  container: string;
  api: 'PutBlob' | 'PutBlockList';
  blob: Blob;
}

export function createBlobRequests(deps: {
  store: BlobStore;
  content: ContentStore;
  onWritten: (written: WrittenBlob) => void;
}) {
  const { store, content } = deps;

  const handle = async (target: BlobTarget, request: ServiceRequest): Promise<ServiceResponse> => {
    const { container, blob: name } = target;
    switch (target.operation) {
      case 'listContainers':
        return xml(containerListXml(store.containers(), request.query.get('prefix') ?? ''));
      case 'createContainer':
        return { status: 201, headers: containerHeaders(store.createContainer(container)) };
      case 'readContainer':
        return { status: 200, headers: containerHeaders(store.container(container)) };
      case 'deleteContainer':
        store.deleteContainer(container);
        return { status: 202 };
      case 'listBlobs':
        return list(store.container(container), request);
      case 'putBlob':
        return putBlob(target, request);
      case 'putBlock': {
        const id = request.query.get('blockid') ?? '';
        store.container(container);
        store.stage(container, name, id, await content.write(checked(request)));
        return { status: 201, headers: { 'x-ms-request-server-encrypted': 'true' } };
      }
      case 'putBlockList':
        return putBlockList(target, request);
      case 'setMetadata':
        return change(target, request, { metadata: metadataOf(request) });
      case 'setProperties':
        return change(target, request, { headers: contentHeadersOf(request) });
      case 'getBlob':
        return read(target, request);
      case 'getBlobProperties': {
        const blob = store.blob(container, name);
        requireConditions(request, blob);
        return { status: 200, headers: { ...blobHeaders(blob), 'content-length': String(lengthOf(blob)) } };
      }
      case 'deleteBlob':
        requireConditions(request, store.blob(container, name));
        store.deleteBlob(container, name);
        return { status: 202 };
    }
  };

  const current = (target: BlobTarget): Blob | undefined => store.container(target.container).blobs.get(target.blob);

  const putBlob = async (target: BlobTarget, request: ServiceRequest): Promise<ServiceResponse> => {
    const type = request.headers['x-ms-blob-type'];
    if (type !== 'BlockBlob') throw unsupported(`blobs of type ${type}`);
    // Checked here so that nothing is written in vain, and again when the content is there.
    requireConditions(request, current(target));
    const bytes = checked(request);
    const chunks = bytes.length === 0 ? [] : [await content.write(bytes)];
    const md5 = createHash('md5').update(bytes).digest('base64');
    return commit('PutBlob', target, request, chunks, { 'content-md5': md5 });
  };

  const putBlockList = async (target: BlobTarget, request: ServiceRequest): Promise<ServiceResponse> => {
    const staged = store.container(target.container).staged.get(target.blob);
    const chunks = blockIds(request.body).map((id) => {
      const chunk = staged?.get(id);
      // Blocks of the committed version could be reused too; no client here updates a blob block by block.
      if (chunk === undefined)
        throw new ServiceError(400, 'InvalidBlockList', `Block ${id} is not among the staged blocks.`);
      return chunk;
    });
    return commit('PutBlockList', target, request, chunks, {});
  };

  /** Between the check of the conditions and the write nothing else happens. */
  const commit = (
    api: WrittenBlob['api'],
    target: BlobTarget,
    request: ServiceRequest,
    chunks: Chunk[],
    headers: Record<string, string>,
  ): ServiceResponse => {
    requireConditions(request, current(target));
    const blob = store.put(target.container, target.blob, {
      headers: { ...contentHeadersOf(request), ...headers },
      metadata: metadataOf(request),
      chunks,
    });
    deps.onWritten({ container: target.container, api, blob });
    return { status: 201, headers: { ...written(blob), ...headers } };
  };

  const change = (target: BlobTarget, request: ServiceRequest, changes: Partial<Blob>): ServiceResponse => {
    const blob = store.blob(target.container, target.blob);
    requireConditions(request, blob);
    const { headers, metadata, chunks } = { ...blob, ...changes };
    return {
      status: 200,
      headers: written(store.put(target.container, target.blob, { headers, metadata, chunks })),
    };
  };

  const read = async (target: BlobTarget, request: ServiceRequest): Promise<ServiceResponse> => {
    const blob = store.blob(target.container, target.blob);
    requireConditions(request, blob);
    const length = lengthOf(blob);
    const range = rangeOf(request, length);
    const [offset, count] = range ?? [0, length];
    const headers = { ...blobHeaders(blob), 'content-length': String(count) };
    let body;
    try {
      body = await content.read(blob.chunks, offset, count);
    } catch (error) {
      // Replaced or deleted in the meantime: its content is gone, so answer with what is there now.
      if (current(target) !== blob) return read(target, request);
      throw error;
    }
    return range === null
      ? { status: 200, headers, body }
      : {
          status: 206,
          headers: { ...headers, 'content-range': `bytes ${offset}-${offset + count - 1}/${length}` },
          body,
        };
  };

  const list = (container: BlobContainer, request: ServiceRequest): ServiceResponse => {
    const parameter = (name: string): string => request.query.get(name) ?? '';
    const options = { prefix: parameter('prefix'), delimiter: parameter('delimiter'), marker: parameter('marker') };
    const maxResults = Math.min(Number(parameter('maxresults')) || defaultPageSize, defaultPageSize);
    return xml(blobListXml(container, options, listBlobs(container, { ...options, maxResults })));
  };

  return { handle };
}

const blockListParser = new XMLParser({ preserveOrder: true, parseTagValue: false });

/** `<BlockList><Latest>id</Latest>...</BlockList>`, in the order that the content is to have. */
function blockIds(body: Buffer): string[] {
  const documents = z.array(z.looseObject({})).parse(blockListParser.parse(body));
  const parsed = documents.map((each) => blockListSchema.safeParse(each)).find((each) => each.success);
  if (parsed?.data === undefined) throw new ServiceError(400, 'InvalidXmlDocument', 'The body is not a block list.');
  return parsed.data.BlockList.flatMap((entry) =>
    Object.values(entry).flatMap((texts) => texts.map((text) => String(text['#text']))),
  );
}

function checked(request: ServiceRequest): Buffer {
  const expected = request.headers['content-md5'];
  if (expected !== undefined && createHash('md5').update(request.body).digest('base64') !== expected) {
    throw new ServiceError(400, 'Md5Mismatch', 'The content does not have the MD5 that was announced.');
  }
  return request.body;
}

function rangeOf(request: ServiceRequest, length: number): [offset: number, count: number] | null {
  const header = request.headers['x-ms-range'] ?? request.headers['range'];
  if (header === undefined) return null;
  const match = /^bytes=(\d+)-(\d*)$/.exec(header);
  const offset = Number(match?.[1]);
  const end = match?.[2] === '' ? length - 1 : Math.min(Number(match?.[2]), length - 1);
  if (match === null || offset >= length || end < offset) {
    throw new ServiceError(416, 'InvalidRange', `Range ${header} is not within ${length} bytes.`);
  }
  return [offset, end - offset + 1];
}

function contentHeadersOf(request: ServiceRequest): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of contentHeaders) {
    const value = request.headers[`x-ms-blob-${name}`] ?? (name === 'content-type' ? request.headers[name] : undefined);
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

function metadataOf(request: ServiceRequest): Record<string, string> {
  const prefix = 'x-ms-meta-';
  return Object.fromEntries(
    Object.entries(request.headers).flatMap(([name, value]) =>
      name.startsWith(prefix) && value !== undefined ? [[name.slice(prefix.length), value]] : [],
    ),
  );
}

function written(blob: Blob): Record<string, string> {
  return {
    etag: etagOf(blob),
    'last-modified': new Date(blob.modifiedAtMs).toUTCString(),
    'x-ms-request-server-encrypted': 'true',
  };
}

function blobHeaders(blob: Blob): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/octet-stream', ...blob.headers };
  for (const [name, value] of Object.entries(blob.metadata)) headers[`x-ms-meta-${name}`] = value;
  return {
    ...headers,
    ...written(blob),
    'accept-ranges': 'bytes',
    'x-ms-blob-type': 'BlockBlob',
    'x-ms-creation-time': new Date(blob.createdAtMs).toUTCString(),
  };
}

function containerHeaders(container: BlobContainer): Record<string, string> {
  return { etag: etagOf(container), 'last-modified': new Date(container.modifiedAtMs).toUTCString() };
}

function xml(body: string): ServiceResponse {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body };
}
