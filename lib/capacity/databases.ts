import { isDeepStrictEqual } from 'node:util';
import { azureCodeOf, failureClassOf, isFailedOperation, isNotFound } from '../platform/azure-errors';
import { type AzureSql } from '../platform/azure-sql';
import { type Clock } from '../platform/clock';
import { type FleetEvents } from '../platform/cloud-events';
import { type Orchestrations } from '../platform/durable';
import { AppError, isAppError, isTransient, messageOf } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { type DatabaseRequest } from './requests';
import { databaseOrchestrationName, type StepResult } from './orchestrators/database';
import { type Placing } from './placing';
import { type Database } from './schema';
import { type CapacityStore, databaseScope } from './store';

/** Builds a template package into one new database. Given by the composition root; what builds it is not known here. */
export interface TemplateBuilds {
  /** @param key the same key starts one build, however often it is asked for. @throws AppError when it cannot be built. */
  start(
    target: { server: string; database: string; package: string; key: string; actor: string },
    orchestrations: Orchestrations,
  ): Promise<string>;
  state(buildId: string): Promise<'running' | 'succeeded' | 'failed'>;
}

export interface DatabasesDeps {
  store: CapacityStore;
  placing: Placing;
  azure: AzureSql;
  resourceGroupOf(region: string, server: string): Promise<string>;
  builds: TemplateBuilds;
  events: FleetEvents;
  /** A region without room is looked at at once, not at the next tick. */
  nudge(region: string, orchestrations: Orchestrations): Promise<void>;
  regions: readonly string[];
  clock: Clock;
  newId: () => string;
}

const pollMs = 5_000;
const waitForRoomMs = 30 * 60_000;
const maximumTries = 5;
const ownTag = 'sqlfleet-database';

export function databaseOrchestrationId(databaseId: string): string {
  return `database-${databaseId}`;
}

