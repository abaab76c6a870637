import { type Server, SqlManagementClient, type SqlManagementClientOptionalParams } from '@azure/arm-sql';
import { type TokenCredential } from '@azure/identity';
import { z } from 'zod';
import { azureError, isNotFound } from './azure-errors';
import { allOf, impatience, retryOptions } from './azure-patience';
import { type AzureSqlSecurity, createAzureSqlSecurity } from './azure-sql-security';

/** Logical SQL servers and what is on them, as Azure Resource Manager has them. Names are lower case, regions without spaces. */
export interface ArmServer {
  id: string;
  name: string;
  region: string;
  resourceGroup: string;
  tags: Record<string, string>;
  state: string;
  fullyQualifiedDomainName: string | null;
  minimalTlsVersion: string | null;
  publicNetworkAccess: string | null;
  restrictOutboundNetworkAccess: string | null;
}

export interface ServerDefinition {
  region: string;
  tags: Record<string, string>;
  version: string;
  minimalTlsVersion: string;
  publicNetworkAccess: 'Enabled' | 'Disabled';
  restrictOutboundNetworkAccess: 'Enabled' | 'Disabled';
  identity: 'SystemAssigned' | 'None';
  administrators: {
    administratorType: 'ActiveDirectory';
    principalType: 'Group';
    login: string;
    sid: string;
    tenantId: string;
    azureADOnlyAuthentication: boolean;
  };
}

/** `poller`: asks for this very operation, in whatever process. */
export type LongOperation = { done: true } | { done: false; poller: string };

export interface Usage {
  name: string;
  value: number;
  /** -1 or 0: Azure does not say. */
  limit: number;
}

export interface ElasticPool {
  id: string;
  name: string;
  server: string;
}

export interface PooledDatabase {
  id: string;
  name: string;
}

/**
 * What capacity asks of Azure SQL. A list is complete or the call rejects: there are no partial answers. What is thrown is
 * an AppError `azure.<class>`; see `failureClassOf`.
 */
export interface AzureSql extends AzureSqlSecurity {
  /** Of the subscription, in every region. */
  listServers(): Promise<ArmServer[]>;
  readServer(resourceGroup: string, server: string): Promise<ArmServer | null>;
  /** Null: free. Else why not. */
  nameTaken(server: string): Promise<string | null>;
  /** Sends the PUT, or with `poller` asks for the operation that an earlier PUT began. */
  createServer(
    resourceGroup: string,
    server: string,
    definition: ServerDefinition,
    poller: string | null,
  ): Promise<LongOperation>;
  /** Databases of one server without `master`; costs one request per page. */
  countDatabases(resourceGroup: string, server: string): Promise<number>;
  serverUsages(resourceGroup: string, server: string): Promise<Usage[]>;
  regionalUsages(region: string): Promise<Usage[]>;
  readDatabase(
    resourceGroup: string,
    server: string,
    database: string,
  ): Promise<{ tags: Record<string, string>; elasticPoolId: string | null } | null>;
  createDatabase(
    resourceGroup: string,
    server: string,
    database: string,
    definition: { region: string; tags: Record<string, string>; sku: string | null; elasticPoolId: string | null },
    poller: string | null,
  ): Promise<LongOperation>;
  listElasticPools(resourceGroup: string, server: string): Promise<ElasticPool[]>;
  listPooledDatabases(resourceGroup: string, server: string, pool: string): Promise<PooledDatabase[]>;
  /** Starts moving a database into another pool of the same server. */
  moveToPool(resourceGroup: string, server: string, database: string, elasticPoolId: string): Promise<void>;
}

export interface AzureSqlDeps {
  credential: TokenCredential;
  subscriptionId: string;
  /** Absent: the public cloud. */
  endpoint?: string;
  clientOptions?: SqlManagementClientOptionalParams;
}

