import { z } from 'zod';
import { type DocumentPage, type DocumentStore } from '../platform/documents';
import { AppError } from '../platform/errors';
import { type DamagedDocument } from './reconcile';
import {
  type Alert,
  alertSchema,
  type Database,
  databaseSchema,
  type DecisionRecord,
  decisionSchema,
  type Move,
  moveSchema,
  type RegionState,
  regionStateSchema,
  type Server,
  serverSchema,
} from './schema';

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

/** What the monitor remembers, alerts, decisions, moves and databases in the making. */
export interface CapacityStore {
  readState(region: string): Promise<RegionState>;
  /** As `ServerStore.update`. */
  updateState(
    region: string,
    change: (state: RegionState) => RegionState,
    fence?: number,
  ): Promise<RegionState | 'fenced'>;
  openAlerts(region: string): Promise<Alert[]>;
  putAlert(alert: Alert): Promise<void>;
  createDecision(decision: DecisionRecord): Promise<void>;
  forgetDecisions(region: string, before: string): Promise<void>;
  putMove(move: Move): Promise<void>;
  listAlerts: ListOf<Alert>;
  listDecisions: ListOf<DecisionRecord>;
  listMoves: ListOf<Move>;
  createDatabase(database: Database): Promise<'created' | 'exists'>;
  readDatabase(databaseId: string): Promise<Database | null>;
  updateDatabase(databaseId: string, change: (database: Database) => Database | null): Promise<Database>;
}

/** The newest first. */
type ListOf<T> = (
  filter: { regions: readonly string[]; states?: readonly string[] },
  options: { pageSize: number; continuation: string | null },
) => Promise<DocumentPage<T>>;

const writeAttempts = 100;
const pageSize = 500;
const looseServer = z.looseObject({ id: z.string(), _etag: z.string().default('') });

function contended(subject: string): AppError {
  return new AppError('capacity.contended', `${subject} kept changing while it was to be written. Try again.`, {
    status: 503,
    retry: { kind: 'backoff' },
  });
}

export function createServerStore(documents: DocumentStore): ServerStore {
  const readStored = async (region: string, name: string): Promise<Stored | null> => {
    const found = await documents.read(region, name, serverSchema);
    return found === null ? null : { server: found.value, etag: found.etag };
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
          if (read.success) servers.push({ server: read.data, etag: item._etag });
          else damaged.push({ name: item.id, problem: read.error.issues.map(({ path }) => path.join('.')).join(', ') });
        }
        continuation = page.continuation;
      } while (continuation !== null);
      return { servers, damaged };
    },
    read: async (region, name) => (await readStored(region, name))?.server ?? null,
    async find(name) {
      const query = { text: 'SELECT * FROM c WHERE c.id = @name', parameters: { name } };
      return (await documents.query(query, serverSchema, { pageSize: 1 })).items[0] ?? null;
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
    async rebuild(server) {
      await documents.delete(server.region, server.id);
      await documents.create(server.region, server);
    },
    leastLoaded: (region, size, continuation) =>
      documents.query(
        { text: "SELECT * FROM c WHERE c.kind = 'server' AND c.state = 'ready' ORDER BY c.load" },
        serverSchema,
        { partitionKey: region, pageSize: size, continuation },
      ),
    list({ regions, states }, options) {
      const conditions = [
        "c.kind = 'server'",
        ...(regions.length === 0 ? [] : ['ARRAY_CONTAINS(@regions, c.region)']),
        ...(states.length === 0 ? [] : ['ARRAY_CONTAINS(@states, c.state)']),
      ];
      const text = `SELECT * FROM c WHERE ${conditions.join(' AND ')}`;
      return documents.query(
        { text, parameters: { regions: [...regions], states: [...states] } },
        serverSchema,
        options,
      );
    },
    changes: (region, continuation, size) => documents.changes(region, serverSchema, { continuation, pageSize: size }),
  };
}

/** What a region begins with. */
export function freshState(region: string): RegionState {
  return {
    id: 'state',
    kind: 'state',
    scope: region,
    region,
    fence: 0,
    stopped: null,
    samples: [],
    grown: {},
    aboveCreate: {},
    creations: [],
    blocked: null,
    failuresInARow: 0,
    unknownSinceMs: null,
    regional: { servers: null, regionalVCores: null },
    regionalAt: null,
    lastDecision: null,
    lastTickAt: null,
  };
}

