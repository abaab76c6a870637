import { Readable } from 'node:stream';
import { type ContainerClient, RestError } from '@azure/storage-blob';
import { AppError } from './errors';

/** One blob container. */
export interface BlobStore {
  /** null: there is no such blob. */
  get(name: string): Promise<Buffer | null>;
  put(name: string, data: Buffer | string, contentType: string): Promise<void>;
  /** For content that its name identifies: a second write of the same name is a no-op. */
  putOnce(name: string, data: Buffer | string, contentType: string): Promise<void>;
  /** Writes chunk by chunk, so that nothing grows with the blob's size; readers see the whole or the previous. */
  putStream(name: string, chunks: AsyncIterable<string>, contentType: string): Promise<void>;
  /** null: there is no such blob. The stream must be consumed or destroyed. */
  open(name: string): Promise<{ stream: NodeJS.ReadableStream; contentType: string; length: number } | null>;
}

const streamBlockBytes = 1 << 20;

export function createBlobStore(container: ContainerClient): BlobStore {
  const call = async <T>(operation: () => Promise<T>): Promise<T> => {
    try {
      return await operation();
    } catch (error) {
      throw mapped(error, container.containerName);
    }
  };
  const orNull = async <T>(operation: () => Promise<T>): Promise<T | null> => {
    try {
      return await operation();
    } catch (error) {
      if (error instanceof RestError && error.statusCode === 404 && codeOf(error) === 'BlobNotFound') return null;
      throw mapped(error, container.containerName);
    }
  };
  const upload = (name: string, data: Buffer | string, contentType: string, once: boolean): Promise<unknown> => {
    const bytes = Buffer.from(data);
    return container.getBlockBlobClient(name).upload(bytes, bytes.length, {
      blobHTTPHeaders: { blobContentType: contentType },
      ...(once ? { conditions: { ifNoneMatch: '*' } } : {}),
    });
  };

  return {
    get: (name) => orNull(() => container.getBlobClient(name).downloadToBuffer()),

    async put(name, data, contentType) {
      await call(() => upload(name, data, contentType, false));
    },

    async putOnce(name, data, contentType) {
      await call(async () => {
        try {
          await upload(name, data, contentType, true);
        } catch (error) {
          const exists = error instanceof RestError && (error.statusCode === 409 || error.statusCode === 412);
          if (!exists) throw error;
        }
      });
    },

    async putStream(name, chunks, contentType) {
      await call(() =>
        container
          .getBlockBlobClient(name)
          .uploadStream(Readable.from(chunks, { objectMode: false }), streamBlockBytes, 1, {
            blobHTTPHeaders: { blobContentType: contentType },
          }),
      );
    },

    open: (name) =>
      orNull(async () => {
        const response = await container.getBlobClient(name).download();
        if (response.readableStreamBody === undefined) {
          throw new AppError('blobs.unavailable', `The blob "${name}" has no readable body.`);
        }
        return {
          stream: response.readableStreamBody,
          contentType: response.contentType ?? 'application/octet-stream',
          length: response.contentLength ?? 0,
        };
      }),
  };
}

/** The answer to a HEAD request has no body, so its code is in a header only, where the SDK leaves it. */
function codeOf(error: RestError): string | undefined {
  return error.code ?? error.response?.headers.get('x-ms-error-code');
}

function mapped(error: unknown, container: string): unknown {
  if (!(error instanceof RestError)) return error;
  const subject = `The blob container "${container}"`;
  if (error.statusCode === 403) {
    return new AppError('blobs.forbidden', `${subject} refused the app's identity. Check its role assignment.`, {
      cause: error,
    });
  }
  if (error.statusCode === 404) {
    return new AppError('blobs.missing', `${subject} does not exist. Deploy the infrastructure first.`, {
      cause: error,
    });
  }
  return new AppError(
    'blobs.unavailable',
    `${subject} could not be reached (${error.code ?? error.statusCode ?? ''}). Try again.`,
    {
      status: 503,
      retry: { kind: 'backoff' },
      cause: error,
    },
  );
}