/** New databases: placed on the best server, created there, and built from a template package where one is asked for. */
export function createDatabases(deps: DatabasesDeps) {
  const { store, placing, azure, clock } = deps;
  const at = (): string => new Date(clock.nowMs()).toISOString();
  const change = (database: Database, fields: Partial<Database>): Promise<Database> =>
    store.updateDatabase(database.databaseId, (current) =>
      // Somebody else moved it on: what was to be written is about an earlier state.
      current.state === database.state && current.tries === database.tries
        ? { ...current, ...fields, changedAt: at() }
        : null,
    );
  const fail = async (database: Database, code: string, message: string): Promise<StepResult> => {
    if (database.region !== null && database.server !== null && database.state !== 'building') {
      await placing.release(database.region, database.server, database.databaseId);
    }
    await change(database, { state: 'failed', failure: { code, message: message.slice(0, 1_000) } });
    return { kind: 'done' };
  };
  const again: StepResult = { kind: 'again', delayMs: pollMs };

  const place = async (database: Database, orchestrations: Orchestrations): Promise<StepResult> => {
    const { regions, tags } = database.request;
    const placed = await placing.reserve({ regions, tags, count: 1, not: database.refusedBy }, database.databaseId);
    if (placed === null) {
      if (clock.nowMs() - Date.parse(database.createdAt) > waitForRoomMs) {
        return fail(database, 'capacity.noRoom', `No server in ${regions.join(', ')} had room for it in time.`);
      }
      for (const region of regions) await deps.nudge(region, orchestrations);
      return { kind: 'again', delayMs: 3 * pollMs };
    }
    const { region, name, fullyQualifiedDomainName } = placed.server;
    await change(database, { state: 'creating', region, server: name, fullyQualifiedDomainName, poller: null });
    return { kind: 'again', delayMs: 0 };
  };

  const create = async (database: Database): Promise<StepResult> => {
    const { region, server, name, databaseId, poller } = database;
    if (region === null || server === null)
      return fail(database, 'capacity.stateLost', 'It is not known where it was to be.');
    const resourceGroup = await deps.resourceGroupOf(region, server);
    const held = await placing.hold(region, server, databaseId);
    // Once it is on its way it comes, whatever becomes of the room.
    if (!held && poller === null) return placedAnew(database, database.tries);
    if (!(await store.claimName(server, name, databaseId))) return fail(database, ...nameTaken(server, name));
    try {
      if (poller === null) {
        const existing = await azure.readDatabase(resourceGroup, server, name);
        // A PUT over it would succeed, and hand somebody a database of somebody else.
        if (existing !== null && existing.tags[ownTag] !== databaseId) {
          return await fail(database, ...nameTaken(server, name));
        }
      }
      const { sku, elasticPool, tags } = database.request;
      const elasticPoolId = elasticPool === null ? null : await poolId(resourceGroup, server, elasticPool);
      const definition = { region, sku, elasticPoolId, tags: { ...tags, [ownTag]: databaseId } };
      const operation = await azure.createDatabase(resourceGroup, server, name, definition, poller);
      if (!operation.done) {
        await change(database, { poller: operation.poller });
        return again;
      }
    } catch (error) {
      return notCreated(database, error);
    }
    await placing.confirm(region, server, databaseId);
    const building = database.request.package !== null;
    await change(database, { state: building ? 'building' : 'ready', poller: null });
    if (!building) await announce(database);
    return building ? { kind: 'again', delayMs: 0 } : { kind: 'done' };
  };
  const poolId = async (resourceGroup: string, server: string, pool: string): Promise<string> => {
    const found = (await azure.listElasticPools(resourceGroup, server)).find(({ name }) => name === pool);
    if (found !== undefined) return found.id;
    throw new AppError('azure.configuration', `${server} has no elastic pool ${pool}.`, {
      details: { failureClass: 'configuration', azureCode: 'NoSuchPool' },
    });
  };
  const notCreated = async (database: Database, error: unknown): Promise<StepResult> => {
    const { region, server, databaseId, tries } = database;
    const failureClass = failureClassOf(error);
    const lostPoller = database.poller !== null && (isNotFound(error) || isFailedOperation(error));
    if (failureClass === 'transient' || (database.poller !== null && isNotFound(error))) {
      if (tries >= 10 * maximumTries) return fail(database, azureCodeOf(error), messageOf(error));
      await change(database, { tries: tries + 1, ...(lostPoller ? { poller: null } : {}) });
      return { kind: 'again', delayMs: Math.min(60_000, pollMs * 2 ** Math.min(tries, 4)) };
    }
    // A server that is gone has no room; the next look says so in its document.
    const elsewhere = failureClass !== 'configuration' || isNotFound(error);
    if (!elsewhere || region === null || server === null || tries >= maximumTries) {
      return fail(database, azureCodeOf(error), messageOf(error));
    }
    // The server takes no more, whatever our numbers say: another one may. A quota of the whole region is not its fault.
    await placing.release(region, server, databaseId);
    if (!/vcore|dtu/i.test(`${azureCodeOf(error)} ${messageOf(error)}`)) await placing.refused(region, server);
    return placedAnew({ ...database, refusedBy: [...database.refusedBy, server] }, tries);
  };
  const placedAnew = async (database: Database, tries: number): Promise<StepResult> => {
    const { refusedBy } = database;
    await change(database, { state: 'placing', region: null, server: null, poller: null, refusedBy, tries: tries + 1 });
    return { kind: 'again', delayMs: 0 };
  };
  const nameTaken = (server: string, name: string): [string, string] => [
    'capacity.databaseExists',
    `${server} has, or is about to have, a database ${name} already. Choose another name.`,
  ];

  const build = async (database: Database, orchestrations: Orchestrations): Promise<StepResult> => {
    const { request, buildId, name, server } = database;
    if (buildId === null) {
      try {
        const started = await deps.builds.start(
          {
            server: database.fullyQualifiedDomainName ?? server ?? '',
            database: name,
            package: request.package ?? '',
            key: `database-${database.databaseId}`,
            actor: database.requestedBy,
          },
          orchestrations,
        );
        await change(database, { buildId: started });
      } catch (error) {
        if (isTransient(error) || !isAppError(error)) throw error;
        return fail(database, error.code, `The database exists, but its package cannot be built: ${error.message}`);
      }
      return again;
    }
    const state = await deps.builds.state(buildId);
    if (state === 'running') return again;
    if (state === 'failed') {
      const message = `The database exists, but its package did not succeed: see the build ${buildId}, retry its failed targets.`;
      return fail(database, 'capacity.templateFailed', message);
    }
    await change(database, { state: 'ready' });
    await announce(database);
    return { kind: 'done' };
  };
  const announce = ({ databaseId, name, region, server }: Database): Promise<void> =>
    deps.events.publish({
      id: `${databaseId}/ready`,
      type: 'Sqlfleet.Capacity.DatabaseReady',
      subject: `databases/${databaseId}`,
      data: { databaseId, name, region, server },
    });

  return {
    /** One step of a database towards ready, decided from its document: it may be taken any number of times. */
    async advance(databaseId: string, orchestrations: Orchestrations): Promise<StepResult> {
      const database = await store.readDatabase(databaseId);
      switch (database?.state) {
        case 'placing':
          return place(database, orchestrations);
        case 'creating':
          return create(database);
        case 'building':
          return build(database, orchestrations);
        case undefined:
        case 'ready':
        case 'failed':
          return { kind: 'done' };
      }
    },

    /** Writes the request down and starts working on it. The same idempotency key answers with the same database. */
    async request(
      request: DatabaseRequest,
      by: { actor: string; idempotencyKey: string | null },
      orchestrations: Orchestrations,
    ): Promise<{ database: Database; created: boolean }> {
      const unknown = request.regions.filter((region) => !deps.regions.includes(region));
      if (unknown.length > 0) {
        throw new AppError(
          'capacity.unknownRegion',
          `Not looked after: ${unknown.join(', ')}. Possible regions: ${deps.regions.join(', ')}.`,
          { status: 422 },
        );
      }
      const databaseId = by.idempotencyKey === null ? deps.newId() : `k-${sha256(by.idempotencyKey).slice(0, 32)}`;
      const document: Database = {
        id: databaseId,
        kind: 'database',
        scope: databaseScope(databaseId),
        databaseId,
        name: request.name,
        request: {
          regions: request.regions,
          tags: request.tags,
          sku: request.sku ?? null,
          elasticPool: request.elasticPool ?? null,
          package: request.package ?? null,
        },
        requestedBy: by.actor,
        state: 'placing',
        region: null,
        server: null,
        fullyQualifiedDomainName: null,
        poller: null,
        refusedBy: [],
        tries: 0,
        buildId: null,
        failure: null,
        createdAt: at(),
        changedAt: at(),
      };
      const created = (await store.createDatabase(document)) === 'created';
      const database = created ? document : ((await store.readDatabase(databaseId)) ?? document);
      if (database.name !== document.name || !isDeepStrictEqual(database.request, document.request)) {
        throw new AppError(
          'capacity.idempotencyKeyReused',
          'This Idempotency-Key was used for another database. Use a new key.',
          { status: 422 },
        );
      }
      // The first request may have been cut off between the document and the start.
      await orchestrations.start(databaseOrchestrationName, databaseOrchestrationId(databaseId), { databaseId });
      return { database, created };
    },
  };
}
