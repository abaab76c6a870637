import { satisfiesCondition } from '../../local/documents/query';
import { type JsonObject, parseObject } from '../../local/documents/json';
import { type DocumentStore } from '../../lib/platform/documents';

/**
 * A container in memory, for tests with so many steps that a round trip each would take minutes. Conditions are judged by the
 * stand-in's own query language; pages and continuations are cut by position.
 */
export function createMemoryDocuments(
  /** Stands before and after every call, and may throw in its place. */
  around: <T>(call: string, run: () => Promise<T>) => Promise<T> = (_call, run) => run(),
): DocumentStore & {
  writes(): number;
  remove(partition: string, id: string): void;
  mangle(partition: string, id: string, fields: object): void;
  all(): JsonObject[];
} {
  interface Entry {
    partition: string;
    text: string;
    etag: number;
  }
  const entries = new Map<string, Entry>();
  let version = 0;
  let writes = 0;
  const keyOf = (partition: string, id: string): string => `${partition}\n${id}`;
  const put = (partition: string, document: { id: string }): void => {
    version += 1;
    writes += 1;
    const key = keyOf(partition, document.id);
    entries.delete(key);
    entries.set(key, { partition, text: JSON.stringify(document), etag: version });
  };
  const shown = ({ text, etag }: Entry): JsonObject => ({ ...parseObject(text), _etag: String(etag) });
  return {
    writes: () => writes,
    all: () => [...entries.values()].map(shown),
    remove: (partition, id) => void entries.delete(keyOf(partition, id)),
    mangle(partition, id, fields) {
      const entry = entries.get(keyOf(partition, id));
      if (entry === undefined) throw new Error(`no document ${id}`);
      put(partition, { id, ...parseObject(entry.text), ...fields });
    },
    create: (partition, document) =>
      around(`create ${document.id}`, async () => {
        if (entries.has(keyOf(partition, document.id))) return 'exists';
        put(partition, document);
        return 'created';
      }),
    read: async (partition, id, schema) => {
      const entry = entries.get(keyOf(partition, id));
      return entry === undefined ? null : { value: schema.parse(parseObject(entry.text)), etag: String(entry.etag) };
    },
    replace: (partition, document, etag) =>
      around(`replace ${document.id}`, async () => {
        if (String(entries.get(keyOf(partition, document.id))?.etag) !== etag) return 'changed';
        put(partition, document);
        return 'replaced';
      }),
    patch: async () => {
      throw new Error('not used');
    },
    delete: (partition, id) =>
      around(`delete ${id}`, async () => (entries.delete(keyOf(partition, id)) ? 'deleted' : 'missing')),
    async query({ text, parameters = {} }, schema, { partitionKey, pageSize, continuation }) {
      const [, condition, field, direction] =
        /^SELECT \* FROM c(?: WHERE (.*?))?(?: ORDER BY c\.(\w+)( DESC)?)?$/.exec(text) ?? [];
      const where = condition?.replace(/@(\w+)/g, (_all, name: string) => JSON.stringify(parameters[name]));
      const found = [...entries.values()]
        .filter(({ partition }) => partitionKey === undefined || partition === partitionKey)
        .map(shown)
        .filter((document) => where === undefined || satisfiesCondition(document, `FROM c WHERE ${where}`, 0));
      if (field !== undefined) {
        const sign = direction === undefined ? 1 : -1;
        const valueOf = (document: JsonObject): string | number => {
          const value = document[field];
          return typeof value === 'number' ? value : typeof value === 'string' ? value : '';
        };
        found.sort((a, b) => (valueOf(a) < valueOf(b) ? -sign : valueOf(a) > valueOf(b) ? sign : 0));
      }
      const start = Number(continuation ?? 0);
      const end = start + pageSize;
      return {
        items: found.slice(start, end).map((document) => schema.parse(document)),
        continuation: end < found.length ? String(end) : null,
      };
    },
    async changes(partition, schema, { continuation, pageSize }) {
      const after = Number(continuation ?? 0);
      const changed = [...entries.values()]
        .filter((entry) => entry.partition === partition && entry.etag > after)
        .sort((a, b) => a.etag - b.etag)
        .slice(0, pageSize);
      return {
        items: changed.map(({ text }) => schema.parse(parseObject(text))),
        continuation: String(changed.at(-1)?.etag ?? after),
        more: changed.length > 0,
      };
    },
  };
}
