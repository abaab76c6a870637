import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBareDriverClient } from '../../bench/database-runs/clients/bare-driver';
import { createPoolClient } from '../../bench/database-runs/clients/pool';
import { createProductClient } from '../../bench/database-runs/clients/product';
import { login, serverName } from '../../bench/database-runs/model';
import { createNullEngine } from '../../bench/database-runs/null-engine';
import { createWorkload } from '../../bench/database-runs/workload';
import { type Clock, systemClock } from '../../lib/platform/clock';
import { type Package } from '../../lib/packages/model';
import { ensureCertificates } from '../../local/certificates/certificates';
import { type SqlServers, startSqlServers } from '../../local/sql/servers';
import { type SqlEngine } from '../../local/sql/session';

/** Remembers the batches that it was sent. */
function listening(engine: SqlEngine): SqlEngine & { batches: string[] } {
  const batches: string[] = [];
  return {
    ...engine,
    batches,
    async login(identity) {
      const result = await engine.login(identity);
      if (!result.ok) return result;
      const { session } = result;
      return {
        ok: true,
        session: {
          ...session,
          execute(request, sink, signal) {
            if (request.kind === 'batch') batches.push(request.text);
            return session.execute(request, sink, signal);
          },
        },
      };
    },
  };
}

describe('the clients that are compared', () => {
  const scripts = 3;
  const folder = mkdtempSync(join(tmpdir(), 'sqlfleet-test-'));
  const slept: number[] = [];
  const clock: Clock = { ...systemClock, sleep: async (ms) => void slept.push(ms) };
  const engine = listening(createNullEngine({ loginMs: 0, replyMs: 1, scriptMs: 10 }, clock));
  let servers: SqlServers;
  let pkg: Package;
  let certificateAuthority: string;
  beforeAll(async () => {
    const certificates = await ensureCertificates(folder, [serverName], new Date());
    certificateAuthority = readFileSync(certificates.caFile, 'utf8');
    servers = await startSqlServers({
      engine,
      servers: [{ name: serverName, port: 0 }],
      logins: [login],
      certificates,
    });
    pkg = await createWorkload(scripts, 200);
  });
  afterAll(async () => {
    await servers.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    servers.resetCounters();
    engine.batches.length = 0;
    slept.length = 0;
  });
  const deps = () => ({ port: servers.servers[0]?.port ?? 0, certificateAuthority, pkg });
  const driverSettings = 1;

  it('all build a database on the null engine', async () => {
    await createProductClient(deps())(1);
    await createBareDriverClient(deps())(2);
    await createPoolClient(deps())(3);
    const requests = servers.counters().map(({ logins, requests: count }) => ({ logins, requests: count }));
    expect(requests).toEqual([
      { logins: 1, requests: driverSettings + 1 + scripts + 1 },
      { logins: 1, requests: driverSettings + 1 + scripts + 1 },
      // Probe and session each log in; then SELECT 1, begin, the scripts, the row, commit.
      { logins: 2, requests: 2 * driverSettings + 1 + 1 + scripts + 1 + 1 },
    ]);
  });

  it('are asked for the same: the bare driver sends what the product sends', async () => {
    /** Ids, times and the database are all that may differ. */
    const shapes = (): string[] =>
      engine.batches.splice(0).map((text) =>
        text
          .replace(/N'(t|t\d+|tenant\d*)'/g, '<name>')
          .replace(/'\d{4}-\d\d-\d\dT[\d:.]+'/g, '<time>')
          .replace(/CURRENT_TRANSACTION_ID\(\) <> \d+/g, '<transaction>'),
      );
    await createProductClient(deps())(1);
    const product = shapes();
    await createBareDriverClient(deps())(1);
    expect(shapes()).toEqual(product);
  });

  it('wait for the injected times: one per answer, and one more per script', async () => {
    await createBareDriverClient(deps())(1);
    expect(slept).toEqual([1, 1, ...Array.from({ length: scripts }, () => 11), 1]);
  });

  it('build packages whose scripts have the asked length', async () => {
    const { scripts: long } = await createWorkload(2, 10_000);
    expect(long.map(({ text }) => Math.round(text.length / 1_000))).toEqual([10, 10]);
  });
});
