import { z } from 'zod';
import { type DocumentPage, type DocumentStore } from '../platform/documents';
import { type DamagedDocument } from './reconcile';
import { type Server, serverSchema } from './schema';
import { contended, damagedDocument, pageSize, readable, readablePage, writeAttempts } from './stored';

/** Documents of servers, one partition per region. */
export interface ServerStore {
  /** All of a region; those that cannot be read as servers apart, because one mangled document must not blind the monitor. */
  region(region: string): Promise<{ servers: Stored[]; damaged: DamagedDocument[] }>;
  read(region: string, name: string): Promise<Server | null>;
  /** By name alone; null: nowhere. */
  find(name: string): Promise<Server | null>;
  create(server: Server): Promise<'created' | 'exists'>;
  /**
   * Reads, changes and writes until nobody else wrote in between; `change` answers null to leave it as it is.
   * 'fenced': a monitor with a larger fence has written; whoever is told so has been replaced and must stop.
   */
  update(
    region: string,
    name: string,
    change: (server: Server) => Server | null,
    options?: { fence?: number; known?: Stored },
  ): Promise<Server | 'missing' | 'fenced'>;
  /** Whatever its fence, unless somebody wrote it since. */
  replace(server: Server, etag: string): Promise<void>;
  /** Writes over a document that cannot be read. */
  rebuild(server: Server): Promise<void>;
  /** Ready servers by load, the least loaded first. */
  leastLoaded(region: string, pageSize: number, continuation: string | null): Promise<DocumentPage<Server>>;
  list(
    filter: { regions: readonly string[]; states: readonly string[] },
    options: { pageSize: number; continuation: string | null },
  ): Promise<DocumentPage<Server>>;
  changes(
    region: string,
    continuation: string | null,
    pageSize: number,
  ): Promise<{ items: Server[]; continuation: string; more: boolean }>;
}

/** A document with the version that it was read in. */
export interface Stored {
  server: Server;
  etag: string;
}

const looseServer = z.looseObject({ id: z.string(), _etag: z.string().default('') });

export function createServerStore(documents: DocumentStore): ServerStore {
  const serverOf = (item: unknown, name: string): Server => {
    const read = serverSchema.safeParse(item);
    if (read.success) return read.data;
    throw damagedDocument(`The document of ${name}`);
  };
  const readStored = async (region: string, name: string): Promise<Stored | null> => {
    const found = await documents.read(region, name, z.unknown());
    return found === null ? null : { server: serverOf(found.value, name), etag: found.etag };
  };
  return {
    async region(region) {
      const servers: Stored[] = [];
      const damaged: DamagedDocument[] = [];
      let continuation: string | null = null;
      do {
        const page: DocumentPage<z.infer<typeof looseServer>> = await documents.query(
          { text: 'SELECT * FROM c' },
          looseServer,
          { partitionKey: region, pageSize, continuation },
        );
        for (const item of page.items) {
          const read = serverSchema.safeParse(item);
          // Under another name than its own, a document would be taken for that of another server, and its own for none.
          if (read.success && read.data.name !== item.id) damaged.push({ name: item.id, problem: 'name' });
          else if (read.success) servers.push({ server: read.data, etag: item._etag });
          else damaged.push({ name: item.id, problem: read.error.issues.map(({ path }) => path.join('.')).join(', ') });
        }
        continuation = page.continuation;
      } while (continuation !== null);
      return { servers, damaged };
    },
    read: async (region, name) => (await readStored(region, name))?.server ?? null,
    async find(name) {
      const query = { text: 'SELECT * FROM c WHERE c.id = @name', parameters: { name } };
      const [found] = (await documents.query(query, z.unknown(), { pageSize: 1 })).items;
      return found === undefined ? null : serverOf(found, name);
    },
    create: (server) => documents.create(server.region, server),
    async update(region, name, change, { fence, known } = {}) {
      let stored = known ?? (await readStored(region, name));
      for (let attempts = 0; attempts < writeAttempts; attempts += 1) {
        if (stored === null) return 'missing';
        if (fence !== undefined && stored.server.fence > fence) return 'fenced';
        const changed = change(stored.server);
        if (changed === null) return stored.server;
        const next = { ...changed, fence: fence ?? changed.fence };
        if ((await documents.replace(region, next, stored.etag)) === 'replaced') return next;
        stored = await readStored(region, name);
      }
      throw contended(`The document of ${name}`);
    },
    async replace(server, etag) {
      await documents.replace(server.region, server, etag);
    },
    async rebuild(server) {
      await documents.delete(server.region, server.id);
      await documents.create(server.region, server);
    },
    async leastLoaded(region, size, continuation) {
      const page = await documents.query(
        { text: "SELECT * FROM c WHERE c.kind = 'server' AND c.state = 'ready' ORDER BY c.load" },
        z.unknown(),
        { partitionKey: region, pageSize: size, continuation },
      );
      return readablePage(serverSchema, page);
    },
    async list({ regions, states }, options) {
      const conditions = [
        "c.kind = 'server'",
        ...(regions.length === 0 ? [] : ['ARRAY_CONTAINS(@regions, c.region)']),
        ...(states.length === 0 ? [] : ['ARRAY_CONTAINS(@states, c.state)']),
      ];
      const text = `SELECT * FROM c WHERE ${conditions.join(' AND ')}`;
      const query = { text, parameters: { regions: [...regions], states: [...states] } };
      return readablePage(serverSchema, await documents.query(query, z.unknown(), options));
    },
    async changes(region, continuation, size) {
      const { items, ...rest } = await documents.changes(region, z.unknown(), { continuation, pageSize: size });
      return { items: readable(serverSchema, items), ...rest };
    },
  };
}
