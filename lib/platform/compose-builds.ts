import { randomBytes } from 'node:crypto';
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
import { type Approvals } from './approvals';
import { type AzureClients } from './clients';
import { systemClock } from './clock';
import { type ClusterDirectory } from './cluster-choice';
import { AppError } from './errors';
import { type PlatformParts } from './platform-parts';
import { createProgressEvents } from './progress-events';
import { type Settings } from './settings';

const versionText = 'sqlfleet 0.1';

const loginTimeoutMs = 30_000;
const cancelTimeoutMs = 5_000;
/** A quarter of an hour less than `functionTimeout` in host.json. */
const longestDeliveryMs = 225 * 60_000;

/** Puts the builds capability together. */
export function composeBuilds(
  parts: PlatformParts,
  { approvals, clusters }: { approvals: Approvals; clusters: ClusterDirectory },
): { builds: BuildServices; closeBuilds: () => Promise<void> } {
  const { settings, clients, clock, random, logger } = parts;
  const events = createProgressEvents(clients.progressHub, logger);
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
      documents: { builds: parts.documents('builds'), outcomes: parts.documents('outcomes') },
      blobs: { uploads: parts.blobs('packages'), state: parts.blobs('builds'), logs: parts.blobs('logs') },
      queue: parts.queue,
      clusters,
      laneHolds: parts.documents('laneHolds'),
      events,
      fleetEvents: parts.fleetEvents,
      approvals,
      audit: parts.audit,
      clock,
      random,
      logger,
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
    closeBuilds: () => events.close(),
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
