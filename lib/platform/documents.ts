import { isDeepStrictEqual } from 'node:util';
import { type Container, ErrorResponse, ChangeFeedStartFrom, type JSONValue } from '@azure/cosmos';
import { type z } from 'zod';
import { type Clock } from './clock';
import { AppError, badContinuation, isAppError } from './errors';
import { withRetry, type RetryPolicy } from './retry';

/** A document together with the version that a conditional write has to name. */
export interface Versioned<T> {
  value: T;
  etag: string;
}

export interface DocumentPage<T> {
  items: T[];
  /** Hand it back to read on; null: this was the last page. */
  continuation: string | null;
}

export interface QueryOptions {
  /** Without it the query crosses partitions. */
  partitionKey?: string;
  pageSize: number;
  continuation?: string | null;
}

export interface Query {
  /** Cosmos SQL; values only through parameters, never spliced into the text. */
  text: string;
  parameters?: Record<string, JSONValue>;
}

/** One Cosmos DB container. Expected answers are values; everything else is an AppError `documents.*`. */
export interface DocumentStore {
  /** 'exists': a document with this id is there already and was left alone. */
  create(partitionKey: string, document: { id: string }): Promise<'created' | 'exists'>;
  read<T>(partitionKey: string, id: string, schema: z.ZodType<T>): Promise<Versioned<T> | null>;
  /** 'changed': somebody else wrote since `etag` was read; read again and decide again. */
  replace(partitionKey: string, document: { id: string }, etag: string): Promise<'replaced' | 'changed'>;
  /** Sets single fields. 'missing': there is no such document. */
  patch(partitionKey: string, id: string, fields: Record<string, JSONValue>): Promise<'patched' | 'missing'>;
  /** 'changed': somebody wrote since `etag` was read. Without an etag it is deleted whatever it says. */
  delete(partitionKey: string, id: string, etag?: string): Promise<'deleted' | 'missing' | 'changed'>;
  query<T>(query: Query, schema: z.ZodType<T>, options: QueryOptions): Promise<DocumentPage<T>>;
  /** What was created or changed in one partition since `continuation` (null: from the beginning), oldest first. */
  changes<T>(
    partitionKey: string,
    schema: z.ZodType<T>,
    options: { continuation: string | null; pageSize: number },
  ): Promise<{ items: T[]; continuation: string; more: boolean }>;
}

/** 429 is the SDK's own affair; these it hands to the caller at once. */
const retryableCodes = new Set<unknown>([
  408,
  410,
  449,
  500,
  502,
  503,
  504,
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'TimeoutError',
]);
/** What the service adds to every document. */
const systemFields = new Set(['_rid', '_self', '_etag', '_attachments', '_ts']);
const retryPolicy: RetryPolicy = { attempts: 6, firstDelayMs: 100, maximumDelayMs: 5_000 };

