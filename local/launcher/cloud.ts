import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { systemClock } from '../../lib/platform/clock';
import { messageOf } from '../../lib/platform/errors';
import { startBlobs } from '../blobs/start';
import { startDatabricks } from '../databricks/start';
import { startBroker } from '../broker/broker';
import { type AccessKey } from '../broker/tokens';
import { ensureCertificates } from '../certificates/certificates';
import { startDocuments } from '../documents/start';
import { createDurableEngine } from '../durable/engine';
import { readDurableSettings } from '../durable/settings';
import { loadApp } from '../host/app/load-app';
import { startEventGrid } from '../event-grid/start';
import { createFunctionsHost } from '../host/functions-host';
import { startIdentity } from '../identity/start';
import { startKeyVault } from '../key-vault/start';
import { createVaults } from '../key-vault/vaults';
import { startArm } from '../arm/start';
import { type FaultHooks, httpFaultSchema } from '../network/faults';
import { onRememberedPort } from '../network/remembered-port';
import { startPostgres } from '../postgres/postgres';
import { createSqlEngine } from '../sql/engine';
import { sqlFaultSchema } from '../sql/faults';
import { startSqlServers } from '../sql/servers';
import { appSettings, localEnvironment } from './app-settings';
import { armPart } from './arm-part';
import { createAzureTopics } from './azure-topics';
import { deployerOf } from './deployer';
import { startControl } from './control';
import { writeEndpoints, type Endpoints } from './endpoints';
import { createFleet } from './fleet';
import { brokerTopology, createContainers } from './infrastructure';
import { type LaunchOptions } from './options';
import { createHostLog } from './host-log';
import { processFigures } from './process-figures';
import { ensureSecrets } from './secrets';
import { coalesced } from './coalesced';
import { certificateNames, serverSuffix, sqlServerNames } from './server-names';
import { claimState } from './state-claim';

export interface Cloud {
  endpoints: Endpoints;
  /** From the call to ready. */
  startMs: number;
  stop(): Promise<void>;
}

const stopGraceMs = 10_000;
const sqlUser = 'sqlfleet';
/** Event Grid waits ten seconds before it tries again: half a second here. */
const eventGridHaste = 20;

/**
 * Starts everything that the app needs, and the app, in this process, with its state under `options.state`. Parts that do
 * not need each other start at the same time. `NODE_EXTRA_CA_CERTS` must name the certificate authority of the state folder.
 *
 * @throws Error of the first part that does not start, naming its port where one is taken; what had started is stopped.
 */
export async function startCloud(options: LaunchOptions): Promise<Cloud> {
  const begunMs = performance.now();
  const stops: (() => Promise<unknown>)[] = [];
  /** Later parts use earlier ones, so they are stopped in the opposite order. */
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  const started = async <T>(part: Promise<T>, stopPart: (part: T) => Promise<unknown>): Promise<T> => {
    const ready = await part;
    stops.push(() => stopPart(ready));
    return ready;
  };
  try {
    const endpoints = await startParts(options, started);
    return { endpoints, startMs: performance.now() - begunMs, stop };
  } catch (error) {
    await stop();
    throw namingThePort(error, options);
  }
}

/** Says which option chooses the port that is taken. */
function namingThePort(error: unknown, options: LaunchOptions): unknown {
  const taken = /^Port (\d+) is taken/.exec(messageOf(error))?.[1];
  if (taken === undefined) return error;
  const option = Object.entries(options).find(
    ([name, value]) => name.endsWith('-port') && String(value) === taken,
  )?.[0];
  const hint = option === undefined ? '--sql-port N' : `--${option} N`;
  return new Error(`Port ${taken} is taken. Stop what listens there, or choose others: ${hint}, or --free-ports.`, {
    cause: error,
  });
}

type Started = <T>(part: Promise<T>, stopPart: (part: T) => Promise<unknown>) => Promise<T>;