export function createAzureSql(deps: AzureSqlDeps): AzureSql {
  const client = new SqlManagementClient(deps.credential, deps.subscriptionId, {
    ...(deps.endpoint === undefined ? {} : { endpoint: deps.endpoint }),
    retryOptions,
    additionalPolicies: [impatience],
    ...deps.clientOptions,
  });
  const call = async <T>(doing: string, operation: () => Promise<T>): Promise<T> => {
    try {
      return await operation();
    } catch (error) {
      throw azureError(error, doing);
    }
  };
  const readOrNull = async <T>(doing: string, operation: () => Promise<T>): Promise<T | null> => {
    try {
      return await operation();
    } catch (error) {
      if (isNotFound(error)) return null;
      throw azureError(error, doing);
    }
  };

  return {
    ...createAzureSqlSecurity(client, deps, call, readOrNull),
    listServers: () => call('list the servers', async () => (await allOf(client.servers.list())).map(serverOf)),
    readServer: (resourceGroup, server) =>
      readOrNull(`show the server ${server}`, async () => serverOf(await client.servers.get(resourceGroup, server))),
    nameTaken: (name) =>
      call(`check the name ${name}`, async () => {
        const answer = await client.servers.checkNameAvailability({ name, type: 'Microsoft.Sql/servers' });
        return answer.available === true ? null : (answer.message ?? answer.reason ?? 'not available');
      }),
    createServer: (resourceGroup, server, { region, identity, ...definition }, kept) =>
      call(`create the server ${server}`, async () => {
        const poller = readablePoller(kept);
        return progress(
          await client.servers.beginCreateOrUpdate(
            resourceGroup,
            server,
            { ...definition, location: region, ...(identity === 'None' ? {} : { identity: { type: identity } }) },
            poller === null ? {} : { resumeFrom: poller },
          ),
          poller !== null,
        );
      }),
    countDatabases: (resourceGroup, server) =>
      call(`list the databases of ${server}`, async () => {
        const databases = await allOf(client.databases.listByServer(resourceGroup, server));
        return databases.filter(({ kind }) => !(kind ?? '').split(',').includes('system')).length;
      }),
    serverUsages: (resourceGroup, server) =>
      call(`show the usages of ${server}`, async () =>
        (await allOf(client.serverUsages.listByServer(resourceGroup, server))).map(usageOf),
      ),
    regionalUsages: (region) =>
      call(`show the quotas of ${region}`, async () =>
        (await allOf(client.subscriptionUsages.listByLocation(region))).map(usageOf),
      ),
    readDatabase: (resourceGroup, server, database) =>
      readOrNull(`show the database ${database}`, async () => {
        const { tags, elasticPoolId } = await client.databases.get(resourceGroup, server, database);
        return { tags: tags ?? {}, elasticPoolId: elasticPoolId ?? null };
      }),
    createDatabase: (resourceGroup, server, database, { region, tags, sku, elasticPoolId }, kept) =>
      call(`create the database ${database} on ${server}`, async () => {
        const poller = readablePoller(kept);
        return progress(
          await client.databases.beginCreateOrUpdate(
            resourceGroup,
            server,
            database,
            {
              location: region,
              tags,
              ...(sku === null ? {} : { sku: { name: sku } }),
              ...(elasticPoolId === null ? {} : { elasticPoolId }),
            },
            poller === null ? {} : { resumeFrom: poller },
          ),
          poller !== null,
        );
      }),
    listElasticPools: (resourceGroup, server) =>
      call(`list the pools of ${server}`, async () =>
        (await allOf(client.elasticPools.listByServer(resourceGroup, server))).map(({ id = '', name = '' }) => ({
          id,
          name,
          server,
        })),
      ),
    listPooledDatabases: (resourceGroup, server, pool) =>
      call(`list the databases of the pool ${pool}`, async () =>
        (await allOf(client.databases.listByElasticPool(resourceGroup, server, pool))).map(
          ({ id = '', name = '' }) => ({
            id,
            name,
          }),
        ),
      ),
    moveToPool: (resourceGroup, server, database, elasticPoolId) =>
      call(`move the database ${database}`, async () => {
        await client.databases.beginUpdate(resourceGroup, server, database, { elasticPoolId });
      }),
  };
}

/** Null where it cannot be read any more: then the same PUT once more tells what became of it. */
function readablePoller(poller: string | null): string | null {
  try {
    return poller === null
      ? null
      : z.object({ state: z.looseObject({}) }).safeParse(JSON.parse(poller)).success
        ? poller
        : null;
  } catch {
    return null;
  }
}

interface Poller {
  poll(): Promise<unknown>;
  isDone(): boolean;
  getResult(): unknown;
  toString(): string;
}

/** Polls once where that was not done yet, and says how far it is. A failed operation throws. */
async function progress(poller: Poller, resumed: boolean): Promise<LongOperation> {
  if (resumed && !poller.isDone()) await poller.poll();
  // The SDK throws on poll or keeps the error for getResult, depending on where it noticed.
  if (!poller.isDone()) return { done: false, poller: poller.toString() };
  poller.getResult();
  return { done: true };
}

export function normalRegion(text: string): string {
  return text.toLowerCase().replaceAll(' ', '');
}

function serverOf(server: Server): ArmServer {
  return {
    id: server.id ?? '',
    name: (server.name ?? '').toLowerCase(),
    region: normalRegion(server.location),
    resourceGroup: /\/resourceGroups\/([^/]+)/i.exec(server.id ?? '')?.[1] ?? '',
    tags: server.tags ?? {},
    state: server.state ?? 'Unknown',
    fullyQualifiedDomainName: server.fullyQualifiedDomainName ?? null,
    minimalTlsVersion: server.minimalTlsVersion ?? null,
    publicNetworkAccess: server.publicNetworkAccess ?? null,
    restrictOutboundNetworkAccess: server.restrictOutboundNetworkAccess ?? null,
  };
}

const numbers = z.object({ currentValue: z.number().nullish(), limit: z.number().nullish() });
const usageSchema = numbers.extend({ name: z.string().nullish(), properties: numbers.nullish() });

/** API versions up to 2014-04-01 answer flat, newer ones under `properties`: whichever the client speaks, both are read. */
function usageOf(usage: object): Usage {
  const { name, properties, ...flat } = usageSchema.parse(usage);
  return {
    name: name ?? '',
    value: properties?.currentValue ?? flat.currentValue ?? 0,
    limit: properties?.limit ?? flat.limit ?? -1,
  };
}