export function createDocumentStore(container: Container, deps: { clock: Clock; random: () => number }): DocumentStore {
  const call = <T>(operation: () => Promise<T>): Promise<T> =>
    withRetry(operation, retryPolicy, (error) => retryableCodes.has(codeOf(error)), deps).catch((error: unknown) => {
      throw mapped(error, container.id);
    });
  /** One conditional write. `expected`: the codes that say no, and what that means to the caller. */
  const conditionally = async <R>(
    operation: () => Promise<unknown>,
    success: R,
    expected: Map<unknown, R>,
    tookPlace: () => Promise<boolean> = async () => false,
  ): Promise<R> => {
    let answersLost = 0;
    const attempt = async (): Promise<R> => {
      try {
        await operation();
        return success;
      } catch (error) {
        const answer = expected.get(codeOf(error));
        if (answer === undefined) {
          answersLost += 1;
          throw error;
        }
        return answersLost > 0 && (await tookPlace()) ? success : answer;
      }
    };
    return call(attempt);
  };
  /** A write whose answer was lost is refused when it is tried again, if it took place: then the document is the one sent. */
  const isStored = async (partitionKey: string, document: { id: string }): Promise<boolean> => {
    const { resource } = await container.item(document.id, partitionKey).read<Record<string, unknown>>();
    if (resource === undefined) return false;
    const own = Object.entries(resource).filter(([name]) => !systemFields.has(name));
    return isDeepStrictEqual(Object.fromEntries(own), JSON.parse(JSON.stringify(document)));
  };

  return {
    create: (partitionKey, document) =>
      conditionally<'created' | 'exists'>(
        () => container.items.create(document),
        'created',
        new Map([[409, 'exists']]),
        () => isStored(partitionKey, document),
      ),

    async read(partitionKey, id, schema) {
      const response = await call(() => container.item(id, partitionKey).read<{ _etag?: string }>());
      if (response.statusCode === 404 || response.resource === undefined) return null;
      return { value: parse(schema, response.resource, container.id), etag: response.resource._etag ?? response.etag };
    },

    replace: (partitionKey, document, etag) =>
      conditionally<'replaced' | 'changed'>(
        () =>
          container
            .item(document.id, partitionKey)
            .replace(document, { accessCondition: { type: 'IfMatch', condition: etag } }),
        'replaced',
        new Map([
          [412, 'changed'],
          [404, 'changed'],
        ]),
        () => isStored(partitionKey, document),
      ),

    patch: (partitionKey, id, fields) =>
      conditionally<'patched' | 'missing'>(
        () =>
          container
            .item(id, partitionKey)
            .patch(Object.entries(fields).map(([name, value]) => ({ op: 'set' as const, path: `/${name}`, value }))),
        'patched',
        new Map([[404, 'missing']]),
      ),

    delete: (partitionKey, id, etag) => {
      const options = etag === undefined ? {} : { accessCondition: { type: 'IfMatch', condition: etag } };
      return conditionally<'deleted' | 'missing' | 'changed'>(
        () => container.item(id, partitionKey).delete(options),
        'deleted',
        new Map([
          [404, 'missing'],
          [412, 'changed'],
        ]),
        async () => (await container.item(id, partitionKey).read()).statusCode === 404,
      );
    },

    async query(query, schema, options) {
      const iterator = container.items.query<unknown>(
        {
          query: query.text,
          parameters: Object.entries(query.parameters ?? {}).map(([name, value]) => ({ name: `@${name}`, value })),
        },
        {
          maxItemCount: options.pageSize,
          ...(options.partitionKey === undefined ? {} : { partitionKey: options.partitionKey }),
          ...(options.continuation ? { continuationToken: options.continuation } : {}),
        },
      );
      const response = await call(() => iterator.fetchNext()).catch((error: unknown) => {
        // With a text of our own, all that can be found wrong is what the caller brought: the service refuses it, or
        // Node does, because no header can carry it.
        const code = codeOf(isAppError(error) ? error.cause : error);
        const refused = options.continuation && (code === 400 || code === 'ERR_INVALID_CHAR');
        throw refused ? badContinuation(error) : error;
      });
      return {
        items: (response.resources ?? []).map((item) => parse(schema, item, container.id)),
        continuation: response.continuationToken ?? null,
      };
    },

    async changes(partitionKey, schema, options) {
      const iterator = container.items.getChangeFeedIterator<unknown>({
        maxItemCount: options.pageSize,
        changeFeedStartFrom:
          options.continuation === null
            ? ChangeFeedStartFrom.Beginning(partitionKey)
            : ChangeFeedStartFrom.Continuation(options.continuation),
      });
      const response = await call(() => iterator.readNext());
      const items = response.statusCode === 304 ? [] : response.result.map((item) => parse(schema, item, container.id));
      return { items, continuation: response.continuationToken, more: items.length > 0 };
    },
  };
}

function parse<T>(schema: z.ZodType<T>, item: unknown, container: string): T {
  const result = schema.safeParse(item);
  if (result.success) return result.data;
  const places = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new AppError('documents.malformed', `A document in "${container}" is not in the expected form: ${places}`);
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

function mapped(error: unknown, container: string): unknown {
  if (error instanceof AppError) return error;
  const code = codeOf(error);
  const subject = `The document container "${container}"`;
  if (code === 401 || code === 403) {
    return new AppError('documents.forbidden', `${subject} refused the app's identity. Check its role assignment.`, {
      cause: error,
    });
  }
  if (code === 404) {
    return new AppError('documents.missing', `${subject} does not exist. Deploy the infrastructure first.`, {
      cause: error,
    });
  }
  if (error instanceof ErrorResponse || code !== undefined) {
    return new AppError('documents.unavailable', `${subject} could not be reached (${String(code)}). Try again.`, {
      status: 503,
      retry: { kind: 'backoff' },
      cause: error,
    });
  }
  return error;
}