async function startParts(options: LaunchOptions, started: Started): Promise<Endpoints> {
  const { state } = options;
  await claimState(state);
  const clock = systemClock;
  const port = (chosen: number): number => (options['free-ports'] ? 0 : chosen);
  const secrets = ensureSecrets(state);
  const workerKey: AccessKey & { entity: string } = {
    name: 'workers',
    value: secrets.workerKey,
    rights: ['Listen'],
    entity: 'database-builds',
  };
  const serverNames = sqlServerNames(options.servers);
  const certificates = await ensureCertificates(
    join(state, 'certificates'),
    certificateNames(options.servers),
    new Date(),
  );
  const tls = { key: certificates.key, cert: certificates.cert };

  const deployer = deployerOf(secrets);
  const identity = await started(
    startIdentity({
      port: port(options['identity-port']),
      stateFolder: join(state, 'identity'),
      tls,
      apps: [deployer],
    }),
    (part) => part.stop(),
  );
  const { verifyToken } = identity;

  const azureTopics = createAzureTopics({ newId: randomUUID });
  /** Once the endpoints are known: tells of servers and databases that came later. */
  let refreshEndpoints = (): void => undefined;
  const sqlPort = port(options['sql-port']);
  const startSql = async () => {
    const postgres = await started(startPostgres({ stateDirectory: join(state, 'postgres') }), (part) => part.stop());
    const engine = await started(createSqlEngine({ postgres: postgres.connection, clock }), (part) => part.close());
    const fleet = await createFleet(
      engine,
      { servers: serverNames, databasesPerServer: options.databases, stateFolder: state },
      () => refreshEndpoints(),
    );
    const servers = await started(
      startSqlServers({
        engine,
        servers: serverNames.map((name, index) => ({ name, port: sqlPort === 0 ? 0 : sqlPort + index })),
        gateway: { port: port(options['sql-gateway-port']), servers: () => fleet.hostNames() },
        logins: [{ user: sqlUser, password: secrets.sqlPassword }],
        certificates: tls,
        verifyToken: async (token) => verifyToken(token, 'https://database.windows.net')?.objectId ?? null,
      }),
      (part) => part.close(),
    );
    return { fleet, servers };
  };
  const [{ fleet, servers }, broker, documents, blobs, keyVault, eventGrid] = await Promise.all([
    startSql(),
    started(
      startBroker({
        port: port(options['messaging-port']),
        journalFolder: join(state, 'broker'),
        clock,
        certificates: tls,
        key: { name: 'RootManageSharedAccessKey', value: secrets.messagingKey },
        moreKeys: [workerKey],
        verifyToken: async (token) => verifyToken(token) !== null,
        topology: brokerTopology(),
      }),
      (part) => part.stop(),
    ),
    started(
      startDocuments({ port: port(options['cosmos-port']), stateFolder: join(state, 'documents'), tls, verifyToken }),
      (part) => part.stop(),
    ),
    started(
      startBlobs({
        port: port(options['blob-port']),
        stateFolder: join(state, 'blobs'),
        ...{ tls, verifyToken },
        onWritten: azureTopics.onWritten,
      }),
      (part) => part.stop(),
    ),
    started(
      startKeyVault({ port: port(options['key-vault-port']), stateFolder: join(state, 'key-vault'), tls, verifyToken }),
      (part) => part.stop(),
    ),
    started(
      startEventGrid({
        port: port(options['event-grid-port']),
        tls,
        key: secrets.eventTopicKey,
        verifyToken,
        haste: eventGridHaste,
        stateFolder: join(state, 'event-grid'),
      }),
      (part) => part.stop(),
    ),
  ]);
  const vaults = createVaults({ stateFolder: join(state, 'vaults'), tls, verifyToken });
  await started(Promise.resolve(vaults), (part) => part.stop());
  // ARM remembers where it has told that workspaces are.
  const startDatabricksOn = (databricksPort: number) =>
    startDatabricks({ port: databricksPort, stateFolder: join(state, 'databricks'), tls, verifyToken });
  const databricks = await started(
    options['free-ports']
      ? onRememberedPort(join(state, 'databricks', 'port'), startDatabricksOn)
      : startDatabricksOn(options['databricks-port']),
    (part) => part.stop(),
  );
  const workspaces = { ensure: async () => new URL(databricks.url).host };
  const startArmOn = (armPort: number) =>
    startArm({
      port: armPort,
      stateFolder: join(state, 'arm'),
      ...{ tls, verifyToken, fleet, vaults, workspaces },
      onActivity: azureTopics.onActivity,
      scope: { tenantId: identity.tenantId, serverSuffix },
      fleetTags: { 'managed-by': 'sqlfleet', 'sqlfleet-environment': localEnvironment },
    });
  // Its clients keep the addresses of operations.
  const arm = await started(
    options['free-ports'] ? onRememberedPort(join(state, 'arm', 'port'), startArmOn) : startArmOn(options['arm-port']),
    (part) => part.stop(),
  );
  await createContainers({ cosmos: documents, blobConnectionString: blobs.connectionString });

  const httpPort = port(options['http-port']) || (await freePort());
  const sqlServers = servers.servers.map(({ name, port: boundTo }) => ({
    server: name,
    host: '127.0.0.1',
    port: boundTo,
  }));
  const settings = appSettings({
    arm,
    hostName: `localhost:${httpPort}`,
    serviceBusConnectionString: broker.serviceBusConnectionString,
    workerServiceBusConnectionString: `Endpoint=sb://localhost:${broker.port};SharedAccessKeyName=${workerKey.name};SharedAccessKey=${workerKey.value};EntityPath=${workerKey.entity}`,
    eventHubsConnectionString: broker.eventHubsConnectionString,
    blobConnectionString: blobs.connectionString,
    cosmos: documents,
    keyVaultUrl: keyVault.url,
    identity: {
      endpoint: identity.environment.IDENTITY_ENDPOINT,
      header: identity.environment.IDENTITY_HEADER,
      authorityHost: identity.authorityHost,
    },
    armEndpoint: arm.endpoint,
    sqlServers,
    events: {
      topics: `/subscriptions/${arm.subscriptionId}`,
      webhookKey: secrets.eventWebhookKey,
      ownIdentities: `${identity.objectId},${identity.clientId}`,
      topicEndpoint: eventGrid.topicEndpoint,
      topicKey: secrets.eventTopicKey,
    },
    sqlGateway: { suffix: serverSuffix, host: '127.0.0.1', port: servers.gatewayPort },
  });
  Object.assign(process.env, settings);

  const appFolder = join(__dirname, '..', '..');
  const hostJsonFile = join(appFolder, 'host.json');
  const log = createHostLog(options.verbose);
  const app = await loadApp({ folder: appFolder });
  const durable = createDurableEngine({
    ...readDurableSettings(JSON.parse(readFileSync(hostJsonFile, 'utf8'))),
    journalPath: join(state, 'durable', 'instances.jsonl'),
    clock,
    newId: randomUUID,
    log: (level, message) => log.durable(level, message),
    systemKey: secrets.systemKey,
  });
  const host = createFunctionsHost({
    app,
    hostJsonFile,
    settings: process.env,
    stateFolder: join(state, 'host'),
    keys: { master: secrets.masterKey, function: secrets.functionKey, system: secrets.systemKey },
    port: httpPort,
    durable,
    clock,
    newId: randomUUID,
    log: log.host,
  });
  const { port: boundPort } = await started(host.start(), () => host.stop(stopGraceMs));
  await azureTopics.open({
    eventGrid,
    baseUrl: `http://localhost:${boundPort}`,
    ...{
      systemKey: secrets.systemKey,
      resourceGroupId: `/subscriptions/${arm.subscriptionId}/resourceGroups/${arm.resourceGroup}`,
      blobEndpoint: blobs.endpoint,
    },
  });
  const control = await started(
    startControl({
      process: { actions: { figures: () => processFigures() } },
      sql: {
        setFaults: (faults) => {
          servers.faults.clear();
          for (const fault of faults) servers.faults.add(sqlFaultSchema.parse(fault));
        },
        waitingFaults: () => servers.faults.list(),
        actions: { dropConnections: () => servers.dropConnections() },
        counters: () => servers.counters(),
        resetCounters: () => servers.resetCounters(),
      },
      broker: {
        setFaults: (faults) => broker.faults.set(faults),
        waitingFaults: () => broker.faults.waiting(),
        actions: {
          resetConnections: () => broker.faults.dropConnections('reset'),
          forceConnections: () => broker.faults.dropConnections('forced'),
          listenerDown: () => broker.faults.listenerDown(),
          listenerUp: () => broker.faults.listenerUp(),
        },
        counters: () => broker.counters.read(),
        resetCounters: () => broker.counters.reset(),
      },
      documents: {
        setFaults: (faults) => setHttpFaults(documents.faults, faults),
        waitingFaults: () => documents.faults.waiting(),
        counters: () => documents.counters(),
        resetCounters: () => documents.resetCounters(),
      },
      blobs: {
        setFaults: (faults) => setHttpFaults(blobs.faults, faults),
        waitingFaults: () => blobs.faults.waiting(),
        counters: () => blobs.counters(),
        resetCounters: () => blobs.resetCounters(),
      },
      eventGrid: {
        setFaults: (faults) => setHttpFaults(eventGrid.faults, faults),
        waitingFaults: () => eventGrid.faults.waiting(),
        counters: () => eventGrid.counters(),
      },
      arm: armPart(arm),
      databricks: {
        setFaults: (faults) => setHttpFaults(databricks.faults, faults),
        waitingFaults: () => databricks.faults.waiting(),
        counters: () => ({ requests: databricks.counters(), contents: databricks.contents() }),
      },
      durable: { counters: () => durable.allCounters() },
    }),
    (part) => part.stop(),
  );

  const sqlEndpoints = async (): Promise<Endpoints['sql']> =>
    Promise.all(
      fleet.hostNames().map(async (server) => ({
        ...(sqlServers.find((each) => each.server === server) ?? {
          ...{ server, host: '127.0.0.1', port: servers.gatewayPort },
        }),
        user: sqlUser,
        password: secrets.sqlPassword,
        databases: [...(await fleet.listDatabases(server.slice(0, -serverSuffix.length)))],
      })),
    );
  const endpoints: Endpoints = {
    http: {
      baseUrl: `http://localhost:${boundPort}`,
      functionKey: secrets.functionKey,
      masterKey: secrets.masterKey,
    },
    sql: await sqlEndpoints(),
    serviceBus: { connectionString: broker.serviceBusConnectionString },
    eventHubs: { connectionString: broker.eventHubsConnectionString },
    cosmos: { endpoint: documents.endpoint, key: documents.key },
    blob: { connectionString: blobs.connectionString },
    keyVault: { url: keyVault.url },
    arm: { endpoint: arm.endpoint },
    identity: { endpoint: identity.environment.IDENTITY_ENDPOINT, header: identity.environment.IDENTITY_HEADER },
    databricks: { url: databricks.url },
    deployer: {
      tenantId: identity.tenantId,
      clientId: deployer.clientId,
      clientSecret: deployer.clientSecret,
    },
    eventGrid: {
      url: eventGrid.url,
      topicEndpoint: eventGrid.topicEndpoint,
      key: secrets.eventTopicKey,
      webhookKey: secrets.eventWebhookKey,
    },
    control: { url: control.url },
    caFile: certificates.caFile,
  };
  writeEndpoints(state, endpoints);
  refreshEndpoints = coalesced(async () => writeEndpoints(state, { ...endpoints, sql: await sqlEndpoints() }));
  return endpoints;
}

function setHttpFaults(hooks: FaultHooks, faults: unknown[]): void {
  hooks.clear();
  for (const fault of faults) hooks.add(httpFaultSchema.parse(fault));
}

/** The app has to know its own address before it is started. */
async function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address === null || typeof address === 'string' ? reject(new Error('no port is free')) : resolve(address.port),
      );
    });
  });
}
