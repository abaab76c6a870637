import { z } from 'zod';
import { type DocumentPage, type DocumentStore } from '../platform/documents';
import { AppError } from '../platform/errors';
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
} from './schema';
import { contended, pageSize, readable, readablePage, writeAttempts } from './stored';

/** What the monitor remembers, alerts, decisions, moves and databases in the making. */
export interface CapacityStore {
  readState(region: string): Promise<RegionState>;
  /** With what made it unreadable, where it was: then it is begun anew, except that a stop stays a stop. */
  readMemory(region: string): Promise<{ state: RegionState; problem: string | null }>;
  /** As `ServerStore.update`. */
  updateState(
    region: string,
    change: (state: RegionState) => RegionState,
    fence?: number,
  ): Promise<RegionState | 'fenced'>;
  /** As `Registry.lowerFences`, of what the monitor remembers. */
  lowerFence(region: string, fence: number): Promise<void>;
  openAlerts(region: string): Promise<Alert[]>;
  putAlert(alert: Alert): Promise<void>;
  createDecision(decision: DecisionRecord): Promise<void>;
  forgetDecisions(region: string, before: string): Promise<void>;
  putMove(move: Move): Promise<void>;
  listAlerts: ListOf<Alert>;
  listDecisions: ListOf<DecisionRecord>;
  listMoves: ListOf<Move>;
  createDatabase(database: Database): Promise<'created' | 'exists'>;
  /** Whether a name on a server is this request's own: of two that want it at once, one is told no. */
  claimName(server: string, name: string, databaseId: string): Promise<boolean>;
  readDatabase(databaseId: string): Promise<Database | null>;
  updateDatabase(databaseId: string, change: (database: Database) => Database | null): Promise<Database>;
}

/** The newest first. */
type ListOf<T> = (
  filter: { regions: readonly string[]; states?: readonly string[] },
  options: { pageSize: number; continuation: string | null },
) => Promise<DocumentPage<T>>;

const claimSchema = z.object({ databaseId: z.string() });
const versioned = z.looseObject({ id: z.string(), _etag: z.string().default('') });

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
    tickets: [],
    unknownSinceMs: null,
    regional: { servers: null, regionalVCores: null },
    regionalAt: null,
    lastDecision: null,
    lastTickAt: null,
  };
}

/**
 * What was remembered, or a fresh beginning where that cannot be read: samples and creations are learned again, but the
 * kill switch is somebody's decision, and stays.
 */
function memoryOf(region: string, document: unknown): { state: RegionState; problem: string | null } {
  const read = regionStateSchema.safeParse(document);
  if (read.success) return { state: read.data, problem: null };
  const { stopped, fence } = remains.parse(document);
  const problem = read.error.issues.map(({ path }) => path.join('.')).join(', ');
  return { state: { ...freshState(region), stopped, fence }, problem };
}
const unreadableStop = { actor: 'unknown', reason: 'who stopped it could not be read', at: new Date(0).toISOString() };
const remains = z
  .object({
    stopped: regionStateSchema.shape.stopped.default(null).catch(unreadableStop),
    fence: regionStateSchema.shape.fence.catch(0),
  })
  .catch({ stopped: unreadableStop, fence: 0 });

export function databaseScope(databaseId: string): string {
  return `database:${databaseId}`;
}

export function createCapacityStore(documents: DocumentStore): CapacityStore {
  const put = async (document: { id: string; scope: string }): Promise<void> => {
    for (let attempts = 0; attempts < writeAttempts; attempts += 1) {
      if ((await documents.create(document.scope, document)) === 'created') return;
      const current = await documents.read(document.scope, document.id, versioned);
      if (current === null) continue;
      if ((await documents.replace(document.scope, document, current.etag)) === 'replaced') return;
    }
    throw contended(`The document ${document.id}`);
  };
  const listed =
    <T>(kind: string, schema: z.ZodType<T>, order: string): ListOf<T> =>
    async ({ regions, states = [] }, options) => {
      const ofState = states.length === 0 ? '' : ' AND ARRAY_CONTAINS(@states, c.state)';
      const text = `SELECT * FROM c WHERE c.kind = @kind AND ARRAY_CONTAINS(@regions, c.region)${ofState} ORDER BY ${order} DESC`;
      const query = { text, parameters: { kind, regions: [...regions], states: [...states] } };
      return readablePage(schema, await documents.query(query, z.unknown(), options));
    };
  const readMemory: CapacityStore['readMemory'] = async (region) => {
    const found = await documents.read(region, 'state', z.unknown());
    return found === null ? { state: freshState(region), problem: null } : memoryOf(region, found.value);
  };
  const readDatabase: CapacityStore['readDatabase'] = async (databaseId) =>
    (await documents.read(databaseScope(databaseId), databaseId, databaseSchema))?.value ?? null;
  return {
    readMemory,
    readState: async (region) => (await readMemory(region)).state,
    async updateState(region, change, fence) {
      for (let attempts = 0; attempts < writeAttempts; attempts += 1) {
        const current = await documents.read(region, 'state', z.unknown());
        const before = current === null ? freshState(region) : memoryOf(region, current.value).state;
        if (fence !== undefined && before.fence > fence) return 'fenced';
        const changed = change(before);
        const next = { ...changed, fence: fence ?? changed.fence };
        const written =
          current === null ? await documents.create(region, next) : await documents.replace(region, next, current.etag);
        if (written === 'created' || written === 'replaced') return next;
      }
      throw contended(`What the monitor of ${region} remembers`);
    },
    async lowerFence(region, fence) {
      const current = await documents.read(region, 'state', z.unknown());
      if (current === null) return;
      const state: RegionState = { ...memoryOf(region, current.value).state, fence };
      await documents.replace(region, state, current.etag);
    },
    async openAlerts(region) {
      const alerts: Alert[] = [];
      let continuation: string | null = null;
      do {
        const page: DocumentPage<unknown> = await documents.query(
          { text: "SELECT * FROM c WHERE c.kind = 'alert' AND c.state = 'open'" },
          z.unknown(),
          { partitionKey: region, pageSize, continuation },
        );
        alerts.push(...readable(alertSchema, page.items));
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
        versioned,
        { partitionKey: region, pageSize: 100 },
      );
      for (const { id } of page.items) await documents.delete(region, id);
    },
    putMove: (move) => put(move),
    listAlerts: listed('alert', alertSchema, 'c.lastAt'),
    listDecisions: listed('decision', decisionSchema, 'c.at'),
    listMoves: listed('move', moveSchema, 'c.at'),
    createDatabase: (database) => documents.create(database.scope, database),
    async claimName(server, name, databaseId) {
      const scope = `databaseName:${server}/${name.toLowerCase()}`;
      const claim = { id: 'claim', kind: 'databaseName', scope, databaseId };
      for (let attempts = 0; attempts < writeAttempts; attempts += 1) {
        if ((await documents.create(scope, claim)) === 'created') return true;
        const current = await documents.read(scope, 'claim', claimSchema);
        if (current?.value.databaseId === databaseId) return true;
        // Whoever is done has made a database, which has a mark, or none: neither needs the claim any more.
        const holder = current === null ? null : await readDatabase(current.value.databaseId);
        const comes = holder !== null && holder.server === server && holder.state === 'creating';
        if (comes) return false;
        if (current !== null && (await documents.replace(scope, claim, current.etag)) === 'replaced') return true;
      }
      throw contended(`The name ${name} on ${server}`);
    },
    readDatabase,
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
