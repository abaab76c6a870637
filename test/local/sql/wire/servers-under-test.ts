import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates } from '../../../../local/certificates/certificates';
import { type SqlServers, type SqlServersOptions, startSqlServers } from '../../../../local/sql/servers';
import { type SqlEngine } from '../../../../local/sql/session';
import { password, user } from './tedious-client';

export interface ServersUnderTest extends SqlServers {
  /** Of the first server. */
  port: number;
  caFile: string;
  ca: string;
  /** What the servers reported as their own defects. */
  defects: unknown[];
}

/** One server `server1`, or what `overrides` say, on free ports, with certificates of its own. */
export async function startServers(
  engine: SqlEngine,
  { hostNames = ['localhost'], ...overrides }: Partial<SqlServersOptions> & { hostNames?: string[] } = {},
): Promise<ServersUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'sqlfleet-test-'));
  const certificates = await ensureCertificates(folder, hostNames, new Date());
  const defects: unknown[] = [];
  const servers = await startSqlServers({
    engine,
    servers: [{ name: 'server1', port: 0 }],
    logins: [{ user, password }],
    certificates,
    onDefect: (error) => void defects.push(error),
    ...overrides,
  }).catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  return {
    ...servers,
    port: servers.servers[0]?.port ?? 0,
    caFile: certificates.caFile,
    ca: readFileSync(certificates.caFile, 'utf8'),
    defects,
    close: async () => {
      await servers.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