export function databaseScope(databaseId: string): string {
  return `database:${databaseId}`;
}

export function createCapacityStore(documents: DocumentStore): CapacityStore {
  const put = async (document: { id: string; scope: string }): Promise<void> => {
    for (let attempts = 0; attempts < writeAttempts; attempts += 1) {
      if ((await documents.create(document.scope, document)) === 'created') return;
      const current = await documents.read(document.scope, document.id, looseServer);
      if (current === null) continue;
      if ((await documents.replace(document.scope, document, current.etag)) === 'replaced') return;
    }
    throw contended(`The document ${document.id}`);
  };
  const listed =
    <T>(kind: string, schema: z.ZodType<T>, order: string): ListOf<T> =>
    ({ regions, states = [] }, options) => {
      const ofState = states.length === 0 ? '' : ' AND ARRAY_CONTAINS(@states, c.state)';
      const text = `SELECT * FROM c WHERE c.kind = @kind AND ARRAY_CONTAINS(@regions, c.region)${ofState} ORDER BY ${order} DESC`;
      return documents.query(
        { text, parameters: { kind, regions: [...regions], states: [...states] } },
        schema,
        options,
      );
    };
  return {
    readState: async (region) =>
      (await documents.read(region, 'state', regionStateSchema))?.value ?? freshState(region),
    async updateState(region, change, fence) {
      for (let attempts = 0; attempts < writeAttempts; attempts += 1) {
        const current = await documents.read(region, 'state', regionStateSchema);
        const before = current?.value ?? freshState(region);
        if (fence !== undefined && before.fence > fence) return 'fenced';
        const changed = change(before);
        const next = { ...changed, fence: fence ?? changed.fence };
        const written =
          current === null ? await documents.create(region, next) : await documents.replace(region, next, current.etag);
        if (written === 'created' || written === 'replaced') return next;
      }
      throw contended(`What the monitor of ${region} remembers`);
    },
    async openAlerts(region) {
      const alerts: Alert[] = [];
      let continuation: string | null = null;
      do {
        const page: DocumentPage<Alert> = await documents.query(
          { text: "SELECT * FROM c WHERE c.kind = 'alert' AND c.state = 'open'" },
          alertSchema,
          { partitionKey: region, pageSize, continuation },
        );
        alerts.push(...page.items);
        continuation = page.continuation;
      } while (continuation !== null);
      return alerts;
    },
    putAlert: (alert) => put(alert),
    async createDecision(decision) {
      await documents.create(decision.scope, decision);
    },
    async forgetDecisions(region, before) {
      const page = await documents.query(
        { text: "SELECT * FROM c WHERE c.kind = 'decision' AND c.at < @before", parameters: { before } },
        decisionSchema,
        { partitionKey: region, pageSize: 100 },
      );
      for (const { scope, id } of page.items) await documents.delete(scope, id);
    },
    putMove: (move) => put(move),
    listAlerts: listed('alert', alertSchema, 'c.lastAt'),
    listDecisions: listed('decision', decisionSchema, 'c.at'),
    listMoves: listed('move', moveSchema, 'c.at'),
    createDatabase: (database) => documents.create(database.scope, database),
    async readDatabase(databaseId) {
      return (await documents.read(databaseScope(databaseId), databaseId, databaseSchema))?.value ?? null;
    },
    async updateDatabase(databaseId, change) {
      for (let attempts = 0; attempts < writeAttempts; attempts += 1) {
        const current = await documents.read(databaseScope(databaseId), databaseId, databaseSchema);
        if (current === null) throw databaseNotFound(databaseId);
        const next = change(current.value);
        if (next === null) return current.value;
        if ((await documents.replace(next.scope, next, current.etag)) === 'replaced') return next;
      }
      throw contended(`The document of the database ${databaseId}`);
    },
  };
}

export function databaseNotFound(databaseId: string): AppError {
  return new AppError('capacity.databaseNotFound', `There is no database request "${databaseId}".`, { status: 404 });
}
