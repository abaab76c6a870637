import { randomBytes, randomUUID } from 'node:crypto';
import { createBuildServices, type BuildServices } from '../builds/services';
import { createDatabaseBuilder } from '../builds/run/database-builder';
import { createOutcomeResolver } from '../builds/run/outcome-resolver';
import { type DatabaseBuilderDeps } from '../builds/run/context';
import { type Package } from '../packages/model';
import { readPackage } from '../packages/read';
import { readSubmitted } from '../packages/submitted';
import { type AuthenticationSource, createTokenSource } from '../sql/authentication';
import { createConnector } from '../sql/connector';
import { createEndpointResolver } from '../sql/endpoints';
import { parseTargets } from '../targets/parse';
import { checkServers } from '../targets/servers';
import { type TargetsReading } from '../targets/model';
import { createAudit } from './audit';
import { createBlobStore } from './blobs';
import { createAzureClients, type AzureClients } from './clients';
import { systemClock } from './clock';
import { createDocumentStore } from './documents';
import { AppError } from './errors';
import { processLogger } from './logger';
import { createBuildQueue } from './messages';
import { createProgressEvents } from './progress-events';
import { readSettings, type Settings } from './settings';

/** Names of what `infra/` creates. */
const topicName = 'database-builds';
const versionText = 'sqlfleet 0.1';

const loginTimeoutMs = 30_000;
const cancelTimeoutMs = 5_000;
/** A quarter of an hour less than `functionTimeout` in host.json. */
const longestDeliveryMs = 225 * 60_000;

export interface Composition {
  builds: BuildServices;
  /** Sends what is buffered and closes the connections. */
  close(): Promise<void>;
}

/** The composition root: the only place where parts are put together. Reads the settings once. */
export function compose(environment: Record<string, string | undefined>): Composition {
  const settings = readSettings(environment);
  const clients = createAzureClients(settings);
  const clock = systemClock;
  const random = Math.random;
  const database = clients.cosmos.database(settings.SQLFLEET_COSMOS_DATABASE);
  const documents = (name: string) => createDocumentStore(database.container(name), { clock, random });
  const blobs = (name: string) => createBlobStore(clients.blobs.getContainerClient(name));
  const queue = createBuildQueue(clients.serviceBus, clients.serviceBusAdministration, topicName);
  const events = createProgressEvents(clients.progressHub, processLogger);
  const builder: DatabaseBuilderDeps = {
    connect: createConnector({
      authentication: authenticationOf(settings, clients),
      resolveEndpoint: createEndpointResolver(settings.SQLFLEET_SQL_ENDPOINTS),
      encrypt: true,
      applicationName: 'sqlfleet',
      loginTimeoutMs,
      cancelTimeoutMs,
    }),
    clock,
    random,
    version: versionText,
  };

  return {
    builds: createBuildServices({
      documents: { builds: documents('builds'), outcomes: documents('outcomes') },
      blobs: { uploads: blobs('packages'), state: blobs('builds'), logs: blobs('logs') },
      queue,
      events,
      audit: createAudit(documents('audit'), { clock, newId: randomUUID }),
      clock,
      random,
      logger: processLogger,
      newBuildId: () => newBuildId(clock.nowMs()),
      readPackage: readSubmitted,
      readTargets: (text) => readAllowedTargets(text, settings.SQLFLEET_SQL_ALLOWED_SERVERS),
      parsePackage,
      buildDatabase: createDatabaseBuilder(builder),
      resolveDatabase: createOutcomeResolver(builder),
      longestDeliveryMs,
      monitorIntervalMs: settings.SQLFLEET_MONITOR_INTERVAL_MS,
      stuckAfterMs: settings.SQLFLEET_STUCK_AFTER_MS,
    }),
    async close() {
      await events.close();
      await queue.close();
      await clients.serviceBus.close();
      clients.cosmos.dispose();
    },
  };
}

function authenticationOf(settings: Settings, clients: AzureClients): AuthenticationSource {
  if (settings.SQLFLEET_SQL_AUTHENTICATION === 'entra') {
    return createTokenSource({ credential: clients.credential, nowMs: () => systemClock.nowMs() });
  }
  const user = settings.SQLFLEET_SQL_USER ?? '';
  const secretName = settings.SQLFLEET_SQL_PASSWORD_SECRET ?? '';
  let password: Promise<string> | undefined;
  return async () => {
    password ??= readSecret(clients, secretName).catch((error: unknown) => {
      password = undefined;
      throw error;
    });
    return { kind: 'password', user, password: await password };
  };
}

async function readSecret(clients: AzureClients, name: string): Promise<string> {
  const secret = await clients.secrets?.getSecret(name);
  if (secret?.value === undefined) {
    throw new AppError('settings.secretMissing', `The Key Vault has no value for the secret "${name}".`);
  }
  return secret.value;
}

/** Sortable by time, so that names in lists and blobs are in the order in which builds were started. */
function newBuildId(nowMs: number): string {
  const time = new Date(nowMs).toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${time}-${randomBytes(5).toString('hex')}`;
}

async function parsePackage(bytes: Buffer, name: string): Promise<Package> {
  const reading = await readPackage(bytes, { name });
  if (reading.valid) return reading.package;
  throw new AppError('builds.inputChanged', 'The stored package cannot be read any more.', {
    details: { problems: reading.problems },
  });
}

function readAllowedTargets(text: Buffer, allowedServers: readonly string[]): TargetsReading {
  const reading = parseTargets(text);
  const refused = checkServers(reading.targets, allowedServers);
  if (refused.length === 0) return reading;
  return { valid: false, targets: reading.targets, problems: [...reading.problems, ...refused] };
}
