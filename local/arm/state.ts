import { z } from 'zod';
import { noJournal, openJournal } from '../storage/journal';

/** A resource as ARM shows it; what a provider adds beside `properties` (sku, identity, kind) stays as it was sent. */
export const resourceSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  type: z.string(),
  location: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  properties: z.record(z.string(), z.unknown()),
});
export type Resource = z.infer<typeof resourceSchema>;

const recordSchema = z.union([
  z.object({ resource: resourceSchema }),
  z.object({ removed: z.string() }),
  z.object({ note: z.string(), value: z.unknown() }),
]);

/**
 * Everything that ARM knows, kept in a journal: resources by their id, and notes (operations, conditions, numbers) by a
 * key of whoever wrote them. Ids and keys are compared without case.
 */
export interface ArmState {
  get(id: string): Resource | undefined;
  put(resource: Resource): void;
  /** Removes the resource and everything below it. */
  remove(id: string): void;
  /** The direct members of a collection, `.../servers` for example, in the order in which they came. */
  list(collection: string): Resource[];
  /** All resources of a type, wherever they are. */
  ofType(type: string): Resource[];
  /** What was noted last, read through its schema; undefined: nothing. */
  note<T>(key: string, schema: z.ZodType<T>): T | undefined;
  /** Undefined forgets it. */
  setNote(key: string, value: unknown): void;
  notesUnder<T>(prefix: string, schema: z.ZodType<T>): [key: string, value: T][];
  close(): void;
}

const compactAfterBytes = 8 * 1024 * 1024;

/** @param journalFile null keeps nothing. */
export function openArmState(journalFile: string | null): ArmState {
  const resources = new Map<string, Resource>();
  const collections = new Map<string, Set<string>>();
  const types = new Map<string, Set<string>>();
  const notes = new Map<string, unknown>();
  const keyOf = (id: string): string => id.toLowerCase();
  const index = (map: Map<string, Set<string>>, group: string, key: string): void => {
    const members = map.get(group);
    if (members === undefined) map.set(group, new Set([key]));
    else members.add(key);
  };

  const put = (resource: Resource): void => {
    const key = keyOf(resource.id);
    resources.set(key, resource);
    index(collections, collectionOf(key), key);
    index(types, resource.type.toLowerCase(), key);
  };
  const removeOne = (key: string, resource: Resource): void => {
    resources.delete(key);
    collections.get(collectionOf(key))?.delete(key);
    types.get(resource.type.toLowerCase())?.delete(key);
  };
  const remove = (id: string): void => {
    const key = keyOf(id);
    for (const [each, resource] of resources) {
      if (each === key || each.startsWith(`${key}/`)) removeOne(each, resource);
    }
    for (const each of notes.keys()) if (`${each}/`.startsWith(`metrics${key}/`)) notes.delete(each);
  };
  const setNote = (key: string, value: unknown): void => {
    if (value === undefined) notes.delete(key);
    else notes.set(key, value);
  };

  const journal =
    journalFile === null
      ? noJournal()
      : openJournal(journalFile, (line) => {
          const record = recordSchema.parse(line);
          if ('resource' in record) put(record.resource);
          else if ('removed' in record) remove(record.removed);
          else setNote(record.note, record.value);
        });
  function* live(): Generator<z.infer<typeof recordSchema>> {
    for (const resource of resources.values()) yield { resource };
    for (const [note, value] of notes) yield { note, value };
  }
  journal.compact(live());
  const append = (record: z.infer<typeof recordSchema>): void => {
    journal.append(record);
    if (journal.bytesAppended > compactAfterBytes) journal.compact(live());
  };
  const found = (keys: ReadonlySet<string> | undefined): Resource[] =>
    [...(keys ?? [])].flatMap((key) => resources.get(key) ?? []);

  return {
    get: (id) => resources.get(keyOf(id)),
    put(resource) {
      put(resource);
      append({ resource });
    },
    remove(id) {
      remove(id);
      append({ removed: id });
    },
    list: (collection) => found(collections.get(keyOf(collection))),
    ofType: (type) => found(types.get(keyOf(type))),
    note: (key, schema) => {
      const value = notes.get(keyOf(key));
      return value === undefined ? undefined : schema.parse(value);
    },
    setNote(key, value) {
      setNote(keyOf(key), value);
      append({ note: keyOf(key), value });
    },
    notesUnder: (prefix, schema) =>
      [...notes]
        .flatMap(([key, value]) => (key.startsWith(keyOf(prefix)) ? [[key, schema.parse(value)] as const] : []))
        .map(([key, value]) => [key, value]),
    close: () => journal.close(),
  };
}

function collectionOf(id: string): string {
  return id.slice(0, id.lastIndexOf('/'));
}
