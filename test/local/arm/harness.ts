import { ResourceManagementClient } from '@azure/arm-resources';
import { MonitorClient } from '@azure/arm-monitor';
import { type Server, SqlManagementClient } from '@azure/arm-sql';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArmOptions, startArm, type Arm } from '../../../local/arm/start';
import { type ArmFleet } from '../../../local/arm/world';
import { ensureCertificates } from '../../../local/certificates/certificates';
import { type Clock } from '../../../lib/platform/clock';
import { startIdentity, type Identity } from '../../../local/identity/start';

/** A resource manager and the real SDK clients for it. */
export interface ArmHarness {
  arm: Arm;
  sql: SqlManagementClient;
  monitor: MonitorClient;
  resources: ResourceManagementClient;
  identity: Identity;
  /** The servers that really run: in memory here, what the embedded SQL servers are in the whole cloud. */
  running: Map<string, string[]>;
  sqlFor(subscriptionId: string, audience?: string): SqlManagementClient;
  /** Stops it, and starts again with the same state on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const group = 'sqlfleet';
export const place = [group, 'fleet-1'] as const;

/** A server as the product asks for it. */
export function serverBody(changes: Partial<Server> = {}): Server {
  return {
    location: 'westeurope',
    minimalTlsVersion: '1.2',
    administrators: {
      administratorType: 'ActiveDirectory',
      principalType: 'Group',
      login: 'DBA',
      sid: '11111111-1111-1111-1111-111111111111',
      azureADOnlyAuthentication: true,
    },
    ...changes,
  };
}

export async function startHarness(options: Partial<ArmOptions> = {}): Promise<ArmHarness> {
  const folder = mkdtempSync(join(tmpdir(), 'arm-'));
  const certificates = await ensureCertificates(folder, ['localhost'], new Date());
  const ca = readFileSync(certificates.caFile, 'utf8');
  const identity = await startIdentity({ port: 0, stateFolder: null });
  const running = new Map([
    ['fleet-1', ['orders', 'customers']],
    ['fleet-2', []],
  ]);
  const start = (port: number): Promise<Arm> =>
    startArm({
      ...{ port, tls: certificates, verifyToken: identity.verifyToken, fleet: fleetOf(running) },
      stateFolder: join(folder, 'arm'),
      ...options,
    });
  let arm = await start(0);
  const credential = (audience?: string) => ({
    getToken: async (scope: string | string[]) => {
      const asked = Array.isArray(scope) ? (scope[0] ?? '') : scope;
      const token = identity.issueToken(audience ?? asked.replace('/.default', ''));
      return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
    },
  });
  const clientOptions = { endpoint: arm.endpoint, tlsOptions: { ca }, retryOptions: { maxRetries: 1 } };
  const sqlFor = (subscriptionId: string, audience?: string): SqlManagementClient =>
    new SqlManagementClient(credential(audience), subscriptionId, clientOptions);
  return {
    get arm() {
      return arm;
    },
    sql: sqlFor(arm.subscriptionId),
    monitor: new MonitorClient(credential(), arm.subscriptionId, clientOptions),
    resources: new ResourceManagementClient(credential(), arm.subscriptionId, clientOptions),
    identity,
    running,
    sqlFor,
    async restart() {
      await arm.stop();
      arm = await start(arm.port);
    },
    async stop() {
      await arm.stop();
      await identity.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

function fleetOf(running: Map<string, string[]>): ArmFleet {
  return {
    listServers: async () => [...running.keys()],
    listDatabases: async (server) => running.get(server) ?? [],
    createDatabase: async (server, database) => void running.get(server)?.push(database),
    deleteDatabase: async (server, database) => {
      running.set(
        server,
        (running.get(server) ?? []).filter((each) => each !== database),
      );
    },
    createServer: async (server) => void running.set(server, []),
    deleteServer: async (server) => void running.delete(server),
  };
}

export async function namesOf(pages: AsyncIterable<{ name?: string }>): Promise<(string | undefined)[]> {
  const names: (string | undefined)[] = [];
  for await (const { name } of pages) names.push(name);
  return names;
}

/** Time that passes only when a test says so. */
export function createManualClock(): Clock & { advance(ms: number): void } {
  let nowMs = Date.now();
  let sleeping: { untilMs: number; wake: () => void }[] = [];
  return {
    nowMs: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        sleeping.push({ untilMs: nowMs + ms, wake: resolve });
        signal?.addEventListener('abort', () => reject(new Error('aborted')));
      }),
    advance(ms) {
      nowMs += ms;
      const due = sleeping.filter(({ untilMs }) => untilMs <= nowMs);
      sleeping = sleeping.filter(({ untilMs }) => untilMs > nowMs);
      for (const { wake } of due) wake();
    },
  };
}
